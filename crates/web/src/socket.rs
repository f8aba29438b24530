//! A connection that became a WebSocket: what a route's handler goes on to talk over.
//!
//! A handler answers with [`Answer::socket`]; the edge does the rest: the switch, the caps on connections, and the look at
//! whoever the socket is for. What was shown on it counts only for as long as it is good: [`Socket::next`] says when that is
//! over, and the edge cuts whoever does not listen.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use base::{Caller, Failure, Secret};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message as Raw, Utf8Bytes};

use crate::{Answer, NoRoom, Part, Reply};

/// What carries a socket.
pub trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// Bounds of one socket.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Largest message taken, in how many frames it may come.
    pub message_bytes_max: usize,
    /// Longest silence of the other side.
    pub idle: Duration,
}

/// Why a socket ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The other side left, or cannot be reached.
    Left,
    /// Nothing came for too long.
    Idle,
    /// A message was larger than is taken.
    TooLarge,
    /// There is no room for what arrives.
    NoRoom,
    /// What came is no WebSocket.
    Broken,
    /// The server stops.
    Stopping,
    /// The session of whoever it is for has ended.
    SessionEnded,
    /// The token that was shown is over.
    Expired,
    /// What was shown is not good any more: a key that was revoked, a person who may not come here now.
    NotGood,
}

impl Ending {
    /// As RFC 6455 section 7.4.1 numbers it.
    pub fn code(self) -> u16 {
        match self {
            Ending::Left => 1000,
            Ending::Idle | Ending::Stopping => 1001,
            Ending::Broken => 1002,
            Ending::SessionEnded | Ending::Expired | Ending::NotGood => 1008,
            Ending::TooLarge => 1009,
            Ending::NoRoom => 1013,
        }
    }

    /// As the other side reads it.
    pub fn words(self) -> &'static str {
        match self {
            Ending::Left => "",
            Ending::Idle => "nothing came for too long",
            Ending::Stopping => "the server stops: connect again",
            Ending::Broken => "not a WebSocket's frame",
            Ending::SessionEnded => "the session has ended",
            Ending::Expired => "the token has expired: show the next one before",
            Ending::NotGood => "what was shown is not good any more",
            Ending::TooLarge => "the message is too large",
            Ending::NoRoom => "too much arrives at the moment: connect again",
        }
    }
}

/// What is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Text.
    Text(Utf8Bytes),
    /// Bytes.
    Binary(Bytes),
}

impl Message {
    /// Text of ours.
    pub fn text(text: impl Into<Utf8Bytes>) -> Self {
        Message::Text(text.into())
    }
}

/// Somebody who was shown to be here. Dropped, it counts no longer.
pub struct Shown {
    /// Who.
    pub caller: Arc<Caller>,
    /// What keeps the look at them.
    pub kept: Arc<dyn std::any::Any + Send + Sync>,
}

type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Asks who is calling: by what the request showed, or with another token in its place.
pub type Show = Arc<dyn Fn(Option<Secret<String>>) -> Later<Result<Shown, Failure>> + Send + Sync>;

/// What a socket is talked over with.
pub type Converse = Box<dyn FnOnce(Socket) -> Later<()> + Send>;

/// Rides in an answer's extensions to the edge, which takes it once.
#[derive(Clone)]
pub struct Begin(Arc<Mutex<Option<(Bounds, Converse)>>>);

impl Begin {
    /// What is to be begun.
    pub fn take(&self) -> Option<(Bounds, Converse)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Answer {
    /// 101: from here on the connection is a WebSocket, and `converse` has it until it returns. Only for a route that says
    /// so ([`crate::Route::upgrades`]).
    pub fn socket<F, C>(bounds: Bounds, converse: C) -> Reply<Answer>
    where
        C: FnOnce(Socket) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let converse: Converse = Box::new(move |socket| Box::pin(converse(socket)));
        let mut answer = Answer::status(StatusCode::SWITCHING_PROTOCOLS);
        answer.0.extensions_mut().insert(Begin(Arc::new(Mutex::new(Some((bounds, converse))))));
        Reply::untouched(answer, "what comes over the socket begins transactions of its own")
    }
}

/// Room for what comes: more is made for a long message, and given back.
const READ_BUFFER_BYTES: usize = 4 * 1024;
/// What is gathered before it is written, if nobody flushes before.
const WRITE_BUFFER_BYTES: usize = 16 * 1024;

