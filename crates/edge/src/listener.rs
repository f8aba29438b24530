//! Our own accept loop: a cap on connections, TLS within its time, time-outs on heads, upgrades, graceful drain.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::limits::{
    CONNECTIONS_MAX, DRAIN_MS_MAX, H2_FAULTS_MAX, H2_RESETS_MAX, H2_STREAMS_MAX, HANDSHAKE_MS_MAX,
    HEAD_BYTES_MAX, IDLE_MS_MAX, READY_MS_MAX, WRITE_STALL_MS_MAX,
};
use web::Body;

use crate::pace::{Answering, Pace, Paced, Resting};
use crate::standing::Became;
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
) -> Option<Box<TlsStream<S>>> {
    let bound = Duration::from_millis(HANDSHAKE_MS_MAX.value);
    // What shakes hands is not held for as long as the connection is.
    match tokio::time::timeout(bound, Box::pin(acceptor.accept(stream))).await {
        Ok(Ok(stream)) => {
            let proves_a_name = stream.get_ref().1.alpn_protocol() == Some(ACME_ALPN);
            (!proves_a_name).then(|| Box::new(stream))
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

/// Serves a connection. While nothing is asked over it, it is no more than its stream.
async fn connection<A: Answers, S>(edge: Arc<A>, stream: S, peer: Peer, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (pace, resting) = (Pace::default(), Resting::new());
    let stream = Paced::new(stream, None, pace.clone(), &resting);
    let mut ended_well = Box::pin(spoken(&edge, stream, peer, &pace, &stop)).await;
    // Where the protocol above held a part of the next request, that is lost, and with it where the next one begins.
    while ended_well && let Some(mut stream) = resting.take() {
        let Some(first) = next_byte(&mut stream, &stop).await else {
            let bound = Duration::from_millis(WRITE_STALL_MS_MAX.value);
            // Whoever rests need not be there any more.
            let _said = tokio::time::timeout(bound, stream.shutdown()).await;
            return;
        };
        let stream = Paced::new(stream, Some(first), pace.clone(), &resting);
        ended_well = Box::pin(http1_again(&edge, stream, peer, &pace, &stop)).await;
    }
    // Within this connection's place among all of them, and among those of its address.
    if let Some((became, connection)) = pace.became() {
        Box::pin(became.run(connection, stop)).await;
    }
}

/// Waits for the first byte of a next request, for as long as a connection may rest.
async fn next_byte<S: AsyncRead + Unpin>(stream: &mut S, stop: &CancellationToken) -> Option<u8> {
    let bound = Duration::from_millis(IDLE_MS_MAX.value - READY_MS_MAX.value);
    tokio::select! {
        () = stop.cancelled() => None,
        read = tokio::time::timeout(bound, stream.read_u8()) => read.ok()?.ok(),
    }
}

/// The bounds of HTTP/1.1, for whichever of the library's two builders. The connection's own pace bounds heads; the library's cannot
/// tell one that has begun from a rest. And HEADERS_MAX is the library's own bound: said anew, it makes room on the heap for every head.
macro_rules! bounded_http1 {
    ($builder:expr) => {
        $builder.header_read_timeout(None).max_buf_size(HEAD_BYTES_MAX.size())
    };
}

/// Serves whatever is spoken.
async fn spoken<A: Answers, S>(
    edge: &Arc<A>,
    stream: Paced<S>,
    peer: Peer,
    pace: &Pace,
    stop: &CancellationToken,
) -> bool
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = auto::Builder::new(TokioExecutor::new());
    bounded_http1!(builder.http1());
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(u32::try_from(H2_STREAMS_MAX.value).ok())
        .max_header_list_size(u32::try_from(HEAD_BYTES_MAX.value).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(H2_RESETS_MAX.size())
        .max_local_error_reset_streams(H2_FAULTS_MAX.size())
        .keep_alive_interval(Duration::from_secs(30));
    let serving = builder.serve_connection_with_upgrades(TokioIo::new(stream), service(edge, peer, pace));
    until_stopped(std::pin::pin!(serving), |serving| serving.graceful_shutdown(), stop).await
}

/// Serves what spoke HTTP/1.1 before it rested.
async fn http1_again<A: Answers, S>(
    edge: &Arc<A>,
    stream: Paced<S>,
    peer: Peer,
    pace: &Pace,
    stop: &CancellationToken,
) -> bool
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let serving = bounded_http1!(http1::Builder::new())
        .serve_connection(TokioIo::new(stream), service(edge, peer, pace))
        .with_upgrades();
    until_stopped(std::pin::pin!(serving), |serving| serving.graceful_shutdown(), stop).await
}

/// Answers the requests of one connection.
fn service<A: Answers>(
    edge: &Arc<A>,
    peer: Peer,
    pace: &Pace,
) -> impl Service<
    http::Request<Incoming>,
    Response = http::Response<Answering>,
    Error = Infallible,
    Future = impl Future<Output = Result<http::Response<Answering>, Infallible>> + Send + 'static,
> + Send
+ 'static {
    let (edge, pace) = (edge.clone(), pace.clone());
    service_fn(move |request: http::Request<Incoming>| {
        let (edge, pace) = (edge.clone(), pace.clone());
        // Here and not when it is first asked how far it is: in between, the connection is read from again.
        let open = pace.begin(request.body().size_hint().exact().unwrap_or(0), request.version());
        let connection = request.extensions().get::<OnUpgrade>().cloned();
        async move {
            let mut answer = edge.answer(request, peer).await;
            if answer.status() == http::StatusCode::SWITCHING_PROTOCOLS {
                pace.release(answer.extensions_mut().remove::<Became>().zip(connection));
            }
            Ok(answer.map(|body| Answering::new(body, open)))
        }
    })
}

/// Goes on with a connection, and lets it end what is under way when the server stops. Says whether it ended well.
async fn until_stopped<C, E>(
    mut serving: Pin<&mut C>,
    wind_down: fn(Pin<&mut C>),
    stop: &CancellationToken,
) -> bool
where
    C: Future<Output = Result<(), E>>,
    E: std::fmt::Display,
{
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = stop.cancelled() => {
            wind_down(serving.as_mut());
            serving.await
        }
    };
    if let Err(error) = &ended {
        tracing::debug!(%error, "a connection ended early");
    }
    ended.is_ok()
}

