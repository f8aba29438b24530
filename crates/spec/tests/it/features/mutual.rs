//! Metrics for those only who show a certificate.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore};
use spec::{TestApp, https};

/// An authority for clients, and a client of its.
fn authority() -> (String, CertificateDer<'static>, PrivateKeyDer<'static>) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = params.self_signed(&key).unwrap().pem();
    let own = KeyPair::generate().unwrap();
    let mut client = CertificateParams::new(["prometheus".to_owned()]).unwrap();
    client.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let client = client.signed_by(&own, &Issuer::new(params, key)).unwrap();
    (root, client.der().clone(), PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(own.serialize_der())))
}

/// GET as somebody with that certificate; nothing where they are not let in.
async fn page(
    app: &TestApp,
    shows: Option<(&CertificateDer<'static>, &PrivateKeyDer<'static>)>,
) -> Option<String> {
    let mut roots = RootCertStore::empty();
    let root = std::fs::read(app.data().join("tls/local-ca.pem")).unwrap();
    roots.add(CertificateDer::from_pem_slice(&root).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match shows {
        Some((cert, key)) => config.with_client_auth_cert(vec![cert.clone()], key.clone_key()).unwrap(),
        None => config.with_no_client_auth(),
    };
    let (address, path) = app.running.metrics.clone().unwrap();
    let stream = https::connect(address, "localhost", &Arc::new(config)).await.ok()?;
    https::try_ask(stream, "localhost", &path).await.map(|seen| seen.expect(200).text())
}

#[tokio::test]
async fn metrics_are_for_those_with_a_certificate_where_that_is_set() {
    let (ours, theirs) = (authority(), authority());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clients.pem");
    std::fs::write(&file, &ours.0).unwrap();
    let app = TestApp::builder()
        .with("server.tls.local_ca", "true")
        .with("server.http_port", "0")
        .with("monitoring.client_ca_file", &file.display().to_string())
        .start()
        .await;
    // Certificates are looked at by the machine's time: the server's is made anew for that.
    let now = base::Clock::system().now();
    app.clock.advance(std::time::Duration::try_from(now.duration_since(app.clock.now())).unwrap());
    app.eventually(async || page(&app, Some((&ours.1, &ours.2))).await.is_some()).await;
    let shown = page(&app, Some((&ours.1, &ours.2))).await.expect("with the right certificate");
    assert!(shown.contains("request_count"), "{shown}");
    assert_eq!(page(&app, Some((&theirs.1, &theirs.2))).await, None, "of another authority");
    assert_eq!(page(&app, None).await, None, "without any");
    let (address, path) = app.running.metrics.clone().unwrap();
    let clear = spec::Client::new(address, [127, 0, 0, 1].into());
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let answer = clear.raw(head.as_bytes()).await;
    assert!(!String::from_utf8_lossy(&answer).contains("request_count"), "in the clear");
    // The API itself asks nobody for a certificate.
    let root = std::fs::read(app.data().join("tls/local-ca.pem")).unwrap();
    https::get(app.running.address, "localhost", &root, "/health").await.expect(200);
}
