//! GoTrue's wire at `/auth/v1`, and at a second prefix for those who mount it elsewhere (wire/gotrue.md).
//!
//! Translation only: bodies to what auth takes, what auth gives to GoTrue's shapes, faults to its two error shapes.
//! What is not built yet answers as GoTrue does when the feature is off.

mod account;
mod admin;
mod appflowy;
mod application;
mod audience;
mod audit;
mod browser;
mod captcha;
pub mod codes;
mod custom_providers;
mod envelope;
mod fields;
mod id_token;
mod identities;
mod links;
mod mfa;
mod oauth;
mod page;
mod scim;
mod server;
mod service;
mod sessions;
mod setup;
mod shape;
mod sso;
mod token;
mod verify;

use std::sync::Arc;

use ::auth::sso::Sso;
use ::auth::{Auth, Visit};
use base::{Owed, Secret};
use bytes::Bytes;
use http::Method;
use http::header::USER_AGENT;
use web::{Area, Ask, Credentials, Cx, Guard, Limits, Mount, Rate, Route, RouteInfo};

/// What the handlers work with.
pub struct State {
    /// Accounts, sessions, keys.
    pub auth: Auth,
    /// Signing in through SAML.
    pub sso: Sso,
    /// What a password must be, as JSON: forms ask while somebody types, and it stays the same until the next start.
    password_rules: Bytes,
}

impl State {
    /// With what is told of these accounts, made once.
    pub fn new(auth: Auth, sso: Sso) -> Self {
        let password_rules = service::password_rules(&auth);
        State { auth, sso, password_rules }
    }
}

/// The routes, at each of `prefixes`; all but the first give tokens of the application's, if it has a key.
pub fn mounts(state: Arc<State>, prefixes: &[String]) -> Vec<Mount> {
    let routes = routes();
    let mount =
        |prefix: &String| Mount::new(prefix, envelope::word, state.clone(), &routes).area(Area::Accounts);
    let mount = |prefix: &String| audience::only_ours(captcha::protect(mount(prefix), &state), &state.auth);
    let first = prefixes.iter().take(1).map(mount);
    first.chain(prefixes.iter().skip(1).map(|prefix| application::at(mount(prefix), &state.auth))).collect()
}

/// The server's description where RFC 8414 looks for it: before the path of the issuer, at the root.
pub fn discovery(state: Arc<State>) -> Mount {
    Mount::new("/.well-known", envelope::word, state, &server::DISCOVERY).area(Area::Other)
}

/// What the reference says of [`discovery`].
pub fn discovery_table() -> Vec<RouteInfo> {
    server::DISCOVERY.iter().map(|route| route.info("/.well-known")).collect()
}

/// What the reference says of the routes, at `prefix`.
pub fn table(prefix: &str) -> Vec<RouteInfo> {
    routes().iter().map(|route| route.info(prefix)).collect()
}

fn routes() -> Vec<Route<State>> {
    ROUTES
        .into_iter()
        .chain(sessions::ROUTES)
        .chain(audit::ROUTES)
        .chain(captcha::ROUTES)
        .chain(mfa::ROUTES)
        .chain(sso::ROUTES)
        .chain(appflowy::ROUTES)
        .chain(oauth::ROUTES)
        .chain(identities::ROUTES)
        .chain(custom_providers::ROUTES)
        .chain(server::ROUTES)
        .chain(scim::ROUTES)
        .collect()
}

/// Anybody may ask; what they send along is not even read, so that a stale token cannot keep somebody from signing in.
const fn open(method: Method, path: &'static str, handler: web::Handler<State>) -> Route<State> {
    Route::new(method, path, Guard::Open, handler).credentials(Credentials::None).limits(Limits::AUTH)
}

/// Anybody with a browser: the cookie of our own pages counts, and what changes something must come from one of them.
const fn in_browser(method: Method, path: &'static str, handler: web::Handler<State>) -> Route<State> {
    Route::new(method, path, Guard::Open, handler).credentials(Credentials::Browser).limits(Limits::SMALL)
}

const fn signed_in(method: Method, path: &'static str, handler: web::Handler<State>) -> Route<State> {
    Route::new(method, path, Guard::SignedIn, handler).limits(Limits::AUTH)
}

const fn for_admins(method: Method, path: &'static str, handler: web::Handler<State>) -> Route<State> {
    Route::new(method, path, Guard::Admin, handler).limits(Limits::AUTH)
}

/// What a session with an expired password still gets: another password.
const PASSWORD: &[Owed] = &[Owed::NewPassword];
/// What every session gets, whatever it owes: its account, whose factors clients look up there, and the way out.
const ANY: &[Owed] = &[Owed::SecondFactor, Owed::NewPassword];