#[cfg(test)]
mod tests {
    use tokio::io::{DuplexStream, duplex};
    use tokio::time::{sleep, timeout};

    use super::*;

    /// Answers every request with the path that was asked for.
    struct Echo(Front);

    impl Answers for Echo {
        fn front(&self) -> &Front {
            &self.0
        }

        async fn answer(&self, request: http::Request<Incoming>, _: Peer) -> http::Response<Body> {
            let path = request.uri().path().to_owned();
            let read = http_body_util::BodyExt::collect(request.into_body()).await;
            let status = if read.is_ok() { 200 } else { 400 };
            let mut answer = http::Response::new(Body::Whole(path.into()));
            *answer.status_mut() = status.try_into().unwrap();
            answer
        }

        fn admits(&self, _: IpAddr) -> bool {
            true
        }
    }

    struct Open {
        stream: DuplexStream,
        edge: Arc<Echo>,
        stop: CancellationToken,
        serving: tokio::task::JoinHandle<()>,
    }

    fn open() -> Open {
        let (stream, ours) = duplex(4096);
        let (stop, edge) = (CancellationToken::new(), Arc::new(Echo(Front::default())));
        let peer = Peer { address: IpAddr::V4(Ipv4Addr::LOCALHOST), secure: false };
        let serving = tokio::spawn(connection(edge.clone(), ours, peer, stop.clone()));
        Open { stream, edge, stop, serving }
    }

    /// Whether only the connection itself is left, and nothing that speaks a protocol.
    fn rests(edge: &Arc<Echo>) -> bool {
        Arc::strong_count(edge) == 2
    }

