//! Channels as an operator and old clients see them: what is not here is said to be not here, and what is set has an effect.

use serde_json::json;
use spec::{Palisade, Talk, TestApp};

#[tokio::test]
async fn what_is_not_built_is_refused_by_name() {
    let app = TestApp::start().await;
    let mut talk = Talk::with(&app, app.running.keys.secret.expose()).await;
    for config in [
        json!({ "private": true, "postgres_changes": [{ "event": "*", "schema": "public", "table": "t", "select": "a" }] }),
        json!({ "private": true, "broadcast": { "replication_ready": true } }),
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

/// Killed and started again: what changed meanwhile is told to nobody, nothing that was on its way goes to whoever comes first, and what
/// changes from then on is told.
#[tokio::test]
async fn a_killed_server_tells_nobody_later_what_it_owed_somebody_before() {
    let palisade = Palisade::start("dev", &[]).await;
    let admin = async |palisade: &Palisade| {
        let (admin, connection) =
            tokio_postgres::connect(&palisade.ready.database_url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        admin
    };
    let listens = async |palisade: &Palisade| {
        let at = palisade.ready.url.replacen("http", "ws", 1);
        let stream = tokio::net::TcpStream::connect(at.trim_start_matches("ws://")).await.unwrap();
        let mut talk = Talk::over(stream, &at, &palisade.ready.publishable_key).await;
        let config = json!({ "postgres_changes": [{ "event": "*", "schema": "public", "table": "wares" }] });
        let answer = talk.join("realtime:wares", config, None).await;
        assert_eq!(answer["status"], "ok", "{answer}");
        talk
    };
    let before = admin(&palisade).await;
    let table = "create table public.wares (id int primary key, shown boolean);
        create policy shown on public.wares for select to anon using (shown);
        alter publication supabase_realtime add table public.wares";
    before.batch_execute(table).await.unwrap();
    let mut talk = listens(&palisade).await;
    before.batch_execute("insert into public.wares values (1, true)").await.unwrap();
    assert_eq!(talk.wait("postgres_changes").await[4]["data"]["record"]["id"], 1);
    // Written down for a node that is killed, or that was about to tell it.
    before
        .batch_execute("insert into public.wares select g, true from generate_series(2, 2000) g")
        .await
        .unwrap();
    let palisade = palisade.kill_and_start_again("dev", &[]).await;
    let after = admin(&palisade).await;
    after.batch_execute("insert into public.wares values (3000, true), (3001, false)").await.unwrap();
    let mut talk = listens(&palisade).await;
    after.batch_execute("insert into public.wares values (3002, false), (3003, true)").await.unwrap();
    let told = talk.wait("postgres_changes").await;
    assert_eq!(told[4]["data"]["record"]["id"], 3003, "{told}");
    let left = "select count(*) from palisade_changes.changes where number < (select max(number) from palisade_changes.changes)";
    // The node that was killed is waited for, and then forgotten.
    testkit::eventually_within(std::time::Duration::from_secs(60), async || {
        (after.query_one(left, &[]).await.unwrap().get::<_, i64>(0) == 0).then_some(())
    })
    .await;
}
