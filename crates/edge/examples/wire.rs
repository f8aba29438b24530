//! What `cargo xtask bench edge` measures with: a server that is nothing but hyper, and clients that speak TLS. A program of
//! its own, so that neither the product nor `xtask` carries it.
//!
//! `wire bare [CERT KEY]` · `wire load ADDRESS CA SECONDS CONNECTIONS PATH [SOURCES EACH_PER_SECOND]` ·
//! `wire rest ADDRESS CA CONNECTIONS SECONDS PATH` · `wire shake ADDRESS CA SECONDS`. `-` for CA is plain HTTP. Each prints one line of JSON.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::client::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

type Sender = http1::SendRequest<Empty<Bytes>>;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    tokio::runtime::Runtime::new()?.block_on(async {
        match words.as_slice() {
            ["bare"] => bare(None).await,
            ["bare", cert, key] => bare(Some((cert, key))).await,
            ["load", address, ca, seconds, connections, path] => {
                let way = Way::to(address, ca)?;
                load(way, seconds.parse()?, connections.parse()?, path, None).await
            }
            ["load", address, ca, seconds, connections, path, sources, rate] => {
                let way = Way::to(address, ca)?;
                let paced = Some(((*sources).to_owned(), rate.parse()?));
                load(way, seconds.parse()?, connections.parse()?, path, paced).await
            }
            ["rest", address, ca, connections, seconds, path] => {
                rest(Way::to(address, ca)?, connections.parse()?, seconds.parse()?, path).await
            }
            ["shake", address, ca, seconds] => shake(Way::to(address, ca)?, seconds.parse()?).await,
            _ => bail!("see the file's first lines"),
        }
    })
}

#[expect(clippy::print_stdout, reason = "what it is there for")]
fn say(text: &str) {
    println!("{text}");
}

/// A server that is nothing but hyper, in the clear or over TLS.
async fn bare(pair: Option<(&&str, &&str)>) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let acceptor = pair.map(|(cert, key)| serving(cert, key)).transpose()?;
    say(&listener.local_addr()?.to_string());
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            match acceptor {
                None => hello(stream).await,
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        hello(stream).await;
                    }
                }
            }
        });
    }
}

async fn hello<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S) {
    let service = service_fn(|_| async {
        Ok::<_, std::convert::Infallible>(hyper::Response::new(Full::new(Bytes::from_static(b"hello"))))
    });
    let _how_it_ends =
        Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

fn serving(cert: &str, key: &str) -> Result<TlsAcceptor> {
    let chain = CertificateDer::pem_file_iter(cert)?.collect::<Result<Vec<_>, _>>()?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(key)?)?;
    config.send_tls13_tickets = 0;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// How the server is reached.
#[derive(Clone)]
struct Way {
    address: SocketAddr,
    tls: Option<TlsConnector>,
}

impl Way {
    fn to(address: &str, ca: &str) -> Result<Way> {
        let address = address.parse()?;
        if ca == "-" {
            return Ok(Way { address, tls: None });
        }
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_file_iter(ca)? {
            roots.add(root?)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        // Every handshake is a full one.
        config.resumption = rustls::client::Resumption::disabled();
        Ok(Way { address, tls: Some(TlsConnector::from(Arc::new(config))) })
    }

    /// One address has a thousand connections at most, so the number of a connection says where it comes from.
    async fn stream(&self, number: usize) -> Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        let last = u8::try_from(number / 500 + 1)?;
        socket.bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 1, last)), 0))?;
        let stream = socket.connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn open(&self, number: usize) -> Result<Sender> {
        let stream = self.stream(number).await?;
        match &self.tls {
            None => speak(stream).await,
            Some(tls) => speak(tls.connect(ServerName::try_from("localhost")?, stream).await?).await,
        }
    }
}

