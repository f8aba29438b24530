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

#[tokio::test]
async fn who_does_not_get_in_is_told_in_postgrests_words() {
    let app = TestApp::start().await;
    library(&app).await;
    let ann = app.person("ann").await.client;
    ann.get("/rest/v1/authors").await.expect(200);
    let told = |seen: &spec::http::Seen| {
        let said = seen.value();
        (said["code"].as_str().unwrap().to_owned(), seen.header("www-authenticate").to_owned())
    };
    let bare = spec::Client { headers: vec![], ..app.stranger() };
    let nobody = bare.get("/rest/v1/authors").await.expect(401);
    assert_eq!(told(&nobody), ("PGRST302".to_owned(), "Bearer".to_owned()));

    let forged = app.stranger().with("authorization", "Bearer eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmVk");
    let (code, challenge) = told(&forged.get("/rest/v1/authors").await.expect(401));
    assert_eq!(code, "PGRST301");
    assert!(challenge.starts_with("Bearer error=\"invalid_token\""), "{challenge}");

    app.clock.advance(std::time::Duration::from_secs(16 * 60));
    let late = ann.get("/rest/v1/authors").await.expect(401);
    let challenge = "Bearer error=\"invalid_token\", error_description=\"JWT expired\"".to_owned();
    assert_eq!(told(&late), ("PGRST303".to_owned(), challenge));
    assert_eq!(late.value()["message"], "JWT expired");
    assert_eq!(late.value().as_object().unwrap().len(), 4, "{}", late.text());
}

#[tokio::test]
async fn a_page_elsewhere_reads_what_postgrest_shows_to_pages() {
    let origin = "https://app.example.com";
    let app = TestApp::builder().with("server.cors.allowed_origins", origin).start().await;
    library(&app).await;
    let ann = app.person("ann").await.client.with("origin", origin);
    let wish = [("prefer", "count=exact")];
    let seen = ann.send(Method::GET, "/rest/v1/authors", &wish, Default::default()).await.expect(200);
    assert_eq!(seen.header("access-control-allow-origin"), origin);
    let exposed = seen.header("access-control-expose-headers").to_lowercase();
    for name in ["content-encoding", "content-location", "content-range", "content-type", "date", "location"]
    {
        assert!(exposed.split(", ").any(|one| one == name), "{name}: {exposed}");
    }
    let refused = ann.get("/rest/v1/nothing").await.expect(404);
    assert_eq!(refused.header("access-control-allow-origin"), origin, "a page reads why, too");
    for method in ["GET", "POST", "PATCH", "PUT", "DELETE", "HEAD"] {
        let before = [
            ("origin", origin),
            ("access-control-request-method", method),
            (
                "access-control-request-headers",
                "apikey,authorization,content-profile,content-type,prefer,x-client-info",
            ),
        ];
        let client = app.stranger();
        let seen = client.send(Method::OPTIONS, "/rest/v1/authors", &before, Default::default()).await;
        assert!(seen.status.is_success(), "{method}: {}", seen.status);
        assert!(seen.header("access-control-allow-methods").contains(method), "{method}");
        let allowed = seen.header("access-control-allow-headers").to_lowercase();
        for name in ["apikey", "authorization", "content-profile", "content-type", "prefer", "x-client-info"]
        {
            assert!(allowed.contains(name), "{name}: {allowed}");
        }
    }
    let other = app.stranger().with("origin", "https://evil.example");
    assert_eq!(other.get("/rest/v1/authors").await.header("access-control-allow-origin"), "");
}

