//! Roles of the database that change by plain SQL (row 77): no event trigger tells of them, and what they opened is shut all the same.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use spec::{Client, Person, Talk, TestApp};

/// What is for `editors` alone, by a table, a function and a channel.
const EDITORS: &str = "
    create table news (id int primary key, line text);
    insert into news values (1, 'one');
    grant select, insert on news to authenticated;
    create function latest() returns setof news language sql stable as 'select * from public.news';
    grant execute on function latest to authenticated;
    alter publication supabase_realtime add table news";

/// As the database's own administrator makes them.
const ROLE: &str = "
    create role editors;
    create policy of_editors on public.news to editors using (true) with check (true);
    create policy editors_in on realtime.messages for select to editors using (realtime.topic() = 'desk');
    create policy editors_speak on realtime.messages for insert to editors with check (realtime.topic() = 'desk')";

/// By then it was looked what decides about channels, since somebody is in one.
const LOOKED: Duration = Duration::from_millis(1_500);

/// How many doors show the row.
async fn doors(client: &Client) -> usize {
    let mut open = 0;
    for (method, path, body) in [
        (Method::GET, "/rest/v1/news?select=line", Value::Null),
        (Method::POST, "/rest/v1/rpc/latest", json!({})),
        (Method::GET, "/api/v1/tables/news", Value::Null),
        (Method::POST, "/api/v1/rpc/default/latest", json!({})),
        (Method::POST, "/graphql/v1", json!({ "query": "{ newsCollection { edges { node { line } } } }" })),
        (Method::POST, "/api/v1/graphql", json!({ "query": "{ news { line } }" })),
    ] {
        let seen = client.json(method, path, body).await;
        open += usize::from(seen.text().contains("one"));
    }
    open
}

async fn write(person: &Person) -> spec::Seen {
    let row = json!({ "id": 2, "line": "two" });
    let keyed = person.client.clone().with("idempotency-key", "k").with("prefer", "return=representation");
    keyed.post("/rest/v1/news", row).await
}

/// Roles belong to a whole server, which tests of one process share: people of all of them would pass by all policies for a moment.
/// So it runs once more, in a process and on a server of its own.
#[tokio::test]
async fn row_77_who_is_a_member_of_a_role_no_more_is_none_with_the_next_request_at_every_node() {
    const NAME: &str = "attacks::roles::row_77_who_is_a_member_of_a_role_no_more_is_none_with_the_next_request_at_every_node";
    const ALONE: &str = "PALISADE_SPEC_ALONE";
    if super::full_disk::told(ALONE).is_some() {
        return roles_that_change_are_noticed().await;
    }
    let mut alone = tokio::process::Command::new(std::env::current_exe().unwrap());
    let ran = alone.args(["--exact", NAME, "--nocapture"]).env(ALONE, "1").output().await.unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(
        ran.status.success() && said.contains("1 passed"),
        "{said}\n{}",
        String::from_utf8_lossy(&ran.stderr)
    );
}

async fn roles_that_change_are_noticed() {
    let named =
        || TestApp::builder().unlimited().with("auth.jwt_issuer", "https://nodes.example.com/auth/v1");
    let app = named().start().await;
    app.owner(EDITORS).await;
    app.admin(ROLE).await;
    let there = named().node_of(&app).start().await;
    let ann = app.person("ann").await;
    let at_other = Client { server: there.running.address, ..ann.client.clone() };
    let admin = app.database.admin().await;
    let served = async |client: &Client| client.get("/rest/v1/rpc/latest").await.status == 200;
    app.eventually(async || served(&ann.client).await && served(&at_other).await).await;
    let private = json!({ "private": true, "broadcast": { "ack": true } });
    // Membership, and what lets a role pass by all policies: each, and back.
    for (give, take) in [
        ("grant editors to authenticated", "revoke editors from authenticated"),
        ("alter role authenticated bypassrls", "alter role authenticated nobypassrls"),
    ] {
        assert_eq!((doors(&ann.client).await, doors(&at_other).await), (0, 0), "before: {give}");
        admin.batch_execute(give).await.unwrap();
        for _ in 0..4 {
            assert_eq!((doors(&ann.client).await, doors(&at_other).await), (6, 6), "{give}");
        }
        let first = write(&ann).await.expect(201).value();
        assert_eq!(write(&ann).await.expect(201).value(), first, "{give}");
        let (mut here, mut other) = (Talk::open(&app).await, Talk::open(&there).await);
        for talk in [&mut here, &mut other] {
            let joined = talk.join("realtime:desk", private.clone(), Some(&ann.access_token)).await;
            assert_eq!(joined["status"], "ok", "{give}: {joined}");
        }
        // What was new about policies when they came in is known by then.
        tokio::time::sleep(LOOKED).await;
        // What is not committed is not so, whoever waits for it.
        admin.batch_execute(&format!("begin; {take}")).await.unwrap();
        assert_eq!((doors(&ann.client).await, doors(&at_other).await), (6, 6), "{take}, uncommitted");
        admin.batch_execute("commit").await.unwrap();
        assert_eq!((doors(&ann.client).await, doors(&at_other).await), (0, 0), "{take}");
        let again = write(&ann).await;
        assert!(again.status == 409 && !again.text().contains("\"id\":"), "{take}: {}", again.text());
        for talk in [&mut here, &mut other] {
            assert_eq!(talk.wait("phx_close").await[2], "realtime:desk", "{take}");
        }
        admin
            .batch_execute("delete from public.news where id = 2; delete from idempotency.answers")
            .await
            .unwrap();
    }
}

