//! The guide's error body plus the request's name (control 127): our own API's, and that of paths of no dialect.

use base::{Failure, Fault, Kind, fault};

use crate::{Answer, Refused, status_of};

/// A fault's code as callers read it. Of a session that is weaker than it must be, or owes another password, every dialect
/// says the same word (controls 24 and 20).
pub fn code_of(fault: &dyn Fault) -> &'static str {
    match (fault.kind(), fault.code()) {
        (Kind::StepUp, _) => "insufficient_aal",
        (_, "web.password_expired") => "password_expired",
        (_, code) => code,
    }
}

/// Words a failure as `error`, `message`, `code` and `request_id`; what is ours is explained in `dev` only.
pub fn plain(failure: &Failure, refused: &Refused<'_>) -> Answer {
    let fault = failure.fault();
    let status = status_of(fault.kind());
    let mut body = serde_json::json!({
        "error": status.canonical_reason().unwrap_or("Error"),
        "message": fault.message(),
        "code": code_of(fault),
        "request_id": &*refused.request_id.0,
    });
    if let Some(hint) = fault.hint() {
        body["hint"] = hint.into();
    }
    if refused.development && fault.kind().is_ours() {
        body["details"] = fault::chain(fault).into();
    }
    Answer::json_with(status, &body)
}