/// A proxy that keeps what it may keep would give one caller's answer to the next: `apikey` alone says who they are.
#[tokio::test]
async fn nobody_on_the_way_may_keep_an_answer_unless_its_author_says_so() {
    let app = TestApp::builder().unlimited().start().await;
    library(&app).await;
    app.owner(
        "create function public.menu() returns text language plpgsql stable as $$ begin
           perform set_config('response.headers', '[{\"Cache-Control\": \"public, max-age=60\"}]', true); return 'soup'; end $$;
         grant execute on function public.menu() to authenticated, service_role",
    )
    .await;
    let ann = app.person("ann").await.client;
    app.eventually(async || ann.get("/rest/v1/rpc/menu").await.status == 200).await;
    let asked = json!({ "query": "{ authors { name } }" });
    for client in [&ann, &app.service(), &app.stranger()] {
        for seen in [
            client.get("/rest/v1/authors").await,
            client.get("/rest/v1/rpc/add?a=1&b=2").await,
            client.post("/rest/v1/rpc/add", json!({ "a": 1, "b": 2 })).await,
            client.get("/rest/v1/").await,
            client.get("/rest/v1/nothing").await,
            client.post("/graphql/v1", asked.clone()).await,
            client.post("/api/v1/graphql", asked.clone()).await,
            client.get("/api/v1/tables/authors").await,
            client.post("/api/v1/rpc/default/add", json!({ "params": { "a": 1, "b": 2 } })).await,
            client.get("/auth/v1/user").await,
        ] {
            assert_eq!(seen.header("cache-control"), "private, no-store", "{} {}", seen.status, seen.text());
        }
    }
    for client in [&ann, &app.service()] {
        let seen = client.get("/rest/v1/rpc/menu").await.expect(200);
        assert_eq!(seen.header("cache-control"), "public, max-age=60", "what its author says");
    }
    for path in ["jwks.json", "openid-configuration"] {
        let seen = app.stranger().get(&format!("/auth/v1/.well-known/{path}")).await.expect(200);
        assert_eq!(seen.header("cache-control"), "public, max-age=600", "{path} is everybody's");
    }
}

#[tokio::test]
async fn what_comes_first_comes_first_in_every_dialect() {
    let app = TestApp::builder().with("data.pre_request", "guard.pass").unlimited().start().await;
    library(&app).await;
    let ann = app.person("ann").await.client;
    let plain = json!({ "query": "{ authors { name } }" });
    let relay = json!({ "query": "{ authorsCollection { edges { node { name } } } }" });
    // Named, and not there: nothing is served, and the operator is told why.
    let closed = ann.get("/rest/v1/authors").await.expect(503);
    assert_eq!(closed.value()["code"], "data.pre_request.refused");
    assert!(!ann.get("/api/v1/tables/authors").await.status.is_success());
    assert_ne!(ann.post("/api/v1/graphql", plain.clone()).await.value()["data"]["authors"], json!([]));
    assert!(!app.running.services.data.catalog().relations.is_empty());

    app.owner(
        "create schema guard; grant usage on schema guard to anon, authenticated, service_role;
         create function guard.pass() returns void language plpgsql as $$ begin
           if current_setting('request.headers', true)::json->>'x-shut' is not null then
             raise sqlstate 'PT403' using message = 'shut for ' || auth.uid()::text; end if; end $$;
         grant execute on function guard.pass() to anon, authenticated, service_role",
    )
    .await;
    app.eventually(async || ann.get("/rest/v1/authors").await.status == 200).await;
    ann.get("/api/v1/tables/authors").await.expect(200);
    let shut = ann.clone().with("x-shut", "yes");
    for (path, query) in [("/api/v1/graphql", &plain), ("/graphql/v1", &relay)] {
        let open = ann.post(path, query.clone()).await.value();
        assert_eq!(open["errors"], serde_json::Value::Null, "{path}: {open}");
        let refused = shut.post(path, query.clone()).await.value();
        assert!(refused["data"].is_null(), "{path}: {refused}");
        let message = refused["errors"][0]["message"].as_str().unwrap();
        assert!(message.starts_with("shut for "), "{path}: {refused}");
    }
    let refused = shut.get("/rest/v1/authors").await.expect(403);
    assert!(refused.value()["message"].as_str().unwrap().starts_with("shut for "), "{}", refused.text());
    let refused = shut.get("/api/v1/tables/authors").await;
    assert_eq!(refused.status, 403, "{}", refused.text());
    assert!(refused.text().contains("shut for "), "{}", refused.text());
}

