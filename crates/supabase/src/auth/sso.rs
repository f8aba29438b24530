//! SAML on GoTrue's wire (wire/gotrue.md 1.9, 1.10): sign-in, our metadata, what providers send, and their administration.

mod acs;
mod begin;
mod logout;
mod providers;

use http::Method;
use http::header::LOCATION;
use http::{HeaderName, StatusCode};
use web::{Answer, Limits, Route};

use super::{State, for_admins, in_browser, open, signed_in};

/// A form with one message of at most 256 KiB in base64, and its relay state.
const FORM: Limits = Limits { body_bytes_max: 384 * 1024, duration_ms_max: 10_000 };

pub(super) const ROUTES: [Route<State>; 13] = [
    open(Method::POST, "/sso", begin::begin)
        .limits(Limits::SMALL)
        .summary("Sends somebody to their SAML identity provider"),
    in_browser(Method::GET, "/sso/saml/begin", begin::take_up).summary(
        "Binds a SAML sign-in to the browser that opens this, and sends it to the identity provider",
    ),
    open(Method::GET, "/sso/saml/metadata", begin::metadata)
        .summary("Our SAML metadata, for identity providers"),
    open(Method::POST, "/sso/saml/acs", acs::accept)
        .limits(FORM)
        .from_elsewhere()
        .summary("Takes an identity provider's answer from a browser"),
    in_browser(Method::GET, "/sso/saml/acs", acs::resume)
        .summary("Lets the browser in that a SAML sign-in is bound to, once its answer is here"),
    open(Method::GET, "/sso/saml/slo", logout::by_redirect)
        .summary("Takes an identity provider's logout message from a browser's redirect"),
    open(Method::POST, "/sso/saml/slo", logout::by_form)
        .limits(FORM)
        .from_elsewhere()
        .summary("Takes an identity provider's logout message from a form"),
    signed_in(Method::POST, "/sso/saml/logout", logout::begin)
        .limits(Limits::SMALL)
        .summary("Ends the caller's session, and says where their identity provider's can be ended"),
    for_admins(Method::GET, "/admin/sso/providers", providers::list).summary("SAML identity providers"),
    for_admins(Method::POST, "/admin/sso/providers", providers::create)
        .summary("Adds a SAML identity provider and pins its keys"),
    for_admins(Method::GET, "/admin/sso/providers/{id}", providers::get)
        .summary("One SAML identity provider"),
    for_admins(Method::PUT, "/admin/sso/providers/{id}", providers::change)
        .summary("Changes a SAML identity provider; metadata that is given is pinned anew"),
    for_admins(Method::DELETE, "/admin/sso/providers/{id}", providers::remove)
        .summary("Removes a SAML identity provider"),
];

/// A redirect nobody may keep: it carries messages, codes or tokens.
fn redirect(status: StatusCode, url: &str) -> Answer {
    Answer::status(status)
        .with(LOCATION, url)
        .with(HeaderName::from_static("cache-control"), "no-store")
        .with(HeaderName::from_static("referrer-policy"), "no-referrer")
}

/// The pairs of a form.
fn form(body: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(body);
    text.split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (web::decode_form(name), web::decode_form(value)))
        .collect()
}

/// A field that may be given once.
fn once<'f>(form: &'f [(String, String)], name: &str) -> Result<Option<&'f str>, ::auth::Error> {
    let mut found = form.iter().filter(|(given, _)| given == name).map(|(_, value)| value.as_str());
    match (found.next(), found.next()) {
        (_, Some(_)) => Err(::auth::Error::Ambiguous("a form field that may be given once was given twice")),
        (one, None) => Ok(one),
    }
}
