//! Controls 2 to 17, 63 and 65: each probe turns red when what it looks at is missing.
//!
//! An old server (OpenSSL's, with what it was once used with) and one of today that was set up differently stand where
//! the instance speaks TLS; around the program stand scripts; in the instance's own folder files are exchanged.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use posture::{Bench, Seat, State};
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use spec::TestApp;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio_rustls::TlsAcceptor;

use super::between;
use super::start::fails_around;
use super::{bench, is, look, look_from, misses};

/// The instance's time passes, ten times as fast as ours.
pub(crate) fn time_passes(app: &TestApp) {
    let clock = app.clock.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            clock.advance(Duration::from_secs(1));
        }
    });
}

/// OpenSSL's own server, with `flags`.
struct Old {
    address: SocketAddr,
    _process: Child,
    _folder: TempDir,
}

impl Old {
    async fn start(flags: &[&str]) -> Old {
        let folder = TempDir::new().unwrap();
        let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=localhost",
                "-keyout",
            ])
            .arg(&key)
            .arg("-out")
            .arg(&cert)
            .output()
            .await
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address: SocketAddr = ([127, 0, 0, 1], port).into();
        let process = Command::new("openssl")
            .args(["s_server", "-quiet", "-www", "-accept", &address.to_string(), "-cert"])
            .arg(&cert)
            .arg("-key")
            .arg(&key)
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        for _ in 0..200 {
            if TcpStream::connect(address).await.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        Old { address, _process: process, _folder: folder }
    }
}

/// A server of today in front of `behind`, whose certificate never changes and whose settings `change` made.
async fn front(behind: SocketAddr, change: impl FnOnce(&mut ServerConfig)) -> SocketAddr {
    front_of(behind, CertificateParams::new(["localhost".to_owned()]).unwrap(), change).await
}

/// The same with a certificate of one's own.
async fn front_of(
    behind: SocketAddr,
    params: CertificateParams,
    change: impl FnOnce(&mut ServerConfig),
) -> SocketAddr {
    let key = KeyPair::generate().unwrap();
    let cert = params.self_signed(&key).unwrap().der().clone();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    front_with(behind, (vec![cert], key), Vec::new(), change).await
}

/// The same with a certificate that somebody gave, and what is stapled to it.
async fn front_with(
    behind: SocketAddr,
    (chain, key): (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>),
    stapled: Vec<u8>,
    change: impl FnOnce(&mut ServerConfig),
) -> SocketAddr {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert_with_ocsp(chain, key, stapled)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ignore_client_order = true;
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    change(&mut config);
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // A client that offers what is not taken goes away.
                if let Ok(mut client) = acceptor.accept(client).await
                    && let Ok(mut server) = TcpStream::connect(behind).await
                {
                    let _either_may_hang_up = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                }
            });
        }
    });
    address
}

/// A bench whose TLS is somebody else's.
fn elsewhere(app: &TestApp, address: SocketAddr) -> Bench {
    let mut bench = bench(app);
    bench.place.encryption.tls = Seat::Tcp(address);
    bench.place.encryption.own_tls = Seat::Tcp(address);
    bench
}

#[tokio::test]
async fn a_fresh_instance_proves_what_it_does_with_tls() {
    let app = TestApp::start().await;
    time_passes(&app);
    for control in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 63, 65] {
        is(&look(&app, control).await, State::Proven, &format!("control {control}"));
    }
}

#[tokio::test]
async fn plain_http_that_is_served_is_seen() {
    let app = TestApp::start().await;
    for control in [2, 63, 65] {
        let mut served = bench(&app);
        served.place.encryption.plain = Seat::Tcp(app.running.address);
        misses(&look_from(served, control).await, "the API itself stands where plain HTTP is refused");
    }
}

#[tokio::test]
async fn an_old_server_is_seen() {
    let app = TestApp::start().await;
    let old = Old::start(&["-tls1", "-cipher", "ALL:@SECLEVEL=0"]).await;
    misses(&look_from(elsewhere(&app, old.address), 10).await, "TLS 1.0");
    let old = Old::start(&["-cipher", "ALL:@SECLEVEL=0"]).await;
    for control in [11, 12, 14, 16] {
        misses(
            &look_from(elsewhere(&app, old.address), control).await,
            "every suite, the client's order, tickets, DHE",
        );
    }
}

