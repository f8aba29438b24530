//! Writes that come again (`Idempotency-Key`, control 125).

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use spec::person::PASSWORD;
use spec::{Client, Person, Seen, TestApp};

const ORDERS: &str = "create table public.orders (id bigint generated always as identity primary key, owner uuid not null default auth.uid(), item text not null check (item <> ''), n int not null default 1);
     create policy own on public.orders to authenticated using (owner = (select auth.uid())) with check (owner = (select auth.uid()));
     create function public.place(item text) returns bigint language sql as 'insert into public.orders (item) values ($1) returning id';
     create function public.total() returns bigint language sql stable as 'select count(*) from public.orders';";

fn keyed(client: &Client, key: &str) -> Client {
    client.clone().with("idempotency-key", key).with("prefer", "return=representation")
}

async fn count(client: &Client) -> usize {
    client.get("/rest/v1/orders?select=id").await.expect(200).value().as_array().unwrap().len()
}

#[tokio::test]
async fn a_write_that_comes_again_is_done_once_and_answered_alike() {
    let app = TestApp::builder().unlimited().start().await;
    app.owner(ORDERS).await;
    let ann = app.person("ann").await.client;
    let order = json!({ "item": "tea" });
    let first = keyed(&ann, "\"k-1\"").post("/rest/v1/orders", order.clone()).await.expect(201);
    assert_eq!(first.header("idempotent-replayed"), "");
    let again = keyed(&ann, "\"k-1\"").post("/rest/v1/orders", order.clone()).await.expect(201);
    assert_eq!((again.value(), again.header("idempotent-replayed")), (first.value(), "true"));
    assert_eq!(again.header("content-range"), first.header("content-range"));
    // Bare or quoted, it is the same key.
    assert_eq!(
        keyed(&ann, "k-1").post("/rest/v1/orders", order.clone()).await.expect(201).value(),
        first.value()
    );
    assert_eq!(count(&ann).await, 1);

    let other = keyed(&ann, "k-1").post("/rest/v1/orders", json!({ "item": "coffee" })).await.expect(422);
    assert_eq!(other.value()["code"], "data.idempotency.other_request");
    let minimal = ann.clone().with("idempotency-key", "k-1").post("/rest/v1/orders", order.clone()).await;
    minimal.expect(422);
    keyed(&ann, "k-1").json(Method::PATCH, "/rest/v1/orders?id=gt.0", order.clone()).await.expect(422);
    assert_eq!(count(&ann).await, 1);

    // Another key, or somebody else's same key, is another write.
    keyed(&ann, "k-2").post("/rest/v1/orders", order.clone()).await.expect(201);
    let bob = app.person("bob").await.client;
    let his = keyed(&bob, "k-1").post("/rest/v1/orders", order.clone()).await.expect(201);
    assert_eq!(his.header("idempotent-replayed"), "");
    assert_eq!((count(&ann).await, count(&bob).await), (2, 1));

    // After a day it is forgotten.
    app.clock.advance(Duration::from_secs(24 * 3600 + 1));
    let stranger = app.stranger();
    let session = Person::sign_in(&stranger, "ann@example.com", PASSWORD).await.expect(200).value();
    let ann = Person::from(&stranger, "ann@example.com", &session).client;
    let later = keyed(&ann, "k-1").post("/rest/v1/orders", order).await.expect(201);
    assert_eq!((later.header("idempotent-replayed"), count(&ann).await), ("", 3));
}

#[tokio::test]
async fn fifty_at_once_make_one_row() {
    let app = TestApp::builder().unlimited().start().await;
    app.owner(ORDERS).await;
    let ann = app.person("ann").await.client;
    let sender = keyed(&ann, "8e03978e-40d5-43dd-bc93-6894a57f9324");
    let mut sent = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let sender = sender.clone();
        sent.spawn(async move { sender.post("/rest/v1/orders", json!({ "item": "tea" })).await });
    }
    let seen = sent.join_all().await;
    let of = |status: u16| seen.iter().filter(|one| one.status == status).count();
    assert_eq!(of(201) + of(409), 50, "{:?}", seen.iter().map(|one| one.status).collect::<Vec<_>>());
    let fresh =
        seen.iter().filter(|one| one.status == 201 && one.header("idempotent-replayed").is_empty()).count();
    assert_eq!((fresh, count(&ann).await), (1, 1));
    for running in seen.iter().filter(|one| one.status == 409) {
        assert_eq!(running.value()["code"], "data.idempotency.running");
        assert_eq!(running.header("retry-after"), "1");
    }
    let ids: Vec<Value> =
        seen.iter().filter(|one| one.status == 201).map(|one| one.value()[0]["id"].clone()).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[tokio::test]
