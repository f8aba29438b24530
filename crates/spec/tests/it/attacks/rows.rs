//! Rows that are not yours (rows 57, 60, 62, 70, 72-74, 77).

use serde_json::{Value, json};
use spec::TestApp;

/// A table of notes that belong to people, with one note each.
async fn notes(app: &TestApp) -> (spec::Person, spec::Person) {
    app.owner(
        "create table public.notes (id bigint generated always as identity primary key, owner uuid not null default auth.uid(), body text, secret text);
         create policy own on public.notes to authenticated using (owner = (select auth.uid())) with check (owner = (select auth.uid()));
         revoke select on public.notes from anon, authenticated;
         grant select (id, owner, body) on public.notes to anon, authenticated;",
    )
    .await;
    let (ann, bob) = (app.person("ann").await, app.person("bob").await);
    for person in [&ann, &bob] {
        person
            .client
            .post("/rest/v1/notes", json!({ "body": format!("of {}", person.email), "secret": "s3cret" }))
            .await
            .expect(201);
    }
    (ann, bob)
}

fn bodies(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|row| row["body"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn row_57_a_table_created_by_sql_is_closed_from_its_first_moment() {
    let app = TestApp::start().await;
    let ann = app.person("ann").await;
    for (name, sql) in [
        ("plain", "create table public.plain as select 1 as id"),
        ("bare", "create table public.bare (id int); insert into public.bare values (1)"),
        (
            "parted",
            "create table public.parted (id int) partition by list (id); create table public.part_1 partition of public.parted for values in (1); insert into public.parted values (1)",
        ),
        (
            "heir",
            "create table public.ancestor (id int); create table public.heir () inherits (public.ancestor); insert into public.heir values (1)",
        ),
        ("chosen", "select 1 as id into public.chosen"),
    ] {
        app.admin(sql).await;
        for client in [app.stranger(), ann.client.clone()] {
            let seen = client.get(&format!("/rest/v1/{name}?select=id")).await;
            assert!(
                seen.status == 404 || seen.status == 401 || seen.status == 403 || seen.value() == json!([]),
                "{name}: {}",
                seen.text()
            );
        }
    }
}

#[tokio::test]
async fn row_57_a_table_whose_protection_is_taken_away_is_not_served() {
    let app = TestApp::start().await;
    let (ann, _) = notes(&app).await;
    ann.client.get("/rest/v1/notes?select=body").await.expect(200);
    app.admin("alter table public.notes disable row level security").await;
    app.eventually(async || ann.client.get("/rest/v1/notes?select=body").await.status == 404).await;
    app.admin("alter table public.notes enable row level security; alter table public.notes force row level security").await;
    app.eventually(async || ann.client.get("/rest/v1/notes?select=body").await.status == 200).await;
}

#[tokio::test]
async fn row_60_views_that_would_look_past_the_policies_are_not_served() {
    let app = TestApp::start().await;
    let (ann, _) = notes(&app).await;
    app.admin(
        "create view public.plain_view as select id, body from public.notes;
         create view public.definer with (security_invoker = false) as select id, body from public.notes;
         create view public.invoker with (security_invoker) as select id, body from public.notes;
         create materialized view public.frozen as select id, body from public.notes;
         grant select on public.plain_view, public.definer, public.invoker, public.frozen to anon, authenticated",
    )
    .await;
    app.eventually(async || ann.client.get("/rest/v1/invoker?select=body").await.status == 200).await;
    assert_eq!(bodies(&ann.client.get("/rest/v1/invoker?select=body").await.value()), ["of ann@example.com"]);
    let plain = ann.client.get("/rest/v1/plain_view?select=body").await.expect(200);
    assert_eq!(bodies(&plain.value()), ["of ann@example.com"], "a view that says nothing asks as its caller");
    ann.client.get("/rest/v1/definer?select=body").await.expect(404);
    ann.client.get("/rest/v1/frozen?select=body").await.expect(404);
}

#[tokio::test]
async fn row_62_a_hidden_column_cannot_be_filtered_or_sorted_by() {
    let app = TestApp::start().await;
    let (ann, _) = notes(&app).await;
    for query in [
        "select=body&secret=like.s*",
        "select=body&order=secret",
        "select=body,secret",
        "select=body&or=(secret.eq.s3cret,id.eq.0)",
        "select=body&secret-%3E%3Ex=eq.1",
    ] {
        let seen = ann.client.get(&format!("/rest/v1/notes?{query}")).await;
        assert!(
            [400, 401, 403, 404].contains(&seen.status.as_u16()),
            "{query}: {} {}",
            seen.status,
            seen.text()
        );
        assert!(!seen.text().contains("s3cret"));
    }
    ann.client.get("/rest/v1/notes?select=body&order=id").await.expect(200);
}

#[tokio::test]
async fn row_70_ids_of_others_reach_nothing_by_any_verb() {
    let app = TestApp::start().await;
    let (ann, bob) = notes(&app).await;
    let of_bob = bob.client.get("/rest/v1/notes?select=id").await.value()[0]["id"].to_string();
    let at = format!("/rest/v1/notes?id=eq.{of_bob}");
    assert_eq!(ann.client.get(&format!("{at}&select=id")).await.expect(200).value(), json!([]));
    ann.client.json(http::Method::PATCH, &at, json!({ "body": "mine" })).await.expect(204);
    ann.client.send(http::Method::DELETE, &at, &[], Default::default()).await.expect(204);
    let stolen = ann.client.post("/rest/v1/notes", json!({ "owner": bob.id, "body": "planted" })).await;
    assert_eq!(stolen.status, 403, "{}", stolen.text());
    let moved =
        ann.client.json(http::Method::PATCH, "/rest/v1/notes?id=gt.0", json!({ "owner": bob.id })).await;
    assert_eq!(moved.status, 403, "{}", moved.text());
    assert_eq!(bodies(&bob.client.get("/rest/v1/notes?select=body").await.value()), ["of bob@example.com"]);
}

#[tokio::test]
async fn row_72_sql_in_any_place_stays_text() {
    let app = TestApp::builder().unlimited().start().await;
    let (ann, _) = notes(&app).await;
    let payloads = [
        "'",
        "\"",
        "');drop table notes;--",
        "1;select 1",
        "1 or 1=1",
        "\\",
        "%00",
        "$1",
        "$$",
        "a\"b",
        "::text",
        "->>'x'",
        "{}",
        "(select 1)",
        "/*",
        "--",
        "\u{202e}",
        "'||'a",
    ];
    let enc = |text: &str| -> String { text.bytes().map(|b| format!("%{b:02X}")).collect() };
    for payload in payloads {
        let p = enc(payload);
        for path in [
            format!("/rest/v1/notes?select={p}"),
            format!("/rest/v1/notes?select=body&body=eq.{p}"),
            format!("/rest/v1/notes?select=body&{p}=eq.1"),
            format!("/rest/v1/notes?select=body&order={p}"),
            format!("/rest/v1/notes?select=body::{p}"),
            format!("/rest/v1/notes?select=body&id=in.({p})"),
            format!("/rest/v1/notes?select=body&or=({p})"),
            format!("/rest/v1/notes?select=body&body=fts({p}).x"),
            format!("/rest/v1/notes?select=body&limit={p}"),
            format!("/rest/v1/{p}"),
            format!("/rest/v1/rpc/{p}?a={p}"),
        ] {
            let seen = ann.client.get(&path).await;
            assert!(
                !seen.text().contains("42601"),
                "syntax error reached the client: {payload} {path} {}",
                seen.text()
            );
            assert!(!seen.status.is_server_error(), "{payload} {path} {} {}", seen.status, seen.text());
        }
        let profiled = ann.client.clone().with("accept-profile", "pg_catalog").get("/rest/v1/pg_user").await;
        assert_eq!(profiled.status, 406);
    }
    assert_eq!(
        bodies(&ann.client.get("/rest/v1/notes?select=body").await.expect(200).value()),
        ["of ann@example.com"]
    );
}

#[tokio::test]
async fn row_73_an_expensive_pattern_is_stopped_and_others_go_on() {
    let app =
        TestApp::builder().unlimited().with("database.statement_timeout.authenticated", "1s").start().await;
    let (ann, bob) = notes(&app).await;
    app.owner("create function public.slow() returns void language sql as 'select pg_sleep(30)'; grant execute on function public.slow() to authenticated").await;
    app.eventually(async || {
        ann.client.get("/rest/v1/").await.text().contains("slow")
            || ann.client.get("/rest/v1/notes?select=id").await.status == 200
    })
    .await;
    let slow = {
        let client = ann.client.clone();
        tokio::spawn(async move { client.post("/rest/v1/rpc/slow", json!({})).await })
    };
    for _ in 0..20 {
        bob.client.get("/rest/v1/notes?select=body").await.expect(200);
    }
    let stopped = slow.await.unwrap();
    assert!([500, 504, 408].contains(&stopped.status.as_u16()), "{} {}", stopped.status, stopped.text());
}

#[tokio::test]
async fn row_72_a_name_that_is_nothing_is_refused_wherever_a_name_may_stand() {
    let app = TestApp::builder().unlimited().start().await;
    let (ann, _) = notes(&app).await;
    for path in [
        "notes?%22%22=eq.1",
        "notes?select=%22%22",
        "notes?select=%22%22:body",
        "notes?select=body&order=%22%22",
        "notes?or=(%22%22.eq.1)",
        "notes?columns=%22%22",
        "notes?on_conflict=%22%22",
        "notes?select=%22%22(id)",
        "notes?%22%22.id=eq.1",
        "notes?select=body-%3E%22%22",
        "rpc/find?%22%22=1",
    ] {
        for method in [http::Method::GET, http::Method::POST] {
            let seen = ann.client.json(method, &format!("/rest/v1/{path}"), json!([{ "": 1 }])).await;
            assert!(
                !seen.text().contains("42601") && !seen.status.is_server_error(),
                "{path}: {}",
                seen.text()
            );
        }
    }
    ann.client.get("/rest/v1/notes?select=body&order=id").await.expect(200);
}

/// Pieces that scanners put together.
const PIECES: [&str; 24] = [
    "'",
    "\"",
    "\\",
    ")",
    "(",
    ";",
    "--",
    "/*",
    "*/",
    " or 1=1",
    " union select null",
    "||",
    "::int",
    "$1",
    "$$",
    "%00",
    "{",
    "}",
    ",",
    ".",
    "->>",
    "eq.",
    "not.",
    "\u{feff}",
];

#[tokio::test]
async fn row_72_five_thousand_made_up_injections_reach_no_parser() {
    let app = TestApp::builder().unlimited().start().await;
    let (ann, _) = notes(&app).await;
    app.owner(
        "create function public.find(wanted text) returns setof public.notes language sql stable as 'select * from public.notes where body = $1'; grant execute on function public.find to authenticated;",
    )
    .await;
    let enc = |text: &str| -> String { text.bytes().map(|b| format!("%{b:02X}")).collect() };
    // The same every time: a small generator of our own, from a fixed start.
    let mut state = 0x9E37_79B9_u32;
    let mut next = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % below
    };
    let before = ann.client.get("/rest/v1/notes?select=id,body").await.expect(200).value();
    let mut sent = 0;
    while sent < 5_000 {
        let payload: String = (0..=next(5)).map(|_| PIECES[next(PIECES.len())]).collect();
        let p = enc(&payload);
        let client = ann.client.clone();
        // Headers take no other letters.
        let plain: String = payload.chars().filter(char::is_ascii).collect();
        let mut headers = vec![("content-type", "application/json")];
        let (path, body) = match next(22) {
            0 => (format!("/rest/v1/notes?body=eq.{p}"), None),
            1 => (format!("/rest/v1/notes?body=in.({p})"), None),
            2 => (format!("/rest/v1/notes?{p}=eq.1"), None),
            3 => (format!("/rest/v1/notes?select={p}"), None),
            4 => (format!("/rest/v1/notes?select=body::{p}"), None),
            5 => (format!("/rest/v1/notes?select=body-%3E{p}"), None),
            6 => (format!("/rest/v1/notes?order={p}"), None),
            7 => (format!("/rest/v1/notes?or=({p})"), None),
            8 => (format!("/rest/v1/notes?select=id&id={p}"), None),
            9 => (format!("/rest/v1/rpc/find?wanted={p}"), None),
            10 => ("/rest/v1/rpc/find".to_owned(), Some(json!({ "wanted": payload }))),
            11 => ("/rest/v1/rpc/find".to_owned(), Some(json!({ payload.clone(): 1 }))),
            12 => (format!("/rest/v1/notes?columns={p}"), Some(json!([{ payload.clone(): 1 }]))),
            13 => {
                headers.push(("accept-profile", &plain));
                ("/rest/v1/notes".to_owned(), None)
            }
            14 => {
                headers.push(("content-profile", &plain));
                ("/rest/v1/rpc/find".to_owned(), Some(json!({ "wanted": payload })))
            }
            15 => {
                headers.push(("range", &plain));
                headers.push(("range-unit", "items"));
                ("/rest/v1/notes?select=id".to_owned(), None)
            }
            16 => {
                headers.push(("prefer", &plain));
                ("/rest/v1/notes?select=id".to_owned(), None)
            }
            17 => {
                let filter = json!({ "column": "body", "operator": "eq", "value": payload });
                (
                    "/api/v1/tables/notes/query".to_owned(),
                    Some(json!({ "filters": [filter], "order": [{ "column": payload }] })),
                )
            }
            18 => (format!("/api/v1/tables/notes?select={p}&order={p}"), None),
            19 => (format!("/api/v1/rpc/default/{p}"), Some(json!({ "params": { "wanted": payload } }))),
            20 => (
                "/api/v1/graphql".to_owned(),
                Some(
                    json!({ "query": format!("{{ notes(filter: {{ body_eq: {} }}) {{ id }} }}", json!(payload)) }),
                ),
            ),
            _ => (
                "/graphql/v1".to_owned(),
                Some(
                    json!({ "query": "query($b: String) { notesCollection(filter: { body: { eq: $b } }) { edges { node { id } } } }", "variables": { "b": payload } }),
                ),
            ),
        };
        let method = if body.is_some() { http::Method::POST } else { http::Method::GET };
        let body = body.map_or_else(String::new, |body| body.to_string());
        let seen = client.send(method, &path, &headers, body.into()).await;
        sent += 1;
        let text = seen.text();
        assert!(
            !text.contains("42601") && !text.contains("syntax error at or near"),
            "{payload:?} {path}: {text}"
        );
        assert!(!seen.status.is_server_error(), "{payload:?} {path}: {} {text}", seen.status);
        assert!(!text.contains("of bob"), "{payload:?} {path}: {text}");
    }
    assert_eq!(ann.client.get("/rest/v1/notes?select=id,body").await.expect(200).value(), before);
}

#[tokio::test]
async fn row_74_an_unbounded_read_is_capped() {
    let app = TestApp::builder().unlimited().start().await;
    let (ann, _) = notes(&app).await;
    app.admin(&format!(
        "INSERT INTO public.notes (owner, body) SELECT '{}', 'n' || n from generate_series(1, 3000) n",
        ann.id
    ))
    .await;
    let rows = ann.client.get("/rest/v1/notes?select=body&limit=1000000000").await;
    assert!(rows.status.is_success(), "{}", rows.text());
    assert_eq!(rows.value().as_array().unwrap().len(), 1000);
}

#[tokio::test]
async fn row_77_a_revoked_right_is_gone_with_the_next_request() {
    let app = TestApp::start().await;
    let (ann, _) = notes(&app).await;
    ann.client.get("/rest/v1/notes?select=body").await.expect(200);
    app.admin("revoke all on public.notes from authenticated; revoke select (id, owner, body) on public.notes from authenticated").await;
    assert!([401, 403, 404].contains(&ann.client.get("/rest/v1/notes?select=body").await.status.as_u16()));
    app.admin(
        "grant select (id, owner, body) on public.notes to authenticated; drop policy own on public.notes",
    )
    .await;
    assert_eq!(ann.client.get("/rest/v1/notes?select=body").await.value(), json!([]));
}

const TABLE: &str = "/api/v1/tables/notes";

#[tokio::test]
async fn row_62_a_hidden_column_is_no_oracle_in_the_fluxbase_dialect_either() {
    let app = TestApp::builder().unlimited().with("data.aggregates", "true").start().await;
    let (ann, _) = notes(&app).await;
    for query in [
        "select=body&secret=like.s%25",
        "select=body&secret.gt=a",
        "select=body&order=secret.asc.nullslast",
        "select=body%2Csecret",
        "select=max%28secret%29",
        "select=count%28*%29&secret=eq.s3cret",
        "select=count%28*%29&group_by=secret",
        "select=body&or=%28secret.eq.s3cret%2Cid.eq.0%29",
        "select=secret&truncate=1",
        "cursor=eyJjIjoic2VjcmV0IiwidiI6ImEifQ%3D%3D",
    ] {
        let seen = ann.client.get(&format!("{TABLE}?{query}")).await;
        assert!(
            [400, 401, 403, 404].contains(&seen.status.as_u16()),
            "{query}: {} {}",
            seen.status,
            seen.text()
        );
        assert!(!seen.text().contains("s3cret"));
    }
    for body in [
        json!({ "select": "body", "filters": [{ "column": "secret", "operator": "eq", "value": "s3cret" }] }),
        json!({ "select": "body", "order": [{ "column": "secret", "direction": "asc" }] }),
        json!({ "select": "body", "betweenFilters": [{ "column": "secret", "min": "a", "max": "z" }] }),
        json!({ "select": "count(*)", "groupBy": ["secret"] }),
    ] {
        let seen = ann.client.post(&format!("{TABLE}/query"), body).await;
        assert!([400, 401, 403, 404].contains(&seen.status.as_u16()), "{} {}", seen.status, seen.text());
    }
    ann.client.get(&format!("{TABLE}?select=body&order=id")).await.expect(200);
}

#[tokio::test]
async fn row_72_sql_in_any_place_of_the_fluxbase_dialect_stays_text() {
    let app = TestApp::builder().unlimited().with("data.aggregates", "true").start().await;
    let (ann, _) = notes(&app).await;
    let enc = |text: &str| -> String { text.bytes().map(|b| format!("%{b:02X}")).collect() };
    let payloads = [
        "'",
        "\"",
        "');drop table notes;--",
        "1 or 1=1",
        "\\",
        "\u{0}",
        "$1",
        "a\"b",
        "::text",
        "(select 1)",
        ")",
        "--",
        "'||'a",
        ",id.gt.0",
    ];
    for payload in payloads {
        let p = enc(payload);
        for path in [
            format!("{TABLE}?select={p}"),
            format!("{TABLE}?select=body&body=eq.{p}"),
            format!("{TABLE}?select=body&body=cs.({p})"),
            format!("{TABLE}?select=body&{p}.gt=1"),
            format!("{TABLE}?select=sum({p})"),
            format!("{TABLE}?select=count(*)&group_by={p}"),
            format!("{TABLE}?select=body&order={p}"),
            format!("{TABLE}?select=body&count={p}"),
            format!("{TABLE}?select=body&truncate={p}"),
            format!("{TABLE}/{p}"),
            format!("/api/v1/tables/{p}/{p}/{p}"),
        ] {
            let seen = ann.client.get(&path).await;
            assert!(!seen.status.is_server_error(), "{payload} {path}: {} {}", seen.status, seen.text());
            assert!(!seen.text().contains("syntax error"), "{payload} {path}: {}", seen.text());
        }
        for body in [
            json!({ "filters": [{ "column": payload, "operator": "eq", "value": 1 }] }),
            json!({ "filters": [{ "column": "body", "operator": "in", "value": [payload] }] }),
            json!({ "filters": [{ "column": "body", "operator": payload, "value": 1 }] }),
            json!({ "filters": [{ "column": "body", "operator": "not", "value": format!("eq.{payload}") }] }),
            json!({ "betweenFilters": [{ "column": "body", "min": payload, "max": payload, "negated": true }] }),
            json!({ "order": [{ "column": payload, "direction": "desc" }], "select": payload }),
            json!({ "orFilters": [payload], "andFilters": [payload] }),
            json!({ "groupBy": [payload], "select": "count(*)" }),
        ] {
            let seen = ann.client.post(&format!("{TABLE}/query"), body.clone()).await;
            assert!(!seen.status.is_server_error(), "{body}: {} {}", seen.status, seen.text());
            assert!(!seen.text().contains("syntax error"), "{body}: {}", seen.text());
            // Somebody else's rows are nobody's whatever is asked.
            assert!(!seen.text().contains("of bob@example.com"), "{body}: {}", seen.text());
        }
        let rpc =
            ann.client.post(&format!("/api/v1/rpc/{p}/{p}"), json!({ "params": { payload: payload } })).await;
        assert!(!rpc.status.is_server_error(), "{payload}: {}", rpc.text());
    }
    ann.client.get(&format!("{TABLE}?select=body")).await.expect(200);
}

#[tokio::test]
async fn row_74_an_unbounded_read_is_capped_in_the_fluxbase_dialect_too() {
    let app = TestApp::builder().unlimited().start().await;
    let (ann, _) = notes(&app).await;
    app.admin(&format!(
        "INSERT INTO public.notes (owner, body) SELECT '{}', 'n' || n from generate_series(1, 3000) n",
        ann.id
    ))
    .await;
    for path in [format!("{TABLE}?select=body"), format!("{TABLE}?select=body&limit=1000000000")] {
        assert_eq!(ann.client.get(&path).await.expect(200).value().as_array().unwrap().len(), 1000);
    }
    let asked = json!({ "select": "body", "limit": 1_000_000_000 });
    let seen = ann.client.post(&format!("{TABLE}/query"), asked).await.expect(200).value();
    assert_eq!(seen.as_array().unwrap().len(), 1000);
}

/// Row 65: behind a transaction, statements that code prepared are looked for only where there is such code: none of ours.
#[tokio::test]
async fn row_65_no_code_of_ours_prepares_a_statement_and_that_of_others_is_cleaned_up_behind() {
    let app = TestApp::builder().unlimited().start().await;
    assert!(!app.running.services.data.catalog().code_prepares);
    app.admin(
        "create function public.leave() returns text language plpgsql as $$
         begin execute 'prepare of_the_last as select 1'; return 'left'; end $$;
         create function public.seen() returns bigint language sql as
           $$ select count(*) from pg_catalog.pg_prepared_statements where from_sql $$;
         revoke execute on function public.leave(), public.seen() from public;
         grant execute on function public.leave(), public.seen() to authenticated",
    )
    .await;
    let ann = app.person("ann").await;
    app.eventually(async || ann.client.post("/rest/v1/rpc/leave", json!({})).await.status == 200).await;
    for _ in 0..20 {
        ann.client.post("/rest/v1/rpc/leave", json!({})).await.expect(200);
        assert_eq!(ann.client.post("/rest/v1/rpc/seen", json!({})).await.expect(200).text(), "0");
    }
}
