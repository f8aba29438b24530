//! The guide's rate limits (controls 71, 72), with the clock in the test's hand.

use std::time::Duration;

use serde_json::json;
use spec::{Person, TestApp};

#[tokio::test]
async fn sixty_requests_a_minute_pass_and_the_next_waits_as_told() {
    let app = TestApp::start().await;
    let one = app.stranger();
    for number in 0..60 {
        assert_eq!(one.get("/auth/v1/settings").await.status, 200, "request {number}");
    }
    let refused = one.get("/auth/v1/settings").await.expect(429);
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=70).contains(&wait), "{wait}");
    assert_eq!(refused.header("ratelimit-remaining"), "0");
    app.stranger().get("/auth/v1/settings").await.expect(200);
    app.clock.advance(Duration::from_secs(wait + 5));
    one.get("/auth/v1/settings").await.expect(200);
}

#[tokio::test]
async fn five_sign_ins_a_minute_pass() {
    let app = TestApp::start().await;
    let one = app.stranger();
    let mut seen = Vec::new();
    for number in 0..6 {
        seen.push(
            Person::sign_in(&one, &format!("u{number}@example.com"), "Wrong-Password-1!")
                .await
                .status
                .as_u16(),
        );
    }
    assert_eq!(seen, [400, 400, 400, 400, 400, 429]);
    assert!(app.audited("rate.limited").await);
}

#[tokio::test]
async fn three_sign_ups_a_minute_pass() {
    let app = TestApp::start().await;
    let one = app.stranger();
    let mut seen = Vec::new();
    for number in 0..4 {
        let body = json!({ "email": format!("u{number}@example.com"), "password": spec::person::PASSWORD });
        seen.push(one.post("/auth/v1/signup", body).await.status.as_u16());
    }
    assert_eq!(seen, [200, 200, 200, 429]);
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_caller_has_a_budget_and_a_forged_hop_has_none() {
    let app = TestApp::builder()
        .with("server.trusted_proxies", "127.50.0.0/16")
        .with("rate_limiting.per_minute", "3")
        .start()
        .await;
    let proxy = app.stranger().at("127.50.0.1");
    let asks = async |forwarded: &str| {
        proxy.clone().with("x-forwarded-for", forwarded).get("/auth/v1/settings").await.status.as_u16()
    };
    for caller in ["198.51.100.1", "198.51.100.2"] {
        let mut seen = Vec::new();
        for forged in ["1.1.1.1", "2.2.2.2", "3.3.3.3", "4.4.4.4"] {
            seen.push(asks(&format!("{forged}, {caller}")).await);
        }
        assert_eq!(seen, [200, 200, 200, 429], "{caller}");
    }
}

#[tokio::test]
async fn the_publishable_key_is_no_budget_of_its_own() {
    let app = TestApp::builder().with("rate_limiting.per_minute", "3").start().await;
    let somebody = app.stranger();
    let mut seen = Vec::new();
    for client in
        [somebody.clone(), spec::Client { headers: vec![], ..somebody.clone() }, somebody.clone(), somebody]
    {
        seen.push(client.get("/auth/v1/settings").await.status.as_u16());
    }
    assert_eq!(seen, [200, 200, 200, 429], "the publishable key names nobody, so the address is counted");
}
