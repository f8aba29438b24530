//! Our own accept loop: a cap on connections, TLS within its time, time-outs on heads, upgrades, graceful drain.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::limits::{
    CONNECTIONS_MAX, DRAIN_MS_MAX, H2_FAULTS_MAX, H2_RESETS_MAX, H2_STREAMS_MAX, HANDSHAKE_MS_MAX,
    HEAD_BYTES_MAX, HEAD_MS_MAX, HEADERS_MAX, IDLE_MS_MAX,
};
use web::Body;

use crate::pace::{Answering, Pace, Paced};
use crate::{Edge, Error, Front};

/// A bound socket.
pub enum Listening {
    /// The public API on this machine, in plain HTTP.
    Tcp(TcpListener),
    /// The public API.
    Tls(TcpListener, TlsAcceptor),
    /// The operator's control socket.
    Unix(UnixListener),
    /// A socket of the probes, for what this instance does not show on a port of its own.
    Aside(Aside),
}

/// A socket in the data folder, with TLS or not, at which every connection counts as a stranger of its own: what
/// happens there is on nobody else's budget.
pub struct Aside {
    listener: UnixListener,
    acceptor: Option<TlsAcceptor>,
    count: AtomicU16,
}

impl Listening {
    /// The operator's control socket at `path`; who may open the file is the operator.
    pub fn control(path: &Path) -> std::io::Result<Self> {
        UnixListener::bind(path).map(Listening::Unix)
    }

    /// A socket of the probes at `path`, for TLS where `config` is given.
    pub fn aside(path: &Path, config: Option<Arc<ServerConfig>>) -> std::io::Result<Self> {
        let listener = UnixListener::bind(path)?;
        Ok(Listening::Aside(Aside {
            listener,
            acceptor: config.map(TlsAcceptor::from),
            count: AtomicU16::new(0),
        }))
    }

    /// What [`bind`] bound, for TLS.
    pub fn tls(listener: TcpListener, config: Arc<ServerConfig>) -> Self {
        Listening::Tls(listener, TlsAcceptor::from(config))
    }

    /// The bound address, of a TCP socket.
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Listening::Tcp(listener) | Listening::Tls(listener, _) => listener.local_addr().ok(),
            Listening::Unix(_) | Listening::Aside(_) => None,
        }
    }
}

/// Binds a TCP socket that will speak TLS, or not: then on loopback only.
pub async fn bind(address: SocketAddr, secure: bool) -> Result<TcpListener, Error> {
    if !secure && !address.ip().to_canonical().is_loopback() {
        return Err(Error::PlainOffLoopback { address });
    }
    TcpListener::bind(address).await.map_err(|source| Error::Listen { address, source })
}

/// Binds a TCP socket for plain HTTP, which is refused off loopback.
pub async fn listen(address: SocketAddr) -> Result<Listening, Error> {
    bind(address, false).await.map(Listening::Tcp)
}

/// Who is at the other end of a connection, and what protects it.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Their address, before any proxy is believed.
    pub address: IpAddr,
    /// Whether TLS protects the connection.
    pub secure: bool,
}

/// What requests of a connection are given to.
pub(crate) trait Answers: Send + Sync + 'static {
    /// What is asked of its connections.
    fn front(&self) -> &Front;

    /// Answers one.
    fn answer(
        &self,
        request: http::Request<Incoming>,
        peer: Peer,
    ) -> impl Future<Output = http::Response<Body>> + Send;

    /// Whether anything from this address is served.
    fn admits(&self, address: IpAddr) -> bool;

    /// Counts a connection for as long as what is given back is there.
    fn hold(&self) -> Option<meters::Held<'_>> {
        None
    }
}

impl Answers for Edge {
    fn front(&self) -> &Front {
        Edge::front(self)
    }

    fn answer(
        &self,
        request: http::Request<Incoming>,
        peer: Peer,
    ) -> impl Future<Output = http::Response<Body>> + Send {
        Edge::answer(self, request, peer)
    }

    fn admits(&self, address: IpAddr) -> bool {
        Edge::admits(self, address)
    }

    fn hold(&self) -> Option<meters::Held<'_>> {
        Some(Edge::hold(self))
    }
}

/// Serves until `stop`, then lets requests in flight finish within a bound.
pub async fn serve(edge: Arc<Edge>, listening: Listening, stop: CancellationToken) {
    serve_to(edge, listening, stop).await;
}