    /// Asks, in pieces, and gives what is answered in the first second.
    async fn ask(stream: &mut DuplexStream, pieces: &[&str]) -> String {
        for piece in pieces {
            stream.write_all(piece.as_bytes()).await.unwrap();
            sleep(Duration::from_millis(10)).await;
        }
        let mut answer = Vec::new();
        let _goes_on = timeout(Duration::from_secs(1), stream.read_to_end(&mut answer)).await;
        String::from_utf8(answer).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_rested_is_answered_as_before() {
        let Open { mut stream, edge, serving, .. } = open();
        for path in ["/one", "/two", "/three"] {
            let head = format!("{path} HTTP/1.1\r\nhost: x\r\n");
            let whole = [format!("GET {head}\r\n"), format!("POST {head}content-length: 3\r\n\r\nyes")];
            for request in whole {
                for pieces in [vec![&*request], vec![&request[..1], &request[1..20], &request[20..]]] {
                    let answer = ask(&mut stream, &pieces).await;
                    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(path), "{answer}");
                    assert!(rests(&edge), "{pieces:?}");
                    sleep(Duration::from_secs(60)).await;
                }
            }
        }
        assert!(!serving.is_finished());
        let began = tokio::time::Instant::now();
        serving.await.unwrap();
        let rested = began.elapsed() + Duration::from_secs(60);
        let bound = Duration::from_millis(IDLE_MS_MAX.value);
        assert!(rested.abs_diff(bound) < Duration::from_secs(2), "{rested:?}");
        assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0, "and then it is closed");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_ends_who_rests_and_a_head_after_a_rest_is_waited_for_no_longer_than_a_first_one() {
        const GET: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
        let Open { mut stream, stop, serving, .. } = open();
        ask(&mut stream, &[GET]).await;
        stop.cancel();
        timeout(Duration::from_millis(1), serving).await.expect("at once").unwrap();

        let Open { mut stream, serving, .. } = open();
        ask(&mut stream, &[GET]).await;
        stream.write_all(b"GET / HT").await.unwrap();
        let bound = Duration::from_millis(crate::limits::HEAD_MS_MAX.value);
        timeout(bound + Duration::from_millis(50), serving).await.expect("no longer").unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_has_so_many_headers_and_no_more_also_after_a_rest() {
        let most = crate::limits::HEADERS_MAX.size();
        let head =
            |count: usize| format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(count - 1));
        for rested in [false, true] {
            let Open { mut stream, edge, .. } = open();
            if rested {
                assert!(ask(&mut stream, &[&head(most)]).await.starts_with("HTTP/1.1 200"));
                assert!(rests(&edge));
            }
            assert!(ask(&mut stream, &[&head(most + 1)]).await.starts_with("HTTP/1.1 431"));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn requests_sent_at_once_are_answered_in_order_and_half_of_one_is_waited_for() {
        let Open { mut stream, edge, .. } = open();
        let said = "GET /1 HTTP/1.1\r\nhost: x\r\n\r\nGET /2 HTTP/1.1\r\nhost: x\r\n\r\nGET /3 HTT";
        let answers = ask(&mut stream, &[said]).await;
        assert!(answers.contains("/1") && answers.ends_with("/2"), "{answers}");
        assert!(!rests(&edge));
        let last = ask(&mut stream, &["P/1.1\r\nhost: x\r\n\r\n"]).await;
        assert!(last.ends_with("/3"), "{last}");
    }

    /// How long an answer over HTTP/2 is held for somebody who answers pings and takes nothing; they begin with so many bytes.
    async fn held_over_http_2(first: usize) -> Duration {
        let Open { stream, serving, .. } = open();
        let (mut from, mut to) = tokio::io::split(stream);
        let frame = |kind: u8, flags: u8, stream: u8, payload: &[u8]| {
            let length = u8::try_from(payload.len()).unwrap();
            [&[0, 0, length, kind, flags, 0, 0, 0, stream][..], payload].concat()
        };
        // A window of nothing, and GET / of localhost.
        let head = [&[0x82, 0x84, 0x86, 0x41, 0x09][..], b"localhost"].concat();
        let asked = [frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]), frame(1, 5, 1, &head)].concat();
        let said = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &*asked].concat();
        let (first, rest) = said.split_at(first);
        to.write_all(first).await.unwrap();
        sleep(Duration::from_millis(10)).await;
        to.write_all(rest).await.unwrap();
        let pongs = tokio::spawn(async move {
            let mut head = [0; 9];
            while from.read_exact(&mut head).await.is_ok() {
                let mut said = vec![0; usize::from(head[2])];
                from.read_exact(&mut said).await.unwrap();
                if head[3] == 6 && to.write_all(&frame(6, 1, 0, &said)).await.is_err() {
                    return;
                }
            }
        });
        let began = tokio::time::Instant::now();
        timeout(Duration::from_secs(600), serving).await.expect("it is given up").unwrap();
        pongs.await.unwrap();
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn row_100_an_answer_over_http_2_that_nobody_takes_is_held_no_longer_than_one_over_http_1() {
        let bound = Duration::from_millis(WRITE_STALL_MS_MAX.value);
        // However the first bytes come, which tell it from HTTP/1.1.
        for first in [24, 1, 2, 23] {
            let held = held_over_http_2(first).await;
            assert!(held.abs_diff(bound) < Duration::from_secs(2), "{first}: {held:?}");
        }
    }
}
