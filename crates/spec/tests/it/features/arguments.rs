//! What a type asks of its values, asked of arguments of functions too (controls 121 and 122); and what refuses a row without being a
//! constraint.

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use spec::TestApp;

const EVIL: &str = "<b>k</b><script>alert(1)</script><img src=x onerror=alert(1)>";

const SCHEMA: &str = "
    create domain public.prose as text; comment on domain public.prose is '@palisade html: sanitize';
    create domain public.story as public.prose check (value <> 'no');
    create domain public.doc as jsonb; comment on domain public.doc is '@palisade schema: {\"type\": \"object\", \"required\": [\"k\"]}';
    create schema hidden; grant usage on schema hidden to authenticated;
    create type hidden.inner as (body public.prose, n int);
    create type public.post as (title text, body public.prose, more hidden.inner);
    create type public.told as (title text, n int); comment on column public.told.title is '@palisade html: sanitize';
    create table public.pages (id int primary key, body text); comment on column public.pages.body is '@palisade html: sanitize';
    create function public.one(p public.prose) returns text language sql as 'select $1::text';
    create function public.deep(p public.story) returns text language sql as 'select $1::text';
    create function public.many(p public.prose[]) returns text language sql as 'select $1::text';
    create function public.rest(variadic p public.prose[]) returns text language sql as 'select $1::text';
    create function public.row(p public.post) returns text language sql as 'select $1::text';
    create function public.rows(p public.post[]) returns text language sql as 'select $1::text';
    create function public.said(p public.told) returns text language sql as 'select $1::text';
    create function public.page(p public.pages) returns text language sql as 'select $1::text';
    create function public.kept(p hidden.inner[]) returns text language sql as 'select $1::text';
    create function public.doc(p public.doc) returns text language sql as 'select $1::text';
    create function public.free(p text) returns text language sql as 'select $1';";

#[tokio::test]
async fn what_a_type_asks_holds_for_arguments_through_every_dialect() {
    let app = TestApp::builder().unlimited().start().await;
    app.owner(SCHEMA).await;
    let ann = app.person("ann").await.client;
    let row = json!({ "title": "t", "body": EVIL, "more": { "n": 1, "body": EVIL } });
    let mut answers = Vec::new();
    for (function, value) in [
        ("one", json!(EVIL)),
        ("deep", json!(EVIL)),
        ("many", json!([EVIL, null])),
        ("many", json!(format!("{{\"{EVIL}\"}}"))),
        ("rest", json!([EVIL])),
        ("row", row.clone()),
        ("rows", json!([row.clone(), null, row])),
        ("said", json!({ "title": EVIL, "n": 2 })),
        ("page", json!({ "id": 3, "body": EVIL })),
        ("kept", json!([{ "body": EVIL }])),
    ] {
        let given = json!({ "p": value });
        let told = ann.post(&format!("/rest/v1/rpc/{function}"), given.clone()).await.expect(200);
        answers.push((format!("rest {function}"), told.text()));
        let told = ann.post(&format!("/api/v1/rpc/default/{function}"), json!({ "params": given })).await;
        answers.push((format!("fluxbase {function}"), told.expect(200).text()));
    }
    let encoded: String = EVIL.bytes().map(|byte| format!("%{byte:02X}")).collect();
    for path in [format!("one?p={encoded}"), format!("rest?p={encoded}&p=x")] {
        let told = ann.get(&format!("/rest/v1/rpc/{path}")).await.expect(200);
        answers.push((path, told.text()));
    }
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let body = Bytes::from(format!("p={encoded}"));
    let told = ann.send(Method::POST, "/rest/v1/rpc/one", &form, body).await.expect(200);
    answers.push(("form".to_owned(), told.text()));
    for query in ["mutation($p: String!) { v: one(p: $p) }", "mutation($p: String!) { v: deep(p: $p) }"] {
        let asked = json!({ "query": query, "variables": { "p": EVIL } });
        let told = ann.post("/graphql/v1", asked).await.expect(200);
        assert!(told.value()["errors"].is_null(), "{}", told.text());
        answers.push((query.to_owned(), told.text()));
    }
    for (from, text) in answers {
        assert!(text.contains("<b>k</b>"), "{from}: {text}");
        assert!(!text.contains("script") && !text.contains("onerror"), "{from}: {text}");
    }
    // Nobody looks into the text of a row: it is refused, and says so.
    for (function, value) in
        [("row", json!(format!("(t,{EVIL},)"))), ("rows", json!(format!("{{\"(t,{EVIL},)\"}}")))]
    {
        let told = ann.post(&format!("/rest/v1/rpc/{function}"), json!({ "p": value })).await.expect(400);
        assert_eq!(told.value()["fields"][0]["column"], "p", "{}", told.text());
    }
    for (value, status) in [(json!({ "k": 1 }), 200), (json!({ "j": 1 }), 400), (Value::Null, 200)] {
        ann.post("/rest/v1/rpc/doc", json!({ "p": value })).await.expect(status);
    }
    // Of what nothing is asked nothing is changed.
    let told = ann.post("/rest/v1/rpc/free", json!({ "p": EVIL })).await.expect(200).value();
    assert_eq!(told, EVIL);
}

