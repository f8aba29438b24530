//! What GoTrue has and we do not yet: each endpoint answers as upstream does when the feature is off, so that clients
//! cope. The list shrinks as features come.

use std::sync::Arc;

use ::auth::Error;
use http::Method;
use web::{Ask, Cx, Handled, Route};

use super::{State, open};

/// A handler that refuses with one code.
macro_rules! off {
    ($($name:ident = $code:literal, $what:literal;)+) => {$(
        fn $name(_: Arc<State>, _: Cx, _: Ask) -> Handled {
            Box::pin(async { Err(Error::disabled($code, $what).into()) })
        }
    )+};
}

off! {
    no_oauth_server = "feature_disabled", "OAuth server is disabled";
}

pub(super) const ROUTES: [Route<State>; 4] = [
    open(Method::GET, "/.well-known/oauth-authorization-server", no_oauth_server),
    open(Method::POST, "/oauth/clients/register", no_oauth_server),
    open(Method::GET, "/oauth/authorize", no_oauth_server),
    open(Method::POST, "/oauth/token", no_oauth_server),
];
