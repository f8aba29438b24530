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
