//! The HTTP edge under attack (rows 5, 80, 84, 87, 91 and their families).

use http::Method;
use serde_json::json;
use spec::TestApp;

#[tokio::test]
async fn row_80_internal_headers_change_nothing() {
    let app = TestApp::start().await;
    for (name, value) in [
        ("x-original-url", "/auth/v1/health"),
        ("x-rewrite-url", "/auth/v1/health"),
        ("x-http-method-override", "GET"),
        ("x-middleware-subrequest", "middleware:middleware:middleware"),
        ("x-forwarded-user", "admin"),
        ("x-palisade-internal", "operator"),
    ] {
        let seen = app.stranger().with(name, value).get("/auth/v1/admin/users").await;
        assert!([401, 403].contains(&seen.status.as_u16()), "{name}: {}", seen.status);
        let seen = app
            .stranger()
            .with(name, value)
            .send(Method::DELETE, "/auth/v1/health", &[], Default::default())
            .await;
        assert_eq!(seen.status, 405, "{name}");
    }
}

#[tokio::test]
async fn row_84_ambiguous_framing_is_refused_and_the_connection_closed() {
    let app = TestApp::start().await;
    let smuggled = "GET /auth/v1/settings HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let heads = [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5\r\nTransfer-Encoding: xchunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Content-Length: +5",
        "Content-Length : 5",
        "Transfer-Encoding:\x0bchunked",
        "X: a\r\n obs-fold: b",
        "X: a\rInjected: b",
    ];
    for head in heads {
        let bytes =
            format!("POST /auth/v1/token HTTP/1.1\r\nHost: localhost\r\n{head}\r\n\r\n0\r\n\r\n{smuggled}");
        let answer = app.stranger().raw(bytes.as_bytes()).await;
        let text = String::from_utf8_lossy(&answer);
        assert!(text.matches("HTTP/1.1 ").count() <= 1, "{head:?} got two answers: {text}");
        assert!(!text.contains("HTTP/1.1 200"), "{head:?}: {text}");
    }
    app.stranger().get("/auth/v1/health").await.expect(200);
}

#[tokio::test]
async fn row_87_no_origin_is_allowed_until_set_and_then_only_that_one() {
    let app = TestApp::builder().with("server.cors.allowed_origins", "https://app.example.com").start().await;
    let preflight = |origin: &'static str| {
        let client = app.stranger();
        async move {
            let headers = [("origin", origin), ("access-control-request-method", "POST")];
            client.send(Method::OPTIONS, "/auth/v1/token", &headers, Default::default()).await
        }
    };
    let allowed = preflight("https://app.example.com").await.expect(204);
    assert_eq!(allowed.header("access-control-allow-origin"), "https://app.example.com");
    assert_eq!(allowed.header("access-control-max-age"), "3600");
    for origin in [
        "null",
        "https://evil.com",
        "https://app.example.com.evil.com",
        "http://app.example.com",
        "https://evil-app.example.com",
    ] {
        let refused = preflight(origin).await;
        assert_eq!(refused.header("access-control-allow-origin"), "", "{origin}");
        let plain = app.stranger().with("origin", origin).get("/auth/v1/health").await;
        assert_eq!(plain.header("access-control-allow-origin"), "", "{origin}");
    }
}

#[tokio::test]
async fn row_91_oversized_requests_are_refused_by_name() {
    let app = TestApp::start().await;
    let seen = app
        .stranger()
        .send(Method::POST, "/auth/v1/token?grant_type=password", &[], vec![b'x'; 3 * 1024 * 1024].into())
        .await;
    assert_eq!(seen.status, 413);
    let long = format!("GET /rest/v1/x?a={} HTTP/1.1\r\nHost: localhost\r\n\r\n", "y".repeat(1024 * 1024));
    let answer = app.stranger().raw(long.as_bytes()).await;
    let text = String::from_utf8_lossy(&answer);
    assert!(
        text.starts_with("HTTP/1.1 414") || text.starts_with("HTTP/1.1 431"),
        "{}",
        &text[..text.len().min(100)]
    );
    let many: String = (0..500).map(|n| format!("h{n}: v\r\n")).collect();
    let answer =
        app.stranger().raw(format!("GET / HTTP/1.1\r\nHost: localhost\r\n{many}\r\n").as_bytes()).await;
    assert!(String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 431"));
}

#[tokio::test]
async fn row_23_a_path_written_oddly_reaches_no_route() {
    let app = TestApp::start().await;
    for path in [
        "//auth/v1/health",
        "/auth/v1/%2e%2e/v1/health",
        "/auth//v1/health",
        "/auth/v1/./health",
        "/auth%2fv1/health",
    ] {
        let answer = app
            .stranger()
            .raw(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes())
            .await;
        let text = String::from_utf8_lossy(&answer);
        assert!(text.starts_with("HTTP/1.1 400") || text.starts_with("HTTP/1.1 404"), "{path}: {text}");
    }
}

#[tokio::test]
async fn errors_tell_nothing_but_a_name_to_ask_about() {
    let app = TestApp::start().await;
    let seen = app.stranger().post("/auth/v1/token?grant_type=password", json!([1, 2])).await;
    let text = seen.text();
    assert!(seen.status.is_client_error());
    for leak in ["panicked", ".rs:", "postgres", "SELECT", "/crates/"] {
        assert!(!text.contains(leak), "{leak} in {text}");
    }
    assert!(!seen.header("x-request-id").is_empty());
}

#[tokio::test]
async fn row_89_a_page_of_somebody_else_begins_no_websocket() {
    let app = TestApp::builder().with("server.cors.allowed_origins", "https://app.example.com").start().await;
    let begins = async |origin: Option<&str>| {
        let mut client = app.stranger().with("upgrade", "websocket").with("connection", "upgrade");
        client =
            client.with("sec-websocket-version", "13").with("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        if let Some(origin) = origin {
            client = client.with("origin", origin);
        }
        client.get("/realtime/v1/websocket?apikey=x&vsn=1.0.0").await.status.as_u16()
    };
    for origin in
        ["https://evil.example", "null", "http://app.example.com", "https://app.example.com.evil.example", ""]
    {
        assert_eq!(begins(Some(origin)).await, 403, "{origin:?}");
    }
    assert_eq!(begins(Some("https://app.example.com")).await, 101);
    assert_eq!(begins(None).await, 101, "a program");
    // Through a proxy that was reached in clear, nobody begins one.
    let app = TestApp::builder().with("server.trusted_proxies", "127.50.0.0/16").start().await;
    let far =
        app.stranger().at("127.50.0.1").with("x-forwarded-for", "198.51.100.7").with("upgrade", "websocket");
    let seen = far.clone().with("x-forwarded-proto", "http").get("/realtime/v1/websocket?apikey=x").await;
    assert_eq!(seen.status, 403);
    let seen = far.clone().get("/realtime/v1/websocket?apikey=x").await;
    assert_eq!(seen.status, 403, "a proxy that does not say how it was reached");
    // Over TLS one does, from a page of the same host that came over TLS as well, and not from one in clear.
    let secure = far.with("x-forwarded-proto", "https").with("connection", "upgrade");
    let secure =
        secure.with("sec-websocket-version", "13").with("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    for (scheme, status) in [("https", 101), ("http", 403)] {
        let page = secure.clone().with("origin", &format!("{scheme}://{}", app.running.address));
        assert_eq!(page.get("/realtime/v1/websocket?vsn=1.0.0").await.status, status, "{scheme}");
    }
}
