//! What wears a server out below HTTP's meaning: frames, slow bodies, bombs, odd paths (rows 84, 85, 91).

use std::time::{Duration, Instant};

use http::Method;
use spec::TestApp;
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

#[tokio::test]
async fn row_85_a_head_that_never_ends_is_cut_off() {
    let app = TestApp::start().await;
    let mut bytes = PREFACE.to_vec();
    // The head begins and goes on in frames without an end (CONTINUATION, without END_HEADERS).
    bytes.extend(frame(1, 0, 1, &head()));
    let header: Vec<u8> = [&[0x40, 0x01, b'x', 0x7f, 0x81, 0x01][..], &[b'y'; 256]].concat();
    for _ in 0..20_000 {
        bytes.extend(frame(9, 0, 1, &header));
    }
    let began = Instant::now();
    let answer = app.stranger().raw(&bytes).await;
    assert!(sent_away(&answer).is_some(), "GOAWAY after {} bytes", answer.len());
    assert!(began.elapsed() < Duration::from_secs(10));
    app.stranger().get("/auth/v1/health").await.expect(200);
}

#[tokio::test]
async fn row_85_making_the_server_reset_its_own_streams_ends_the_connection() {
    let app = TestApp::start().await;
    let mut bytes = PREFACE.to_vec();
    // A window that grows past its end is the stream's error (RFC 9113 section 6.9.1), and costs the sender nothing.
    for number in 0..5_000 {
        bytes.extend(frame(1, 0x4, 2 * number + 1, &head()));
        bytes.extend(frame(8, 0, 2 * number + 1, &[0x7f, 0xff, 0xff, 0xff]));
    }
    let answer = app.stranger().raw(&bytes).await;
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
    let began = Instant::now();
    app.stranger().get("/auth/v1/health").await.expect(200);
    assert!(began.elapsed() < Duration::from_secs(3), "others are served meanwhile");
    for mut stream in slow {
        let mut answer = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(40), stream.read_to_end(&mut answer));
        // Closed with an answer, or reset: either way it is over.
        let _how = ended.await.expect("given up within its time");
    }
}

#[tokio::test]
async fn row_91_bombs_stay_packed() {
    let app = TestApp::start().await;
    // Gzip of ten million spaces, by hand: nothing here unpacks it.
    let gzip = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &[0x55; 10_000]].concat();
    for encoding in ["gzip", "br", "zstd", "deflate", "gzip, gzip, gzip"] {
        let headers = [("content-type", "application/json"), ("content-encoding", encoding)];
        let began = Instant::now();
        let seen = app.stranger().send(Method::POST, "/auth/v1/signup", &headers, gzip.clone().into()).await;
        assert!(seen.status.is_client_error(), "{encoding}: {}", seen.status);
        assert!(began.elapsed() < Duration::from_secs(5), "{encoding}");
    }
    let json = [("content-type", "application/json")];
    let deep = "[".repeat(500_000);
    let long = format!("{{\"email\":{}}}", "9".repeat(500_000));
    let far = "{\"email\":1e999999999}".to_owned();
    for body in [deep, long, far] {
        let began = Instant::now();
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

/// A path that a proxy and we could read differently is refused before anything is matched or guarded.
#[tokio::test]
async fn row_84_paths_that_two_could_read_differently_reach_nothing() {
    let app = TestApp::builder().unlimited().start().await;
    for path in [
        "/auth/v1/admin/../health",
        "/auth/v1/health/..;/admin/users",
        "/auth/v1/%2e%2e%2fadmin/users",
        "/auth/v1/.%2e/admin/users",
        "/auth/v1/admin/users/.%2e",
        "/auth/v1/admin/users/%2e",
        "/auth/v1/%252e%252e/admin/users",
        "/auth/v1\\admin\\users",
        "/auth/v1/admin%5cusers",
        "/auth/v1/admin//users",
        "/auth/v1/admin/./users",
        "/auth/v1/admin/users%00.json",
        "/auth/v1/admin/users%0d%0aX-Injected:1",
        "/auth/v1/admin/users;jsessionid=1",
        "/AUTH/v1/admin/users",
        "/auth/v1/admin/%75sers",
        "/auth/v1/admin/users%ff",
        "/auth/v1/%c0%ae%c0%ae/admin/users",
        "auth/v1/admin/users",
        "/auth/v1/admin/users#x",
        "*",
    ] {
        let bytes = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let answer = app.stranger().raw(bytes.as_bytes()).await;
        let text = String::from_utf8_lossy(&answer);
        let status = text.get(9..12).unwrap_or("(closed)");
        assert!(["400", "401", "403", "404", "(closed)"].contains(&status), "{path}: {text}");
        assert!(!text.to_ascii_lowercase().contains("x-injected"), "{path}: {text}");
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
