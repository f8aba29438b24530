//! What GoTrue has and we do not yet: each endpoint answers as upstream does when the feature is off, so that clients
//! cope. The list shrinks as features come.

use std::sync::Arc;

use ::auth::Error;
use http::Method;
use web::{Ask, Cx, Handled, Route};

use super::{State, open, signed_in};

/// A handler that refuses with one code.
macro_rules! off {
    ($($name:ident = $code:literal, $what:literal;)+) => {$(
        fn $name(_: Arc<State>, _: Cx, _: Ask) -> Handled {
            Box::pin(async { Err(Error::disabled($code, $what).into()) })
        }
    )+};
}

off! {
    no_passkeys = "passkey_disabled", "Passkeys are disabled";
    no_oauth_server = "feature_disabled", "OAuth server is disabled";
}

pub(super) const ROUTES: [Route<State>; 8] = [
    open(Method::POST, "/passkeys/authentication/options", no_passkeys),
    open(Method::POST, "/passkeys/authentication/verify", no_passkeys),
    open(Method::GET, "/.well-known/oauth-authorization-server", no_oauth_server),
    open(Method::POST, "/oauth/clients/register", no_oauth_server),
    open(Method::GET, "/oauth/authorize", no_oauth_server),
    open(Method::POST, "/oauth/token", no_oauth_server),
    signed_in(Method::GET, "/passkeys", no_passkeys),
    signed_in(Method::POST, "/passkeys/registration/options", no_passkeys),
];
