//! The server's roles change under what is asked: nobody is told of them, nobody gets another's answers, and all is well afterwards.

use http::Method;
use serde_json::{Value, json};
use spec::{Client, TestApp};

/// What a caller gets at each door, and every status. Whoever is told that the service is not there is told when to ask again, and in
/// Fluxbase's words that it is that.
async fn doors(client: &Client) -> Vec<(&'static str, u16, String)> {
    let mut seen = Vec::new();
    let insert = "mutation { insertIntonewsCollection(objects: [{id: 2}]) { affectedCount } }";
    for (method, path, body) in [
        (Method::GET, "/rest/v1/news?select=line", Value::Null),
        (Method::POST, "/rest/v1/rpc/latest", json!({})),
        (Method::POST, "/rest/v1/news", json!({ "id": 2 })),
        (Method::GET, "/api/v1/tables/news", Value::Null),
        (Method::POST, "/api/v1/tables/news", json!({ "id": 2 })),
        (Method::POST, "/api/v1/rpc/default/latest", json!({})),
        (Method::POST, "/graphql/v1", json!({ "query": "{ newsCollection { edges { node { line } } } }" })),
        (Method::POST, "/graphql/v1", json!({ "query": insert })),
        (Method::POST, "/api/v1/graphql", json!({ "query": "{ news { line } }" })),
    ] {
        let told = client.json(method, path, body).await;
        if told.status == 503 {
            let wait = told.header("retry-after").parse::<u64>();
            assert!(wait.is_ok_and(|wait| wait > 0), "{path}: {:?}", told.headers);
            let fluxbase = path.starts_with("/api/v1/tables") || path.starts_with("/api/v1/rpc");
            assert!(!fluxbase || told.field("code") == "SERVICE_UNAVAILABLE", "{path}: {}", told.text());
            assert!(!fluxbase || told.value()["retry_after"].is_u64(), "{path}: {}", told.text());
        }
        seen.push((path, told.status.as_u16(), told.text()));
    }
    seen
}

/// Roles belong to a whole server, so this has one of its own.
#[tokio::test]
async fn row_77_a_role_that_is_gone_or_may_not_log_in_is_a_clear_answer_and_works_again_afterwards() {
    const NAME: &str = "attacks::dropped_roles::row_77_a_role_that_is_gone_or_may_not_log_in_is_a_clear_answer_and_works_again_afterwards";
    const ALONE: &str = "PALISADE_SPEC_ALONE";
    if super::full_disk::told(ALONE).is_some() {
        return roles_that_are_gone().await;
    }
    let mut alone = tokio::process::Command::new(std::env::current_exe().unwrap());
    let ran = alone.args(["--exact", NAME, "--nocapture"]).env(ALONE, "1").output().await.unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    let troubles = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && said.contains("1 passed"), "{said}\n{troubles}");
}

async fn roles_that_are_gone() {
    let app = TestApp::builder().unlimited().start().await;
    app.owner(
        "create table news (id int primary key, line text); insert into news values (1, 'one');
         grant select, insert on news to anon, authenticated, service_role;
         create function latest() returns setof news language sql as 'select * from public.news';
         grant execute on function latest to anon, authenticated, service_role;
         create policy everybody_sees on news for select using (true)",
    )
    .await;
    let (ann, admin) = (app.person("ann").await.client, app.database.admin().await);
    const HANG_UP: &str =
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'authenticator'";
    for (client, change, back, statuses) in [
        (app.stranger(), "revoke anon from authenticator", "grant anon to authenticator", [200, 401, 403]),
        (
            app.service(),
            "revoke service_role from authenticator",
            "grant service_role to authenticator",
            [200, 401, 403],
        ),
        (
            ann.clone(),
            "alter role authenticated rename to those",
            "alter role those rename to authenticated",
            [200, 401, 403],
        ),
        (ann.clone(), "alter role authenticator nologin", "alter role authenticator login", [503; 3]),
        (
            ann.clone(),
            "alter role authenticator connection limit 0",
            "alter role authenticator connection limit -1",
            [503; 3],
        ),
        (
            ann.clone(),
            "alter role authenticator valid until '2001-01-01'",
            "alter role authenticator valid until 'infinity'",
            [503; 3],
        ),
    ] {
        app.eventually(async || {
            doors(&client).await.iter().filter(|(_, _, text)| text.contains("one")).count() == 6
        })
        .await;
        admin.batch_execute(change).await.unwrap();
        admin.batch_execute(HANG_UP).await.unwrap();
        // Who was connected is told that the server hung up.
        let hung_up = |told: &Vec<(_, u16, String)>| told.iter().any(|(_, _, text)| text.contains("57P01"));
        app.eventually(async || !hung_up(&doors(&client).await)).await;
        for (door, status, text) in doors(&client).await {
            assert!(statuses.contains(&status), "{change}: {door}: {status} {text}");
            assert!(!text.contains("authenticat") && !text.contains("_role"), "{change}: {door}: {text}");
            assert!(!text.contains("one") || statuses == [503; 3], "{change}: {door}: {text}");
        }
        admin.batch_execute(back).await.unwrap();
    }
    app.eventually(async || {
        doors(&ann).await.iter().filter(|(_, _, text)| text.contains("one")).count() == 6
    })
    .await;
}
