//! What leaves the house, and what does not: every way out with the guard (row 102; how places are written is tried in `crates/outbound`,
//! providers in `oauth`, keys in `tokens`), and what arrives as whoever receives it sees it (row 104).

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use spec::{Client, Double, Palisade, TestApp, TestAppBuilder, clients};

use crate::features::alerts::listen;

#[tokio::test]
async fn row_104_the_makers_receiver_takes_our_webhook_and_never_an_old_or_forged_one() {
    let (port, heard) = listen().await;
    let secret = format!("whsec_{}", STANDARD.encode([9; 32]));
    let (url, allow) = (format!("http://127.0.0.1:{port}/hook"), format!("127.0.0.1:{port}"));
    let told = [("PALISADE_ALERTS_WEBHOOK_SECRET".to_owned(), format!("v1,{secret}"))];
    let flags = ["--alerts.webhook_url", &url, "--outbound.allow", &allow];
    let palisade = Palisade::start_told("serve", &flags, &told).await;
    let address = palisade.ready.url.strip_prefix("http://").unwrap().parse().unwrap();
    let service =
        Client::new(address, std::net::Ipv4Addr::LOCALHOST.into()).with("apikey", &palisade.ready.secret_key);
    let made = json!({ "email": "ann@example.com", "password": spec::person::PASSWORD });
    service.post("/auth/v1/admin/users", made).await.expect(200);
    for _ in 0..1_200 {
        if !heard.lock().unwrap().is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    let (head, body) = heard.lock().unwrap().first().cloned().expect("it was told");
    let headers: BTreeMap<String, &str> = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .filter(|(name, _)| name.starts_with("webhook-"))
        .collect();
    assert_eq!(headers.len(), 3, "{head}");
    let place = tempfile::tempdir().unwrap();
    let sent = place.path().join("sent.json");
    std::fs::write(&sent, json!({ "secret": secret, "headers": headers, "body": body }).to_string()).unwrap();
    let (held, said) = clients::node_told(&palisade, "webhooks.mjs", &[("SENT", &sent)]).await;
    assert!(held, "{said}");
    assert!(palisade.stop().await.success());
}

/// Everything that can be told to ask somewhere, told to ask at `url`.
fn asking(url: &str) -> TestAppBuilder {
    TestApp::builder()
        .unlimited()
        .with("alerts.webhook_url", &format!("{url}/webhook"))
        .with("alerts.webhook_secret", &format!("v1,whsec_{}", STANDARD.encode([8; 32])))
        .with("alerts.slack_url", &format!("{url}/chat"))
        .with("logging.otlp_endpoint", url)
        .with("logging.s3_url", &format!("{url}/bucket/ours"))
        .with("logging.s3_access_key_id", "id")
        .with("logging.s3_secret_access_key", "a-secret-of-the-store")
        .with("logging.s3_every", "1s")
        .with("auth.password_breached_api", "true")
        .with("auth.password_breached_api_url", &format!("{url}/range/"))
        .with("auth.hooks.after_user_created.uri", &format!("{url}/hook"))
        .with("auth.hooks.after_user_created.secrets", &format!("v1,whsec_{}", STANDARD.encode([7; 32])))
        .with("auth.saml.enabled", "true")
        .with("auth.saml.allow_insecure_metadata_url", "true")
}

/// What is asked of whom, by the first part of its path.
const WAYS: [(&str, &str); 7] = [
    ("alert", "/webhook"),
    ("alert", "/chat"),
    ("otlp", "/v1"),
    ("s3", "/bucket"),
    ("breached passwords", "/range"),
    ("hook", "/hook"),
    ("saml metadata", "/metadata"),
];

/// Gives each of them a reason to ask.
async fn give_reasons(app: &TestApp, url: &str) {
    let body = json!({ "email": "ann@example.com", "password": spec::person::PASSWORD });
    app.stranger().post("/auth/v1/signup", body).await;
    // From this machine, so that it is no probe's tenant, whose actions alarm nobody.
    let other = json!({ "email": "bob@example.com", "password": spec::person::PASSWORD });
    app.service().at("127.0.0.1").post("/auth/v1/admin/users", other).await;
    let company = json!({ "type": "saml", "metadata_url": format!("{url}/metadata") });
    app.service().post("/auth/v1/admin/sso/providers", company).await;
}

#[tokio::test]
async fn row_102_whatever_can_be_told_to_ask_somewhere_asks_through_the_guard() {
    let inside = Double::start().await;
    let app = asking(&inside.url).start().await;
    // One by one: in the log identical ones are folded.
    let mut refusals = app.running.services.audit.refusals();
    give_reasons(&app, &inside.url).await;
    let all: BTreeSet<&str> = WAYS.iter().map(|(purpose, _)| *purpose).collect();
    let mut refused = BTreeSet::new();
    app.eventually(async || {
        while let Ok(entry) = refusals.try_recv() {
            if entry.event() == audit::Event::OutboundRefused {
                refused.extend(entry.fact("purpose").map(str::to_owned));
            }
        }
        all.iter().all(|purpose| refused.contains(*purpose))
    })
    .await;
    assert!(inside.asked().is_empty(), "not one of them connected: {:?}", inside.asked());
    drop(app);

    // The neighbour: where the operator allows the place, each of them arrives.
    for (_, path) in WAYS {
        inside.answer(&format!("{path}/"), json!({}));
        inside.answer(path, json!({}));
    }
    let allowed = asking(&inside.url).with("outbound.allow", "127.0.0.1").start().await;
    give_reasons(&allowed, &inside.url).await;
    let arrived = |path: &str| inside.asked().iter().any(|asked| asked.line.contains(&format!(" {path}")));
    allowed.eventually(async || WAYS.iter().all(|(_, path)| arrived(path))).await;
}
