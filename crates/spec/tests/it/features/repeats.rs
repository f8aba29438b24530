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
         create policy while_open on public.orders for select to authenticated using (public.is_open());
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
