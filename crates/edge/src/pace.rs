//! How long a connection may keep us waiting: short for a head that has begun, and for the first of all; long for the next
//! request of a client that had an answer; not at all while an answer is under way, which has bounds of its own. And how
//! long it may take nothing of what we send: who does not read holds the answer's memory, or the query that it comes from.
//!
//! A connection that waits too long is read to its end: that is all the protocols above need to close it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};
use web::Body;

use crate::limits::{HEAD_MS_MAX, IDLE_MS_MAX, WRITE_STALL_MS_MAX};

/// What is under way on one connection. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Pace(Arc<Under>);

#[derive(Default)]
struct Under {
    begun: AtomicU64,
    ended: AtomicU64,
    /// It is no longer HTTP.
    released: AtomicBool,
    /// Whoever reads, to begin counting when the last answer is over: HTTP/2 has no other reason to look.
    reader: AtomicWaker,
}

/// One request under way, until it is dropped.
pub(crate) struct Open(Pace);

impl Pace {
    /// A request's head was read.
    pub(crate) fn begin(&self) -> Open {
        self.0.begun.fetch_add(1, Ordering::Relaxed);
        Open(self.clone())
    }

    /// From now on somebody else looks after the connection (a WebSocket).
    pub(crate) fn release(&self) {
        self.0.released.store(true, Ordering::Relaxed);
    }

    fn begun(&self) -> u64 {
        self.0.begun.load(Ordering::Relaxed)
    }

    fn is_busy(&self) -> bool {
        self.0.released.load(Ordering::Relaxed) || self.begun() != self.0.ended.load(Ordering::Relaxed)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.0.ended.fetch_add(1, Ordering::Relaxed);
        self.0.0.reader.wake();
    }
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum For {
    /// The rest of a head, of which something came when so many requests had begun; or the first of all.
    Head(u64),
    /// Whatever comes next.
    Next,
}

/// A stream that ends when it keeps us waiting.
pub(crate) struct Paced<S> {
    stream: S,
    pace: Pace,
    waits: For,
    /// HTTP/2 sends frames without meaning for us; only its requests count.
    has_streams: bool,
    timer: Option<Pin<Box<Sleep>>>,
    /// Runs while what we send is not taken.
    stall: Option<Pin<Box<Sleep>>>,
}

impl<S> Paced<S> {
    pub(crate) fn new(stream: S, pace: Pace) -> Self {
        Paced { stream, pace, waits: For::Head(0), has_streams: false, timer: None, stall: None }
    }

    fn heard(&mut self, bytes: &[u8]) {
        if self.pace.begun() == 0 && bytes.starts_with(b"PRI") {
            self.has_streams = true;
            self.waits = For::Next;
            self.timer = None;
        }
        let is_next = match self.waits {
            For::Next => true,
            For::Head(begun) => begun != self.pace.begun(),
        };
        if is_next && !self.has_streams && !self.pace.is_busy() {
            self.waits = For::Head(self.pace.begun());
            self.timer = None;
        }
    }

