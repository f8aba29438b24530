//! Keeping providers as the settings want them, and their metadata as they publish it (control 33).
//!
//! Metadata that is fetched again replaces addresses and takes keys away; a key that is new is not believed. It waits, and
//! administrators are told, once: whoever can change what a provider publishes must not be able to sign everybody in.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ::saml::{Peer, certificate_fingerprint};
use base::{Caller, Failure};
use jiff::{SignedDuration, Timestamp};
use jobs::Reconciler;
use outbound::Request;
use pg::{Reason, SystemTx};
use serde_json::Value;
use uuid::Uuid;

use super::config::{Desired, Source, parts};
use super::{KeysChanged, Provider, Sso, SsoRefusal, sql};
use crate::events::{self, Happening, OfProvider};
use crate::{Error, Visit};

/// Issuer of a provider whose name is not known yet.
const UNKNOWN: &str = "urn:palisade:not-learnt-yet:";

/// One look at all providers.
pub type Look = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>> + Send + Sync>;

/// Keeps providers as they should be, by [`Sso::keep`].
pub struct KeepProviders(pub Look);

impl Reconciler for KeepProviders {
    const NAME: &'static str = "auth.saml_providers";
    const WHAT: &'static str = "SAML providers of the settings, and the metadata of all";
    const EVERY: Duration = Duration::from_secs(30);

    async fn reconcile(&self) -> Result<(), Failure> {
        (self.0)().await
    }
}

/// What a provider of the settings is called among all.
pub(super) fn resource_of(name: &str) -> String {
    format!("settings:{name}")
}

impl Sso {
    /// What keeps the providers.
    pub fn keeper(&self) -> KeepProviders {
        let sso = self.clone();
        KeepProviders(Arc::new(move || {
            let sso = sso.clone();
            Box::pin(async move { Ok(sso.keep().await?) })
        }))
    }

