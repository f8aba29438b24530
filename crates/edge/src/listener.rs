//! Our own accept loop: a cap on connections, time-outs on heads, upgrades, graceful drain. TLS will wrap the stream
//! here, before hyper sees it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::limits::{
    CONNECTIONS_MAX, DRAIN_MS_MAX, H2_RESETS_MAX, H2_STREAMS_MAX, HEAD_BYTES_MAX, HEAD_MS_MAX, HEADERS_MAX,
};
use crate::{Edge, Error};

/// A bound socket.
pub enum Listening {
    /// The public API.
    Tcp(TcpListener),
    /// The operator's control socket.
    Unix(UnixListener),
}

impl Listening {
    /// The operator's control socket at `path`; who may open the file is the operator.
    pub fn control(path: &Path) -> std::io::Result<Self> {
        UnixListener::bind(path).map(Listening::Unix)
    }

    /// The bound address, of a TCP socket.
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Listening::Tcp(listener) => listener.local_addr().ok(),
            Listening::Unix(_) => None,
        }
    }
}

/// Binds a TCP socket for plain HTTP, which is refused off loopback.
pub async fn listen(address: SocketAddr) -> Result<Listening, Error> {
    if !address.ip().to_canonical().is_loopback() {
        return Err(Error::PlainOffLoopback { address });
    }
    TcpListener::bind(address).await.map(Listening::Tcp).map_err(|source| Error::Listen { address, source })
}

/// Serves until `stop`, then lets requests in flight finish within a bound.
pub async fn serve(edge: Arc<Edge>, listening: Listening, stop: CancellationToken) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX.size()));
    let connections = TaskTracker::new();
    loop {
        let permit = tokio::select! {
            () = stop.cancelled() => break,
            permit = permits.clone().acquire_owned() => permit,
        };
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listening) => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (edge, stop) = (edge.clone(), stop.clone());
                connections.spawn(async move {
                    let _permit = permit;
                    connection(edge, stream, peer, stop).await;
                });
            }
            Err(error) => {
                // Out of descriptors, most often: waiting lets some close; spinning would not.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listening);
    connections.close();
    if tokio::time::timeout(Duration::from_millis(DRAIN_MS_MAX.value), connections.wait()).await.is_err() {
        tracing::warn!(open = connections.len(), "connections were still open when the drain time ended");
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

async fn accept(listening: &Listening) -> std::io::Result<(Box<dyn Stream>, IpAddr)> {
    match listening {
        Listening::Tcp(listener) => {
            let (stream, peer) = listener.accept().await?;
            stream.set_nodelay(true)?;
            Ok((Box::new(stream), peer.ip()))
        }
        Listening::Unix(listener) => {
            let (stream, _) = listener.accept().await?;
            Ok((Box::new(stream), IpAddr::V4(Ipv4Addr::LOCALHOST)))
        }
    }
}

async fn connection(edge: Arc<Edge>, stream: Box<dyn Stream>, peer: IpAddr, stop: CancellationToken) {
    let service = service_fn(move |request: http::Request<Incoming>| {
        let edge = edge.clone();
        async move { Ok::<_, std::convert::Infallible>(edge.answer(request, peer).await) }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(HEAD_MS_MAX.value))
        .max_headers(HEADERS_MAX.size())
        .max_buf_size(HEAD_BYTES_MAX.size());
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(u32::try_from(H2_STREAMS_MAX.value).ok())
        .max_header_list_size(u32::try_from(HEAD_BYTES_MAX.value).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(H2_RESETS_MAX.size())
        .keep_alive_interval(Duration::from_secs(30));
    let serving = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    let mut serving = std::pin::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
