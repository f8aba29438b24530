//! Second factors as auth-js and supabase-py speak of them (wire/gotrue.md 1.7).

mod admin;
mod factors;
mod passkeys;
mod reauthenticate;
mod recovery;

use ::auth::Error;
use http::Method;
use uuid::Uuid;
use web::{Ask, Limits, Rate, Route};

use super::{ANY, State, for_admins, open, signed_in};

/// A session that owes something may do this: a second factor is owed itself, or asked for before a new password.
const fn settling(method: Method, path: &'static str, handler: web::Handler<State>) -> Route<State> {
    signed_in(method, path, handler).settles(ANY).limits(Limits::SMALL)
}

pub(super) const ROUTES: [Route<State>; 21] = [
    open(Method::POST, "/passkeys/authentication/options", passkeys::begin_sign_in)
        .limits(Limits::SMALL)
        .summary("Asks a browser for whichever passkey it has for us"),
    open(Method::POST, "/passkeys/authentication/verify", passkeys::sign_in)
        .limits(Limits::SMALL)
        .rate(Rate::Login)
        .summary("Signs in with a passkey"),
    signed_in(Method::POST, "/passkeys/registration/options", passkeys::begin)
        .limits(Limits::SMALL)
        .summary("Asks a browser for a new passkey"),
    signed_in(Method::POST, "/passkeys/registration/verify", passkeys::finish)
        .limits(Limits::SMALL)
        .summary("Keeps the passkey that the browser made"),
    signed_in(Method::GET, "/passkeys", passkeys::list).summary("The caller's passkeys"),
    signed_in(Method::PATCH, "/passkeys/{id}", passkeys::rename)
        .limits(Limits::SMALL)
        .summary("Renames a passkey"),
    signed_in(Method::DELETE, "/passkeys/{id}", passkeys::remove)
        .limits(Limits::SMALL)
        .summary("Removes a passkey"),
    for_admins(Method::GET, "/admin/users/{id}/passkeys", passkeys::admin_list)
        .summary("Passkeys of an account"),
    for_admins(Method::DELETE, "/admin/users/{id}/passkeys/{passkey}", passkeys::admin_remove)
        .summary("Removes a passkey of an account"),
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
