//! Channels as an operator and old clients see them: what is not here is said to be not here, and what is set has an effect.

use serde_json::json;
use spec::{Talk, TestApp};

#[tokio::test]
async fn what_is_not_built_is_refused_by_name() {
    let app = TestApp::start().await;
    let mut talk = Talk::with(&app, app.running.keys.secret.expose()).await;
    for config in [
        json!({ "private": true, "postgres_changes": [{ "event": "*", "schema": "public" }] }),
        json!({ "private": true, "broadcast": { "replay": { "since": 1 } } }),
    ] {
        let answer = talk.join("realtime:x", config, None).await;
        assert_eq!(answer["status"], "error", "{answer}");
        let reason = answer["response"]["reason"].as_str().unwrap();
        assert!(reason.starts_with("NotAvailable: ") && reason.contains("join without it"), "{reason}");
    }
    assert_eq!(talk.join("realtime:x", json!({ "private": true }), None).await["status"], "ok");
}

#[tokio::test]
async fn public_channels_are_there_when_they_are_switched_on_and_private_ones_of_the_same_name_are_others() {
    let app = TestApp::builder().unlimited().with("realtime.public_channels", "true").start().await;
    let (mut ann, mut bob, mut program) = (
        Talk::open(&app).await,
        Talk::open(&app).await,
        Talk::with(&app, app.running.keys.secret.expose()).await,
    );
    assert_eq!(ann.join("realtime:x", json!({ "presence": { "key": "ann" } }), None).await["status"], "ok");
    assert_eq!(ann.wait("presence_state").await[4], json!({}));
    assert_eq!(bob.join("realtime:x", json!({ "presence": { "key": "bob" } }), None).await["status"], "ok");
    assert_eq!(program.join("realtime:x", json!({ "private": true }), None).await["status"], "ok");
    let track = json!({ "type": "presence", "event": "track", "payload": { "at": 1 } });
    assert_eq!(ann.ask("realtime:x", "presence", track).await["status"], "ok");
    let diff = bob.wait("presence_diff").await;
    assert_eq!(diff[4]["joins"]["ann"]["metas"][0]["at"], 1, "{diff}");
    let said = json!({ "type": "broadcast", "event": "e", "payload": [1] });
    ann.say("realtime:x", "broadcast", said).await;
    assert_eq!(bob.wait("broadcast").await[4]["payload"], json!([1]));
    drop(ann);
    let diff = bob.wait("presence_diff").await;
    assert_eq!(diff[4]["leaves"]["ann"]["metas"][0]["at"], 1, "{diff}");
    assert_eq!(program.beat().await["status"], "ok");
    assert!(program.heard.iter().all(|said| said[3] == "presence_state"), "{:?}", program.heard);
}

#[tokio::test]
async fn switched_off_nothing_is_there() {
    let app = TestApp::builder().with("realtime.enabled", "false").start().await;
    app.stranger().get("/realtime/v1/websocket").await.expect(404);
    let app = TestApp::start().await;
    app.stranger().get("/realtime/v1/websocket").await.expect(426);
}
