//! Every place of every dialect where a column may be named (rows 60, 62, 72): what is hidden is not asked by any of them.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use spec::{Client, Seen, Talk, TestApp};

use super::changes::{TOPIC, wants};
use super::policies::notes;

/// As an address has it.
fn encoded(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(byte);
    text.bytes().map(|b| if plain(&b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// Each place where a column of `lines` may be named: how, where, and with what body. `notes` has each line's note.
fn places(column: &str) -> Vec<(Method, String, Value)> {
    let c = encoded(column);
    let mut all: Vec<(Method, String, Value)> = [
        format!("lines?select=id,{c}"),
        format!("lines?select=x:{c}::text"),
        format!("lines?select={c}.max()"),
        format!("lines?select=id,{c}.count()"),
        format!("lines?select=id&order={c}"),
        format!("lines?select=id&order={c}.desc.nullslast,id"),
        format!("lines?select=id&{c}=like.*bob*"),
        format!("lines?select=id&{c}=not.is.null"),
        format!("lines?select=id&or=(id.eq.0,{c}.like.*bob*)"),
        format!("lines?select=id&not.and=(id.gt.0,not.or({c}.is.null,id.eq.0))"),
        format!("lines?select=id&{c}-%3E%3Ex=eq.1"),
        format!("lines?select=id,{c}-%3Ex"),
        format!("lines?select=id&order={c}-%3Ex"),
        format!("lines?select=id&{c}=fts.bob"),
        format!("notes?select=id,lines({c})"),
        format!("notes?select=id,lines(x:{c}::text)"),
        format!("notes?select=id,lines({c}.max())"),
        format!("notes?select=id,...lines({c})"),
        format!("notes?select=id,lines(id)&lines.order={c}"),
        format!("notes?select=id,lines(id)&lines.{c}=like.*bob*"),
        format!("notes?select=id,lines!inner(id)&lines.{c}=like.*bob*"),
        format!("notes?select=id,lines(id)&lines.or=(id.eq.0,{c}.like.*bob*)"),
        format!("lines?select=id,line(id)&order=line({c})"),
        format!("lines?select=id,line(id)&order=line({c}).desc"),
        format!("lines?select=id,line(id)&order=line({c}-%3Ex)"),
        format!("lines?select=id,...line(other:id)&order=line({c})"),
        format!("lines?select=id,line()&order=line({c})"),
        format!("rpc/found?select={c}"),
        format!("rpc/found?select=id&order={c}"),
        format!("rpc/found?select=id&{c}=like.*bob*"),
        format!("rpc/found?select=id,line(id)&order=line({c})"),
    ]
    .into_iter()
    .map(|query| (Method::GET, format!("/rest/v1/{query}"), Value::Null))
    .collect();
    let word = json!({ "word": "x" });
    all.extend([
        (Method::PATCH, format!("/rest/v1/lines?select=id,{c}&id=gt.0"), word.clone()),
        (Method::PATCH, format!("/rest/v1/lines?{c}=like.*bob*"), word.clone()),
        (Method::PATCH, "/rest/v1/lines?id=gt.0".to_owned(), json!({ column: "x" })),
        (Method::DELETE, format!("/rest/v1/lines?{c}=like.*bob*"), Value::Null),
        (Method::POST, format!("/rest/v1/lines?select={c}"), word.clone()),
        (Method::POST, format!("/rest/v1/lines?columns=word,{c}"), word.clone()),
        (Method::POST, format!("/rest/v1/lines?on_conflict={c}"), word.clone()),
        (Method::POST, "/rest/v1/lines".to_owned(), json!({ column: "x" })),
    ]);
    let table = "/api/v1/tables/lines";
    for query in [
        format!("select=id,{c}"),
        format!("select=max({c})"),
        format!("select=count(*)&group_by={c}"),
        format!("select=id&order={c}.asc.nullslast"),
        format!("select=id&{c}=like.%25bob%25"),
        format!("select=id&{c}.gt=a"),
        format!("select=id&or=({c}.eq.x,id.eq.0)"),
        format!("select=id,line(id)&order=line({c})"),
        format!("select=count(*)&{c}=eq.x"),
    ] {
        all.push((Method::GET, format!("{table}?{query}"), Value::Null));
    }
    for body in [
        json!({ "select": column }),
        json!({ "select": "id", "filters": [{ "column": column, "operator": "eq", "value": "x" }] }),
        json!({ "select": "id", "filters": [{ "column": column, "operator": "not", "value": "eq.x" }] }),
        json!({ "select": "id", "betweenFilters": [{ "column": column, "min": "a", "max": "z" }] }),
        json!({ "select": "id", "betweenFilters": [{ "column": column, "min": "a", "max": "z", "negated": true }] }),
        json!({ "select": "id", "order": [{ "column": column, "direction": "desc" }] }),
        json!({ "select": "id", "order": [{ "column": format!("line({column})"), "direction": "desc" }] }),
        json!({ "select": "count(*)", "groupBy": [column] }),
        json!({ "select": "id", "orFilters": [format!("{column}.eq.x,id.eq.0")] }),
        json!({ "select": "id", "andFilters": [format!("{column}.eq.x")] }),
    ] {
        all.push((Method::POST, format!("{table}/query"), body));
    }
    all.extend([
        (Method::PATCH, format!("{table}?{c}=eq.x"), word.clone()),
        (Method::DELETE, format!("{table}?{c}=eq.x"), Value::Null),
        (Method::POST, format!("{table}?on_conflict={c}"), word),
    ]);
    all
}

async fn sent(client: &Client, (method, path, body): &(Method, String, Value)) -> Seen {
    let headers = [
        ("prefer", "return=representation,resolution=merge-duplicates"),
        ("content-type", "application/json"),
    ];
    client.send(method.clone(), path, &headers, body.to_string().into()).await
}

/// `lines` may be read by whoever signed in and have each a line before; `secret` is granted to nobody.
async fn lines(app: &TestApp) -> (spec::Person, spec::Person) {
    let (ann, bob) = notes(app).await;
    app.owner(
        "alter table public.lines add line bigint references public.lines;
         create policy writes on public.lines for all to authenticated using (true) with check (true);
         create function public.found() returns setof public.lines language sql stable as 'select * from public.lines';
         grant execute on function public.found() to authenticated",
    )
    .await;
    (ann, bob)
}

#[tokio::test]
async fn row_60_a_function_that_is_not_served_is_called_from_no_place_where_a_column_may_stand() {
    let app = TestApp::builder().unlimited().with("data.aggregates", "true").start().await;
    let (ann, bob) = lines(&app).await;
    // PostgreSQL cuts names at 63 bytes, and hands a NUL to nobody: neither makes another name of one that is closed.
    let longest = "f".repeat(63);
    let longer = format!("{longest}f");
    app.admin(&format!(
        "create function public.any_bodies(anyelement) returns text language sql stable security definer set search_path = '' as
           'select string_agg(body, '','') from public.notes';
         create function public.{longest}(anyelement) returns text language sql stable security definer set search_path = '' as
           'select string_agg(body, '','') from public.notes';
         create function public.loud(public.lines) returns text language sql stable as 'select upper($1.word)';
         create function public.padded(public.lines, int default 3) returns text language sql stable as 'select $1.word';
         create function public.joined(text, public.lines) returns text language sql immutable as 'select $1 || $2.word';
         create aggregate public.all_words(public.lines) (sfunc = public.joined, stype = text, initcond = '');
         grant execute on all functions in schema public to authenticated"
    ))
    .await;
    app.eventually(async || ann.client.get("/rest/v1/lines?select=loud").await.status == 200).await;
    // Nor is one that nothing is known of as a field: it is called with what else it takes, or with all rows at once.
    let unknown = ["padded", "all_words", "json_agg", "to_jsonb"];
    let closed = ["any_bodies", "\"any_bodies\0\"", "\"any_\0bodies\"", &*longer, &*longest];
    for name in closed.into_iter().chain(unknown) {
        for place in places(name) {
            let seen = sent(&ann.client, &place).await;
            assert_eq!(seen.status, 400, "{place:?}: {}", seen.text());
            assert!(!seen.text().contains(&bob.email), "{place:?}: {}", seen.text());
        }
    }
    // The neighbours: fields that are served, and names that an embed gives.
    for query in [
        "lines?select=id,loud&loud=eq.WORD&order=loud",
        "lines?select=loud.max()",
        "notes?select=id,lines(loud)&lines.loud=eq.WORD&lines.order=loud",
        "lines?select=id,line(id)&order=line(id)",
        "lines?select=id,line(first:word)&order=line(first).desc",
        "lines?select=id,...line(loud)&order=line(loud)",
        "lines?select=id,line(id,deep:line(id))&order=line(deep-%3Eid)",
    ] {
        ann.client.get(&format!("/rest/v1/{query}")).await.expect(200);
    }
}

#[tokio::test]
async fn row_62_a_hidden_column_is_asked_from_no_place_where_a_column_may_stand() {
    let app = TestApp::builder().unlimited().with("data.aggregates", "true").start().await;
    let (ann, _) = lines(&app).await;
    app.owner(
        "alter table public.lines add secret text default 's3cret';
         revoke all on public.lines from anon, authenticated;
         grant select (id, note, word, line), insert (word), update (word), delete on public.lines to authenticated",
    )
    .await;
    app.eventually(async || ann.client.get("/rest/v1/lines?select=secret").await.status == 403).await;
    let before = app.service().get("/rest/v1/lines?select=*&order=id").await.expect(200).value();
    for place in places("secret") {
        // It gives whole rows, which need every column; what it filters by is asked all the same.
        let seen = sent(&ann.client, &place).await;
        assert!([400, 403].contains(&seen.status.as_u16()), "{place:?}: {} {}", seen.status, seen.text());
        assert!(!seen.text().contains("s3cret"), "{place:?}: {}", seen.text());
    }
    let after = app.service().get("/rest/v1/lines?select=*&order=id").await.expect(200).value();
    assert_eq!(after, before, "nothing was written or removed");
    // What describes the API names it to nobody either, nor its default.
    for (client, told) in [(&ann.client, false), (&app.service(), true)] {
        let seen = client.get("/rest/v1/").await.expect(200);
        let described = &seen.value()["definitions"]["lines"]["properties"];
        assert!(described["word"].is_object() && described["note"].is_object(), "{described}");
        assert_eq!(described.to_string().contains("s3cret"), told, "{described}");
        assert_eq!(seen.text().contains("rowFilter.lines.secret"), told, "{}", seen.text());
    }
    for query in [
        "lines?select=id&order=word",
        "lines?select=word.max()",
        "lines?select=id,line(word)&order=line(word)",
    ] {
        ann.client.get(&format!("/rest/v1/{query}")).await.expect(200);
    }
}

/// A number that PostgreSQL would show as the name of what has it: tables, functions, roles and schemas nobody may know of.
#[tokio::test]
async fn row_62_a_cast_makes_no_name_of_a_number() {
    let app = TestApp::builder().unlimited().start().await;
    app.owner(
        "create table public.numbers (id int primary key, n int, many int[]);
         create policy everybody on public.numbers to authenticated using (true) with check (true);
         create schema hidden; create table hidden.ledger (id int)",
    )
    .await;
    let ann = app.person("ann").await.client;
    let number = "select 'hidden.ledger'::regclass::oid::int8";
    let number: i64 = app.database.admin().await.query_one(number, &[]).await.unwrap().get(0);
    ann.post("/rest/v1/numbers", json!({ "id": 1, "n": number, "many": [number] })).await.expect(201);
    for kind in [
        "regclass",
        "REGCLASS",
        "regproc",
        "regprocedure",
        "regrole",
        "regnamespace",
        "regtype",
        "regoper",
        "regconfig",
        "regdictionary",
        "regcollation",
        "regoperator",
    ] {
        for cast in [format!("n::{kind}"), format!("many::_{kind}"), format!("n.max()::{kind}")] {
            for path in ["/rest/v1/numbers", "/api/v1/tables/numbers"] {
                let seen = ann.get(&format!("{path}?select={cast}")).await;
                assert_eq!(seen.status, 400, "{path} {cast}: {}", seen.text());
                assert!(!seen.text().contains("ledger"), "{path} {cast}: {}", seen.text());
            }
        }
    }
    let text = ann.get("/rest/v1/numbers?select=n::text").await.expect(200).value();
    assert_eq!(text, json!([{ "n": number.to_string() }]));
}

/// What scanners put together, in every part of a wish for changes and in the name of a channel.
#[tokio::test]
async fn row_72_sql_in_a_filter_of_changes_stays_text() {
    const PIECES: [&str; 16] = [
        "'",
        "\"",
        "\\",
        ")",
        "(",
        ";",
        "--",
        "/*",
        " or true",
        " union select null",
        "::int",
        "$1",
        "\0",
        ",id=eq.1",
        ".",
        "not.",
    ];
    let app = TestApp::builder().unlimited().start().await;
    app.owner(super::changes::TABLES).await;
    let (ann, bob) = (app.person("ann").await, app.person("bob").await);
    let mut talk = Talk::open(&app).await;
    let mut joined = 0;
    for round in 0..400_usize {
        let piece = |at: usize| PIECES[(round / at) % PIECES.len()];
        let payload = format!("{}{}{}", piece(1), piece(7), piece(31));
        let mut wish = json!({ "event": "*", "schema": "public", "table": "notes" });
        match round % 6 {
            0 => wish["filter"] = json!(format!("body=eq.{payload}")),
            1 => wish["filter"] = json!(format!("body=in.({payload})")),
            2 => wish["filter"] = json!(format!("{payload}=eq.1")),
            3 => wish["filter"] = json!(format!("body={payload}.x")),
            4 => wish["table"] = json!(payload),
            _ => wish["schema"] = json!(payload),
        }
        let topic = if round % 5 == 0 { format!("realtime:{payload}") } else { TOPIC.to_owned() };
        let answer = talk.join(&topic, wants(json!([wish])), Some(&ann.access_token)).await;
        let said = answer.to_string();
        assert!(!said.contains("RateLimit"), "{said}");
        for word in ["42601", "syntax error", "unterminated", "UnableToConnect"] {
            assert!(!said.contains(word), "{wish} in {topic:?}: {said}");
        }
        joined += usize::from(answer["status"] == "ok");
        if round % 5 == 4 {
            app.clock.advance(Duration::from_secs(1));
        }
        // A token lives a quarter of an hour; nobody has more channels than a hundred.
        if round % 50 == 49 {
            talk = Talk::open(&app).await;
        }
    }
    assert!(joined > 60, "values are text whatever they hold: {joined}");
    // What somebody else's row tells is told to nobody by any of them.
    let mark = json!({ "event": "*", "schema": "public", "table": "news" });
    let open =
        json!({ "event": "*", "schema": "public", "table": "notes", "filter": "body=neq.' or true --" });
    let answer = talk.join(TOPIC, wants(json!([open, mark])), Some(&ann.access_token)).await;
    assert_eq!(answer["status"], "ok", "{answer}");
    assert_eq!(talk.wait("system").await[4]["message"], "Subscribed to PostgreSQL");
    let rows = format!(
        "insert into public.notes values (1, '{}', 'of bob'); insert into public.notes values (2, '{}', 'of ann'); insert into public.news values (1, 'mark')",
        bob.id, ann.id
    );
    super::changes::sql(&app, &rows).await;
    let told = super::changes::told_until(&mut talk, "mark").await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["record"]["body"], "of ann");
}
