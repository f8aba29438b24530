//! What leaves the house as whoever receives it sees it (row 104; rows 102 and 39 are in `crates/outbound`, `oauth` and `tokens`).

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use spec::{Client, Palisade, clients};

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
