//! A request after matching: its parts, its path parameters and its whole body, within the route's limit.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::Error;

/// Named pieces of the path, percent-decoded.
#[derive(Clone, Debug, Default)]
pub struct Params(pub Vec<(Arc<str>, String)>);

impl Params {
    /// A piece by name; empty when the route has none of that name.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| &**key == name).map_or("", |(_, value)| value.as_str())
    }
}

/// What was asked.
pub struct Ask {
    /// Method, URI, headers; shared with the edge, which words and logs the answer from them.
    pub parts: Arc<Parts>,
    /// The route's path without the mount's prefix, as asked.
    pub path: String,
    /// Path parameters.
    pub params: Params,
    /// The whole body.
    pub body: Bytes,
}

impl Ask {
    /// The raw query string, empty when there is none.
    pub fn query(&self) -> &str {
        self.parts.uri.query().unwrap_or_default()
    }

    /// The first query parameter of that name, decoded (`+` is a space).
    pub fn query_param(&self, name: &str) -> Option<String> {
        self.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// All query parameters in order, decoded.
    pub fn query_pairs(&self) -> impl Iterator<Item = (String, String)> + '_ {
        self.query().split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode_form(name), decode_form(value))
        })
    }

    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.parts.headers.get(name)?.to_str().ok()
    }

    /// The body as a JSON object. A list is none, though it could be read as the fields in their order: whoever looks for a
    /// name finds nothing in it.
    pub fn object<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let first = self.body.iter().find(|byte| !byte.is_ascii_whitespace());
        if first == Some(&b'[') {
            return Err(Error::NotJson { why: "it is a list, not an object".to_owned() });
        }
        self.json()
    }

    /// The body as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| Error::NotJson { why: error.to_string() })
    }
}

/// Percent-decoding as browsers write queries and forms: `+` is a space, a stray `%` stays as it is.
pub fn decode_form(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}
