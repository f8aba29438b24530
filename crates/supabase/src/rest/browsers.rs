//! What upstream says to browsers, for its own suite: the conformance profile only, where the edge stays silent.
//!
//! Invariant: the product's rules about origins stand at the edge (controls 73, 74); nothing here runs in it.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
};
use http::{Method, StatusCode};
use web::{Answer, Ask};

const EXPOSED: &str = "Content-Encoding, Content-Location, Content-Range, Content-Type, Date, Location, Server, \
    Transfer-Encoding, Range-Unit";
const METHODS: &str = "GET, POST, PATCH, PUT, DELETE, OPTIONS, HEAD";

/// Adds what lets a browser read the answer, and answers a preflight whatever it asked for.
pub(super) fn allow(ask: &Ask, answer: Answer, origins: &[String]) -> Answer {
    let origin = ask.header("origin");
    let wanted = ask.header("access-control-request-method").and(origin);
    if ask.parts.method == Method::OPTIONS && wanted.is_some() {
        return preflight(ask, open(Answer::status(StatusCode::OK), origin, origins));
    }
    if origin.is_some() {
        return open(answer, origin, origins).with(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
    // Upstream says so to OPTIONS even when no browser asks.
    if ask.parts.method == Method::OPTIONS { answer.with(ACCESS_CONTROL_ALLOW_ORIGIN, "*") } else { answer }
}

fn open(answer: Answer, origin: Option<&str>, origins: &[String]) -> Answer {
    match origin {
        _ if origins.is_empty() => answer.with(ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        Some(origin) if origins.iter().any(|known| known == origin) => {
            answer.with(ACCESS_CONTROL_ALLOW_ORIGIN, origin).with(ACCESS_CONTROL_ALLOW_CREDENTIALS, "true")
        }
        _ => answer,
    }
}

fn preflight(ask: &Ask, answer: Answer) -> Answer {
    let asked = ask.header("access-control-request-headers").unwrap_or_default();
    let asked = asked.split(',').map(str::trim).filter(|name| !name.is_empty());
    let always = ["Accept", "Accept-Language", "Content-Language"];
    let headers: Vec<&str> = std::iter::once("Authorization").chain(asked).chain(always).collect();
    answer
        .with(ACCESS_CONTROL_ALLOW_METHODS, METHODS)
        .with(ACCESS_CONTROL_ALLOW_HEADERS, &headers.join(", "))
        .with(ACCESS_CONTROL_MAX_AGE, "86400")
}
