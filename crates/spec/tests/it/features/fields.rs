//! Refused fields are named, and nothing else is (control 121).

use http::Method;
use serde_json::{Value, json};
use spec::TestApp;

use super::policies::palisade;

const SHOP: &str = "create type public.size as enum ('small', 'large');
     create domain public.sku as text check (value ~ '^[A-Z]{3}-[0-9]+$');
     create table public.goods (id int primary key, sku public.sku, name varchar(10) not null unique, size public.size, price numeric constraint fair check (price >= 0 and price < 1000),
        parent int references public.goods, low int, high int, constraint ordered check (low < high), made uuid, small smallint);
     create policy everybody on public.goods to authenticated using (true) with check (true);
     create view public.labels with (security_invoker = true) as select id, name as label, price as cost from public.goods;
     create schema hidden;
     create table hidden.ledger (good int not null check (good < 100));
     create function public.book() returns trigger language plpgsql security definer set search_path = '' as $$ begin insert into hidden.ledger values (new.id); return new; end $$;
     create trigger book after insert on public.goods for each row execute function public.book();
     insert into public.goods (id, name) values (1, 'one');";

fn faults(value: &Value) -> Vec<String> {
    let all = value["fields"].as_array().cloned().unwrap_or_default();
    all.iter()
        .map(|one| {
            format!(
                "{} {}: {}",
                one["column"].as_str().unwrap(),
                one["rule"].as_str().unwrap(),
                one["says"].as_str().unwrap()
            )
        })
        .collect()
}

#[tokio::test]
async fn each_kind_of_refusal_names_its_field() {
    let app = TestApp::builder().unlimited().start().await;
    app.owner(SHOP).await;
    let ann = app.person("ann").await.client;
    for (row, status, said) in [
        (json!({ "id": 2 }), 400, vec!["name required: is required"]),
        (
            json!({ "id": 2, "name": "far too long" }),
            400,
            vec!["name length: must have at most 10 characters"],
        ),
        (json!({ "id": 2, "name": "one" }), 409, vec!["name unique: is taken already"]),
        (
            json!({ "id": 2, "name": "x", "size": "huge" }),
            400,
            vec!["size choice: must be one of small, large"],
        ),
        (
            json!({ "id": 2, "name": "x", "price": -1 }),
            400,
            vec!["price check: must be at least 0 and must be less than 1000"],
        ),
        (
            json!({ "id": 2, "name": "x", "sku": "abc" }),
            400,
            vec!["sku check: has not the form it must have"],
        ),
        (
            json!({ "id": 2, "name": "x", "parent": 77 }),
            409,
            vec!["parent reference: names a row that is not there"],
        ),
        (
            json!({ "id": 2, "name": "x", "low": 3, "high": 2 }),
            400,
            vec!["low check: breaks the rule ordered", "high check: breaks the rule ordered"],
        ),
        (json!({ "id": 2, "name": "x", "made": "yesterday" }), 400, vec!["made type: must be a UUID"]),
        (
            json!({ "id": "two", "name": "x" }),
            400,
            vec!["id type: must be a whole number from -2147483648 to 2147483647"],
        ),
    ] {
        let refused = ann.post("/rest/v1/goods", row).await.expect(status).value();
        assert_eq!(faults(&refused), said, "{refused}");
        let details = refused["details"].as_str().unwrap();
        assert!(said.iter().all(|one| details.contains(one.split_once(": ").unwrap().1)), "{refused}");
        assert!(refused["message"].is_string() && refused["code"].is_string());
    }
    let several = ann
        .post("/rest/v1/goods", json!([{ "id": 2, "name": "x" }, { "id": 3, "name": "much too long" }]))
        .await;
    assert_eq!(several.expect(400).value()["fields"][0]["row"], 1);
    let changed =
        ann.json(Method::PATCH, "/rest/v1/goods?id=eq.1", json!({ "price": 5000 })).await.expect(400).value();
    assert_eq!(faults(&changed), ["price check: must be at least 0 and must be less than 1000"]);
    // What shows the table under other names is told by those.
    let shown =
        ann.post("/rest/v1/labels", json!({ "id": 2, "label": "x", "cost": -1 })).await.expect(400).value();
    assert_eq!(faults(&shown), ["cost check: must be at least 0 and must be less than 1000"]);
    let unnamed = ann.post("/rest/v1/labels", json!({ "id": 2 })).await.expect(400).value();
    assert_eq!(faults(&unnamed), ["label required: is required"]);
    ann.post(
        "/rest/v1/goods",
        json!({ "id": 2, "name": "good", "sku": "ABC-1", "size": "small", "price": 5 }),
    )
    .await
    .expect(201);
}

