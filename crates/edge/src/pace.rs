//! How long a connection may keep us waiting: short for a head that has begun, and for the first of all; long for the next
//! request of a client that had an answer; not at all while an answer is under way, which has bounds of its own. And how
//! long it may take nothing of what we send: who does not read holds the answer's memory, or the query that it comes from.
//!
//! A connection that waits too long is read to its end: that is all the protocols above need to close it. One of HTTP/1.1 that
//! was answered and is asked nothing more for a moment is read to its end as well, and its stream put aside: so it rests without
//! what the protocol keeps ready for it, which is most of its memory.
//!
//! Invariant: nothing of a stream that is put aside is lost. Whoever has sent a part of the next request does not rest.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use http::Version;
use http_body::{Frame, SizeHint};
use hyper::upgrade::OnUpgrade;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, sleep_until};
use web::Body;

use crate::framing::Framing;
use crate::limits::{HEAD_MS_MAX, IDLE_MS_MAX, READY_MS_MAX, WRITE_STALL_MS_MAX};
use crate::standing::Became;

/// What is under way on one connection. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Pace(Arc<Under>);

#[derive(Default)]
struct Under {
    begun: AtomicU64,
    ended: AtomicU64,
    /// Bytes of the body that the last request said it has.
    body_bytes: AtomicU64,
    /// It is no longer HTTP.
    released: AtomicBool,
    /// HTTP/2 sends frames without meaning for us; only its requests count.
    has_streams: AtomicBool,
    /// What goes on over it when it is no longer HTTP.
    became: Mutex<Option<(Became, OnUpgrade)>>,
    /// When the last piece of each answer over HTTP/2 was given to the protocol, which has not asked for the next one.
    given: Mutex<HashMap<u64, Instant>>,
    /// Whoever reads, to begin counting when the last answer is over: HTTP/2 has no other reason to look.
    reader: AtomicWaker,
}

/// One request under way, until it is dropped.
pub(crate) struct Open {
    pace: Pace,
    number: u64,
}

impl Pace {
    /// A request's head was read, which says that its body has so many bytes.
    pub(crate) fn begin(&self, body_bytes: u64, version: Version) -> Open {
        // Its first bytes may have come one by one, so that they told nothing.
        if version == Version::HTTP_2 {
            self.0.has_streams.store(true, Ordering::Relaxed);
        }
        self.0.body_bytes.store(body_bytes, Ordering::Relaxed);
        let number = self.0.begun.fetch_add(1, Ordering::Relaxed);
        Open { pace: self.clone(), number }
    }

    /// From now on somebody else looks after the connection (a WebSocket).
    pub(crate) fn release(&self, became: Option<(Became, OnUpgrade)>) {
        self.0.released.store(true, Ordering::Relaxed);
        *self.0.became.lock().unwrap_or_else(PoisonError::into_inner) = became;
    }

