//! A byte stream to the server, whatever it runs over.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

use super::tls;
use crate::config::{Server, Tls};

/// A connected stream.
pub(crate) enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// What SCRAM may be bound to: nothing without TLS.
    pub(crate) fn binding(&self) -> Binding {
        match self {
            Stream::Unix(_) | Stream::Tcp(_) => Binding::Plain,
            Stream::Tls(stream) => tls::end_point(stream).map_or(Binding::Plain, Binding::EndPoint),
        }
    }
}

/// What SCRAM may be bound to.
pub(crate) enum Binding {
    /// Nothing.
    Plain,
    /// The server's certificate.
    EndPoint(Vec<u8>),
}

/// Connects, and encrypts where the configuration says so.
pub(crate) async fn open(server: &Server) -> io::Result<Stream> {
    match server {
        Server::Socket { dir, port } => {
            UnixStream::connect(dir.join(format!(".s.PGSQL.{port}"))).await.map(Stream::Unix)
        }
        Server::Tcp { host, port, tls } => {
            let mut tcp = dial(host, *port, *tls == Tls::Disable).await?;
            tcp.set_nodelay(true)?;
            if *tls == Tls::Disable {
                return Ok(Stream::Tcp(tcp));
            }
            let mut ask = BytesMut::new();
            frontend::ssl_request(&mut ask);
            tcp.write_all(&ask).await?;
            // One byte exactly: anything sent along with it came before the encryption and is never looked at.
            match tcp.read_u8().await? {
                b'S' => Ok(Stream::Tls(Box::new(tls::connect(host, tls, tcp).await?))),
                _ => Err(io::Error::new(
                    io::ErrorKind::ConnectionRefused,
                    "the server offers no TLS, and plaintext is refused",
                )),
            }
        }
    }
}

/// Plaintext goes to loopback addresses only, whatever a name resolves to.
async fn dial(host: &str, port: u16, loopback_only: bool) -> io::Result<TcpStream> {
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await?.collect();
    if loopback_only && addresses.iter().any(|address| !address.ip().is_loopback()) {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "plaintext to a host that is not this machine is refused",
        ));
    }
    TcpStream::connect(addresses.as_slice()).await
}

macro_rules! each {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Stream::Unix($stream) => $call,
            Stream::Tcp($stream) => $call,
            Stream::Tls($stream) => $call,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_read(cx, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        each!(self, stream => Pin::new(stream).poll_write(cx, bytes))
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_flush(cx))
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}