#[tokio::test]
async fn a_refusal_from_what_is_not_served_names_nothing() {
    let app = TestApp::builder().unlimited().start().await;
    app.owner(SHOP).await;
    let ann = app.person("ann").await.client;
    let refused = ann.post("/rest/v1/goods", json!({ "id": 500, "name": "x" })).await.expect(400);
    assert!(!refused.text().contains("ledger") && !refused.text().contains("hidden"), "{}", refused.text());
    assert_eq!(refused.value()["code"], "23514");
    app.owner("alter table hidden.ledger add foreign key (good) references public.goods on delete restrict")
        .await;
    let refused = ann.send(Method::DELETE, "/rest/v1/goods?id=eq.2", &[], Default::default()).await;
    assert!(!refused.text().contains("ledger"), "{}", refused.text());
    ann.post("/rest/v1/goods", json!({ "id": 50, "name": "y" })).await.expect(201);
    let refused =
        ann.send(Method::DELETE, "/rest/v1/goods?id=eq.50", &[], Default::default()).await.expect(409);
    assert!(!refused.text().contains("ledger"), "{}", refused.text());
}

#[tokio::test]
async fn a_rule_that_cannot_be_read_closes_its_column_alone() {
    let app = TestApp::builder().unlimited().start().await;
    app.owner(
        "create table public.notes (id int primary key, body text, other text);
         create policy everybody on public.notes to authenticated using (true) with check (true);
         comment on column public.notes.body is '@palisade html: sanitze';
         create domain public.prose as text; comment on domain public.prose is '@palisade html: sanitize';
         alter table public.notes add column story public.prose; create table public.older (); ",
    )
    .await;
    let ann = app.person("ann").await.client;
    let refused = ann.post("/rest/v1/notes", json!({ "id": 1, "body": "x" })).await.expect(500);
    assert!(!refused.text().contains("sanitze"));
    ann.post("/rest/v1/notes", json!({ "id": 1, "other": "<script>", "story": "<script>x</script>y" }))
        .await
        .expect(201);
    // A domain's comment holds for every column of it, and what is said to us is not told.
    assert_eq!(
        ann.get("/rest/v1/notes?select=other,story").await.value(),
        json!([{ "other": "<script>", "story": "y" }])
    );
    assert!(!ann.get("/rest/v1/").await.text().contains("@palisade"));
}

