//! Second factors as auth-js and supabase-py speak of them (wire/gotrue.md 1.7).

mod admin;
mod factors;
mod reauthenticate;
mod recovery;

use ::auth::Error;
use http::Method;
use uuid::Uuid;
use web::{Ask, Limits, Rate, Route};

use super::{ANY, State, for_admins, signed_in};

/// A session that owes something may do this: a second factor is owed itself, or asked for before a new password.
const fn settling(method: Method, path: &'static str, handler: web::Handler<State>) -> Route<State> {
    signed_in(method, path, handler).settles(ANY).limits(Limits::SMALL)
}

pub(super) const ROUTES: [Route<State>; 12] = [
    settling(Method::GET, "/factors/recovery-codes", recovery::state)
        .summary("How many recovery codes are left"),
    settling(Method::POST, "/factors/recovery-codes", recovery::make)
        .summary("Makes recovery codes; they are told once"),
    settling(Method::POST, "/factors/recovery-codes/verify", recovery::verify)
        .summary("Spends a recovery code: the session is one of two proofs from now on"),
    settling(Method::POST, "/factors/recovery-codes/regenerate", recovery::regenerate)
        .summary("Makes recovery codes in place of those there are"),
    settling(Method::DELETE, "/factors/recovery-codes", recovery::remove)
        .summary("Takes the recovery codes away"),
    settling(Method::POST, "/factors", factors::enrol).summary("Enrols a second factor"),
    settling(Method::POST, "/factors/{id}/challenge", factors::challenge)
        .summary("Begins to verify a second factor"),
    settling(Method::POST, "/factors/{id}/verify", factors::verify)
        .summary("Shows a second factor: the session is one of two proofs from now on"),
    settling(Method::DELETE, "/factors/{id}", factors::remove).summary("Removes a second factor"),
    settling(Method::POST, "/reauthenticate", reauthenticate::reauthenticate)
        .rate(Rate::Login)
        .summary("Takes the password again: the session is fresh enough for what is sensitive"),
    for_admins(Method::PUT, "/admin/users/{id}/factors/{factor}", admin::change)
        .summary("Renames a second factor of an account"),
    for_admins(Method::DELETE, "/admin/users/{id}/factors/{factor}", admin::remove)
        .summary("Removes a second factor of an account; sessions that rest on it end"),
];

/// A factor's id in the path.
fn factor_id(ask: &Ask, name: &str) -> Result<Uuid, Error> {
    Uuid::try_parse(ask.params.get(name)).map_err(|_| Error::NotAnId("factor_id must be an UUID"))
}
