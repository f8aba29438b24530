//! Providers, by administrators.

use ::saml::Peer;
use pg::{Reason, Reply};
use serde_json::Value;
use uuid::Uuid;

use super::refresh::Row;
use super::{Provider, Sso, SsoRefusal, sql};
use crate::events::{self, Happening, OfProvider};
use crate::{Error, Visit, limits};

/// What an administrator says of a provider. What is not said stays, or has its default.
#[derive(Default)]
pub struct ProviderFields {
    /// Where its metadata is.
    pub metadata_url: Option<String>,
    /// Its metadata.
    pub metadata_xml: Option<String>,
    /// The e-mail domains it is for.
    pub domains: Option<Vec<String>>,
    /// What is taken of assertions.
    pub attribute_mapping: Option<Value>,
    /// The kind of name that is asked for.
    pub name_id_format: Option<String>,
    /// The name administrators give it.
    pub resource_id: Option<String>,
    /// Whether nobody can sign in through it.
    pub disabled: Option<bool>,
    /// Whether it may sign people in who did not ask.
    pub allow_idp_initiated: Option<bool>,
    /// Where browsers may go afterwards.
    pub allowed_redirect_hosts: Option<Vec<String>>,
}

impl Sso {
    /// All of them, oldest first.
    pub async fn providers(&self) -> Result<Reply<Vec<Provider>>, Error> {
        self.require_on()?;
        let mut tx = self.0.auth.0.pg.begin_system(Reason::Administer).await?;
        let max = i64::try_from(limits::SSO_PROVIDERS_MAX.value).unwrap_or(i64::MAX);
        let rows = tx.query(sql::PROVIDERS, [max.into()]).await?;
        let all = rows.iter().map(Provider::read).collect::<Result<_, _>>()?;
        Ok(tx.commit(all).await?)
    }

    /// Those that anybody may sign in through: what a sign-in page shows.
    pub async fn offered(&self) -> Result<Reply<Vec<Provider>>, Error> {
        if self.require_on().is_err() {
            return Ok(Reply::untouched(Vec::new(), "SAML is off"));
        }
        Ok(self.providers().await?.map(|all| {
            let is_ours =
                |one: &Provider| one.resource_id.as_deref().is_some_and(|name| name.starts_with("probe_"));
            all.into_iter().filter(|one| !one.disabled && !is_ours(one)).collect()
        }))
    }

    /// One, by its id or `resource_<name>`.
    pub async fn provider(&self, named: &str) -> Result<Reply<Provider>, Error> {
        self.require_on()?;
        let mut tx = self.0.auth.0.pg.begin_system(Reason::Administer).await?;
        let found = self.named(&mut tx, named).await?;
        Ok(tx.commit(found).await?)
    }

    async fn named(&self, tx: &mut pg::SystemTx, named: &str) -> Result<Provider, Error> {
        let found = match (named.strip_prefix("resource_"), Uuid::try_parse(named)) {
            (Some(resource), _) => self.find(tx, sql::PROVIDER_BY_RESOURCE, resource).await?,
            (None, Ok(id)) => self.find(tx, sql::PROVIDER_BY_ID, id).await?,
            (None, Err(_)) => None,
        };
        Ok(found.ok_or(SsoRefusal::ProviderNotFound)?)
    }

    /// Adds a provider, and pins what its metadata says.
    pub async fn create_provider(
        &self,
        fields: ProviderFields,
        visit: &Visit,
    ) -> Result<Reply<Provider>, Error> {
        self.0.auth.require_admin_step_up(visit)?;
        self.require_on()?;
        let (peer, xml) = match self.metadata_of(&fields).await? {
            Some(found) => found,
            None => return Err(Error::invalid("Either metadata_xml or metadata_url must be set")),
        };
        check(&fields)?;
        let auth = &self.0.auth;
        let row = Row {
            id: auth.0.rng.uuid(),
            is_new: true,
            resource_id: fields.resource_id,
            disabled: fields.disabled.unwrap_or(false),
            peer,
            metadata_xml: xml,
            metadata_url: fields.metadata_url,
            mapping: fields.attribute_mapping.unwrap_or_else(|| serde_json::json!({})),
            name_id_format: fields.name_id_format,
            domains: Some(fields.domains.unwrap_or_default()),
            allow_idp_initiated: fields.allow_idp_initiated.unwrap_or(false),
            allow_clear_text: self.0.allow_clear_text,
            redirect_hosts: fields.allowed_redirect_hosts.unwrap_or_default(),
            from_settings: None,
            learns_issuer: false,
        };
        let mut tx = auth.0.pg.begin_system(Reason::Administer).await?;
        self.write(&mut tx, &row).await?;
        let happening =
            Happening::Provider { id: row.id, entity_id: &row.peer.entity_id, what: OfProvider::Created };
        events::record(&mut tx, auth, visit, happening).await?;
        let made = self.live_or_not(&mut tx, row.id).await?;
        Ok(tx.commit(made).await?)
    }