#[tokio::test]
async fn every_dialect_names_the_field_and_none_what_is_hidden() {
    let app = TestApp::builder().unlimited().start().await;
    app.owner(SHOP).await;
    let ann = app.person("ann").await.client;
    let graphql = async |object: &str| {
        let query =
            format!("mutation {{ insertIntogoodsCollection(objects: [{object}]) {{ affectedCount }} }}");
        ann.post("/graphql/v1", json!({ "query": query })).await.value()["errors"][0].clone()
    };
    for (row, object, said) in [
        (json!({ "id": 2 }), "{ id: 2 }", "name required: is required"),
        (json!({ "id": 2, "name": "one" }), "{ id: 2, name: \"one\" }", "name unique: is taken already"),
        (
            json!({ "id": 2, "name": "x", "price": -1 }),
            "{ id: 2, name: \"x\", price: \"-1\" }",
            "price check: must be at least 0 and must be less than 1000",
        ),
    ] {
        let refused = ann.post("/api/v1/tables/goods", row).await;
        assert!(refused.status.is_client_error());
        assert_eq!(faults(&refused.value()), [said], "{}", refused.text());
        let error = graphql(object).await;
        assert_eq!(faults(&error["extensions"]), [said], "{error}");
    }
    // What PostgreSQL refuses without saying of which column: a type, a range; as literals, as variables, of one
    // row of several, and of a change.
    for (object, said) in [
        ("{ id: 2, name: \"x\", made: \"not a uuid\" }", "made type: must be a UUID"),
        ("{ id: 2, name: \"x\", price: \"many\" }", "price type: must be a number"),
        ("{ id: 2, name: \"x\", small: 40000 }", "small type: must be a whole number from -32768 to 32767"),
    ] {
        let error = graphql(object).await;
        assert_eq!(faults(&error["extensions"]), [said], "{error}");
        assert!(error["extensions"]["fields"][0]["row"].is_null());
        let error = graphql(&format!("{{ id: 3, name: \"fine\" }}, {object}")).await;
        assert_eq!(
            (faults(&error["extensions"]), &error["extensions"]["fields"][0]["row"]),
            (vec![said.to_owned()], &json!(1))
        );
    }
    let long = ["name length: must have at most 10 characters"];
    assert_eq!(faults(&graphql("{ id: 2, name: \"far too long\" }").await["extensions"]), long);
    let sent = |query: &str, value: &str| {
        let body = json!({ "query": query, "variables": { "v": value } });
        let ann = ann.clone();
        async move { ann.post("/graphql/v1", body).await.value()["errors"][0].clone() }
    };
    let insert = "mutation($v: UUID) { insertIntogoodsCollection(objects: [{ id: 2, name: \"x\", made: $v }]) { affectedCount } }";
    let change = "mutation($v: UUID) { updategoodsCollection(filter: { id: { eq: 1 } }, set: { made: $v }) { affectedCount } }";
    for query in [insert, change] {
        let error = sent(query, "not a uuid").await;
        assert_eq!(faults(&error["extensions"]), ["made type: must be a UUID"], "{error}");
        let long_query = query
            .replace("UUID", "String")
            .replace("name: \"x\", made: $v", "name: $v")
            .replace("made: $v", "name: $v");
        assert_eq!(faults(&sent(&long_query, "far too long").await["extensions"]), long);
        assert!(!error.to_string().contains("goods_"), "{error}");
    }
    let hidden = ann.post("/api/v1/tables/goods", json!({ "id": 200, "name": "x" })).await;
    assert!(hidden.status.is_client_error(), "{}", hidden.text());
    let error = graphql("{ id: 200, name: \"x\" }").await;
    for text in [hidden.text(), error.to_string()] {
        assert!(!text.contains("ledger") && !text.contains("fields"), "{text}");
        assert!(text.contains("A rule of the database refused this"), "{text}");
    }
    ann.post("/api/v1/tables/goods", json!({ "id": 3, "name": "three" })).await.expect(201);
}

#[tokio::test]
async fn html_is_cleaned_through_every_dialect() {
    let app = TestApp::builder().unlimited().start().await;
    app.owner(
        "create table public.pages (id int primary key, body text not null);
         comment on column public.pages.body is '@palisade html: sanitize';
         create policy everybody on public.pages to authenticated using (true) with check (true);",
    )
    .await;
    let ann = app.person("ann").await.client;
    let dirty = "<b>x</b><script>alert(1)</script><img src=x onerror=alert(1)>";
    ann.post("/api/v1/tables/pages", json!({ "id": 1, "body": dirty })).await.expect(201);
    let patched =
        ann.json(Method::PATCH, "/api/v1/tables/pages/1", json!({ "body": format!("{dirty}!") })).await;
    patched.expect(200);
    let mutation = json!({
        "query": "mutation($b: String!) { insertIntopagesCollection(objects: [{ id: 2, body: $b }]) { affectedCount } }",
        "variables": { "b": dirty },
    });
    let made = ann.post("/graphql/v1", mutation).await.value();
    assert!(made["errors"].is_null(), "{made}");
    let stored = ann.get("/rest/v1/pages?select=body&order=id").await.expect(200).value();
    let stored: Vec<&str> =
        stored.as_array().unwrap().iter().map(|row| row["body"].as_str().unwrap()).collect();
    assert_eq!(stored.len(), 2);
    for body in stored {
        assert!(
            body.starts_with("<b>x</b>") && !body.contains("script") && !body.contains("onerror"),
            "{body}"
        );
    }
}

