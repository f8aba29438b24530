//! Sending somebody to their identity provider.

use jiff::{SignedDuration, Timestamp};
use pg::{Reason, Reply, SystemTx};
use uuid::Uuid;

use super::{Provider, Sso, SsoRefusal, sql};
use crate::session::Way;
use crate::{Challenge, Error, NewFlow, Redirect};

/// Which provider is wanted.
pub enum Wanted {
    /// By its id.
    Id(Uuid),
    /// By the name it has in the settings or an administrator gave it.
    Name(String),
    /// By the domain of somebody's address.
    Domain(String),
}

/// A sign-in to begin.
pub struct Start<'a> {
    /// With whom.
    pub wanted: Wanted,
    /// Where the browser should go afterwards: the first that was asked for counts.
    pub asked: &'a [Option<&'a str>],
    /// What the client showed, when it will exchange a code.
    pub challenge: Option<Challenge>,
    /// Whether a browser asks, and not a program.
    pub by_browser: bool,
}

impl Sso {
    /// Begins a sign-in. The answer is where to go: to the provider where a verifier will prove it or a program will bring the
    /// answer; else to us, where it is bound to the browser first.
    pub async fn start(&self, start: Start<'_>) -> Result<Reply<String>, Error> {
        self.require_on()?;
        let us = self.us().await?;
        let auth = &self.0.auth;
        let mut tx = auth.0.pg.begin_system(Reason::Identify).await?;
        let provider = self.wanted(&mut tx, start.wanted).await?;
        if provider.disabled {
            return Err(SsoRefusal::ProviderDisabled.into());
        }
        let back_to = self.allowed(&provider, start.asked);
        let flow = match &start.challenge {
            None => None,
            Some(challenge) => {
                let new = NewFlow {
                    user: None,
                    challenge: Some(challenge),
                    provider: &provider.identity_provider(),
                    method: Way::Saml.name(),
                    back_to: Some(&back_to),
                };
                Some(auth.begin_flow(&mut tx, new).await?)
            }
        };
        let relay = auth.0.rng.uuid();
        let format = provider.name_id_format.as_deref();
        let redirect =
            us.sign_in(&provider.peer()?, &relay.to_string(), format, &auth.0.clock, &auth.0.rng)?;
        let now = auth.0.clock.now();
        let gone =
            now.checked_sub(SignedDuration::from_secs(self.0.relay_seconds * 2)).unwrap_or(Timestamp::MIN);
        tx.execute(sql::FORGET_RELAYS, [gone.into()]).await?;
        let row = [
            relay.into(),
            provider.id.into(),
            redirect.id.into(),
            back_to.text().into(),
            now.into(),
            flow.into(),
        ];
        tx.execute(sql::INSERT_RELAY, row).await?;
        let to = match flow {
            None if start.by_browser => self.unbound(&mut tx, relay, redirect.url).await?,
            Some(_) | None => redirect.url,
        };
        Ok(tx.commit(to).await?)
    }

    async fn wanted(&self, tx: &mut SystemTx, wanted: Wanted) -> Result<Provider, Error> {
        match wanted {
            Wanted::Id(id) => {
                Ok(self.find(tx, sql::PROVIDER_BY_ID, id).await?.ok_or(SsoRefusal::ProviderNotFound)?)
            }
            Wanted::Name(name) => {
                let ours = super::refresh::resource_of(&name);
                match self.find(tx, sql::PROVIDER_BY_RESOURCE, ours).await? {
                    Some(found) => Ok(found),
                    None => Ok(self
                        .find(tx, sql::PROVIDER_BY_RESOURCE, name)
                        .await?
                        .ok_or(SsoRefusal::ProviderNotFound)?),
                }
            }
            Wanted::Domain(domain) => {
                let domain = domain.rsplit('@').next().unwrap_or_default().trim().to_lowercase();
                if let Some(found) = self.find(tx, sql::PROVIDER_BY_DOMAIN, domain).await? {
                    return Ok(found);
                }
                // Where the settings know one provider and say no domains, it is everybody's.
                let rows = tx.query(sql::PROVIDERS_FOR_ANY_DOMAIN, []).await?;
                match (rows.first(), rows.len()) {
                    (Some(row), 1) => Provider::read(row),
                    _ => Err(SsoRefusal::NoProviderForDomain.into()),
                }
            }
        }
    }

    /// Where the browser may go: what was asked for first, if this provider's people may go there, else the site
    /// (control 37). A path alone is a page of the site.
    pub(super) fn allowed(&self, provider: &Provider, asked: &[Option<&str>]) -> Redirect {
        let rules = self.0.auth.rules();
        // Our own page is no host that a provider's people have to be let to.
        let ours = |text: &&str| rules.redirects.allow(text).filter(|asked| rules.redirects.is_page(asked));
        if let Some(page) = asked.iter().flatten().find(|text| !text.is_empty()).and_then(ours) {
            return page;
        }
        let own = provider.redirects(self);
        let redirects = own.as_ref().unwrap_or(&rules.redirects);
        let first = asked.iter().flatten().find(|text| !text.is_empty());
        let whole = first.map(|text| match text.starts_with('/') && !text.starts_with("//") {
            true => format!("{}{text}", origin(redirects.site().text())),
            false => (*text).to_owned(),
        });
        redirects.choose([whole.as_deref()])
    }
}

/// Scheme, host and port of an address.
fn origin(address: &str) -> &str {
    let rest_at = address.find("://").map_or(0, |at| at + 3);
    let rest = address.get(rest_at..).unwrap_or_default();
    let end = rest.find(['/', '?', '#']).map_or(address.len(), |at| rest_at + at);
    address.get(..end).unwrap_or_default()
}
