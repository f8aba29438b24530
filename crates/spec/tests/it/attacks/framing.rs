//! What wears a server out below HTTP's meaning: frames, slow bodies, bombs, odd paths (rows 84, 85, 91).

use std::time::Duration;

use http::Method;
use spec::{Client, Palisade, TestApp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// HTTP/2 by hand: a frame of a type, with flags, on a stream.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// `POST /` of this machine, in HPACK's static table.
fn head() -> Vec<u8> {
    [&[0x83, 0x84, 0x86, 0x41, 0x09][..], b"localhost"].concat()
}

/// Why the server sent the connection away, if it did.
fn sent_away(answer: &[u8]) -> Option<u32> {
    let (mut rest, mut code) = (answer, None);
    while let [a, b, c, kind, _, _, _, _, _, after @ ..] = rest {
        if *kind == 7 {
            code = after.get(4..8).map(|code| u32::from_be_bytes(code.try_into().unwrap()));
        }
        rest = after.get(u32::from_be_bytes([0, *a, *b, *c]) as usize..).unwrap_or_default();
    }
    code
}

/// A head that begins and goes on in frames without an end (CONTINUATION, without END_HEADERS).
fn endless_head() -> Vec<u8> {
    let header: Vec<u8> = [&[0x40, 0x01, b'x', 0x7f, 0x81, 0x01][..], &[b'y'; 256]].concat();
    [PREFACE, &frame(1, 0, 1, &head()), &frame(9, 0, 1, &header).repeat(20_000)].concat()
}

#[tokio::test]
async fn row_85_a_head_that_never_ends_is_cut_off() {
    let app = TestApp::start().await;
    let began = testkit::Stopwatch::start();
    let answer = app.stranger().raw(&endless_head()).await;
    assert!(sent_away(&answer).is_some(), "GOAWAY after {} bytes", answer.len());
    assert!(began.elapsed() < Duration::from_secs(10));
    app.stranger().get("/auth/v1/health").await.expect(200);
}

/// Streams that are opened and given up at once.
fn rapid_resets() -> Vec<u8> {
    let mut bytes = PREFACE.to_vec();
    for number in 0..10_000 {
        bytes.extend(frame(1, 0x5, 2 * number + 1, &head()));
        bytes.extend(frame(3, 0, 2 * number + 1, &8_u32.to_be_bytes()));
    }
    bytes
}

#[tokio::test]
async fn row_85_rapid_resets_end_the_connection_and_nobody_elses() {
    let app = TestApp::start().await;
    let answer = app.stranger().raw(&rapid_resets()).await;
    assert_eq!(sent_away(&answer), Some(0xb), "GOAWAY with ENHANCE_YOUR_CALM");
    app.stranger().get("/auth/v1/health").await.expect(200);
}

/// Streams that we reset because of what is sent: a window that grows past its end is the stream's error (RFC 9113 section
/// 6.9.1), and costs the sender nothing.
fn made_resets() -> Vec<u8> {
    let mut bytes = PREFACE.to_vec();
    for number in 0..5_000 {
        bytes.extend(frame(1, 0x4, 2 * number + 1, &head()));
        bytes.extend(frame(8, 0, 2 * number + 1, &[0x7f, 0xff, 0xff, 0xff]));
    }
    bytes
}

#[tokio::test]
async fn row_85_making_the_server_reset_its_own_streams_ends_the_connection() {
    let app = TestApp::start().await;
    let answer = app.stranger().raw(&made_resets()).await;
    assert_eq!(sent_away(&answer), Some(0xb), "GOAWAY with ENHANCE_YOUR_CALM");
    app.stranger().get("/auth/v1/health").await.expect(200);
}

#[tokio::test]
async fn row_85_slow_bodies_and_slow_heads_are_given_up_and_hold_nobody_up() {
    let app = TestApp::start().await;
    let mut slow = Vec::new();
    for number in 0..200 {
        let mut stream = TcpStream::connect(app.running.address).await.unwrap();
        let begun: &[u8] = match number % 2 {
            0 => b"POST /auth/v1/token?grant_type=password HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
            _ => b"GET /auth/v1/health HTTP/1.1\r\nHost: localhost\r\nX-Slow: a",
        };
        stream.write_all(begun).await.unwrap();
        slow.push(stream);
    }
    let began = testkit::Stopwatch::start();
    app.stranger().get("/auth/v1/health").await.expect(200);
    assert!(began.elapsed() < Duration::from_secs(3), "others are served meanwhile");
    for mut stream in slow {
        let mut answer = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(40), stream.read_to_end(&mut answer));
        // Closed with an answer, or reset: either way it is over.
        let _how = ended.await.expect("given up within its time");
    }
}