#[tokio::test]
async fn html_that_stands_there_is_cleaned_by_a_command_that_is_recorded() {
    let app = TestApp::start().await;
    app.owner(
        "create table public.pages (id int primary key, body text not null);
         comment on column public.pages.body is '@palisade html: sanitize';
         create policy everybody on public.pages to authenticated using (true) with check (true);
         insert into public.pages values (1, '<b>x</b><script>alert(1)</script>'), (2, 'plain')",
    )
    .await;
    let ann = app.person("ann").await.client;
    let body =
        async || ann.get("/rest/v1/pages?id=eq.1").await.value()[0]["body"].as_str().unwrap().to_owned();
    let (exit, said) = palisade(&app, &["db", "clean-html", "--dry-run"]).await;
    assert_eq!((exit, said.trim()), (0, "public.pages.body: 1 of 2 values would be changed"));
    assert!(body().await.contains("script") && !app.audited("db.html_cleaned").await);
    let (exit, said) = palisade(&app, &["db", "clean-html", "--table", "public.pages"]).await;
    assert_eq!((exit, said.trim()), (0, "public.pages.body: 1 of 2 values were changed"));
    assert_eq!(body().await, "<b>x</b>");
    assert!(app.audited("db.html_cleaned").await);
    let (exit, said) = palisade(&app, &["db", "clean-html", "--table", "nothing"]).await;
    assert!(exit != 0 && said.contains("nothing"), "{exit}: {said}");
}

/// Every way to write a row of `pages`, with these values; number 1 is there before.
fn written(body: &str, doc: &Value, price: i64) -> Vec<(Method, &'static str, &'static str, String)> {
    const JSON: &str = "application/json";
    let values = |id: Option<u32>| {
        let mut row = json!({ "body": body, "doc": doc, "price": price });
        id.into_iter().for_each(|id| row["id"] = json!(id));
        row
    };
    let way = |method: Method, path: &'static str, body: Value| (method, path, JSON, body.to_string());
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    // A field of CSV is a text, also where JSON is stored: one of an object is none.
    let csv = match doc["k"].is_string() {
        true => format!("id,body,price\n14,{},{price}\n", quoted(body)),
        false => format!("id,body,doc,price\n14,{},{},{price}\n", quoted(body), quoted(&doc.to_string())),
    };
    let literal = |text: &str| json!(text).to_string();
    let fields = format!("body: {}, doc: {}, price: {price}", literal(body), literal(&doc.to_string()));
    // Of the two conventions one has JSON as an object, the other as its text.
    let plain = format!("body: {}, doc: {{ k: {} }}, price: {price}", literal(body), doc["k"]);
    let graphql = |path: &'static str, text: String| {
        way(Method::POST, path, json!({ "query": format!("mutation {{ {text} }}") }))
    };
    vec![
        way(Method::POST, "/rest/v1/pages", values(Some(11))),
        way(Method::POST, "/rest/v1/pages", json!([values(Some(12))])),
        way(Method::POST, "/rest/v1/pages?columns=id,body,doc,price", values(Some(13))),
        way(Method::POST, "/rest/v1/pages?on_conflict=id", values(Some(1))),
        (Method::POST, "/rest/v1/pages", "text/csv", csv),
        way(Method::PUT, "/rest/v1/pages?id=eq.15", values(Some(15))),
        way(Method::PATCH, "/rest/v1/pages?id=eq.1", values(None)),
        way(Method::POST, "/api/v1/tables/pages", values(Some(16))),
        way(Method::POST, "/api/v1/tables/public/pages", json!([values(Some(17))])),
        way(Method::POST, "/api/v1/tables/pages?on_conflict=id", values(Some(1))),
        way(Method::PATCH, "/api/v1/tables/pages?id=eq.1", values(None)),
        way(Method::PATCH, "/api/v1/tables/pages/1", values(None)),
        way(Method::PUT, "/api/v1/tables/public/pages/1", values(None)),
        graphql(
            "/graphql/v1",
            format!("insertIntopagesCollection(objects: [{{ id: 18, {fields} }}]) {{ affectedCount }}"),
        ),
        graphql(
            "/graphql/v1",
            format!(
                "updatepagesCollection(set: {{ {fields} }}, filter: {{ id: {{ eq: 1 }} }}) {{ affectedCount }}"
            ),
        ),
        graphql("/api/v1/graphql", format!("insertPages(data: {{ id: 19, {plain} }}) {{ id }}")),
        graphql("/api/v1/graphql", format!("updatePages(id: 1, data: {{ {plain} }}) {{ id }}")),
    ]
}

