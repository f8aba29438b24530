//! Who is really there and whom they ask for: names that are ours, load balancers of the fourth layer, WebSockets.

use spec::TestApp;

fn asks(app: &TestApp, from: &str, host: &str) -> (spec::Client, String) {
    let head = format!("GET /auth/v1/health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    (app.stranger().at(from), head)
}

async fn status(client: &spec::Client, bytes: &[u8]) -> String {
    let answer = client.raw(bytes).await;
    String::from_utf8_lossy(answer.get(9..12).unwrap_or_default()).into_owned()
}

#[tokio::test]
async fn a_name_that_is_not_ours_is_answered_421_and_reaches_nothing() {
    let app = TestApp::builder()
        .with("server.hosts", "api.example.com,*.tenants.example")
        .with("auth.external_url", "https://auth.example.com/auth/v1")
        .start()
        .await;
    for (host, expected) in [
        ("api.example.com", "200"),
        ("API.Example.com.:8443", "200"),
        ("a.tenants.example", "200"),
        ("auth.example.com", "200"),
        ("localhost:8443", "200"),
        ("127.0.0.1", "200"),
        ("[::1]:80", "200"),
        ("rebound.evil.example", "421"),
        ("api.example.com.evil.example", "421"),
        ("10.0.0.1", "421"),
        ("a b", "400"),
        ("api.example.com@evil.example", "400"),
        ("2130706433", "400"),
        ("", "400"),
    ] {
        let (client, head) = asks(&app, "127.9.0.1", host);
        assert_eq!(status(&client, head.as_bytes()).await, expected, "{host:?}");
    }
    let (client, _) = asks(&app, "127.9.0.1", "");
    let none = b"GET /auth/v1/health HTTP/1.1\r\nConnection: close\r\n\r\n";
    assert_eq!(status(&client, none).await, "400", "no host at all");
    let two =
        b"GET /auth/v1/health HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    assert_eq!(status(&client, two).await, "400", "two");
    let other =
        b"GET http://evil.example/auth/v1/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert_eq!(status(&client, other).await, "400", "two that differ");
}

#[tokio::test]
async fn a_load_balancer_says_who_is_calling_and_nobody_else_does() {
    let app = TestApp::builder()
        .with("server.trusted_proxies", "127.50.0.0/16")
        .with("server.proxy_protocol", "true")
        .with("server.hosts", "api.example.com")
        .with("rate_limiting.per_minute", "2")
        .start()
        .await;
    let (balancer, head) = asks(&app, "127.50.0.1", "api.example.com");
    let said =
        |caller: &str, head: &str| format!("PROXY TCP4 {caller} 10.0.0.1 5555 443\r\n{head}").into_bytes();
    let counted = head.replace("/health", "/settings");
    for caller in ["198.51.100.1", "198.51.100.2"] {
        let mut seen = Vec::new();
        for _ in 0..3 {
            seen.push(status(&balancer, &said(caller, &counted)).await);
        }
        assert_eq!(seen, ["200", "200", "429"], "{caller} has a budget of their own");
    }
    assert_eq!(balancer.raw(head.as_bytes()).await, b"", "a balancer that says nothing is hung up on");
    let (stranger, _) = asks(&app, "127.9.0.2", "localhost");
    assert_eq!(
        status(&stranger, &said("198.51.100.9", &head)).await,
        "400",
        "a stranger's word is no request"
    );
    assert_eq!(status(&stranger, head.as_bytes()).await, "200", "a stranger who asks plainly is answered");
}

#[tokio::test]
async fn a_proxy_that_was_reached_in_clear_is_refused_and_that_is_recorded() {
    let app = TestApp::builder().with("server.trusted_proxies", "127.50.0.0/16").start().await;
    let through = |scheme: &str| {
        let proxy = app.stranger().at("127.50.0.1").with("x-forwarded-for", "198.51.100.7");
        proxy.with("x-forwarded-proto", scheme)
    };
    through("https").get("/auth/v1/settings").await.expect(200);
    through("http").get("/auth/v1/settings").await.expect(403);
    through("http").get("/health").await.expect(200);
    app.eventually(async || app.audited("tls.credential_exposed").await).await;
    // Anybody else's word changes nothing.
    app.stranger().with("x-forwarded-proto", "http").get("/auth/v1/settings").await.expect(200);
}