async fn what_was_rolled_back_is_not_remembered() {
    let app = TestApp::builder().unlimited().start().await;
    app.owner(ORDERS).await;
    let ann = app.person("ann").await.client;
    keyed(&ann, "k").post("/rest/v1/orders", json!({ "item": "" })).await.expect(400);
    keyed(&ann, "k").post("/rest/v1/orders", json!({ "item": "tea" })).await.expect(201);
    assert_eq!(count(&ann).await, 1);

    // Cut off in the middle: neither the row nor the answer is there, and the same write is then done.
    app.admin(
        "create function public.cut() returns trigger language plpgsql security definer as $$ begin perform pg_terminate_backend(pg_backend_pid()); return new; end $$;
         create constraint trigger cut after insert on public.orders deferrable initially deferred for each row when (new.item = 'cut') execute function public.cut();",
    )
    .await;
    let cut = keyed(&ann, "c").post("/rest/v1/orders", json!({ "item": "cut" })).await;
    assert!(cut.status.is_server_error(), "{}", cut.text());
    app.admin("drop trigger cut on public.orders").await;
    let kept =
        app.database.admin().await.query_one("SELECT count(*) FROM idempotency.answers", &[]).await.unwrap();
    assert_eq!((kept.get::<_, i64>(0), count(&ann).await), (1, 1));
    let again = keyed(&ann, "c").post("/rest/v1/orders", json!({ "item": "cut" })).await.expect(201);
    assert_eq!((again.header("idempotent-replayed"), count(&ann).await), ("", 2));
}

#[tokio::test]
async fn functions_changes_removals_and_mutations_are_done_once_too() {
    let app = TestApp::builder().unlimited().start().await;
    app.owner(ORDERS).await;
    let ann = app.person("ann").await.client;
    let placed =
        keyed(&ann, "rpc").post("/rest/v1/rpc/place", json!({ "item": "tea" })).await.expect(200).value();
    let again = keyed(&ann, "rpc").post("/rest/v1/rpc/place", json!({ "item": "tea" })).await.expect(200);
    assert_eq!((again.value(), again.header("idempotent-replayed")), (placed, "true"));
    // A function that only reads is asked every time.
    for expected in [1, 2] {
        assert_eq!(
            keyed(&ann, "read").post("/rest/v1/rpc/total", json!({})).await.expect(200).value(),
            json!(expected)
        );
        ann.post("/rest/v1/orders", json!({ "item": "more" })).await.expect(201);
    }

    let change = json!({ "n": 5 });
    let patched =
        keyed(&ann, "p").json(Method::PATCH, "/rest/v1/orders?item=eq.tea", change.clone()).await.expect(200);
    ann.json(Method::PATCH, "/rest/v1/orders?item=eq.tea", json!({ "n": 6 })).await.expect(204);
    let again = keyed(&ann, "p").json(Method::PATCH, "/rest/v1/orders?item=eq.tea", change).await.expect(200);
    assert_eq!(again.value(), patched.value());
    assert_eq!(ann.get("/rest/v1/orders?item=eq.tea&select=n").await.value(), json!([{ "n": 6 }]));

    let mutation = json!({ "query": "mutation { insertIntoordersCollection(objects: [{ item: \"gql\" }]) { records { id } } }" });
    let graphql = |key: &str| keyed(&ann, key);
    let made = graphql("g").post("/graphql/v1", mutation.clone()).await.expect(200).value();
    assert!(made["data"].is_object(), "{made}");
    assert_eq!(graphql("g").post("/graphql/v1", mutation.clone()).await.expect(200).value(), made);
    assert_eq!(ann.get("/rest/v1/orders?item=eq.gql&select=n").await.value(), json!([{ "n": 1 }]));
    let other = json!({ "query": "mutation { insertIntoordersCollection(objects: [{ item: \"x\" }]) { affectedCount } }" });
    let refused = graphql("g").post("/graphql/v1", other).await.value();
    assert_eq!(refused["errors"][0]["extensions"]["code"], "data.idempotency.other_request", "{refused}");
}