#[tokio::test]
async fn a_server_of_today_that_was_set_up_differently_is_seen() {
    let app = TestApp::start().await;
    let behind = app.running.address;
    // Tickets need a key of the server's own; the state behind them is as good.
    let tickets = front(behind, |config| {
        config.send_tls13_tickets = 2;
        config.session_storage = rustls::server::ServerSessionMemoryCache::new(32);
    })
    .await;
    misses(&look_from(elsewhere(&app, tickets), 14).await, "sessions that can be resumed");
    let order = front(behind, |config| config.ignore_client_order = false).await;
    misses(&look_from(elsewhere(&app, order), 12).await, "the client's order");
    let one = front(behind, |config| config.alpn_protocols = vec![b"http/1.1".to_vec()]).await;
    misses(&look_from(elsewhere(&app, one), 9).await, "no HTTP/2");
    // Behind it plain HTTP is spoken, where that header means nothing and is not sent.
    misses(&look_from(elsewhere(&app, one), 13).await, "no Strict-Transport-Security");
    misses(&look_from(elsewhere(&app, one), 3).await, "a certificate that nobody vouches for");
    is(&look(&app, 13).await, State::Proven, "as it is");
}

#[tokio::test]
async fn a_short_promise_of_https_is_seen() {
    let short = TestApp::builder().with("security.headers.strict_transport_security", "max-age=3600");
    misses(&look(&short.start().await, 13).await, "an hour");
}

#[tokio::test]
async fn a_certificate_that_stays_is_seen() {
    let app = TestApp::start().await;
    let stays = front(app.running.address, |_| ()).await;
    let mut far = bench(&app);
    far.place.encryption.own_tls = Seat::Tcp(stays);
    for control in [5, 7, 17] {
        let finding = posture::run::try_one(&far, posture::probes::find(control).unwrap()).await;
        misses(&finding, "files are exchanged and nothing happens");
    }
}

#[tokio::test]
async fn a_renewal_that_fails_is_seen() {
    let app = TestApp::start().await;
    time_passes(&app);
    let folder = app.data().join("tls/probes");
    let key = std::fs::read(folder.join("local-ca.key")).unwrap();
    std::fs::write(folder.join("local-ca.key"), "lost").unwrap();
    misses(&look(&app, 5).await, "the authority's key is gone");
    // Seven hours later what is shown has ended.
    app.clock.advance(Duration::from_secs(7 * 3600));
    misses(&look(&app, 3).await, "the certificate has ended");
    misses(&look(&app, 5).await, "the certificate has ended");
    std::fs::write(folder.join("local-ca.key"), key).unwrap();
    app.eventually(async || look(&app, 3).await.state == State::Proven).await;
    is(&look(&app, 5).await, State::Proven, "as it was");
}

#[tokio::test]
async fn a_program_that_takes_anything_is_seen() {
    let unread = r#"unset PALISADE_SERVER_TLS_CERT_FILE PALISADE_SERVER_TLS_KEY_FILE; exec "$PROGRAM" "$@""#;
    for control in [7, 8, 17] {
        fails_around(control, &[unread], time_passes).await;
    }
    // One that gets nothing and says that it did, and one that says no to everything.
    for control in [1, 4, 6] {
        let claims = "echo 'a certificate could be got for 127.0.0.1, and it was thrown away'";
        fails_around(control, &[claims, "echo no; exit 78"], |_| ()).await;
    }
    let taken = r#"unset WS_REQUIRE_TLS; exec "$PROGRAM" "$@""#;
    fails_around(63, &[taken], |_| ()).await;
}

#[tokio::test]
async fn a_key_that_others_can_read_is_seen() {
    let app = TestApp::start().await;
    time_passes(&app);
    let folder = TempDir::new().unwrap();
    let key = folder.path().join("own.pem");
    std::fs::write(&key, "a key").unwrap();
    let look_at = |mode: u32| {
        std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        let mut with_key = bench(&app);
        with_key.place.encryption.key_file = Some(key.clone());
        with_key
    };
    misses(&look_from(look_at(0o644), 8).await, "mode 644");
    misses(&look_from(look_at(0o640), 8).await, "mode 640");
    is(&look_from(look_at(0o600), 8).await, State::Proven, "mode 600");
}

