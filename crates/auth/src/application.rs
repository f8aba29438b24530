//! A key of one application's own, for those that share a secret with their auth server (AppFlowy): tokens handed out at
//! `auth.second_prefix` are signed with it, so that the application can verify them and our own key stays ours.
//!
//! Such an application also mints tokens for itself that are only a role and never end. They are believed with this key,
//! from the addresses its server has, and from nowhere else.

use base::Secret;
use base::setting::{Alias, Definition, Guide, Setting};

use crate::{Auth, Error};

/// The application's secret.
pub static APPLICATION_SECRET: Setting<Option<Secret<String>>> =
    Setting::unset("auth.application_jwt_secret")
        .also(&[Alias::same("APPFLOWY_GOTRUE_JWT_SECRET", Guide::Other)])
        .changes("the secret an application verifies tokens with (HS256): those given out at auth.second_prefix are signed with it, all others with our own key")
        .proven_by(&[116, 117]);

/// Where the application's server is.
pub static APPLICATION_ADDRESSES: Setting<Vec<String>> =
    Setting::new("auth.application_addresses", "127.0.0.0/8,::1/128,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7")
        .changes("addresses and networks from which tokens are accepted that an application minted for itself with its secret")
        .proven_by(&[150]);

/// Every setting of this file.
pub const SETTINGS: &[&Definition] = &[&APPLICATION_SECRET.definition, &APPLICATION_ADDRESSES.definition];

impl Auth {
    /// Whether an application has a key of its own.
    pub fn has_application_key(&self) -> bool {
        self.0.keys.load().application.is_some()
    }

    /// The same token, signed with the application's key.
    pub fn for_application(&self, token: &str) -> Result<Secret<String>, Error> {
        let keys = self.0.keys.load();
        let Some(key) = &keys.application else { return Ok(Secret::from(token)) };
        let verified = keys.ring.verify(token).map_err(|_| Error::BadToken("it is not ours"))?;
        Ok(Secret::new(key.sign(&verified.claims)?))
    }
}
