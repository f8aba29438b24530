//! The browser that a sign-in belongs to (attack rows 28 and 88, docs/decisions/0016).
//!
//! Where a browser begins and no verifier will prove it, a sign-in belongs to one browser: the first that opens the address
//! [`Sso::start`] gave out, by its own cookie. Nobody else hears what the provider is asked. The provider's form comes from another
//! site and brings no cookie: what it brings is verified, and waits until the browser comes by itself. What a program began is
//! for programs: no browser can end it.
//!
//! Invariant: an answer that waits signs in the browser its sign-in belongs to, and nobody else.

use jiff::Timestamp;
use pg::{Reason, Reply, SystemTx};
use seal::sha256;
use uuid::Uuid;

use super::accept::Begun;
use super::{Sso, SsoRefusal, sql};
use crate::Error;

impl Sso {
    /// Keeps where a browser will go, and gives out the address that binds the sign-in to the first that opens it.
    pub(super) async fn unbound(
        &self,
        tx: &mut SystemTx,
        relay: Uuid,
        location: String,
    ) -> Result<String, Error> {
        tx.execute(sql::INSERT_BROWSER, [relay.into(), location.into()]).await?;
        Ok(format!("{}?flow={relay}", self.0.begin_url))
    }

    /// Binds a sign-in to the browser whose cookie is `browser`, and says where that goes. The same browser may come again.
    pub async fn take_up(&self, relay: Uuid, browser: &str) -> Result<Reply<String>, Error> {
        self.require_on()?;
        let auth = &self.0.auth;
        let mut tx = auth.0.pg.begin_system(Reason::Identify).await?;
        let rows =
            tx.query(sql::BIND_BROWSER, [relay.into(), browser_hash(browser).as_slice().into()]).await?;
        let row = rows.first().ok_or(SsoRefusal::OtherBrowser)?;
        let (location, begun_at): (String, Option<Timestamp>) =
            (row.get("location")?, row.get("created_at")?);
        match auth.is_within(begun_at, self.0.relay_seconds) {
            true => Ok(tx.commit(location).await?),
            false => Err(SsoRefusal::RelayStateExpired.into()),
        }
    }

    /// Keeps an answer that was verified until its browser comes. The first one counts.
    pub(super) async fn park(&self, begun: &Begun, response: &str) -> Result<Reply<String>, Error> {
        let auth = &self.0.auth;
        let parked = auth.0.root.seal(response.as_bytes(), &place(begun.relay))?;
        let mut tx = auth.0.pg.begin_system(Reason::Identify).await?;
        match tx.execute(sql::PARK_RESPONSE, [begun.relay.into(), parked.as_slice().into()]).await? {
            1 => Ok(tx.commit(format!("{}?flow={}", self.0.acs_url, begun.relay)).await?),
            _ => Err(SsoRefusal::RelayStateNotFound.into()),
        }
    }

    /// What waits for a browser.
    pub(super) fn parked(&self, begun: &Begun) -> Result<String, Error> {
        let sealed = begun.parked.as_deref().ok_or(SsoRefusal::RelayStateNotFound)?;
        let opened = self.0.auth.0.root.open(sealed, &place(begun.relay))?;
        String::from_utf8(opened.expose().clone()).map_err(|_| SsoRefusal::RelayStateNotFound.into())
    }
}

impl Begun {
    /// Whether it belongs to the browser whose cookie is `browser`.
    pub(super) fn is_of(&self, browser: &str) -> bool {
        self.browser.as_ref().is_some_and(|bound| seal::same(bound, &browser_hash(browser)))
    }
}

fn place(relay: Uuid) -> String {
    format!("palisade.saml_browsers.parked:{relay}")
}

/// What is kept of a browser's cookie.
fn browser_hash(browser: &str) -> Vec<u8> {
    sha256(format!("saml sign-in: {browser}").as_bytes()).to_vec()
}
