//! Links, codes and addresses under attack (rows 4, 5, 15, 19, 29 to 32).

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use spec::person::PASSWORD;
use spec::{Mail, Person, Seen, TestApp};

use crate::features::links::{confirmed, fragment, press, sign_up};

const ANOTHER: &str = "Another-Horse-8-Battery!";

async fn verify(app: &TestApp, kind: &str, email: &str, code: &str) -> Seen {
    let body = json!({ "type": kind, "email": email, "token": code });
    app.stranger().post("/auth/v1/verify", body).await
}

async fn recover(app: &TestApp, email: &str, count: usize) -> Mail {
    // What is on its way already may be overtaken: a way back in goes before a confirmation.
    app.mails(email, count - 1).await;
    app.stranger().post("/auth/v1/recover", json!({ "email": email })).await.expect(200);
    app.mail(email, count).await
}

fn person_of(app: &TestApp, email: &str, session: &Value) -> Person {
    Person::from(&app.stranger(), email, session)
}

#[tokio::test]
async fn row_4_a_password_set_before_the_owner_came_is_gone_once_they_do() {
    let app = TestApp::builder().serving().start().await;
    // Mallory was first at Ann's address, and was never confirmed.
    sign_up(&app, "ann@example.com", "Mallory-Horse-6-Battery!").await.expect(200);
    let code = recover(&app, "ann@example.com", 2).await.code();
    let session = verify(&app, "recovery", "ann@example.com", &code).await.expect(200).value();
    let ann = person_of(&app, "ann@example.com", &session);
    Person::sign_in(&app.stranger(), "ann@example.com", "Mallory-Horse-6-Battery!").await.expect(400);
    ann.client.json(Method::PUT, "/auth/v1/user", json!({ "password": ANOTHER })).await.expect(200);
    Person::sign_in(&app.stranger(), "ann@example.com", ANOTHER).await.expect(200);
}

#[tokio::test]
async fn row_4_the_code_of_a_sign_up_recovers_nothing() {
    let app = TestApp::builder().serving().start().await;
    sign_up(&app, "ann@example.com", "Mallory-Horse-6-Battery!").await.expect(200);
    let planted = app.mail("ann@example.com", 1).await.code();
    let asked = recover(&app, "ann@example.com", 2).await.code();
    // It would keep the password it came with.
    verify(&app, "recovery", "ann@example.com", &planted).await.expect(403);
    verify(&app, "recovery", "ann@example.com", &asked).await.expect(200);
    Person::sign_in(&app.stranger(), "ann@example.com", "Mallory-Horse-6-Battery!").await.expect(400);
}

