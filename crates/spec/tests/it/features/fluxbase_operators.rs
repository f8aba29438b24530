//! Each operator of the Fluxbase dialect, spelled in an address and in a body, against what PostgreSQL says as the same person.

use serde_json::{Value, json};
use spec::TestApp;

const THINGS: &str = "/api/v1/tables/things";

const TABLE: &str = "
create table public.things (id int primary key, owner uuid not null default auth.uid(), name text, n int, ok bool, tags text[], doc jsonb,
    span int4range, at timestamptz);
create policy own on public.things to authenticated using (owner = (select auth.uid())) with check (owner = (select auth.uid()));
create function public.mine() returns setof public.things language sql stable as 'select * from public.things';
grant execute on function public.mine() to authenticated";

/// An operator, its value as the SDK writes it into an address and into a body, and the same in SQL.
fn operators() -> Vec<(&'static str, &'static str, &'static str, Value, &'static str)> {
    vec![
        ("name", "eq", "a,b", json!("a,b"), "name = 'a,b'"),
        ("name", "neq", "a,b", json!("a,b"), "name <> 'a,b'"),
        ("n", "gt", "2", json!(2), "n > 2"),
        ("n", "gte", "2", json!(2), "n >= 2"),
        ("n", "lt", "3", json!(3), "n < 3"),
        ("n", "lte", "3", json!(3), "n <= 3"),
        ("name", "like", "%hat%", json!("%hat%"), "name like '%hat%'"),
        ("name", "ilike", "%HAT%", json!("%HAT%"), "name ilike '%HAT%'"),
        ("name", "is", "null", Value::Null, "name is null"),
        ("ok", "is", "true", json!(true), "ok is true"),
        ("ok", "is", "false", json!(false), "ok is false"),
        ("name", "isnot", "null", Value::Null, "name is not null"),
        ("name", "in", "(\"a,b\",hat)", json!(["a,b", "hat"]), "name in ('a,b', 'hat')"),
        ("n", "in", "(1,4)", json!([1, 4]), "n in (1, 4)"),
        ("n", "nin", "(1,4)", json!([1, 4]), "n not in (1, 4)"),
        ("tags", "cs", "(x)", json!(["x"]), "tags @> array['x']"),
        ("tags", "cs", "(\"x,y\")", json!(["x,y"]), "tags @> array['x,y']"),
        ("tags", "cd", "(x,z)", json!(["x", "z"]), "tags <@ array['x', 'z']"),
        ("tags", "ov", "(z,q)", json!(["z", "q"]), "tags && array['z', 'q']"),
        ("doc", "cs", "{\"k\":1}", json!({ "k": 1 }), "doc @> '{\"k\":1}'"),
        ("doc", "cd", "{\"k\":1,\"l\":2}", json!({ "k": 1, "l": 2 }), "doc <@ '{\"k\":1,\"l\":2}'"),
        ("span", "ov", "[5,6]", json!("[5,6]"), "span && '[5,6]'"),
        ("span", "sl", "[10,12]", json!("[10,12]"), "span << '[10,12]'"),
        ("span", "sr", "[0,2]", json!("[0,2]"), "span >> '[0,2]'"),
        ("span", "nxr", "[1,8)", json!("[1,8)"), "span &< '[1,8)'"),
        ("span", "nxl", "[5,9]", json!("[5,9]"), "span &> '[5,9]'"),
        ("span", "adj", "[10,12]", json!("[10,12]"), "span -|- '[10,12]'"),
        ("name", "not", "eq.hat", json!("eq.hat"), "not name = 'hat'"),
        ("name", "not", "is.null", json!("is.null"), "name is not null"),
        ("n", "not", "in.(1,4)", json!("in.(1,4)"), "not n in (1, 4)"),
        ("name", "fts", "hat", json!("hat"), "to_tsvector(name) @@ to_tsquery('hat')"),
        ("name", "plfts", "hat box", json!("hat box"), "to_tsvector(name) @@ plainto_tsquery('hat box')"),
        (
            "name",
            "wfts",
            "hat -box",
            json!("hat -box"),
            "to_tsvector(name) @@ websearch_to_tsquery('hat -box')",
        ),
        ("doc->>k", "eq", "1", json!("1"), "doc->>'k' = '1'"),
        ("at", "gte", "2026-01-02T00:00:00Z", json!("2026-01-02T00:00:00Z"), "at >= '2026-01-02T00:00:00Z'"),
    ]
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn ids(value: &Value) -> Vec<i64> {
    value
        .as_array()
        .unwrap_or_else(|| panic!("{value}"))
        .iter()
        .map(|row| row["id"].as_i64().unwrap())
        .collect()
}

async fn things(app: &TestApp) -> (spec::Person, spec::Person) {
    app.owner(TABLE).await;
    let (ann, bob) = (app.person("ann").await, app.person("bob").await);
    for (from, person) in [(0, &ann), (100, &bob)] {
        let row = |id: i64, name: Value, n: Value| json!({ "id": from + id, "name": name, "n": n });
        let mut rows = vec![
            row(1, json!("a,b"), json!(1)),
            row(2, json!("hat"), json!(2)),
            row(3, json!("hat box"), json!(3)),
            row(4, json!("That"), json!(4)),
            row(5, Value::Null, Value::Null),
        ];
        let more = [
            json!({ "ok": true, "tags": ["x", "x,y"], "doc": { "k": 1 }, "span": "[1,4)", "at": "2026-01-01T00:00:00Z" }),
            json!({ "ok": false, "tags": ["x", "z"], "doc": { "k": 2 }, "span": "[5,10)", "at": "2026-01-02T00:00:00Z" }),
            json!({ "ok": null, "tags": ["q"], "doc": { "k": 1, "l": 2 }, "span": "[20,30)", "at": "2026-01-03T00:00:00Z" }),
            json!({ "ok": null, "tags": [], "doc": {}, "span": "empty", "at": null }),
            json!({ "ok": null, "tags": null, "doc": null, "span": null, "at": null }),
        ];
        for (row, more) in rows.iter_mut().zip(more) {
            row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        }
        person.client.post(THINGS, json!(rows)).await.expect(201);
    }
    (ann, bob)
}

#[tokio::test]
async fn every_operator_means_in_an_address_and_in_a_body_what_it_means_in_sql() {
    let app = TestApp::builder().unlimited().start().await;
    let (ann, _) = things(&app).await;
    let admin = app.database.admin().await;
    let mut telling = 0;
    for (column, operator, written, value, sql) in operators() {
        let sql =
            format!("select id::int8 from public.things where owner = '{}' and ({sql}) order by id", ann.id);
        let expected: Vec<i64> = admin.query(&sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
        telling += usize::from(!expected.is_empty() && expected.len() < 5);
        let address = format!(
            "{THINGS}?select=id&order=id.asc.nullslast&{}={operator}.{}",
            encoded(column),
            encoded(written)
        );
        let seen = ann.client.get(&address).await;
        assert_eq!(ids(&seen.value()), expected, "{column} {operator} {written}: {}", seen.text());
        let body = json!({
            "select": "id", "order": [{ "column": "id", "direction": "asc", "nulls": "last" }],
            "filters": [{ "column": column, "operator": operator, "value": value }],
        });
        let seen = ann.client.post(&format!("{THINGS}/query"), body).await;
        assert_eq!(ids(&seen.value()), expected, "{column} {operator} {value}: {}", seen.text());
        // Among alternatives, where a comma would end the value.
        if !matches!(operator, "not" | "isnot" | "nin" | "cs" | "cd" | "ov") && !written.contains(',') {
            let either = encoded(&format!("({column}.{operator}.{written},id.eq.5)"));
            let seen = ann.client.get(&format!("{THINGS}?select=id&order=id&or={either}")).await;
            let mut expected: Vec<i64> = expected.into_iter().filter(|id| *id != 5).chain([5]).collect();
            expected.sort_unstable();
            assert_eq!(ids(&seen.value()), expected, "{column} {operator} {written}: {}", seen.text());
        }
    }
    assert!(
        telling >= operators().len() - 2,
        "an operator that chooses all rows or none tells nothing: {telling}"
    );
}

#[tokio::test]
async fn counts_pages_and_procedures_are_of_the_rows_that_the_caller_sees() {
    let app = TestApp::builder().unlimited().start().await;
    let (ann, bob) = things(&app).await;
    for (who, first) in [(&ann, 1), (&bob, 101)] {
        for count in ["exact", "planned", "estimated"] {
            let seen =
                who.client.get(&format!("{THINGS}?select=id&order=id&count={count}&limit=2&offset=1")).await;
            let range = seen.expect(200);
            assert_eq!(ids(&range.value()), [first + 1, first + 2]);
            let (page, total) = range.header("content-range").split_once('/').unwrap();
            assert_eq!(page, "1-2");
            assert!(count != "exact" || total == "5", "{count}: {total}");
        }
        let seen = who.client.get(&format!("{THINGS}?select=count(*)")).await.expect(200).value();
        assert_eq!(seen, json!([{ "count": 5 }]));
        let called = who.client.post("/api/v1/rpc/default/mine", json!({})).await.expect(200).value();
        assert_eq!(called["rows_returned"], 5, "{called}");
        assert_eq!(ids(&called["result"]), (first..first + 5).collect::<Vec<i64>>());
    }
    assert_eq!(
        app.stranger().get(&format!("{THINGS}?count=exact")).await.expect(200).header("content-range"),
        "*/0"
    );
    assert_eq!(
        app.service().get(&format!("{THINGS}?select=count(*)")).await.value(),
        json!([{ "count": 10 }])
    );
}

/// What a refusal says is what its caller named, and no more: neither columns, constraints, functions nor tables that are hidden.
#[tokio::test]
async fn refusals_name_nothing_that_is_hidden() {
    let app = TestApp::builder().unlimited().start().await;
    let (ann, _) = things(&app).await;
    app.owner(
        "alter table public.things add secretly text default 's3cret', add constraint secretly_short check (length(secretly) < 9);
         revoke all on public.things from authenticated, anon;
         grant select (id, owner, name, n), insert (id, name, n), update (name, n), delete on public.things to authenticated;
         create schema hidden; create table hidden.ledger (thing int primary key references public.things);
         create function public.book() returns trigger language plpgsql security definer set search_path = '' as
           $$ begin insert into hidden.ledger values (new.id); insert into hidden.ledger values (new.id); return new; end $$;
         create trigger book after insert on public.things for each row when (new.n = 13) execute function public.book();
         create function hidden.wallet() returns int language sql as 'select 1';
         create function public.opens() returns int language sql stable as 'select hidden.wallet()';
         grant execute on function public.opens() to authenticated",
    )
    .await;
    app.eventually(async || ann.client.get(THINGS).await.status == 403).await;
    let query = format!("{THINGS}/query");
    for seen in [
        ann.client.get(&format!("{THINGS}?select=secretl")).await,
        ann.client.get(&format!("{THINGS}?select=id,ledger(thing)")).await,
        ann.client.get(&format!("{THINGS}?select=id&secretl=eq.1")).await,
        ann.client.get("/api/v1/tables/thing").await,
        ann.client.get("/api/v1/tables/hidden/ledge").await,
        ann.client.get("/api/v1/tables/hidden/ledger").await,
        ann.client.get("/api/v1/tables/ledge").await,
        ann.client.post(THINGS, json!({ "id": 77, "secretl": 1 })).await,
        ann.client.post(THINGS, json!({ "id": 78, "name": "x", "n": 13 })).await,
        ann.client.post(&format!("{THINGS}?select=id"), json!({ "id": 79, "name": "x", "n": 13 })).await,
        ann.client.post(&query, json!({ "select": "id", "order": [{ "column": "secretl" }] })).await,
        ann.client.post("/api/v1/rpc/default/open", json!({})).await,
        ann.client.post("/api/v1/rpc/hidden/walle", json!({})).await,
        ann.client.post("/api/v1/rpc/hidden/wallet", json!({})).await,
        ann.client.post("/api/v1/rpc/default/opens", json!({})).await,
        ann.client.post("/api/v1/rpc/default/book", json!({})).await,
    ] {
        assert!(seen.status.is_client_error(), "{} {}", seen.status, seen.text());
        let text = seen.text().replace("secretl\"", "").replace("secretl ", "");
        for hidden in ["secretly", "s3cret", "ledger_", "wallet()", "book()", "hidden.", "exposed"] {
            assert!(!text.contains(hidden), "{hidden}: {text}");
        }
    }
}

/// What is wrong with a request is said as that: no mistake of a caller is an internal error.
#[tokio::test]
async fn a_mistake_of_the_caller_is_no_trouble_of_the_server() {
    let app = TestApp::builder().unlimited().with("data.aggregates", "true").start().await;
    let (ann, _) = things(&app).await;
    app.owner(
        "create table public.numbered (id bigint generated always as identity primary key, twice int generated always as (1) stored, body text);
         create policy own on public.numbered to authenticated using (true) with check (true);
         create function public.astray() returns int language plpgsql as $$ begin return (select count(*) from hidden.ledger); end $$",
    )
    .await;
    app.eventually(async || ann.client.get("/api/v1/tables/numbered").await.status == 200).await;
    let merge = ann.client.clone().with("prefer", "resolution=merge-duplicates");
    let numbered = "/api/v1/tables/numbered";
    for (what, seen) in [
        ("a column that only the database fills", ann.client.post(numbered, json!({ "id": 7 })).await),
        ("another", ann.client.post(numbered, json!({ "twice": 7 })).await),
        ("two rows that meet", merge.post(THINGS, json!([{ "id": 1, "n": 1 }, { "id": 1, "n": 2 }])).await),
        ("no such key", merge.post(&format!("{THINGS}?on_conflict=name"), json!({ "id": 1 })).await),
        ("a cast there is not", ann.client.get(&format!("{THINGS}?select=ok::date")).await),
        ("an operator there is not", ann.client.get(&format!("{THINGS}?doc=like.x")).await),
        ("a sum of texts", ann.client.get(&format!("{THINGS}?select=sum(name)")).await),
        ("a range that ends before it begins", ann.client.get(&format!("{THINGS}?span=ov.%5B9,1%5D")).await),
        ("a search that cannot be read", ann.client.get(&format!("{THINGS}?name=fts.a%20b%20%26")).await),
        ("a function that looks for nothing", ann.client.post("/api/v1/rpc/default/astray", json!({})).await),
    ] {
        assert_eq!(seen.status, 400, "{what}: {}", seen.text());
        assert!(!seen.text().contains("ledger"), "{what}: {}", seen.text());
    }
}
