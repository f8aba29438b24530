//! Rows over REST.

use http::Method;
use serde_json::json;
use spec::TestApp;

async fn library(app: &TestApp) {
    app.owner(
        "create table public.authors (id int primary key, name text not null);
         create table public.books (id int primary key, title text not null, author_id int references public.authors, tags jsonb);
         create policy all_authors on public.authors for all to authenticated using (true) with check (true);
         create policy all_books on public.books for all to authenticated using (true) with check (true);
         create function public.add(a int, b int) returns int language sql immutable as 'select a + b';",
    )
    .await;
}

#[tokio::test]
async fn rows_are_written_read_embedded_changed_and_removed() {
    let app = TestApp::builder().unlimited().start().await;
    library(&app).await;
    let ann = app.person("ann").await.client;
    ann.post("/rest/v1/authors", json!([{ "id": 1, "name": "Le Guin" }, { "id": 2, "name": "Lem" }]))
        .await
        .expect(201);
    ann.post(
        "/rest/v1/books?columns=id,title,author_id,tags",
        json!([{ "id": 1, "title": "Solaris", "author_id": 2, "tags": { "sf": true } }]),
    )
    .await
    .expect(201);
    let books = ann
        .get("/rest/v1/books?select=title,tags-%3Esf,authors(name)&authors.name=eq.Lem")
        .await
        .expect(200)
        .value();
    assert_eq!(books, json!([{ "title": "Solaris", "sf": true, "authors": { "name": "Lem" } }]));
    let authors =
        ann.get("/rest/v1/authors?select=name,books(title)&order=name.desc").await.expect(200).value();
    assert_eq!(
        authors,
        json!([{ "name": "Lem", "books": [{ "title": "Solaris" }] }, { "name": "Le Guin", "books": [] }])
    );
    ann.json(Method::PATCH, "/rest/v1/books?id=eq.1", json!({ "title": "Fiasco" })).await.expect(204);
    let counted = ann.clone().with("prefer", "count=exact").get("/rest/v1/books?select=title&limit=1").await;
    assert_eq!(counted.header("content-range"), "0-0/1");
    let removed = ann
        .clone()
        .with("prefer", "return=representation")
        .send(Method::DELETE, "/rest/v1/books?id=eq.1", &[], Default::default())
        .await;
    assert_eq!(removed.expect(200).value()[0]["title"], "Fiasco");
    assert_eq!(ann.post("/rest/v1/rpc/add", json!({ "a": 2, "b": 3 })).await.expect(200).value(), json!(5));
}

#[tokio::test]
async fn an_unknown_table_is_answered_as_postgrest_answers() {
    let app = TestApp::start().await;
    let ann = app.person("ann").await.client;
    let seen = ann.get("/rest/v1/nothing").await.expect(404).value();
    assert_eq!(seen["code"], "PGRST205");
    let names: Vec<&String> = seen.as_object().unwrap().keys().collect();
    assert_eq!(names.len(), 4, "code, details, hint, message: {names:?}");
}

#[tokio::test]
async fn without_a_key_nothing_is_served() {
    let app = TestApp::start().await;
    let bare = spec::Client { headers: vec![], ..app.stranger() };
    bare.get("/rest/v1/").await.expect(401);
}

#[tokio::test]
async fn the_service_key_passes_by_the_policies() {
    let app = TestApp::start().await;
    library(&app).await;
    app.service().post("/rest/v1/authors", json!({ "id": 1, "name": "Lem" })).await.expect(201);
    assert_eq!(app.service().get("/rest/v1/authors?select=name").await.value(), json!([{ "name": "Lem" }]));
    assert_eq!(app.stranger().get("/rest/v1/authors?select=name").await.value(), json!([]));
}
