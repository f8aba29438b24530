//! When a certificate is renewed, of which kind it is, and that nobody who is connected notices.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use jiff::{SignedDuration, Timestamp};
use rcgen::{CertificateParams, KeyPair};
use spec::acme::Pebble;
use spec::renewal::Renewals;
use spec::{Palisade, Talk, TestApp, https};
use tokio::sync::Notify;
use tokio::task::JoinSet;

const NAME: &str = "api.palisade.test";
const SIGN_IN: &str = "/auth/v1/token?grant_type=password";
const DAY: Duration = Duration::from_secs(86_400);

fn address(palisade: &Palisade) -> SocketAddr {
    let port = palisade.ready.url.rsplit_once(':').unwrap().1.parse().unwrap();
    ([127, 0, 0, 1], port).into()
}

/// What is shown to whoever connects now.
async fn shown(address: SocketAddr, name: &str, roots: &[u8]) -> std::io::Result<Vec<u8>> {
    let stream = https::connect(address, name, &https::trusting(roots)).await?;
    Ok(stream.get_ref().1.peer_certificates().unwrap()[0].to_vec())
}

type Halves = UnsyncBoxBody<Bytes, std::convert::Infallible>;

/// Somebody connected, with something of theirs under way while the certificate is exchanged.
struct Load {
    address: SocketAddr,
    name: &'static str,
    roots: Vec<u8>,
    key: String,
    over: Arc<AtomicBool>,
    go_on: Arc<Notify>,
    answers: Arc<AtomicUsize>,
    begun: Arc<AtomicUsize>,
}

impl Load {
    fn on(palisade: &Palisade, name: &'static str, roots: Vec<u8>) -> Arc<Load> {
        Arc::new(Load {
            address: address(palisade),
            name,
            roots,
            key: palisade.ready.publishable_key.clone(),
            over: Arc::default(),
            go_on: Arc::default(),
            answers: Arc::default(),
            begun: Arc::default(),
        })
    }

