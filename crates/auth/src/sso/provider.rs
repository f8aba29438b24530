//! One identity provider, as its rows have it.

use ::saml::Peer;
use jiff::Timestamp;
use pg::{Param, Row, SystemTx};
use serde_json::Value;
use uuid::Uuid;

use super::{Sso, SsoRefusal, sql};
use crate::user::timestamp;
use crate::{Error, Redirects};

/// An identity provider.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Its id.
    pub id: Uuid,
    /// The name administrators gave it.
    pub resource_id: Option<String>,
    /// Whether nobody can sign in through it.
    pub disabled: bool,
    /// Its own name.
    pub entity_id: String,
    /// Its metadata, as it was given.
    pub metadata_xml: String,
    /// Where that came from.
    pub metadata_url: Option<String>,
    /// What is taken of assertions.
    pub attribute_mapping: Value,
    /// The kind of name that is asked for.
    pub name_id_format: Option<String>,
    /// The e-mail domains it is for.
    pub domains: Vec<Domain>,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
    /// Whether it may sign people in who did not ask.
    pub allow_idp_initiated: bool,
    /// Where browsers may go afterwards, besides the site.
    pub redirect_hosts: Vec<String>,
    /// The name it has in the settings.
    pub from_settings: Option<String>,
    /// Whether its metadata now shows keys that are not pinned.
    pub has_offer: bool,
    /// Why its metadata could not be read last.
    pub failure: Option<String>,
    pub(super) learns_issuer: bool,
    pub(super) allow_clear_text: bool,
    pub(super) pinned: String,
}

/// An e-mail domain.
#[derive(Clone, Debug)]
pub struct Domain {
    /// Its row.
    pub id: Uuid,
    /// The domain.
    pub domain: String,
    /// When it was added.
    pub created_at: Option<Timestamp>,
}

impl Provider {
    pub(super) fn read(row: Row<'_>) -> Result<Self, Error> {
        let domains: Value = row.get("domains")?;
        let hosts: Value = row.get("redirect_hosts")?;
        let domain = |entry: &Value| {
            Some(Domain {
                id: entry.get("id")?.as_str()?.parse().ok()?,
                domain: entry.get("domain")?.as_str()?.to_owned(),
                created_at: entry.get("created_at").and_then(Value::as_str).and_then(timestamp),
            })
        };
        Ok(Provider {
            id: row.get("id")?,
            resource_id: row.get("resource_id")?,
            disabled: row.get("disabled")?,
            entity_id: row.get("entity_id")?,
            metadata_xml: row.get("metadata_xml")?,
            metadata_url: row.get("metadata_url")?,
            attribute_mapping: row.get::<Option<Value>>("attribute_mapping")?.unwrap_or(Value::Null),
            name_id_format: row.get("name_id_format")?,
            domains: domains
                .as_array()
                .map(|all| all.iter().filter_map(domain).collect())
                .unwrap_or_default(),
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
            allow_idp_initiated: row.get("allow_idp_initiated")?,
            redirect_hosts: texts(&hosts),
            from_settings: row.get("from_settings")?,
            has_offer: row.get("has_offer")?,
            failure: row.get("failure")?,
            learns_issuer: row.get("learns_issuer")?,
            allow_clear_text: row.get("allow_clear_text")?,
            pinned: row.get("pinned")?,
        })
    }

    /// What `auth.identities.provider` calls it.
    pub fn identity_provider(&self) -> String {
        format!("sso:{}", self.id)
    }

    /// Where its sign-in requests go.
    pub fn sso_url(&self) -> Option<String> {
        self.peer().ok().map(|peer| peer.sso_url)
    }

    /// Where its logout requests go.
    pub fn slo_url(&self) -> Option<String> {
        self.peer().ok()?.logout_url
    }

    /// What is trusted of it.
    pub(super) fn peer(&self) -> Result<Peer, Error> {
        Ok(Peer::from_metadata(&self.pinned)?)
    }

    /// Where its people's browsers may go.
    pub(super) fn redirects(&self, sso: &Sso) -> Option<Redirects> {
        if self.redirect_hosts.is_empty() {
            return None;
        }
        let patterns: Vec<String> = self
            .redirect_hosts
            .iter()
            .flat_map(|host| {
                let name = host.split(':').next().unwrap_or_default();
                let scheme = if name == "localhost" || name == "127.0.0.1" { "http" } else { "https" };
                [format!("{scheme}://{host}"), format!("{scheme}://{host}/**")]
            })
            .collect();
        Some(Redirects::new(sso.site().text(), &patterns))
    }
}

fn texts(value: &Value) -> Vec<String> {
    let all = value.as_array().into_iter().flatten();
    all.filter_map(Value::as_str).map(str::to_owned).collect()
}

impl Sso {
    /// One provider, whether it is in use or not.
    pub(super) async fn find(
        &self,
        tx: &mut SystemTx,
        statement: &'static str,
        by: impl Into<Param>,
    ) -> Result<Option<Provider>, Error> {
        let rows = tx.query(statement, [by.into()]).await?;
        rows.first().map(Provider::read).transpose()
    }

    /// One provider by id, in use.
    pub(super) async fn live(&self, tx: &mut SystemTx, id: Uuid) -> Result<Provider, Error> {
        let found = self.find(tx, sql::PROVIDER_BY_ID, id).await?.ok_or(SsoRefusal::ProviderNotFound)?;
        match found.disabled {
            true => Err(SsoRefusal::ProviderDisabled.into()),
            false => Ok(found),
        }
    }
}
