//! Who asks decides what is seen (controls 46 to 49), whatever was planned before for whom; and what changes, statement
//! by statement, in one transaction that may run only so long.

use serde_json::{Value, json};
use spec::{Person, TestApp};

use crate::attacks::policies::GUIDES_POSTS;

use super::{PLAIN, RELAY, ask, ask_with, blog, refusal, roomy};

/// A table as the guide's examples have it, and one that points at it.
const TABLES: &str = "
create table public.posts (id int primary key, user_id uuid, is_public bool not null default false);
create table public.comments (id int primary key, post_id int references public.posts);
";

/// Beside the guide's own policies ([`GUIDES_POSTS`]).
const OPEN: &str = "
create policy everyone on public.comments for select using (true);
grant select on public.posts, public.comments to anon, authenticated;
comment on schema public is '@graphql({\"inflect_names\": true})';
";

#[tokio::test]
async fn the_guides_policies_decide_what_each_role_sees_through_graphql() {
    let app = roomy().await;
    app.owner(&format!("{TABLES}{GUIDES_POSTS}{OPEN}")).await;
    let (ann, bob) = (app.person("ann").await, app.person("bob").await);
    let rows = format!(
        "insert into public.posts values (1, '{0}', false), (2, '{1}', false), (3, '{1}', true), (4, null, false);
         insert into public.comments values (10, 1), (20, 2), (30, 3), (40, 4)",
        ann.id, bob.id
    );
    app.database.admin().await.batch_execute(&rows).await.unwrap();
    // An `admin` of the application is the database's `authenticated`, whose claim policies read (controls 47, 49).
    let path = format!("/auth/v1/admin/users/{}", bob.id);
    app.service().json(http::Method::PUT, &path, json!({ "role": "admin" })).await.expect(200);
    let session = Person::sign_in(&app.stranger(), &bob.email, &bob.password).await.expect(200).value();
    let chief = Person::from(&app.stranger(), &bob.email, &session);
    for (who, client, posts) in [
        ("anon", app.stranger(), vec![3]),
        ("authenticated", ann.client.clone(), vec![1, 3]),
        ("admin", chief.client.clone(), vec![1, 2, 3, 4]),
        ("service_role", app.service(), vec![1, 2, 3, 4]),
    ] {
        let query =
            "{ posts(orderBy: [{ id: ASC }]) { id } comments(orderBy: [{ id: ASC }]) { id post { id } } }";
        let plain = ask(&client, PLAIN, query).await;
        let ids: Vec<i64> = plain["data"]["posts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["id"].as_i64().unwrap())
            .collect();
        assert_eq!(ids, posts, "{who}: {plain}");
        // Every comment is seen, and of its post only what can be seen of posts (control 48).
        let through: Vec<Value> = (1..=4)
            .map(|id| {
                let post = if posts.contains(&id) { json!({ "id": id }) } else { Value::Null };
                json!({ "id": id * 10, "post": post })
            })
            .collect();
        assert_eq!(plain["data"]["comments"], json!(through), "{who}");
        let query =
            "{ commentsCollection(orderBy: [{ id: AscNullsLast }]) { edges { node { id post { id } } } } }";
        let relay = ask(&client, RELAY, query).await;
        let nodes: Vec<Value> = relay["data"]["commentsCollection"]["edges"]
            .as_array()
            .unwrap()
            .iter()
            .map(|edge| edge["node"].clone())
            .collect();
        assert_eq!(nodes, through, "{who}: {relay}");
    }
}

#[tokio::test]
async fn one_plan_serves_every_caller_and_none_outlives_a_right() {
    let app = roomy().await;
    let (ann, bob) = blog(&app).await;
    let query = "query Q($n: Int) { posts(limit: $n, orderBy: [{ id: ASC }]) { id user { name } } }";
    let ids = |answer: &Value| -> Vec<i64> {
        let rows = answer["data"]["posts"].as_array().unwrap_or_else(|| panic!("{answer}"));
        rows.iter().map(|row| row["id"].as_i64().unwrap()).collect()
    };
    for _ in 0..3 {
        for (person, seen) in [(&ann, vec![10, 11]), (&bob, vec![10, 20])] {
            assert_eq!(ids(&ask_with(&person.client, PLAIN, query, json!({})).await), seen);
            assert_eq!(ids(&ask_with(&person.client, PLAIN, query, json!({ "n": 1 })).await), [10]);
        }
    }
    let nodes = "{ postsCollection { edges { node { id } } } }";
    assert!(ask(&ann.client, RELAY, nodes).await["data"]["postsCollection"].is_object());
    app.owner("revoke select on public.posts from authenticated").await;
    app.eventually(async || ask_with(&ann.client, PLAIN, query, json!({})).await["data"].is_null()).await;
    for path in [PLAIN, RELAY] {
        let query = if path == PLAIN { query } else { nodes };
        let answer = ask(&bob.client, path, query).await;
        assert!(answer["data"].is_null() && answer["errors"].is_array(), "{answer}");
    }
    assert_eq!(
        ids(&ask_with(&app.stranger(), PLAIN, query, json!({})).await),
        [10],
        "the other role's is untouched"
    );
}

#[tokio::test]
async fn a_mutation_is_a_statement_for_each_root_field_in_their_order_and_one_transaction() {
    let app = roomy().await;
    let (ann, _) = blog(&app).await;
    app.owner(
        "create table public.statements (at serial, what text, rows bigint, tx bigint);
         create policy none on public.statements using (false);
         create function public.note_statement() returns trigger language plpgsql security definer set search_path = '' as $$
         begin
             insert INTO public.statements (what, rows, tx) select tg_op, count(*), txid_current() from touched;
             return null;
         end $$;
         create trigger i after insert on public.posts referencing new table as touched for each statement execute function public.note_statement();
         create trigger u after update on public.posts referencing new table as touched for each statement execute function public.note_statement();
         create trigger d after delete on public.posts referencing old table as touched for each statement execute function public.note_statement()",
    )
    .await;
    let admin = app.database.admin().await;
    let noted = async || -> Vec<(String, i64, i64)> {
        let rows =
            admin.query("select what, rows, tx from public.statements order by at", &[]).await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
    };
    let several = "mutation {
        a: insertManyPosts(data: [{ id: 50, userId: 1 }, { id: 51, userId: 1 }, { id: 52, userId: 1 }]) { id }
        b: updateManyPosts(filter: { id_gte: 50 }, data: { title: \"x\" }) { id title }
        c: deletePosts(id: 52) { id title }
        d: updateManyPosts(filter: { title_eq: \"x\" }, data: { title: \"y\" }) { id }
    }";
    let answer = ask(&ann.client, PLAIN, several).await;
    // Each sees what the one before it did.
    assert_eq!(answer["data"]["c"], json!({ "id": 52, "title": "x" }), "{answer}");
    assert_eq!(answer["data"]["d"], json!([{ "id": 50 }, { "id": 51 }]));
    let statements = noted().await;
    let what: Vec<(&str, i64)> = statements.iter().map(|(what, rows, _)| (&**what, *rows)).collect();
    assert_eq!(what, [("INSERT", 3), ("UPDATE", 3), ("DELETE", 1), ("UPDATE", 2)]);
    assert!(statements.iter().all(|(.., tx)| *tx == statements[0].2), "{statements:?}");
    let relay = "mutation {
        a: insertIntoPostsCollection(objects: [{ id: 60, userId: 1 }, { id: 61, userId: 1 }]) { affectedCount }
        b: updatePostsCollection(set: { title: \"z\" }, filter: { id: { gte: 60 } }, atMost: 1) { affectedCount }
    }";
    let refused = ask(&ann.client, RELAY, relay).await;
    assert_eq!(refusal(&refused), "update impacts too many records");
    assert_eq!(noted().await.len(), 4, "the first of two went with the second");
    let left = ask(&ann.client, RELAY, "{ postsByPk(id: 60) { id } }").await;
    assert_eq!(left["data"]["postsByPk"], Value::Null);
}

#[tokio::test]
async fn a_query_that_takes_too_long_is_stopped_in_the_database() {
    let app = TestApp::builder()
        .unlimited()
        .with("database.statement_timeout.authenticated", "1s")
        .with("database.statement_timeout.anon", "500ms")
        .start()
        .await;
    let (ann, _) = blog(&app).await;
    app.owner(
        "create function public.slow() returns text language sql stable as $$ select pg_sleep(60)::text $$;
         create function public.slow_change() returns text language sql volatile as $$ select pg_sleep(60)::text $$;
         grant execute on function public.slow, public.slow_change to anon, authenticated",
    )
    .await;
    app.eventually(async || {
        let known = ask(&app.service(), PLAIN, "{ __type(name: \"Query\") { fields { name } } }").await;
        known.to_string().contains("\"slow\"")
    })
    .await;
    for client in [&ann.client, &app.stranger()] {
        for (path, query) in [(PLAIN, "{ slow }"), (RELAY, "{ slow }"), (PLAIN, "mutation { slowChange }")] {
            let answer = ask(client, path, query).await;
            assert_eq!(refusal(&answer), "The statement took too long and was stopped", "{path} {query}");
            assert!(answer["data"].is_null());
        }
    }
    let running = "select count(*) from pg_stat_activity where state = 'active' and query like '%slow%' and pid <> pg_backend_pid()";
    let running: i64 = app.database.admin().await.query_one(running, &[]).await.unwrap().get(0);
    assert_eq!(running, 0, "nothing goes on in the database");
    assert!(ask(&ann.client, PLAIN, "{ users { id } }").await["data"]["users"].is_array());
}

/// Each suffix of the plain convention beside the condition in SQL that it stands for.
const SUFFIXES: &[(&str, &str)] = &[
    ("id_eq: 11", "id = 11"),
    ("id_neq: 11", "id <> 11"),
    ("id_gt: 11", "id > 11"),
    ("id_gte: 11", "id >= 11"),
    ("id_lt: 11", "id < 11"),
    ("id_lte: 11", "id <= 11"),
    ("id_in: [10, 20, 99]", "id in (10, 20, 99)"),
    ("id_in: []", "false"),
    ("words_gt: \"9007199254740992\"", "words > 9007199254740992"),
    ("title_like: \"h%\"", "title like 'h%'"),
    ("title_ilike: \"%EN\"", "title ilike '%EN'"),
    ("title_is_null: true", "title is null"),
    ("title_is_null: false", "title is not null"),
    ("isPublic_eq: true", "is_public"),
    ("madeAt_lt: \"2026-01-02T03:04:06Z\"", "made_at < '2026-01-02 03:04:06+00'"),
    ("id_gt: 10, title_neq: \"his\"", "id > 10 and title <> 'his'"),
    ("_and: [{ id_gt: 10 }, { id_lt: 20 }]", "id > 10 and id < 20"),
    ("_or: [{ id_eq: 10 }, { title_eq: \"his\" }]", "id = 10 or title = 'his'"),
    ("_not: { id_eq: 10 }", "not id = 10"),
    (
        "_or: [{ _and: [{ id_gte: 10 }, { _not: { title_like: \"h%\" } }] }, { id_eq: 20 }]",
        "(id >= 10 and not title like 'h%') or id = 20",
    ),
];

#[tokio::test]
async fn every_suffix_of_a_filter_means_what_it_means_in_sql() {
    let app = roomy().await;
    blog(&app).await;
    let admin = app.database.admin().await;
    for (filter, condition) in SUFFIXES {
        let sql = format!(
            "select coalesce(json_agg(id order by id), '[]')::text from public.posts where {condition}"
        );
        let text: String = admin.query_one(&sql, &[]).await.unwrap().get(0);
        let expected: Value = serde_json::from_str(&text).unwrap();
        let query = format!("{{ posts(filter: {{ {filter} }}, orderBy: [{{ id: ASC }}]) {{ id }} }}");
        let answer = ask(&app.service(), PLAIN, &query).await;
        let ids: Vec<Value> = answer["data"]["posts"]
            .as_array()
            .unwrap_or_else(|| panic!("{filter}: {answer}"))
            .iter()
            .map(|row| row["id"].clone())
            .collect();
        assert_eq!(json!(ids), expected, "{filter}");
    }
    for (filter, ids) in [
        ("tags_contains: [\"a\"]", json!([{ "id": 100 }])),
        ("tags_contained_by: [\"a\", \"b\", \"c\"]", json!([{ "id": 100 }])),
        ("tags_overlaps: [\"b\", \"z\"]", json!([{ "id": 100 }])),
        ("meta_contains: { k: 1 }", json!([{ "id": 100 }])),
        ("meta_contained_by: { k: 2 }", json!([])),
    ] {
        let query = format!("{{ comments(filter: {{ {filter} }}) {{ id }} }}");
        let answer = ask(&app.service(), PLAIN, &query).await;
        assert_eq!(answer["data"]["comments"], ids, "{filter}: {answer}");
    }
}

/// What is served beside what is not, of one name: PostgreSQL looks for the function itself, at all that there are.
const SHADOWS: &str = "
create function public.spare(a int) returns text language sql stable security definer as $$ select 'loot' $$;
create function public.spare(a int, b int default 1) returns text language sql stable as $$ select 'of public' $$;
create function public.nil() returns text language sql stable security definer as $$ select 'loot' $$;
create function public.nil(a int default 1) returns text language sql stable as $$ select 'of public' $$;
create function public.change(a int) returns text language sql security definer as $$ select 'loot' $$;
create function public.change(a int, b int default 1) returns text language sql as $$ select 'of public' $$;
create function public.kind(a text) returns text language sql stable security definer as $$ select 'loot' $$;
create function public.kind(a int) returns text language sql stable as $$ select 'of public' $$;
create function public.found(a int) returns setof public.users language sql stable security definer as $$ select 9, 'loot', null::uuid $$;
create function public.found(a int, b int default 1) returns setof public.users language sql stable as $$ select * from public.users where id = a $$;
create function public.many(n int) returns text language sql stable security definer as $$ select 'loot' $$;
create function public.many(n int, variadic more int[] default '{}') returns text language sql stable as $$ select 'of public' $$;
create function public.alone() returns text language sql stable security definer as $$ select 'loot' $$;
create function public._purse(row_ public.users) returns text language sql stable security definer as $$ select 'loot' $$;
create function public._kin(row_ public.users) returns setof public.posts language sql stable security definer as $$ select * from public.posts $$;
grant execute on all functions in schema public to anon, authenticated;
";

#[tokio::test]
async fn a_function_that_is_not_served_is_reached_neither_by_its_name_nor_by_the_name_of_one_that_is() {
    let app = roomy().await;
    let (ann, _) = blog(&app).await;
    app.owner(SHADOWS).await;
    let first = |of: &str, text: &str| json!({ of: [{ "name": text }] });
    for path in [PLAIN, RELAY] {
        let found = |args: &str| match path {
            PLAIN => format!("{{ found({args}) {{ name }} }}"),
            _ => format!("{{ found({args}) {{ edges {{ node {{ name }} }} }} }}"),
        };
        let users = |field: &str| match path {
            PLAIN => format!("{{ users {{ {field} }} }}"),
            _ => format!("{{ usersCollection {{ edges {{ node {{ {field} }} }} }} }}"),
        };
        let (one, both) = (found("a: 1"), found("a: 1, b: 1"));
        let whole = match path {
            PLAIN => first("found", "Ann"),
            _ => json!({ "found": { "edges": [{ "node": { "name": "Ann" } }] } }),
        };
        for (query, expected) in [
            ("{ spare(a: 1, b: 2) }", Ok(json!({ "spare": "of public" }))),
            ("{ spare(a: 1) }", Err("Could not find the function")),
            ("{ nil(a: 1) }", Ok(json!({ "nil": "of public" }))),
            ("{ nil }", Err("Could not find the function")),
            ("mutation { change(a: 1, b: 2) }", Ok(json!({ "change": "of public" }))),
            ("mutation { change(a: 1) }", Err("Could not find the function")),
            ("{ kind(a: 1) }", Ok(json!({ "kind": "of public" }))),
            ("{ many(n: 1) }", Err("Unknown field")),
            ("{ alone }", Err("Unknown field")),
            (&both, Ok(whole)),
            (&one, Err("Could not find the function")),
            (&users("purse"), Err("Unknown field")),
            (&users("kin { id }"), Err("Unknown field")),
        ] {
            let answer = ann.client.post(path, json!({ "query": query })).await.value();
            assert!(!answer.to_string().contains("loot"), "{path} {query}: {answer}");
            match expected {
                Ok(data) => assert_eq!(answer["data"], data, "{path} {query}: {answer}"),
                Err(why) => assert!(refusal(&answer).starts_with(why), "{path} {query}: {answer}"),
            }
        }
        // Nor are they told of.
        let known = ask(&ann.client, path, "{ __schema { types { fields { name args { name } } } } }").await;
        for name in ["\"alone\"", "\"purse\"", "\"kin\"", "\"_purse\"", "\"_kin\""] {
            assert!(!known.to_string().contains(name), "{path}: {name} in {known}");
        }
    }
}
