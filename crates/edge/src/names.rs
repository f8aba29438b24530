//! Names of headers that the library has no name for. Here they are read once, by the compiler; a look-up by text reads its
//! text again with every request.

use http::HeaderName;

pub(crate) static APIKEY: HeaderName = HeaderName::from_static("apikey");
pub(crate) static IMPERSONATION: HeaderName = HeaderName::from_static("x-impersonation-token");
pub(crate) static PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
pub(crate) static RATELIMIT_LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
pub(crate) static RATELIMIT_REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
pub(crate) static RATELIMIT_RESET: HeaderName = HeaderName::from_static("ratelimit-reset");
pub(crate) static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
pub(crate) static SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
pub(crate) static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub(crate) static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(crate) static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub(crate) static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
