//! Control 54: what the database's own listener shows and whom it lets in, tried over the network.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pg::Login;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Finding;
use crate::bench::{Bench, Trouble};

/// What must be left of a certificate's life: it is renewed long before.
const LEFT: Duration = Duration::from_secs(14 * 86_400);
/// PostgreSQL's words for "speak TLS".
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// 54: over TCP there is nothing without TLS 1.2, a certificate that clients can verify, and a login that may only read.
pub async fn listeners_show_a_certificate(bench: &Bench) -> Result<Finding, Trouble> {
    if !bench.place.embedded {
        let why = "the server is not run by Palisade: its certificate is its operator's, and control 53 tries the way to it";
        return Ok(Finding::not_applicable(why));
    }
    let sql = bench.sql().await?;
    let backend = sql.value("SELECT pg_backend_pid()").await?;
    let Some(parent) = backend.parse().ok().and_then(processes::parent) else {
        return Err(Trouble::Unexpected("the database's process was not found".to_owned()));
    };
    let listeners = processes::listening(parent);
    if listeners.is_empty() {
        let why = "the kernel lists no TCP listener of PostgreSQL: it is reached through its socket only";
        return Ok(Finding::not_applicable(why));
    }
    let mut lines = Vec::new();
    for address in listeners {
        try_listener(bench, address, &mut lines).await?;
    }
    Ok(Finding::all(lines))
}

fn network(what: &str) -> impl FnOnce(std::io::Error) -> Trouble {
    let what = what.to_owned();
    move |source| Trouble::Network { what, source }
}

async fn try_listener(
    bench: &Bench,
    address: SocketAddr,
    lines: &mut Vec<(bool, String)>,
) -> Result<(), Trouble> {
    let reach = if address.ip().is_unspecified() {
        SocketAddr::new([127, 0, 0, 1].into(), address.port())
    } else {
        address
    };
    // In plain, as somebody who may come: refused before a password is asked for.
    let mut plain = TcpStream::connect(reach).await.map_err(network("connecting in plain"))?;
    let said = begin(&mut plain, "palisade_probe_nobody").await.map_err(network("starting in plain"))?;
    lines.push((said.starts_with("E28000"), format!("{address}, in plain: {said}")));

    // TLS 1.1 is answered with an alert or with nothing.
    let mut old = TcpStream::connect(reach).await.map_err(network("connecting"))?;
    let answer = offer_tls_1_1(&mut old).await.map_err(network("offering TLS 1.1"))?;
    lines.push((
        answer != Some(22),
        format!("{address}, offered TLS 1.1: record of type {answer:?}, a handshake is 22"),
    ));

    // As a client that verifies: the authority of the data directory, the address as the name, today and in two weeks.
    let ca = bench.place.data.join("postgres-tls/ca.pem");
    // Where the operator brought a certificate, the public authorities.
    let pem = [ca.as_path(), std::path::Path::new("/etc/ssl/certs/ca-certificates.crt")];
    let pem = pem.iter().find_map(|path| std::fs::read(path).ok()).unwrap_or_default();
    for (when, ahead) in [("today", Duration::ZERO), ("two weeks from now", LEFT)] {
        let shaken = shake(reach, &pem, ahead).await;
        let (good, said) = match &shaken {
            Ok(stream) => (true, format!("{:?}", stream.get_ref().1.protocol_version())),
            Err(error) => (false, error.to_string()),
        };
        lines.push((good, format!("{address}, verified with ca.pem as of {when}: {said}")));
        if let Ok(mut stream) = shaken
            && ahead.is_zero()
        {
            // Inside TLS, the logins of power are not asked for a password either.
            let said = begin(&mut stream, "postgres").await.map_err(network("starting as postgres"))?;
            lines.push((said.starts_with("E28000"), format!("{address}, as postgres over TLS: {said}")));
        }
    }
    for login in ["authenticator", "palisade_system", "palisade_hooks"] {
        let mut stream = match shake(reach, &pem, Duration::ZERO).await {
            Ok(stream) => stream,
            Err(_) => break,
        };
        let said = begin(&mut stream, login).await.map_err(network("starting"))?;
        lines.push((said.starts_with("E28000"), format!("{address}, as {login} over TLS: {said}")));
    }
    lines.push(enters(bench, reach, &ca).await?);
    Ok(())
}