const ROUTES: [Route<State>; 31] = [
    open(Method::GET, "/health", service::health).rate(Rate::Exempt).summary("Says that auth is there"),
    open(Method::GET, "/settings", service::settings).summary("Which ways of signing in are on"),
    open(Method::GET, "/.well-known/jwks.json", service::jwks)
        .summary("The public keys tokens are verified with"),
    open(Method::GET, "/.well-known/openid-configuration", server::openid)
        .summary("Where what is, for OIDC clients"),
    open(Method::POST, "/signup", account::sign_up)
        .oversize(web::long_password)
        .rate(Rate::Signup)
        .account(fields::account)
        .summary("Makes an account"),
    open(Method::POST, "/token", token::token)
        .oversize(web::long_password)
        .budgeted(token::budget)
        .account(fields::account)
        .summary("Signs in with a password, or refreshes a session"),
    open(Method::POST, "/otp", links::otp)
        .rate(Rate::PasswordReset)
        .account(fields::account)
        .summary("Sends a link and a code, or a code by telephone, that sign in"),
    open(Method::POST, "/magiclink", links::magic_link)
        .rate(Rate::PasswordReset)
        .account(fields::account)
        .summary("Sends a link and a code that sign in"),
    open(Method::POST, "/recover", links::recover)
        .rate(Rate::PasswordReset)
        .account(fields::account)
        .summary("Sends a link and a code that lead back in"),
    open(Method::POST, "/resend", links::resend)
        .rate(Rate::PasswordReset)
        .account(fields::account)
        .summary("Sends a confirmation once more"),
    open(Method::GET, "/verify", verify::show).summary("The page a link leads to; looking spends nothing"),
    open(Method::POST, "/verify", verify::submit)
        .rate(Rate::Login)
        .account(fields::account)
        .summary("Spends a link or code"),
    open(Method::GET, "/revert", verify::show_revert)
        .summary("The page that takes a change of address back; looking spends nothing"),
    open(Method::POST, "/revert", verify::submit_revert)
        .limits(Limits::SMALL)
        .rate(Rate::Login)
        .summary("Takes a change of address back"),
    signed_in(Method::GET, "/reauthenticate", links::reauthenticate)
        .rate(Rate::PasswordReset)
        .summary("Sends the caller a code that proves they are there"),
    for_admins(Method::POST, "/invite", links::invite).summary("Invites somebody by mail"),
    for_admins(Method::POST, "/admin/generate_link", links::generate_link)
        .oversize(web::long_password)
        .summary("Makes a link without sending it"),
    signed_in(Method::GET, "/user", account::get_user)
        .settles(ANY)
        .for_clients()
        .summary("The caller's account"),
    signed_in(Method::PUT, "/user", account::put_user)
        .oversize(web::long_password)
        .settles(PASSWORD)
        .summary("Changes the caller's account"),
    signed_in(Method::POST, "/logout", account::log_out)
        .settles(ANY)
        .summary("Ends the caller's session, or every one they have"),
    for_admins(Method::GET, "/admin/users", admin::list).summary("Accounts, page by page"),
    for_admins(Method::POST, "/admin/users", admin::create)
        .oversize(web::long_password)
        .summary("Makes an account for somebody"),
    for_admins(Method::GET, "/admin/users/{id}", admin::get).summary("One account"),
    for_admins(Method::PUT, "/admin/users/{id}", admin::change)
        .oversize(web::long_password)
        .summary("Changes an account"),
    for_admins(Method::DELETE, "/admin/users/{id}", admin::remove)
        .summary("Removes an account, wholly or softly"),
    for_admins(Method::DELETE, "/admin/users/{id}/identities/{identity}", admin::remove_identity)
        .summary("Takes one way in from an account, never the last"),
    for_admins(Method::GET, "/admin/users/{id}/factors", admin::factors)
        .summary("Second factors of an account"),
    open(Method::GET, "/setup", setup::page)
        .summary("The page of an administrator's set-up link; looking spends nothing"),
    open(Method::POST, "/setup", setup::submit)
        .limits(Limits::SMALL)
        .rate(Rate::Login)
        .summary("Spends a set-up link: its address becomes an administrator's"),
    open(Method::GET, "/password-policy", service::password_policy).summary("What a password must be"),
    open(Method::GET, "/password-policy.js", service::password_validator)
        .summary("The same as a JavaScript module that checks a password"),
];

/// Who asks, as the feature wants to know it.
fn visit(cx: &Cx, ask: &Ask) -> Visit {
    let user_agent =
        ask.parts.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).map(str::to_owned);
    let devices = web::cookies(&ask.parts.headers, ::auth::DEVICE_COOKIE).map(Secret::new).collect();
    // What a script of a page that may not read answers sends was refused before it came here.
    let elsewhere = web::csrf::is_anothers(&ask.parts, true);
    Visit { caller: cx.caller.clone(), user_agent, devices, request_id: cx.request_id.0.clone(), elsewhere }
}
