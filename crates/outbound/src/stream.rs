//! What is not HTTP: a stream or datagrams to a checked address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::connect::{addresses, connect};
use crate::{Error, Outbound, Target, limits};

/// Something to write to and read from.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Outbound {
    /// Connects to `host` at `port`, with TLS when `secure`. In clear text only to what `outbound.allow` names.
    pub async fn stream(
        &self,
        purpose: &'static str,
        host: &str,
        port: u16,
        secure: bool,
    ) -> Result<Box<dyn Stream>, Error> {
        let url = url_of(host, port, secure);
        let outcome = async {
            let (target, found) = self.places(&url).await?;
            let stream = connect(target.host(), &found).await?;
            if !secure {
                return Ok(Box::new(stream) as Box<dyn Stream>);
            }
            let limit = Duration::from_secs(limits::SECONDS.value);
            let shaken = timeout(limit, self.tls().connect_bare(&target, stream)).await;
            let stream = shaken.map_err(|_| Error::Timeout { host: target.host().to_owned() })??;
            Ok(Box::new(stream) as Box<dyn Stream>)
        };
        let outcome = outcome.await;
        if let Err(error) = &outcome {
            self.tell(purpose, &url, error);
        }
        outcome
    }

    /// A socket that sends to `host` at `port` and nowhere else. Always in clear text.
    pub async fn datagrams(&self, purpose: &'static str, host: &str, port: u16) -> Result<UdpSocket, Error> {
        let url = url_of(host, port, false);
        let outcome = async {
            let (target, found) = self.places(&url).await?;
            let refused = |source| Error::Connect { host: target.host().to_owned(), source };
            let to = found.first().copied().ok_or_else(|| refused(std::io::ErrorKind::NotFound.into()))?;
            let any: IpAddr =
                if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
            let socket = UdpSocket::bind(SocketAddr::new(any, 0)).await.map_err(refused)?;
            socket.connect(to).await.map_err(refused)?;
            Ok(socket)
        };
        let outcome = outcome.await;
        if let Err(error) = &outcome {
            self.tell(purpose, &url, error);
        }
        outcome
    }

    async fn places(&self, url: &str) -> Result<(Target, Vec<SocketAddr>), Error> {
        let target = Target::parse(url)?;
        let found = addresses(&target, self.allow(), false, self.resolver()).await?;
        Ok((target, found))
    }
}

/// As [`Target`] reads it: the same rules hold as for a URL.
fn url_of(host: &str, port: u16, secure: bool) -> String {
    format!("{}://{host}:{port}/", if secure { "https" } else { "http" })
}