/// A rule of a column is one for every way to write, of every dialect: HTML is cleaned, a schema and a CHECK name their field.
#[tokio::test]
async fn rules_of_columns_hold_for_every_way_to_write() {
    let app = TestApp::builder().unlimited().start().await;
    app.owner(
        "create table public.pages (id int primary key, body text not null, doc jsonb, price int constraint fair check (price >= 0));
         comment on column public.pages.body is '@palisade html: sanitize';
         comment on column public.pages.doc is '@palisade schema: {\"type\": \"object\", \"properties\": {\"k\": {\"type\": \"string\"}}}';
         create policy everybody on public.pages to authenticated using (true) with check (true);",
    )
    .await;
    let ann = app.person("ann").await.client;
    let sent = async |(method, path, kind, body): &(Method, &str, &str, String)| {
        let headers =
            [("content-type", *kind), ("prefer", "resolution=merge-duplicates,return=representation")];
        ann.send(method.clone(), path, &headers, body.clone().into()).await
    };
    let (fine, bad) = (json!({ "k": "v" }), json!({ "k": 7 }));
    let dirty = "<b>x</b><img src=x onerror=alert(1)><script>alert(1)</script>";
    let first = json!({ "id": 1, "body": "first", "doc": fine, "price": 1 });
    ann.post("/rest/v1/pages", first.clone()).await.expect(201);
    let all = async || app.service().get("/rest/v1/pages?order=id").await.expect(200).value();
    for (wrong, said) in [
        (written("x", &bad, 1), "doc schema: "),
        (written("x", &fine, -1), "price check: must be at least 0"),
    ] {
        for way in &wrong {
            let seen = sent(way).await;
            let refused = seen.value();
            let error =
                if way.1.contains("graphql") { &refused["errors"][0]["extensions"] } else { &refused };
            let faults = faults(error);
            assert!(faults.len() == 1 && faults[0].starts_with(said), "{way:?}: {}", seen.text());
            assert!(way.1.contains("graphql") || seen.status == 400, "{way:?}: {}", seen.status);
        }
        assert_eq!(all().await, json!([first]), "nothing was written");
    }
    for way in &written(dirty, &fine, 2) {
        let seen = sent(way).await;
        assert!(seen.status.is_success() && !seen.text().contains("\"errors\""), "{way:?}: {}", seen.text());
        let rows = all().await;
        for row in rows.as_array().unwrap() {
            let body = row["body"].as_str().unwrap();
            assert!(body == "first" || body.starts_with("<b>x</b><img"), "{way:?}: {body}");
            assert!(!body.contains("script") && !body.contains("onerror"), "{way:?}: {body}");
        }
        // Each change of the first row is looked at by itself.
        app.owner("update public.pages set body = 'first' where id = 1").await;
    }
    assert_eq!(all().await.as_array().unwrap().len(), 10);
}