#[tokio::test]
async fn a_roles_time_for_a_statement_is_heard_of_by_itself_and_holds_in_every_dialect() {
    let app = TestApp::builder().unlimited().start().await;
    library(&app).await;
    app.owner(
        "create table public.naps (id int primary key);
         create policy slow on public.naps for select to authenticated using (pg_sleep(60)::text = '');
         insert into public.naps values (1);",
    )
    .await;
    let ann = app.person("ann").await.client;
    let name = app.database.name();
    app.admin(&format!("alter role authenticated in database \"{name}\" set statement_timeout = '60ms'"))
        .await;
    let begun = testkit::Stopwatch::start();
    let rest = ann.get("/rest/v1/naps").await;
    assert_eq!(rest.value()["code"], "57014", "{}", rest.text());
    let fluxbase = ann.get("/api/v1/tables/naps").await;
    assert!(!fluxbase.status.is_success(), "{}", fluxbase.text());
    let plain = ann.post("/api/v1/graphql", json!({ "query": "{ naps { id } }" })).await.value();
    assert!(plain["errors"][0]["message"].is_string() && plain["data"]["naps"].is_null(), "{plain}");
    let relay = json!({ "query": "{ napsCollection { edges { node { id } } } }" });
    let relay = ann.post("/graphql/v1", relay).await.value();
    assert!(relay["errors"][0]["message"].is_string(), "{relay}");
    let took = begun.elapsed();
    assert!(took < std::time::Duration::from_secs(6), "ours alone is 8 s for each: {took:?}");
    ann.get("/rest/v1/authors").await.expect(200);
    app.admin(&format!("alter role authenticated in database \"{name}\" reset statement_timeout")).await;
    ann.get("/api/v1/tables/authors").await.expect(200);
}

/// Asks, reads the head of the answer and nothing more.
async fn slow_reader(app: &TestApp, token: &str, request: &str, body: &str) -> tokio::net::TcpStream {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    // What the machine keeps for it on the way is little.
    socket.set_recv_buffer_size(64 * 1024).unwrap();
    let mut stream = socket.connect(app.running.address).await.unwrap();
    let key = app.stranger().headers.iter().find(|(name, _)| name == "apikey").unwrap().1.clone();
    let sent = format!(
        "{request} HTTP/1.1\r\nHost: {}\r\napikey: {key}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        app.running.address,
        body.len()
    );
    stream.write_all(sent.as_bytes()).await.unwrap();
    let mut head = [0; 16];
    stream.read_exact(&mut head).await.unwrap();
    assert!(head.starts_with(b"HTTP/1.1 200"), "{request}: {}", String::from_utf8_lossy(&head));
    stream
}

