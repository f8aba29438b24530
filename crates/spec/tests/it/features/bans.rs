//! Who is kept out by rules of the operator's own, and by hand: in the running program, as its commands say and lift it.

use std::time::Duration;

use http::Method;
use spec::{Client, Palisade};

const RULES: &str = "detection:\n  jails:\n    - { name: door, paths: ['/side-door*'], max_retry: 2, ban_time: 1h }\n    \
                     - { name: crawler, agents: ['*weirdbot*'], max_retry: 2, ban_time: 1h }\n    \
                     - { name: forger, events: [guard.refused], max_retry: 2, ban_time: 3s }\n\
                     alerts:\n  rules:\n    - { name: out, events: [ban.created], action: log_and_notify }\n    \
                     - { name: in, events: [ban.lifted], action: notify_admin }\n";

fn at(palisade: &Palisade, from: &str) -> Client {
    let address = palisade.ready.url.strip_prefix("http://").unwrap().parse().unwrap();
    Client::new(address, from.parse().unwrap()).with("apikey", &palisade.ready.publishable_key)
}

/// Whether anybody answers; who is kept out hears nothing at all.
async fn is_served(palisade: &Palisade, from: &str) -> bool {
    let asked = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answer = at(palisade, from).raw(asked).await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    !answer.is_empty()
}

async fn becomes(palisade: &Palisade, from: &str, served: bool) {
    for _ in 0..400 {
        if is_served(palisade, from).await == served {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{from} is not {}", if served { "served" } else { "kept out" });
}

async fn said(palisade: &Palisade, words: &[&str]) -> String {
    let output = palisade.command(&[&["bans"], words].concat()).await;
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{words:?}: {text}");
    text
}

/// The list, once it names somebody: they are kept out a moment before it is written down.
async fn listed(palisade: &Palisade, who: &str) -> String {
    let mut list = String::new();
    for _ in 0..100 {
        list = said(palisade, &["list"]).await;
        if list.contains(who) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    list
}

#[tokio::test]
async fn rules_of_ones_own_keep_out_by_path_agent_and_event_and_bans_are_made_and_lifted_by_hand() {
    let place = tempfile::tempdir().unwrap();
    let config = place.path().join("palisade.yaml");
    std::fs::write(&config, RULES).unwrap();
    let palisade = Palisade::start("serve", &["--config", config.to_str().unwrap()]).await;
    let neighbour = "127.81.9.9";
    let asks = async |from: &str, jail: &str| match jail {
        "door" => at(&palisade, from).get("/side-door/left").await,
        "crawler" => at(&palisade, from).with("user-agent", "WeirdBot/2").get("/auth/v1/health").await,
        _ => {
            let form = [("origin", "https://evil.example"), ("content-type", "text/plain")];
            at(&palisade, from).send(Method::POST, "/auth/v1/logout", &form, Default::default()).await
        }
    };
    for (from, jail) in [("127.81.0.1", "door"), ("127.82.0.1", "crawler"), ("127.83.0.1", "forger")] {
        asks(from, jail).await;
        assert!(is_served(&palisade, from).await, "{jail}: one of them is not too many");
        asks(from, jail).await;
        becomes(&palisade, from, false).await;
        assert!(is_served(&palisade, neighbour).await);
        if jail == "forger" {
            // Its time ends by itself.
            becomes(&palisade, from, true).await;
            continue;
        }
        let listed = listed(&palisade, from).await;
        let line = listed.lines().find(|line| line.contains(from)).unwrap_or_else(|| panic!("{listed}"));
        assert!(line.contains(jail), "{listed}");
        said(&palisade, &["remove", from]).await;
        becomes(&palisade, from, true).await;
    }
    // By hand: a network, for a while, and nobody beside it.
    said(&palisade, &["add", "127.84.0.0/24", "--for", "4s", "--reason", "noise"]).await;
    becomes(&palisade, "127.84.0.200", false).await;
    assert!(is_served(&palisade, "127.84.1.200").await && is_served(&palisade, neighbour).await);
    assert!(said(&palisade, &["list"]).await.contains("127.84.0.0/24"));
    becomes(&palisade, "127.84.0.200", true).await;
    assert!(!said(&palisade, &["list"]).await.contains("127.84.0.0/24"), "what is over is not listed");
    // A rule that logs and notifies has its line in the program's log, also where there is nobody to notify; one that only
    // notifies has none. Both are raised.
    let raised = palisade.command(&["alerts", "list"]).await;
    let raised = String::from_utf8_lossy(&raised.stdout).into_owned();
    assert!(raised.contains("ban.created") && raised.contains("ban.lifted"), "{raised}");
    let log = std::fs::read_to_string(palisade.data().join("logs/combined.log")).unwrap();
    let of = |rule: &str| log.lines().filter(|line| line.contains(&format!("\"rule\":\"{rule}\""))).count();
    assert!(of("out") > 0 && of("in") == 0, "{log}");
    assert!(palisade.stop().await.success());
}
