//! A key of one application's own, for those that share a secret with their auth server (AppFlowy): tokens handed out at
//! `auth.second_prefix` are signed with it, so that the application can verify them and our own key stays ours.
//!
//! Such an application also mints tokens for itself that are only a role and never end. They are believed with this key,
//! from the addresses its server has, and from nowhere else.
//!
//! Invariant: of a session only those tokens are believed that were given out here. Whoever has the application's secret signs what
//! they like, and would otherwise carry it past those addresses in any session of their own.

use std::collections::BTreeMap;

use base::Secret;
use base::setting::{Alias, Definition, Guide, Setting};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use seal::RootKey;
use serde_json::{Map, Value};

use crate::{Auth, Error};

/// The claim by which a token is known to have been given out here.
const GIVEN: &str = "given_out";

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
        let mut claims = keys.ring.verify(token).map_err(|_| Error::BadToken("it is not ours"))?.claims;
        let mark = mark(&self.0.root, &claims);
        claims.insert(GIVEN.to_owned(), mark.into());
        Ok(Secret::new(key.sign(&claims)?))
    }
}

/// Takes the mark from the claims, and says whether it is ours and of these very claims.
pub(crate) fn take_mark(root: &RootKey, claims: &mut Map<String, Value>) -> bool {
    let Some(Value::String(given)) = claims.remove(GIVEN) else { return false };
    seal::same(given.as_bytes(), mark(root, claims).as_bytes())
}

/// Of all claims, in an order of our own: what is taken away from the middle of them changes theirs.
fn mark(root: &RootKey, claims: &Map<String, Value>) -> String {
    let sorted: BTreeMap<&String, String> =
        claims.iter().map(|(name, value)| (name, value.to_string())).collect();
    let text = serde_json::to_string(&sorted).unwrap_or_default();
    let key = root.derive("auth: tokens given out with the application's key");
    URL_SAFE_NO_PAD.encode(seal::keyed_mac(key.expose(), text.as_bytes()))
}