    /// What became of sending something.
    fn sent<T>(
        &mut self,
        polled: Poll<std::io::Result<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<std::io::Result<T>> {
        if polled.is_ready() {
            // Somebody who still takes the last answer does not keep us waiting for the next request.
            if self.stall.take().is_some() {
                self.pace.0.reader.wake();
            }
            return polled;
        }
        let limit = Duration::from_millis(WRITE_STALL_MS_MAX.value);
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(limit)));
        match stall.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(std::io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Whether the time is over.
    fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        // Before the look: an answer that ends behind it wakes.
        self.pace.0.reader.register(cx.waker());
        if self.pace.is_busy() || self.stall.is_some() {
            (self.waits, self.timer) = (For::Next, None);
            return false;
        }
        if let For::Head(begun) = self.waits
            && begun != self.pace.begun()
        {
            (self.waits, self.timer) = (For::Next, None);
        }
        let limit = match self.waits {
            For::Head(_) => HEAD_MS_MAX,
            For::Next => IDLE_MS_MAX,
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(Duration::from_millis(limit.value))));
        timer.as_mut().poll(cx).is_ready()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = into.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, into) {
            Poll::Ready(read) => {
                if let Some(bytes) = into.filled().get(before..).filter(|bytes| !bytes.is_empty()) {
                    self.heard(bytes);
                }
                Poll::Ready(read)
            }
            Poll::Pending if self.is_over(cx) => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.sent(polled, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.sent(polled, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.sent(polled, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.sent(polled, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// An answer's body, with which its request ends.
pub(crate) struct Answering {
    body: Body,
    _open: Open,
}

impl Answering {
    pub(crate) fn new(body: Body, open: Open) -> Self {
        Answering { body, _open: open }
    }
}

impl http_body::Body for Answering {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::time::{Instant, timeout};

    use super::*;

    const HEAD: Duration = Duration::from_millis(HEAD_MS_MAX.value);
    const IDLE: Duration = Duration::from_millis(IDLE_MS_MAX.value);
    const STALL: Duration = Duration::from_millis(WRITE_STALL_MS_MAX.value);

    fn connection() -> (DuplexStream, Pace, Paced<DuplexStream>) {
        let (theirs, ours) = duplex(1024);
        let pace = Pace::default();
        (theirs, pace.clone(), Paced::new(ours, pace))
    }

    /// Reads until it ends; after how long that was.
    async fn ends_after(paced: &mut Paced<DuplexStream>) -> Duration {
        let began = Instant::now();
        paced.read_to_end(&mut Vec::new()).await.unwrap();
        began.elapsed()
    }

    #[track_caller]
    fn is_about(took: Duration, wanted: Duration) {
        assert!(took.abs_diff(wanted) < Duration::from_millis(50), "{took:?}, not {wanted:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_at_all_and_half_a_head_are_waited_for_as_long_as_a_head_may_take() {
        let (_theirs, _, mut paced) = connection();
        is_about(ends_after(&mut paced).await, HEAD);
        let (mut theirs, _, mut paced) = connection();
        theirs.write_all(b"GET / HTTP/1.1\r\nX: ").await.unwrap();
        is_about(ends_after(&mut paced).await, HEAD);
    }

    #[tokio::test(start_paused = true)]
    async fn a_drop_now_and_then_makes_a_head_no_longer() {
        let (mut theirs, _, mut paced) = connection();
        let drips = tokio::spawn(async move {
            loop {
                if theirs.write_all(b"x").await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        is_about(ends_after(&mut paced).await, HEAD);
        drips.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn after_an_answer_the_next_request_may_take_its_time_and_its_head_may_not() {
        let (mut theirs, pace, mut paced) = connection();
        theirs.write_all(b"GET").await.unwrap();
        paced.read_exact(&mut [0; 3]).await.unwrap();
        let open = pace.begin();
        // An answer that takes an hour is nobody's rest.
        let read = timeout(Duration::from_secs(3600), paced.read(&mut [0; 1])).await;
        assert!(read.is_err());
        drop(open);
        let mut resting = paced;
        let waited = timeout(IDLE - Duration::from_secs(1), resting.read(&mut [0; 1])).await;
        assert!(waited.is_err(), "longer than a head may take");
        theirs.write_all(b"G").await.unwrap();
        resting.read_exact(&mut [0; 1]).await.unwrap();
        is_about(ends_after(&mut resting).await, HEAD);

        let (mut theirs, pace, mut paced) = connection();
        theirs.write_all(b"GET").await.unwrap();
        paced.read_exact(&mut [0; 3]).await.unwrap();
        drop(pace.begin());
        is_about(ends_after(&mut paced).await, IDLE);
    }

    #[tokio::test(start_paused = true)]
    async fn frames_of_http_2_that_ask_for_nothing_keep_nothing_open() {
        let (mut theirs, _, mut paced) = connection();
        theirs.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        let pings = tokio::spawn(async move {
            loop {
                if theirs.write_all(b"ping").await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_secs(20)).await;
            }
        });
        is_about(ends_after(&mut paced).await, IDLE);
        pings.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_rest_begins_with_the_end_of_the_last_answer_though_nobody_says_anything() {
        let (mut theirs, pace, mut paced) = connection();
        theirs.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        paced.read_exact(&mut [0; 24]).await.unwrap();
        let open = pace.begin();
        let reads = tokio::spawn(async move { ends_after(&mut paced).await });
        let answer = Duration::from_secs(3600);
        tokio::time::sleep(answer).await;
        assert!(!reads.is_finished());
        drop(open);
        is_about(timeout(2 * IDLE, reads).await.expect("it ends").unwrap(), answer + IDLE);
    }

    #[tokio::test(start_paused = true)]
    async fn row_100_who_takes_nothing_is_given_up_and_who_takes_little_is_not() {
        let (_theirs, pace, mut paced) = connection();
        let _open = pace.begin();
        let began = Instant::now();
        let refused = paced.write_all(&[0; 4096]).await.unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::TimedOut);
        is_about(began.elapsed(), STALL);

        let (mut theirs, pace, paced) = connection();
        drop(pace.begin());
        let (mut reading, mut writing) = tokio::io::split(paced);
        let ends = tokio::spawn(async move {
            let began = Instant::now();
            reading.read_to_end(&mut Vec::new()).await.unwrap();
            began.elapsed()
        });
        let takes = tokio::spawn(async move {
            for _ in 0..20 {
                tokio::time::sleep(STALL / 2).await;
                theirs.read_exact(&mut [0; 512]).await.unwrap();
            }
            theirs
        });
        writing.write_all(&[0; 20 * 512]).await.unwrap();
        let _theirs = takes.await.unwrap();
        assert!(!ends.is_finished(), "all that time the answer was under way");
        assert!(timeout(2 * IDLE, ends).await.unwrap().unwrap() > 9 * STALL);
    }

    #[tokio::test(start_paused = true)]
    async fn what_became_a_websocket_is_left_alone() {
        let (mut theirs, pace, mut paced) = connection();
        theirs.write_all(b"GET").await.unwrap();
        paced.read_exact(&mut [0; 3]).await.unwrap();
        drop(pace.begin());
        pace.release();
        assert!(timeout(10 * IDLE, paced.read(&mut [0; 1])).await.is_err());
    }
}