/// The legitimate neighbour: a lent login enters, verified, from here.
async fn enters(bench: &Bench, address: SocketAddr, ca: &std::path::Path) -> Result<(bool, String), Trouble> {
    let reader = super::guests::lend(bench, "1m").await?;
    let Login { name, .. } = reader.login.clone();
    let mut target = reader.target;
    target.server = pg::Server::Tcp {
        host: address.ip().to_string(),
        port: address.port(),
        tls: pg::Tls::VerifyFull { root: ca.to_owned() },
    };
    let entered = target.connect().await;
    let said = match &entered {
        Ok(client) => {
            let row =
                client.query_one("SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()", &[]).await;
            row.ok().and_then(|row| row.try_get::<_, String>(0).ok()).unwrap_or_default()
        }
        Err(error) => error.to_string(),
    };
    super::guests::palisade(bench, &["db", "readonly", "revoke", &name]).await?;
    Ok((entered.is_ok() && said.starts_with("TLS"), format!("{address}, as a lent login, verified: {said}")))
}

/// A startup message; what comes back, an error as its code.
async fn begin<S: AsyncReadExt + AsyncWriteExt + Unpin>(
    stream: &mut S,
    user: &str,
) -> std::io::Result<String> {
    let body = format!("user\0{user}\0database\0palisade\0\0");
    let length = u32::try_from(body.len() + 8).unwrap_or(0);
    let mut message = length.to_be_bytes().to_vec();
    message.extend(196_608_u32.to_be_bytes());
    message.extend(body.as_bytes());
    stream.write_all(&message).await?;
    stream.flush().await?;
    let mut answer = vec![0; 512];
    let read = stream.read(&mut answer).await?;
    let text = String::from_utf8_lossy(answer.get(..read).unwrap_or_default()).into_owned();
    let Some(kind) = text.chars().next() else { return Ok("closed".to_owned()) };
    // Fields of an error: a letter, the text, a zero.
    let field = |letter: char| {
        text.split('\0')
            .find_map(|field| field.trim_start_matches(|c: char| !c.is_ascii_graphic()).strip_prefix(letter))
    };
    Ok(match kind {
        'E' => format!("E{} {}", field('C').unwrap_or_default(), field('M').unwrap_or_default()),
        'R' => "R: it asks for a password".to_owned(),
        other => format!("a message of type {other}"),
    })
}

struct At(Duration);

impl std::fmt::Debug for At {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{:?} ahead", self.0)
    }
}

impl rustls::time_provider::TimeProvider for At {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(UnixTime::now().as_secs()) + self.0))
    }
}

async fn shake(
    address: SocketAddr,
    pem: &[u8],
    ahead: Duration,
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate.map_err(std::io::Error::other)?).map_err(std::io::Error::other)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_details(provider, Arc::new(At(ahead)))
        .with_safe_default_protocol_versions()
        .map_err(std::io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(&SSL_REQUEST).await?;
    let mut answer = [0];
    stream.read_exact(&mut answer).await?;
    if answer != *b"S" {
        return Err(std::io::Error::other("it speaks no TLS"));
    }
    let name = ServerName::IpAddress(address.ip().into());
    tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// A ClientHello of TLS 1.1 with what it knew; the type of the record that comes back.
async fn offer_tls_1_1(stream: &mut TcpStream) -> std::io::Result<Option<u8>> {
    stream.write_all(&SSL_REQUEST).await?;
    let mut answer = [0];
    stream.read_exact(&mut answer).await?;
    let suites: [u8; 10] = [0xc0, 0x0a, 0xc0, 0x14, 0xc0, 0x13, 0x00, 0x35, 0x00, 0x2f];
    let mut hello = vec![3, 2];
    hello.extend([7; 32]);
    hello.push(0);
    hello.extend([0, 10]);
    hello.extend(suites);
    hello.extend([1, 0]);
    let short = |length: usize| u8::try_from(length).unwrap_or(0);
    let mut message = vec![22, 3, 1, 0, short(hello.len() + 4), 1, 0, 0, short(hello.len())];
    message.extend(hello);
    stream.write_all(&message).await?;
    let mut first = [0];
    Ok(match stream.read(&mut first).await {
        Ok(1) => Some(first[0]),
        Ok(_) | Err(_) => None,
    })
}
