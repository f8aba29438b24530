//! Metrics, and what administrators do, for those only who show a certificate.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use spec::{TestApp, https};
use tokio::io::AsyncWriteExt;

/// An authority for clients, and a client of its: the root, the client's certificate and its key in PEM.
fn in_pem() -> [String; 3] {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = params.self_signed(&key).unwrap().pem();
    let own = KeyPair::generate().unwrap();
    let mut client = CertificateParams::new(["prometheus".to_owned()]).unwrap();
    client.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let client = client.signed_by(&own, &Issuer::new(params, key)).unwrap();
    [root, client.pem(), own.serialize_pem()]
}

/// The same as rustls reads it.
fn authority() -> (String, CertificateDer<'static>, PrivateKeyDer<'static>) {
    let [root, client, key] = in_pem();
    let client = CertificateDer::from_pem_slice(client.as_bytes()).unwrap();
    (root, client, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap())
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

/// Where the listener for administrators is among these settings, for those whom `folder/clients.pem` vouches for.
const ADMINS: (&str, &str) = ("server.admin.listen", "127.0.0.1:0");

/// What OpenSSL's client is answered to a GET with the secret key, with the certificate in `shows`.
async fn openssl(app: &TestApp, to: SocketAddr, shows: Option<&Path>, path: &str) -> String {
    let mut client = tokio::process::Command::new("openssl");
    client.args(["s_client", "-quiet", "-servername", "localhost", "-verify_return_error", "-CAfile"]);
    client.arg(app.data().join("tls/local-ca.pem")).args(["-connect", &to.to_string()]);
    if let Some(shows) = shows {
        client.arg("-cert").arg(shows.join("client.pem")).arg("-key").arg(shows.join("client.key"));
    }
    client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut asking = client.spawn().unwrap();
    let key = app.running.keys.secret.expose();
    let head =
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\napikey: {key}\r\nConnection: close\r\n\r\n");
    // Whoever is not let in may be gone before everything is said.
    let _said_or_cut_off = asking.stdin.take().unwrap().write_all(head.as_bytes()).await;
    String::from_utf8_lossy(&asking.wait_with_output().await.unwrap().stdout).into_owned()
}

#[tokio::test]
async fn administrators_have_a_listener_of_their_own_for_those_with_a_certificate() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for folder in [&ours, &theirs] {
        for (name, pem) in ["clients.pem", "client.pem", "client.key"].into_iter().zip(in_pem()) {
            std::fs::write(folder.path().join(name), pem).unwrap();
        }
    }
    let app = TestApp::builder()
        .with("server.tls.local_ca", "true")
        .with("server.http_port", "0")
        .with(ADMINS.0, ADMINS.1)
        .with("server.admin.client_ca_file", &ours.path().join("clients.pem").display().to_string())
        .start()
        .await;
    let now = base::Clock::system().now();
    app.clock.advance(std::time::Duration::try_from(now.duration_since(app.clock.now())).unwrap());
    let (public, admins) = (app.running.address, app.running.admin_address.unwrap());
    let known = Some(ours.path());
    app.eventually(async || openssl(&app, admins, known, "/health").await.contains("200 OK")).await;
    for path in ["/admin/v1/bans", "/auth/v1/admin/users", "/admin/v1/alerts"] {
        let there = openssl(&app, admins, known, path).await;
        assert!(there.starts_with("HTTP/1.1 200"), "{path}: {there}");
        // The right key is not enough elsewhere, with the certificate or without.
        for shows in [known, None] {
            let elsewhere = openssl(&app, public, shows, path).await;
            assert!(elsewhere.starts_with("HTTP/1.1 421"), "{path}: {elsewhere}");
        }
    }
    assert!(app.audited("guard.refused").await);
    let users = "/auth/v1/admin/users";
    for nobody in [None, Some(theirs.path())] {
        let told = openssl(&app, admins, nobody, users).await;
        assert!(!told.contains("HTTP/"), "{told}");
    }
    let clear = spec::Client::new(admins, [127, 0, 0, 1].into());
    let answer = clear.raw(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(!String::from_utf8_lossy(&answer).contains("200 OK"), "in the clear");
    // Everybody else is served as ever, and asked for no certificate.
    let rest = openssl(&app, public, None, "/rest/v1/").await;
    assert!(rest.starts_with("HTTP/1.1 200"), "{rest}");
    // The operator's own way is not concerned, and the probes find theirs.
    crate::posture::is(
        &crate::posture::look(&app, 37).await,
        posture::State::Proven,
        "an administrator's probe",
    );
}

#[tokio::test]
async fn without_a_certificate_the_listener_for_administrators_is_on_loopback_and_asks_for_none() {
    let app = TestApp::builder().with(ADMINS.0, ADMINS.1).start().await;
    let mut service = app.service();
    service.get("/admin/v1/bans").await.expect(421);
    let refused = service.get("/auth/v1/admin/users").await.expect(421);
    assert!(refused.text().contains("administrators"), "{}", refused.text());
    // A stranger learns as little as the key's owner.
    app.stranger().get("/auth/v1/admin/users").await.expect(421);
    service.get("/rest/v1/").await.expect(200);
    service.server = app.running.admin_address.unwrap();
    service.get("/admin/v1/bans").await.expect(200);
    service.get("/auth/v1/admin/users").await.expect(200);
    service.get("/rest/v1/").await.expect(200);
    let mut stranger = app.stranger();
    stranger.server = service.server;
    stranger.get("/auth/v1/admin/users").await.expect(403);
}

#[test]
fn a_listener_for_administrators_that_cannot_be_what_it_says_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clients.pem");
    std::fs::write(&file, &in_pem()[0]).unwrap();
    let [listen, authorities] = ["--server.admin.listen", "--server.admin.client_ca_file"];
    let file = &*file.display().to_string();
    for (flags, what) in [
        (vec![authorities, file], "set server.admin.listen too"),
        (vec![listen, "127.0.0.1:8444", authorities, file], "no certificate to show"),
        (vec![listen, "0.0.0.0:8444"], "server.admin.listen: without TLS it has to be on loopback"),
    ] {
        let mut program = std::process::Command::new(spec::program::binary());
        let told = program.args(["config", "check"]).args(&flags).current_dir(&folder).output().unwrap();
        let said =
            String::from_utf8_lossy(&told.stderr).into_owned() + &String::from_utf8_lossy(&told.stdout);
        assert!(!told.status.success() && said.contains(what), "{flags:?}: {said}");
    }
}
