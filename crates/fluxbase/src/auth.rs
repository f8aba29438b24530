//! `/api/v1/auth`: accounts, sessions, second factors and SAML as the Fluxbase SDK calls them (wire/fluxbase.md 2.1).

mod account;
pub(crate) mod config;
mod impersonate;
mod links;
mod oauth;
mod saml;
mod session;
mod shape;
mod two_factor;

use ::auth::sso::Sso;
use ::auth::{Auth, Visit};
use base::{Failure, Owed, Secret, SignedIn};
use http::Method;
use http::header::USER_AGENT;
use web::{Ask, Credentials, Cx, Guard, Limits, Rate, Route};

/// What the handlers work with.
pub struct State {
    /// Accounts, sessions, keys.
    pub auth: Auth,
    /// Signing in through SAML.
    pub sso: Sso,
}

/// Its routes.
pub fn routes() -> Vec<Route<State>> {
    let more = links::ROUTES.into_iter().chain(oauth::ROUTES).chain(impersonate::ROUTES);
    ROUTES.into_iter().chain(config::ROUTES).chain(more).collect()
}

const fn open(method: Method, path: &'static str, handler: web::Handler<State>) -> Route<State> {
    Route::new(method, path, Guard::Open, handler).credentials(Credentials::None).limits(Limits::SMALL)
}

const fn signed_in(method: Method, path: &'static str, handler: web::Handler<State>) -> Route<State> {
    Route::new(method, path, Guard::SignedIn, handler).limits(Limits::SMALL)
}

const ROUTES: [Route<State>; 17] = [
    open(Method::POST, "/signup", account::sign_up)
        .oversize(web::long_password)
        .rate(Rate::Signup)
        .account(account::email_of)
        .summary("Makes an account"),
    open(Method::POST, "/signin", session::sign_in)
        .oversize(web::long_password)
        .rate(Rate::Login)
        .account(account::email_of)
        .summary("Signs in with a password"),
    open(Method::POST, "/refresh", session::refresh).summary("Exchanges a refresh token for new tokens"),
    signed_in(Method::POST, "/signout", session::sign_out).settles(ANY).summary("Ends the caller's session"),
    signed_in(Method::GET, "/user", account::get_user).settles(ANY).summary("The caller's account"),
    signed_in(Method::PATCH, "/user", account::change_user)
        .settles(&[Owed::NewPassword])
        .summary("Changes the caller's account"),
    signed_in(Method::GET, "/user/identities", account::identities).summary("The caller's ways in"),
    signed_in(Method::GET, "/2fa/status", two_factor::status)
        .settles(ENROLLING)
        .summary("The caller's second factors"),
    signed_in(Method::POST, "/2fa/setup", two_factor::setup)
        .settles(ENROLLING)
        .summary("Begins to enrol an authenticator app"),
    signed_in(Method::POST, "/2fa/enable", two_factor::enable)
        .settles(ENROLLING)
        .summary("Finishes that with a code, and gives backup codes"),
    open(Method::POST, "/2fa/verify", two_factor::verify)
        .rate(Rate::Login)
        .summary("Finishes a sign-in with a code or a backup code"),
    signed_in(Method::POST, "/2fa/disable", two_factor::disable)
        .summary("Takes the authenticator app away, with the password"),
    open(Method::GET, "/saml/providers", saml::providers).summary("SAML identity providers"),
    open(Method::GET, "/saml/login/{provider}", saml::begin)
        .summary("Sends somebody to a SAML identity provider"),
    open(Method::POST, "/saml/acs", saml::accept)
        .limits(Limits::AUTH)
        .summary("Takes a SAML identity provider's answer that an application was given"),
    open(Method::GET, "/saml/metadata/{provider}", saml::metadata)
        .summary("Our SAML metadata, for identity providers"),
    signed_in(Method::GET, "/saml/logout/{provider}", saml::log_out)
        .summary("Ends the caller's session, and says where their identity provider's can be ended"),
];

/// What every session may do, whatever it owes.
const ANY: &[Owed] = &[Owed::SecondFactor, Owed::NewPassword];

/// What a session that owes a second factor may do.
const ENROLLING: &[Owed] = &[Owed::SecondFactor];

fn person(cx: &Cx) -> Result<SignedIn, Failure> {
    cx.caller.signed_in().cloned().ok_or_else(|| web::Error::NotSignedIn.into())
}

/// Who asks, as the feature wants to know it.
fn visit(cx: &Cx, ask: &Ask) -> Visit {
    let user_agent =
        ask.parts.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).map(str::to_owned);
    let devices = web::cookies(&ask.parts.headers, ::auth::DEVICE_COOKIE).map(Secret::new).collect();
    // What a script of a page that may not read answers sends was refused before it came here.
    let elsewhere = web::csrf::is_anothers(&ask.parts, true);
    Visit { caller: cx.caller.clone(), user_agent, devices, request_id: cx.request_id.0.clone(), elsewhere }
}