/// Every kind of right that a door needs, taken away by plain SQL and given back.
#[tokio::test]
async fn row_77_what_is_taken_away_is_gone_with_the_next_request_at_every_node_and_by_every_door() {
    let named =
        || TestApp::builder().unlimited().with("auth.jwt_issuer", "https://nodes.example.com/auth/v1");
    let app = named().start().await;
    app.owner(EDITORS).await;
    app.owner("create policy all_see on news for select to authenticated using (true); create schema hidden")
        .await;
    let there = named().node_of(&app).start().await;
    let ann = app.person("ann").await;
    let at_other = Client { server: there.running.address, ..ann.client.clone() };
    let admin = app.database.admin().await;
    for (take, give) in [
        ("revoke select on public.news from authenticated", "grant select on public.news to authenticated"),
        (
            "drop policy all_see on public.news",
            "create policy all_see on public.news for select to authenticated using (true)",
        ),
        (
            "alter policy all_see on public.news using (false)",
            "alter policy all_see on public.news using (true)",
        ),
        (
            "alter policy all_see on public.news to service_role",
            "alter policy all_see on public.news to authenticated",
        ),
        ("create policy none on public.news as restrictive using (false)", "drop policy none on public.news"),
        ("alter table public.news set schema hidden", "alter table hidden.news set schema public"),
    ] {
        app.eventually(async || doors(&ann.client).await + doors(&at_other).await == 12).await;
        admin.batch_execute(take).await.unwrap();
        assert_eq!((doors(&ann.client).await, doors(&at_other).await), (0, 0), "{take}");
        admin.batch_execute(give).await.unwrap();
    }
}

/// The gate goes by whom policies bind, and that is no change of any table.
#[tokio::test]
async fn row_77_an_owner_whom_policies_bind_no_more_serves_nothing() {
    let app = TestApp::builder().unlimited().start().await;
    app.owner("create table notes (id int primary key); insert into notes values (1)").await;
    app.admin(
        "create role keeper; grant usage on schema public to keeper; grant select on public.notes to keeper;
         create policy own on public.notes to keeper using (false);
         create function public.kept() returns bigint language sql security definer set search_path = '' as 'select count(*) from public.notes';
         alter function public.kept() owner to keeper; revoke execute on function public.kept from public, anon;
         grant execute on function public.kept to authenticated",
    )
    .await;
    let ann = app.person("ann").await;
    let status = async || ann.client.get("/rest/v1/rpc/kept").await.status.as_u16();
    app.eventually(async || status().await != 404).await;
    assert_eq!(ann.client.get("/rest/v1/rpc/kept").await.expect(200).text(), "0");
    let admin = app.database.admin().await;
    admin.batch_execute("alter role keeper bypassrls").await.unwrap();
    app.eventually(async || status().await == 404).await;
    admin.batch_execute("alter role keeper nobypassrls").await.unwrap();
    app.eventually(async || status().await == 200).await;
}

/// A body in the standard's form stands elsewhere than others do.
#[tokio::test]
async fn row_68_a_function_that_says_otherwise_puts_people_out_of_open_channels() {
    let app = TestApp::builder().unlimited().start().await;
    app.owner(
        "create function is_open() returns bool language sql stable begin atomic select true; end;
         create policy desk on realtime.messages for select to authenticated using (realtime.topic() = 'desk' and is_open())",
    )
    .await;
    let ann = app.person("ann").await;
    let mut talk = Talk::open(&app).await;
    let joined = talk.join("realtime:desk", json!({ "private": true }), Some(&ann.access_token)).await;
    assert_eq!(joined["status"], "ok", "{joined}");
    // What was new about the policies themselves is known by then.
    tokio::time::sleep(LOOKED).await;
    app.owner("create or replace function is_open() returns bool language sql stable begin atomic select false; end")
        .await;
    assert_eq!(talk.wait("phx_close").await[2], "realtime:desk");
}
