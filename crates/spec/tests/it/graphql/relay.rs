//! pg_graphql's convention.

use serde_json::json;

use super::{RELAY, ask, ask_with, blog, refusal, roomy};

#[tokio::test]
async fn collections_have_edges_cursors_totals_and_aggregates() {
    let app = roomy().await;
    let (ann, _) = blog(&app).await;
    let query = "query Q($after: Cursor) { postsCollection(first: 1, after: $after, orderBy: [{ title: DescNullsLast }]) {
        totalCount aggregate { count sum { id } } pageInfo { hasNextPage hasPreviousPage endCursor }
        edges { cursor node { nodeId title user { name initial } commentsCollection { edges { node { body } } } } } } }";
    let first = ask(&ann.client, RELAY, query).await;
    let page = &first["data"]["postsCollection"];
    assert_eq!(page["totalCount"], 2, "{first}");
    assert_eq!(page["aggregate"], json!({ "count": 2, "sum": { "id": 21 } }));
    assert_eq!(page["pageInfo"]["hasNextPage"], true);
    assert_eq!(page["edges"][0]["node"]["title"], "open");
    assert_eq!(page["edges"][0]["node"]["user"], json!({ "name": "Ann", "initial": "A" }));
    assert_eq!(
        page["edges"][0]["node"]["commentsCollection"]["edges"],
        json!([{ "node": { "body": "nice" } }])
    );
    let cursor = page["pageInfo"]["endCursor"].clone();
    let second = ask_with(&ann.client, RELAY, query, json!({ "after": cursor })).await;
    let page = &second["data"]["postsCollection"];
    assert_eq!(page["edges"][0]["node"]["title"], "hers", "{second}");
    assert_eq!(page["pageInfo"]["hasNextPage"], false);
    assert_eq!(page["pageInfo"]["hasPreviousPage"], true);
}

#[tokio::test]
async fn a_row_is_found_by_its_node_id_and_only_by_who_may_see_it() {
    let app = roomy().await;
    let (ann, bob) = blog(&app).await;
    let id = ask(&bob.client, RELAY, "{ postsByPk(id: 20) { nodeId } }").await["data"]["postsByPk"]["nodeId"]
        .clone();
    let query = "query N($id: ID!) { node(nodeId: $id) { nodeId __typename ... on Posts { title } } }";
    let his = ask_with(&bob.client, RELAY, query, json!({ "id": id })).await;
    assert_eq!(his["data"]["node"]["title"], "his", "{his}");
    let hers = ask_with(&ann.client, RELAY, query, json!({ "id": id })).await;
    assert_eq!(hers["data"]["node"], json!(null));
}

#[tokio::test]
async fn changes_answer_their_records_and_touch_no_more_than_at_most() {
    let app = roomy().await;
    let (ann, _) = blog(&app).await;
    let answer = ask(
        &ann.client,
        RELAY,
        "mutation { insertIntoPostsCollection(objects: [{ id: 30, userId: 1, title: \"x\" }, { id: 31, userId: 1 }]) {
            affectedCount records { id title user { name } } } }",
    )
    .await;
    let inserted = &answer["data"]["insertIntoPostsCollection"];
    assert_eq!(inserted["affectedCount"], 2, "{answer}");
    assert_eq!(inserted["records"][0], json!({ "id": 30, "title": "x", "user": { "name": "Ann" } }));
    let update = "mutation { updatePostsCollection(set: { title: \"y\" }, filter: { id: { gte: 30 } }) { affectedCount } }";
    let refused = ask(&ann.client, RELAY, update).await;
    assert_eq!(refusal(&refused), "update impacts too many records");
    let untouched = ask(&ann.client, RELAY, "{ postsByPk(id: 30) { title } }").await;
    assert_eq!(untouched["data"]["postsByPk"]["title"], "x");
    let delete =
        "mutation { deleteFromPostsCollection(filter: { id: { gte: 30 } }, atMost: 2) { records { id } } }";
    let gone = ask(&ann.client, RELAY, delete).await;
    assert_eq!(gone["data"]["deleteFromPostsCollection"]["records"], json!([{ "id": 30 }, { "id": 31 }]));
}

