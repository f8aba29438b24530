//! Sign-up, sign-in and refresh under attack (rows 6, 10, 11, 19, 23-25).

use serde_json::{Value, json};
use spec::{Person, TestApp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn row_6_nobody_raises_themselves_by_a_field_in_the_body() {
    let app = TestApp::start().await;
    let body = json!({
        "email": "mallory@example.com", "password": spec::person::PASSWORD, "role": "service_role", "aud": "admin",
        "is_super_admin": true, "email_confirmed_at": "2020-01-01T00:00:00Z", "app_metadata": { "role": "admin" },
        "data": { "role": "service_role" },
    });
    let session = app.stranger().post("/auth/v1/signup", body).await.expect(200).value();
    assert_eq!(session["user"]["role"], "authenticated");
    assert_eq!(session["user"]["aud"], "authenticated");
    assert!(session["user"]["app_metadata"].get("role").is_none());
    let mallory = Person::from(&app.stranger(), "mallory@example.com", &session);
    let raise = json!({ "app_metadata": { "role": "service_role" } });
    let seen = mallory.client.json(http::Method::PUT, "/auth/v1/user", raise).await;
    assert!(!seen.status.is_success(), "{}", seen.text());
    for field in ["role", "is_super_admin", "email_confirmed_at", "aud"] {
        mallory.client.json(http::Method::PUT, "/auth/v1/user", json!({ field: "service_role" })).await;
    }
    let user = mallory.client.get("/auth/v1/user").await.expect(200).value();
    assert_eq!(user["role"], "authenticated");
    let seen = mallory.client.get("/auth/v1/admin/users").await;
    assert!([401, 403].contains(&seen.status.as_u16()));
}

/// What only administrators or a mail decide, under every name it has anywhere.
fn raised(mut body: Value) -> Value {
    let fields = json!({
        "id": "00000000-0000-4000-8000-000000000001", "role": "service_role", "aud": "admin", "is_super_admin": true,
        "email_confirmed_at": "2020-01-01T00:00:00Z", "confirmed_at": "2020-01-01T00:00:00Z", "email_confirm": true,
        "email_verified": true, "verified": true, "phone_confirmed_at": "2020-01-01T00:00:00Z", "is_sso_user": true,
        "app_metadata": { "role": "service_role", "provider": "sso:x" }, "raw_app_meta_data": { "role": "service_role" },
        "user_role": "service_role", "banned_until": "2020-01-01T00:00:00Z", "is_anonymous": true,
    });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

#[tokio::test]
async fn row_6_no_field_confirms_an_address_or_raises_anybody_in_either_dialect() {
    let app = TestApp::builder().serving().start().await;
    let stands = async |email: &str| -> Value {
        let sql = app.database.admin().await;
        let found = sql
            .query_one(
                "select jsonb_build_array(role, aud, coalesce(is_super_admin, false), is_sso_user, is_anonymous, \
                 email_confirmed_at is not null, phone_confirmed_at is not null, banned_until is not null, \
                 raw_app_meta_data ->> 'role', raw_app_meta_data ->> 'provider', left(id::text, 8) = '00000000')::text \
                 from auth.users where email = $1",
                &[&email],
            )
            .await
            .unwrap();
        serde_json::from_str(found.get(0)).unwrap()
    };
    let plain = |confirmed: bool| {
        json!([
            "authenticated",
            "authenticated",
            false,
            false,
            false,
            confirmed,
            false,
            false,
            null,
            "email",
            false
        ])
    };
    for (at, (sign_up, sign_in)) in [
        ("/auth/v1/signup", "/auth/v1/token?grant_type=password"),
        ("/api/v1/auth/signup", "/api/v1/auth/signin"),
    ]
    .into_iter()
    .enumerate()
    {
        let email = format!("mallory{at}@example.com");
        let credentials = json!({ "email": email, "password": spec::person::PASSWORD });
        // Refused, or taken without what is not theirs to say.
        app.stranger().post(sign_up, raised(credentials.clone())).await;
        if app.stranger().post(sign_up, credentials.clone()).await.status.is_success() {
            assert_eq!(stands(&email).await, plain(false), "{sign_up}");
        }
        let entered = app.stranger().post(sign_in, credentials).await;
        assert!(entered.status.is_client_error(), "nobody confirmed it: {}", entered.text());
    }
    let ann = crate::features::links::confirmed(&app, "ann@example.com").await;
    for (method, path) in [
        (http::Method::PUT, "/auth/v1/user"),
        (http::Method::PATCH, "/api/v1/auth/user"),
        (http::Method::POST, "/auth/v1/user"),
    ] {
        let body = raised(json!({ "data": { "name": "Ann" }, "user_metadata": { "name": "Ann" } }));
        ann.client.json(method.clone(), path, body).await;
        assert_eq!(stands("ann@example.com").await, plain(true), "{method} {path}");
    }
}

#[tokio::test]
async fn row_10_a_hundred_refreshes_at_once_make_exactly_one_child() {
    let app = TestApp::builder().unlimited().start().await;
    let ann = app.person("ann").await;
    let refresh = |client: spec::Client, token: String| async move {
        client.post("/auth/v1/token?grant_type=refresh_token", json!({ "refresh_token": token })).await
    };
    let tries: Vec<_> =
        (0..100).map(|_| tokio::spawn(refresh(app.stranger(), ann.refresh_token.clone()))).collect();
    let mut children = std::collections::BTreeSet::new();
    for tried in tries {
        children.insert(tried.await.unwrap().expect(200).field("refresh_token"));
    }
    assert_eq!(children.len(), 1, "every one of them got the same child");
    let child = children.pop_first().unwrap();
    assert_ne!(child, ann.refresh_token);
    refresh(app.stranger(), child).await.expect(200);
}

#[tokio::test]
async fn row_11_a_lost_answer_logs_nobody_out_and_a_stolen_token_ends_the_family() {
    let app = TestApp::builder().unlimited().start().await;
    let ann = app.person("ann").await;
    let refresh = async |token: &str| {
        app.stranger()
            .post("/auth/v1/token?grant_type=refresh_token", json!({ "refresh_token": token }))
            .await
    };
    let lost = refresh(&ann.refresh_token).await.expect(200).field("refresh_token");
    let again = refresh(&ann.refresh_token).await.expect(200).field("refresh_token");
    assert_eq!(lost, again, "the client that never saw its child gets it again");
    let grandchild = refresh(&again).await.expect(200).field("refresh_token");
    app.clock.advance(std::time::Duration::from_secs(3600));
    refresh(&ann.refresh_token).await.expect(400);
    refresh(&grandchild).await.expect(400);
    assert!(app.audited("auth.token_reuse_detected").await);
}

/// Three tabs and a server that renders pages share one cookie; one of them hears nothing, one was off-line for twenty seconds.
/// Whoever comes after that with an old token has stolen it, and the owner is told.
#[tokio::test]
async fn row_11_tabs_a_server_and_a_tunnel_stay_signed_in_and_the_owner_hears_of_a_thief() {
    let app = TestApp::builder().serving().start().await;
    let ann = crate::features::links::confirmed(&app, "ann@example.com").await;
    let mails = spec::mail::read_all(&app.data().join("mails"), "ann@example.com").len();
    let first = ann.refresh_token;
    let refresh = |token: &str| {
        let (client, body) = (app.stranger(), json!({ "refresh_token": token }));
        async move { client.post("/auth/v1/token?grant_type=refresh_token", body).await }
    };
    let together = tokio::join!(refresh(&first), refresh(&first), refresh(&first), refresh(&first));
    let second = together.0.expect(200).field("refresh_token");
    for seen in [together.1, together.2, together.3] {
        assert_eq!(seen.expect(200).field("refresh_token"), second);
    }
    let third = refresh(&second).await.expect(200).field("refresh_token");
    app.clock.advance(std::time::Duration::from_secs(20));
    assert_eq!(refresh(&first).await.expect(200).field("refresh_token"), third, "who was off-line");
    assert_eq!(refresh(&second).await.expect(200).field("refresh_token"), third, "whose answer was lost");
    app.clock.advance(std::time::Duration::from_secs(11));
    refresh(&first).await.expect(400);
    refresh(&third).await.expect(400);
    let told = app.mail("ann@example.com", mails + 1).await;
    assert_eq!(told.subject, "A session of yours was ended");
    assert!(app.audited("auth.token_reuse_detected").await);
}

#[tokio::test]
async fn row_19_an_unknown_account_gets_the_same_answer_as_a_wrong_password() {
    let app = TestApp::builder().unlimited().start().await;
    app.person("ann").await;
    let strip = |seen: spec::Seen| {
        let mut headers: Vec<String> = seen.headers.keys().map(|name| name.to_string()).collect();
        headers.sort();
        (seen.status, seen.body, headers)
    };
    let known = Person::sign_in(&app.stranger(), "ann@example.com", "wrong-Password-1!").await;
    let unknown = Person::sign_in(&app.stranger(), "nobody@example.com", "wrong-Password-1!").await;
    assert_eq!(strip(known.clone()), strip(unknown));
    assert_eq!(known.status, 400);
    Person::sign_in(&app.stranger(), "ann@example.com", spec::person::PASSWORD).await.expect(200);
}

#[tokio::test]
async fn row_19_an_imported_account_costs_exactly_what_an_unknown_one_does() {
    let app = TestApp::builder().unlimited().start().await;
    app.person("ann").await;
    let work = || app.running.services.auth.hash_work();
    let cost = async |email: &str, password: &str, status: u16| {
        let before = work();
        Person::sign_in(&app.stranger(), email, password).await.expect(status);
        std::array::from_fn::<u64, 3, _>(|at| work()[at] - before[at])
    };
    let alone = cost("nobody@example.com", "wrong-Password-1!", 400).await;
    assert!(alone[0] > 0 && alone[1..] == [0, 0], "where nobody was imported nobody pays for it: {alone:?}");
    // Published: "U*U" by bcrypt at cost 5; "mytestpassword" by Firebase's scrypt; and the first at a cost of 7.
    let firebase = "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=ou9tdYTGyYm8kuR6Dt0Bp0kDuAYoXrK16mbZO4yGwAn3oLspjnN0/c41v8xZnO1n\
        14J3MjKj1b2g6AUCAlFwMw==$C0sHCg9ek77hsg==$zKVTMvnWVw5BBOZNUdnsalx4c4c7y/w7IS5p6Ut2+CfEFFlz37J9huyQfov4iizN8dbjvE\
        JlM5tQaJP84+hfTw==";
    let imported = [
        ("five@example.com", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
        ("seven@example.com", "$2a$07$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
        ("fire@example.com", firebase),
        ("weak@example.com", "$argon2i$v=19$m=64,t=3,p=1$c2FsdHNhbHRzYWx0$cmVzdWx0cmVzdWx0cmVzdWx0cmVzdWx0"),
    ];
    for (email, hash) in imported {
        let made = json!({ "email": email, "password_hash": hash, "email_confirm": true });
        app.service().post("/auth/v1/admin/users", made).await.expect(200);
    }
    let expected = cost("nobody@example.com", "wrong-Password-1!", 400).await;
    assert_eq!(expected, [alone[0] + 64 * 3, 1 << 7, 8 << 14]);
    for email in imported.iter().map(|(email, _)| *email).chain(["ann@example.com"]) {
        for password in ["wrong-Password-1!", "a\0b", &"x".repeat(100)] {
            assert_eq!(cost(email, password, 400).await, expected, "{email} {password:?}");
        }
    }
    // The neighbours get in, their hashes are made anew, and in the end nobody pays for what nobody has.
    cost("five@example.com", "U*U", 200).await;
    cost("fire@example.com", "mytestpassword", 200).await;
    let left = cost("nobody@example.com", "wrong-Password-1!", 400).await;
    assert_eq!(left, [alone[0] + 64 * 3, 1 << 7, 0]);
    for email in ["seven@example.com", "weak@example.com"] {
        app.admin(&format!("delete from auth.users where email = '{email}'")).await;
    }
    assert_eq!(cost("nobody@example.com", "wrong-Password-1!", 400).await, alone);
}

/// To who asks for an account with the address of an imported one.
#[tokio::test]
async fn row_19_signing_up_with_an_imported_accounts_address_costs_what_an_unknown_one_does() {
    let app = TestApp::builder().serving().start().await;
    let cost = async |email: &str| {
        let work = || app.running.services.auth.hash_work();
        let before = work();
        let asked = json!({ "email": email, "password": spec::person::PASSWORD });
        app.stranger().post("/auth/v1/signup", asked).await.expect(200);
        std::array::from_fn::<u64, 3, _>(|at| work()[at] - before[at])
    };
    let alone = cost("first@example.com").await;
    assert!(alone[0] > 0 && alone[1..] == [0, 0], "{alone:?}");
    let hash = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    for (email, confirmed) in [("five@example.com", true), ("waiting@example.com", false)] {
        let made = json!({ "email": email, "password_hash": hash, "email_confirm": confirmed });
        app.service().post("/auth/v1/admin/users", made).await.expect(200);
    }
    let expected = [alone[0], 1 << 5, 0];
    for email in ["five@example.com", "waiting@example.com", "first@example.com", "nobody@example.com"] {
        assert_eq!(cost(email).await, expected, "{email}");
    }
}

#[tokio::test]
async fn row_23_one_account_has_one_budget_however_its_address_is_written_and_wherever_it_is_tried() {
    let app = TestApp::start().await;
    let spellings = [
        "ann@example.com",
        "ANN@example.com",
        "ann+1@example.com",
        " ann@example.com",
        "Ann+x@Example.com",
        "ann+2@EXAMPLE.com",
    ];
    let mut refused = 0;
    for (index, spelling) in spellings.iter().enumerate() {
        let somewhere =
            app.stranger().at(&format!("127.7.0.{}", index + 1)).with("x-forwarded-for", "9.9.9.9");
        let seen = Person::sign_in(&somewhere, spelling, "wrong-Password-1!").await;
        refused += usize::from(seen.status == 429);
    }
    assert_eq!(refused, 1, "five tries a minute for one account, the sixth is refused");
    let other = app.stranger().at("127.7.1.1");
    assert_eq!(Person::sign_in(&other, "bob@example.com", "wrong-Password-1!").await.status, 400);
}

/// However many doors lead to it: GoTrue's, the application's own prefix, Fluxbase's. And whoever has a /64 has one address.
#[tokio::test]
async fn row_23_every_door_and_every_address_of_one_64_draw_on_one_budget() {
    let app = TestApp::builder()
        .with("auth.second_prefix", "/gotrue")
        .with("server.trusted_proxies", "127.50.0.0/16")
        .with("detection.enabled", "false")
        .start()
        .await;
    const DOORS: [&str; 3] =
        ["/auth/v1/token?grant_type=password", "/gotrue/token?grant_type=password", "/api/v1/auth/signin"];
    let wrong = |email: &str| json!({ "email": email, "password": "wrong-Password-1!" });
    let hashes = || app.running.services.auth.hashes_computed();
    let before = hashes();
    let mut looked_at = Vec::new();
    for n in 0..12 {
        let seen = app.stranger().post(DOORS[n % 3], wrong("ann@example.com")).await;
        match seen.status.as_u16() {
            429 => {}
            status => looked_at.push((n, status)),
        }
    }
    assert_eq!(looked_at, [(0, 400), (1, 400), (2, 401), (3, 400), (4, 400)], "one account, from everywhere");
    assert_eq!(hashes() - before, 5);
    let proxy = app.stranger().at("127.50.0.1");
    let from = |address: &str| proxy.clone().with("x-forwarded-for", address);
    let before = hashes();
    for n in 0..12 {
        let somewhere = from(&format!("2001:db8:1:2:{:x}::{n:x}", n * 4_999));
        somewhere.post(DOORS[n % 3], wrong(&format!("user{n}@example.com"))).await;
    }
    assert_eq!(hashes() - before, 5, "one customer's /64, another account with each try");
    let neighbour = from("2001:db8:1:3::1").post(DOORS[0], wrong("bob@example.com")).await;
    assert_eq!(neighbour.status, 400, "{}", neighbour.text());
}

#[tokio::test]
async fn row_24_passwords_that_differ_after_byte_72_or_a_nul_are_different() {
    let app = TestApp::builder().unlimited().start().await;
    let long = format!("Aa1!{}", "x".repeat(80));
    let nul = "Aa1!correct\0horse-battery".to_owned();
    for (email, password) in [("long@example.com", long), ("nul@example.com", nul)] {
        app.stranger()
            .post("/auth/v1/signup", json!({ "email": email, "password": password }))
            .await
            .expect(200);
        Person::sign_in(&app.stranger(), email, &password).await.expect(200);
        let mut near = password.clone();
        near.pop();
        near.push('#');
        Person::sign_in(&app.stranger(), email, &near).await.expect(400);
    }
}

#[tokio::test]
async fn row_25_a_long_password_is_refused_everywhere_before_it_is_hashed() {
    let app = TestApp::builder().unlimited().start().await;
    let ann = app.person("ann").await;
    let hashes = || app.running.services.auth.hashes_computed();
    let before = hashes();
    // Ten megabytes are over what a body may have; what fits is looked at by its length alone.
    for megabytes in [10.0, 0.9, 0.002] {
        let long = "Aa1!".repeat((megabytes * 262_144.0) as usize);
        let mail = |name: &str| format!("{name}@example.com");
        let stranger = app.stranger();
        let tries = [
            stranger.post("/auth/v1/signup", json!({ "email": mail("h"), "password": long })).await,
            stranger.post("/auth/v1/signup", json!({ "email": mail("ann"), "password": long })).await,
            Person::sign_in(&stranger, &mail("h"), &long).await,
            Person::sign_in(&stranger, &mail("ann"), &long).await,
            ann.client.json(http::Method::PUT, "/auth/v1/user", json!({ "password": long })).await,
            app.service().post("/auth/v1/admin/users", json!({ "email": mail("i"), "password": long })).await,
            app.service()
                .post(
                    "/auth/v1/admin/generate_link",
                    json!({ "type": "signup", "email": mail("j"), "password": long }),
                )
                .await,
            stranger.post("/api/v1/auth/signup", json!({ "email": mail("k"), "password": long })).await,
            stranger.post("/api/v1/auth/signin", json!({ "email": mail("ann"), "password": long })).await,
        ];
        for (at, seen) in tries.into_iter().enumerate() {
            let refused = seen.status.as_u16();
            assert!(
                refused == 400 || (at == 8 && refused == 401),
                "{megabytes} MB, {at}: {} {}",
                seen.status,
                seen.text()
            );
        }
    }
    assert_eq!(hashes(), before, "nothing was hashed");
    // The neighbours: 128 characters, and the right password.
    let long = format!("Aa1!{}", "x".repeat(124));
    let made =
        app.stranger().post("/auth/v1/signup", json!({ "email": "l@example.com", "password": long })).await;
    made.expect(200);
    Person::sign_in(&app.stranger(), "l@example.com", &long).await.expect(200);
    // Every one of them counts, however many bytes each is.
    Person::sign_in(&app.stranger(), "l@example.com", &format!("{}y", &long[..127])).await.expect(400);
    Person::sign_in(&app.stranger(), "l@example.com", &long[..127]).await.expect(400);
    let wide = format!("Aa1!{}", "\u{1f511}".repeat(124));
    let body = json!({ "email": "w@example.com", "password": wide });
    app.stranger().post("/auth/v1/signup", body).await.expect(200);
    Person::sign_in(&app.stranger(), "w@example.com", &wide).await.expect(200);
    let other = format!("Aa1!{}\u{1f512}", "\u{1f511}".repeat(123));
    Person::sign_in(&app.stranger(), "w@example.com", &other).await.expect(400);
    assert!(hashes() >= before + 2);
}

/// Told by how the body begins, of which no more is read. One that is too large for another reason hears what upstream says (413
/// `request_entity_too_large`).
#[tokio::test]
async fn row_25_ten_megabytes_are_refused_at_once_in_words_that_clients_understand() {
    let app = TestApp::builder().unlimited().start().await;
    let key = app.stranger().headers.iter().find(|(name, _)| name == "apikey").unwrap().1.clone();
    let hashes = app.running.services.auth.hashes_computed();
    let ask = async |path: &str, version: &str, field: &str| {
        let began = testkit::Stopwatch::start();
        let mut socket = tokio::net::TcpStream::connect(app.running.address).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\napikey: {key}\r\ncontent-type: application/json\r\n{version}\
             content-length: 10485760\r\n\r\n{{\"email\":\"ann@example.com\",\"{field}\":\"Aa1!Aa1!",
            app.running.address
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut said = vec![0; 4096];
        let length = socket.read(&mut said).await.unwrap();
        (String::from_utf8_lossy(&said[..length]).into_owned(), began.elapsed())
    };
    const DATED: &str = "x-supabase-api-version: 2024-01-01\r\n";
    for (path, version, expected) in [
        ("/auth/v1/token?grant_type=password", "", "\"error_code\":\"validation_failed\""),
        ("/auth/v1/token?grant_type=password", DATED, "\"code\":\"validation_failed\""),
        ("/auth/v1/signup", "", "\"error_code\":\"validation_failed\""),
        ("/auth/v1/signup", DATED, "\"code\":\"validation_failed\""),
    ] {
        let mut quickest = std::time::Duration::MAX;
        for _ in 0..5 {
            let (said, took) = ask(path, version, "password").await;
            assert!(said.starts_with("HTTP/1.1 400 ") && said.contains(expected), "{path}: {said}");
            quickest = quickest.min(took);
        }
        assert!(quickest < std::time::Duration::from_millis(50), "{path}: {quickest:?}");
    }
    let (said, _) = ask("/auth/v1/signup", "", "data").await;
    assert!(said.starts_with("HTTP/1.1 413 ") && said.contains("request_entity_too_large"), "{said}");
    assert_eq!(app.running.services.auth.hashes_computed(), hashes);
    app.person("ann").await;
}

/// Whoever sends them again and again keeps nobody waiting: what they cost is read away from what others need.
#[tokio::test]
async fn row_25_a_storm_of_ten_megabytes_starves_nobody() {
    let app = TestApp::builder().unlimited().start().await;
    let ann = app.person("ann").await;
    let key = app.stranger().headers.iter().find(|(name, _)| name == "apikey").unwrap().1.clone();
    let address = app.running.address;
    let over = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let sent = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let storm: Vec<_> = (0..16)
        .map(|_| {
            let (key, over, sent) = (key.clone(), over.clone(), sent.clone());
            tokio::spawn(async move {
                let head = format!(
                    "POST /auth/v1/token?grant_type=password HTTP/1.1\r\nhost: {address}\r\napikey: {key}\r\n\
                     content-type: application/json\r\ncontent-length: 10485760\r\n\r\n"
                );
                let piece = "Aa1!".repeat(16_384);
                while !over.load(std::sync::atomic::Ordering::Relaxed) {
                    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
                    let mut sending = socket.write_all(head.as_bytes()).await;
                    for _ in 0..160 {
                        if sending.is_err() {
                            break;
                        }
                        sending = socket.write_all(piece.as_bytes()).await;
                    }
                    sent.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                }
            })
        })
        .collect();
    app.eventually(async || sent.load(std::sync::atomic::Ordering::Relaxed) >= 64).await;
    let hashes = app.running.services.auth.hashes_computed();
    for _ in 0..40 {
        let asked = tokio::time::timeout(std::time::Duration::from_secs(5), ann.client.get("/auth/v1/user"));
        asked.await.expect("answered beside the storm").expect(200);
    }
    let own = app.running.services.auth.hashes_computed();
    assert_eq!(own, hashes, "no password of theirs was hashed");
    let stranger = app.stranger();
    let entered = Person::sign_in(&stranger, &ann.email, &ann.password);
    let entered = tokio::time::timeout(std::time::Duration::from_secs(10), entered).await;
    entered.expect("signed in beside the storm").expect(200);
    over.store(true, std::sync::atomic::Ordering::Relaxed);
    for one in storm {
        one.await.unwrap();
    }
}

#[tokio::test]
async fn row_45_demo_keys_of_other_products_open_nothing() {
    let app = TestApp::start().await;
    // Signed with the secret every copy of Supabase's example file has.
    let secret = b"your-super-secret-jwt-token-with-at-least-32-characters-long";
    for role in ["anon", "service_role"] {
        let token =
            spec::hs256(secret, &json!({ "iss": "supabase-demo", "role": role, "exp": 4_102_444_800_i64 }));
        let bare = spec::Client { headers: vec![], ..app.stranger() };
        let bearer = format!("Bearer {token}");
        for path in
            ["/rest/v1/", "/auth/v1/user", "/auth/v1/admin/users", "/graphql/v1?query=%7B__typename%7D"]
        {
            let seen = bare.clone().with("apikey", &token).with("authorization", &bearer).get(path).await;
            assert!([401, 403].contains(&seen.status.as_u16()), "{role} {path}: {}", seen.status);
            // A good key beside it lifts nobody.
            let seen = app.stranger().with("authorization", &bearer).get(path).await;
            assert!([401, 403].contains(&seen.status.as_u16()), "{role} {path}: {}", seen.status);
        }
    }
    // A key of this instance opens what keys open.
    app.stranger().get("/rest/v1/").await.expect(200);
}

#[tokio::test]
async fn repeated_sign_up_tells_nothing_and_changes_nothing() {
    let app = TestApp::builder().unlimited().start().await;
    app.person("ann").await;
    let body = json!({ "email": "ann@example.com", "password": "Another-Password-9!" });
    let seen = app.stranger().post("/auth/v1/signup", body).await;
    assert_eq!(seen.status, 422, "{}", seen.text());
    let value: Value = seen.value();
    assert_eq!(value["error_code"], "user_already_exists");
    Person::sign_in(&app.stranger(), "ann@example.com", "Another-Password-9!").await.expect(400);
    Person::sign_in(&app.stranger(), "ann@example.com", spec::person::PASSWORD).await.expect(200);
}
