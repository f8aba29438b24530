//! What a hop in front of us that speaks HTTP/1.1 behind HTTP/2, or the other way, could be made to misread (row 84), and
//! headers that only our own hops may set, over HTTP/2 too (row 80).

use std::time::{Duration, Instant};

use spec::TestApp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const GOAWAY: u8 = 7;

fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &1_u32.to_be_bytes(), payload].concat()
}

/// A header as HPACK carries what nobody has seen before: byte by byte, whatever it is.
fn literal((name, value): &(&str, &str)) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()][..], text.as_bytes()].concat();
    [vec![0], text(name), text(value)].concat()
}

const PLAIN: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "http"), (":path", "/auth/v1/health"), (":authority", "localhost")];

fn request(head: &[(&str, &str)], body: Option<&[u8]>) -> Vec<u8> {
    let head: Vec<u8> = head.iter().flat_map(literal).collect();
    match body {
        None => frame(HEADERS, END_HEADERS | END_STREAM, &head),
        Some(body) => [frame(HEADERS, END_HEADERS, &head), frame(DATA, END_STREAM, body)].concat(),
    }
}

/// How a request went: its status, or that the stream or the connection was refused.
#[derive(Debug, PartialEq, Eq)]
enum Went {
    Well,
    Refused(&'static str),
}

/// Sends one and reads until it is decided.
async fn went(app: &TestApp, bytes: &[u8]) -> Went {
    let mut stream = TcpStream::connect(app.running.address).await.unwrap();
    stream.write_all(&[PREFACE, bytes].concat()).await.unwrap();
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let mut head = [0; 9];
        let read = tokio::time::timeout_at(end.into(), stream.read_exact(&mut head)).await;
        if read.unwrap().is_err() {
            return Went::Refused("closed");
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        if stream.read_exact(&mut payload).await.is_err() {
            return Went::Refused("closed");
        }
        match head[3] {
            // `:status: 200` is number eight of the static table; a change of the table's size may come before it.
            HEADERS => {
                let first = payload.iter().find(|byte| **byte & 0xe0 != 0x20);
                return if first == Some(&0x88) { Went::Well } else { Went::Refused("answered") };
            }
            RESET => return Went::Refused("reset"),
            GOAWAY => return Went::Refused("sent away"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn row_84_what_http_1_would_read_differently_is_no_request_over_http_2() {
    let app = TestApp::builder().unlimited().start().await;
    assert_eq!(went(&app, &request(&PLAIN, None)).await, Went::Well);
    let with = |more: &[(&'static str, &'static str)]| [&PLAIN[..], more].concat();
    let instead = |name: &str, value: &'static str| {
        let change =
            |(known, old): (&'static str, &'static str)| (known, if known == name { value } else { old });
        PLAIN.map(change).to_vec()
    };
    // The lengths that HTTP/1.1 would go by.
    assert_eq!(went(&app, &request(&with(&[("content-length", "5")]), Some(b"12345"))).await, Went::Well);
    for (said, body) in [
        ("5", &b"123456"[..]),
        ("5", b"1234"),
        ("0", b"GET / HTTP/1.1\r\n\r\n"),
        ("+5", b"12345"),
        ("5, 5", b"12345"),
    ] {
        let head: Vec<(&str, &str)> = [&PLAIN[..], &[("content-length", said)]].concat();
        let way = went(&app, &request(&head, Some(body))).await;
        assert_ne!(way, Went::Well, "content-length {said} of {} bytes", body.len());
    }
    for head in [
        // Headers of one hop (RFC 9113 section 8.2.2).
        with(&[("transfer-encoding", "chunked")]),
        with(&[("connection", "close")]),
        with(&[("connection", "content-length")]),
        with(&[("keep-alive", "timeout=5")]),
        with(&[("proxy-connection", "keep-alive")]),
        with(&[("upgrade", "h2c")]),
        with(&[("te", "gzip")]),
        // Lines within a line.
        with(&[("x-a", "b\r\ntransfer-encoding: chunked")]),
        with(&[("x-a", "b\nhost: evil.example")]),
        with(&[("x-a", "b\0c")]),
        with(&[("x-a: b\r\nx-c", "d")]),
        with(&[("x a", "b")]),
        with(&[("X-Upper", "b")]),
        with(&[("", "b")]),
        instead(":path", "/auth/v1/health HTTP/1.1\r\nhost: evil.example\r\n\r\n"),
        instead(":path", "/auth/v1/health\r\nx: y"),
        instead(":path", "auth/v1/health"),
        instead(":path", ""),
        instead(":method", "GET / HTTP/1.1\r\nx:"),
        instead(":method", ""),
        instead(":authority", "localhost\r\nx: y"),
        instead(":authority", "evil.example"),
        instead(":authority", "user@localhost"),
        // What stands in front, twice, behind or unknown.
        with(&[(":path", "/auth/v1/admin/users")]),
        with(&[(":authority", "localhost")]),
        with(&[(":status", "200")]),
        with(&[(":protocol", "websocket")]),
        [&[("x-first", "a")][..], &PLAIN].concat(),
        PLAIN[..3].to_vec(),
        with(&[("host", "evil.example")]),
        with(&[("host", "localhost"), ("host", "evil.example")]),
    ] {
        let way = went(&app, &request(&head, None)).await;
        // Without an authority a name is still needed: nothing is answered that does not say whom it is for.
        assert_ne!(way, Went::Well, "{:?}", head);
    }
    assert_eq!(went(&app, &request(&with(&[("te", "trailers")]), None)).await, Went::Well, "what is allowed");
    assert_eq!(went(&app, &request(&with(&[("host", "localhost")]), None)).await, Went::Well);
    assert_eq!(went(&app, &request(&PLAIN, None)).await, Went::Well, "others are served all the same");
}

#[tokio::test]
async fn row_84_an_upgrade_to_http_2_in_the_clear_is_not_taken() {
    let app = TestApp::builder().unlimited().start().await;
    let asked = "GET /auth/v1/health HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
                 HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\nGET /auth/v1/admin/users HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answer = app.stranger().raw(asked.as_bytes()).await;
    let text = String::from_utf8_lossy(&answer).into_owned();
    assert!(!text.contains("101 "), "{text}");
    // Both were read as what they are: two requests, each guarded.
    assert!(text.starts_with("HTTP/1.1 200") && text.contains("HTTP/1.1 401"), "{text}");
}

#[tokio::test]
async fn row_80_internal_headers_change_nothing_over_http_2_either() {
    let app = TestApp::builder().unlimited().start().await;
    for (name, value) in [
        ("x-original-url", "/auth/v1/health"),
        ("x-rewrite-url", "/auth/v1/health"),
        ("x-http-method-override", "GET"),
        ("x-middleware-subrequest", "middleware:middleware:middleware"),
        ("x-forwarded-user", "admin"),
        ("x-forwarded-email", "admin@example.com"),
        ("x-remote-user", "admin"),
        ("x-palisade-internal", "operator"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-real-ip", "127.0.0.1"),
        ("forwarded", "for=127.0.0.1;host=localhost"),
        ("x-forwarded-prefix", "/auth/v1/health"),
    ] {
        let closed =
            PLAIN.map(|(known, old)| (known, if known == ":path" { "/auth/v1/admin/users" } else { old }));
        let way = went(&app, &request(&[&closed[..], &[(name, value)]].concat(), None)).await;
        assert_eq!(way, Went::Refused("answered"), "{name}");
        let open = went(&app, &request(&[&PLAIN[..], &[(name, value)]].concat(), None)).await;
        assert_eq!(open, Went::Well, "{name} harms nobody who sends it in good faith");
    }
}
