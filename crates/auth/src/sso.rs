//! Signing in through SAML identity providers (controls 32 to 39).
//!
//! Which providers there are comes from the settings and from administrators; what is trusted of each is pinned once: its
//! name, its keys, its addresses. Metadata is read again in turn, but other keys in it wait for an administrator, who is
//! told. What a provider says is verified by the `saml` crate; here it is decided whether anybody asked for it, whether it
//! was seen before, whose account it is, which browser it is for, and where that may go.
//!
//! Invariant: an assertion opens at most one session, of the account that its provider owns and of no other, at level one.

mod accept;
mod admin;
mod bound;
mod config;
mod logout;
mod mapping;
mod provider;
mod refresh;
mod refusal;
pub mod settings;
mod sign_in;
pub mod sql;
mod us;

pub use accept::{Arrived, Landed, Taken, Turned};
pub use admin::ProviderFields;
pub use config::check_settings;
pub use logout::{LogoutCame, LogoutNext};
pub use mapping::Mapping;
pub use provider::{Domain, Provider};
pub use refresh::{KeepProviders, Look};
pub use refusal::SsoRefusal;
pub use sign_in::{Start, Wanted};

pub(crate) use accept::{arrival_opened, arrival_opening};

use std::sync::Arc;

use base::Settings;
use outbound::Outbound;
use tokio::sync::OnceCell;

use crate::{Auth, Error, Redirect};
use config::Desired;

/// What SAML is built from.
pub struct Parts {
    /// Accounts and sessions.
    pub auth: Auth,
    /// The one way out.
    pub outbound: Outbound,
    /// The merged settings.
    pub settings: Settings,
    /// Tells administrators that a provider's keys changed.
    pub alert: Alert,
}

/// What administrators are told, by whatever way the program has.
pub struct KeysChanged {
    /// To whom.
    pub administrators: Vec<String>,
    /// Which provider.
    pub provider: String,
    /// Fingerprints of the keys it now shows.
    pub keys: Vec<String>,
}

/// Tells them; runs in the transaction that records the change.
pub type Alert = Arc<
    dyn for<'t> Fn(
            &'t mut pg::SystemTx,
            KeysChanged,
        ) -> std::pin::Pin<Box<dyn Future<Output = Result<(), base::Failure>> + Send + 't>>
        + Send
        + Sync,
>;

/// Signing in through SAML. Cheap to clone.
#[derive(Clone)]
pub struct Sso(Arc<Inner>);

struct Inner {
    auth: Auth,
    outbound: Outbound,
    alert: Alert,
    /// `None`: on, and shown only once there is a provider.
    enabled: Option<bool>,
    desired: Vec<Desired>,
    entity_id: String,
    acs_url: String,
    begin_url: String,
    slo_url: String,
    allow_clear_text: bool,
    relay_seconds: i64,
    refresh_seconds: i64,
    given_key: Option<base::Secret<String>>,
    us: OnceCell<::saml::ServiceProvider>,
}

impl Sso {
    /// Reads the settings and the files they name. Metadata is fetched later, so that a provider that is down delays
    /// nobody but its own people.
    pub fn open(parts: Parts) -> Result<Self, Error> {
        let Parts { auth, outbound, settings, alert } = parts;
        let base = base_of(&auth);
        let seconds = |setting| {
            i64::try_from(settings.get::<std::time::Duration>(setting).as_secs()).unwrap_or(i64::MAX)
        };
        let acs_url = format!("{base}/sso/saml/acs");
        Ok(Sso(Arc::new(Inner {
            enabled: settings.get(&settings::ENABLED),
            desired: config::desired(&settings)?,
            entity_id: settings
                .get(&settings::ENTITY_ID)
                .unwrap_or_else(|| format!("{base}/sso/saml/metadata")),
            slo_url: format!("{base}/sso/saml/slo"),
            begin_url: format!("{base}/sso/saml/begin"),
            acs_url,
            allow_clear_text: settings.get(&settings::ALLOW_INSECURE_METADATA_URL),
            relay_seconds: seconds(&settings::RELAY_STATE_VALIDITY),
            refresh_seconds: seconds(&settings::METADATA_REFRESH),
            given_key: settings.get(&settings::PRIVATE_KEY),
            us: OnceCell::new(),
            auth,
            outbound,
            alert,
        })))
    }

    /// Whether clients are told that there is SAML: said so, or somebody could sign in.
    pub async fn is_offered(&self) -> Result<bool, Error> {
        match self.0.enabled {
            Some(enabled) => Ok(enabled),
            None => {
                let mut tx = self.0.auth.0.pg.begin_system(pg::Reason::Identify).await?;
                let any = !tx.query(sql::ANY_LIVE_PROVIDER, []).await?.is_empty();
                Ok(tx.commit(any).await?.into_inner())
            }
        }
    }

    /// Where a browser goes when nothing better is known.
    pub fn site(&self) -> &Redirect {
        self.0.auth.rules().redirects.site()
    }

    fn require_on(&self) -> Result<(), Error> {
        match self.0.enabled {
            Some(false) => Err(SsoRefusal::Off.into()),
            Some(true) | None => Ok(()),
        }
    }
}

/// The address our own endpoints have for others. An external URL with a path is a whole one (AppFlowy's `/gotrue`).
fn base_of(auth: &Auth) -> String {
    let rules = auth.rules();
    match rules.public_url == rules.origin() {
        true => format!("{}/auth/v1", rules.public_url),
        false => rules.public_url.clone(),
    }
}
