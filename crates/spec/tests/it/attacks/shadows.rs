//! What PostgreSQL finds by a name, guesses of a number, names in a refusal or gives again, although nobody who asks may know of it
//! (rows 58, 64, 74, 79).

use serde_json::json;
use spec::{Client, TestApp};

use super::policies::notes;

/// PostgreSQL's own functions take a row as well: one of them makes one value of all rows, whatever the bound on rows says.
#[tokio::test]
async fn row_74_no_function_makes_one_row_of_all() {
    let app = TestApp::builder().unlimited().with("data.max_rows", "2").start().await;
    let (ann, _) = notes(&app).await;
    app.admin(
        "INSERT INTO public.lines (note, word) select n.id, 'w' from public.notes n, generate_series(1, 20)",
    )
    .await;
    for path in ["/rest/v1/", "/api/v1/tables/"] {
        for function in
            ["json_agg", "jsonb_agg", "array_agg", "string_agg", "any_value", "to_jsonb", "concat"]
        {
            for query in [
                format!("lines?select={function}"),
                format!("lines?select=all:{function}::text"),
                format!("lines?select=id&{function}=neq.x"),
                format!("lines?select=id&order={function}"),
                format!("notes?select=id,lines({function})"),
                format!("notes?select=id,...lines({function})"),
            ] {
                let seen = ann.client.get(&format!("{path}{query}")).await;
                assert_eq!(seen.status, 400, "{path}{query}: {}", seen.text());
            }
        }
        let counted = ann.client.get(&format!("{path}notes?select=lines(count)&order=id")).await;
        assert_eq!(
            counted.expect(200).value(),
            json!([{ "lines": [{ "count": 21 }] }]),
            "a number is no row"
        );
        let rows = ann.client.get(&format!("{path}lines?select=id,ctid,xmin,tableoid&order=ctid")).await;
        assert_eq!(rows.expect(200).value().as_array().unwrap().len(), 2, "what every row has");
    }
}

/// The total of a read, where one is told.
async fn total(client: &Client, path: &str, count: &str) -> String {
    let seen = client.clone().with("prefer", &format!("count={count}")).get(path).await;
    assert!(seen.status.is_success(), "{path}: {} {}", seen.status, seen.text());
    seen.header("content-range").split_once('/').unwrap().1.to_owned()
}

/// What the planner guesses it guesses of all rows, also of those that policies hide: their number, and which values are frequent.
#[tokio::test]
async fn row_64_a_guess_at_a_total_tells_of_no_row_that_policies_hide() {
    let app = TestApp::builder().unlimited().start().await;
    app.owner(
        "create table public.cases (id int primary key, open boolean not null, kind text not null);
         create policy open_ones on public.cases for select to anon, authenticated using (open);
         insert into public.cases select i, i <= 10, case when i <= 10 then 'theft' else 'fraud' end from generate_series(1, 5000) i;
         grant select on public.cases to anon, authenticated; analyze public.cases",
    )
    .await;
    let ann = app.person("ann").await.client;
    app.eventually(async || ann.get("/rest/v1/cases?select=id&limit=1").await.status == 200).await;
    for client in [&ann, &app.stranger()] {
        for count in ["planned", "estimated", "exact"] {
            for (filter, expected) in
                [("", "10"), ("&kind=eq.theft", "10"), ("&kind=eq.fraud", "0"), ("&id=gt.4000", "0")]
            {
                let path = format!("cases?select=id{filter}");
                assert_eq!(
                    total(client, &format!("/rest/v1/{path}"), count).await,
                    expected,
                    "{count} {filter}"
                );
                let path = format!("/api/v1/tables/{path}&count={count}");
                assert_eq!(total(client, &path, "none").await, expected, "{count} {filter}");
            }
        }
    }
    // Whom no policy binds is told what is guessed.
    let guessed: i64 = total(&app.service(), "/rest/v1/cases?select=id", "planned").await.parse().unwrap();
    assert!(guessed > 1000, "{guessed}");
}

