//! Whoever runs it, and what happens to it (rows 35, 79, 106, 109, 110, 111, 113).

use http::Method;
use serde_json::{Value, json};
use spec::{Client, Palisade, Person, TestApp};

fn client(palisade: &Palisade) -> Client {
    let address = palisade.ready.url.strip_prefix("http://").unwrap().parse().unwrap();
    Client::new(address, std::net::Ipv4Addr::LOCALHOST.into()).with("apikey", &palisade.ready.publishable_key)
}

async fn count(app: &TestApp, sql: &str) -> i64 {
    app.database.admin().await.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn row_35_no_request_from_outside_makes_an_administrator() {
    let app = TestApp::builder().unlimited().start().await;
    let ann = app.person("ann").await;
    let greedy = json!({
        "email": "eve@example.com", "password": spec::person::PASSWORD, "token": "", "code": "000000",
        "role": "dashboard_admin", "is_super_admin": true, "setup_token": "", "user_id": ann.id,
        "app_metadata": { "role": "dashboard_admin" }, "data": { "role": "dashboard_admin" },
    });
    let form =
        "email=eve%40example.com&password=Correct-Horse-7-Battery%21&token=&code=000000&role=dashboard_admin";
    let nobody = Client { headers: vec![], ..app.stranger() };
    for route in &app.running.routes {
        if [Method::GET, Method::HEAD].contains(&route.method) {
            continue;
        }
        let path = route.path.replace("{id}", &ann.id).replace(['{', '}'], "");
        for client in [&nobody, &app.stranger(), &ann.client] {
            client.json(route.method.clone(), &path, greedy.clone()).await;
            let kind = [("content-type", "application/x-www-form-urlencoded")];
            client.send(route.method.clone(), &path, &kind, form.into()).await;
        }
    }
    let made = "select count(*) from auth.users where role not in ('authenticated', '') or is_super_admin";
    assert_eq!(count(&app, made).await, 0);
}

#[tokio::test]
async fn row_35_of_many_with_the_owners_link_one_becomes_administrator_and_no_page_reaches_it_by_another_name()
 {
    let palisade = Palisade::start("serve", &[]).await;
    let made = palisade.command(&["admin", "create", "root@example.com"]).await;
    let said = String::from_utf8_lossy(&made.stdout).into_owned();
    let link = said.lines().last().unwrap().trim().strip_prefix(&palisade.ready.url).unwrap().to_owned();
    let port = palisade.ready.url.rsplit(':').next().unwrap().to_owned();
    // A name of somebody else's that was pointed at this machine.
    for host in
        ["evil.example", &format!("evil.example:{port}"), "localhost.evil.example", "127.0.0.1.nip.io"]
    {
        let bytes = format!("GET {link} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        let answer = String::from_utf8_lossy(&client(&palisade).raw(bytes.as_bytes()).await).into_owned();
        assert!(answer.starts_with("HTTP/1.1 421") && !answer.contains("<code>"), "{host}: {answer}");
    }
    let page = client(&palisade).get(&link).await.expect(200).text();
    let secret = page.split("type <code>").nth(1).unwrap().split('<').next().unwrap().to_owned();
    let code = testkit::totp(&secret, base::Clock::system().unix_seconds());
    let (path, token) = link.split_once("?token=").unwrap();
    let kind = [("content-type", "application/x-www-form-urlencoded")];
    // Each from an address of its own: what one may try is bounded before this is.
    let tried = std::sync::atomic::AtomicU8::new(10);
    let send = async |token: &str, password: &str| {
        let form = format!("token={token}&code={code}&password={password}");
        let last = tried.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        client(&palisade)
            .at(&format!("127.35.{last}.1"))
            .send(Method::POST, path, &kind, form.into())
            .await
            .status
            .as_u16()
    };
    for guess in ["", "x", &token[1..], &format!("{token}x"), &token.to_uppercase()] {
        assert_eq!(send(guess, "Correct-Horse-7-Battery%21").await, 400, "{guess:?}");
    }
    let tries = (0..12).map(|number| {
        let password = format!("Correct-Horse-7-Battery%21{number}");
        let send = &send;
        async move { send(token, &password).await }
    });
    let seen = futures_util::future::join_all(tries).await;
    assert_eq!(seen.iter().filter(|status| **status == 200).count(), 1, "{seen:?}");
    assert!(palisade.stop().await.success());
}

/// Two companies on one instance: rows belong to the one that the token names, and every handler is asked for the other's.
#[tokio::test]
async fn row_79_a_token_of_one_company_reaches_nothing_of_another_by_id_header_or_body() {
    let app = TestApp::builder().unlimited().start().await;
    app.owner(
        "create table public.papers (id bigint generated always as identity primary key, org_id text not null, body text);
         create table public.notes_on (id bigint generated always as identity primary key, org_id text not null,
             paper bigint references public.papers, body text);
         create policy own on public.papers to authenticated using (org_id = (select auth.jwt() -> 'app_metadata' ->> 'org_id'))
             with check (org_id = (select auth.jwt() -> 'app_metadata' ->> 'org_id'));
         create policy own on public.notes_on to authenticated using (org_id = (select auth.jwt() -> 'app_metadata' ->> 'org_id'))
             with check (org_id = (select auth.jwt() -> 'app_metadata' ->> 'org_id'));
         grant select, insert, update, delete on public.papers, public.notes_on to authenticated;
         create function public.papers_of(org text) returns setof public.papers language sql stable as
             $$ select * from public.papers where org_id = org $$;
         grant execute on function public.papers_of to authenticated",
    )
    .await;
    let mut people = Vec::new();
    for org in ["red", "blue"] {
        let stranger = app.stranger();
        let person = Person::sign_up(&stranger, &format!("{org}@example.com")).await;
        let path = format!("/auth/v1/admin/users/{}", person.id);
        let change = json!({ "app_metadata": { "org_id": org } });
        app.service().json(Method::PUT, &path, change).await.expect(200);
        let session = Person::sign_in(&stranger, &person.email, &person.password).await.expect(200).value();
        let person = person.again(&session);
        let body = json!({ "org_id": org, "body": format!("secret of {org}") });
        person.client.post("/rest/v1/papers", body).await.expect(201);
        people.push(person);
    }
    let [red, blue] = people.try_into().unwrap_or_else(|_| panic!("two"));
    let id = blue.client.get("/rest/v1/papers?select=id").await.value()[0]["id"].clone();
    let query = |text: String| json!({ "query": text });
    for (name, value) in [
        ("x-nothing", "blue".to_owned()),
        ("x-tenant-id", "blue".to_owned()),
        ("x-org-id", "blue".to_owned()),
        ("x-organization-id", "blue".to_owned()),
        ("x-forwarded-user", blue.id.clone()),
        ("x-user-id", blue.id.clone()),
        ("x-impersonation-token", blue.id.clone()),
        ("x-impersonation-token", blue.access_token.clone()),
        ("prefer", "tenant=blue".to_owned()),
    ] {
        let red = red.client.clone().with(name, &value);
        // What only administrators may send is no header that is ignored.
        let refused = if name == "x-impersonation-token" { 400 } else { 403 };
        for path in [
            format!("/rest/v1/papers?id=eq.{id}"),
            "/rest/v1/papers?org_id=eq.blue".to_owned(),
            format!("/rest/v1/papers?or=(id.eq.{id},org_id.eq.blue)"),
            "/rest/v1/rpc/papers_of?org=blue".to_owned(),
            format!("/api/v1/tables/public/papers?id=eq.{id}"),
            format!("/api/v1/tables/public/papers/{id}"),
            format!("/rest/v1/notes_on?select=body,papers(body)&paper=eq.{id}"),
        ] {
            let seen = red.get(&path).await;
            assert!(!seen.text().contains("secret of blue"), "{name} {path}: {}", seen.text());
            assert!(!seen.status.is_server_error(), "{name} {path}: {}", seen.text());
        }
        let asked = query(format!(
            "{{ papersCollection(filter: {{ id: {{ eq: {id} }} }}) {{ edges {{ node {{ body }} }} }} }}"
        ));
        let seen = red.post("/graphql/v1", asked).await;
        assert!(!seen.text().contains("secret of blue"), "{name}: {}", seen.text());
        red.json(Method::PATCH, &format!("/rest/v1/papers?id=eq.{id}"), json!({ "body": "taken" })).await;
        red.json(Method::PATCH, "/rest/v1/papers?id=gt.0", json!({ "org_id": "blue" })).await.expect(refused);
        red.post("/rest/v1/papers", json!({ "org_id": "blue", "body": "planted" })).await.expect(refused);
        let both = json!([{ "org_id": "red", "body": "x" }, { "org_id": "blue", "body": "planted" }]);
        red.post("/rest/v1/papers", both).await.expect(refused);
        red.send(Method::DELETE, &format!("/rest/v1/papers?id=eq.{id}"), &[], Default::default()).await;
    }
    // Nobody names their own company.
    let raised = json!({ "data": { "org_id": "blue" }, "app_metadata": { "org_id": "blue" } });
    red.client.json(Method::PUT, "/auth/v1/user", raised).await;
    let session = Person::sign_in(&app.stranger(), &red.email, &red.password).await.expect(200).value();
    let seen = red.again(&session).client.get("/rest/v1/papers?select=org_id,body").await.expect(200).value();
    assert_eq!(seen, json!([{ "org_id": "red", "body": "secret of red" }]));
    let seen = blue.client.get("/rest/v1/papers?select=org_id,body").await.expect(200).value();
    assert_eq!(seen, json!([{ "org_id": "blue", "body": "secret of blue" }]));
}

/// A word that runs where it is taken for markup.
const MARKUP: &str = "<img src=x onerror=alert(106)><script>alert(106)</script>\"'><svg/onload=alert(106)>";

/// What an answer's page must not do with it: stand there as markup, or be allowed to run.
#[track_caller]
fn is_tame(what: &str, seen: &spec::Seen) {
    let kind = seen.header("content-type").to_owned();
    assert_eq!(seen.header("x-content-type-options"), "nosniff", "{what}");
    let policy = seen.header("content-security-policy");
    assert!(!policy.is_empty() && !policy.contains("unsafe"), "{what}: {policy:?}");
    if kind.starts_with("text/html") {
        let text = seen.text();
        for markup in ["<img src=x", "<script>alert", "<svg/onload", "\"'><"] {
            assert!(!text.contains(markup), "{what}: {text}");
        }
        let scripts = policy.contains("default-src 'none'") || policy.contains("script-src 'none'");
        assert!(scripts, "{what}: {policy:?}");
    }
}

#[tokio::test]
async fn row_106_what_people_write_is_never_markup_on_a_page_of_ours() {
    let app = TestApp::builder().unlimited().with("auth.oauth_server.enabled", "true").start().await;
    let stranger = app.stranger().with("user-agent", MARKUP).with("referer", MARKUP);
    let body = json!({ "email": "ann@example.com", "password": spec::person::PASSWORD,
        "data": { "full_name": MARKUP, "name": MARKUP, "avatar_url": MARKUP } });
    let session = stranger.post("/auth/v1/signup", body).await.expect(200).value();
    let ann = Person::from(&stranger, "ann@example.com", &session);
    stranger.post("/auth/v1/recover", json!({ "email": "ann@example.com" })).await.expect(200);
    let program = json!({ "client_name": MARKUP, "redirect_uris": ["https://program.example.com/back"],
        "client_uri": "https://program.example.com", "logo_uri": "https://program.example.com/x.png" });
    let program = app.service().post("/auth/v1/admin/oauth/clients", program).await;
    assert!(program.status.is_success(), "{}", program.text());
    app.owner(
        "create table public.cells (id int primary key, body text); create policy everybody on public.cells using (true);
         grant select on public.cells to anon",
    )
    .await;
    let planted = "insert into public.cells values (1, $1)";
    app.database.admin().await.execute(planted, &[&MARKUP]).await.unwrap();
    // Every page there is, asked for as a browser does, with the word wherever one can be put.
    let word: String = MARKUP.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let browser = |client: Client| client.with("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
    let mut pages = 0;
    for route in app.running.routes.iter().filter(|route| route.method == Method::GET) {
        let pieces = route.path.split('/').map(|piece| if piece.starts_with('{') { &*word } else { piece });
        let path = pieces.collect::<Vec<_>>().join("/");
        let query = [
            "token",
            "error",
            "error_description",
            "redirect_to",
            "state",
            "email",
            "message",
            "authorization_id",
        ]
        .map(|name| format!("{name}={word}"))
        .join("&");
        for client in [&app.stranger(), &ann.client, &app.service()] {
            for asked in [format!("{path}?{query}"), path.clone()] {
                let seen = browser(client.clone()).get(&asked).await;
                is_tame(&format!("{} {}", route.method, route.path), &seen);
                pages += usize::from(seen.header("content-type").starts_with("text/html"));
            }
        }
    }
    assert!(pages > 5, "{pages} pages were looked at");
    is_tame("nowhere", &browser(stranger.clone()).get(&format!("/nowhere/{word}")).await);
    // Rows leave as they are, as what no browser runs.
    let cells = browser(app.stranger()).get("/rest/v1/cells?select=body").await.expect(200);
    assert!(cells.header("content-type").starts_with("application/json"));
    assert_eq!(cells.value()[0]["body"], MARKUP);
    is_tame("cells", &cells);
    is_tame(
        "cells as CSV",
        &app.stranger().with("accept", "text/csv").get("/rest/v1/cells?select=body").await,
    );
    // The caught mails, which show what was written to people.
    let list = browser(app.stranger()).get("/_/outbox").await.expect(200);
    is_tame("the caught mails", &list);
    let of = list.text();
    let shown: Vec<&str> = of.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let mails: Vec<&&str> = shown.iter().filter(|to| to.starts_with("/_/outbox/")).collect();
    assert!(!mails.is_empty(), "{of}");
    for mail in mails {
        is_tame(mail, &browser(app.stranger()).get(mail).await.expect(200));
    }
}

#[tokio::test]
async fn row_109_what_cannot_be_recorded_does_not_happen_and_happens_once_it_can() {
    let app = TestApp::builder().unlimited().start().await;
    let ann = app.person("ann").await;
    let people = "select count(*) from auth.users";
    let role = "select count(*) from auth.users where role = 'service_role' or banned_until is not null";
    let before = count(&app, people).await;
    let sabotage = async |sql: &str| app.database.admin().await.batch_execute(sql).await.unwrap();
    sabotage("alter table audit.inbox rename to elsewhere").await;
    let acts: [(Method, String, Value); 4] = [
        (
            Method::POST,
            "/auth/v1/admin/users".into(),
            json!({ "email": "new@example.com", "password": spec::person::PASSWORD }),
        ),
        (Method::PUT, format!("/auth/v1/admin/users/{}", ann.id), json!({ "ban_duration": "24h" })),
        (Method::DELETE, format!("/auth/v1/admin/users/{}", ann.id), json!({})),
        (Method::PUT, format!("/auth/v1/admin/users/{}", ann.id), json!({ "role": "service_role" })),
    ];
    for (method, path, body) in &acts {
        let seen = app.service().json(method.clone(), path, body.clone()).await;
        assert!(seen.status.is_server_error(), "{method} {path}: {} {}", seen.status, seen.text());
    }
    let signed_in = Person::sign_in(&app.stranger(), &ann.email, &ann.password).await;
    assert!(signed_in.status.is_server_error(), "{}", signed_in.text());
    assert_eq!((count(&app, people).await, count(&app, role).await), (before, 0));
    // Reading goes on meanwhile.
    ann.client.get("/auth/v1/user").await.expect(200);
    sabotage("alter table audit.elsewhere rename to inbox").await;
    for (method, path, body) in acts.iter().take(2) {
        let seen = app.service().json(method.clone(), path, body.clone()).await;
        assert!(seen.status.is_success(), "{method} {path}: {} {}", seen.status, seen.text());
    }
    assert_eq!((count(&app, people).await, count(&app, role).await), (before + 1, 1));
    assert!(app.audited("admin.user_create").await);
}

/// Where an interface let an administrator choose the log's file, that file became a program (CVE-2025-6000).
#[tokio::test]
async fn row_111_no_request_says_where_the_audit_log_is_written() {
    let app = TestApp::builder().unlimited().start().await;
    let folder = tempfile::tempdir().unwrap();
    let wanted = folder.path().join("planted.log");
    let wanted = wanted.to_str().unwrap();
    let body = json!({
        "logging.audit_log_file": wanted, "audit_log_file": wanted, "file_path": wanted, "path": wanted, "type": "file",
        "options": { "file_path": wanted, "prefix": "#!/bin/sh" }, "logging": { "audit_log_file": wanted },
    });
    for route in app.running.routes.iter().filter(|route| route.method != Method::GET) {
        let path = route.path.replace(['{', '}'], "");
        app.service().json(route.method.clone(), &path, body.clone()).await;
    }
    app.person("ann").await;
    app.running.services.audit.settle().await.unwrap();
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none(), "a request chose where to write");
}

/// Killed with requests under way: what was answered holds, what was not is whole or absent, and nothing works twice.
#[tokio::test]
async fn row_113_a_kill_at_any_moment_makes_no_token_good_twice_and_loses_no_entry() {
    let flags =
        ["--auth.autoconfirm", "true", "--rate_limiting.enabled", "false", "--detection.enabled", "false"];
    let mut palisade = Palisade::start("serve", &flags).await;
    let mut ann = Person::sign_up(&client(&palisade), "ann@example.com").await;
    let refresh = async |palisade: &Palisade, token: &str| {
        client(palisade)
            .post("/auth/v1/token?grant_type=refresh_token", json!({ "refresh_token": token }))
            .await
    };
    for round in 0..4_u32 {
        // Clients whose connection breaks; each kill comes at another moment of what they began.
        let others: Vec<_> = (0..8)
            .map(|number| {
                let (client, token) = (client(&palisade), ann.refresh_token.clone());
                tokio::spawn(async move {
                    if number % 2 == 0 {
                        let body = json!({ "refresh_token": token });
                        client.post("/auth/v1/token?grant_type=refresh_token", body).await;
                    } else {
                        let email = format!("p{round}-{number}@example.com");
                        let body = json!({ "email": email, "password": spec::person::PASSWORD });
                        client.post("/auth/v1/signup", body).await;
                    }
                })
            })
            .collect();
        tokio::time::sleep(std::time::Duration::from_millis(3 + u64::from(round) * 23)).await;
        palisade = palisade.kill_and_start_again("serve", &flags).await;
        for other in others {
            // Cut off, which is what is tried.
            let _ = other.await;
        }
        let seen = refresh(&palisade, &ann.refresh_token).await.expect(200).value();
        let child = seen["refresh_token"].as_str().unwrap().to_owned();
        let again = refresh(&palisade, &ann.refresh_token).await;
        if again.status == 200 {
            assert_eq!(again.field("refresh_token"), child, "one token has one child");
        }
        ann = ann.again(&seen);
        ann.client = Person::from(&client(&palisade), &ann.email, &seen).client;
        ann.client.get("/auth/v1/user").await.expect(200);
        for number in [1, 3, 5, 7] {
            let email = format!("p{round}-{number}@example.com");
            let signed_in = Person::sign_in(&client(&palisade), &email, spec::person::PASSWORD).await;
            if signed_in.status != 200 {
                // Not there at all: the same sign-up goes through now.
                Person::sign_up(&client(&palisade), &email).await;
            }
        }
        let verdict = palisade.command(&["audit", "verify"]).await;
        assert!(verdict.status.success(), "{}", String::from_utf8_lossy(&verdict.stdout));
    }
    assert!(palisade.stop().await.success());
}

/// The command on a running server; what is done to a chain otherwise is tried in `audit`, on one for each.
#[tokio::test]
async fn row_110_verify_names_the_first_entry_that_a_superuser_changed_and_a_tail_they_cut() {
    let palisade = Palisade::start("serve", &["--auth.autoconfirm", "true"]).await;
    for name in ["ann", "bob", "cat"] {
        Person::sign_up(&client(&palisade), &format!("{name}@example.com")).await;
    }
    let verified = async |expected: i32, line: &str| {
        let output = palisade.command(&["audit", "verify"]).await;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.code() == Some(expected) && said.contains(line), "no {line:?} in {said}");
    };
    verified(0, "the chain holds").await;
    let url = &palisade.ready.database_url;
    let (admin, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let sign_ups = "SELECT seq FROM audit.log WHERE event = 'auth.signup' ORDER BY seq";
    let seqs: Vec<i64> = admin.query(sign_ups, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(seqs.len(), 3);
    let called = async |at: i64, event: &str| {
        admin.execute("UPDATE audit.log SET event = $2 WHERE seq = $1", &[&at, &event]).await.unwrap();
    };
    called(seqs[2], "auth.login").await;
    called(seqs[1], "auth.login").await;
    verified(1, &format!("the first bad entry is #{} (edited)", seqs[1])).await;
    called(seqs[1], "auth.signup").await;
    verified(1, &format!("the first bad entry is #{} (edited)", seqs[2])).await;
    called(seqs[2], "auth.signup").await;
    verified(0, "the chain holds").await;
    admin.execute("DELETE FROM audit.log WHERE seq >= $1", &[&seqs[2]]).await.unwrap();
    admin.execute("DELETE FROM audit.head WHERE seq >= $1", &[&seqs[2]]).await.unwrap();
    // The file of heads beside the database knows of more, whatever is recorded in those places from here on.
    verified(1, &format!("the first bad entry is #{} (", seqs[2])).await;
    assert!(palisade.stop().await.success());
}