    /// Asks again and again over one connection (HTTP/1.1, kept alive) until all is over.
    async fn keeps_asking(self: Arc<Self>) {
        let stream = https::connect(self.address, self.name, &https::trusting(&self.roots)).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        self.begun.fetch_add(1, Ordering::SeqCst);
        loop {
            let last = self.over.load(Ordering::SeqCst);
            let request =
                Request::get("/health").header("host", self.name).body(Empty::<Bytes>::new()).unwrap();
            let answer = sender.send_request(request).await.unwrap();
            assert_eq!(answer.status(), 200);
            answer.into_body().collect().await.unwrap();
            self.answers.fetch_add(1, Ordering::SeqCst);
            if last {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Talks over one WebSocket until all is over.
    async fn keeps_talking(self: Arc<Self>) {
        let stream = https::connect(self.address, self.name, &https::trusting(&self.roots)).await.unwrap();
        let mut talk = Talk::over(stream, &format!("wss://{}", self.name), &self.key).await;
        self.begun.fetch_add(1, Ordering::SeqCst);
        loop {
            let last = self.over.load(Ordering::SeqCst);
            assert_eq!(talk.beat().await["status"], "ok");
            self.answers.fetch_add(1, Ordering::SeqCst);
            if last {
                return;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// A request whose body's second half comes after the exchange.
    fn sign_in(&self, target: String) -> Request<Halves> {
        let (go_on, begun) = (self.go_on.clone(), self.begun.clone());
        let halves = [r#"{"email":"a@example.com","#, r#""password":"wrong password 1A!"}"#];
        let body = StreamBody::new(futures_util::stream::unfold(0_usize, move |turn| {
            let (go_on, begun) = (go_on.clone(), begun.clone());
            async move {
                if turn == 1 {
                    let waits = go_on.notified();
                    begun.fetch_add(1, Ordering::SeqCst);
                    waits.await;
                }
                let half = halves.get(turn)?;
                Some((Ok(Frame::data(Bytes::from_static(half.as_bytes()))), turn + 1))
            }
        }));
        Request::post(target)
            .header("content-type", "application/json")
            .header("host", self.name)
            .body(body.boxed_unsync())
            .unwrap()
    }

    fn answered(&self, status: http::StatusCode) {
        // There is no such account, and no key came along: it was read, thought about and refused.
        assert!(status.is_client_error(), "{status}");
        self.answers.fetch_add(1, Ordering::SeqCst);
    }

    /// A request that is under way while the certificate is exchanged, over HTTP/1.1.
    async fn is_slow(self: Arc<Self>) {
        let stream = https::connect(self.address, self.name, &https::trusting(&self.roots)).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let request = self.sign_in(SIGN_IN.to_owned());
        self.answered(sender.send_request(request).await.unwrap().status());
    }

    /// Two streams of one HTTP/2 connection, both under way while the certificate is exchanged.
    async fn is_slow_twice(self: Arc<Self>) {
        let stream = https::connect(self.address, self.name, &https::trusting_h2(&self.roots)).await.unwrap();
        let (mut sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut second = sender.clone();
        let target = format!("https://{}{SIGN_IN}", self.name);
        let (one, two) = tokio::join!(
            sender.send_request(self.sign_in(target.clone())),
            second.send_request(self.sign_in(target))
        );
        self.answered(one.unwrap().status());
        self.answered(two.unwrap().status());
    }
}

/// 200 connections, 180 requests under way and 200 open WebSockets while `exchange` happens: none is lost.
async fn nobody_notices(load: Arc<Load>, exchange: impl AsyncFnOnce()) {
    let mut all = JoinSet::new();
    for _ in 0..80 {
        all.spawn(load.clone().keeps_asking());
    }
    for _ in 0..200 {
        all.spawn(load.clone().keeps_talking());
    }
    let begun = async |count| {
        testkit::eventually(async || (load.begun.load(Ordering::SeqCst) == count).then_some(())).await;
    };
    begun(280).await;
    // A request under way may take ten seconds: these come last.
    for _ in 0..60 {
        all.spawn(load.clone().is_slow());
        all.spawn(load.clone().is_slow_twice());
    }
    begun(460).await;
    let before = shown(load.address, load.name, &load.roots).await.unwrap();
    exchange().await;
    testkit::eventually(async || {
        let now = shown(load.address, load.name, &load.roots).await.ok()?;
        (now != before).then_some(())
    })
    .await;
    load.over.store(true, Ordering::SeqCst);
    load.go_on.notify_waiters();
    while let Some(ended) = all.join_next().await {
        ended.unwrap();
    }
    assert!(load.answers.load(Ordering::SeqCst) >= 460);
}

const UNLIMITED: [&str; 4] = ["--rate_limiting.enabled", "false", "--detection.enabled", "false"];

#[tokio::test]
async fn two_hundred_sockets_and_connections_and_their_requests_survive_a_renewal() {
    let pebble = Pebble::start(90 * DAY).await;
    let flags = pebble.flags(pebble.http_port);
    let mut words = vec!["--domain", NAME, "--email", "ops@palisade.test"];
    words.extend(flags.iter().map(String::as_str));
    words.extend(UNLIMITED);
    let palisade = Palisade::start("up", &words).await;
    let load = Load::on(&palisade, NAME, pebble.root().await.into_bytes());
    nobody_notices(load, async || {
        let renewed = palisade.command(&["tls", "renew"]).await;
        assert!(renewed.status.success(), "{}", String::from_utf8_lossy(&renewed.stderr));
    })
    .await;
    assert!(palisade.stop().await.success());
}

/// A certificate for this machine that signs itself.
fn own() -> (String, String) {
    let pair = KeyPair::generate().unwrap();
    let made = CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&pair).unwrap();
    (made.pem(), pair.serialize_pem())
}

fn put(folder: &std::path::Path, (cert, key): &(String, String)) {
    for (name, text) in [("key.pem", key), ("cert.pem", cert)] {
        let beside = folder.join("beside");
        std::fs::write(&beside, text).unwrap();
        std::fs::set_permissions(&beside, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        std::fs::rename(&beside, folder.join(name)).unwrap();
    }
}

#[tokio::test]
async fn two_hundred_sockets_and_connections_and_their_requests_survive_new_files() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (own(), own());
    put(folder.path(), &first);
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (cert, key) = (path("cert.pem"), path("key.pem"));
    let mut words = vec!["--server.tls.cert_file", &cert, "--server.tls.key_file", &key];
    words.extend(["--server.http_port", "0"]);
    words.extend(UNLIMITED);
    let palisade = Palisade::start("serve", &words).await;
    let load = Load::on(&palisade, "localhost", [first.0.clone(), second.0.clone()].concat().into());
    nobody_notices(load, async || put(folder.path(), &second)).await;
    assert!(palisade.stop().await.success());
}

/// An instance with a certificate of `directory` for `name`, at the machine's time.
async fn with_certificate(
    pebble: &Pebble,
    directory: &str,
    name: &str,
    more: &[(&'static str, &str)],
) -> TestApp {
    let ca_file = pebble.ca_file.display().to_string();
    let mut builder = TestApp::builder()
        .unlimited()
        .with("server.tls.domains", name)
        .with("server.tls.acme_directory", directory)
        // Rehearsals go there, and are not counted.
        .with("server.tls.acme_staging", &pebble.directory)
        .with("server.http_port", &pebble.http_port.to_string())
        .with("outbound.allow", "127.0.0.0/8,::1,localhost")
        .with("outbound.ca_file", &ca_file);
    for (setting, value) in more {
        builder = builder.with(setting, value);
    }
    let app = builder.start().await;
    let now = base::Clock::system().now();
    app.clock.advance(Duration::try_from(now.duration_since(app.clock.now())).unwrap());
    app
}

/// The certificate in force, once it is another than `old`. Time passes meanwhile, a minute at a time, `minutes` at most.
async fn another(app: &TestApp, name: &str, roots: &[u8], old: Option<&[u8]>, minutes: usize) -> Vec<u8> {
    let mut passed = 0;
    testkit::eventually(async || {
        if passed < minutes {
            app.clock.advance(Duration::from_secs(60));
            passed += 1;
        }
        let now = shown(app.running.address, name, roots).await.ok()?;
        (old != Some(now.as_slice())).then_some(now)
    })
    .await
}

/// As an authority knows a certificate (RFC 9773 section 4.1), from what is shown.
fn known_as(asked: &[String]) -> String {
    asked.last().unwrap().clone()
}

/// What the program does every few seconds, twice and to its end: what it did not do then, it does not do at this time.
async fn look(app: &TestApp) {
    let tls = app.running.services.tls.clone().unwrap();
    for _ in 0..2 {
        // An authority that is not there is a look too.
        let _how_it_went = tls.keep().await;
    }
}

#[tokio::test]
async fn a_certificate_is_renewed_when_the_authority_wants_it_and_says_what_it_follows() {
    let pebble = Pebble::start(90 * DAY).await;
    let authority = Renewals::in_front_of(&pebble).await;
    let far = |from: Timestamp, days: i64| from.checked_add(SignedDuration::from_hours(24 * days)).unwrap();
    let start = base::Clock::system().now();
    authority.suggest(far(start, 20), far(start, 21));
    let app = with_certificate(&pebble, &authority.directory, NAME, &[]).await;
    let roots = pebble.root().await.into_bytes();
    let first = another(&app, NAME, &roots, None, 10).await;
    app.eventually(async || !authority.asked().is_empty()).await;
    assert_eq!(authority.placed().len(), 1);
    assert!(authority.placed()[0].replaces.is_none(), "the first follows nothing");

    // It is asked as often as it wants: not with every look of ours, every few seconds.
    look(&app).await;
    let asked = authority.asked().len();
    for _ in 0..5 {
        app.clock.advance(Duration::from_secs(600));
        look(&app).await;
    }
    assert_eq!(authority.asked().len(), asked, "within six hours it is not asked again");
    app.clock.advance(Duration::from_secs(6 * 3600));
    app.eventually(async || authority.asked().len() > asked).await;

    // The window comes, long before a third of the life is left.
    let old = known_as(&authority.asked());
    app.clock.advance(21 * DAY);
    let second = another(&app, NAME, &roots, Some(&first), 0).await;
    assert_eq!(authority.placed()[1].replaces.as_deref(), Some(old.as_str()));

    // A window that is pulled forward, as after a revocation: renewed with the next question.
    authority.suggest(start, far(start, 1));
    app.clock.advance(DAY);
    let third = another(&app, NAME, &roots, Some(&second), 0).await;
    let placed = authority.placed();
    assert!(placed[2].replaces.is_some() && placed[2].replaces != placed[1].replaces, "{placed:?}");
    // The new one is asked for at once, and its window has passed as well: it is given some hours all the same.
    let asked = authority.asked().len();
    app.clock.advance(Duration::from_secs(3600));
    app.eventually(async || authority.asked().len() >= asked).await;
    look(&app).await;
    assert_eq!(authority.placed().len(), 3, "an authority that always says now is not asked without end");

    app.clock.advance(Duration::from_secs(6 * 3600));
    let fourth = another(&app, NAME, &roots, Some(&third), 0).await;

    // An authority that is not heard decides nothing: a third of the life does.
    authority.fall_silent(true);
    let placed = authority.placed().len();
    app.clock.advance(Duration::from_secs(3600));
    look(&app).await;
    assert_eq!(authority.placed().len(), placed);
    app.clock.advance(65 * DAY);
    another(&app, NAME, &roots, Some(&fourth), 0).await;
}

#[tokio::test]
async fn an_address_gets_a_certificate_of_days_and_gets_the_next_in_time() {
    let pebble = Pebble::start(Duration::from_secs(160 * 3600)).await;
    let authority = Renewals::in_front_of(&pebble).await;
    let profile = [("server.tls.acme_profile", "shortlived")];
    let app = with_certificate(&pebble, &authority.directory, "127.0.0.1", &profile).await;
    let roots = pebble.root().await.into_bytes();
    let first = another(&app, "127.0.0.1", &roots, None, 10).await;
    assert_eq!(authority.placed()[0].profile.as_deref(), Some("shortlived"));
    // With two days left of its seven, and no word of the authority's, it is time.
    app.clock.advance(Duration::from_secs(100 * 3600));
    look(&app).await;
    assert_eq!(authority.placed().len(), 1);
    app.clock.advance(Duration::from_secs(10 * 3600));
    another(&app, "127.0.0.1", &roots, Some(&first), 0).await;
    https::get(app.running.address, "127.0.0.1", &roots, "/health").await.expect(200);
}

/// The authority's own words reach the operator.
#[tokio::test]
async fn an_address_without_the_profile_is_refused_in_the_authoritys_words() {
    let pebble = Pebble::start(90 * DAY).await;
    let authority = Renewals::in_front_of(&pebble).await;
    let app = with_certificate(&pebble, &authority.directory, "127.0.0.1", &[]).await;
    let tls = app.running.services.tls.clone().unwrap();
    app.eventually(async || tls.status().trouble.is_some()).await;
    let trouble = tls.status().trouble.unwrap();
    assert!(trouble.contains("addresses need the profile shortlived"), "{trouble}");
}
