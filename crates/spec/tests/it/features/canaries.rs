//! Canaries: a path, a key and a row that nobody has a reason to touch; whoever does is recorded, told of, and kept out as
//! it is set.

use http::Method;
use serde_json::{Value, json};
use spec::{Client, TestApp};

const PATH: &str = "/admin/v1/canaries";

/// Makes a bait as `palisade canaries make` does.
async fn make(app: &TestApp, wanted: Value) -> Value {
    app::control::ask(app.data(), Method::POST, PATH, Some(&wanted)).await.unwrap()
}

/// Somebody on this machine, who is no probe and never kept out.
fn local(app: &TestApp) -> Client {
    app.stranger().at("127.0.0.1")
}

fn with_key(app: &TestApp, key: &str) -> Client {
    let mut client = app.stranger();
    client.headers.clear();
    client.with("apikey", key)
}

/// Every touch, newest first: about what, by whom, from where.
async fn touches(app: &TestApp) -> Vec<Value> {
    let audit = &app.running.services.audit;
    audit.settle().await.unwrap();
    let filter = audit::Filter { event: Some("canary.touched".to_owned()), ..audit::Filter::default() };
    let found = audit.find(&filter, None, 50).await.unwrap();
    found.iter().map(|entry| serde_json::from_str(&entry.body).unwrap()).collect()
}

/// Whether `client` is kept out, by the jail of canaries.
async fn is_out(app: &TestApp, client: &Client) -> bool {
    let bans = app.running.services.detection.list().await.unwrap();
    let address = client.from.to_string();
    bans.iter().any(|ban| ban.jail == "canaries" && ban.network.addr().to_string() == address)
}

#[tokio::test]
async fn asking_for_a_honey_path_is_told_at_once_and_keeps_its_address_out() {
    let app = TestApp::builder().with("detection.canaries.paths", "/ops/vault*").start().await;
    for (path, thief) in [("/admin/v1/root-key", app.stranger()), ("/ops/vault/keys", app.stranger())] {
        let seen = thief.get(path).await;
        assert_eq!(seen.status, 404, "it looks like any path that is not there: {}", seen.text());
        app.eventually(async || is_out(&app, &thief).await).await;
        let touched = touches(&app).await;
        assert_eq!(touched[0]["subject"], format!("path:{path}"));
        assert_eq!(touched[0]["address"], json!(thief.from));
    }
    let neighbour = app.stranger();
    neighbour.get("/ops/other").await.expect(404);
    neighbour.get("/admin/v1/roles").await.expect(403);
    assert!(!is_out(&app, &neighbour).await);
    assert_eq!(touches(&app).await.len(), 2);

    // This machine's own address is told of, and not kept out.
    local(&app).get("/admin/v1/root-key").await.expect(404);
    app.eventually(async || {
        app.running.services.alerts.list(9).await.unwrap().iter().any(|one| one.rule == "canaries")
    })
    .await;
    let raised = app.running.services.alerts.list(9).await.unwrap();
    let alert = raised.iter().find(|one| one.rule == "canaries").unwrap();
    assert!(alert.what.contains("path:/admin/v1/root-key from 127.0.0.1"), "{}", alert.what);
}

/// A ban is in force before it is written down, and counting goes on while the database takes its time.
#[tokio::test]
async fn a_database_that_is_slow_to_take_a_ban_keeps_nobody_else_from_being_kept_out() {
    let app = TestApp::start().await;
    let slow = app.database.admin().await;
    slow.batch_execute("BEGIN; LOCK TABLE detection.bans IN SHARE MODE").await.unwrap();
    // Since when a ban waits to be written down.
    let waits = async || {
        let since = "SELECT waitstart::text FROM pg_locks WHERE relation = 'detection.bans'::regclass AND NOT granted";
        slow.query_opt(since, &[]).await.unwrap().and_then(|row| row.get::<_, Option<String>>(0))
    };
    let detection = &app.running.services.detection;
    let (first, second) = (app.stranger(), app.stranger());
    first.get("/admin/v1/root-key").await.expect(404);
    app.eventually(async || waits().await.is_some()).await;
    let since = waits().await;
    assert!(detection.kept_out(first.from).is_some());
    second.get("/admin/v1/root-key").await.expect(404);
    app.eventually(async || detection.kept_out(second.from).is_some()).await;
    assert_eq!(waits().await, since, "the first ban still waits");
    slow.batch_execute("ROLLBACK").await.unwrap();
    app.eventually(async || waits().await.is_none()).await;
    app.eventually(async || is_out(&app, &first).await && is_out(&app, &second).await).await;
}