#[tokio::test]
async fn a_key_is_a_short_text_and_of_nobody_a_long_one() {
    let app = TestApp::builder().unlimited().start().await;
    app.owner(
        "create table public.wishes (id bigint generated always as identity primary key, wish text, blob text);
         create policy any_insert on public.wishes for insert to anon, authenticated with check (true);
         create policy any_select on public.wishes for select to anon, authenticated using (true);",
    )
    .await;
    let (ann, stranger) = (app.person("ann").await.client, app.stranger());
    for wrong in ["\"open", "a\"b", &"k".repeat(256)] {
        keyed(&ann, wrong).post("/rest/v1/wishes", json!({ "wish": "w" })).await.expect(400);
    }
    keyed(&stranger, "short").post("/rest/v1/wishes", json!({ "wish": "w" })).await.expect(400);
    let long = keyed(&stranger, "8e03978e-40d5-43dd-bc93-6894a57f9324");
    let first = long.post("/rest/v1/wishes", json!({ "wish": "w" })).await.expect(201).value();
    assert_eq!(long.post("/rest/v1/wishes", json!({ "wish": "w" })).await.expect(201).value(), first);
    // What is too large to be kept is refused whole; without its answer it is small.
    let large = json!({ "blob": "x".repeat(1024 * 1024) });
    let refused = keyed(&ann, "large").post("/rest/v1/wishes", large.clone()).await.expect(413).value();
    assert_eq!(refused["code"], "data.idempotency.answer_too_large");
    assert_eq!(ann.get("/rest/v1/wishes?blob=not.is.null&select=id").await.value(), json!([]));
    ann.clone().with("idempotency-key", "large").post("/rest/v1/wishes", large).await.expect(201);
}

/// The same order by REST, a function, a Fluxbase table and GraphQL, each with a key of its own that is the same each time.
async fn order_by_every_way(who: &Client) -> [Seen; 4] {
    let order = json!({ "item": "tea" });
    let mutation = json!({ "query": "mutation { insertIntoordersCollection(objects: [{ item: \"g\" }]) { records { id } } }" });
    let rest = keyed(who, "r").post("/rest/v1/orders", order.clone()).await;
    let called = keyed(who, "f").post("/rest/v1/rpc/place", order.clone()).await;
    let fluxbase = keyed(who, "x").post("/api/v1/tables/orders", order).await;
    let graphql = keyed(who, "g").post("/graphql/v1", mutation).await;
    [rest, called, fluxbase, graphql]
}

#[tokio::test]
async fn what_somebody_may_no_longer_do_is_not_told_to_them_again() {
    let app = TestApp::builder().unlimited().start().await;
    app.owner(ORDERS).await;
    let ann = app.person("ann").await.client;
    let sent = async || order_by_every_way(&ann).await;
    let first = sent().await;
    let replayed = sent().await;
    for (at, (first, again)) in first.iter().zip(&replayed).enumerate() {
        assert_eq!((again.status, again.value()), (first.status, first.value()), "{at}");
        assert!(again.status.is_success(), "{at}: {}", again.text());
    }
    assert_eq!(count(&ann).await, 4);

    let version = app.running.services.data.catalog().version;
    app.admin("revoke insert on public.orders from authenticated; revoke execute on function public.place from public, authenticated")
        .await;
    app.eventually(async || app.running.services.data.catalog().version > version).await;
    for (at, refused) in sent().await.iter().enumerate() {
        let text = refused.text();
        assert!(
            !text.contains("\"id\":") && refused.header("idempotent-replayed").is_empty(),
            "{at}: {text}"
        );
        assert!(at == 3 || refused.status.is_client_error(), "{at}: {text}");
    }
    // Given back, the first answer is there again.
    let version = app.running.services.data.catalog().version;
    app.admin("grant insert on public.orders to authenticated; grant execute on function public.place to authenticated").await;
    app.eventually(async || app.running.services.data.catalog().version > version).await;
    for (first, again) in first.iter().zip(&sent().await) {
        assert_eq!((again.status, again.value()), (first.status, first.value()));
    }
    assert_eq!(count(&ann).await, 4);
}

