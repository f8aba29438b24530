//! Signing in through somebody else: OAuth 2 and OpenID Connect providers, and the identities they vouch for.
//!
//! A flow goes to the provider bound to the browser that began it ([`begin`]), comes back once ([`callback`]), and ends in an
//! account ([`account`]). What a provider says is read by its own documented words only ([`profile`]); ID tokens are believed
//! only from the issuer that was configured ([`id_token`]).
//!
//! Invariant: nobody gets into an account by an address that a provider merely repeats.

mod account;
mod begin;
mod callback;
mod custom;
mod documents;
mod error;
mod exchange;
#[cfg(test)]
mod fuzz;
mod id_grant;
mod id_token;
mod invited;
mod linking;
mod profile;
mod provider;
pub mod settings;
pub mod sql;
mod wallet;

pub use begin::Start;
pub use callback::{Landing, Returned};
pub use custom::CustomFields;
pub use error::OauthError;
pub use id_grant::IdTokenGrant;
pub use linking::Question;
pub(crate) use sql::SET_PROVIDERS;
pub use wallet::WalletGrant;

use base::Settings;
use outbound::Outbound;

use crate::Error;

/// What is built once for all of it.
pub(crate) struct Outside {
    pub outbound: Outbound,
    providers: Vec<provider::Provider>,
    documents: documents::Documents,
    manual_linking: bool,
    custom_enabled: bool,
    custom_max: u32,
    wallets: wallet::Wallets,
}

/// Whether every provider that is on can work.
pub(crate) fn check(given: &Settings) -> Result<(), Error> {
    provider::from_settings(given).map(drop)
}

impl Outside {
    /// From the settings; a provider that is on and cannot work stops the start.
    pub fn open(given: &Settings, outbound: Outbound) -> Result<Self, Error> {
        let most = given.get(&settings::CUSTOM_MAX);
        Ok(Outside {
            outbound,
            providers: provider::from_settings(given)?,
            documents: documents::Documents::default(),
            manual_linking: given.get(&settings::MANUAL_LINKING),
            custom_enabled: given.get(&settings::CUSTOM_ENABLED),
            wallets: wallet::Wallets::from_settings(given),
            custom_max: if most == 0 { 1_000 } else { most },
        })
    }
}
