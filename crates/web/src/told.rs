//! What code in the database may be told of a request, the same by every dialect: `request.method`, `.path`, `.headers` and
//! `.cookies`.
//!
//! Invariant: a credential is in neither, unless everything is asked for (the conformance profile): no key, no token, and no
//! cookie of ours.

use std::borrow::Cow;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue};
use serde_json::{Map, Value};

use crate::{Ask, csrf};

/// Everything, for where any code of the database looks at some of it. `path` is the dialect's own way to name the place;
/// `all` adds the credentials.
pub fn all(ask: &Ask, path: &str, all: bool) -> [(Cow<'static, str>, Arc<str>); 4] {
    let parts = &ask.parts;
    [
        ("request.method".into(), parts.method.as_str().into()),
        ("request.path".into(), path.into()),
        ("request.headers".into(), headers(&parts.headers, all).to_string().into()),
        ("request.cookies".into(), cookies(&parts.headers, all).to_string().into()),
    ]
}

/// The headers but for the cookies; without credentials unless `all` is asked for.
pub fn headers(headers: &HeaderMap, all: bool) -> Value {
    let hidden = |name: &str| {
        name == "cookie" || (!all && matches!(name, "authorization" | "apikey" | "proxy-authorization"))
    };
    let text = |value: &HeaderValue| Value::String(String::from_utf8_lossy(value.as_bytes()).into_owned());
    let shown = headers.iter().filter(|(name, _)| !hidden(name.as_str()));
    Value::Object(shown.map(|(name, value)| (name.as_str().to_owned(), text(value))).collect::<Map<_, _>>())
}

/// The cookies by name; without ours unless `all` is asked for.
pub fn cookies(headers: &HeaderMap, all: bool) -> Value {
    let lines = headers.get_all("cookie").iter().filter_map(|line| line.to_str().ok());
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = name.trim();
        let shown = !name.is_empty() && (all || !csrf::is_ours(name));
        shown.then(|| (name.to_owned(), Value::String(value.trim().to_owned())))
    };
    Value::Object(lines.flat_map(|line| line.split(';')).filter_map(pair).collect())
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    #[test]
    fn credentials_do_not_reach_sql() {
        let mut headers = HeaderMap::new();
        let session = "a=b; __Host-palisade_session=s; palisade_session=s; pd_0f=s; c=d";
        for (name, value) in
            [("authorization", "Bearer x"), ("apikey", "k"), ("cookie", session), ("x-custom", "y")]
        {
            headers.insert(name, HeaderValue::from_static(value));
        }
        assert_eq!(super::headers(&headers, false).to_string(), r#"{"x-custom":"y"}"#);
        assert!(super::headers(&headers, true).get("authorization").is_some());
        assert_eq!(super::cookies(&headers, false).to_string(), r#"{"a":"b","c":"d"}"#);
        assert!(super::cookies(&headers, true).get("palisade_session").is_some());
    }
}
