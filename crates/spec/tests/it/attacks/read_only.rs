//! Keys that may only read, on every surface that can write.

use http::Method;
use serde_json::{Value, json};
use spec::{Client, Talk, TestApp};

const SCHEMA: &str = "
create table public.log (id int generated always as identity primary key, line text);
create policy programs on public.log to service_role using (true) with check (true);
grant all on public.log to service_role;
insert into public.log (line) values ('one');
create function public.shout(what text) returns text language sql as
  'insert into public.log (line) values (what) returning line';
create function public.peek() returns bigint language sql stable as 'select count(*) from public.log';
create function public.sneak() returns bigint language sql stable security definer set search_path = '' as
  'select nextval(''public.log_id_seq'')';
comment on function public.sneak() is '@palisade serve: a test of read-only keys';
create view public.noisy with (security_invoker = true) as select id, public.shout(line) as line from public.log;
grant all on public.noisy to service_role;
grant execute on all functions in schema public to service_role";

async fn key(app: &TestApp, scope: &[&str]) -> Client {
    let new = json!({ "name": "k", "scope": scope });
    let made = app::control::ask(app.data(), Method::POST, "/keys", Some(&new)).await.unwrap();
    let mut client = app.stranger();
    client.headers.clear();
    client.with("apikey", made["key"].as_str().unwrap())
}

/// Attack row 69.
#[tokio::test]
async fn row_69_a_read_only_key_writes_through_no_dialect() {
    let app = TestApp::builder().unlimited().start().await;
    app.owner(SCHEMA).await;
    let ann = app.person("ann").await;
    let reader = key(&app, &["data:read"]).await;
    let both = key(&app, &["data:read", "accounts:read"]).await;
    let lines = async || app.service().get("/rest/v1/log?select=line").await.expect(200).text();
    let before = lines().await;

    for reader in [&reader, &both] {
        // What it is for.
        assert_eq!(reader.get("/rest/v1/log?select=line").await.expect(200).text(), before);
        assert_eq!(reader.get("/rest/v1/rpc/peek").await.expect(200).text(), "1");
        assert_eq!(reader.post("/rest/v1/rpc/peek", json!({})).await.expect(200).text(), "1");
        for (path, query) in [
            ("/graphql/v1", "{ logCollection { edges { node { line } } } }"),
            ("/api/v1/graphql", "{ log { line } }"),
        ] {
            let seen = reader.post(path, json!({ "query": query })).await.expect(200);
            assert!(seen.text().contains("one"), "{path}: {}", seen.text());
        }
        // PostgREST's wire, with every way of asking for another mode or transaction.
        let line = json!({ "line": "two" });
        let prefer = [("prefer", "tx=commit,return=representation"), ("content-type", "application/json")];
        for (method, path, body) in [
            (Method::POST, "/rest/v1/log", line.clone()),
            (Method::POST, "/rest/v1/log?on_conflict=id", line.clone()),
            (Method::PATCH, "/rest/v1/log?id=eq.1", line.clone()),
            (Method::PUT, "/rest/v1/log?id=eq.1", json!({ "id": 1, "line": "x" })),
            (Method::DELETE, "/rest/v1/log?id=eq.1", Value::Null),
            (Method::POST, "/rest/v1/rpc/shout", json!({ "what": "two" })),
            (Method::GET, "/rest/v1/rpc/shout?what=two", Value::Null),
            (Method::POST, "/rest/v1/rpc/sneak", json!({})),
            (Method::GET, "/rest/v1/rpc/sneak", Value::Null),
            (Method::GET, "/rest/v1/noisy", Value::Null),
        ] {
            let seen = reader.send(method.clone(), path, &prefer, body.to_string().into()).await;
            assert!(seen.status.is_client_error(), "{method} {path}: {} {}", seen.status, seen.text());
        }
        // GraphQL, both conventions.
        for (path, query) in [
            (
                "/graphql/v1",
                "mutation { insertIntologCollection(objects: [{ line: \"two\" }]) { affectedCount } }",
            ),
            ("/graphql/v1", "mutation { deleteFromlogCollection(atMost: 9) { affectedCount } }"),
            (
                "/graphql/v1",
                "mutation { updatelogCollection(set: { line: \"x\" }, atMost: 9) { affectedCount } }",
            ),
            ("/graphql/v1", "mutation { shout(what: \"two\") }"),
            ("/api/v1/graphql", "mutation { insert_log(objects: [{ line: \"two\" }]) { affected_rows } }"),
            ("/api/v1/graphql", "mutation { delete_log(where: {}) { affected_rows } }"),
            ("/api/v1/graphql", "mutation { shout(what: \"two\") }"),
        ] {
            let seen = reader.post(path, json!({ "query": query })).await;
            let failed = !seen.status.is_success() || seen.value()["errors"].is_array();
            assert!(failed, "{path} {query}: {}", seen.text());
        }
        // Accounts, keys' own administration and logins of the database.
        let id = ann.id.clone();
        for (method, path, body) in [
            (Method::POST, "/auth/v1/admin/users".to_owned(), json!({ "email": "a@example.com" })),
            (Method::PUT, format!("/auth/v1/admin/users/{id}"), json!({ "role": "service_role" })),
            (Method::DELETE, format!("/auth/v1/admin/users/{id}"), Value::Null),
            (
                Method::POST,
                "/auth/v1/admin/generate_link".to_owned(),
                json!({ "type": "magiclink", "email": ann.email }),
            ),
            (Method::POST, "/auth/v1/invite".to_owned(), json!({ "email": "b@example.com" })),
            (Method::PUT, "/admin/v1/roles/boss".to_owned(), json!({ "grants": ["*"] })),
            (
                Method::POST,
                "/admin/v1/database/readonly".to_owned(),
                json!({ "purpose": "x", "expires_in_seconds": 60 }),
            ),
            (Method::GET, "/admin/v1/database/readonly".to_owned(), Value::Null),
        ] {
            let seen = reader.json(method.clone(), &path, body).await;
            assert!(seen.status.is_client_error(), "{method} {path}: {} {}", seen.status, seen.text());
        }
    }
    assert_eq!(lines().await, before, "something was written");
    assert_eq!(ann.client.get("/auth/v1/user").await.expect(200).value()["role"], "authenticated");

    // The neighbour: a key that may write does, and its own area only.
    let writer = key(&app, &["data:write"]).await;
    writer.post("/rest/v1/rpc/shout", json!({ "what": "two" })).await.expect(200);
    let mutation = json!({ "query": "mutation { insertIntologCollection(objects: [{ line: \"three\" }]) { affectedCount } }" });
    let seen = writer.post("/graphql/v1", mutation).await.expect(200);
    assert_eq!(seen.value()["data"]["insertIntologCollection"]["affectedCount"], 1, "{}", seen.text());
    for narrow in [&writer, &key(&app, &["accounts:write"]).await] {
        let lend = json!({ "purpose": "x", "expires_in_seconds": 60 });
        narrow.post("/admin/v1/database/readonly", lend).await.expect(403);
    }
}

