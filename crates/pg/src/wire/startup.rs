//! The start of a session: who we are, the proof, and the settings every session of ours runs with.
//!
//! Invariant: a password leaves only as a SCRAM proof. Cleartext and MD5 requests are refused, since a server that
//! asks for them is not the one that was set up (or is somebody else's).

use std::io;

use bytes::{Buf, BytesMut};
use postgres_protocol::authentication::sasl::{
    ChannelBinding, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256,
};
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::scan::{self, Frame};
use super::stream::{self, Binding, Stream};
use crate::Error;
use crate::config::{Login, Server};

/// A session that is ready for its first batch.
pub(crate) struct Session {
    pub(crate) stream: Stream,
    pub(crate) read: BytesMut,
    pub(crate) key: CancelKey,
}

/// What a cancel request must show.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CancelKey {
    pub(crate) process: i32,
    pub(crate) secret: i32,
}

/// Connects and logs in. `settings` become the session's own: where RESET leads back to.
pub(crate) async fn connect(
    server: &Server,
    database: &str,
    login: &Login,
    settings: &[(String, String)],
) -> Result<Session, Error> {
    let stream = stream::open(server).await.map_err(Error::Unreachable)?;
    let mut start = Start { stream, read: BytesMut::with_capacity(16 << 10) };
    let mut hello = BytesMut::new();
    let fixed = [("user", login.name.as_str()), ("database", database), ("application_name", "palisade")];
    let settings = settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    frontend::startup_message(fixed.into_iter().chain(FORMATS).chain(settings), &mut hello).map_err(bad)?;
    start.send(&hello).await?;
    start.prove(login).await?;
    start.until_ready().await
}

/// How values look in text format: the one spelling the rest of the program reads.
const FORMATS: [(&str, &str); 6] = [
    ("client_encoding", "UTF8"),
    ("DateStyle", "ISO, MDY"),
    ("TimeZone", "UTC"),
    ("IntervalStyle", "postgres"),
    ("bytea_output", "hex"),
    ("extra_float_digits", "1"),
];

struct Start {
    stream: Stream,
    read: BytesMut,
}

fn bad(error: io::Error) -> Error {
    Error::Bug(format!("start of a session: {error}"))
}

fn refused(why: &str) -> Error {
    Error::Refused(why.to_owned())
}

impl Start {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.stream.write_all(bytes).await.map_err(Error::Unreachable)?;
        self.stream.flush().await.map_err(Error::Unreachable)
    }

    /// The next frame that is not chatter. What the server refuses is an error.
    async fn frame(&mut self) -> Result<Frame, Error> {
        loop {
            match scan::next(&mut self.read).map_err(Error::Unreachable)? {
                Some(Frame { tag: b'E', body }) => return Err(Error::Database(scan::error(&body))),
                Some(Frame { tag: b'N' | b'S', .. }) => {}
                Some(frame) => return Ok(frame),
                None => {
                    if self.stream.read_buf(&mut self.read).await.map_err(Error::Unreachable)? == 0 {
                        return Err(Error::Unreachable(io::ErrorKind::UnexpectedEof.into()));
                    }
                }
            }
        }
    }

    /// The next authentication request: its number and what comes with it.
    async fn demand(&mut self) -> Result<(u32, bytes::Bytes), Error> {
        let Frame { tag, mut body } = self.frame().await?;
        if tag != b'R' || body.len() < 4 {
            return Err(refused("the server did not speak PostgreSQL's protocol"));
        }
        Ok((body.get_u32(), body))
    }

    async fn prove(&mut self, login: &Login) -> Result<(), Error> {
        match self.demand().await? {
            (0, _) => Ok(()),
            (10, mechanisms) => self.scram(login, &mechanisms).await,
            (3, _) => {
                Err(refused("the server asks for the password in cleartext; only SCRAM-SHA-256 is spoken"))
            }
            (5, _) => Err(refused("the server asks for an MD5 password; only SCRAM-SHA-256 is spoken")),
            (other, _) => Err(refused(&format!(
                "the server asks for authentication method {other}; only SCRAM-SHA-256 is spoken"
            ))),
        }
    }

    async fn scram(&mut self, login: &Login, mechanisms: &[u8]) -> Result<(), Error> {
        let offers = |wanted: &str| mechanisms.split(|byte| *byte == 0).any(|name| name == wanted.as_bytes());
        let (mechanism, binding) = match self.stream.binding() {
            // Somebody in the middle with a certificate of their own cannot pass the proof on.
            Binding::EndPoint(hash) if offers(SCRAM_SHA_256_PLUS) => {
                (SCRAM_SHA_256_PLUS, ChannelBinding::tls_server_end_point(hash))
            }
            // Told that we could have: a server that offered it, and was silenced on the way, refuses.
            Binding::EndPoint(_) => (SCRAM_SHA_256, ChannelBinding::unrequested()),
            Binding::Plain => (SCRAM_SHA_256, ChannelBinding::unsupported()),
        };
        if !offers(mechanism) {
            return Err(refused("the server does not offer SCRAM-SHA-256"));
        }
        let Some(password) = &login.password else {
            return Err(refused("the server asks for a password and none is set"));
        };
        let mut scram = ScramSha256::new(password.expose().as_bytes(), binding);
        let mut out = BytesMut::new();
        frontend::sasl_initial_response(mechanism, scram.message(), &mut out).map_err(bad)?;
        self.send(&out).await?;
        let (11, challenge) = self.demand().await? else { return Err(refused("SCRAM was not continued")) };
        scram.update(&challenge).map_err(|error| refused(&format!("SCRAM: {error}")))?;
        out.clear();
        frontend::sasl_response(scram.message(), &mut out).map_err(bad)?;
        self.send(&out).await?;
        let (12, proof) = self.demand().await? else { return Err(refused("SCRAM was not finished")) };
        // The server proves that it knows the password too; a liar ends here.
        scram.finish(&proof).map_err(|error| refused(&format!("SCRAM: {error}")))?;
        match self.demand().await? {
            (0, _) => Ok(()),
            _ => Err(refused("the server asked for more than SCRAM")),
        }
    }

    async fn until_ready(mut self) -> Result<Session, Error> {
        let mut key = CancelKey::default();
        loop {
            let Frame { tag, mut body } = self.frame().await?;
            match tag {
                b'K' if body.len() >= 8 => {
                    key = CancelKey { process: body.get_i32(), secret: body.get_i32() }
                }
                b'Z' => return Ok(Session { stream: self.stream, read: self.read, key }),
                _ => return Err(refused("the server did not finish the start of the session")),
            }
        }
    }
}