    /// Changes a provider. Metadata that is given again is pinned anew: this is how other keys are accepted.
    pub async fn change_provider(
        &self,
        named: &str,
        fields: ProviderFields,
        visit: &Visit,
    ) -> Result<Reply<Provider>, Error> {
        self.0.auth.require_admin_step_up(visit)?;
        let known = self.provider(named).await?.into_inner();
        let shown = self.metadata_of(&fields).await?;
        check(&fields)?;
        let auth = &self.0.auth;
        let before = known.peer()?;
        let (peer, xml) = match shown {
            Some((peer, _)) if peer.entity_id != known.entity_id => {
                return Err(SsoRefusal::EntityIdMismatch.into());
            }
            Some(found) => found,
            None => (before.clone(), known.metadata_xml.clone()),
        };
        let row = Row {
            id: known.id,
            is_new: false,
            resource_id: fields.resource_id.or(known.resource_id),
            disabled: fields.disabled.unwrap_or(known.disabled),
            peer,
            metadata_xml: xml,
            metadata_url: match fields.metadata_xml {
                Some(_) => None,
                None => fields.metadata_url.or(known.metadata_url),
            },
            mapping: fields.attribute_mapping.unwrap_or(known.attribute_mapping),
            name_id_format: fields.name_id_format.or(known.name_id_format),
            domains: fields.domains,
            allow_idp_initiated: fields.allow_idp_initiated.unwrap_or(known.allow_idp_initiated),
            allow_clear_text: known.allow_clear_text,
            redirect_hosts: fields.allowed_redirect_hosts.unwrap_or(known.redirect_hosts),
            from_settings: known.from_settings,
            learns_issuer: known.learns_issuer,
        };
        let mut tx = auth.0.pg.begin_system(Reason::Administer).await?;
        self.write(&mut tx, &row).await?;
        let happening =
            Happening::Provider { id: row.id, entity_id: &row.peer.entity_id, what: OfProvider::Changed };
        events::record(&mut tx, auth, visit, happening).await?;
        if row.peer.certificates != before.certificates {
            self.tell(&mut tx, row.id, &row.peer.entity_id, &before, &row.peer, visit).await?;
        }
        let changed = self.live_or_not(&mut tx, row.id).await?;
        Ok(tx.commit(changed).await?)
    }

    /// Removes a provider. The accounts it owns stay, and nobody can sign in to them any more.
    pub async fn remove_provider(&self, named: &str, visit: &Visit) -> Result<Reply<Provider>, Error> {
        self.0.auth.require_admin_step_up(visit)?;
        self.require_on()?;
        let auth = &self.0.auth;
        let mut tx = auth.0.pg.begin_system(Reason::Administer).await?;
        let known = self.named(&mut tx, named).await?;
        tx.execute(sql::DELETE_PROVIDER, [known.id.into()]).await?;
        let happening =
            Happening::Provider { id: known.id, entity_id: &known.entity_id, what: OfProvider::Removed };
        events::record(&mut tx, auth, visit, happening).await?;
        Ok(tx.commit(known).await?)
    }

    async fn live_or_not(&self, tx: &mut pg::SystemTx, id: Uuid) -> Result<Provider, Error> {
        Ok(self.find(tx, sql::PROVIDER_BY_ID, id).await?.ok_or(SsoRefusal::ProviderNotFound)?)
    }

    /// What was given, read.
    async fn metadata_of(&self, fields: &ProviderFields) -> Result<Option<(Peer, String)>, Error> {
        let xml = match (&fields.metadata_xml, &fields.metadata_url) {
            (Some(_), Some(_)) => {
                return Err(Error::invalid("Only one of metadata_xml or metadata_url needs to be set"));
            }
            (Some(xml), None) => xml.clone(),
            (None, Some(url)) => self.fetch(url, self.0.allow_clear_text).await?,
            (None, None) => return Ok(None),
        };
        Ok(Some((Peer::from_metadata(&xml)?, xml)))
    }
}

fn check(fields: &ProviderFields) -> Result<(), Error> {
    let domain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.');
    for given in fields.domains.iter().flatten() {
        if given.is_empty() || given.len() > 253 || !given.chars().all(domain) {
            return Err(Error::invalid("domains must be domain names"));
        }
    }
    let host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':');
    for given in fields.allowed_redirect_hosts.iter().flatten() {
        if given.is_empty() || given.len() > 255 || !given.chars().all(host) {
            return Err(Error::invalid("allowed_redirect_hosts must be host names, without scheme or *"));
        }
    }
    let too_many = |list: &Option<Vec<String>>| {
        list.as_ref().is_some_and(|list| list.len() > limits::SSO_DOMAINS_MAX.size())
    };
    if too_many(&fields.domains) || too_many(&fields.allowed_redirect_hosts) {
        return Err(Error::invalid("too many domains or hosts"));
    }
    let mapping = fields.attribute_mapping.as_ref();
    if mapping.is_some_and(|mapping| mapping.to_string().len() > limits::METADATA_BYTES_MAX.size()) {
        return Err(Error::invalid("attribute_mapping is too large"));
    }
    if fields.name_id_format.as_ref().is_some_and(|format| !format.starts_with("urn:oasis:names:tc:SAML:")) {
        return Err(Error::invalid(
            "name_id_format must be unspecified, persistent, transient or emailAddress",
        ));
    }
    if fields.resource_id.as_ref().is_some_and(|name| name.starts_with("settings:") || name.len() > 255) {
        return Err(Error::invalid("resource_id must not begin with settings:"));
    }
    Ok(())
}
