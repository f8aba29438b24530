//! What buries others' doings: lines, entries and alerts that somebody makes by the thousand, and what is written so that a
//! terminal obeys it (rows 22, 87, 106).

use std::net::Ipv4Addr;

use http::Method;
use serde_json::Value;
use spec::{Client, Palisade, TestApp};

/// Somebody who asks for ever other baits, and is not kept out because a page of another site could make a browser do so.
#[tokio::test]
async fn a_bait_that_is_touched_in_ever_other_words_is_few_entries_and_each_touch_is_counted() {
    let app = TestApp::start().await;
    let browser = Client { headers: Vec::new(), ..app.stranger() }.with("sec-fetch-site", "cross-site");
    for number in 0..200 {
        let status = browser.get(&format!("/x{number}/palisade.yaml")).await.status.as_u16();
        assert!([404, 429].contains(&status), "{status}");
    }
    let audit = &app.running.services.audit;
    audit.settle().await.unwrap();
    let filter = audit::Filter { event: Some("canary.touched".to_owned()), ..audit::Filter::default() };
    let found = audit.find(&filter, None, 500).await.unwrap();
    let entries: Vec<Value> = found.iter().map(|entry| serde_json::from_str(&entry.body).unwrap()).collect();
    let count: u64 = entries.iter().map(|entry| entry["count"].as_u64().unwrap_or(1)).sum();
    assert_eq!(count, 200);
    assert!(entries.len() <= 40, "{} entries", entries.len());
    assert!(entries.iter().all(|entry| entry["address"] == browser.from.to_string()), "whose they were");
}

#[tokio::test]
async fn row_87_a_strangers_preflight_costs_what_an_unknown_path_costs_and_opens_nothing_to_who_is_kept_out()
{
    let app = TestApp::builder()
        .with("server.cors.allowed_origins", "https://app.example.com")
        .with("server.trusted_proxies", "127.50.0.0/16")
        .with("rate_limiting.per_minute", "5")
        .start()
        .await;
    let asks = async |client: &Client, origin: &str| {
        let headers = [("origin", origin), ("access-control-request-method", "POST")];
        let seen = client.send(Method::OPTIONS, "/rest/v1/x", &headers, Default::default()).await;
        (seen.status.as_u16(), seen.text())
    };
    let stranger = app.stranger();
    let mut seen = Vec::new();
    for _ in 0..6 {
        seen.push(asks(&stranger, "https://evil.example").await.0);
    }
    assert_eq!(seen, [403, 403, 403, 403, 403, 429]);
    // A page that may is asked for nothing.
    let page = app.stranger();
    for _ in 0..20 {
        assert_eq!(asks(&page, "https://app.example.com").await.0, 204);
    }
    let behind = app.stranger().at("127.50.0.1").with("x-forwarded-proto", "https");
    let behind = behind.with("x-forwarded-for", "198.51.100.7");
    assert_eq!(asks(&behind, "https://app.example.com").await.0, 204);
    for _ in 0..3 {
        behind.get("/.env").await;
    }
    let (status, text) = asks(&behind, "https://app.example.com").await;
    assert!(status == 403 && text.contains("kept out"), "{status} {text}");
}

/// What a stranger wrote is read by an operator, in the log and on a terminal.
#[tokio::test]
async fn row_106_what_strangers_write_fills_no_log_and_is_obeyed_by_no_terminal() {
    let palisade = Palisade::start("serve", &[]).await;
    let address = palisade.ready.url.strip_prefix("http://").unwrap().parse().unwrap();
    let stranger = Client::new(address, Ipv4Addr::LOCALHOST.into());
    let long = format!("https://{}.example", "x".repeat(30_000));
    let headers = [("origin", &*long), ("access-control-request-method", "POST")];
    stranger.send(Method::OPTIONS, "/health", &headers, Default::default()).await.expect(403);
    // CSI as one character (U+009B), and a turn of the reading direction (U+202E).
    let path = "/\u{9b}2J\u{202e}/palisade.yaml";
    let asked = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stranger.raw(asked.as_bytes()).await;
    let mut said = String::new();
    for words in [&["audit", "list"][..], &["alerts", "list"], &["log"]] {
        for _ in 0..100 {
            let output = palisade.command(words).await;
            said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            if said.contains("palisade.yaml") || words == ["log"] {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        assert!(words == ["log"] || said.contains(r"\u009b2J\u202e/palisade.yaml"), "{words:?}: {said}");
        let obeyed = said.chars().find(|letter| letter.is_control() && !matches!(letter, '\n' | '\t'));
        assert!(obeyed.is_none() && !said.contains('\u{202e}'), "{words:?}: {obeyed:?}");
    }
    assert!(said.contains("allowed_origins"), "{said}");
    // Nor in the log itself, where somebody follows it.
    let filed = std::fs::read_to_string(palisade.data().join("logs/combined.log")).unwrap();
    for (place, log) in [("standard error", palisade.output()), ("combined.log", filed)] {
        let obeyed = log.chars().find(|letter| letter.is_control() && *letter != '\n');
        assert!(obeyed.is_none() && !log.contains('\u{202e}'), "{place}: {obeyed:?}");
        assert!(log.contains(r"\u009b2J\u202e/palisade.yaml"), "{place} tells of it: {log}");
    }
    let longest = palisade.output().lines().map(str::len).max().unwrap_or_default();
    assert!(longest < 4_000, "a line of {longest} bytes");
    assert!(palisade.stop().await.success());
}
