//! What a handler answers: status, headers, body.

use std::sync::Arc;

use base::Fault;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use serde::Serialize;

use crate::Body;

/// What was refused inside an answer whose status does not say so.
#[derive(Clone)]
pub struct RefusedInside(pub Vec<Arc<dyn Fault>>);

/// Rides in an answer's extensions: it is about what others look for in answers, and not looked through.
#[derive(Clone, Copy)]
pub struct OwnWords;

/// A response before the edge adds its own headers.
pub struct Answer(pub Response<Body>);

impl Answer {
    /// Only a status.
    pub fn status(status: StatusCode) -> Self {
        Self::bytes(status, None, Bytes::new())
    }

    /// 204.
    pub fn no_content() -> Self {
        Self::status(StatusCode::NO_CONTENT)
    }

    /// A value as JSON with status 200.
    pub fn json(value: &impl Serialize) -> Self {
        Self::json_with(StatusCode::OK, value)
    }

    /// A value as JSON.
    pub fn json_with(status: StatusCode, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(bytes) => {
                Self::bytes(status, Some(HeaderValue::from_static("application/json")), bytes.into())
            }
            Err(_) => Self::status(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }

    /// A page of text.
    pub fn text(status: StatusCode, content_type: &'static str, text: impl Into<Bytes>) -> Self {
        Self::bytes(status, Some(HeaderValue::from_static(content_type)), text.into())
    }

    /// Bytes of a type.
    pub fn bytes(status: StatusCode, content_type: Option<HeaderValue>, bytes: Bytes) -> Self {
        let mut response = Response::new(Body::Whole(bytes));
        *response.status_mut() = status;
        if let Some(content_type) = content_type {
            response.headers_mut().insert(CONTENT_TYPE, content_type);
        }
        Answer(response)
    }

    /// With one more header. A value that is not a header value is left out: never let it come from a caller.
    pub fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.0.headers_mut().append(name, value);
        }
        self
    }

    /// Tells the edge, and through it the audit, what was refused in here.
    pub fn refusing<F: Fault>(mut self, faults: impl IntoIterator<Item = F>) -> Self {
        let faults: Vec<Arc<dyn Fault>> =
            faults.into_iter().map(|fault| -> Arc<dyn Fault> { Arc::new(fault) }).collect();
        if !faults.is_empty() {
            self.0.extensions_mut().insert(RefusedInside(faults));
        }
        self
    }

    /// The headers, to change.
    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        self.0.headers_mut()
    }
}
