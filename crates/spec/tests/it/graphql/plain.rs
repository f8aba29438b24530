//! The guide's plain convention.

use http::Method;
use serde_json::json;
use spec::TestApp;

use super::{PLAIN, ask, ask_with, blog, refusal, roomy};

#[tokio::test]
async fn the_guides_nested_example_answers_what_each_caller_may_see() {
    let app = roomy().await;
    let (ann, bob) = blog(&app).await;
    let query = "{ users(orderBy: [{id: ASC}]) { name posts { title comments { body author { name } } } } }";
    assert_eq!(
        ask(&ann.client, PLAIN, query).await["data"]["users"],
        json!([
            { "name": "Ann", "posts": [
                { "title": "open", "comments": [{ "body": "nice", "author": { "name": "Bob" } }] },
                { "title": "hers", "comments": [{ "body": "note", "author": { "name": "Ann" } }] },
            ] },
            { "name": "Bob", "posts": [] },
            { "name": "Cid", "posts": [] },
        ])
    );
    let his = ask(&bob.client, PLAIN, query).await;
    assert_eq!(his["data"]["users"][1]["posts"][0]["comments"][0]["body"], "hidden");
    assert_eq!(his["data"]["users"][0]["posts"].as_array().unwrap().len(), 1);
    let strangers = ask(&app.stranger(), PLAIN, query).await;
    assert_eq!(strangers["data"]["users"][0]["posts"][0]["title"], "open");
    assert_eq!(strangers["data"]["users"][0]["posts"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn filters_orders_limits_aliases_fragments_and_variables() {
    let app = roomy().await;
    let (ann, _) = blog(&app).await;
    let query = "query Q($word: String!, $n: Int = 1, $with: Boolean!) {
        found: posts(filter: { _or: [{ title_eq: $word }, { _not: { id_gt: 10 } }], isPublic_is_null: false }, orderBy: [{ id: DESC }]) { ...P }
        first: posts(limit: $n, offset: 1, orderBy: [{ id: ASC }]) { id @include(if: $with) title }
        post(id: 10) { ...P comments { tags meta } }
        listed: posts(filter: { id_in: [10, 11, 12] }) { id }
    } fragment P on Posts { id title words user { name } __typename }";
    let answer = ask_with(&ann.client, PLAIN, query, json!({ "word": "hers", "with": true })).await;
    let post = |id: i32, title: &str, words: &str| json!({ "id": id, "title": title, "words": words, "user": { "name": "Ann" }, "__typename": "Posts" });
    let data = &answer["data"];
    assert_eq!(
        data["found"],
        json!([post(11, "hers", "2"), post(10, "open", "9007199254740993")]),
        "{answer}"
    );
    assert_eq!(data["first"], json!([{ "id": 11, "title": "hers" }]));
    assert_eq!(data["post"]["comments"], json!([{ "tags": ["a", "b"], "meta": { "k": 1 } }]));
    assert_eq!(data["listed"], json!([{ "id": 10 }, { "id": 11 }]));
    let other = ask_with(&ann.client, PLAIN, query, json!({ "word": "none", "with": false, "n": 2 })).await;
    assert_eq!(
        other["data"]["found"],
        json!([post(10, "open", "9007199254740993")]),
        "the same plan, another value"
    );
    assert_eq!(other["data"]["first"], json!([{ "title": "hers" }]));
}

#[tokio::test]
async fn aggregates_computed_fields_and_functions() {
    let app = TestApp::builder().unlimited().with("data.aggregates", "true").start().await;
    let (ann, _) = blog(&app).await;
    let answer = ask(
        &ann.client,
        PLAIN,
        "{ postsAggregate(filter: { id_lt: 20 }) { count max { title } avg { id } } shout(word: \"a\", times: 2) _health
           users(filter: { id_eq: 1 }) { initial postsAggregate { count } } }",
    )
    .await;
    assert_eq!(
        answer["data"],
        json!({
            "postsAggregate": { "count": 2, "max": { "title": "open" }, "avg": { "id": 10.5 } },
            "shout": "AA", "_health": "ok",
            "users": [{ "initial": "A", "postsAggregate": { "count": 2 } }],
        }),
        "{answer}"
    );
}

#[tokio::test]
async fn aggregates_are_for_tables_whose_comment_says_so_until_the_operator_says_so_of_all() {
    let (off, on) =
        (TestApp::start().await, TestApp::builder().with("data.aggregates", "true").start().await);
    for (app, of_all) in [(&off, false), (&on, true)] {
        let (ann, _) = blog(app).await;
        app.owner("comment on table public.comments is '@graphql({\"aggregate\": {\"enabled\": false}})'")
            .await;
        // The comment on posts switches them on, the one on comments off; about users none says anything.
        for (table, answers) in [("posts", true), ("comments", false), ("users", of_all)] {
            let plain = ask(&ann.client, PLAIN, &format!("{{ {table}Aggregate {{ count }} }}")).await;
            assert_eq!(plain["data"][format!("{table}Aggregate")]["count"].is_number(), answers, "{plain}");
            let relay = format!("{{ {table}Collection {{ aggregate {{ count }} }} }}");
            let relay = ask(&ann.client, super::RELAY, &relay).await;
            let counted = &relay["data"][format!("{table}Collection")]["aggregate"]["count"];
            assert_eq!(counted.is_number(), answers, "{table}: {relay}");
        }
        let below = ask(&ann.client, PLAIN, "{ users { postsAggregate { count } } }").await;
        assert!(below["data"]["users"].is_array(), "{below}");
        let below = ask(&ann.client, PLAIN, "{ posts { commentsAggregate { count } } }").await;
        assert!(refusal(&below).contains("Unknown field"), "{below}");
    }
}

#[tokio::test]
async fn code_of_the_database_sees_the_request_as_it_does_by_rest() {
    let app = TestApp::builder().unlimited().start().await;
    app.owner(
        "create function public.seen(name text) returns text language sql stable
             as $$ select current_setting('request.' || name, true) $$;
         create function public.note() returns text language sql volatile
             as $$ select current_setting('request.method') || ' ' || current_setting('request.path') || ' ' || (current_setting('request.headers')::json ->> 'x-trace') $$;
         grant execute on function public.seen, public.note to anon, authenticated",
    )
    .await;
    let client = app.stranger().with("x-trace", "t1").with("cookie", "theme=dark");
    for path in [PLAIN, super::RELAY] {
        let query = "{ m: seen(name: \"method\") p: seen(name: \"path\") h: seen(name: \"headers\") c: seen(name: \"cookies\") }";
        let answer = ask(&client, path, query).await;
        let (said, data) = (answer.to_string(), &answer["data"]);
        assert_eq!((&data["m"], &data["p"]), (&json!("POST"), &json!(path)), "{said}");
        let headers: serde_json::Value = serde_json::from_str(data["h"].as_str().unwrap()).unwrap();
        assert_eq!(headers["x-trace"], "t1");
        assert_eq!(
            (headers.get("apikey"), headers.get("authorization"), headers.get("cookie")),
            (None, None, None)
        );
        assert_eq!(data["c"], "{\"theme\":\"dark\"}");
        let by_rest = client.get("/rest/v1/rpc/seen?name=headers").await.expect(200).value();
        let by_rest: serde_json::Value = serde_json::from_str(by_rest.as_str().unwrap()).unwrap();
        assert_eq!(by_rest["x-trace"], headers["x-trace"]);
        let written = ask(&client, path, "mutation { note }").await;
        assert_eq!(written["data"]["note"], format!("POST {path} t1"), "{written}");
    }
}

#[tokio::test]
async fn rows_are_written_one_and_many_and_all_or_nothing() {
    let app = roomy().await;
    let (ann, _) = blog(&app).await;
    let answer = ask(
        &ann.client,
        PLAIN,
        "mutation {
            insertPosts(data: { id: 30, userId: 1, title: \"new\" }) { id title isPublic user { name } }
            insertManyPosts(data: [{ id: 31, userId: 1 }, { id: 32, userId: 1, title: null, words: \"7\" }]) { id words }
            updatePosts(id: 30, data: { title: \"newer\" }) { title }
            updateManyPosts(filter: { id_gt: 30 }, data: { title: \"late\" }) { id title }
            deletePosts(id: 32) { id }
            deleteManyPosts(filter: { id_eq: 31 })
        }",
    )
    .await;
    assert_eq!(
        answer["data"],
        json!({
            "insertPosts": { "id": 30, "title": "new", "isPublic": false, "user": { "name": "Ann" } },
            "insertManyPosts": [{ "id": 31, "words": null }, { "id": 32, "words": "7" }],
            "updatePosts": { "title": "newer" },
            "updateManyPosts": [{ "id": 31, "title": "late" }, { "id": 32, "title": "late" }],
            "deletePosts": { "id": 32 }, "deleteManyPosts": 1,
        }),
        "{answer}"
    );
    let half = ask(
        &ann.client,
        PLAIN,
        "mutation { a: insertPosts(data: { id: 40, userId: 1 }) { id } b: insertPosts(data: { id: 41, userId: 2 }) { id } }",
    )
    .await;
    assert!(refusal(&half).contains("row-level security"), "{half}");
    assert_eq!(half["data"], json!(null));
    let left = ask(&ann.client, PLAIN, "{ posts(filter: { id_eq: 40 }) { id } }").await;
    assert_eq!(left["data"]["posts"], json!([]), "the first of two is gone with the second");
}

#[tokio::test]
async fn the_guides_limits_reject_what_its_comments_say() {
    let shallow = TestApp::builder().with("graphql.max_depth", "5").with("graphql.max_complexity", "100000");
    let app = shallow.start().await;
    let (ann, _) = blog(&app).await;
    let query = "{ users { posts { comments { author { posts { title } } } } } }";
    let refused = ask(&ann.client, PLAIN, query).await;
    assert_eq!(refusal(&refused), "The operation exceeds max_depth: 6 measured, 5 allowed");
    assert_eq!(refused["errors"][0]["extensions"]["limit"], "max_depth");
    let fits = "{ users { posts { comments { author { name } } } } }";
    assert!(ask(&ann.client, PLAIN, fits).await["data"]["users"].is_array());
    let usual = TestApp::start().await;
    let (ann, _) = blog(&usual).await;
    let refused = ask(&ann.client, PLAIN, fits).await;
    assert_eq!(refusal(&refused), "The operation exceeds max_complexity: 3110 measured, 1000 allowed");
    let small = "{ users(limit: 2) { posts(limit: 2) { comments(limit: 2) { author { name } } } } }";
    let answer = usual.stranger().with("authorization", &format!("Bearer {}", ann.access_token));
    let body = json!({ "query": small, "extensions": { "cost": true } });
    let answer = answer.post(PLAIN, body).await.expect(200).value();
    assert_eq!(answer["extensions"]["cost"]["complexity"], 86, "{answer}");
    assert!(answer["data"]["users"].is_array());
}

#[tokio::test]
async fn switched_off_it_is_not_there() {
    let app = TestApp::builder().with("graphql.enabled", "false").start().await;
    for path in [PLAIN, super::RELAY] {
        app.stranger().post(path, json!({ "query": "{ __typename }" })).await.expect(404);
    }
}

#[tokio::test]
async fn queries_by_get_and_nothing_else() {
    let app = TestApp::start().await;
    let (ann, _) = blog(&app).await;
    let seen = ann.client.get(&format!("{PLAIN}?query=%7Busers(limit:1)%7Bname%7D%7D")).await.expect(200);
    assert_eq!(seen.value()["data"]["users"], json!([{ "name": "Ann" }]));
    let mutation = "mutation%7BdeletePosts(id:10)%7Bid%7D%7D";
    let seen = ann.client.get(&format!("{PLAIN}?query={mutation}")).await.expect(405);
    assert_eq!(seen.header("allow"), "POST");
    for form in ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x", ""] {
        let body = bytes::Bytes::from_static(b"{\"query\":\"{__typename}\"}");
        let headers: &[(&str, &str)] = if form.is_empty() { &[] } else { &[("content-type", form)] };
        ann.client.send(Method::POST, PLAIN, headers, body).await.expect(415);
    }
    let subscription = ask(&ann.client, PLAIN, "subscription { posts { id } }").await;
    assert_eq!(refusal(&subscription), "Subscriptions are not supported; ask again with a query");
    assert_eq!(subscription["errors"][0]["extensions"]["code"], "SUBSCRIPTIONS_NOT_SUPPORTED");
}

#[tokio::test]
async fn documents_are_sent_by_their_hash_once_they_are_known() {
    let app = TestApp::start().await;
    let (ann, _) = blog(&app).await;
    let query = "{ users(limit: 1) { name } }";
    let hash = spec::sha256(query);
    let by_hash = json!({ "extensions": { "persistedQuery": { "version": 1, "sha256Hash": hash } } });
    let unknown = ann.client.post(PLAIN, by_hash.clone()).await.expect(200).value();
    assert_eq!(unknown["errors"][0]["extensions"]["code"], "PERSISTED_QUERY_NOT_FOUND");
    let mut full = by_hash.clone();
    full["query"] = "{ users { name } }".into();
    let poison = ann.client.post(PLAIN, full.clone()).await.expect(200).value();
    assert_eq!(refusal(&poison), "provided sha does not match query");
    full["query"] = query.into();
    ann.client.post(PLAIN, full).await.expect(200);
    let known = ann.client.post(PLAIN, by_hash).await.expect(200).value();
    assert_eq!(known["data"]["users"], json!([{ "name": "Ann" }]));
}

#[tokio::test]
async fn only_listed_documents_are_taken_when_it_is_set_so() {
    let place = tempfile::TempDir::new().unwrap();
    let file = place.path().join("documents.json");
    let query = "{ users(limit: 1) { name } }";
    std::fs::write(&file, json!({ spec::sha256(query): query }).to_string()).unwrap();
    let app = TestApp::builder()
        .with("graphql.persisted_queries", "only")
        .with("graphql.documents_file", &file.display().to_string())
        .start()
        .await;
    let (ann, _) = blog(&app).await;
    let listed =
        json!({ "extensions": { "persistedQuery": { "version": 1, "sha256Hash": spec::sha256(query) } } });
    let answer = ann.client.post(PLAIN, listed).await.expect(200).value();
    assert_eq!(answer["data"]["users"], json!([{ "name": "Ann" }]));
    assert_eq!(ask(&ann.client, PLAIN, query).await["data"]["users"], json!([{ "name": "Ann" }]));
    let other = ask(&ann.client, PLAIN, "{ users { name } }").await;
    assert_eq!(other["errors"][0]["extensions"]["code"], "PERSISTED_QUERY_ONLY");
}

#[tokio::test]
async fn several_operations_in_one_request_share_one_budget() {
    let app = TestApp::start().await;
    let (ann, _) = blog(&app).await;
    let one = json!({ "query": "{ users(limit: 1) { name } }" });
    let both = ann.client.post(PLAIN, json!([one, one])).await.expect(200).value();
    assert_eq!(both[1]["data"]["users"][0]["name"], "Ann");
    let dear = json!({ "query": "{ users { posts { title user { name } } } }" });
    let together = ann.client.post(PLAIN, json!([dear, dear, dear])).await.expect(200).value();
    assert!(together[0]["data"].is_object());
    assert!(refusal(&together[2]).contains("max_complexity"), "{together}");
}

#[tokio::test]
async fn tables_named_like_types_of_the_schema_are_called_otherwise_and_cost_nobody_theirs() {
    let app = TestApp::builder().unlimited().start().await;
    let names = [
        "query",
        "mutation",
        "subscription",
        "string",
        "int",
        "uuid",
        "tasks",
        "tasks_filter",
        "sort_direction",
    ];
    let made: String = names
        .iter()
        .chain(&["\"Query\"", "\"PageInfo\"", "\"String\""])
        .map(|name| {
            format!(
                "create table public.{name} (id int primary key, note text);
         create policy every_row on public.{name} for all to authenticated using (true) with check (true);
         insert into public.{name} values (7, '{name}');"
            )
        })
        .collect();
    app.owner(&made).await;
    app.owner(
        "create type public.mood as enum ('good', 'bad'); alter table public.tasks add mood public.mood",
    )
    .await;
    let ann = app.person("ann").await;
    // Nobody's own name changes for the neighbours that are called like what is made of it.
    let filtered =
        ask(&ann.client, PLAIN, "{ tasks(filter: { id_eq: 7 }) { id note mood __typename } }").await;
    assert_eq!(
        filtered["data"]["tasks"],
        json!([{ "id": 7, "note": "tasks", "mood": null, "__typename": "Tasks" }]),
        "{filtered}"
    );
    for (field, type_name, note) in [
        ("queryRow", "QueryRow", "\"Query\""),
        ("publicQuery", "PublicQuery", "query"),
        ("mutationRow", "MutationRow", "mutation"),
        ("subscriptionRow", "SubscriptionRow", "subscription"),
        ("intRow", "IntRow", "int"),
        ("tasksFilterRow", "TasksFilterRow", "tasks_filter"),
    ] {
        let seen = ask(&ann.client, PLAIN, &format!("{{ {field} {{ id note __typename }} }}")).await;
        assert_eq!(
            seen["data"][field],
            json!([{ "id": 7, "note": note, "__typename": type_name }]),
            "{seen}"
        );
    }
    let changed =
        ask(&ann.client, PLAIN, "mutation { insertQueryRow(data: { id: 8, note: \"new\" }) { id note } }")
            .await;
    assert!(changed["errors"].is_null(), "{changed}");
    // pg_graphql's names are not inflected: only those that are really the same meet.
    for (field, type_name) in [
        ("QueryRow", "QueryRow"),
        ("query", "query"),
        ("PageInfoRow", "PageInfoRow"),
        ("StringRow", "StringRow"),
        ("string", "string"),
        ("tasks_filter", "tasks_filter"),
    ] {
        let field = format!("{}{}Collection", field[..1].to_lowercase(), &field[1..]);
        let seen = ask(
            &ann.client,
            super::RELAY,
            &format!("{{ {field} {{ edges {{ node {{ id __typename }} }} pageInfo {{ hasNextPage }} }} }}"),
        )
        .await;
        let node = &seen["data"][&field]["edges"][0]["node"];
        assert_eq!((&node["id"], &node["__typename"]), (&json!(7), &json!(type_name)), "{field}: {seen}");
    }
    // Every role calls them the same, whatever it may see.
    let mut catalog = Vec::new();
    for client in [&ann.client, &app.service()] {
        let seen = ask(client, PLAIN, "{ publicQuery { note } }").await;
        catalog.push(seen["data"].clone());
    }
    assert_eq!(catalog[0], catalog[1]);
}