#[tokio::test]
async fn several_root_fields_are_one_statement_in_one_snapshot() {
    let app = roomy().await;
    let (ann, _) = blog(&app).await;
    let before = app.running.services.pg.stats().short.round_trips;
    let answer = ask(
        &ann.client,
        RELAY,
        "{ usersCollection { edges { node { name postsCollection { edges { node { title commentsCollection { edges { node { body } } } } } } } } }
           postsCollection { edges { node { title } } } shout(word: \"x\") }",
    )
    .await;
    assert_eq!(answer["data"]["shout"], "X", "{answer}");
    let again = "{ usersCollection { edges { node { name postsCollection { edges { node { title } } } } } } postsCollection { totalCount } }";
    ask(&ann.client, RELAY, again).await;
    let between = app.running.services.pg.stats().short.round_trips;
    ask(&ann.client, RELAY, again).await;
    assert_eq!(app.running.services.pg.stats().short.round_trips - between, 1, "one statement for all of it");
    assert!(between > before);
}

#[tokio::test]
async fn the_schema_is_for_administrators_unless_it_is_set_otherwise() {
    let app = roomy().await;
    let (ann, _) = blog(&app).await;
    let queries = ["{ __schema { queryType { name } } }", "{ __type(name: \"Posts\") { name } }"];
    for path in [RELAY, super::PLAIN] {
        for query in queries {
            for client in [&ann.client, &app.stranger()] {
                let refused = ask(client, path, query).await;
                assert!(refusal(&refused).starts_with("Unknown field \"__"), "{refused}");
                let encoded =
                    percent_encoding::utf8_percent_encode(query, percent_encoding::NON_ALPHANUMERIC);
                let by_get = client.get(&format!("{path}?query={encoded}")).await.expect(200).value();
                assert_eq!(refusal(&by_get), refusal(&refused));
            }
            let answer = ask(&app.service(), path, query).await;
            assert!(answer["errors"].is_null(), "{answer}");
        }
        let typename = ask(&app.stranger(), path, "{ __typename }").await;
        assert_eq!(typename["data"], json!({ "__typename": "Query" }));
    }
    let open = spec::TestApp::builder().with("graphql.introspection", "true").start().await;
    blog(&open).await;
    let answer = ask(&open.stranger(), RELAY, "{ __type(name: \"Posts\") { name } }").await;
    assert_eq!(answer["data"]["__type"]["name"], "Posts", "{answer}");
}

#[tokio::test]
async fn each_of_several_keys_between_two_tables_has_a_name_of_its_own() {
    let app = roomy().await;
    let (ann, _) = blog(&app).await;
    app.owner(
        "create table public.tickets (id int primary key, author_id int references public.users,
             keeper int references public.users, other int references public.users);
         create policy everyone on public.tickets using (true);
         grant select on public.tickets to authenticated",
    )
    .await;
    app.database.admin().await.batch_execute("insert into public.tickets values (1, 1, 2, 3)").await.unwrap();
    let query = "{ ticketsByPk(id: 1) { author { name } usersByKeeper { name } users { name } }
        usersCollection { edges { node { name written: ticketsCollectionByAuthorId { edges { node { id } } }
            kept: ticketsCollectionByKeeper { edges { node { id } } } other: ticketsCollection { edges { node { id } } } } } } }";
    app.eventually(async || ask(&ann.client, RELAY, query).await["data"].is_object()).await;
    let answer = ask(&ann.client, RELAY, query).await;
    let names = json!({ "author": { "name": "Ann" }, "usersByKeeper": { "name": "Bob" }, "users": { "name": "Cid" } });
    assert_eq!(answer["data"]["ticketsByPk"], names, "{answer}");
    for (at, key) in ["written", "kept", "other"].iter().enumerate() {
        for (person, edge) in
            answer["data"]["usersCollection"]["edges"].as_array().unwrap().iter().enumerate()
        {
            let rows = edge["node"][key]["edges"].as_array().unwrap().len();
            assert_eq!(rows, usize::from(at == person), "{key} of {}", edge["node"]["name"]);
        }
    }
}
