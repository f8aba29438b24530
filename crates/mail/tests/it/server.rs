//! A mail server of a few lines: it speaks as much SMTP as our client needs, and remembers what it was told.

use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// What it does differently from a good server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Manner {
    Good,
    /// TLS from the first byte.
    Implicit,
    /// Does not offer STARTTLS.
    Plain,
    /// Says this to RCPT TO.
    Refuses(&'static str),
}

pub struct Server {
    pub port: u16,
    /// The authority its certificate comes from, as PEM.
    pub ca_pem: String,
    heard: Arc<Mutex<Vec<(bool, String)>>>,
}

impl Server {
    /// Listens with a certificate for `name`.
    pub async fn start(manner: Manner, name: &str) -> Self {
        let (acceptor, ca_pem) = certificate(name);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("bound");
        let port = listener.local_addr().expect("bound").port();
        let heard = Arc::<Mutex<Vec<(bool, String)>>>::default();
        let server = Server { port, ca_pem, heard: heard.clone() };
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                // A client that goes away ends the conversation; what it said is remembered.
                let _ = serve(socket, manner, &acceptor, &heard).await;
            }
        });
        server
    }

    /// What was said, and whether under TLS.
    pub fn heard(&self) -> Vec<(bool, String)> {
        self.heard.lock().expect("heard").clone()
    }

    /// Everything said in clear.
    pub fn in_clear(&self) -> String {
        self.heard().iter().filter(|(tls, _)| !tls).map(|(_, line)| format!("{line}\n")).collect()
    }

    /// Everything said under TLS.
    pub fn under_tls(&self) -> String {
        self.heard().iter().filter(|(tls, _)| *tls).map(|(_, line)| format!("{line}\n")).collect()
    }
}

fn certificate(name: &str) -> (TlsAcceptor, String) {
    let key = KeyPair::generate().expect("a key");
    let mut ca = CertificateParams::new(Vec::new()).expect("parameters");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_pem = ca.self_signed(&key).expect("signed").pem();
    let issuer = Issuer::new(ca, key);
    let leaf_key = KeyPair::generate().expect("a key");
    let leaf = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
    let leaf = leaf.signed_by(&leaf_key, &issuer).expect("signed");
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(
        tokio_rustls::rustls::crypto::aws_lc_rs::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .expect("versions")
    .with_no_client_auth()
    .with_single_cert(vec![leaf.der().clone()], private)
    .expect("a certificate");
    (TlsAcceptor::from(Arc::new(config)), ca_pem)
}

type Heard = Mutex<Vec<(bool, String)>>;

async fn serve(
    socket: TcpStream,
    manner: Manner,
    acceptor: &TlsAcceptor,
    heard: &Heard,
) -> std::io::Result<()> {
    if manner == Manner::Implicit {
        let mut socket = acceptor.accept(socket).await?;
        socket.write_all(b"220 ready\r\n").await?;
        talk(socket, manner, true, heard).await?;
        return Ok(());
    }
    let mut socket = socket;
    socket.write_all(b"220 ready\r\n").await?;
    if let Some(socket) = talk(socket, manner, false, heard).await? {
        let socket = acceptor.accept(socket).await?;
        talk(socket, manner, true, heard).await?;
    }
    Ok(())
}

/// Talks until QUIT, or gives the socket back at STARTTLS.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    socket: S,
    manner: Manner,
    tls: bool,
    heard: &Heard,
) -> std::io::Result<Option<S>> {
    let mut socket = BufReader::new(socket);
    let mut in_data = false;
    loop {
        let mut line = String::new();
        if socket.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let line = line.trim_end().to_owned();
        heard.lock().expect("heard").push((tls, line.clone()));
        let verb = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
        let answer = match (verb.as_str(), manner) {
            _ if in_data && line != "." => continue,
            _ if in_data => {
                in_data = false;
                "250 queued as 4711"
            }
            ("EHLO", Manner::Plain) => "250 AUTH PLAIN LOGIN",
            ("EHLO", _) if tls => "250 AUTH PLAIN LOGIN",
            ("EHLO", _) => "250-hello\r\n250 STARTTLS",
            ("STARTTLS", _) => {
                socket.write_all(b"220 go ahead\r\n").await?;
                return Ok(Some(socket.into_inner()));
            }
            ("RCPT", Manner::Refuses(with)) => with,
            ("DATA", _) => {
                in_data = true;
                "354 go on"
            }
            ("AUTH", _) => "235 welcome",
            ("QUIT", _) => {
                socket.write_all(b"221 bye\r\n").await?;
                return Ok(None);
            }
            _ => "250 ok",
        };
        socket.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
}