/// Connections of one attack, all open at once.
const ATTACKERS: usize = 200;
/// The same of those who send bodies, which may be larger than heads.
const SENDERS: usize = 1_000;
/// Bytes that one of them may hold: its head twice (as it came, and as it was read), and what a connection is.
const ATTACKER_BYTES_MAX: u64 = 2 * HEAD_BYTES_MAX + (96 << 10);
/// `edge_head_bytes_max`.
const HEAD_BYTES_MAX: u64 = 64 << 10;
/// `edge_bodies_held_bytes_max`, and one and a half times as much for the room that what grows takes and what was not looked at yet.
const BODIES_BYTES_MAX: u64 = (256 << 20) * 5 / 2;

/// What attackers cost in memory is bounded by how many they are, not by what they send: here ten times as much and more.
#[tokio::test]
async fn row_85_memory_is_bounded_by_connections_whatever_is_sent() {
    let palisade = Palisade::start("serve", &["--rate_limiting.enabled=false"]).await;
    let server = palisade.ready.url.strip_prefix("http://").unwrap().parse().unwrap();
    let neighbour = Client::new(server, [127, 85, 0, 1].into());
    let pid = palisade.pid().unwrap();
    let filled = |head: &str| format!("{head}{}", "a".repeat(1_000_000)).into_bytes();
    let attacks = [
        ("nothing at all", Vec::new()),
        (
            "a head that goes on in a header",
            filled("GET /auth/v1/health HTTP/1.1\r\nHost: localhost\r\nX-Slow: "),
        ),
        ("a head that goes on in its path", filled("GET /auth/v1/health?")),
        ("frames of a head without an end", endless_head()),
        ("streams that are reset", rapid_resets()),
        ("streams that have to be reset", made_resets()),
        // Last: what it needed is given back later.
        (
            "a body that does not come to its end",
            filled(
                "POST /auth/v1/token?grant_type=password HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1040000\r\n\r\n",
            ),
        ),
    ];
    // Once, so that what everybody needs is there.
    neighbour.get("/auth/v1/health").await.expect(200);
    for (what, bytes) in attacks {
        let bytes = std::sync::Arc::new(bytes);
        std::fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
        let (before, _) = super::burdens::memory(pid);
        let mut attackers = tokio::task::JoinSet::new();
        // How many, for how many of the neighbour's requests they stay, and what they may hold.
        let (attackers_max, requests, held_max) = match what.contains("body") {
            true => (SENDERS, 60, BODIES_BYTES_MAX),
            false => (ATTACKERS, 1, ATTACKERS as u64 * ATTACKER_BYTES_MAX),
        };
        for _ in 0..attackers_max {
            let bytes = bytes.clone();
            attackers.spawn(async move {
                let mut stream = TcpStream::connect(server).await.unwrap();
                // Whoever is sent away before everything was sent stays as long as it can.
                let sent = stream.write_all(&bytes);
                let _sent_or_cut_off = tokio::time::timeout(Duration::from_secs(5), sent).await;
                stream
            });
        }
        neighbour.get("/auth/v1/health").await.expect(200);
        let open = attackers.join_all().await;
        for _ in 0..requests {
            neighbour.get("/auth/v1/health").await.expect(200);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let (_, most) = super::burdens::memory(pid);
        let held = most.saturating_sub(before) << 10;
        println!("{what}: {held} bytes beside {before} kB, {} were sent", open.len() * bytes.len());
        assert!(held <= held_max, "{what}: {held} bytes");
    }
    assert!(palisade.stop().await.success());
}

#[tokio::test]
async fn row_91_bombs_stay_packed() {
    let app = TestApp::start().await;
    // Gzip of ten million spaces, by hand: nothing here unpacks it.
    let gzip = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &[0x55; 10_000]].concat();
    for encoding in ["gzip", "br", "zstd", "deflate", "gzip, gzip, gzip"] {
        let headers = [("content-type", "application/json"), ("content-encoding", encoding)];
        let began = testkit::Stopwatch::start();
        let seen = app.stranger().send(Method::POST, "/auth/v1/signup", &headers, gzip.clone().into()).await;
        assert!(seen.status.is_client_error(), "{encoding}: {}", seen.status);
        assert!(began.elapsed() < Duration::from_secs(5), "{encoding}");
    }
    let json = [("content-type", "application/json")];
    let deep = "[".repeat(500_000);
    let long = format!("{{\"email\":{}}}", "9".repeat(500_000));
    let far = "{\"email\":1e999999999}".to_owned();
    for body in [deep, long, far] {
        let began = testkit::Stopwatch::start();
        let seen = app.stranger().send(Method::POST, "/auth/v1/signup", &json, body.into()).await;
        assert!(seen.status.is_client_error(), "{}", seen.status);
        assert!(began.elapsed() < Duration::from_secs(5));
    }
    let parts = "--x\r\n\r\n\r\n".repeat(100_000);
    let multipart = [("content-type", "multipart/form-data; boundary=x")];
    let seen = app.stranger().send(Method::POST, "/auth/v1/signup", &multipart, parts.into()).await;
    assert!(seen.status.is_client_error(), "{}", seen.status);
    app.stranger().get("/auth/v1/health").await.expect(200);
}