/// What a function looks for in its body is not told to whoever may not look there.
#[tokio::test]
async fn row_58_a_refusal_names_nothing_that_is_not_served() {
    let app = TestApp::builder().unlimited().start().await;
    app.owner(
        "create schema hidden; create table hidden.ledger (id int); create function hidden.wallet() returns int language sql as 'select 1';
         revoke execute on function hidden.wallet() from public;
         create function public.opens() returns int language plpgsql stable as $$ begin return hidden.wallet(); end $$;
         create function public.looks() returns int language plpgsql stable as $$ begin return (select count(*) from hidden.ledger); end $$;
         create function public.astray() returns int language plpgsql stable as $$ begin return (select count(*) from hidden.leger); end $$;
         create function public.strays() returns int language plpgsql stable as $$ begin return hidden.walet(); end $$;
         create table public.locked (id int generated always as identity primary key, word text); revoke all on public.locked from authenticated, anon;
         create table public.mine (id serial primary key, word text); create policy all_of_it on public.mine to authenticated using (true) with check (id > 5);
         revoke all on sequence public.mine_id_seq from authenticated;
         grant execute on function public.opens, public.looks, public.astray, public.strays to authenticated",
    )
    .await;
    let ann = app.person("ann").await.client;
    app.eventually(async || ann.get("/rest/v1/mine").await.status == 200).await;
    for grant in ["select 1", "grant usage on schema hidden to authenticated"] {
        app.owner(grant).await;
        for name in ["opens", "looks", "astray", "strays"] {
            let graphql = json!({ "query": format!("{{ {name} }}") });
            for seen in [
                ann.get(&format!("/rest/v1/rpc/{name}")).await,
                ann.post(&format!("/api/v1/rpc/default/{name}"), json!({})).await,
                ann.post("/graphql/v1", graphql.clone()).await,
                ann.post("/api/v1/graphql", graphql.clone()).await,
            ] {
                let text = seen.text();
                for hidden in ["hidden", "ledger", "leger", "wallet", "walet"] {
                    assert!(!text.contains(hidden), "{grant}, {name}: {text}");
                }
                assert!(!seen.status.is_success() || text.contains("errors"), "{name}: {text}");
            }
        }
    }
    // The neighbours: what is served is named, as PostgREST's clients read it.
    for (path, body, expected) in [
        ("locked", json!({ "word": "x" }), "permission denied for table locked"),
        ("mine", json!({ "word": "x" }), "permission denied for sequence mine_id_seq"),
        ("mine", json!({ "id": 1 }), "new row violates row-level security policy for table \"mine\""),
    ] {
        let seen = ann.post(&format!("/rest/v1/{path}"), body).await.expect(403).value();
        assert_eq!((&seen["code"], &seen["message"]), (&json!("42501"), &json!(expected)));
    }
}

/// Tokens of an application that have no session: what tells one from another are their claims.
#[tokio::test]
async fn row_79_a_kept_answer_is_given_to_nobody_whom_other_claims_describe() {
    const SECRET: &str = "kH7fD2mQ9xR4tW8zB1nV6pL3sJ5gA0cE";
    let app = TestApp::builder().unlimited().with("auth.application_jwt_secret", SECRET).start().await;
    app.owner(
        "create table public.orders (id bigint generated always as identity primary key,
           tenant text not null default (auth.jwt() ->> 'tenant'), item text not null, price int not null default 7);
         create policy own on public.orders to authenticated using (tenant = (auth.jwt() ->> 'tenant')) with check (tenant = (auth.jwt() ->> 'tenant'))",
    )
    .await;
    let of = |tenant: &str, more: i64| {
        let claims = json!({ "role": "authenticated", "tenant": tenant, "exp": 1_800_000_000 + more });
        let bearer = format!("Bearer {}", spec::hs256(SECRET.as_bytes(), &claims));
        app.stranger()
            .with("authorization", &bearer)
            .with("prefer", "return=representation")
            .with("idempotency-key", "order-1")
    };
    let order = json!({ "item": "tea" });
    let first = of("a", 0).post("/rest/v1/orders", order.clone()).await.expect(201);
    let other = of("b", 0).post("/rest/v1/orders", order.clone()).await.expect(201);
    assert_eq!((other.header("idempotent-replayed"), &other.value()[0]["tenant"]), ("", &json!("b")));
    // The neighbour: the same, with a token that is a new one.
    let again = of("a", 60).post("/rest/v1/orders", order).await.expect(201);
    assert_eq!((again.header("idempotent-replayed"), again.value()), ("true", first.value()));
}