/// Somebody without a key: what a page has their browser ask brings none in a header.
fn bare(app: &TestApp) -> Client {
    Client { headers: Vec::new(), ..app.stranger() }
}

/// Somebody who has a page of another site open, which asks.
fn visitor(app: &TestApp) -> Client {
    bare(app).with("sec-fetch-site", "cross-site").with("sec-fetch-mode", "no-cors")
}

/// An image on another site must not get its visitors banned.
#[tokio::test]
async fn a_page_of_another_site_cannot_get_its_visitors_kept_out() {
    let app = TestApp::start().await;
    let victim = visitor(&app);
    victim.get("/admin/v1/root-key").await.expect(404);
    assert_eq!(touches(&app).await[0]["details"]["asked_by"], "another site");
    let thief = app.stranger();
    thief.get("/admin/v1/root-key").await.expect(404);
    app.eventually(async || is_out(&app, &thief).await).await;
    assert!(!is_out(&app, &victim).await, "told of before the other, and let be");
    // Nor by keys that are none: twenty such images would be ten minutes.
    let (victim, thief) = (visitor(&app), app.stranger());
    for who in [&victim, &thief] {
        let mut bare = who.clone();
        bare.headers.retain(|(name, _)| name != "apikey");
        for number in 0..25 {
            let asked = format!(
                "GET /rest/v1/notes?apikey=none{number} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            );
            let site =
                bare.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect::<String>();
            bare.raw(format!("{asked}{site}\r\n").as_bytes()).await;
        }
    }
    let detection = &app.running.services.detection;
    app.eventually(async || detection.kept_out(thief.from).is_some()).await;
    assert!(detection.kept_out(victim.from).is_none());
    // Nor by a bait that somebody found.
    let made = make(&app, json!({ "kind": "key", "name": "found" })).await;
    for (who, is_kept_out) in [(&victim, false), (&app.stranger(), true)] {
        let mut bare = who.clone();
        bare.headers.retain(|(name, _)| name != "apikey");
        bare.get(&format!("/rest/v1/notes?apikey={}", made["key"].as_str().unwrap())).await.expect(401);
        app.running.services.audit.settle().await.unwrap();
        if is_kept_out {
            app.eventually(async || is_out(&app, who).await).await;
        }
        assert_eq!(detection.kept_out(who.from).is_some(), is_kept_out, "{}", who.from);
    }
    // Nor by what belongs to other software: three such images would be an hour.
    for who in [&victim, &app.stranger()] {
        for path in ["/wp-login.php", "/.env", "/.git/config"] {
            who.get(path).await;
        }
        let is_out = app.running.services.detection.kept_out(who.from).is_some();
        assert_eq!(is_out, who.from != victim.from, "{}", who.from);
    }
}

/// What a page can have browsers ask without asking us: an address that is opened, a form.
#[tokio::test]
async fn what_another_sites_page_has_refused_counts_against_nobody_and_a_password_from_there_does() {
    const RULE: &str = "detection: { jails: [{ name: forger, events: [guard.refused], max_retry: 2 }] }";
    let builder = TestApp::builder().written(RULE, &[]).with("detection.network_after", "0");
    let app = builder.with("rate_limiting.enabled", "false").start().await;
    let detection = &app.running.services.detection;
    let cross = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")];
    let state = "9f2c1b8e-3d4a-4c5b-8e6f-7a8b9c0d1e2f";
    let callback = format!("/auth/v1/callback?code=x&state={state}");
    let forged =
        [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors"), ("content-type", "text/plain")];
    let none = || bytes::Bytes::new();
    // The second of each is no browser's: as many of the same keep it out.
    for (method, path, headers, more) in [
        (Method::GET, callback.as_str(), &cross[..], 20),
        (Method::POST, "/auth/v1/token?grant_type=password", &forged[..], 2),
    ] {
        let (victim, program) = (bare(&app), app.stranger().with("origin", "https://evil.example"));
        for _ in 0..more {
            let seen = victim.send(method.clone(), path, headers, none()).await;
            assert!([400, 403, 404].contains(&seen.status.as_u16()), "{path}: {}", seen.text());
            program.send(method.clone(), path, &[], none()).await;
        }
        app.eventually(async || detection.kept_out(program.from).is_some()).await;
        assert!(detection.kept_out(victim.from).is_none(), "{path}");
    }
    // Where people sign in to an application of another site, who guesses is kept out as ever.
    let guesser = app.stranger().with("origin", "https://app.example").with("sec-fetch-site", "cross-site");
    let guesser = guesser.with("sec-fetch-mode", "cors");
    for _ in 0..20 {
        spec::Person::sign_in(&guesser, "ann@example.com", "wrong-Password-1!").await;
    }
    app.eventually(async || detection.kept_out(guesser.from).is_some()).await;
}

#[tokio::test]
async fn a_honey_key_opens_nothing_looks_like_any_other_and_tells_of_whoever_shows_it() {
    // The thieves of this test are neighbours.
    let app = TestApp::builder().with("detection.network_after", "0").start().await;
    let made = make(&app, json!({ "kind": "key", "name": "nightly_backup" })).await;
    let (id, key) = (made["name"].as_str().unwrap(), made["key"].as_str().unwrap());
    assert!(key.starts_with("sb_secret_") && id.starts_with("nightly_backup_"), "{id}");
    assert!(app.audited("canary.made").await);

    // Whoever lists keys sees one more secret key.
    let keys = app::control::ask(app.data(), Method::GET, "/keys", None).await.unwrap();
    let of = |id: &str| keys.as_array().unwrap().iter().find(|known| known["id"] == id).cloned().unwrap();
    let (bait, real) = (of(id), of("default_secret"));
    let members = |key: &Value| key.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        (members(&bait), &bait["kind"], &bait["live"]),
        (members(&real), &real["kind"], &real["live"])
    );

    let refused = with_key(&app, "sb_secret_nothing_of_ours").get("/rest/v1/").await;
    let ways = ["/rest/v1/", "/auth/v1/admin/users", "/graphql/v1", "/admin/v1/bans"];
    for (count, path) in ways.into_iter().enumerate() {
        let thief = with_key(&app, key);
        let seen = thief.get(path).await.expect(401);
        if path == "/rest/v1/" {
            assert_eq!(seen.value()["message"], refused.value()["message"], "as for a key that never was");
        }
        let touched = touches(&app).await;
        assert_eq!((touched.len(), &touched[0]["subject"]), (count + 1, &json!(format!("key:{id}"))));
        app.eventually(async || is_out(&app, &thief).await).await;
    }
    // As a bearer token too, along with the publishable key.
    let thief = app.stranger().with("authorization", &format!("Bearer {key}"));
    thief.get("/rest/v1/").await.expect(401);
    app.eventually(async || is_out(&app, &thief).await).await;

    let removed = app::control::ask(app.data(), Method::DELETE, &format!("{PATH}/{id}"), None).await;
    removed.unwrap();
    assert!(app.audited("canary.removed").await);
    let before = touches(&app).await.len();
    with_key(&app, key).get("/rest/v1/").await.expect(401);
    assert_eq!(touches(&app).await.len(), before, "it is a key of nobody now");
}

#[tokio::test]
async fn a_honey_row_that_leaves_by_rest_graphql_or_fluxbase_is_told_of_and_its_neighbours_are_not() {
    let app = TestApp::builder().unlimited().start().await;
    let made = make(&app, json!({ "kind": "row", "name": "customers" })).await;
    let mark = made["mark"].as_str().unwrap();
    app.owner(&format!(
        "create table customers (id uuid primary key, email text);
         comment on table customers is '@graphql({{\"totalCount\": {{\"enabled\": true}}}})';
         grant select on customers to service_role;
         create view everybody with (security_invoker) as select * from customers;
         grant select on everybody to service_role;
         create function find_them() returns setof customers language sql stable as 'select * from customers';
         insert into customers values ('{mark}', 'nobody@example.com'), (gen_random_uuid(), 'ann@example.com');
         insert into customers select gen_random_uuid(), 'many' || n || '@example.com' from generate_series(1, 5000) n"
    ))
    .await;
    let service = app.service();
    let ask = async |path: &str| {
        let before = touches(&app).await.len();
        let seen = if path.contains("graphql") {
            let query = path.split_once(' ').unwrap();
            service.post(query.0, json!({ "query": query.1 })).await
        } else {
            service.get(path).await
        };
        let seen = seen.expect(200);
        // A read of many rows is looked through as it is sent.
        let shown = seen.text().contains(mark);
        let told = touches(&app).await.len() - before;
        (shown, told)
    };
    for quiet in [
        "/rest/v1/customers?email=eq.ann@example.com",
        "/rest/v1/customers?select=email&email=eq.nobody@example.com",
        "/api/v1/tables/customers?email=eq.ann@example.com",
        "/graphql/v1 { customersCollection(filter: {email: {eq: \"ann@example.com\"}}) { edges { node { id } } } }",
        PATH_OF_BANS,
    ] {
        assert_eq!(ask(quiet).await, (false, 0), "{quiet}");
    }
    for loud in [
        "/rest/v1/customers?email=like.*o*&limit=100000",
        "/rest/v1/everybody?email=eq.nobody@example.com",
        "/rest/v1/rpc/find_them?email=eq.nobody@example.com",
        "/api/v1/tables/customers?email=eq.nobody@example.com",
        "/graphql/v1 { customersCollection(filter: {email: {eq: \"nobody@example.com\"}}) { edges { node { id } } } }",
        "/api/v1/graphql { customers(filter: {email_eq: \"nobody@example.com\"}) { id } }",
    ] {
        let (shown, told) = ask(loud).await;
        assert!(shown, "{loud}");
        // The same caller at the same row is counted within the lane's window: a first entry, then one more that counts.
        assert!(told >= 1, "{loud} was not told of");
    }
    let csv =
        service.send(Method::GET, "/rest/v1/customers", &[("accept", "text/csv")], Default::default()).await;
    assert!(csv.expect(200).text().contains(mark));
    let touched = touches(&app).await;
    assert_eq!(
        (&touched[0]["subject"], &touched[0]["actor"]),
        (&json!("canary:customers"), &json!("key:default_secret"))
    );
    assert_eq!(touched[0]["details"]["path"].as_str().map(|path| path.starts_with('/')), Some(true));
    assert!(!is_out(&app, &service).await, "an own program that reads everything is told of, not cut off");
}

const PATH_OF_BANS: &str = "/admin/v1/bans";

/// A table with a honey row that it tells of, its neighbour, and a function that changes whatever it is told to.
async fn watched(app: &TestApp) -> String {
    app.owner(
        "create table customers (id uuid primary key, email text, seen int);
         grant select, insert, update, delete on customers to service_role, authenticated;
         create policy everybody on customers to authenticated using (true) with check (true);
         create function mark_seen(who text) returns void language sql volatile
             as 'update customers set seen = 1 where email = who'",
    )
    .await;
    let wanted = json!({ "kind": "row", "name": "customers", "table": "public.customers" });
    let made = make(app, wanted).await;
    assert_eq!(made["table"], "public.customers");
    let mark = made["mark"].as_str().unwrap().to_owned();
    let rows = format!(
        "insert into customers values ('{mark}', 'nobody@example.com'), (gen_random_uuid(), 'ann@example.com')"
    );
    app.owner(&rows).await;
    mark
}

#[tokio::test]
async fn a_honey_row_that_is_changed_without_being_shown_is_told_of_whoever_does_it_and_however() {
    let app = TestApp::builder().unlimited().start().await;
    let mark = watched(&app).await;
    let (service, ann) = (app.service(), app.person("ann").await);
    let minimal = [("prefer", "return=minimal"), ("content-type", "application/json")];
    let patch = async |who: &Client, filter: &str| {
        let path = format!("/rest/v1/customers?{filter}");
        who.send(Method::PATCH, &path, &minimal, "{\"seen\": 2}".into()).await.expect(204);
    };
    let waits = async |count: usize| {
        app.eventually(async || touches(&app).await.len() == count).await;
        let touched = touches(&app).await.remove(0);
        let details = &touched["details"];
        assert_eq!(
            (&touched["subject"], &details["table"]),
            (&json!("canary:customers"), &json!("public.customers"))
        );
        (
            touched["actor"].as_str().unwrap().to_owned(),
            details["act"].as_str().unwrap().to_owned(),
            touched["address"].clone(),
        )
    };
    patch(&service, "email=eq.ann@example.com").await;
    patch(&ann.client, &format!("id=eq.{mark}")).await;
    let person = format!("user:{}", ann.id);
    assert_eq!(waits(1).await, (person, "update".to_owned(), json!(ann.client.from)));
    let key = |act: &str| ("key:default_secret".to_owned(), act.to_owned(), json!(service.from));
    patch(&service, "email=like.nobody*").await;
    assert_eq!(waits(2).await, key("update"));

    let change = "mutation { updatecustomersCollection(set: {seen: 3}, filter: {email: {eq: \"nobody@example.com\"}}) { affectedCount } }";
    let seen = service.post("/graphql/v1", json!({ "query": change })).await.expect(200);
    assert!(seen.text().contains("\"affectedCount\" : 1"), "{}", seen.text());
    assert_eq!(waits(3).await, key("update"));
    service.post("/rest/v1/rpc/mark_seen", json!({ "who": "nobody@example.com" })).await.expect(204);
    assert_eq!(waits(4).await, key("update"));
    service.post("/rest/v1/rpc/mark_seen", json!({ "who": "ann@example.com" })).await.expect(204);
    let path = format!("/api/v1/tables/customers/{mark}");
    let body = json!({ "seen": 5 });
    service.json(Method::PATCH, &path, body).await;
    app.eventually(async || {
        touches(&app).await.iter().filter(|one| one["details"]["act"] == "update").count() == 5
    })
    .await;

    // What never came through the API is told of as well, whatever the session says of triggers.
    let before = touches(&app).await.len();
    let sql = app.database.admin().await;
    let psql = "set session_replication_role = replica; update customers set seen = 6";
    sql.batch_execute(psql).await.unwrap();
    let (actor, act, address) = waits(before + 1).await;
    assert!(actor.starts_with("database:"), "{actor}");
    assert_eq!((act.as_str(), address), ("update", Value::Null));
    sql.batch_execute("delete from customers where email like 'nobody%'").await.unwrap();
    assert_eq!(waits(before + 2).await.1, "delete");
    sql.batch_execute("truncate customers").await.unwrap();
    assert_eq!(waits(before + 3).await.1, "truncate");
    let raised = app.running.services.alerts.list(50).await.unwrap();
    assert!(raised.iter().any(|one| one.rule == "canaries"), "and an alert was raised");

    // The bait is taken away, and its table is as it was.
    app::control::ask(app.data(), Method::DELETE, &format!("{PATH}/customers"), None).await.unwrap();
    let left = "select count(*) from pg_trigger where tgname like 'palisade\\_canary%'";
    assert_eq!(sql.query_one(left, &[]).await.unwrap().get::<_, i64>(0), 0);
    for odd in ["public.nothing", "auth.users", "pg_class", "customers; drop table customers"] {
        let wanted = json!({ "kind": "row", "name": "odd", "table": odd });
        assert!(app::control::ask(app.data(), Method::POST, PATH, Some(&wanted)).await.is_err(), "{odd}");
    }
}

/// Asks in one of the dialects: `HEAD /path`, `/path`, or `/path { a document }`.
async fn reads(client: &Client, what: &str) -> spec::Seen {
    match (what.split_once(" {"), what.strip_prefix("HEAD ")) {
        (Some((path, query)), _) => client.post(path, json!({ "query": format!("{{{query}") })).await,
        (None, Some(path)) => {
            client.send(Method::HEAD, path, &[("prefer", "count=exact")], Default::default()).await
        }
        (None, None) => client.get(what).await,
    }
}

#[tokio::test]
async fn reads_that_show_nothing_of_a_honey_row_are_told_of_where_its_table_is_known() {
    let app = TestApp::builder().unlimited().with("data.aggregates", "true").start().await;
    let mark = watched(&app).await;
    app.owner(
        "comment on table customers is '@graphql({\"totalCount\": {\"enabled\": true}, \"aggregate\": {\"enabled\": true}})';
         create table visits (id int primary key, who uuid references customers);
         create policy everybody on visits to authenticated using (true);
         grant select on visits to service_role, authenticated",
    )
    .await;
    app.owner(&format!(
        "INSERT INTO visits VALUES (1, '{mark}'), (2, (select id from customers where email like 'ann%'))"
    ))
    .await;
    let ann = app.person("ann").await;
    let (service, ann) = (app.service(), ann.client);
    for quiet in [
        "/rest/v1/customers?select=email&email=eq.ann@example.com",
        "HEAD /rest/v1/customers?email=like.ann*&limit=1",
        "/rest/v1/visits?id=eq.2&select=customers(email)",
        "/rest/v1/visits?select=id",
        "/api/v1/tables/customers?select=email&email=eq.ann@example.com",
        "/graphql/v1 { customersCollection(filter: {email: {eq: \"ann@example.com\"}}) { totalCount edges { node { email } } } }",
    ] {
        for client in [&service, &ann] {
            let seen = reads(client, quiet).await;
            assert!(seen.status.is_success(), "{quiet}: {}", seen.text());
        }
    }
    assert!(touches(&app).await.is_empty(), "its neighbours are nobody's trap");
    for loud in [
        "/rest/v1/customers?select=email",
        "/rest/v1/customers?select=email&limit=2000",
        "/rest/v1/customers?select=email&email=like.nobody*",
        "/rest/v1/customers?select=count()",
        "HEAD /rest/v1/customers?limit=1&order=email",
        "/rest/v1/visits?select=customers(email)",
        "/rest/v1/visits?select=id,customers!inner()&customers.email=like.nobody*",
        "/api/v1/tables/customers?select=email",
        "/graphql/v1 { customersCollection { totalCount } }",
        "/graphql/v1 { customersCollection { edges { node { email } } } }",
        "/graphql/v1 { visitsCollection { edges { node { customers { email } } } } }",
        "/api/v1/graphql { customers { email } }",
    ] {
        for client in [&service, &ann] {
            let before = touches(&app).await.len();
            let seen = reads(client, loud).await;
            assert!(seen.status.is_success() && !seen.text().contains(&mark), "{loud}: {}", seen.text());
            let touched = touches(&app).await;
            assert_eq!(touched.len(), before + 1, "{loud}");
            let (subject, details) = (&touched[0]["subject"], &touched[0]["details"]);
            assert_eq!((subject, &details["act"]), (&json!("canary:customers"), &json!("read")), "{loud}");
            assert_eq!(touched[0]["address"], json!(client.from), "{loud}");
        }
    }

    // Whom policies do not show the row has not read it, and whoever may read some columns only still may.
    app.owner(&format!(
        "create policy not_it on customers as restrictive for select to authenticated using (id <> '{mark}')"
    ))
    .await;
    let before = touches(&app).await.len();
    ann.get("/rest/v1/customers?select=email").await.expect(200);
    app.owner(
        "revoke select on customers from authenticated; grant select (email) on customers to authenticated",
    )
    .await;
    app.eventually(async || ann.get("/rest/v1/customers?select=email").await.status == 200).await;
    ann.get("/rest/v1/customers?select=id").await.expect(403);
    assert_eq!(touches(&app).await.len(), before);
}

#[tokio::test]
async fn reading_a_honey_row_keeps_its_reader_out_where_that_is_set() {
    let app = TestApp::builder().with("detection.canaries.ban", "row").start().await;
    let mark = "mara.lindqvist@nowhere.example";
    make(&app, json!({ "kind": "row", "name": "people", "mark": mark })).await;
    app.owner(&format!(
        "create table people (email text primary key); create policy all_of_them on people for select to anon using (true);
         grant select on people to anon; insert into people values ('{mark}'), ('ann@example.com')"
    ))
    .await;
    let (thief, other) = (app.stranger(), app.stranger());
    other.get("/rest/v1/people?email=eq.ann@example.com").await.expect(200);
    assert!(thief.get("/rest/v1/people").await.expect(200).text().contains(mark));
    app.eventually(async || is_out(&app, &thief).await).await;
    assert!(!is_out(&app, &other).await);
    let by_path = app.stranger();
    by_path.get("/admin/v1/root-key").await.expect(404);
    assert_eq!(touches(&app).await.len(), 2, "told of");
    assert!(!is_out(&app, &by_path).await, "and let be, as it is set");
}

#[tokio::test]
async fn a_key_that_was_taken_does_not_learn_where_the_traps_are() {
    let app = TestApp::builder().unlimited().start().await;
    make(&app, json!({ "kind": "row", "name": "people", "mark": "mara.lindqvist@nowhere.example" })).await;
    let service = app.service();
    service.get(PATH).await.expect(403);
    service.post(PATH, json!({ "kind": "row", "name": "x" })).await.expect(403);
    service.json(Method::DELETE, &format!("{PATH}/people"), Value::Null).await.expect(403);
    app.stranger().get(PATH).await.expect(403);

    let listed = app::control::ask(app.data(), Method::GET, PATH, None).await.unwrap();
    let kinds: std::collections::BTreeSet<&str> =
        listed.as_array().unwrap().iter().map(|one| one["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ["path", "row"]);
    for odd in [
        json!({ "kind": "row", "name": "people", "mark": "another.mark@nowhere.example" }),
        json!({ "kind": "row", "name": "other", "mark": "mara.lindqvist@nowhere.example" }),
        json!({ "kind": "row", "name": "other", "mark": "short" }),
        json!({ "kind": "row", "name": "other", "mark": "with a space and \"quotes\"" }),
        json!({ "kind": "key", "name": "other", "mark": "mara2.lindqvist@nowhere.example" }),
        json!({ "kind": "path", "name": "other" }),
    ] {
        let refused = app::control::ask(app.data(), Method::POST, PATH, Some(&odd)).await;
        assert!(refused.is_err(), "{odd}");
    }
    app::control::ask(app.data(), Method::DELETE, &format!("{PATH}/people"), None).await.unwrap();
    let gone = app::control::ask(app.data(), Method::DELETE, &format!("{PATH}/people"), None).await;
    assert!(gone.is_err());
}
