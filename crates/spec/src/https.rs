//! HTTPS as a careful client speaks it: the chain and the name are verified against the roots that a test trusts.

use std::net::SocketAddr;
use std::sync::Arc;

use ::http::Request;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::Seen;

/// What a server of this machine shows that is nobody's: the root of its authority, its certificate and its key, in PEM.
pub fn own() -> [String; 3] {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = params.self_signed(&key).unwrap().pem();
    let own = KeyPair::generate().unwrap();
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let shown = CertificateParams::new(names).unwrap().signed_by(&own, &Issuer::new(params, key)).unwrap();
    [root, shown.pem(), own.serialize_pem()]
}

/// A client that trusts `roots` (PEM) and speaks HTTP/1.1.
pub fn trusting(roots: &[u8]) -> Arc<ClientConfig> {
    Arc::new(config(roots))
}

/// The same for HTTP/2.
pub fn trusting_h2(roots: &[u8]) -> Arc<ClientConfig> {
    let mut config = config(roots);
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

fn config(roots: &[u8]) -> ClientConfig {
    let mut store = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(roots) {
        store.add(root.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    builder.with_root_certificates(store).with_no_client_auth()
}

/// A verified connection.
pub async fn connect(
    address: SocketAddr,
    name: &str,
    config: &Arc<ClientConfig>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(config.clone()).connect(name, stream).await
}

/// GET over a verified connection.
pub async fn get(address: SocketAddr, name: &str, roots: &[u8], path: &str) -> Seen {
    let stream = connect(address, name, &trusting(roots)).await.unwrap();
    ask(stream, name, path).await
}

/// GET over a connection that is there.
pub async fn ask(stream: TlsStream<TcpStream>, name: &str, path: &str) -> Seen {
    try_ask(stream, name, path).await.unwrap()
}

/// The same, or nothing where the other end closes instead.
pub async fn try_ask(stream: TlsStream<TcpStream>, name: &str, path: &str) -> Option<Seen> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    tokio::spawn(connection);
    let request = Request::get(path).header("host", name).body(Empty::<Bytes>::new()).unwrap();
    let (parts, body) = sender.send_request(request).await.ok()?.into_parts();
    let body = body.collect().await.ok()?.to_bytes();
    Some(Seen { status: parts.status, headers: parts.headers, body })
}
