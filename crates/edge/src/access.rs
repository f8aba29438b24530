//! The one log line of a request. Never a body, a token or a query string.

use std::net::IpAddr;
use std::time::Duration;

use base::trace::Given;
use base::{Caller, Failure, fault};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tracing::field::{DisplayValue, display};
use uuid::Uuid;
use web::RequestId;

use crate::address;

/// What the line says.
pub(crate) struct Line<'a> {
    pub request_id: &'a RequestId,
    pub method: &'a Method,
    /// The route's template where one matched: what people and metrics group by.
    pub path: &'a str,
    pub status: StatusCode,
    pub took: Duration,
    pub caller: Option<&'a Caller>,
    pub address: IpAddr,
    pub headers: &'a HeaderMap,
    /// Which trace it is part of, where its caller was believed to say so.
    pub given: Option<&'a Given>,
}

/// Bytes of a header that a line repeats.
const SHOWN_BYTES_MAX: usize = 200;

pub(crate) fn log(line: &Line<'_>) {
    // Nothing of it is worked out where nobody listens: the macro asks first.
    tracing::info!(
        target: "palisade::access",
        request_id = &*line.request_id.0,
        method = line.method.as_str(),
        path = line.path,
        status = line.status.as_u16(),
        took_us = u64::try_from(line.took.as_micros()).unwrap_or(u64::MAX),
        actor = line.caller.map(Caller::actor).unwrap_or_default(),
        user_id = user_id(line.caller),
        acting = line.caller.and_then(|caller| caller.acting).map(|acting| display(acting.admin)),
        ip = address::text(line.address),
        user_agent = agent(line.headers),
        trace_id = line.given.map(|given| &*given.trace),
        parent_span_id = line.given.map(|given| &*given.parent),
    );
}

fn agent(headers: &HeaderMap) -> &str {
    shown(headers.get(http::header::USER_AGENT))
}

/// As much of a header as a line of the log has room for; a header may be as long as a head.
pub(crate) fn shown(header: Option<&HeaderValue>) -> &str {
    let text = header.and_then(|header| header.to_str().ok()).unwrap_or("");
    text.get(..text.len().min(SHOWN_BYTES_MAX)).unwrap_or("")
}

/// Whose request it was, if anybody had signed in.
fn user_id(caller: Option<&Caller>) -> Option<DisplayValue<Uuid>> {
    caller.and_then(Caller::signed_in).map(|person| display(person.user))
}

/// A failure that is ours, with its whole chain, once.
pub(crate) fn log_failure(request_id: &RequestId, caller: Option<&Caller>, failure: &Failure) {
    let fault = failure.fault();
    if fault.kind().is_ours() {
        tracing::error!(
            target: "palisade::error",
            request_id = &*request_id.0,
            user_id = user_id(caller),
            code = fault.code(),
            chain = fault::chain(fault),
            "a request failed"
        );
    }
}