/// A unique index tells nobody of columns that they may not use, and names its own to whoever may.
#[tokio::test]
async fn a_row_that_an_index_refuses_is_told_of_to_whoever_may_use_its_columns() {
    let app = TestApp::builder().unlimited().start().await;
    app.owner(
        "create table kept (id int primary key, mail text, code text, room int4range, secret text default 's');
         create policy everybody on kept to authenticated using (true) with check (true);
         create unique index by_hidden_tenant on kept (secret) where id < 10;
         create unique index by_hidden_letters on kept (lower(secret)) where id between 10 and 19;
         create unique index by_mail on kept (lower(mail)) where mail is not null;
         alter table kept add constraint rooms exclude using gist (room with &&);
         revoke all on kept from authenticated; grant insert (id, mail, code, room), select (id, mail, code, room) on kept to authenticated;
         insert into kept (id, mail, room) values (1, 'm', '[1,5)'), (11, null, null)",
    )
    .await;
    let ann = app.person("ann").await.client.with("prefer", "return=minimal");
    for (row, column) in [
        (json!({ "id": 2 }), None),
        (json!({ "id": 12 }), None),
        (json!({ "id": 1, "mail": "other" }), Some("id")),
        (json!({ "id": 30, "mail": "M" }), Some("mail")),
        (json!({ "id": 30, "room": "[2,3)" }), Some("room")),
    ] {
        let given = row.as_object().unwrap();
        let values: Vec<String> = given.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let mutation = format!(
            "mutation {{ insertIntokeptCollection(objects: [{{{}}}]) {{ affectedCount }} }}",
            values.join(", ")
        );
        let by_rest = ann.post("/rest/v1/kept", row.clone()).await;
        let by_fluxbase = ann.post("/api/v1/tables/kept", row.clone()).await;
        let by_graphql = ann.post("/graphql/v1", json!({ "query": mutation })).await;
        for told in [by_rest, by_fluxbase, by_graphql] {
            let text = told.text();
            assert!(told.status.is_client_error() || text.contains("\"errors\""), "{row}: {text}");
            assert!(!text.contains("hidden") && !text.contains("secret"), "{row}: {text}");
            assert_eq!(text.contains("\"column\""), column.is_some(), "{row}: {text}");
            if let Some(column) = column {
                assert!(text.contains(&format!("\"column\":\"{column}\"")), "{row}: {text}");
            }
        }
    }
}

/// A partition's own indexes are its parent's to whoever may use what they look at: also where its columns stand in another order, and
/// where only one of them has the index.
#[tokio::test]
async fn a_row_that_a_partition_refuses_is_told_of_by_the_columns_of_what_was_asked_for() {
    let app = TestApp::builder().unlimited().start().await;
    app.owner(
        "create table logs (id int, mail text, secret text default 's', area int not null, primary key (area, id), unique (area, mail)) partition by range (area);
         create table logs_low partition of logs for values from (0) to (10);
         create table logs_high (secret text, area int not null, mail text, id int not null);
         create unique index only_here on logs_high (lower(mail));
         create unique index hidden_here on logs_high (secret) where id > 100;
         alter table logs attach partition logs_high for values from (10) to (20);
         create unique index by_secret on logs (area, secret) where id > 200;
         create policy everybody on logs to authenticated using (true) with check (true);
         revoke all on logs from authenticated; grant insert (id, mail, area), select (id, mail, area) on logs to authenticated;
         insert into logs values (1, 'a', 'x', 1), (1, 'a', 'y', 11), (300, 'p', 's', 1), (101, 'q', 's', 11)",
    )
    .await;
    let ann = app.person("ann").await.client.with("prefer", "return=minimal");
    for (row, columns) in [
        (json!({ "id": 1, "mail": "b", "area": 1 }), vec!["area", "id"]),
        (json!({ "id": 2, "mail": "a", "area": 1 }), vec!["area", "mail"]),
        (json!({ "id": 1, "mail": "b", "area": 11 }), vec!["area", "id"]),
        (json!({ "id": 2, "mail": "a", "area": 11 }), vec!["mail"]),
        (json!({ "id": 2, "mail": "A", "area": 11 }), vec!["mail"]),
        (json!({ "id": 102, "mail": "c", "area": 11 }), vec![]),
        (json!({ "id": 301, "mail": "c", "area": 1 }), vec![]),
    ] {
        let by_rest = ann.post("/rest/v1/logs", row.clone()).await;
        let by_fluxbase = ann.post("/api/v1/tables/logs", row.clone()).await;
        for told in [by_rest, by_fluxbase] {
            let told = told.expect(409);
            assert!(
                !told.text().contains("hidden") && !told.text().contains("secret"),
                "{row}: {}",
                told.text()
            );
            let said = told.value();
            let mut named: Vec<_> = said["fields"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|one| one["column"].as_str().unwrap())
                .collect();
            named.sort_unstable();
            assert_eq!(named, columns, "{row}: {said}");
        }
    }
}