/// What came of a message that is not whole counts from here on: more than what is read at once.
const UNCOUNTED_BYTES: u64 = READ_BUFFER_BYTES as u64;
/// What a client writes before the content of a ping, pong or goodbye (RFC 6455 section 5.2): two bytes and the mask.
const CONTROL_BYTES: u64 = 6;

/// What came since the last whole message. The library keeps it, in however many frames and however slowly it comes.
struct Unfinished {
    bytes: AtomicU64,
    part: Part,
}

impl Unfinished {
    fn change(&self, change: impl Fn(u64) -> u64) -> Result<(), NoRoom> {
        let bytes = change(self.bytes.load(Ordering::Relaxed));
        self.bytes.store(bytes, Ordering::Relaxed);
        self.part.holds(bytes.saturating_sub(UNCOUNTED_BYTES))
    }
}

/// A wire that counts what comes.
struct Counted {
    wire: Box<dyn Wire>,
    unfinished: Arc<Unfinished>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = into.filled().len();
        let read = Pin::new(&mut self.wire).poll_read(cx, into);
        let came = (into.filled().len() - before) as u64;
        match self.unfinished.change(|bytes| bytes + came) {
            Ok(()) => read,
            Err(no_room) => Poll::Ready(Err(std::io::Error::other(no_room))),
        }
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.wire).poll_write(cx, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.wire).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.wire).poll_shutdown(cx)
    }
}

/// An open WebSocket.
pub struct Socket {
    stream: WebSocketStream<Counted>,
    unfinished: Arc<Unfinished>,
    bounds: Bounds,
    ends: watch::Receiver<Option<Ending>>,
    show: Show,
    heard: Instant,
}

impl Socket {
    /// Over `wire`, what arrives counted as `part`. `ends` says from outside that it is over.
    pub async fn new(
        wire: Box<dyn Wire>,
        (bounds, part): (Bounds, Part),
        ends: watch::Receiver<Option<Ending>>,
        show: Show,
    ) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(WRITE_BUFFER_BYTES)
            .max_message_size(Some(bounds.message_bytes_max))
            .max_frame_size(Some(bounds.message_bytes_max));
        let unfinished = Arc::new(Unfinished { bytes: AtomicU64::new(0), part });
        let wire = Counted { wire, unfinished: unfinished.clone() };
        let stream = WebSocketStream::from_raw_socket(wire, Role::Server, Some(config)).await;
        Socket { stream, unfinished, bounds, ends, show, heard: Instant::now() }
    }

    /// The next message, or why there is none. Nothing is lost when this is dropped half way.
    pub async fn next(&mut self) -> Result<Message, Ending> {
        loop {
            let silent_until = self.heard + self.bounds.idle;
            let came = tokio::select! {
                biased;
                ending = over(&mut self.ends) => return Err(ending),
                came = self.stream.next() => came,
                () = tokio::time::sleep_until(silent_until) => return Err(Ending::Idle),
            };
            self.heard = Instant::now();
            match came {
                None => return Err(Ending::Left),
                Some(Ok(Raw::Text(text))) => return Ok(Message::Text(self.whole(text))),
                Some(Ok(Raw::Binary(bytes))) => return Ok(Message::Binary(self.whole(bytes))),
                // Answered below us. They may come between the frames of a message, which is not whole yet.
                Some(Ok(Raw::Ping(said) | Raw::Pong(said))) => {
                    let control = said.len() as u64 + CONTROL_BYTES;
                    // Less always has room.
                    let _there_is_room = self.unfinished.change(|bytes| bytes.saturating_sub(control));
                }
                // A close is followed by the end.
                Some(Ok(Raw::Close(_) | Raw::Frame(_))) => {}
                Some(Err(error)) => return Err(ending(&error)),
            }
        }
    }

    /// What came of it is not unfinished any more; a little of the next one may have come with it.
    fn whole<T>(&self, message: T) -> T {
        let _there_is_room = self.unfinished.change(|_| 0);
        message
    }

    /// Puts a message behind those before it; it leaves with [`Socket::flush`] at the latest. Whoever takes nothing is
    /// given up by the connection.
    pub async fn feed(&mut self, message: Message) -> Result<(), Ending> {
        let raw = match message {
            Message::Text(text) => Raw::Text(text),
            Message::Binary(bytes) => Raw::Binary(bytes),
        };
        self.stream.feed(raw).await.map_err(|error| ending(&error))
    }

    /// Sends what was fed.
    pub async fn flush(&mut self) -> Result<(), Ending> {
        self.stream.flush().await.map_err(|error| ending(&error))
    }

    /// Sends a message.
    pub async fn send(&mut self, message: Message) -> Result<(), Ending> {
        self.feed(message).await?;
        self.flush().await
    }

    /// Who is calling by what the request showed, or by `token` in the place of its own. What is shown is looked after as
    /// long as the answer is kept: when it is not good any more, the socket ends.
    pub fn show(
        &self,
        token: Option<Secret<String>>,
    ) -> impl Future<Output = Result<Shown, Failure>> + use<> {
        (self.show)(token)
    }

    /// Says goodbye, and waits a moment for the other side to have heard it.
    pub async fn close(mut self, code: u16, words: &'static str) {
        let frame = CloseFrame { code: code.into(), reason: Utf8Bytes::from_static(words) };
        let goodbye = async {
            if self.stream.close(Some(frame)).await.is_ok() {
                while let Some(Ok(_)) = self.stream.next().await {}
            }
        };
        // Whoever does not answer is left all the same.
        let _answered = tokio::time::timeout(GOODBYE, goodbye).await;
    }
}

