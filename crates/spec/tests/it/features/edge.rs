//! What every answer carries (controls 76-82, 127).

use spec::TestApp;

#[tokio::test]
async fn every_answer_carries_the_guides_headers_errors_included() {
    let app = TestApp::start().await;
    for path in ["/auth/v1/health", "/auth/v1/user", "/nothing/here", "/rest/v1/nothing", "//"] {
        let seen = app.stranger().get(path).await;
        for (name, value) in [
            ("x-frame-options", "DENY"),
            ("x-content-type-options", "nosniff"),
            ("x-xss-protection", "1; mode=block"),
            ("referrer-policy", "strict-origin-when-cross-origin"),
            ("content-security-policy", "default-src 'self'; frame-ancestors 'none'"),
            ("permissions-policy", "geolocation=(), microphone=(), camera=()"),
            ("server", ""),
        ] {
            assert_eq!(seen.header(name), value, "{name} at {path}");
        }
        assert!(!seen.header("x-request-id").is_empty());
    }
}

#[tokio::test]
async fn a_stop_lets_requests_in_flight_finish() {
    let app = TestApp::start().await;
    app.owner(
        "create function public.nap() returns int language sql as 'select 7 from pg_sleep(1)';
         grant execute on function public.nap() to authenticated",
    )
    .await;
    let ann = app.person("ann").await;
    let slow = tokio::spawn(async move { ann.client.post("/rest/v1/rpc/nap", serde_json::json!({})).await });
    app.eventually(async || app.running.services.pg.stats().own.in_flight > 0).await;
    let address = app.running.address;
    app.running.stop().await.unwrap();
    assert_eq!(slow.await.unwrap().expect(200).value(), 7);
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn a_head_that_does_not_arrive_is_given_up() {
    let app = TestApp::start().await;
    let began = std::time::Instant::now();
    let mut stream = tokio::net::TcpStream::connect(app.running.address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let bound = std::time::Duration::from_secs(30);
    tokio::time::timeout(bound, tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer))
        .await
        .unwrap()
        .unwrap();
    assert!(began.elapsed() >= std::time::Duration::from_secs(5), "a slow sender is given some time");
    app.stranger().get("/health").await.expect(200);
}
