//! Kind → status, and when to ask again: one function each for every dialect.

use std::time::Duration;

use base::{Fault, Kind};
use http::StatusCode;

/// When whoever is told 503 may ask again, where nothing more is known: what is away for a moment is back within seconds.
const AGAIN: Duration = Duration::from_secs(1);

/// When asking again makes sense, of a fault that is answered with `status`. No 503 is without it.
pub fn retry_after(fault: &dyn Fault, status: StatusCode) -> Option<Duration> {
    fault.retry_after().or_else(|| (status == StatusCode::SERVICE_UNAVAILABLE).then_some(AGAIN))
}

/// The status of a kind. A dialect whose protocol says otherwise for one code overrides it there, by name.
pub fn status_of(kind: Kind) -> StatusCode {
    match kind {
        Kind::Invalid => StatusCode::BAD_REQUEST,
        Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
        Kind::StepUp => StatusCode::FORBIDDEN,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::TooMany => StatusCode::TOO_MANY_REQUESTS,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        // RFC 4918: this server has no room; trying again soon does not help, and somebody has to make some.
        Kind::Full => StatusCode::INSUFFICIENT_STORAGE,
        Kind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        Kind::Unsupported => StatusCode::METHOD_NOT_ALLOWED,
        Kind::Bug => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
