//! Behind a trusted proxy: whose address a request has, whatever its caller wrote into the headers that proxies go on with
//! (row 23).

use spec::TestApp;

/// What a proxy at 127.50.0.1 passes on that goes on with its caller's header, as nginx does by `$proxy_add_x_forwarded_for`; the
/// status, and the body.
async fn passed_on(app: &TestApp, path: &str, written: &[u8], caller: &str) -> (String, String) {
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Forwarded-Proto: https\r\n"
    );
    let hop = format!(", {caller}\r\n\r\n");
    let asked = [head.as_bytes(), b"X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: ", written, hop.as_bytes()];
    let answer = app.stranger().at("127.50.0.1").raw(&asked.concat()).await;
    let text = String::from_utf8_lossy(&answer).into_owned();
    (text.get(9..12).unwrap_or("(closed)").to_owned(), text)
}

/// Bytes that are no text, and text that is no address.
const WRITTEN: [&[u8]; 5] = [b"\xff", b"6.6.6.6\xff", b"\xc2\x9b2J", b"unknown", b""];

#[tokio::test]
async fn row_23_what_stands_before_its_hop_gives_nobody_another_budget() {
    let app = TestApp::builder()
        .with("server.trusted_proxies", "127.50.0.0/16")
        .with("rate_limiting.per_minute", "3")
        .start()
        .await;
    for (number, written) in WRITTEN.into_iter().enumerate() {
        let caller = format!("198.51.100.{}", number + 1);
        let mut seen = Vec::new();
        for _ in 0..4 {
            seen.push(passed_on(&app, "/auth/v1/settings", written, &caller).await.0);
        }
        assert_eq!(seen, ["200", "200", "200", "429"], "{written:?}");
    }
}

#[tokio::test]
async fn row_23_what_stands_before_its_hop_keeps_nobody_in_who_is_kept_out() {
    let app = TestApp::builder().with("server.trusted_proxies", "127.50.0.0/16").start().await;
    for (number, written) in WRITTEN.into_iter().enumerate() {
        let caller = format!("203.0.{number}.7");
        for _ in 0..3 {
            passed_on(&app, "/.env", written, &caller).await;
        }
        let (status, text) = passed_on(&app, "/auth/v1/settings", b"", &caller).await;
        assert!(status == "403" && text.contains("kept out"), "{written:?}: {text}");
    }
    // Neither the proxy nor anybody else behind it is.
    assert_eq!(passed_on(&app, "/auth/v1/settings", b"\xff", "198.51.100.9").await.0, "200");
    app.stranger().at("127.50.0.1").get("/health").await.expect(200);
}

#[tokio::test]
async fn row_23_a_port_behind_its_address_gives_nobody_another_budget() {
    let app = TestApp::builder()
        .with("server.trusted_proxies", "127.50.0.0/16")
        .with("rate_limiting.per_minute", "3")
        .start()
        .await;
    for (ways, other) in [
        (["198.51.100.7:1", "198.51.100.7", "198.51.100.7:2", "198.51.100.7:3"], "198.51.100.8:1"),
        (["[2001:db8::7]:1", "2001:db8::7", "[2001:db8::7]", "[2001:db8::7]:2"], "[2001:db8:1::7]"),
    ] {
        let mut seen = Vec::new();
        for way in ways {
            seen.push(passed_on(&app, "/auth/v1/settings", b"6.6.6.6", way).await.0);
        }
        assert_eq!(seen, ["200", "200", "200", "429"], "{ways:?}");
        assert_eq!(passed_on(&app, "/auth/v1/settings", b"6.6.6.6", other).await.0, "200", "{other}");
    }
}

/// What a client says of the scheme stands before what the proxy says.
#[tokio::test]
async fn a_client_that_says_https_itself_came_in_clear_all_the_same() {
    let app = TestApp::builder().with("server.trusted_proxies", "127.50.0.0/16").start().await;
    let asks = async |said: &[u8]| {
        let head = "GET /auth/v1/settings HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
        let asked = [head.as_bytes(), b"X-Forwarded-For: 198.51.100.7\r\n", said, b"\r\n"].concat();
        let answer = app.stranger().at("127.50.0.1").raw(&asked).await;
        String::from_utf8_lossy(answer.get(9..12).unwrap_or_default()).into_owned()
    };
    for (said, status) in [
        (&b"X-Forwarded-Proto: https\r\n"[..], "200"),
        (b"X-Forwarded-Proto: http\r\nX-Forwarded-Proto: https\r\n", "200"),
        (b"X-Forwarded-Proto: https\r\nX-Forwarded-Proto: http\r\n", "403"),
        (b"X-Forwarded-Proto: https, http\r\n", "403"),
        (b"X-Forwarded-Proto: https\xff, http\r\n", "403"),
        (b"X-Forwarded-Proto: wss\r\n", "200"),
    ] {
        assert_eq!(asks(said).await, status, "{}", String::from_utf8_lossy(said));
    }
}