#[tokio::test]
async fn an_answer_given_under_other_policies_is_not_told_again() {
    let app = TestApp::builder().unlimited().start().await;
    app.owner(ORDERS).await;
    app.owner(
        "create table public.clubs (id int primary key, open bool not null);
         create function public.is_open() returns bool language sql stable as 'select bool_or(open) from public.clubs';
         create function public.is_day() returns bool language sql stable begin atomic select true; end;
         create policy while_open on public.orders for select to authenticated using (public.is_open() and public.is_day());
         create policy all_clubs on public.clubs to authenticated using (true) with check (true);",
    )
    .await;
    let ann = app.person("ann").await.client;
    let sent = async || order_by_every_way(&ann).await;
    let first = sent().await;
    let of_graphql = first[3].value();
    assert!(of_graphql["data"]["insertIntoordersCollection"]["records"][0]["id"].is_string(), "{of_graphql}");
    // A policy changes, row level security is switched off, a function that a policy asks says something else: each of
    // them, and back.
    for (change, back) in [
        (
            "alter policy own on public.orders using (owner = (select auth.uid()) and n > 5)",
            "alter policy own on public.orders using (owner = (select auth.uid()))",
        ),
        (
            "create policy more on public.orders as restrictive to authenticated using (false)",
            "drop policy more on public.orders",
        ),
        (
            "create or replace function public.is_open() returns bool language sql stable as 'select false'",
            "create or replace function public.is_open() returns bool language sql stable as 'select bool_or(open) from public.clubs'",
        ),
        (
            "create or replace function public.is_day() returns bool language sql stable begin atomic select false; end",
            "create or replace function public.is_day()   returns bool language sql stable begin atomic   select true; end",
        ),
    ] {
        app.owner(change).await;
        for (at, refused) in sent().await.iter().enumerate() {
            let text = refused.text();
            assert!(text.contains("data.idempotency.rules_changed"), "{at}, {change}: {text}");
            assert!(
                !text.contains("\"id\":") && refused.header("idempotent-replayed").is_empty(),
                "{at}: {text}"
            );
            assert!(at == 3 || refused.status == 409, "{at}: {text}");
        }
        app.owner(back).await;
        for (first, again) in first.iter().zip(&sent().await) {
            assert_eq!((again.status, again.value()), (first.status, first.value()), "{back}");
        }
    }
    // What was done was done once.
    let made = app.service().get("/rest/v1/orders?select=id").await.value();
    assert_eq!(made.as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn fluxbases_writes_are_done_once_too() {
    let app = TestApp::builder().unlimited().start().await;
    app.owner(ORDERS).await;
    let ann = app.person("ann").await.client;
    let made = keyed(&ann, "i").post("/api/v1/tables/orders", json!({ "item": "tea" })).await.expect(201);
    let again = keyed(&ann, "i").post("/api/v1/tables/orders", json!({ "item": "tea" })).await.expect(201);
    assert_eq!((again.value(), again.header("idempotent-replayed")), (made.value(), "true"));
    let row = format!("/api/v1/tables/orders/{}", made.value()["id"]);
    let change = |n: u32| json!({ "n": n });
    let changed = keyed(&ann, "p").json(Method::PATCH, &row, change(5)).await.expect(200).value();
    ann.json(Method::PATCH, &row, change(6)).await.expect(200);
    assert_eq!(keyed(&ann, "p").json(Method::PATCH, &row, change(5)).await.expect(200).value(), changed);
    assert_eq!(ann.get(&row).await.value()["n"], 6);
    let other = keyed(&ann, "i").post("/api/v1/tables/orders", json!({ "item": "coffee" })).await;
    assert_eq!(other.status, 422, "{}", other.text());
    for _ in 0..2 {
        let gone = keyed(&ann, "d").send(Method::DELETE, &row, &[], bytes::Bytes::new()).await;
        gone.expect(204);
    }
    assert_eq!(count(&ann).await, 0);
}

/// A way to write: method, path, type of the body and body; the same with another body or, where there is none, another row.
type Way = (Method, &'static str, &'static str, String);

/// Every way to write there is, each with another request like it.
fn ways(owner: &str) -> Vec<[Way; 2]> {
    const JSON: &str = "application/json";
    let way =
        |method: &Method, path: &'static str, body: Value| (method.clone(), path, JSON, body.to_string());
    let pair = |method: Method, path: &'static str, one: Value, other: Value| {
        [way(&method, path, one), way(&method, path, other)]
    };
    let item = |id: u32, item: &str| json!({ "id": id, "item": item });
    let whole = |n: u32| json!({ "id": 5, "item": "p", "n": n, "owner": owner });
    let (rest, fluxbase) = ("/rest/v1/items", "/api/v1/tables/items");
    let mut all = vec![
        pair(Method::POST, rest, item(1, "a"), item(1, "b")),
        pair(Method::POST, rest, json!([item(2, "a"), item(3, "a")]), json!([item(2, "a")])),
        pair(Method::POST, "/rest/v1/items?on_conflict=id", item(1, "c"), item(1, "d")),
        pair(Method::PUT, "/rest/v1/items?id=eq.5", whole(1), whole(2)),
        pair(Method::PATCH, "/rest/v1/items?id=eq.1", json!({ "n": 5 }), json!({ "n": 6 })),
        pair(Method::POST, "/rest/v1/rpc/put_item", item(20, "r"), item(21, "r")),
        pair(Method::POST, fluxbase, item(30, "f"), item(31, "f")),
        pair(Method::POST, "/api/v1/tables/public/items", json!([item(32, "f")]), json!([item(33, "f")])),
        pair(Method::POST, "/api/v1/tables/items?on_conflict=id", item(30, "g"), item(30, "h")),
        pair(Method::PATCH, "/api/v1/tables/items?id=eq.30", json!({ "n": 5 }), json!({ "n": 6 })),
        pair(Method::PATCH, "/api/v1/tables/items/30", json!({ "n": 7 }), json!({ "n": 8 })),
        pair(Method::PUT, "/api/v1/tables/items/30", json!({ "n": 9 }), json!({ "n": 10 })),
        pair(Method::PUT, "/api/v1/tables/public/items/30", json!({ "n": 11 }), json!({ "n": 12 })),
        pair(
            Method::POST,
            "/api/v1/rpc/default/put_item",
            json!({ "params": item(40, "r") }),
            json!({ "params": item(41, "r") }),
        ),
    ];
    let csv = |id: u32| (Method::POST, rest, "text/csv", format!("id,item\n{id},a\n"));
    all.push([csv(6), csv(7)]);
    let gone = |paths: [&'static str; 2]| paths.map(|path| way(&Method::DELETE, path, Value::Null));
    all.push(gone(["/rest/v1/items?id=eq.2", "/rest/v1/items?id=eq.3"]));
    all.push(gone(["/api/v1/tables/items?id=eq.32", "/api/v1/tables/items?id=eq.33"]));
    all.push(gone(["/api/v1/tables/items/40", "/api/v1/tables/items/20"]));
    all.push(gone(["/api/v1/tables/public/items/6", "/api/v1/tables/public/items/5"]));
    for (path, one, other) in [
        (
            "/graphql/v1",
            "insertIntoitemsCollection(objects: [{ id: 50, item: \"g\" }]) { records { id } }",
            "insertIntoitemsCollection(objects: [{ id: 51, item: \"g\" }]) { records { id } }",
        ),
        (
            "/graphql/v1",
            "updateitemsCollection(set: { n: 3 }, filter: { id: { eq: 50 } }) { affectedCount }",
            "updateitemsCollection(set: { n: 4 }, filter: { id: { eq: 50 } }) { affectedCount }",
        ),
        (
            "/graphql/v1",
            "deleteFromitemsCollection(filter: { id: { eq: 50 } }) { affectedCount }",
            "deleteFromitemsCollection(filter: { id: { eq: 1 } }) { affectedCount }",
        ),
        (
            "/api/v1/graphql",
            "insertItems(data: { id: 60, item: \"g\" }) { id }",
            "insertItems(data: { id: 61, item: \"g\" }) { id }",
        ),
        (
            "/api/v1/graphql",
            "updateItems(id: 60, data: { n: 3 }) { id n }",
            "updateItems(id: 60, data: { n: 4 }) { id n }",
        ),
        ("/api/v1/graphql", "deleteItems(id: 60) { id }", "deleteItems(id: 1) { id }"),
    ] {
        let query = |text: &str| json!({ "query": format!("mutation {{ {text} }}") });
        all.push(pair(Method::POST, path, query(one), query(other)));
    }
    all
}

#[tokio::test]
async fn every_way_to_write_is_done_once_for_each_person_and_refused_with_another_request() {
    let app = TestApp::builder().unlimited().start().await;
    // Whatever is carried out leaves a line, if it changed no row at all.
    app.owner(
        "create table public.items (id int primary key, owner uuid not null default auth.uid(), item text not null, n int not null default 1);
         create policy own on public.items to authenticated using (owner = (select auth.uid())) with check (owner = (select auth.uid()));
         create schema hidden; create table hidden.done (at bigint generated always as identity);
         create function hidden.note() returns trigger language plpgsql security definer set search_path = '' as
           $$ begin insert into hidden.done default values; return null; end $$;
         create trigger note after insert or update or delete on public.items for each statement execute function hidden.note();
         create function public.put_item(id int, item text) returns int language sql as 'insert into public.items (id, item) values ($1, $2) returning id'",
    )
    .await;
    let (ann, bob) = (app.person("ann").await, app.person("bob").await);
    let admin = app.database.admin().await;
    let done =
        async || -> i64 { admin.query_one("select count(*) from hidden.done", &[]).await.unwrap().get(0) };
    let sent = async |who: &Client, key: &str, (method, path, kind, body): &Way| {
        let headers = [
            ("idempotency-key", key),
            ("prefer", "return=representation,resolution=merge-duplicates"),
            ("content-type", kind),
        ];
        who.send(method.clone(), path, &headers, body.clone().into()).await
    };
    for (at, [way, other]) in ways(&ann.id).iter().enumerate() {
        let key = format!("way-{at}");
        let before = done().await;
        let first = sent(&ann.client, &key, way).await;
        assert!(
            first.status.is_success() && !first.text().contains("\"errors\""),
            "{way:?}: {}",
            first.text()
        );
        let once = done().await;
        assert!(once > before, "{way:?} was not done: {}", first.text());
        assert_eq!(first.header("idempotent-replayed"), "", "{way:?}");

        let again = sent(&ann.client, &key, way).await;
        assert_eq!(again.status, first.status, "{way:?}: {}", again.text());
        if way.1.starts_with("/api/v1/rpc") {
            // The name of the call is that of the request.
            assert_eq!(again.value()["result"], first.value()["result"], "{way:?}");
        } else {
            assert_eq!(again.text(), first.text(), "{way:?}");
        }
        let is_graphql = way.1.contains("graphql");
        assert!(is_graphql || again.header("idempotent-replayed") == "true", "{way:?}");

        let refused = sent(&ann.client, &key, other).await;
        assert!(refused.text().contains("data.idempotency.other_request"), "{other:?}: {}", refused.text());
        assert!(is_graphql || refused.status == 422, "{other:?}: {}", refused.status);
        assert_eq!(done().await, once, "{way:?} was done twice");

        // Whatever becomes of it, somebody else's is their own.
        let his = sent(&bob.client, &key, way).await;
        assert!(his.header("idempotent-replayed").is_empty(), "{way:?}");
        assert!(
            !his.text().contains(&ann.id) && !his.text().contains("other_request"),
            "{way:?}: {}",
            his.text()
        );
        if way.0 == Method::PATCH && way.1.contains('?') {
            assert_eq!(his.value(), json!([]), "{way:?}");
        }
    }
}

/// Concurrent twins of a function of each dialect, and of a mutation: one of them does it.
#[tokio::test]
async fn twenty_at_once_of_every_dialect_do_it_once() {
    let app = TestApp::builder().unlimited().start().await;
    app.owner(ORDERS).await;
    let ann = app.person("ann").await.client;
    let mutation = json!({ "query": "mutation { insertIntoordersCollection(objects: [{ item: \"g\" }]) { records { id } } }" });
    for (at, (path, body)) in [
        ("/rest/v1/rpc/place", json!({ "item": "tea" })),
        ("/api/v1/rpc/default/place", json!({ "params": { "item": "tea" } })),
        ("/api/v1/tables/orders", json!({ "item": "tea" })),
        ("/graphql/v1", mutation),
    ]
    .into_iter()
    .enumerate()
    {
        let mut sent = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let (sender, body) = (keyed(&ann, &format!("twins-{at}")), body.clone());
            sent.spawn(async move { sender.post(path, body).await });
        }
        let seen = sent.join_all().await;
        assert_eq!(count(&ann).await, at + 1, "{path}");
        for one in seen {
            let running = one.text().contains("data.idempotency.running");
            assert!(running || one.status.is_success(), "{path}: {} {}", one.status, one.text());
        }
    }
}