    /// Applies the settings, reads metadata that is due, forgets what is over. One provider that fails keeps no other
    /// from its turn; why is kept with it and said at the end.
    pub async fn keep(&self) -> Result<(), Error> {
        if self.0.enabled == Some(false) {
            return Ok(());
        }
        let mut failed = None;
        for desired in &self.0.desired {
            if let Err(error) = self.apply(desired).await {
                failed.get_or_insert(error);
            }
        }
        let now = self.0.auth.0.clock.now();
        let ago =
            |seconds: i64| now.checked_sub(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MIN);
        let mut tx = self.0.auth.0.pg.begin_system(Reason::Administer).await?;
        let names: Vec<String> = self.0.desired.iter().map(Desired::fingerprint).collect();
        tx.execute(sql::DISABLE_FORGOTTEN, [names.into(), now.into()]).await?;
        tx.execute(sql::FORGET_ASSERTIONS, [now.into()]).await?;
        tx.execute(sql::FORGET_RELAYS, [ago(self.0.relay_seconds * 2).into()]).await?;
        tx.execute(sql::FORGET_ARRIVALS, [ago(self.0.relay_seconds * 2).into()]).await?;
        let due = tx.query(sql::CLAIM_REFRESH, [ago(self.0.refresh_seconds).into(), now.into()]).await?;
        let due = crate::session::ids(&due)?;
        tx.commit(()).await?.into_inner();
        for id in due {
            if let Err(error) = self.refresh(id).await {
                failed.get_or_insert(error);
            }
        }
        match failed {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Makes one provider of the settings what they say, unless it is that already.
    async fn apply(&self, desired: &Desired) -> Result<(), Error> {
        let auth = &self.0.auth;
        let mut tx = auth.0.pg.begin_system(Reason::Administer).await?;
        let known = self.find(&mut tx, sql::PROVIDER_BY_RESOURCE, resource_of(&desired.name)).await?;
        tx.commit(()).await?.into_inner();
        let is_applied = known
            .as_ref()
            .is_some_and(|known| known.from_settings.as_deref() == Some(&desired.fingerprint()));
        if is_applied || (known.is_none() && !desired.enabled) {
            return Ok(());
        }
        let (peer, xml, url, clear_text, learns) = match &desired.source {
            Source::Url { url, allow_clear_text } => {
                let xml = self.fetch(url, *allow_clear_text).await?;
                let peer = desired.over(Peer::from_metadata(&xml)?)?;
                (peer, xml, Some(url.clone()), *allow_clear_text, false)
            }
            Source::Metadata(xml) => {
                (desired.over(Peer::from_metadata(xml)?)?, xml.clone(), None, false, false)
            }
            Source::Parts { entity_id } => {
                let unknown = format!("{UNKNOWN}{}", desired.name);
                let peer = parts(desired, entity_id.as_deref().unwrap_or(&unknown))?;
                let xml = peer.to_metadata();
                (peer, xml, None, false, entity_id.is_none())
            }
        };
        let visit = system_visit();
        let mut tx = auth.0.pg.begin_system(Reason::Administer).await?;
        let row = Row {
            id: known.as_ref().map_or_else(|| auth.0.rng.uuid(), |known| known.id),
            is_new: known.is_none(),
            resource_id: Some(resource_of(&desired.name)),
            disabled: !desired.enabled,
            peer,
            metadata_xml: xml,
            metadata_url: url,
            mapping: desired.mapping.clone(),
            name_id_format: None,
            domains: Some(desired.domains.clone()),
            allow_idp_initiated: desired.allow_idp_initiated,
            allow_clear_text: clear_text,
            redirect_hosts: desired.redirect_hosts.clone(),
            from_settings: Some(desired.fingerprint()),
            learns_issuer: learns,
        };
        self.write(&mut tx, &row).await?;
        let happening = match row.is_new {
            true => {
                Happening::Provider { id: row.id, entity_id: &row.peer.entity_id, what: OfProvider::Created }
            }
            false => {
                Happening::Provider { id: row.id, entity_id: &row.peer.entity_id, what: OfProvider::Changed }
            }
        };
        events::record(&mut tx, auth, &visit, happening).await?;
        tx.commit(()).await?.into_inner();
        Ok(())
    }

    /// Reads one provider's metadata again.
    async fn refresh(&self, id: Uuid) -> Result<(), Error> {
        let auth = &self.0.auth;
        let mut tx = auth.0.pg.begin_system(Reason::Administer).await?;
        let provider = self.find(&mut tx, sql::PROVIDER_BY_ID, id).await?;
        tx.commit(()).await?.into_inner();
        let Some(provider) = provider else { return Ok(()) };
        let Some(url) = provider.metadata_url.clone() else { return Ok(()) };
        let fetched = match self.fetch(&url, provider.allow_clear_text).await {
            Ok(xml) => Peer::from_metadata(&xml).map_err(Error::from),
            Err(error) => Err(error),
        };
        let mut tx = auth.0.pg.begin_system(Reason::Administer).await?;
        let outcome = match fetched {
            Ok(peer) => self.compare(&mut tx, &provider, peer).await,
            Err(error) => {
                let why = base::fault::chain(&error);
                let row = [id.into(), auth.0.clock.now().into(), why.into()];
                tx.execute(sql::REFRESH_FAILED, row).await?;
                Err(error)
            }
        };
        tx.commit(()).await?.into_inner();
        outcome
    }

    /// Fewer keys and other addresses are taken; a new key is offered. Another name is another provider.
    async fn compare(&self, tx: &mut SystemTx, provider: &Provider, shown: Peer) -> Result<(), Error> {
        let (auth, pinned) = (&self.0.auth, provider.peer()?);
        let from_settings =
            self.0.desired.iter().find(|one| provider.from_settings.as_deref() == Some(&one.fingerprint()));
        let shown = match from_settings {
            Some(desired) => desired.over(shown)?,
            None => shown,
        };
        let keys = |peer: &Peer| peer.certificates.iter().cloned().collect::<BTreeSet<String>>();
        let is_safe = shown.entity_id == pinned.entity_id && keys(&shown).is_subset(&keys(&pinned));
        if is_safe {
            tx.execute(sql::KEEP_PIN, [provider.id.into(), shown.to_metadata().into()]).await?;
            return Ok(());
        }
        let offered = shown.to_metadata();
        let row = [provider.id.into(), (&offered).into(), auth.0.clock.now().into()];
        if tx.execute(sql::OFFER_PIN, row).await? == 0 {
            return Ok(());
        }
        self.tell(tx, provider.id, &provider.entity_id, &pinned, &shown, &system_visit()).await
    }

    /// Records that keys changed, and tells administrators.
    pub(super) async fn tell(
        &self,
        tx: &mut SystemTx,
        id: Uuid,
        entity_id: &str,
        before: &Peer,
        after: &Peer,
        visit: &Visit,
    ) -> Result<(), Error> {
        let prints = |peer: &Peer| {
            peer.certificates.iter().filter_map(|one| certificate_fingerprint(one).ok()).collect::<Vec<_>>()
        };
        let (before, after) = (prints(before), prints(after));
        let happening =
            Happening::Provider { id, entity_id, what: OfProvider::Keys(before.join(" "), after.join(" ")) };
        events::record(tx, &self.0.auth, visit, happening).await?;
        let rows = tx.query(sql::ADMINISTRATORS, []).await?;
        let administrators =
            rows.iter().filter_map(|row| row.get::<Option<String>>("email").ok().flatten()).collect();
        let told = KeysChanged { administrators, provider: entity_id.to_owned(), keys: after };
        // A mail that cannot be written must not undo the record.
        let _ = (self.0.alert)(tx, told).await;
        Ok(())
    }

    /// Fetches metadata, with TLS unless that is waived for this one (control 38).
    pub(super) async fn fetch(&self, url: &str, allow_clear_text: bool) -> Result<String, Error> {
        if !url.starts_with("https://") && !allow_clear_text {
            return Err(SsoRefusal::MetadataInsecure.into());
        }
        let max = ::saml::limits::METADATA_BYTES_MAX.value;
        let request =
            Request::get("saml metadata", url).at_most(max).redirects(2).clear_text(allow_clear_text);
        let answer = self.0.outbound.send(request).await.and_then(outbound::Answer::success);
        let answer = answer.map_err(Error::Fetch)?;
        String::from_utf8(answer.body.to_vec()).map_err(|_| SsoRefusal::MetadataFetch.into())
    }

    /// Writes a provider and pins what is trusted of it.
    pub(super) async fn write(&self, tx: &mut SystemTx, row: &Row) -> Result<(), Error> {
        let (auth, now) = (&self.0.auth, self.0.auth.0.clock.now());
        let (resource, disabled) = (row.resource_id.as_ref(), row.disabled);
        match row.is_new {
            true => {
                let provider = [row.id.into(), resource.into(), now.into(), disabled.into()];
                tx.execute(sql::INSERT_PROVIDER, provider).await.map_err(taken)?;
                let saml = [
                    auth.0.rng.uuid().into(),
                    row.id.into(),
                    (&row.peer.entity_id).into(),
                    (&row.metadata_xml).into(),
                    row.metadata_url.as_ref().into(),
                    (&row.mapping).into(),
                    now.into(),
                    row.name_id_format.as_ref().into(),
                ];
                tx.execute(sql::INSERT_SAML, saml).await.map_err(taken)?;
            }
            false => {
                let provider = [row.id.into(), resource.into(), disabled.into(), now.into()];
                tx.execute(sql::UPDATE_PROVIDER, provider).await.map_err(taken)?;
                let saml = [
                    row.id.into(),
                    (&row.peer.entity_id).into(),
                    (&row.metadata_xml).into(),
                    row.metadata_url.as_ref().into(),
                    (&row.mapping).into(),
                    now.into(),
                    row.name_id_format.as_ref().into(),
                ];
                tx.execute(sql::UPDATE_SAML, saml).await.map_err(taken)?;
            }
        }
        if let Some(domains) = &row.domains {
            tx.execute(sql::DELETE_DOMAINS, [row.id.into()]).await?;
            for domain in domains {
                let domain = domain.trim().to_lowercase();
                let one = [auth.0.rng.uuid().into(), row.id.into(), domain.into(), now.into()];
                tx.execute(sql::INSERT_DOMAIN, one).await.map_err(taken)?;
            }
        }
        let hosts: Value = row.redirect_hosts.clone().into();
        let pin = [
            row.id.into(),
            row.peer.to_metadata().into(),
            row.learns_issuer.into(),
            row.allow_idp_initiated.into(),
            row.allow_clear_text.into(),
            hosts.into(),
            row.from_settings.as_ref().into(),
            now.into(),
        ];
        tx.execute(sql::PIN, pin).await?;
        Ok(())
    }
}

/// A provider to write.
pub(super) struct Row {
    pub(super) id: Uuid,
    pub(super) is_new: bool,
    pub(super) resource_id: Option<String>,
    pub(super) disabled: bool,
    pub(super) peer: Peer,
    pub(super) metadata_xml: String,
    pub(super) metadata_url: Option<String>,
    pub(super) mapping: Value,
    pub(super) name_id_format: Option<String>,
    pub(super) domains: Option<Vec<String>>,
    pub(super) allow_idp_initiated: bool,
    pub(super) allow_clear_text: bool,
    pub(super) redirect_hosts: Vec<String>,
    pub(super) from_settings: Option<String>,
    pub(super) learns_issuer: bool,
}

/// Which of the unique names was taken.
fn taken(error: pg::Error) -> Error {
    let constraint = error.database().and_then(|refused| refused.constraint.clone());
    match constraint.as_deref() {
        Some("sso_domains_domain_idx") => SsoRefusal::DomainExists.into(),
        Some("saml_providers_entity_id_key" | "sso_providers_resource_id_idx") => {
            SsoRefusal::IdpExists.into()
        }
        _ => Error::Database(error),
    }
}

/// Nobody asked: the house itself.
fn system_visit() -> Visit {
    Visit {
        caller: Arc::new(Caller::operator()),
        user_agent: None,
        request_id: "saml-providers".into(),
        devices: Vec::new(),
        elsewhere: false,
    }
}