/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_millis(500);

/// Waits until somebody says that it is over.
async fn over(ends: &mut watch::Receiver<Option<Ending>>) -> Ending {
    match ends.wait_for(Option::is_some).await {
        Ok(ending) => ending.unwrap_or(Ending::Stopping),
        Err(_) => Ending::Stopping,
    }
}

fn ending(error: &Error) -> Ending {
    match error {
        Error::Capacity(_) => Ending::TooLarge,
        Error::Protocol(_) | Error::Utf8(_) => Ending::Broken,
        Error::Io(error) if error.get_ref().is_some_and(|inner| inner.is::<NoRoom>()) => Ending::NoRoom,
        _ => Ending::Left,
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;
    use crate::Arriving;

    /// A frame of a client's, masked by nothing.
    fn frame(first: u8, content: &[u8]) -> Vec<u8> {
        let length = 0x80 | u8::try_from(content.len()).unwrap();
        [&[first, length, 0, 0, 0, 0][..], content].concat()
    }

    #[tokio::test]
    async fn what_is_whole_counts_no_longer_be_it_a_message_or_a_ping() {
        let (theirs, ours) = duplex(64 << 10);
        let room = 8 << 10;
        let arriving = Arriving::new(room, room);
        let part = arriving.part([198, 51, 100, 7].into());
        let bounds = Bounds { message_bytes_max: 64 << 10, idle: Duration::from_secs(60) };
        let (_ends, heard) = watch::channel(None);
        let show: Show = Arc::new(|_| Box::pin(async { unreachable!("nobody is asked") }));
        let mut socket = Socket::new(Box::new(ours), (bounds, part), heard, show).await;
        let (mut from, mut to) = tokio::io::split(theirs);
        let taken = tokio::spawn(async move {
            let mut all = Vec::new();
            from.read_to_end(&mut all).await.map(|_| all.len())
        });
        let said = tokio::spawn(async move {
            // Ten times what there is room for, in pings; and as much again in messages.
            for _ in 0..800 {
                to.write_all(&frame(0x89, &[b'p'; 120])).await.unwrap();
            }
            for _ in 0..800 {
                to.write_all(&frame(0x81, &[b'x'; 120])).await.unwrap();
            }
            to
        });
        for number in 0..800 {
            let message = socket.next().await.unwrap_or_else(|ending| panic!("{number}: {ending:?}"));
            assert!(matches!(message, Message::Text(text) if text.len() == 120));
        }
        // One that does not end has no more than there is room for, pings in between or not.
        let mut to = said.await.unwrap();
        tokio::spawn(async move {
            to.write_all(&frame(0x01, &[b'x'; 120])).await.unwrap();
            while to.write_all(&[frame(0x89, b"p"), frame(0x00, &[b'x'; 120])].concat()).await.is_ok() {}
        });
        assert!(matches!(socket.next().await, Err(Ending::NoRoom)));
        drop(socket);
        let _pongs = taken.await.unwrap();
    }
}