#[tokio::test]
async fn a_websocket_from_any_page_is_seen() {
    let app = TestApp::start().await;
    let any_page =
        between::put(app.running.address, |head| between::without(&head, "origin"), |answer| answer).await;
    let any_page = front(any_page, |_| ()).await;
    misses(&look_from(elsewhere(&app, any_page), 63).await, "the page's origin is not looked at");
}

#[tokio::test]
async fn an_issuer_that_could_be_asked_and_is_not_is_seen() {
    let app = TestApp::start().await;
    is(&look(&app, 15).await, State::NotApplicable, "an issuer without OCSP");
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    // AuthorityInfoAccess with one OCSP responder, http://ocsp.test/.
    let url = b"http://ocsp.test/";
    let length = u8::try_from(url.len()).unwrap();
    let access = [
        &[0x30, length + 14, 0x30, length + 12, 0x06, 8, 0x2b, 6, 1, 5, 5, 7, 0x30, 1, 0x86, length][..],
        url,
    ]
    .concat();
    params.custom_extensions =
        vec![rcgen::CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], access)];
    let unstapled = front_of(app.running.address, params, |_| ()).await;
    misses(&look_from(elsewhere(&app, unstapled), 15).await, "nothing is stapled");
}

#[tokio::test]
async fn a_staple_by_somebody_whom_the_issuer_never_let_answer_is_seen() {
    let authority = spec::issuer::Authority::start().await;
    let (cert, key) = authority.give(None, true);
    let app = TestApp::start().await;
    let now = base::Clock::system().now();
    app.clock.advance(Duration::try_from(now.duration_since(app.clock.now())).unwrap());
    let found = async |deputy: bool| {
        let whole = format!("{cert}{}", authority.between);
        let chain = CertificateDer::pem_slice_iter(whole.as_bytes()).map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let stapled = authority.word_of(&cert, deputy).await;
        let address = front_with(app.running.address, (chain, key), stapled, |_| ()).await;
        look_from(elsewhere(&app, address), 15).await
    };
    is(&found(true).await, State::Proven, "the issuer's deputy");
    misses(&found(false).await, "another customer of the issuer");
}

#[tokio::test]
async fn a_staple_that_has_ended_or_says_no_is_seen() {
    use spec::issuer::{Authority, Says};
    let authority = Authority::start().await;
    let folder = TempDir::new().unwrap();
    let (cert, key) = authority.give(None, true);
    let (cert_file, key_file) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&cert_file, cert + &authority.between).unwrap();
    std::fs::write(&key_file, key).unwrap();
    std::fs::set_permissions(&key_file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    authority.answer(Says::Good, 2);
    let app = TestApp::builder()
        .with("server.http_port", "0")
        .with("server.tls.cert_file", &cert_file.display().to_string())
        .with("server.tls.key_file", &key_file.display().to_string())
        .with("outbound.allow", "127.0.0.0/8")
        .start()
        .await;
    let now = base::Clock::system().now();
    app.clock.advance(Duration::try_from(now.duration_since(app.clock.now())).unwrap());
    app.clock.advance(Duration::from_secs(3600));
    let address = app.running.address;
    let stapled = async || look_from(elsewhere(&app, address), 15).await;
    app.eventually(async || stapled().await.state == State::Proven).await;
    // The responder is gone for longer than its word counts.
    authority.fall_silent();
    app.clock.advance(Duration::from_secs(3 * 86_400));
    app.eventually(async || stapled().await.state == State::Failing).await;
    misses(&stapled().await, "nothing is stapled any more");
    // A word of the issuer's that is somebody else's, or too old, passed on all the same.
    authority.answer(Says::Good, 90);
    app.clock.advance(Duration::from_secs(3600));
    app.eventually(async || stapled().await.state == State::Proven).await;
    let mut later = elsewhere(&app, address);
    let far = base::MockClock::at(app.clock.now());
    far.advance(Duration::from_secs(100 * 86_400));
    later.place.clock = far.clock();
    misses(&look_from(later, 15).await, "what is stapled counts no longer");
}
