//! Bodies as they arrive: each within its route's limit and its time, and all of them together, and those of one address, within a
//! bound ([`web::Arriving`]).

use std::net::IpAddr;
use std::time::Duration;

use base::Failure;
use bytes::Bytes;
use http::HeaderMap;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout, timeout_at};
use web::{Arriving, Bound, Error as WebError};

use crate::limits::{BODY_MS_MAX, BODY_STALL_MS_MAX, OVERSIZE_LOOK_MS_MAX};

/// Reads a body within the route's limit; a peer that declares too much is refused before it sends.
pub(crate) async fn read(
    (arriving, from): (&Arriving, IpAddr),
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
            Some(_) => timeout(look, body.frame()).await.ok().flatten(),
            None => None,
        };
        let first = first.and_then(Result::ok).and_then(|frame| frame.into_data().ok());
        return Err(too_large(&first.unwrap_or_default()));
    }
    let mut limited = Limited::new(body, usize::try_from(limit_bytes).unwrap_or(usize::MAX));
    let (mut whole, part) = (Vec::new(), arriving.part(from));
    // A drop now and then makes a body no longer, or it would hold its memory for as long as somebody likes.
    let until = Instant::now() + Duration::from_millis(BODY_MS_MAX.value);
    let stall = Duration::from_millis(BODY_STALL_MS_MAX.value);
    loop {
        match timeout_at(until.min(Instant::now() + stall), limited.frame()).await {
            Err(_) => return Err(WebError::TooSlow.into()),
            Ok(None) => return Ok(whole.into()),
            Ok(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    if whole.is_empty() && hyper::body::Body::is_end_stream(&limited) {
                        return Ok(data);
                    }
                    part.holds((whole.len() + data.len()) as u64)?;
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http_body_util::Empty;
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use web::{Guard, Limits, Mount, Reply, Route};

    use super::*;

    const ROUTES: &[Route<()>] = &[Route::new(http::Method::POST, "/", Guard::Open, |_, _, _| {
        Box::pin(async { Ok(Reply::untouched(web::Answer::no_content(), "a test")) })
    })
    .limits(Limits::AUTH)];

    /// Reads the body of one request for it.
    async fn reads(stream: tokio::io::DuplexStream) {
        let mount = Mount::new("", web::plain, Arc::new(()), ROUTES);
        let service = hyper::service::service_fn(move |request: http::Request<Incoming>| {
            let route = mount.routes[0].clone();
            async move {
                let (head, body) = request.into_parts();
                let arriving = Arriving::new(1 << 20, 1 << 20);
                let read = read((&arriving, [198, 51, 100, 7].into()), body, &head.headers, &route).await;
                let status = if read.is_ok() { 204 } else { 408 };
                http::Response::builder().status(status).body(Empty::<Bytes>::new())
            }
        });
        let serving =
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        let _ended_either_way = serving.await;
    }

    #[tokio::test(start_paused = true)]
    async fn row_85_a_drop_now_and_then_makes_a_body_no_longer_than_a_body_may_take() {
        let (mut theirs, ours) = duplex(1024);
        tokio::spawn(reads(ours));
        theirs.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n").await.unwrap();
        let began = Instant::now();
        let (mut from, mut to) = tokio::io::split(theirs);
        let drips = tokio::spawn(async move {
            while to.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(BODY_STALL_MS_MAX.value / 2)).await;
            }
        });
        let mut status = [0; 12];
        from.read_exact(&mut status).await.unwrap();
        assert_eq!(&status, b"HTTP/1.1 408");
        let bound = Duration::from_millis(BODY_MS_MAX.value);
        assert!(began.elapsed().abs_diff(bound) < Duration::from_secs(1), "{:?}", began.elapsed());
        drips.abort();
    }
}