    /// What the connection became, if it did.
    pub(crate) fn became(&self) -> Option<(Became, OnUpgrade)> {
        self.0.became.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn given(&self) -> MutexGuard<'_, HashMap<u64, Instant>> {
        self.0.given.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begun(&self) -> u64 {
        self.0.begun.load(Ordering::Relaxed)
    }

    fn has_streams(&self) -> bool {
        self.0.has_streams.load(Ordering::Relaxed)
    }

    fn is_released(&self) -> bool {
        self.0.released.load(Ordering::Relaxed)
    }

    fn is_busy(&self) -> bool {
        self.is_released() || self.begun() != self.0.ended.load(Ordering::Relaxed)
    }
}

impl Open {
    /// A piece of its answer was given to the protocol, or what there was has been asked for and there is nothing yet. Over HTTP/1.1
    /// a socket that takes nothing says the same.
    fn gave(&self, a_piece: bool) {
        if !self.pace.has_streams() {
            return;
        }
        match a_piece {
            true => self.pace.given().insert(self.number, Instant::now()),
            false => self.pace.given().remove(&self.number),
        };
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.pace.0.ended.fetch_add(1, Ordering::Relaxed);
        // Over HTTP/1.1 it is noticed in time without: waking would be one more look at the socket for each request.
        if self.pace.has_streams() {
            self.pace.given().remove(&self.number);
            self.pace.0.reader.wake();
        }
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

/// The end of a head, and of a chunked body.
const EMPTY_LINE: &[u8] = b"\r\n\r\n";

/// Where a stream is put that rests, for whoever waits for its next byte.
pub(crate) struct Resting<S>(Arc<Mutex<Option<S>>>);

impl<S> Resting<S> {
    pub(crate) fn new() -> Self {
        Resting(Arc::new(Mutex::new(None)))
    }

    /// The stream, if it rests.
    pub(crate) fn take(&self) -> Option<S> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn put(&self, stream: Option<S>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = stream;
    }
}

/// A stream that ends when it keeps us waiting.
pub(crate) struct Paced<S> {
    /// Gone once it rests.
    stream: Option<S>,
    resting: Resting<S>,
    /// What ended its last rest.
    first: Option<u8>,
    pace: Pace,
    waits: For,
    /// Until when that is waited for, once we do.
    until: Option<Instant>,
    /// When an answer was last seen to be under way.
    busy: Option<Instant>,
    /// Rings at that time or before; it is set anew only when it rings, not for each request.
    timer: Option<Pin<Box<Sleep>>>,
    /// Bytes that came behind the last empty line: of a request that is whole, its body.
    behind: u64,
    /// Where the requests of HTTP/1.1 end.
    framing: Framing,
    /// Runs while what we send is not taken.
    stall: Option<Pin<Box<Sleep>>>,
}

impl<S> Paced<S> {
    /// `first` came already, after a rest.
    pub(crate) fn new(stream: S, first: Option<u8>, pace: Pace, resting: &Resting<S>) -> Self {
        let waits = For::Head(pace.begun());
        Paced {
            stream: Some(stream),
            resting: Resting(resting.0.clone()),
            first,
            pace,
            waits,
            until: None,
            busy: None,
            timer: None,
            behind: 0,
            framing: Framing::default(),
            stall: None,
        }
    }

    fn heard(&mut self, bytes: &[u8]) {
        if self.pace.begun() == 0 && bytes.starts_with(b"PRI") {
            self.pace.0.has_streams.store(true, Ordering::Relaxed);
            self.wait_for(For::Next);
        }
        let is_busy = self.pace.is_busy();
        let is_next = match self.waits {
            For::Next => true,
            For::Head(begun) => begun != self.pace.begun(),
        };
        if is_next && !self.pace.has_streams() && !is_busy {
            self.wait_for(For::Head(self.pace.begun()));
        }
        // In what comes during a request nothing is looked for: it may be long. Where the line is not found, it is not rested.
        let line_end = match bytes.ends_with(EMPTY_LINE) {
            true => Some(bytes.len()),
            false if is_busy => None,
            false => memchr::memmem::rfind(bytes, EMPTY_LINE).map(|at| at + EMPTY_LINE.len()),
        };
        self.behind = match line_end {
            Some(end) => (bytes.len() - end) as u64,
            None => self.behind + bytes.len() as u64,
        };
    }

    /// A request that two could read two ways is read by nobody: the parser refuses a zero wherever a head has it.
    fn spoil_what_is_unclear(&mut self, bytes: &mut [u8]) {
        if self.pace.is_released() {
            return;
        }
        if let Some(byte) = self.framing.unclear(bytes).and_then(|at| bytes.get_mut(at)) {
            *byte = 0;
        }
    }

    fn wait_for(&mut self, what: For) {
        (self.waits, self.until) = (what, None);
    }

    /// Whether all that was heard belonged to requests that are answered.
    fn has_heard_nothing_more(&self) -> bool {
        self.behind == 0 || self.behind == self.pace.0.body_bytes.load(Ordering::Relaxed)
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
            self.wait_for(For::Next);
            if self.pace.is_released() {
                return false;
            }
            if self.pace.has_streams() {
                return self.is_left_with_an_answer(cx);
            }
            self.look_again(cx);
            return false;
        }
        if let For::Head(begun) = self.waits
            && begun != self.pace.begun()
        {
            self.wait_for(For::Next);
        }
        let rests = self.waits == For::Next && !self.pace.has_streams() && self.has_heard_nothing_more();
        let limit = match self.waits {
            For::Head(_) => HEAD_MS_MAX,
            For::Next if rests => READY_MS_MAX,
            For::Next => IDLE_MS_MAX,
        };
        let busy = self.busy.take().filter(|_| self.waits == For::Next);
        let until = *self
            .until
            .get_or_insert_with(|| busy.unwrap_or_else(Instant::now) + Duration::from_millis(limit.value));
        let is_over = self.rings_at(until, cx);
        if is_over && rests {
            self.resting.put(self.stream.take());
        }
        is_over
    }

    /// HTTP/1.1 does not read anew when an answer is over and nothing had come before: it is made to.
    fn look_again(&mut self, cx: &mut Context<'_>) {
        let now = Instant::now();
        self.busy = Some(now);
        self.rings_at(now + Duration::from_millis(READY_MS_MAX.value), cx);
    }

    /// Whether some answer over HTTP/2 is not taken, whatever else is said meanwhile: its peer alone decides how much of each may be
    /// sent, so that the socket does not tell.
    fn is_left_with_an_answer(&mut self, cx: &mut Context<'_>) -> bool {
        let oldest = self.pace.given().values().min().copied();
        self.rings_at(
            oldest.unwrap_or_else(Instant::now) + Duration::from_millis(WRITE_STALL_MS_MAX.value),
            cx,
        )
    }

    /// Whether it is that time; otherwise the timer rings then, or before.
    fn rings_at(&mut self, until: Instant, cx: &mut Context<'_>) -> bool {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(until)));
        if timer.deadline() > until {
            timer.as_mut().reset(until);
        }
        while timer.as_mut().poll(cx).is_ready() {
            if timer.deadline() >= until {
                return true;
            }
            timer.as_mut().reset(until);
        }
        false
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let this = &mut *self;
        let Some(stream) = &mut this.stream else { return Poll::Ready(Ok(())) };
        let before = into.filled().len();
        if let Some(first) = this.first.take() {
            into.put_slice(&[first]);
        }
        let read = match Pin::new(stream).poll_read(cx, into) {
            Poll::Pending if into.filled().len() > before => Poll::Ready(Ok(())),
            read => read,
        };
        match read {
            Poll::Ready(read) => {
                if let Some(bytes) = into.filled_mut().get_mut(before..).filter(|bytes| !bytes.is_empty()) {
                    this.spoil_what_is_unclear(bytes);
                    this.heard(bytes);
                }
                Poll::Ready(read)
            }
            Poll::Pending if this.is_over(cx) => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// What is done to a stream that rests does nothing: it is not the protocol's any more.
impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(Err(rests())) };
        let polled = Pin::new(stream).poll_write(cx, bytes);
        self.sent(polled, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(Ok(())) };
        let polled = Pin::new(stream).poll_flush(cx);
        self.sent(polled, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(Ok(())) };
        let polled = Pin::new(stream).poll_shutdown(cx);
        self.sent(polled, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(Err(rests())) };
        let polled = Pin::new(stream).poll_write_vectored(cx, bytes);
        self.sent(polled, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }
}

/// Nothing is written after the end of what is read: the last answer was over before.
fn rests() -> std::io::Error {
    std::io::ErrorKind::NotConnected.into()
}

/// Bytes of an answer that is there as a whole which HTTP/2 is given at once: it holds them until its peer takes them, and asks for
/// the next ones then.
const PIECE_BYTES: usize = 16 * 1024;

/// An answer's body, with which its request ends.
pub(crate) struct Answering {
    body: Body,
    open: Open,
}

impl Answering {
    pub(crate) fn new(body: Body, open: Open) -> Self {
        Answering { body, open }
    }
}

impl http_body::Body for Answering {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        let this = &mut *self;
        let polled = match &mut this.body {
            Body::Whole(bytes) if bytes.len() > PIECE_BYTES && this.open.pace.has_streams() => {
                Poll::Ready(Some(Ok(Frame::data(bytes.split_to(PIECE_BYTES)))))
            }
            body => Pin::new(body).poll_frame(cx),
        };
        this.open.gave(polled.is_ready());
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests;
