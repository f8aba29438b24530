//! How Fluxbase words a refusal: `{error, code, message, hint, request_id}`. Its SDK shows `error`.

use std::borrow::Cow;

use ::auth::Error;
use base::{Failure, Kind};
use http::StatusCode;
use serde_json::json;
use web::{Answer, Refused, status_of};

use crate::tables;
use crate::tables::error::Words;

/// Words a fault.
pub fn word(failure: &Failure, refused: &Refused<'_>) -> Answer {
    let fault = failure.fault();
    if let Some(words) = failure.downcast_ref::<tables::Refused>().and_then(tables::Refused::words) {
        return rows(&words, fault.hint(), refused);
    }
    let (status, code) = of(failure);
    let (shown, message) = match fault.kind() {
        Kind::Unavailable => ("Service unavailable".into(), "The service is not available: try again".into()),
        kind if kind.is_ours() => ("Internal server error".into(), "An unexpected error occurred".into()),
        _ => (fault.message(), fault.message()),
    };
    let mut body =
        json!({ "error": shown, "code": code, "message": message, "request_id": &*refused.request_id.0 });
    if let Some(hint) = fault.hint() {
        body["hint"] = hint.into();
    }
    if let Some(Error::WeakPassword { reasons, .. }) = failure.downcast_ref::<Error>() {
        body["details"] = json!({ "reasons": reasons });
    }
    if let Some(after) = web::retry_after(fault, status) {
        body["retry_after"] = json!(after.as_secs() + u64::from(after.subsec_nanos() > 0));
    }
    Answer::json_with(status, &body)
}

/// What was said of rows.
fn rows(words: &Words, hint: Option<Cow<'_, str>>, refused: &Refused<'_>) -> Answer {
    let mut body = json!({
        "error": words.message, "code": words.code, "message": words.message, "request_id": &*refused.request_id.0,
    });
    if let Some(hint) = words.hint.as_deref().or(hint.as_deref()) {
        body["hint"] = hint.into();
    }
    if !words.fields.is_empty() {
        body["fields"] = json!(words.fields);
    }
    if let Some(details) = &words.details {
        body["details"] = details.as_str().into();
    }
    Answer::json_with(words.status, &body)
}

/// Status and code as its clients know them; a token that was revoked says so with 401, as the guide's own code checks.
fn of(failure: &Failure) -> (StatusCode, &'static str) {
    use StatusCode as S;
    if let Some(error) = failure.downcast_ref::<Error>() {
        match error {
            Error::InvalidCredentials => return (S::UNAUTHORIZED, "INVALID_CREDENTIALS"),
            Error::EmailNotConfirmed => return (S::FORBIDDEN, "EMAIL_NOT_VERIFIED"),
            Error::LockedOut { .. } | Error::Banned => return (S::FORBIDDEN, "ACCOUNT_LOCKED"),
            Error::TokenRevoked => return (S::UNAUTHORIZED, "TOKEN_REVOKED"),
            Error::WeakPassword { .. } => return (S::BAD_REQUEST, "WEAK_PASSWORD"),
            Error::UserExists | Error::EmailExists => return (S::CONFLICT, "USER_EXISTS"),
            Error::SignupDisabled => return (S::FORBIDDEN, "SIGNUP_DISABLED"),
            Error::RefreshNotFound
            | Error::RefreshUsed
            | Error::RefreshMalformed
            | Error::SessionExpired(_)
            | Error::RefreshBanned => return (S::UNAUTHORIZED, "INVALID_REFRESH_TOKEN"),
            _ => {}
        }
    }
    let kind = failure.fault().kind();
    let code = match kind {
        Kind::Invalid => "VALIDATION_FAILED",
        Kind::Unauthenticated => "UNAUTHENTICATED",
        Kind::StepUp => "insufficient_aal",
        Kind::Forbidden if failure.fault().code() == "web.password_expired" => "password_expired",
        Kind::Forbidden => "FORBIDDEN",
        Kind::NotFound => "NOT_FOUND",
        Kind::Conflict => "CONFLICT",
        Kind::TooLarge => "TOO_LARGE",
        Kind::TooMany => "RATE_LIMITED",
        Kind::Unsupported => "UNSUPPORTED",
        Kind::Unavailable => "SERVICE_UNAVAILABLE",
        Kind::Full | Kind::Timeout | Kind::Bug => "INTERNAL_ERROR",
    };
    (status_of(kind), code)
}