#[tokio::test]
async fn row_4_two_sign_ups_that_disagree_leave_nobodys_password() {
    let app = TestApp::builder().serving().start().await;
    sign_up(&app, "ann@example.com", PASSWORD).await.expect(200);
    app.mail("ann@example.com", 1).await;
    let told = sign_up(&app, "ann@example.com", "Mallory-Horse-6-Battery!").await.expect(200).value();
    assert_eq!(told["role"], "authenticated");
    let code = app.mail("ann@example.com", 2).await.code();
    verify(&app, "signup", "ann@example.com", &code).await.expect(200);
    Person::sign_in(&app.stranger(), "ann@example.com", "Mallory-Horse-6-Battery!").await.expect(400);
    Person::sign_in(&app.stranger(), "ann@example.com", PASSWORD).await.expect(400);
    // The neighbour: whoever repeats themselves keeps what they chose.
    sign_up(&app, "bob@example.com", PASSWORD).await.expect(200);
    app.mail("bob@example.com", 1).await;
    sign_up(&app, "bob@example.com", PASSWORD).await.expect(200);
    let code = app.mail("bob@example.com", 2).await.code();
    verify(&app, "signup", "bob@example.com", &code).await.expect(200);
    Person::sign_in(&app.stranger(), "bob@example.com", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn row_4_a_change_of_address_begun_by_an_intruder_dies_with_the_recovery() {
    let app = TestApp::builder().serving().with("auth.secure_email_change", "false").start().await;
    let intruder = confirmed(&app, "ann@example.com").await;
    let change = json!({ "email": "mallory@example.org" });
    intruder.client.json(Method::PUT, "/auth/v1/user", change).await.expect(200);
    let pending = app.mail("mallory@example.org", 1).await;
    let back = press(&app.stranger(), &recover(&app, "ann@example.com", 2).await).await.expect(303);
    let token = fragment(&back).into_iter().find(|(name, _)| name == "access_token").unwrap().1;
    let ann = app.stranger().with("authorization", &format!("Bearer {token}"));
    ann.json(Method::PUT, "/auth/v1/user", json!({ "password": ANOTHER })).await.expect(200);
    let late = press(&app.stranger(), &pending).await.expect(303);
    assert!(late.header("location").contains("error_code=otp_expired"), "{}", late.header("location"));
    intruder.client.get("/auth/v1/user").await.expect(403);
    assert_eq!(ann.get("/auth/v1/user").await.expect(200).field("email"), "ann@example.com");
}

#[tokio::test]
async fn row_5_a_link_is_built_from_the_configured_address_whatever_the_headers_say() {
    let app = TestApp::builder().serving().start().await;
    confirmed(&app, "ann@example.com").await;
    let mut forged = app.stranger();
    for name in
        ["x-forwarded-host", "x-original-host", "x-host", "x-forwarded-server", "x-http-host-override"]
    {
        forged = forged.with(name, "evil.org");
    }
    let forged = forged.with("x-forwarded-proto", "http").with("forwarded", "host=evil.org;proto=http");
    let mut forged = forged.with("referer", "https://evil.org/").with("origin", "https://evil.org");
    let path = "/auth/v1/recover?redirect_to=https://evil.org/";
    let sent = forged.post(path, json!({ "email": "ann@example.com" })).await;
    assert!([200, 403].contains(&sent.status.as_u16()), "{}", sent.text());
    forged.headers.retain(|(name, _)| name != "origin");
    forged.post(path, json!({ "email": "ann@example.com" })).await;
    // The name that the request itself is for, in both its places.
    let body = "{\"email\":\"ann@example.com\"}";
    for (target, host) in
        [("", "evil.org"), ("http://evil.org", "evil.org"), ("http://evil.org", "palisade.example.com")]
    {
        let whole = format!(
            "POST {target}/auth/v1/recover HTTP/1.1\r\nhost: {host}\r\napikey: {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            app.running.keys.publishable,
            body.len()
        );
        let answer = String::from_utf8(app.stranger().raw(whole.as_bytes()).await).unwrap();
        assert!(answer.starts_with("HTTP/1.1 4"), "{target} {host}: {answer}");
    }
    app.eventually(async || spec::mail::read_all(&app.data().join("mails"), "ann@example.com").len() > 1)
        .await;
    for mail in spec::mail::read_all(&app.data().join("mails"), "ann@example.com") {
        assert!(!mail.text.contains("evil.org") && !mail.html.contains("evil.org"), "{}", mail.text);
        assert!(mail.link().starts_with("https://palisade.example.com/"), "{}", mail.link());
    }
}

#[tokio::test]
async fn row_15_ten_wrong_codes_and_no_code_is_taken_whatever_is_asked_for_in_between() {
    let app = TestApp::builder().serving().start().await;
    confirmed(&app, "ann@example.com").await;
    let mut taken = 0;
    let mut count = 1;
    for round in 0..6 {
        app.stranger().post("/auth/v1/otp", json!({ "email": "ann@example.com" })).await.expect(200);
        count += 1;
        let right = app.mail("ann@example.com", count).await.code();
        for guess in 0..5 {
            let code = format!("{:06}", (right.parse::<u32>().unwrap() + 1 + guess) % 1_000_000);
            // From everywhere, under every name of the type, in every spelling of the address.
            let kind = ["email", "magiclink", "recovery", "signup"][(round + guess as usize) % 4];
            let email = ["ann@example.com", "ANN@example.com", " Ann@Example.com"][guess as usize % 3];
            let seen = verify(&app, kind, email, &code).await;
            assert_eq!(seen.expect(403).field("error_code"), "otp_expired");
        }
        taken +=
            usize::from(round >= 2 && verify(&app, "email", "ann@example.com", &right).await.status == 200);
    }
    assert_eq!(taken, 0, "a right code after ten wrong ones is wrong");
    // The neighbours: the link still works, and an hour later codes do.
    let link = app.mail("ann@example.com", count).await;
    let done = press(&app.stranger(), &link).await.expect(303);
    assert!(done.header("location").contains("#access_token="));
    app.clock.advance(std::time::Duration::from_secs(4_000));
    app.stranger().post("/auth/v1/otp", json!({ "email": "ann@example.com" })).await.expect(200);
    let code = app.mail("ann@example.com", count + 1).await.code();
    verify(&app, "email", "ann@example.com", &code).await.expect(200);
}

#[tokio::test]
async fn row_19_asking_says_and_costs_the_same_whoever_is_there() {
    let app = TestApp::builder().serving().start().await;
    confirmed(&app, "ann@example.com").await;
    sign_up(&app, "waiting@example.com", PASSWORD).await.expect(200);
    app.mail("waiting@example.com", 1).await;
    let strip = |seen: Seen, email: &str| {
        let mut names: Vec<String> = seen.headers.keys().map(|name| name.to_string()).collect();
        names.sort();
        let mut body = serde_json::from_slice::<Value>(&seen.body).unwrap_or(Value::Null);
        blank(&mut body);
        (seen.status, names, body.to_string().replace(email, "ADDRESS"))
    };
    let bodies = |email: &str| {
        vec![
            ("/auth/v1/recover", json!({ "email": email })),
            ("/auth/v1/otp", json!({ "email": email, "create_user": false })),
            ("/auth/v1/otp", json!({ "email": email })),
            ("/auth/v1/magiclink", json!({ "email": email })),
            ("/auth/v1/resend", json!({ "type": "signup", "email": email })),
            ("/auth/v1/verify", json!({ "type": "email", "email": email, "token": "000000" })),
            ("/auth/v1/signup", json!({ "email": email, "password": PASSWORD })),
        ]
    };
    let mut first: Option<Vec<_>> = None;
    for email in ["ann@example.com", "nobody@example.com", "waiting@example.com"] {
        let mut seen = Vec::new();
        for (path, body) in bodies(email) {
            let answer = app.stranger().post(path, body).await;
            // A code of nobody's is refused; all else is taken, or it would be alike for another reason.
            assert_eq!(answer.status == 200, path != "/auth/v1/verify", "{path}: {}", answer.text());
            assert_ne!(answer.status, 429, "{path}");
            seen.push((path, strip(answer, email)));
        }
        match &first {
            None => first = Some(seen),
            Some(first) => assert_eq!(first, &seen, "{email}"),
        }
    }
}

/// What differs between two new accounts too.
fn blank(body: &mut Value) {
    match body {
        Value::Object(fields) => {
            for (name, value) in fields {
                match name.as_str() {
                    "id" | "user_id" | "identity_id" | "sub" => *value = json!("ID"),
                    name if name.ends_with("_at") => *value = json!("TIME"),
                    _ => blank(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(blank),
        _ => {}
    }
}

#[tokio::test]
async fn row_29_a_scanner_that_opens_the_link_spends_nothing() {
    let app = TestApp::builder().serving().start().await;
    confirmed(&app, "ann@example.com").await;
    let mail = recover(&app, "ann@example.com", 2).await;
    for agent in
        ["Mozilla/5.0 (Microsoft Office SafeLinks)", "Barracuda Sentinel", "Slackbot-LinkExpanding 1.0"]
    {
        let scanner = app.stranger().with("user-agent", agent);
        for _ in 0..5 {
            let page = scanner.get(&mail.path()).await.expect(200);
            assert!(page.header("location").is_empty() && !page.text().contains("access_token"));
            assert!(!page.text().contains("<script"), "nothing acts by itself: {}", page.text());
            assert_eq!(page.header("referrer-policy"), "no-referrer");
            // The form is sent with an Origin all the same; `sdk_links` looks in a browser.
            assert!(page.text().contains("<meta name=\"referrer\" content=\"strict-origin\">"));
            assert_eq!(page.header("cache-control"), "no-store");
        }
        scanner.send(Method::HEAD, &mail.path(), &[], Bytes::new()).await;
        scanner.send(Method::OPTIONS, &mail.path(), &[], Bytes::new()).await;
    }
    let form = [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "cross-site")];
    let body = format!("token={}&type=recovery", mail.parameter("token"));
    app.stranger().send(Method::POST, "/auth/v1/verify", &form, body.into()).await.expect(400);
    let done = press(&app.stranger(), &mail).await.expect(303);
    assert!(done.header("location").contains("#access_token="), "{}", done.header("location"));
}

#[tokio::test]
async fn row_30_a_recovery_is_dead_once_used_old_replaced_or_overtaken() {
    let app = TestApp::builder().serving().start().await;
    let ann = confirmed(&app, "ann@example.com").await;
    let dead = async |mail: &Mail, why: &str| {
        let seen = press(&app.stranger(), mail).await.expect(303);
        assert!(
            seen.header("location").contains("error_code=otp_expired"),
            "{why}: {}",
            seen.header("location")
        );
    };
    let older = recover(&app, "ann@example.com", 2).await;
    let newer = recover(&app, "ann@example.com", 3).await;
    dead(&older, "a newer one was sent").await;
    press(&app.stranger(), &newer).await.expect(303);
    dead(&newer, "it was used").await;
    verify(&app, "recovery", "ann@example.com", &newer.code()).await.expect(403);
    let aged = recover(&app, "ann@example.com", 4).await;
    app.clock.advance(std::time::Duration::from_secs(3_601));
    dead(&aged, "an hour passed").await;
    let overtaken = recover(&app, "ann@example.com", 5).await;
    let fresh = Person::sign_in(&app.stranger(), "ann@example.com", PASSWORD).await.expect(200).value();
    let again = person_of(&app, "ann@example.com", &fresh);
    again.client.json(Method::PUT, "/auth/v1/user", json!({ "password": ANOTHER })).await.expect(200);
    dead(&overtaken, "the password was changed").await;
    ann.client.get("/auth/v1/user").await;
    let stored = app.database.admin().await;
    let row = stored.query_one("select count(*) from auth.one_time_tokens", &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 0);
}

#[tokio::test]
async fn row_30_neither_link_nor_code_lies_in_the_database() {
    let app = TestApp::builder().serving().start().await;
    confirmed(&app, "ann@example.com").await;
    let mail = recover(&app, "ann@example.com", 2).await;
    let stored = app.database.admin().await;
    let rows = stored.query("select t::text from auth.one_time_tokens t", &[]).await.unwrap();
    assert_eq!(rows.len(), 1);
    let row: String = rows[0].get(0);
    assert!(!row.contains(&mail.parameter("token")) && !row.contains(&format!(",{},", mail.code())), "{row}");
    // What upstream would keep there is guessed in a second.
    for weak in [format!("ann@example.com{}", mail.code()), mail.code()] {
        assert!(!row.contains(&hex_of(&seal::sha256(weak.as_bytes()))), "{row}");
    }
}

fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn row_31_of_two_pending_changes_the_newer_counts_and_no_session_survives() {
    let app = TestApp::builder().serving().start().await;
    let ann = confirmed(&app, "ann@example.com").await;
    let change = |email: &str| json!({ "email": email });
    ann.client.json(Method::PUT, "/auth/v1/user", change("first@example.org")).await.expect(200);
    let (first_old, first_new) =
        (app.mail("ann@example.com", 2).await, app.mail("first@example.org", 1).await);
    press(&app.stranger(), &first_old).await.expect(303);
    ann.client.json(Method::PUT, "/auth/v1/user", change("second@example.org")).await.expect(200);
    let (old, new) = (app.mail("ann@example.com", 3).await, app.mail("second@example.org", 1).await);
    let stale = press(&app.stranger(), &first_new).await.expect(303);
    assert!(stale.header("location").contains("otp_expired"), "half of the first is nothing of the second");
    let half = press(&app.stranger(), &new).await.expect(303);
    assert!(half.header("location").contains("message="), "{}", half.header("location"));
    let twice = press(&app.stranger(), &new).await.expect(303);
    assert!(twice.header("location").contains("otp_expired"), "one address cannot agree twice");
    let done = press(&app.stranger(), &old).await.expect(303);
    assert!(done.header("location").contains("#access_token="), "{}", done.header("location"));
    ann.client.get("/auth/v1/user").await.expect(403);
    Person::sign_in(&app.stranger(), "second@example.org", PASSWORD).await.expect(200);
    assert_eq!(app.mail("ann@example.com", 4).await.subject, "Your address was changed");
}

#[tokio::test]
async fn row_31_asking_for_an_address_that_is_taken_tells_its_owner_and_nobody_else() {
    let app = TestApp::builder().serving().start().await;
    let ann = confirmed(&app, "ann@example.com").await;
    confirmed(&app, "bob@example.com").await;
    let change = json!({ "email": "bob@example.com" });
    ann.client.json(Method::PUT, "/auth/v1/user", change).await.expect(200);
    assert_eq!(app.mail("bob@example.com", 2).await.subject, "You have an account already");
}

#[tokio::test]
async fn row_32_an_invitation_works_once_and_gives_nobody_a_role() {
    let app = TestApp::builder().serving().start().await;
    let wanted =
        json!({ "email": "guest@example.com", "role": "service_role", "data": { "role": "service_role" } });
    app.service().post("/auth/v1/invite", wanted).await.expect(200);
    app.stranger().post("/auth/v1/invite", json!({ "email": "x@example.com" })).await.expect(403);
    let ann = confirmed(&app, "ann@example.com").await;
    ann.client.post("/auth/v1/invite", json!({ "email": "x@example.com" })).await.expect(403);
    ann.client
        .post("/auth/v1/admin/generate_link", json!({ "type": "recovery", "email": "guest@example.com" }))
        .await
        .expect(403);
    let mail = app.mail("guest@example.com", 1).await;
    let body = json!({
        "type": "invite", "token_hash": mail.parameter("token"), "role": "service_role",
        "app_metadata": { "role": "admin" }, "is_super_admin": true,
    });
    let session = app.stranger().post("/auth/v1/verify", body.clone()).await.expect(200).value();
    assert_eq!(session["user"]["role"], "authenticated");
    app.stranger().post("/auth/v1/verify", body).await.expect(403);
    verify(&app, "invite", "guest@example.com", &mail.code()).await.expect(403);
    assert!(app.audited("auth.invite_sent").await && app.audited("auth.invite_accepted").await);
}

#[tokio::test]
async fn row_9_of_fifty_that_bring_one_link_at_once_one_gets_in() {
    let app = TestApp::builder().serving().start().await;
    confirmed(&app, "ann@example.com").await;
    let mail = recover(&app, "ann@example.com", 2).await;
    let tries: Vec<_> = (0..50)
        .map(|index| {
            let (client, mail) = (app.stranger(), mail.clone());
            tokio::spawn(async move {
                let body = match index % 2 {
                    0 => json!({ "type": "recovery", "token_hash": mail.parameter("token") }),
                    _ => json!({ "type": "recovery", "email": "ann@example.com", "token": mail.code() }),
                };
                client.post("/auth/v1/verify", body).await.status.as_u16()
            })
        })
        .collect();
    let mut entered = 0;
    for tried in tries {
        entered += usize::from(tried.await.unwrap() == 200);
    }
    assert_eq!(entered, 1);
}

#[tokio::test]
async fn row_30_a_recovery_dies_with_another_address_and_a_new_password_ends_every_session() {
    let app = TestApp::builder().serving().with("auth.secure_email_change", "false").start().await;
    let ann = confirmed(&app, "ann@example.com").await;
    let session = Person::sign_in(&app.stranger(), "ann@example.com", PASSWORD).await.expect(200).value();
    let other = person_of(&app, "ann@example.com", &session);
    let overtaken = recover(&app, "ann@example.com", 2).await;
    let change = json!({ "email": "ann@example.org" });
    ann.client.json(Method::PUT, "/auth/v1/user", change).await.expect(200);
    let moved = press(&app.stranger(), &app.mail("ann@example.org", 1).await).await.expect(303);
    let token = fragment(&moved).into_iter().find(|(name, _)| name == "access_token").unwrap().1;
    let late = press(&app.stranger(), &overtaken).await.expect(303);
    assert!(late.header("location").contains("error_code=otp_expired"), "{}", late.header("location"));
    verify(&app, "recovery", "ann@example.com", &overtaken.code()).await.expect(403);
    for (who, name) in [(&ann, "the one that changed"), (&other, "another")] {
        assert_eq!(who.client.get("/auth/v1/user").await.status, 403, "{name} ended with the address");
    }
    let moved = app.stranger().with("authorization", &format!("Bearer {token}"));
    let session = Person::sign_in(&app.stranger(), "ann@example.org", PASSWORD).await.expect(200).value();
    let thief = person_of(&app, "ann@example.org", &session);
    moved.json(Method::PUT, "/auth/v1/user", json!({ "password": ANOTHER })).await.expect(200);
    thief.client.get("/auth/v1/user").await.expect(403);
    let refresh = json!({ "refresh_token": thief.refresh_token });
    app.stranger().post("/auth/v1/token?grant_type=refresh_token", refresh).await.expect(400);
    moved.get("/auth/v1/user").await.expect(200);
}

#[tokio::test]
async fn row_31_a_change_is_taken_back_once_and_nobody_who_came_in_between_stays() {
    let app = TestApp::builder().serving().with("auth.secure_email_change", "false").start().await;
    let thief = confirmed(&app, "ann@example.com").await;
    let change = json!({ "email": "mallory@example.org" });
    thief.client.json(Method::PUT, "/auth/v1/user", change).await.expect(200);
    let moved = press(&app.stranger(), &app.mail("mallory@example.org", 1).await).await.expect(303);
    let token = fragment(&moved).into_iter().find(|(name, _)| name == "access_token").unwrap().1;
    let mallory = app.stranger().with("authorization", &format!("Bearer {token}"));
    mallory.get("/auth/v1/user").await.expect(200);
    let told = app.mail("ann@example.com", 2).await;
    assert_eq!(told.subject, "Your address was changed");
    let token = told.parameter("token");
    let revert = async || {
        let form = [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "same-origin")];
        let body = format!("token={token}");
        app.stranger().send(Method::POST, "/auth/v1/revert", &form, body.into()).await
    };
    assert!(app.stranger().get(&told.path()).await.status.is_success(), "looking takes nothing back");
    mallory.get("/auth/v1/user").await.expect(200);
    let done = revert().await;
    assert!(
        !done.status.is_client_error() && !done.status.is_server_error(),
        "{} {}",
        done.status,
        done.text()
    );
    mallory.get("/auth/v1/user").await.expect(403);
    Person::sign_in(&app.stranger(), "mallory@example.org", PASSWORD).await.expect(400);
    let twice = revert().await;
    assert!(
        !twice.status.is_success() || twice.text().contains("expired"),
        "{} {}",
        twice.status,
        twice.text()
    );
    // The owner is sent a way in.
    let way_in = app.mail("ann@example.com", 3).await;
    let session = verify(&app, "recovery", "ann@example.com", &way_in.code()).await.expect(200).value();
    assert_eq!(session["user"]["id"], json!(thief.id));
}