/// A table of which people may use some columns; a view of a table that they may not use at all, and one of a table that is not
/// served.
const HIDING: &str = "create table public.bids (id int primary key, price int, reserve int not null default 5, score int constraint secret_score check (score < 100),
        meta jsonb, constraint over_reserve check (price >= reserve));
     comment on column public.bids.meta is '@palisade schema: {\"enum\": [\"secret-plan\"]}';
     create policy everybody on public.bids to authenticated using (true) with check (true);
     revoke all on public.bids from anon, authenticated;
     grant select (id, price), insert (id, price), update (price) on public.bids to authenticated;
     create function public.judge() returns trigger language plpgsql as $$ begin
         if new.id = 7 then new.reserve := null; end if; if new.id = 8 then new.score := 500; end if; return new; end $$;
     create trigger judge before insert on public.bids for each row execute function public.judge();
     create table public.payroll (id int primary key, wage int constraint fair_wage check (wage > 0), grade int not null default 1,
        constraint wage_of_grade check (wage > grade));
     revoke all on public.payroll from anon, authenticated;
     create policy everybody on public.payroll using (true) with check (true);
     create view public.wages as select id, wage as pay from public.payroll;
     grant select, insert on public.wages to authenticated;
     alter view public.wages owner to palisade_viewer; alter view public.wages set (security_invoker = false); comment on view public.wages is '@palisade serve: on purpose';
     create schema vault;
     create table vault.ledger (id int primary key, amount int constraint fair_amount check (amount > 0), clerk text not null default 'x');
     create view public.sums as select id, amount as total from vault.ledger;
     grant usage on schema vault to palisade_viewer;
     grant select, insert on public.sums to authenticated;
     grant all on vault.ledger, public.payroll to palisade_viewer;
     alter view public.sums owner to palisade_viewer; alter view public.sums set (security_invoker = false); comment on view public.sums is '@palisade serve: on purpose';";

/// What a caller may use nothing of is named by no refusal: neither as a field nor by the database's words.
#[tokio::test]
async fn a_refusal_names_no_column_or_table_that_its_caller_may_not_use() {
    let app = TestApp::builder().unlimited().start().await;
    app.admin("create role palisade_viewer nologin; grant palisade_viewer to palisade_owner; grant create on schema public to palisade_viewer").await;
    app.owner(HIDING).await;
    let ann = app.person("ann").await.client;
    let secrets = [
        "reserve", "score", "secret", "payroll", "wage", "fair", "grade", "ledger", "amount", "clerk",
        "vault",
    ];
    let silent = |text: &str| {
        for secret in secrets {
            assert!(!text.replace("wages", "").contains(secret), "{secret} in {text}");
        }
    };
    for (table, row, says) in [
        ("bids", json!({ "id": 1, "price": 1 }), vec![]),
        ("bids", json!({ "id": 7, "price": 9 }), vec![]),
        ("bids", json!({ "id": 8, "price": 9 }), vec![]),
        ("bids", json!({ "id": 9, "price": 9, "meta": "x" }), vec!["meta schema: is not yours to write"]),
        ("wages", json!({ "id": 1, "pay": 0 }), vec!["pay check: must be more than 0"]),
        ("sums", json!({ "id": 1, "total": 0 }), vec!["total check: must be more than 0"]),
    ] {
        let refused = ann.post(&format!("/rest/v1/{table}"), row.clone()).await.expect(400);
        silent(&refused.text());
        assert_eq!(faults(&refused.value()), says, "{}", refused.text());
        // Rows are given back there, which not everybody may have.
        let refused = ann.post(&format!("/api/v1/tables/{table}"), row.clone()).await;
        assert!(refused.status.is_client_error());
        silent(&refused.text());
        let known = row.as_object().unwrap().iter().filter(|(name, _)| *name != "meta");
        let object = known.map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join(", ");
        let query = format!(
            "mutation {{ insertInto{table}Collection(objects: [{{ {object} }}]) {{ affectedCount }} }}"
        );
        silent(&ann.post("/graphql/v1", json!({ "query": query })).await.text());
    }
    // Whoever may use a column is told what it asks for.
    let own = ann.post("/rest/v1/bids", json!({ "id": "x", "price": 9 })).await.expect(400).value();
    assert_eq!(faults(&own), ["id type: must be a whole number from -2147483648 to 2147483647"]);
    app.owner("grant select (reserve) on public.bids to authenticated").await;
    let own = ann.post("/rest/v1/bids", json!({ "id": 1, "price": 1 })).await.expect(400).value();
    assert_eq!(
        faults(&own),
        ["price check: breaks the rule over_reserve", "reserve check: breaks the rule over_reserve"]
    );
}