#[tokio::test]
async fn large_answers_of_every_dialect_count_until_their_slow_readers_are_done() {
    let app = TestApp::builder().unlimited().start().await;
    app.owner(
        "create table public.scrolls (id int primary key, note text not null);
         create policy all_scrolls on public.scrolls for all to authenticated using (true) with check (true);
         insert into public.scrolls select i, repeat('x', 1000000) from generate_series(1, 24) i;
         create function public.unroll() returns text language sql as $$ select repeat('y', 24000000) $$;
         grant execute on function public.unroll() to authenticated",
    )
    .await;
    let ann = app.person("ann").await;
    let data = &app.running.services.data;
    let plain = json!({ "query": "{ scrolls { id note } }" });
    let relay = json!({ "query": "{ scrollsCollection { edges { node { id note } } } }" });
    let several = json!([plain, plain]);
    let none = json!({});
    let (large, all) = (24_000_000, 1_u64 << 30);
    for (what, request, body) in [
        ("Fluxbase's rows", "GET /api/v1/tables/scrolls", &none),
        ("cut rows", "GET /api/v1/tables/scrolls?truncate=900000", &none),
        ("Fluxbase's functions", "POST /api/v1/rpc/public/unroll", &none),
        ("GraphQL of the guide", "POST /api/v1/graphql", &plain),
        ("GraphQL of pg_graphql", "POST /graphql/v1", &relay),
        ("several at once", "POST /api/v1/graphql", &several),
    ] {
        assert_eq!(data.held_bytes(), 0, "{what}");
        let body = if request.starts_with("GET") { String::new() } else { body.to_string() };
        let first = slow_reader(&app, &ann.access_token, request, &body).await;
        let second = slow_reader(&app, &ann.access_token, request, &body).await;
        let held = data.held_bytes();
        assert!(held >= 2 * (large * 9 / 10), "{what}: two wait, and {held} bytes are counted");
        drop((first, second));
        app.eventually(async || data.held_bytes() == 0).await;
    }
    // Where there is no room, whoever only reads comes again later; small answers and what was written are given.
    let full = data.hold(vec![0; usize::try_from(all - (1 << 20)).unwrap()].into()).unwrap();
    let client = &ann.client;
    for (path, body) in [("/api/v1/graphql", &plain), ("/graphql/v1", &relay)] {
        let refused = client.post(path, body.clone()).await.expect(503);
        assert_eq!(refused.header("retry-after"), "1", "{path}");
        let said = refused.value();
        assert_eq!(said["errors"][0]["extensions"]["code"], "data.answers.too_large_together", "{said}");
    }
    for path in ["/api/v1/tables/scrolls", "/api/v1/tables/scrolls?truncate=900000"] {
        assert_eq!(client.get(path).await.expect(503).header("retry-after"), "1", "{path}");
    }
    let small = json!({ "query": "{ scrolls(limit: 1) { id } }" });
    assert_eq!(client.post("/api/v1/graphql", small.clone()).await.value()["data"]["scrolls"][0]["id"], 1);
    let both = client.post("/api/v1/graphql", json!([small, plain])).await.expect(200).value();
    assert_eq!(both[0]["data"]["scrolls"][0]["id"], 1, "its neighbour's refusal is not its own");
    assert!(both[1]["errors"][0]["message"].is_string() && both[1]["data"].is_null());
    let called = client.post("/api/v1/rpc/public/unroll", none).await.expect(200);
    assert!(called.text().len() > 24_000_000);
    drop(full);
    client.post("/graphql/v1", relay).await.expect(200);
}

/// Of several relationships those are named that a caller may use, and to whoever may use none, none.
#[tokio::test]
async fn an_ambiguous_embed_names_nothing_that_its_caller_may_not_use() {
    let app = TestApp::start().await;
    let ann = app.person("ann").await;
    app.owner(
        "create table public.places (id int primary key); create policy all_ on public.places for select using (true);
         create table public.trips (id int primary key, from_place int references public.places, to_place int references public.places);
         create policy all_ on public.trips for select using (true);
         create table public.informers (place int references public.places, trip int references public.trips, primary key (place, trip));
         revoke all on public.informers, public.trips from anon, authenticated;
         grant select on public.trips, public.places to authenticated; grant select on public.places to anon",
    )
    .await;
    let path = "/rest/v1/places?select=id,trips(id)";
    let seen = ann.client.get(path).await;
    assert_eq!((seen.status.as_u16(), &seen.value()["code"]), (300, &serde_json::json!("PGRST201")));
    let text = seen.text();
    assert!(text.contains("trips_from_place_fkey") && text.contains("trips!trips_to_place_fkey"), "{text}");
    assert!(!text.contains("informers"), "{text}");
    let seen = app.stranger().get(path).await;
    assert_eq!(seen.value()["code"], "PGRST201", "{}", seen.text());
    assert!(!seen.text().contains("fkey") && !seen.text().contains("informers"), "{}", seen.text());
    let posted =
        app.stranger().post("/rest/v1/places?select=id,trips(id)", serde_json::json!({ "id": 1 })).await;
    assert!(!posted.text().contains("fkey") && !posted.text().contains("informers"), "{}", posted.text());
    app.owner("grant select on public.informers to authenticated").await;
    assert!(ann.client.get(path).await.text().contains("trips!informers"));
}
