//! Bodies as they arrive: each within its route's limit and its time, and all of them together within one bound.
//!
//! Invariant: what is sent and not finished holds no more than [`BODIES_HELD_BYTES_MAX`], however many send it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base::{Failure, Fault, Kind};
use bytes::Bytes;
use http::HeaderMap;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use web::{Bound, Error as WebError};

use crate::limits::{BODIES_HELD_BYTES_MAX, BODY_STALL_MS_MAX, OVERSIZE_LOOK_MS_MAX};

/// How many bytes there are of bodies that are not whole yet.
#[derive(Default)]
pub(crate) struct Bodies(AtomicU64);

impl Bodies {
    /// Reads a body within the route's limit; a peer that declares too much is refused before it sends.
    pub(crate) async fn read(
        &self,
        mut body: Incoming,
        headers: &HeaderMap,
        route: &Bound,
    ) -> Result<Bytes, Failure> {
        let limit_bytes = route.terms.limits.body_bytes_max;
        let declared = headers
            .get(http::header::CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        let too_large = |beginning: &[u8]| {
            let better = route.terms.oversize.and_then(|oversize| oversize(beginning));
            better.unwrap_or_else(|| WebError::TooLarge { limit_bytes }.into())
        };
        if declared.is_some_and(|length| length > limit_bytes) {
            let look = Duration::from_millis(OVERSIZE_LOOK_MS_MAX.value);
            let first = match route.terms.oversize {
                Some(_) => tokio::time::timeout(look, body.frame()).await.ok().flatten(),
                None => None,
            };
            let first = first.and_then(Result::ok).and_then(|frame| frame.into_data().ok());
            return Err(too_large(&first.unwrap_or_default()));
        }
        let mut limited = Limited::new(body, usize::try_from(limit_bytes).unwrap_or(usize::MAX));
        let (mut whole, mut held) = (Vec::new(), Held { of: self, bytes: 0 });
        loop {
            let stall = Duration::from_millis(BODY_STALL_MS_MAX.value);
            match tokio::time::timeout(stall, limited.frame()).await {
                Err(_) => return Err(WebError::TooSlow.into()),
                Ok(None) => return Ok(whole.into()),
                Ok(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        if whole.is_empty() && hyper::body::Body::is_end_stream(&limited) {
                            return Ok(data);
                        }
                        held.more(data.len())?;
                        whole.extend_from_slice(&data);
                    }
                }
                Ok(Some(Err(error))) if error.is::<http_body_util::LengthLimitError>() => {
                    return Err(too_large(&whole));
                }
                Ok(Some(Err(_))) => {
                    return Err(WebError::Malformed { what: "The request body broke off".to_owned() }.into());
                }
            }
        }
    }
}

/// What there is of one.
struct Held<'a> {
    of: &'a Bodies,
    bytes: u64,
}

impl Held<'_> {
    fn more(&mut self, bytes: usize) -> Result<(), NoRoom> {
        let bytes = bytes as u64;
        self.bytes += bytes;
        let all = self.of.0.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if all > BODIES_HELD_BYTES_MAX.value { Err(NoRoom) } else { Ok(()) }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.of.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Others send too much at this moment.
#[derive(Debug, thiserror::Error)]
#[error("Too many large bodies arrive at the moment (edge_bodies_held_bytes_max)")]
struct NoRoom;

impl Fault for NoRoom {
    fn kind(&self) -> Kind {
        Kind::Unavailable
    }
    fn code(&self) -> &'static str {
        "edge.bodies_held"
    }
    fn retry_after(&self) -> Option<Duration> {
        Some(Duration::from_secs(1))
    }
}
