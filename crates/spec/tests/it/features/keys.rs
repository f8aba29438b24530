//! Keys of programs: limited in what they open, where from and for how long; every use recorded (control 150).

use http::Method;
use serde_json::{Value, json};
use spec::{Client, TestApp};

/// A table that only programs see, and a function that writes into it.
const LOG: &str = "create table log (id int generated always as identity primary key, line text);
    grant all on log to service_role;
    insert into log (line) values ('one');
    create function shout(what text) returns text language sql as 'insert into public.log (line) values (what) returning line';
    grant execute on function shout to service_role";

/// Makes a key as `palisade keys create` does.
async fn key(app: &TestApp, new: Value) -> (String, Client) {
    let made = app::control::ask(app.data(), Method::POST, "/keys", Some(&new)).await.unwrap();
    let mut client = app.stranger();
    client.headers.clear();
    (made["id"].as_str().unwrap().to_owned(), client.with("apikey", made["key"].as_str().unwrap()))
}

async fn revoke(app: &TestApp, id: &str) -> Result<Value, app::control::Error> {
    app::control::ask(app.data(), Method::DELETE, &format!("/keys/{id}"), None).await
}

fn named(name: &str, scope: &[&str]) -> Value {
    json!({ "name": name, "scope": scope })
}

/// Attack row 69.
#[tokio::test]
async fn a_key_that_may_only_read_writes_through_nothing() {
    let app = TestApp::start().await;
    app.owner(LOG).await;
    let (_, reader) = key(&app, named("reader", &["data:read"])).await;
    assert_eq!(reader.get("/rest/v1/log?select=line").await.expect(200).text(), r#"[{"line":"one"}]"#);

    let line = json!({ "line": "two" });
    let refused = [
        reader.post("/rest/v1/log", line.clone()).await,
        reader.json(Method::PATCH, "/rest/v1/log?id=eq.1", line.clone()).await,
        reader.json(Method::PUT, "/rest/v1/log?id=eq.1", json!({ "id": 1, "line": "x" })).await,
        reader.json(Method::DELETE, "/rest/v1/log?id=eq.1", Value::Null).await,
        reader.post("/rest/v1/rpc/shout", json!({ "what": "two" })).await,
        reader.get("/rest/v1/rpc/shout?what=two").await,
        reader.get("/auth/v1/admin/users").await,
        reader.post("/auth/v1/admin/users", json!({ "email": "a@example.com" })).await,
    ];
    for seen in refused {
        assert!(seen.status.is_client_error(), "{} {}", seen.status, seen.text());
    }
    assert_eq!(reader.get("/rest/v1/log?select=line").await.expect(200).text(), r#"[{"line":"one"}]"#);

    let (_, writer) = key(&app, named("writer", &["data:write"])).await;
    writer.post("/rest/v1/rpc/shout", json!({ "what": "two" })).await.expect(200);
    writer.get("/auth/v1/admin/users").await.expect(403);
}

#[tokio::test]
async fn a_key_for_accounts_opens_no_rows_and_one_that_reads_them_changes_none() {
    let app = TestApp::start().await;
    app.owner(LOG).await;
    let (_, reader) = key(&app, named("auditor", &["accounts:read"])).await;
    reader.get("/auth/v1/admin/users").await.expect(200);
    reader.post("/auth/v1/admin/users", json!({ "email": "a@example.com" })).await.expect(403);
    reader.get("/rest/v1/log").await.expect(403);
    let (_, writer) = key(&app, named("importer", &["accounts:write"])).await;
    writer.post("/auth/v1/admin/users", json!({ "email": "a@example.com" })).await.expect(200);
}

#[tokio::test]
async fn a_key_works_where_and_while_it_may() {
    let app = TestApp::start().await;
    app.owner(LOG).await;
    let limited = json!({ "name": "office", "addresses": ["127.9.0.0/24"], "lives_seconds": 3600 });
    let (id, office) = key(&app, limited).await;
    office.clone().at("127.9.0.7").get("/rest/v1/log").await.expect(200);
    let elsewhere = office.clone().at("127.9.1.7").get("/rest/v1/log").await.expect(401);
    assert!(!elsewhere.text().contains("address"), "a thief learns nothing: {}", elsewhere.text());
    assert!(app.audited("key.refused").await);
    // Whomever it is sent along with.
    let ann = app.person("ann").await;
    let token = ann.client.headers.iter().find(|(name, _)| name == "authorization").unwrap().1.clone();
    office.clone().at("127.9.1.7").with("authorization", &token).get("/rest/v1/log").await.expect(401);
    // Never from a browser, wherever that is.
    office
        .clone()
        .at("127.9.0.7")
        .with("origin", "https://evil.example")
        .get("/rest/v1/log")
        .await
        .expect(403);

    app.clock.advance(std::time::Duration::from_secs(3601));
    office.clone().at("127.9.0.7").get("/rest/v1/log").await.expect(401);

    let (id_two, other) = key(&app, named("other", &[])).await;
    assert_ne!(id, id_two);
    other.get("/rest/v1/log").await.expect(200);
    revoke(&app, &id_two).await.unwrap();
    other.get("/rest/v1/log").await.expect(401);
    assert!(revoke(&app, &id_two).await.is_err(), "there is none any more");
}

#[tokio::test]
async fn the_instance_can_keep_all_secret_keys_at_home() {
    let app = TestApp::builder().with("auth.service_role_addresses", "127.8.0.1, 127.9.0.0/16").start().await;
    app.owner(LOG).await;
    let service = app.service();
    service.clone().at("127.8.0.1").get("/rest/v1/log").await.expect(200);
    service.clone().at("127.9.3.3").get("/rest/v1/log").await.expect(200);
    service.clone().at("127.7.0.1").get("/rest/v1/log").await.expect(401);
    // The same in the form of a token.
    let token = app.running.keys.service_token.expose().clone();
    let with_token = |from: &str| app.stranger().at(from).with("authorization", &format!("Bearer {token}"));
    with_token("127.7.0.1").get("/rest/v1/log").await.expect(401);
    with_token("127.8.0.1").get("/rest/v1/log").await.expect(200);
    // People are not programs.
    let ann = app.person("ann").await;
    ann.client.clone().at("127.7.0.1").get("/auth/v1/user").await.expect(200);
    // And a program is no person for naming one.
    const SECRET: &str = "kH7fD2mQ9xR4tW8zB1nV6pL3sJ5gA0cE";
    let app = TestApp::builder()
        .with("auth.service_role_addresses", "127.8.0.1")
        .with("auth.jwt_secret", SECRET)
        .start()
        .await;
    app.owner(LOG).await;
    let token = spec::hs256(SECRET.as_bytes(), &json!({ "role": "service_role", "sub": ann.id }));
    let with_token = |from: &str| app.stranger().at(from).with("authorization", &format!("Bearer {token}"));
    with_token("127.8.0.1").get("/rest/v1/log").await.expect(200);
    with_token("127.7.0.1").get("/rest/v1/log").await.expect(401);
}

#[tokio::test]
async fn every_use_of_a_program_is_in_the_log_by_key_address_and_route() {
    let app = TestApp::start().await;
    app.owner(LOG).await;
    let (id, program) = key(&app, named("nightly", &["data:read"])).await;
    let program = program.at("127.9.9.9");
    for _ in 0..3 {
        program.get("/rest/v1/log").await.expect(200);
    }
    let audit = &app.running.services.audit;
    audit.settle().await.unwrap();
    let filter = audit::Filter { event: Some("key.used".to_owned()), ..audit::Filter::default() };
    let found = audit.find(&filter, None, 10).await.unwrap();
    let bodies: Vec<Value> = found.iter().map(|entry| serde_json::from_str(&entry.body).unwrap()).collect();
    let mine: Vec<&Value> = bodies.iter().filter(|body| body["actor"] == format!("key:{id}")).collect();
    let count: u64 = mine.iter().map(|body| body["count"].as_u64().unwrap_or(1)).sum();
    assert_eq!(count, 3, "{bodies:?}");
    assert!(
        mine.iter().all(|body| body.to_string().contains("127.9.9.9") && body.to_string().contains("GET ")),
        "{mine:?}"
    );
}

/// A door of each dialect that a secret key opens.
fn doors() -> Vec<(Method, &'static str, Value)> {
    let message = json!({ "topic": "room", "event": "x", "payload": {}, "private": true });
    vec![
        (Method::GET, "/rest/v1/log?select=line", Value::Null),
        (Method::POST, "/rest/v1/rpc/shout", json!({ "what": "x" })),
        (Method::GET, "/rest/v1/", Value::Null),
        (Method::POST, "/graphql/v1", json!({ "query": "{ logCollection { edges { node { line } } } }" })),
        (Method::POST, "/api/v1/graphql", json!({ "query": "{ log { line } }" })),
        (Method::GET, "/api/v1/tables/log", Value::Null),
        (Method::POST, "/api/v1/tables/log/query", json!({})),
        (Method::POST, "/api/v1/rpc/default/shout", json!({ "params": { "what": "x" } })),
        (Method::GET, "/api/v1/rpc/procedures", Value::Null),
        (Method::POST, "/realtime/v1/api/broadcast", json!({ "messages": [message] })),
        (Method::GET, "/realtime/v1/websocket?vsn=2.0.0", Value::Null),
        (Method::GET, "/auth/v1/admin/users", Value::Null),
        (Method::GET, "/admin/v1/roles", Value::Null),
    ]
}

#[tokio::test]
async fn a_key_is_held_to_its_place_its_time_and_its_programs_by_every_dialect() {
    let app = TestApp::builder().unlimited().start().await;
    app.owner(LOG).await;
    let (id, office) =
        key(&app, json!({ "name": "office", "addresses": ["127.9.0.0/24"], "lives_seconds": 3600 })).await;
    let there = office.clone().at("127.9.0.7");
    let status = async |client: &Client, (method, path, body): &(Method, &str, Value)| {
        let seen = match body {
            Value::Null => client.send(method.clone(), path, &[], Default::default()).await,
            body => client.json(method.clone(), path, body.clone()).await,
        };
        seen.status.as_u16()
    };
    for door in &doors() {
        let open = status(&there, door).await;
        // A socket wants an upgrade, but whoever asks for it was let in.
        assert!(
            open < 300 || door.1.contains("websocket") && ![401, 403].contains(&open),
            "{door:?}: {open}"
        );
        assert_eq!(status(&office.clone().at("127.9.1.7"), door).await, 401, "{door:?} from elsewhere");
        // An image or a link of a page has no origin. Node.js says how it fetches, and is none.
        for (name, value) in
            [("origin", "https://app.example"), ("sec-fetch-site", "cross-site"), ("sec-fetch-site", "none")]
        {
            let seen = status(&there.clone().with(name, value), door).await;
            assert!([401, 403].contains(&seen), "{door:?} from a page: {name}: {seen}");
        }
        assert_eq!(
            status(&there.clone().with("sec-fetch-mode", "cors"), door).await,
            open,
            "{door:?} by Node.js"
        );
        // In the other places where a key may stand.
        let secret = office.headers.iter().find(|(name, _)| name == "apikey").unwrap().1.clone();
        let bare = Client { headers: Vec::new(), ..office.clone() };
        let bearer = bare.clone().with("authorization", &format!("Bearer {secret}")).at("127.9.1.7");
        assert_eq!(status(&bearer, door).await, 401, "{door:?} as a bearer from elsewhere");
    }
    let audit = &app.running.services.audit;
    audit.settle().await.unwrap();
    let filter = audit::Filter { event: Some("key.used".to_owned()), ..audit::Filter::default() };
    let found = audit.find(&filter, None, 200).await.unwrap();
    let mine: Vec<String> =
        found.iter().map(|entry| entry.body.to_string()).filter(|body| body.contains(&id)).collect();
    for route in [
        "GET /rest/v1/",
        "POST /rest/v1/rpc/",
        "POST /graphql/v1",
        "POST /api/v1/graphql",
        "GET /api/v1/tables/",
        "POST /api/v1/tables/",
        "POST /api/v1/rpc/",
        "POST /realtime/v1/api/broadcast",
        "GET /auth/v1/admin/users",
        "GET /admin/v1/roles",
    ] {
        assert!(mine.iter().any(|body| body.contains(route)), "{route} is not in the log: {mine:#?}");
    }
    assert!(mine.iter().all(|body| body.contains("127.9.0.7") && !body.contains("127.9.1.7")), "{mine:?}");

    app.clock.advance(std::time::Duration::from_secs(3601));
    for door in &doors() {
        assert_eq!(status(&there, door).await, 401, "{door:?} after its time");
    }
}

/// Areas of keys: a key opens what its scope names, in every dialect of it, and reads where it may only read.
#[tokio::test]
async fn a_scope_is_the_same_in_every_dialect() {
    let app = TestApp::builder().unlimited().start().await;
    app.owner(LOG).await;
    let (_, reader) = key(&app, named("reader", &["data:read"])).await;
    let (_, accounts) = key(&app, named("accounts", &["accounts:read"])).await;
    let lines = async || app.service().get("/rest/v1/log?select=line").await.expect(200).text();
    let before = lines().await;
    let message = json!({ "messages": [{ "topic": "room", "event": "x", "payload": {}, "private": true }] });
    for (method, path, body) in [
        (Method::POST, "/api/v1/tables/log", json!({ "line": "two" })),
        (Method::POST, "/api/v1/tables/log?on_conflict=id", json!({ "line": "two" })),
        (Method::PATCH, "/api/v1/tables/log?id=eq.1", json!({ "line": "two" })),
        (Method::PATCH, "/api/v1/tables/log/1", json!({ "line": "two" })),
        (Method::PUT, "/api/v1/tables/public/log/1", json!({ "line": "two" })),
        (Method::DELETE, "/api/v1/tables/log?id=eq.1", Value::Null),
        (Method::DELETE, "/api/v1/tables/log/1", Value::Null),
        (Method::POST, "/api/v1/rpc/default/shout", json!({ "params": { "what": "two" } })),
        (Method::POST, "/realtime/v1/api/broadcast", message),
    ] {
        let seen = reader.json(method.clone(), path, body).await;
        assert!(seen.status.is_client_error(), "{method} {path}: {} {}", seen.status, seen.text());
    }
    assert_eq!(lines().await, before);
    // What only reads is open to the one, and nothing of rows to the other.
    for (method, path, body) in doors() {
        if path.contains("/auth/") || path.contains("/admin/") {
            continue;
        }
        assert_eq!(accounts.json(method.clone(), path, body.clone()).await.status, 403, "{method} {path}");
    }
    reader.get("/api/v1/tables/log").await.expect(200);
    reader.post("/api/v1/tables/log/query", json!({})).await.expect(200);
    accounts.get("/auth/v1/admin/users").await.expect(200);
    // Roles are of accounts: who may read those sees them, and gives none.
    accounts.get("/admin/v1/roles").await.expect(200);
    reader.get("/admin/v1/roles").await.expect(403);
    accounts.json(Method::PUT, "/admin/v1/roles/boss", json!({ "grants": ["all:*"] })).await.expect(403);
}