async fn speak<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S) -> Result<Sender> {
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn ask(sender: &mut Sender, path: &str, source: Option<&str>) -> Result<u16> {
    let mut request = hyper::Request::get(path).header("host", "localhost");
    if let Some(source) = source {
        request = request.header("x-forwarded-for", source);
    }
    let answer = sender.send_request(request.body(Empty::new())?).await?;
    let status = answer.status().as_u16();
    answer.into_body().collect().await?;
    Ok(status)
}

/// Requests one after the other on each connection, as fast as they are answered, or so many a second on each. `sources` is
/// the beginning of the addresses that a trusted proxy would name.
async fn load(
    way: Way,
    seconds: u64,
    connections: usize,
    path: &str,
    paced: Option<(String, u64)>,
) -> Result<()> {
    let (mut all, began) = (tokio::task::JoinSet::new(), Instant::now());
    let end = began + Duration::from_secs(seconds);
    for number in 0..connections {
        let (way, path, paced) = (way.clone(), path.to_owned(), paced.clone());
        all.spawn(async move {
            let mut sender = way.open(number).await?;
            let source = paced.as_ref().map(|(prefix, _)| match prefix.ends_with('.') {
                true => format!("{prefix}{}", number + 1),
                false => prefix.clone(),
            });
            let mut ticks =
                paced.map(|(_, rate)| tokio::time::interval(Duration::from_micros(1_000_000 / rate.max(1))));
            let (mut took, mut refused) = (Vec::new(), 0_u64);
            while Instant::now() < end {
                if let Some(ticks) = &mut ticks {
                    ticks.tick().await;
                }
                let asked = Instant::now();
                let status = ask(&mut sender, &path, source.as_deref()).await?;
                took.push(asked.elapsed().as_micros());
                refused += u64::from(status != 200);
            }
            Ok::<_, anyhow::Error>((took, refused))
        });
    }
    let (mut took, mut refused) = (Vec::new(), 0);
    while let Some(ended) = all.join_next().await {
        let (more, no) = ended??;
        took.extend(more);
        refused += no;
    }
    took.sort_unstable();
    let at = |percent: usize| took.get(took.len().saturating_sub(1) * percent / 100).copied().unwrap_or(0);
    say(&format!(
        r#"{{"requests":{},"refused":{refused},"seconds":{:.3},"p50_us":{},"p99_us":{}}}"#,
        took.len(),
        began.elapsed().as_secs_f64(),
        at(50),
        at(99)
    ));
    Ok(())
}

/// Opens so many connections, asks once over each, and lets them rest; then says how many still are.
async fn rest(way: Way, connections: usize, seconds: u64, path: &str) -> Result<()> {
    let mut open = Vec::new();
    let began = Instant::now();
    for number in 0..connections {
        let mut sender = way.open(number).await.with_context(|| format!("connection {number}"))?;
        let source = format!("10.1.{}.{}", number / 250, number % 250);
        let status = ask(&mut sender, path, Some(&source)).await?;
        anyhow::ensure!(status == 200, "connection {number} was answered {status}");
        open.push(sender);
    }
    let took = began.elapsed();
    say(&format!(r#"{{"open":{},"seconds":{:.1}}}"#, open.len(), took.as_secs_f64()));
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let alive = open.iter().filter(|sender| !sender.is_closed()).count();
    say(&format!(r#"{{"alive":{alive}}}"#));
    Ok(())
}

/// Full handshakes, one after the other on four lines at once.
async fn shake(way: Way, seconds: u64) -> Result<()> {
    let tls = way.tls.clone().ok_or_else(|| anyhow!("a handshake needs TLS"))?;
    let count = Arc::new(AtomicU64::new(0));
    let (mut all, began) = (tokio::task::JoinSet::new(), Instant::now());
    let end = began + Duration::from_secs(seconds);
    for line in 0..4_usize {
        let (way, tls, count) = (way.clone(), tls.clone(), count.clone());
        all.spawn(async move {
            while Instant::now() < end {
                let stream = way.stream(line * 500).await?;
                drop(tls.connect(ServerName::try_from("localhost")?, stream).await?);
                count.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<_, anyhow::Error>(())
        });
    }
    while let Some(ended) = all.join_next().await {
        ended??;
    }
    let (count, seconds) = (count.load(Ordering::Relaxed), began.elapsed().as_secs_f64());
    say(&format!(r#"{{"handshakes":{count},"seconds":{seconds:.3}}}"#));
    Ok(())
}
