//! Two nodes of one instance on one database (rows 42 and 44): what ends at one is over at the other.

use std::time::Duration;

use http::Method;
use serde_json::json;
use spec::{Client, Person, Talk, TestApp};

use super::tokens::{DOORS, assert_let_in, with_notes};

/// How long it takes until no API of this node takes what `client` shows.
async fn until_refused(app: &TestApp, client: &Client, how: &str) -> Duration {
    let began = testkit::Stopwatch::start();
    loop {
        let mut open = Vec::new();
        for (door, _) in DOORS {
            let seen = Client { server: app.running.address, ..client.clone() }.get(door).await;
            // The banned are told so: 403.
            if ![401, 403].contains(&seen.status.as_u16()) {
                open.push((door, seen.status));
            }
        }
        match began.elapsed() {
            took if open.is_empty() => return took,
            took => assert!(took < Duration::from_secs(5), "{how}: taken after {took:?} at {open:?}"),
        }
    }
}

/// Both under one name, as nodes behind one proxy are.
async fn two_nodes() -> (TestApp, TestApp) {
    let named = || TestApp::builder().with("auth.jwt_issuer", "https://nodes.example.com/auth/v1");
    let here = with_notes(named()).await;
    let there = named().unlimited().node_of(&here).start().await;
    (here, there)
}

fn bearer(app: &TestApp, token: &str) -> Client {
    app.stranger().with("authorization", &format!("Bearer {token}"))
}

#[tokio::test]
async fn row_42_a_session_that_ends_at_one_node_is_over_at_the_other_within_a_second() {
    let (here, there) = two_nodes().await;
    for how in ["signed out", "banned", "ended by an administrator", "another password", "removed"] {
        let mut quickest = Duration::MAX;
        // The machine that tests this does much else: one of three has to be quick.
        for round in 0..3 {
            let ann = here.person(&format!("p{round}-{}", how.replace(' ', "-"))).await;
            // Both have seen the token, and remember it.
            assert_let_in(&here, how, &ann.access_token).await;
            assert_let_in(&there, how, &ann.access_token).await;
            let mut socket = Talk::open(&there).await;
            let joined =
                socket.join("realtime:row", json!({ "private": true }), Some(&ann.access_token)).await;
            assert_eq!(joined["status"], "ok", "{joined}");
            let user = format!("/auth/v1/admin/users/{}", ann.id);
            match how {
                "signed out" => drop(ann.client.post("/auth/v1/logout", json!({})).await.expect(204)),
                "banned" => {
                    let body = json!({ "ban_duration": "1h" });
                    here.service().json(Method::PUT, &user, body).await.expect(200);
                }
                "ended by an administrator" => {
                    let path = format!("{user}/sessions");
                    here.service().send(Method::DELETE, &path, &[], "".into()).await.expect(204);
                }
                "removed" => drop(here.service().json(Method::DELETE, &user, json!({})).await.expect(200)),
                _ => {
                    let session =
                        Person::sign_in(&here.stranger(), &ann.email, &ann.password).await.expect(200);
                    let other = Person::from(&here.stranger(), &ann.email, &session.value());
                    let body = json!({ "password": "Another-Horse-8-Battery!" });
                    other.client.json(Method::PUT, "/auth/v1/user", body).await.expect(200);
                }
            }
            let began = testkit::Stopwatch::start();
            until_refused(&there, &bearer(&there, &ann.access_token), how).await;
            assert_eq!(socket.closed().await, 1008, "{how}");
            let again = Talk::open(&there)
                .await
                .join("realtime:row", json!({ "private": true }), Some(&ann.access_token))
                .await;
            assert_eq!(again["status"], "error", "{how}: {again}");
            quickest = quickest.min(began.elapsed());
            let refresh = json!({ "refresh_token": ann.refresh_token });
            there.stranger().post("/auth/v1/token?grant_type=refresh_token", refresh).await.expect(400);
            if quickest < Duration::from_secs(1) {
                break;
            }
        }
        assert!(quickest < Duration::from_secs(1), "{how}: {quickest:?}");
    }
    // Somebody else at the other node notices nothing.
    let bob = here.person("bob").await;
    assert_let_in(&there, "somebody else", &bob.access_token).await;
}

#[tokio::test]
async fn row_42_a_key_that_is_taken_back_at_one_node_opens_nothing_at_the_other_within_a_second() {
    let (here, there) = two_nodes().await;
    let ask = async |method: Method, path: &str, wanted: Option<serde_json::Value>| {
        app::control::ask(here.data(), method, path, wanted.as_ref()).await.unwrap()
    };
    let mut quickest = Duration::MAX;
    for round in 0..3 {
        let (ann, lost) = (
            here.person(&format!("ann{round}")).await,
            ask(Method::POST, "/keys/rotate", Some(json!({ "compromised": false }))).await,
        );
        assert_eq!(lost["refused"], json!([]));
        assert_let_in(&there, "of the last key", &ann.access_token).await;
        let mut socket = Talk::open(&there).await;
        let joined = socket.join("realtime:row", json!({ "private": true }), Some(&ann.access_token)).await;
        assert_eq!(joined["status"], "ok", "{joined}");
        ask(Method::POST, "/keys/rotate", Some(json!({ "compromised": true }))).await;
        quickest = quickest.min(until_refused(&there, &bearer(&there, &ann.access_token), "its key").await);
        assert_eq!(socket.closed().await, 1008);
        // Whoever it was signed for refreshes there, and is let in at both.
        let refresh = json!({ "refresh_token": ann.refresh_token });
        let next =
            there.stranger().post("/auth/v1/token?grant_type=refresh_token", refresh).await.expect(200);
        let next = next.field("access_token");
        assert_let_in(&here, "signed anew", &next).await;
        assert_let_in(&there, "signed anew", &next).await;
        if quickest < Duration::from_secs(1) {
            break;
        }
    }
    assert!(quickest < Duration::from_secs(1), "the signing key: {quickest:?}");
    let mut quickest = Duration::MAX;
    for round in 0..3 {
        let made = ask(Method::POST, "/keys", Some(json!({ "name": format!("program_{round}") }))).await;
        let (id, secret) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
        let program = Client { headers: vec![], ..there.stranger() }.with("apikey", secret);
        // The other node is told of a new key as of one that is taken back.
        there.eventually(async || program.get("/auth/v1/admin/users").await.status == 200).await;
        ask(Method::DELETE, &format!("/keys/{id}"), None).await;
        quickest = quickest.min(until_refused(&there, &program, "a program's key").await);
        if quickest < Duration::from_secs(1) {
            break;
        }
    }
    assert!(quickest < Duration::from_secs(1), "a program's key: {quickest:?}");
    there.service().get("/auth/v1/admin/users").await.expect(200);
}
