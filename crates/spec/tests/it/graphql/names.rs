//! Names of the database that change, or that GraphQL has given to something else.

use serde_json::json;
use spec::TestApp;

use super::{PLAIN, RELAY, ask};

/// What a function asks for is known when it is called, as what was dropped a moment ago is to a plan of before.
#[tokio::test]
async fn what_is_not_there_when_it_is_asked_is_no_trouble_of_the_server_and_names_nothing() {
    let app = TestApp::builder().unlimited().start().await;
    let bodies = [
        ("relation", "select id from hidden.ledger"),
        ("column", "select secret from public.news"),
        ("function", "select hidden.settle(1)"),
        ("kind", "select 'secret'::hidden.ledgers"),
        ("schema", "create table secrets.ledger (id int)"),
        ("feature", "refresh materialized view concurrently public.ledger_sums"),
    ];
    let made: String = bodies
        .iter()
        .map(|(name, body)| {
            format!("create function public.no_{name}() returns int language plpgsql as $f$ begin execute $e${body}$e$; return 1; end $f$;")
        })
        .collect();
    app.owner(&format!(
        "create schema hidden; grant usage on schema hidden to authenticated; create table news (id int);
         create policy everybody on news to authenticated using (true) with check (true); {made}"
    ))
    .await;
    let ann = app.person("ann").await.client;
    for (name, _) in bodies {
        for (path, called) in [(RELAY, format!("no_{name}")), (PLAIN, names_of(name))] {
            let told =
                ann.post(path, json!({ "query": format!("mutation {{ {called} }}") })).await.expect(200);
            let told = told.value();
            let words = told["errors"][0]["message"].as_str().unwrap();
            assert!(words.contains("ask again in a moment"), "{called}: {told}");
            assert!(!words.contains("secret") && !words.contains("ledger"), "{told}");
        }
    }
    // A plan of before: the answer is never a failure of the server.
    let admin = app.database.admin().await;
    for change in
        ["alter table news rename id to other", "alter table news rename other to id", "drop table news"]
    {
        admin.batch_execute(change).await.unwrap();
        for _ in 0..3 {
            ann.post(PLAIN, json!({ "query": "{ news { id } }" })).await.expect(200);
        }
    }
}

/// As the guide's convention writes it.
fn names_of(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().unwrap().to_ascii_uppercase();
    format!("no{first}{}", letters.as_str())
}

#[tokio::test]
async fn enums_named_like_types_of_the_schema_or_like_each_other_are_called_otherwise_and_work() {
    let app = TestApp::builder().unlimited().with("data.schemas", "public,other").start().await;
    app.owner(
        "create schema other; grant usage on schema other to authenticated;
         create type public.\"Int\" as enum ('a'); create type public.\"Boolean\" as enum ('c');
         create type public.\"Query\" as enum ('b'); create type public.\"IDFilter\" as enum ('i');
         create type public.mood as enum ('u', 'v'); create type other.mood as enum ('x', 'y');
         create table things (id int primary key, a public.\"Int\", b public.\"Query\", c public.\"Boolean\", i public.\"IDFilter\", m public.mood, o other.mood, yes boolean);
         create policy everybody on things to authenticated using (true) with check (true)",
    )
    .await;
    let ann = app.person("ann").await.client;
    let made = ask(
        &ann,
        RELAY,
        "mutation { insertIntothingsCollection(objects: [{id: 1, a: a, b: b, c: c, i: i, m: v, o: x, yes: true}, {id: 2, m: u, o: y}]) { affectedCount } }",
    )
    .await;
    assert_eq!(made["data"]["insertIntothingsCollection"]["affectedCount"], 2, "{made}");
    let found = ask(
        &ann,
        RELAY,
        "{ thingsCollection(filter: {id: {eq: 1}, a: {eq: a}, b: {eq: b}, c: {eq: c}, i: {eq: i}, m: {eq: v}, o: {eq: x}, yes: {eq: true}}) { edges { node { id a b c i m o } } } }",
    )
    .await;
    let row = json!({ "id": 1, "a": "a", "b": "b", "c": "c", "i": "i", "m": "v", "o": "x" });
    assert_eq!(found["data"]["thingsCollection"]["edges"], json!([{ "node": row }]), "{found}");
    let found = ask(
        &ann,
        PLAIN,
        "{ things(filter: { id_eq: 1, a_eq: a, m_eq: v, o_eq: x, yes_eq: true }) { id a b c i m o } }",
    )
    .await;
    assert_eq!(found["data"]["things"], json!([row]), "{found}");
}