pub(crate) async fn serve_to<A: Answers>(edge: Arc<A>, listening: Listening, stop: CancellationToken) {
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
            // Nothing is read and nothing said: a peer that is kept out costs one descriptor for an instant.
            Ok(accepted) if !edge.admits(accepted.address()) => drop(accepted),
            Ok(accepted) => {
                let (edge, stop) = (edge.clone(), stop.clone());
                connections.spawn(async move {
                    let _permit = permit;
                    let counting = edge.clone();
                    let _counted = counting.hold();
                    accepted.serve(edge, stop).await;
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

/// A connection that nothing has been read from.
enum Accepted {
    /// From somewhere: who is really there may have to be asked.
    Far(TcpStream, IpAddr, Option<TlsAcceptor>),
    /// From this machine.
    Near(UnixStream, IpAddr, Option<TlsAcceptor>),
}

async fn accept(listening: &Listening) -> std::io::Result<Accepted> {
    let far = async |listener: &TcpListener, acceptor: Option<TlsAcceptor>| {
        let (stream, peer) = listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok(Accepted::Far(stream, peer.ip(), acceptor))
    };
    match listening {
        Listening::Tcp(listener) => far(listener, None).await,
        Listening::Tls(listener, acceptor) => far(listener, Some(acceptor.clone())).await,
        Listening::Unix(listener) => {
            let (stream, _) = listener.accept().await?;
            Ok(Accepted::Near(stream, IpAddr::V4(Ipv4Addr::LOCALHOST), None))
        }
        Listening::Aside(Aside { listener, acceptor, count }) => {
            let (stream, _) = listener.accept().await?;
            let [high, low] = count.fetch_add(1, Ordering::Relaxed).to_be_bytes();
            Ok(Accepted::Near(stream, IpAddr::V4(Ipv4Addr::new(127, 63, high, low)), acceptor.clone()))
        }
    }
}

impl Accepted {
    fn address(&self) -> IpAddr {
        match self {
            Accepted::Far(_, address, _) | Accepted::Near(_, address, _) => address.to_canonical(),
        }
    }

    async fn serve<A: Answers>(self, edge: Arc<A>, stop: CancellationToken) {
        match self {
            Accepted::Near(stream, address, None) => {
                connection(edge, stream, Peer { address, secure: false }, stop).await;
            }
            Accepted::Near(stream, address, Some(acceptor)) => {
                if let Some(stream) = shake(stream, &acceptor, address).await {
                    connection(edge, stream, Peer { address, secure: true }, stop).await;
                }
            }
            Accepted::Far(mut stream, peer, acceptor) => {
                let Some(met) = edge.front().meet(&mut stream, peer).await else { return };
                let address = met.address;
                // Who a proxy speaks for may be kept out, though the proxy is not.
                if !edge.admits(address) {
                    return;
                }
                match acceptor {
                    None => connection(edge, stream, Peer { address, secure: met.secure }, stop).await,
                    Some(acceptor) => {
                        if let Some(stream) = shake(stream, &acceptor, address).await {
                            connection(edge, stream, Peer { address, secure: true }, stop).await;
                        }
                    }
                }
            }
        }
    }
}

/// Shakes hands, within a bound. A handshake that was only there to prove a name (RFC 8737) carries no request.
async fn shake<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    acceptor: &TlsAcceptor,
    address: IpAddr,
) -> Option<TlsStream<S>> {
    let bound = Duration::from_millis(HANDSHAKE_MS_MAX.value);
    match tokio::time::timeout(bound, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => {
            let proves_a_name = stream.get_ref().1.alpn_protocol() == Some(ACME_ALPN);
            (!proves_a_name).then_some(stream)
        }
        Ok(Err(error)) => {
            tracing::debug!(%error, %address, "a TLS handshake failed");
            None
        }
        Err(_) => None,
    }
}

/// The protocol of TLS-ALPN-01 (RFC 8737).
const ACME_ALPN: &[u8] = b"acme-tls/1";

async fn connection<A: Answers, S>(edge: Arc<A>, stream: S, peer: Peer, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let pace = Pace::default();
    let stream = Paced::new(stream, pace.clone());
    let service = service_fn(move |request: http::Request<Incoming>| {
        let (edge, pace) = (edge.clone(), pace.clone());
        async move {
            let open = pace.begin();
            let answer = edge.answer(request, peer).await;
            if answer.status() == http::StatusCode::SWITCHING_PROTOCOLS {
                pace.release();
            }
            Ok::<_, std::convert::Infallible>(answer.map(|body| Answering::new(body, open)))
        }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // The connection's own pace is stricter: this one cannot tell a head that has begun from a rest.
        .header_read_timeout(Duration::from_millis(HEAD_MS_MAX.value + IDLE_MS_MAX.value))
        .max_headers(HEADERS_MAX.size())
        .max_buf_size(HEAD_BYTES_MAX.size());
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(u32::try_from(H2_STREAMS_MAX.value).ok())
        .max_header_list_size(u32::try_from(HEAD_BYTES_MAX.value).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(H2_RESETS_MAX.size())
        .max_local_error_reset_streams(H2_FAULTS_MAX.size())
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
