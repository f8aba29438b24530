//! From a name to a socket: resolved once, every address checked, connected to a checked one.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::target::is_local_name;
use crate::{Allow, Error, Target, address, limits};

/// What a name means: asked exactly once for every connection.
pub type Resolver = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

/// The machine's own resolver.
pub fn system_resolver() -> Resolver {
    Arc::new(|host| {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    })
}

/// The addresses of a target, all of them allowed.
pub(crate) async fn addresses(
    target: &Target,
    allow: &Allow,
    clear_text: bool,
    resolver: &Resolver,
) -> Result<Vec<SocketAddr>, Error> {
    let host = target.host().to_owned();
    let host_allowed = allow.host(target.host(), target.port());
    let found = match target.address() {
        Some(address) => vec![address],
        None if is_local_name(target.host()) && !host_allowed => {
            return Err(Error::Host { host, why: "it names this machine or its network" });
        }
        None => resolve(target, resolver).await?,
    };
    for address in &found {
        let socket = SocketAddr::new(*address, target.port());
        let allowed = host_allowed || allow.address(socket);
        // One bad address among good ones is how a name is made to slip through: all or none.
        if let Some(class) = address::class(*address).filter(|_| !allowed) {
            return Err(Error::Address { host, address: *address, class });
        }
        if !target.is_https() && !clear_text && !allowed {
            return Err(Error::ClearText { host });
        }
    }
    Ok(found.into_iter().map(|address| SocketAddr::new(address, target.port())).collect())
}

async fn resolve(target: &Target, resolver: &Resolver) -> Result<Vec<IpAddr>, Error> {
    let host = target.host().to_owned();
    let limit = Duration::from_secs(limits::RESOLVE_SECONDS.value);
    let found = match timeout(limit, resolver(host.clone())).await {
        Ok(found) => found.map_err(|source| Error::Resolve { host: host.clone(), source })?,
        Err(_) => return Err(Error::Timeout { host }),
    };
    if found.is_empty() {
        let source = io::Error::new(io::ErrorKind::NotFound, "it has no address");
        return Err(Error::Resolve { host, source });
    }
    if found.len() > limits::ADDRESSES.size() {
        return Err(Error::Host { host, why: "it has too many addresses" });
    }
    Ok(found)
}

/// Connects to the first address that answers. Nobody is asked for the name again.
pub(crate) async fn connect(host: &str, addresses: &[SocketAddr]) -> Result<TcpStream, Error> {
    let limit = Duration::from_secs(limits::CONNECT_SECONDS.value);
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match timeout(limit, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Without it small requests wait for each other; a socket that refuses is only slower.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(source)) => last = source,
            Err(_) => last = io::Error::from(io::ErrorKind::TimedOut),
        }
    }
    Err(Error::Connect { host: host.to_owned(), source: last })
}
