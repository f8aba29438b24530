//! What is asked, and what came back.

use std::time::Duration;

use bytes::Bytes;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use serde::de::DeserializeOwned;

use crate::{Error, limits};

/// One request, not yet checked.
#[derive(Clone)]
pub struct Request {
    pub(crate) purpose: &'static str,
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) timeout: Duration,
    pub(crate) answer_bytes_max: u64,
    pub(crate) redirects: u64,
    pub(crate) clear_text: bool,
    pub(crate) broken: bool,
    pub(crate) unnamed: bool,
}

impl Request {
    /// Asks for what is at `url`. `purpose` is for the log: what the request is part of (`"oidc"`, `"hook"`).
    pub fn get(purpose: &'static str, url: impl Into<String>) -> Self {
        Self::new(purpose, Method::GET, url.into())
    }

    /// Asks for the headers of what is at `url`.
    pub fn head(purpose: &'static str, url: impl Into<String>) -> Self {
        Self::new(purpose, Method::HEAD, url.into())
    }

    /// Sends something to `url`.
    pub fn post(purpose: &'static str, url: impl Into<String>) -> Self {
        Self::new(purpose, Method::POST, url.into())
    }

    /// Puts something at `url`.
    pub fn put(purpose: &'static str, url: impl Into<String>) -> Self {
        Self::new(purpose, Method::PUT, url.into())
    }

    fn new(purpose: &'static str, method: Method, url: String) -> Self {
        Request {
            purpose,
            method,
            url,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            timeout: Duration::from_secs(limits::SECONDS.value),
            answer_bytes_max: limits::BODY_BYTES.value,
            redirects: 0,
            clear_text: false,
            broken: false,
            unnamed: false,
        }
    }

    /// With a header. One that cannot be sent makes the request fail.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            (Ok(name), Ok(mut value)) => {
                value.set_sensitive(name == hyper::header::AUTHORIZATION);
                self.headers.insert(name, value);
            }
            _ => self.broken = true,
        }
        self
    }

    /// Whether a header can be sent, for settings that are looked at before anything is.
    pub fn can_carry(name: &str, value: &str) -> bool {
        name.parse::<HeaderName>().is_ok() && HeaderValue::from_str(value).is_ok()
    }

    /// Without the trace of the request that it is for: to those who are asked so that they learn of nobody.
    pub fn unnamed(mut self) -> Self {
        self.unnamed = true;
        self
    }

    /// With a bearer token.
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// With a name and a password, as HTTP Basic.
    pub fn basic(self, encoded: &str) -> Self {
        self.header("authorization", &format!("Basic {encoded}"))
    }

    /// With a body as it is.
    pub fn body(self, content_type: &str, body: impl Into<Bytes>) -> Self {
        let mut request = self.header("content-type", content_type);
        request.body = body.into();
        request
    }

    /// With a body of JSON.
    pub fn json(self, body: &serde_json::Value) -> Self {
        self.body("application/json", body.to_string())
    }

    /// With a body of form fields.
    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.body("application/x-www-form-urlencoded", body)
    }

    /// Done within this time, which is at most the house's limit.
    pub fn within(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.min(Duration::from_secs(limits::SECONDS.value));
        self
    }

    /// An answer of at most so many bytes.
    pub fn at_most(mut self, bytes: u64) -> Self {
        self.answer_bytes_max = bytes.min(limits::BODY_BYTES.value);
        self
    }

    /// Follows so many redirects of a GET, each checked like the first. Credentials do not go along to another origin.
    pub fn redirects(mut self, times: u64) -> Self {
        self.redirects = times.min(limits::REDIRECTS.value);
        self
    }

    /// Plain HTTP is fine here, because the operator said so for this very thing.
    pub fn clear_text(mut self, allowed: bool) -> Self {
        self.clear_text = allowed;
        self
    }
}

/// What came back, read whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// Who answered.
    pub host: String,
}

impl Answer {
    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The answer itself when its status is a success, else an error that says which status.
    pub fn success(self) -> Result<Self, Error> {
        if self.status.is_success() {
            return Ok(self);
        }
        Err(Error::Answer { what: format!("with status {}", self.status.as_u16()), host: self.host })
    }

    /// The body as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|_| Error::Answer {
            host: self.host.clone(),
            what: "with something else than the JSON we asked for".to_owned(),
        })
    }
}