/// What a default computes with may be a key; where it is a plain value, or a call without a text, programs that make rows are told.
#[tokio::test]
async fn the_description_tells_no_text_out_of_an_expression_and_nothing_of_a_schema_that_is_closed() {
    let app = TestApp::builder().unlimited().start().await;
    app.owner(
        "create table public.\"odd/na~me {x}\" (id uuid primary key default gen_random_uuid(), kind text default 'pl''ain',
            token text default md5('s3cr3t-salt' || now()::text), other text default (upper('s3cr3t-word'))::text, at timestamptz default now());
         create policy everybody on public.\"odd/na~me {x}\" to authenticated using (true);",
    )
    .await;
    let ann = app.person("ann").await.client;
    let described = ann.get("/rest/v1/").await.expect(200);
    assert!(!described.text().contains("s3cr3t"), "{}", described.text());
    let described = described.value();
    let columns = &described["definitions"]["odd/na~me {x}"]["properties"];
    assert_eq!(
        (&columns["id"]["default"], &columns["kind"]["default"], &columns["at"]["default"]),
        (&json!("gen_random_uuid()"), &json!("pl'ain"), &json!("now()"))
    );
    // Every place that is named is one.
    let mut places = Vec::new();
    named_places(&described, &mut places);
    assert!(places.iter().any(|place| place.contains("odd")), "{places:?}");
    for place in places {
        let pointer =
            percent_encoding::percent_decode_str(place.strip_prefix('#').unwrap()).decode_utf8().unwrap();
        assert!(described.pointer(&pointer).is_some(), "{place}");
    }
    assert_eq!(described, ann.get("/rest/v1/").await.value());
    let cached = ann.get("/rest/v1/").await;
    assert_eq!(cached.header("cache-control"), "private, no-store");
    app.admin("revoke usage on schema public from public, authenticated").await;
    for _ in 0..200 {
        if !ann.get("/rest/v1/").await.text().contains("odd") {
            return;
        }
    }
    unreachable!("a schema that may not be used is described");
}

fn named_places(value: &Value, places: &mut Vec<String>) {
    match value {
        Value::Object(all) => {
            places.extend(all.get("$ref").and_then(Value::as_str).map(str::to_owned));
            all.values().for_each(|value| named_places(value, places));
        }
        Value::Array(all) => all.iter().for_each(|value| named_places(value, places)),
        _ => {}
    }
}

/// A tagged type in an array or in a composite, and a line of a comment that is not where it must be: never nothing.
#[tokio::test]
async fn what_is_asked_of_a_type_or_in_the_middle_of_a_line_is_never_passed_over() {
    let app = TestApp::builder().unlimited().start().await;
    app.owner(
        "create domain public.prose as text; comment on domain public.prose is '@palisade html: sanitize';
         create type public.post as (title text, body public.prose); create type public.plain as (title text);
         create type public.told as (title text); comment on column public.told.title is '@palisade html: sanitize';
         create table public.pages (id int primary key, parts public.prose[], post public.post, posts public.post[], told public.told, plain public.plain, body text, raw json);
         comment on column public.pages.body is 'The body. @palisade html: sanitize';
         comment on column public.pages.raw is '@palisade html: sanitize';
         create policy everybody on public.pages to authenticated using (true) with check (true);",
    )
    .await;
    let ann = app.person("ann").await.client;
    let evil = "<script>x</script>y";
    let insert = async |row: Value| ann.post("/rest/v1/pages", row).await;
    insert(json!({ "id": 1, "parts": [evil], "plain": { "title": evil } })).await.expect(201);
    for (id, column, value) in [
        (2, "post", json!({ "title": "t", "body": evil })),
        (3, "posts", json!([{ "title": "t", "body": evil }])),
        (4, "told", json!({ "title": evil })),
        (5, "body", json!(evil)),
    ] {
        insert(json!({ "id": id, column: value })).await.expect(500);
    }
    let twice = format!("{{\"id\": 6, \"raw\": {{\"k\": \"{evil}\", \"k\": \"fine\"}}}}");
    let form = [("content-type", "application/json")];
    ann.send(Method::POST, "/rest/v1/pages", &form, twice.into()).await.expect(201);
    let kept = ann.get("/rest/v1/pages?select=parts,raw&order=id").await.expect(200);
    assert!(!kept.text().contains("script"), "{}", kept.text());
    assert_eq!(kept.value()[0]["parts"], json!(["y"]));
}