/// Row 69 on a socket: who may only read is in the channel, hears, and says nothing.
#[tokio::test]
async fn row_69_a_read_only_key_hears_on_a_socket_and_says_nothing() {
    let app = TestApp::builder().unlimited().start().await;
    app.owner("create policy room on realtime.messages for select to authenticated using (realtime.topic() = 'room')")
        .await;
    let text = |client: Client| client.headers.into_iter().find(|(name, _)| name == "apikey").unwrap().1;
    let (reader, writer) = (text(key(&app, &["data:read"]).await), text(key(&app, &["data:write"]).await));
    let private = json!({ "private": true, "broadcast": { "ack": true } });
    let (mut reads, mut writes) = (Talk::with(&app, &reader).await, Talk::with(&app, &writer).await);
    for talk in [&mut reads, &mut writes] {
        assert_eq!(talk.join("realtime:room", private.clone(), None).await["status"], "ok");
    }
    let said = json!({ "type": "broadcast", "event": "x", "payload": { "by": "reader" } });
    let refused = reads.ask("realtime:room", "broadcast", said).await;
    assert_eq!(refused["status"], "error", "{refused}");
    let here = json!({ "type": "presence", "event": "track", "payload": { "by": "reader" } });
    let refused = reads.ask("realtime:room", "presence", here).await;
    assert_eq!(refused["status"], "error", "{refused}");
    // The neighbour says something, and the other hears that alone.
    let said = json!({ "type": "broadcast", "event": "x", "payload": { "by": "writer" } });
    assert_eq!(writes.ask("realtime:room", "broadcast", said).await["status"], "ok");
    let heard = reads.wait("broadcast").await;
    assert_eq!(heard[4]["payload"]["by"], "writer", "{heard}");
    assert!(writes.heard.iter().all(|said| !said.to_string().contains("reader")), "{:?}", writes.heard);
}