/// What is answered to bytes that come in pieces of a length, until the server closes: within seconds, it must.
async fn answered_and_closed(app: &TestApp, bytes: &[u8], piece: usize) -> String {
    let mut stream = TcpStream::connect(app.running.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for piece in bytes.chunks(piece) {
        if stream.write_all(piece).await.is_err() {
            break;
        }
        tokio::task::yield_now().await;
    }
    let mut answer = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
    assert!(ended.is_ok(), "still open after {:?}", String::from_utf8_lossy(bytes));
    String::from_utf8_lossy(&answer).into_owned()
}

/// Whichever of two readings a proxy in front has, nothing that it holds for a body is a request here.
#[tokio::test]
async fn row_84_a_request_that_ends_in_two_places_is_refused_and_its_connection_closed() {
    let app = TestApp::builder().unlimited().start().await;
    let smuggled = "GET /auth/v1/settings HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let post = "POST /auth/v1/token?grant_type=password HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    let unclear = [
        // CL.TE, TE.CL and TE.TE.
        format!("{post}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("{post}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("{post}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("{post}Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("{post}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{smuggled}"),
        // Two lengths, agreeing or not, in two lines or one.
        format!("{post}Content-Length: 2\r\nContent-Length: 2\r\n\r\n{{}}{smuggled}"),
        format!("{post}Content-Length: 2\r\nContent-Length: 0\r\n\r\n{{}}{smuggled}"),
        format!("{post}Content-Length: 2, 2\r\n\r\n{{}}{smuggled}"),
        format!("{post}Content-Length: +2\r\n\r\n{{}}{smuggled}"),
        format!("{post}Content-Length: 0x2\r\n\r\n{{}}{smuggled}"),
        format!("{post}Content-Length : 2\r\n\r\n{{}}{smuggled}"),
        // Lines that end without their carriage return.
        format!("GET /auth/v1/health HTTP/1.1\nHost: localhost\r\n\r\n{smuggled}"),
        format!("GET /auth/v1/health HTTP/1.1\r\nHost: localhost\n\r\n{smuggled}"),
        format!("GET /auth/v1/health HTTP/1.1\r\nHost: localhost\nX: y\r\n\r\n{smuggled}"),
        format!("GET /auth/v1/health HTTP/1.1\r\nHost: localhost\r\n\n{smuggled}"),
        format!("GET /auth/v1/health HTTP/1.1\nHost: localhost\n\n{smuggled}"),
        // Lines that go on in the next, and what stands where no name may.
        format!("GET /auth/v1/health HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n{smuggled}"),
        format!("GET /auth/v1/health HTTP/1.1\r\nHost: localhost\r\nX: a\rY: b\r\n\r\n{smuggled}"),
        format!("GET /auth/v1/health HTTP/1.1\r\nHost: localhost\r\n X: a\r\n\r\n{smuggled}"),
        format!("GET /auth/v1/health HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\n\r\n{smuggled}"),
        format!("{post}Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n{smuggled}"),
        // A fragment, which some drop and some do not.
        format!("GET /auth/v1/health#x HTTP/1.1\r\nHost: localhost\r\n\r\n{smuggled}"),
        format!("GET /auth/v1/health#/../admin/users HTTP/1.1\r\nHost: localhost\r\n\r\n{smuggled}"),
        // Chunks.
        format!("{post}Transfer-Encoding: chunked\r\n\r\n2\n{{}}\r\n0\r\n\r\n{smuggled}"),
        format!("{post}Transfer-Encoding: chunked\r\n\r\n0x2\r\n{{}}\r\n0\r\n\r\n{smuggled}"),
        format!("{post}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}x\r\n0\r\n\r\n{smuggled}"),
    ];
    let clear = "GET /auth/v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for bad in &unclear {
        for piece in [bad.len(), 11] {
            let answer = answered_and_closed(&app, bad.as_bytes(), piece).await;
            assert!(answer.starts_with("HTTP/1.1 400"), "{bad:?} in pieces of {piece}: {answer}");
            assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{bad:?}: {answer}");
        }
        // Behind one that is answered, on the same connection.
        let answer = answered_and_closed(&app, [clear, bad].concat().as_bytes(), usize::MAX).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 2, "{bad:?}: {answer}");
        assert!(answer.contains("HTTP/1.1 400"), "{bad:?}: {answer}");
    }
    // Their neighbours: a length, chunks, and several requests at once, in pieces or not.
    let body = r#"{"email":"nobody@example.com","password":"not this one"}"#;
    let good = [
        format!("{post}Content-Length: {}\r\n\r\n{body}", body.len()),
        format!(
            "{post}Transfer-Encoding: chunked\r\n\r\n{:x};a=b\r\n{body}\r\n0\r\nX-Sum: 1\r\n\r\n",
            body.len()
        ),
        clear.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"),
    ]
    .concat();
    for piece in [usize::MAX, 7] {
        let answer = answered_and_closed(&app, good.as_bytes(), piece).await;
        let statuses: Vec<&str> = answer.split("HTTP/1.1 ").skip(1).filter_map(|one| one.get(..3)).collect();
        assert_eq!(statuses, ["400", "400", "200"], "{answer}");
        let refused = answer.matches("\"error_code\":\"invalid_credentials\"").count();
        assert_eq!(refused, 2, "both were read: {answer}");
    }
}

/// The status that a target gets on the wire, byte for byte, with a key; and the answer.
async fn asked_for(app: &TestApp, key: &str, target: &[u8]) -> (String, String) {
    let head = format!(" HTTP/1.1\r\nHost: localhost\r\nApikey: {key}\r\nConnection: close\r\n\r\n");
    let answer = app.stranger().raw(&[b"GET ", target, head.as_bytes()].concat()).await;
    let text = String::from_utf8_lossy(&answer).into_owned();
    (text.get(9..12).unwrap_or("(closed)").to_owned(), text)
}

/// One request over HTTP/2 for a path, byte for byte; whether the first frame of the answer's head begins with this status of
/// HPACK's static table.
async fn answered_over_h2(app: &TestApp, key: &str, path: &[u8], status: u8) -> bool {
    // Shorter than 127 bytes, so that a length is one of them.
    let text = |text: &[u8]| [&[u8::try_from(text.len()).unwrap()], text].concat();
    let mut head = [&[0x82, 0x86, 0x41, 0x09][..], b"localhost", &[0x04]].concat();
    head.extend(text(path));
    head.push(0);
    head.extend([text(b"apikey"), text(key.as_bytes())].concat());
    let answer = app.stranger().raw(&[PREFACE, &frame(1, 0x5, 1, &head)].concat()).await;
    let mut rest = answer.as_slice();
    while let [a, b, c, kind, _, _, _, _, _, after @ ..] = rest {
        if *kind == 1 {
            return after.first() == Some(&status);
        }
        rest = after.get(u32::from_be_bytes([0, *a, *b, *c]) as usize..).unwrap_or_default();
    }
    false
}

/// A path that a proxy and we could read differently is refused before anything is matched or guarded, whoever asks: what the
/// guard looks at and what is matched is one path, also for whoever may.
#[tokio::test]
async fn row_84_paths_that_two_could_read_differently_reach_nothing() {
    let app = TestApp::builder().unlimited().start().await;
    let (nobody, program) = (app.running.keys.publishable.clone(), app.running.keys.secret.expose().clone());
    // The guarded route itself: a guard that lets one of them in.
    let plain = b"/auth/v1/admin/users";
    assert_eq!(asked_for(&app, &program, plain).await.0, "200");
    assert!(["401", "403"].contains(&&*asked_for(&app, &nobody, plain).await.0));
    assert!(answered_over_h2(&app, &program, plain, 0x88).await, "200 over HTTP/2");

    let mut unclear: Vec<Vec<u8>> = Vec::new();
    for dots in [".", "%2e", "%2E", "..", ".%2e", "%2e.", "%2e%2e", "%2E%2e", ".%2E"] {
        for place in [
            format!("/auth/v1/admin/users/{dots}"),
            format!("/auth/v1/admin/users/{dots}/"),
            format!("/auth/v1/admin/users/{dots}?page=1"),
            format!("/auth/v1/health/{dots}/admin/users"),
            format!("/auth/v1/admin/{dots}/users"),
            format!("/auth/v1/admin/users/{dots}/{dots}/health"),
            format!("/{dots}/auth/v1/admin/users"),
            format!("http://localhost/auth/v1/admin/users/{dots}"),
            format!("/rest/v1/{dots}"),
        ] {
            unclear.push(place.into_bytes());
        }
    }
    let others: [&[u8]; 27] = [
        b"/auth/v1/%2e%2e%2fadmin/users",
        b"/auth/v1/..%2fadmin%2fusers",
        b"/auth/v1/admin%2fusers",
        b"/auth/v1/admin%2Fusers",
        b"/auth/v1/admin/users%2f",
        b"/auth/v1/admin/users%2f..",
        b"/rest/v1/notes%2f..%2fadmin",
        b"/auth/v1\\admin\\users",
        b"/auth/v1/admin\\users",
        b"/auth/v1/admin/users\\",
        b"/auth/v1/..\\admin/users",
        b"/auth/v1/admin%5cusers",
        b"/auth/v1/admin%5Cusers",
        b"/auth/v1/admin//users",
        b"//auth/v1/admin/users",
        b"/auth/v1/admin/users//",
        b"/auth/v1/admin/users%00.json",
        b"/auth/v1/admin/users%0d%0aX-Injected:1",
        b"/auth/v1/admin/users%7f",
        b"/auth/v1/admin/users%ff",
        b"/auth/v1/admin/users\xff",
        b"/auth/v1/%c0%ae%c0%ae/admin/users",
        b"/auth/v1/admin/users%c0%af",
        b"auth/v1/admin/users",
        b"/auth/v1/admin/users#",
        b"/auth/v1/admin/users#x",
        b"/auth/v1/admin/users#/../../health",
    ];
    unclear.extend(others.map(<[u8]>::to_vec));
    for target in &unclear {
        let name = String::from_utf8_lossy(target).into_owned();
        for key in [&nobody, &program] {
            let (status, text) = asked_for(&app, key, target).await;
            assert_eq!(status, "400", "{name}: {text}");
            assert!(!text.to_ascii_lowercase().contains("\r\nx-injected"), "{name}: {text}");
        }
    }
    for path in
        [&b"/auth/v1/admin/users/.%2e"[..], b"/auth/v1/health/%2e%2e/admin/users", b"/auth/v1/admin%2fusers"]
    {
        assert!(answered_over_h2(&app, &program, path, 0x8c).await, "400 over HTTP/2: {path:?}");
    }
    // What means one thing to everybody, and that is another path: nothing is there, for nobody. Decoded once, never twice.
    for target in [
        "/auth/v1/admin/users;jsessionid=1",
        "/auth/v1/admin;x/users",
        "/auth/v1/health/..;/admin/users",
        "/auth/v1/health;/../admin/users",
        "/auth/v1/%252e%252e/admin/users",
        "/auth/v1/admin/users/%252e%252e",
        "/auth/v1/admin%252fusers",
        "/rest/v1/%252e%252e",
        "/AUTH/v1/admin/users",
        "/auth/v1/admin/%75sers",
        "/auth/v1/%61dmin/users",
        "/auth/v1/admin/users/",
        "*",
    ] {
        for key in [&nobody, &program] {
            let (status, text) = asked_for(&app, key, target.as_bytes()).await;
            assert!(["400", "401", "403", "404", "(closed)"].contains(&&*status), "{target}: {text}");
        }
    }
    // A name that is a parameter is decoded before anybody looks who may have it, so that there are no two of it.
    app.owner("create table public.notes (id int primary key); insert into public.notes values (1)").await;
    for target in ["/rest/v1/notes", "/rest/v1/not%65s"] {
        let (status, text) = asked_for(&app, &program, target.as_bytes()).await;
        assert!(status == "200" && text.ends_with("[{\"id\":1}]"), "{target}: {text}");
        let (status, text) = asked_for(&app, &nobody, target.as_bytes()).await;
        assert!(status != "200" || text.ends_with("[]"), "{target}: {text}");
    }
}

/// Where a route does not take OPTIONS by name, it gets nowhere: the edge answers.
#[tokio::test]
async fn options_reaches_no_handler_that_did_not_ask_for_it() {
    let app = TestApp::builder().unlimited().start().await;
    let routes = &app.running.routes;
    let takes =
        |path: &str| routes.iter().any(|route| *route.path == *path && route.method == Method::OPTIONS);
    let mut tried = std::collections::BTreeSet::new();
    for route in routes.iter().filter(|route| !takes(&route.path)) {
        let path: String = route
            .path
            .split('/')
            .map(|part| if part.starts_with('{') { "x" } else { part })
            .collect::<Vec<_>>()
            .join("/");
        if !tried.insert(path.clone()) {
            continue;
        }
        let seen = app.stranger().send(Method::OPTIONS, &path, &[], Default::default()).await;
        let preflight = [("origin", "https://evil.example"), ("access-control-request-method", "POST")];
        let asked = app.stranger().send(Method::OPTIONS, &path, &preflight, Default::default()).await;
        assert_eq!(asked.status, 403, "{path}: a preflight of a stranger");
        // A path that another template also fits may take it there.
        let elsewhere = seen.status == 405 || seen.status == 404 || takes_at(&app, &path);
        assert!(elsewhere, "{path}: {}", seen.status);
    }
    assert!(tried.len() > 50, "{}", tried.len());
}

fn takes_at(app: &TestApp, path: &str) -> bool {
    app.running.routes.iter().any(|route| {
        let (asked, template): (Vec<&str>, Vec<&str>) =
            (path.split('/').collect(), route.path.split('/').collect());
        route.method == Method::OPTIONS
            && asked.len() == template.len()
            && asked.iter().zip(&template).all(|(asked, part)| part.starts_with('{') || asked == part)
    })
}
