//! Our own OAuth server under attack (rows 9, 27, 28).

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use spec::browser::{form, hidden, parameter};
use spec::{Browser, Person, TestApp};

use super::step_up::administrator;
use crate::features::oauth::{CHALLENGE, VERIFIER};
use crate::features::oauth_server::{FORM, PROGRAM, Program, answer, bearer, claims, post_form, with_server};

#[tokio::test]
async fn row_9_of_fifty_exchanges_of_one_code_one_gets_a_token_and_it_is_taken_back() {
    let app = with_server().start().await;
    let ann = app.person("ann").await;
    let program = Program::made(&app, json!({})).await;
    let code = program.code(&app, &ann, &[]).await;
    let tries: Vec<_> = (0..50)
        .map(|_| {
            let (program, client, code) = (program.clone(), app.stranger(), code.clone());
            tokio::spawn(async move { program.exchange(&client, &code).await })
        })
        .collect();
    let mut good: Vec<Value> = Vec::new();
    for tried in tries {
        let seen = tried.await.unwrap();
        match seen.status.as_u16() {
            200 => good.push(seen.value()),
            400 => assert_eq!(seen.value()["error"], "invalid_grant", "{}", seen.text()),
            other => panic!("{other}: {}", seen.text()),
        }
    }
    assert_eq!(good.len(), 1, "one of fifty");
    bearer(&app, &good[0]["access_token"]).get("/auth/v1/user").await.expect(403);
    let fields =
        [("grant_type", "refresh_token"), ("refresh_token", good[0]["refresh_token"].as_str().unwrap())];
    program.token(&app.stranger(), &fields).await.expect(400);
    assert!(app.audited("auth.code_replayed").await);
    // The neighbour: a code that is exchanged once.
    let granted = program.sign_in(&app, &ann, &[]).await;
    bearer(&app, &granted["access_token"]).get("/auth/v1/user").await.expect(200);
    // And a second use much later takes back what the first one gave.
    let code = program.code(&app, &ann, &[]).await;
    let first = program.exchange(&app.stranger(), &code).await.expect(200).value();
    app.clock.advance(std::time::Duration::from_secs(600));
    program.exchange(&app.stranger(), &code).await.expect(400);
    bearer(&app, &first["access_token"]).get("/auth/v1/user").await.expect(403);
    let refresh =
        [("grant_type", "refresh_token"), ("refresh_token", granted["refresh_token"].as_str().unwrap())];
    program.token(&app.stranger(), &refresh).await.expect(200);
}

#[tokio::test]
async fn row_27_people_go_back_to_the_registered_address_byte_by_byte_or_nowhere() {
    let app = with_server().start().await;
    let ann = app.person("ann").await;
    let program =
        Program::made(&app, json!({ "redirect_uris": [PROGRAM, "http://127.0.0.1:5000/cb"] })).await;
    for bad in [
        "https://program.example/callback/",
        "https://program.example/callback/evil",
        "https://program.example/callback/../evil",
        "https://program.example/callback/%2e%2e/evil",
        "https://program.example/callback?x=1",
        "https://program.example/callback#x",
        "https://program.example/Callback",
        "https://PROGRAM.example/callback",
        "HTTPS://program.example/callback",
        "https://program.example:443/callback",
        "https://program.example:8443/callback",
        "https://user@program.example/callback",
        "https://program.example@evil.example/callback",
        "https://program.example.evil.example/callback",
        "https://evil.example/callback",
        "https://evilprogram.example/callback",
        "http://program.example/callback",
        "https://program.example%2fcallback",
        "https://program.example/callback%00",
        "https://program.example/callback ",
        " https://program.example/callback",
        "//program.example/callback",
        "/callback",
        "http://127.0.0.1:5001/cb",
        "http://localhost:5000/cb",
        "javascript:alert(1)",
    ] {
        let seen = app.stranger().get(&program.request(&[("redirect_uri", bad)])).await.expect(400);
        assert_eq!(seen.header("location"), "", "{bad}");
        assert_eq!(seen.value()["error"], "invalid_request", "{bad}");
    }
    // Also not without one, with two, or with somebody else's client.
    app.stranger().get(&program.request(&[("redirect_uri", "")])).await.expect(400);
    let twice = format!("{}&redirect_uri=https%3A%2F%2Fevil.example%2F", program.request(&[]));
    app.stranger().get(&twice).await.expect(400);
    let other = Program::made(&app, json!({ "redirect_uris": ["https://other.example/cb"] })).await;
    app.stranger().get(&other.request(&[])).await.expect(400);
    for id in ["", "nobody", "00000000-0000-0000-0000-000000000000"] {
        app.stranger().get(&program.request(&[("client_id", id)])).await.expect(400);
    }
    // The same at the exchange: the code is gone with the first wrong address.
    let code = program.code(&app, &ann, &[]).await;
    for uri in ["https://program.example/callback/", "", PROGRAM] {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", uri),
            ("code_verifier", VERIFIER),
        ];
        program.token(&app.stranger(), &fields).await.expect(400);
    }
    // What an administrator takes away is refused also to a request that waits.
    let id = program.waiting(&app, &[("redirect_uri", "http://127.0.0.1:5000/cb")]).await;
    let path = format!("/auth/v1/admin/oauth/clients/{}", program.id);
    app.service().json(Method::PUT, &path, json!({ "redirect_uris": [PROGRAM] })).await.expect(200);
    answer(&ann, &id, "approve").await.expect(404);
    program.sign_in(&app, &ann, &[]).await;
}

/// The error that a program hears for a request.
async fn told(app: &TestApp, program: &Program, more: &[(&str, &str)]) -> String {
    let seen = app.stranger().get(&program.request(more)).await.expect(302);
    let to = seen.header("location").to_owned();
    assert!(to.starts_with(&format!("{PROGRAM}?")), "{more:?}: {to}");
    assert!(parameter(&to, "iss").is_some(), "every answer says whose it is: {to}");
    parameter(&to, "error").unwrap_or_else(|| panic!("{more:?}: {to}"))
}

#[tokio::test]
async fn row_28_requests_without_state_or_proof_or_with_a_weaker_one_are_refused() {
    let app = with_server().start().await;
    let ann = app.person("ann").await;
    let program = Program::made(&app, json!({})).await;
    let short = "a".repeat(42);
    for (more, expected) in [
        (vec![("state", "")], "invalid_request"),
        (vec![("code_challenge", "")], "invalid_request"),
        (vec![("code_challenge_method", "")], "invalid_request"),
        (vec![("code_challenge", ""), ("code_challenge_method", "")], "invalid_request"),
        (vec![("code_challenge_method", "plain")], "invalid_request"),
        (vec![("code_challenge_method", "plain"), ("code_challenge", VERIFIER)], "invalid_request"),
        (vec![("code_challenge_method", "none")], "invalid_request"),
        (vec![("code_challenge", short.as_str())], "invalid_request"),
        (vec![("response_type", "token")], "unsupported_response_type"),
        (vec![("response_type", "code id_token")], "unsupported_response_type"),
        (vec![("response_type", "")], "invalid_request"),
        (vec![("response_mode", "fragment")], "invalid_request"),
        (vec![("scope", "openid admin")], "invalid_scope"),
        (vec![("request", "x.y.z")], "request_not_supported"),
        (vec![("request_uri", "https://evil.example/r")], "request_uri_not_supported"),
        (vec![("resource", "https://api.example/#x")], "invalid_target"),
        (vec![("prompt", "none login")], "invalid_request"),
        (vec![("max_age", "-1")], "invalid_request"),
    ] {
        assert_eq!(told(&app, &program, &more).await, expected, "{more:?}");
    }
    let twice = format!("{}&state=other", program.request(&[]));
    app.stranger().get(&twice).await.expect(400);
    // Where the operator says so, PKCE alone is enough; and the usual request goes on.
    let lenient = with_server().with("auth.oauth_server.require_state", "false").start().await;
    let there = Program::made(&lenient, json!({})).await;
    there.waiting(&lenient, &[("state", "")]).await;
    program.sign_in(&app, &ann, &[]).await;
}

/// Yes and no both lead back to the program, byte by byte where it said, with its own state and our name; nothing else leads there.
#[tokio::test]
async fn row_28_the_end_of_a_flow_is_the_programs_own_address_with_its_own_state() {
    let app = with_server().start().await;
    let ann = app.person("ann").await;
    let program = Program::made(&app, json!({})).await;
    let issuer = app.stranger().get("/auth/v1/.well-known/openid-configuration").await.expect(200);
    let issuer = issuer.field("issuer");
    for (action, state) in [("approve", "st &=?#/ä"), ("deny", "st-2")] {
        let id = program.waiting(&app, &[("state", state), ("prompt", "consent")]).await;
        let back = answer(&ann, &id, action).await.expect(200).field("redirect_url");
        let (end, query) = back.split_once('?').unwrap();
        assert_eq!(end, PROGRAM);
        assert!(!query.contains('#') && !query.contains("access_token"), "{back}");
        assert_eq!(parameter(&back, "state").as_deref(), Some(state), "{back}");
        assert_eq!(parameter(&back, "iss"), Some(issuer.clone()), "{back}");
        match action {
            "approve" => {
                let code = parameter(&back, "code").unwrap();
                let granted = program.exchange(&app.stranger(), &code).await.expect(200).value();
                let user = bearer(&app, &granted["access_token"]).get("/auth/v1/user").await.expect(200);
                assert_eq!(user.field("email"), "ann@example.com", "and it is who agreed");
            }
            _ => {
                assert_eq!(parameter(&back, "error").as_deref(), Some("access_denied"), "{back}");
                assert!(parameter(&back, "code").is_none(), "{back}");
            }
        }
        answer(&ann, &id, "approve").await.expect(404);
    }
}

#[tokio::test]
async fn row_28_a_code_is_worth_nothing_to_another_program_session_or_without_its_verifier() {
    let app = with_server().start().await;
    let (ann, mallory) = (app.person("ann").await, app.person("mallory").await);
    let program = Program::made(&app, json!({})).await;
    let evil = Program::made(&app, json!({})).await;
    let fields = |code: &str, verifier: &str| {
        let pairs = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", PROGRAM),
            ("code_verifier", verifier),
        ];
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    let send = async |program: &Program, fields: &[(String, String)]| {
        let fields: Vec<(&str, &str)> =
            fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        program.token(&app.stranger(), &fields).await
    };
    // Another client gets nothing, and takes nothing away either.
    let code = program.code(&app, &ann, &[]).await;
    assert_eq!(send(&evil, &fields(&code, VERIFIER)).await.expect(400).value()["error"], "invalid_grant");
    let granted = program.exchange(&app.stranger(), &code).await.expect(200).value();
    send(&evil, &fields(&code, VERIFIER)).await.expect(400);
    bearer(&app, &granted["access_token"]).get("/auth/v1/user").await.expect(200);
    // Without its verifier, with the challenge as verifier (plain), or another one: refused, and gone.
    for verifier in ["", CHALLENGE, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl"] {
        let code = program.code(&app, &ann, &[]).await;
        assert_eq!(
            send(&program, &fields(&code, verifier)).await.expect(400).value()["error"],
            "invalid_grant"
        );
        send(&program, &fields(&code, VERIFIER)).await.expect(400);
    }
    // Code injection: a code of Mallory's request in the victim's exchange has another challenge.
    let other = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let injected = program.code(&app, &mallory, &[("code_challenge", other)]).await;
    send(&program, &fields(&injected, VERIFIER)).await.expect(400);
    // Without or with a wrong secret, with somebody else's, twice, and as a public client: not even the code is looked at.
    let code = program.code(&app, &ann, &[]).await;
    for (id, secret) in [
        (program.id.as_str(), None),
        (&program.id, Some("wrong")),
        (&program.id, evil.secret.as_deref()),
        ("00000000-0000-0000-0000-000000000000", program.secret.as_deref()),
    ] {
        let bad = Program { id: id.to_owned(), secret: secret.map(str::to_owned) };
        assert_eq!(send(&bad, &fields(&code, VERIFIER)).await.expect(400).value()["error"], "invalid_client");
    }
    let basic = |name: &str, secret: &str| {
        use base64::Engine;
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{name}:{secret}")))
    };
    let pairs = fields(&code, VERIFIER);
    let body = form(&pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>());
    let with = async |line: &str, body: &str| {
        let headers = [FORM, ("authorization", line)];
        app.stranger()
            .send(Method::POST, "/auth/v1/oauth/token", &headers, Bytes::from(body.to_owned()))
            .await
    };
    let refused = with(&basic(&program.id, "wrong"), &body).await.expect(401);
    assert!(refused.header("www-authenticate").starts_with("Basic"));
    let (secret, both) = (program.secret.clone().unwrap(), format!("{body}&client_secret=x"));
    with(&basic(&program.id, &secret), &both).await.expect(400);
    with(&basic(&program.id, &secret), &format!("{body}&code=other")).await.expect(400);
    with(&basic(&program.id, &secret), &body).await.expect(200);
    // A minute later a code is worth nothing; nor after its person signed out everywhere.
    let code = program.code(&app, &ann, &[]).await;
    app.clock.advance(std::time::Duration::from_secs(61));
    program.exchange(&app.stranger(), &code).await.expect(400);
    let code = program.code(&app, &ann, &[]).await;
    ann.client.post("/auth/v1/logout?scope=global", json!({})).await.expect(204);
    program.exchange(&app.stranger(), &code).await.expect(400);
    assert!(app.audited("auth.code_refused").await);
}

#[tokio::test]
async fn row_28_nobody_answers_for_somebody_else_and_no_other_page_answers_at_all() {
    let app = with_server().start().await;
    let (ann, mallory) = (app.person("ann").await, app.person("mallory").await);
    let program = Program::made(&app, json!({})).await;
    // A request belongs to who looked at it first.
    let id = program.waiting(&app, &[]).await;
    let path = format!("/auth/v1/oauth/authorizations/{id}");
    ann.client.get(&path).await.expect(200);
    assert_eq!(
        mallory.client.get(&path).await.expect(404).value()["error_code"],
        "oauth_authorization_not_found"
    );
    answer(&mallory, &id, "approve").await.expect(404);
    app.stranger().get(&path).await.expect(401);
    answer(&ann, &id, "approve").await.expect(200);
    answer(&ann, &id, "approve").await.expect(404);
    // One that waited too long is gone.
    let id = program.waiting(&app, &[]).await;
    app.clock.advance(std::time::Duration::from_secs(601));
    answer(&ann, &id, "approve").await.expect(404);
    // Another site's page cannot press the button: it has neither the cookie nor the token of the form.
    let mut browser = Browser::new(app.stranger().from);
    let start = format!("{}{}", app.running.url, program.request(&[("prompt", "consent")]));
    let page = browser.open(&start).await.expect(302).header("location").to_owned();
    let text = browser.open(&page).await.expect(200).text();
    let (csrf, id) = (hidden(&text, "csrf_token"), hidden(&text, "authorization_id"));
    let at = |step: &str| format!("{}/auth/v1/oauth/consent{step}", app.running.url);
    let sign_in = [
        ("csrf_token", csrf.as_str()),
        ("authorization_id", &id),
        ("email", "ann@example.com"),
        ("password", &ann.password),
    ];
    // Login CSRF: the form without the browser's own token signs nobody in.
    let forged =
        form(&[("authorization_id", &id), ("email", "ann@example.com"), ("password", &ann.password)]);
    let evil = [
        FORM,
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "navigate"),
    ];
    let seen = browser.send(Method::POST, &at("/sign-in"), &evil, forged.into()).await.expect(403);
    assert_eq!(seen.header("set-cookie"), "");
    browser.submit(&at("/sign-in"), &sign_in).await.expect(303);
    let good = form(&[("csrf_token", &csrf), ("authorization_id", &id), ("action", "approve")]);
    let bare = form(&[("authorization_id", &id), ("action", "approve")]);
    for (headers, body) in [
        (&evil[..], &good),
        (&evil[..1], &bare),
        (&[FORM, ("origin", "null")][..], &good),
        (&[FORM, ("sec-fetch-site", "same-site")][..], &good),
    ] {
        browser.send(Method::POST, &at(""), headers, body.clone().into()).await.expect(403);
    }
    // Somebody else's token in the form is somebody else's.
    let mut other = Browser::new(app.stranger().from);
    let theirs = other.open(&page).await.expect(200).text();
    let theirs = form(&[
        ("csrf_token", &hidden(&theirs, "csrf_token")),
        ("authorization_id", &id),
        ("action", "approve"),
    ]);
    browser.send(Method::POST, &at(""), &[FORM], theirs.into()).await.expect(403);
    let looked = browser.open(&format!("{}&action=approve", page)).await.expect(200).text();
    assert!(looked.contains("wants to sign you in"), "looking approves nothing");
    browser
        .submit(&at(""), &[("csrf_token", &csrf), ("authorization_id", &id), ("action", "approve")])
        .await
        .expect(200);
}

#[tokio::test]
async fn a_program_that_was_let_in_does_not_reach_the_account() {
    let app = with_server().start().await;
    let ann = app.person("ann").await;
    let program = Program::made(&app, json!({})).await;
    let granted = program.sign_in(&app, &ann, &[]).await;
    let through = bearer(&app, &granted["access_token"]);
    for (method, path, body) in [
        (Method::PUT, "/auth/v1/user", json!({ "password": "Another-Horse-8-Battery!" })),
        (Method::PUT, "/auth/v1/user", json!({ "data": { "x": 1 } })),
        (Method::POST, "/auth/v1/logout?scope=global", json!({})),
        (Method::POST, "/auth/v1/factors", json!({ "factor_type": "totp", "friendly_name": "x" })),
        (Method::GET, "/auth/v1/reauthenticate", json!({})),
        (Method::GET, "/auth/v1/user/sessions", json!({})),
        (Method::GET, "/auth/v1/user/oauth/grants", json!({})),
        (Method::GET, "/auth/v1/user/identities/authorize?provider=google", json!({})),
        (Method::GET, "/auth/v1/admin/users", json!({})),
        (Method::GET, "/api/v1/auth/user", json!({})),
    ] {
        let seen = through.json(method.clone(), path, body).await;
        assert_eq!(seen.status, 403, "{method} {path}: {}", seen.text());
    }
    // It does not let another program in, nor itself to more.
    let id = program.waiting(&app, &[("scope", "openid phone")]).await;
    through.get(&format!("/auth/v1/oauth/authorizations/{id}")).await.expect(403);
    let consent = format!("/auth/v1/oauth/authorizations/{id}/consent");
    through.post(&consent, json!({ "action": "approve" })).await.expect(403);
    // Its refresh token is good for it alone, and at its own endpoint alone.
    let refresh = granted["refresh_token"].as_str().unwrap();
    let body = json!({ "refresh_token": refresh });
    app.stranger().post("/auth/v1/token?grant_type=refresh_token", body).await.expect(400);
    let other = Program::made(&app, json!({})).await;
    let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
    assert_eq!(other.token(&app.stranger(), &fields).await.expect(400).value()["error"], "invalid_grant");
    let own = [("grant_type", "refresh_token"), ("refresh_token", ann.refresh_token.as_str())];
    assert_eq!(program.token(&app.stranger(), &own).await.expect(400).value()["error"], "invalid_grant");
    // An ID token says who somebody is, and opens nothing.
    let id_token = bearer(&app, &granted["id_token"]);
    for path in ["/auth/v1/user", "/auth/v1/oauth/userinfo", "/rest/v1/"] {
        let seen = id_token.get(path).await;
        assert!([401, 403].contains(&seen.status.as_u16()), "{path}: {} {}", seen.status, seen.text());
    }
    through.get("/auth/v1/user").await.expect(200);
    program.token(&app.stranger(), &fields).await.expect(200);
    // An administrator's program is no administrator.
    post_form(&app.stranger(), "/auth/v1/oauth/token", &[("grant_type", "password")]).await.expect(400);
    let session = Person::sign_in(&app.stranger(), &ann.email, &ann.password).await.expect(200);
    assert!(session.value()["user"]["id"].is_string());
}

/// Anybody may register an address of theirs where that is on: our own address sends nobody there who did not agree.
#[tokio::test]
async fn row_28_a_program_that_registered_itself_has_nobody_sent_to_it_who_did_not_agree() {
    let app = with_server().with("auth.oauth_server.allow_dynamic_registration", "true").start().await;
    let theirs = json!({ "redirect_uris": [PROGRAM], "client_name": "Mallory's" });
    let made = app.stranger().post("/auth/v1/oauth/clients/register", theirs).await.expect(201).value();
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    let stranger = Program { id: text("client_id"), secret: Some(text("client_secret")) };
    let known = Program::made(&app, json!({})).await;
    for more in [("response_type", "token"), ("scope", "everything"), ("prompt", "none"), ("max_age", "x")] {
        let seen = app.stranger().get(&stranger.request(&[more])).await;
        assert!(seen.status == 400 && !seen.headers.contains_key("location"), "{more:?}: {}", seen.status);
        assert!(
            !seen.headers.contains_key("refresh") && !seen.text().contains(PROGRAM),
            "{more:?}: {}",
            seen.text()
        );
        // The neighbour: one that an administrator made hears why.
        let seen = app.stranger().get(&known.request(&[more])).await.expect(302);
        assert!(seen.header("location").starts_with(PROGRAM) && seen.header("location").contains("error="));
    }
    // Who agreed is sent there.
    let ann = app.person("ann").await;
    stranger.sign_in(&app, &ann, &[]).await;
}

/// What a program calls itself stands in a sentence of ours: it does not turn that around.
#[tokio::test]
async fn a_program_cannot_turn_around_what_the_page_says_of_it() {
    let app = with_server().with("auth.oauth_server.allow_dynamic_registration", "true").start().await;
    let path = "/auth/v1/oauth/clients/register";
    for name in ["\u{202e}eman a", "a\u{2066}name", "a\u{2028}name", "a\u{9b}name", "a\nname"] {
        let body = json!({ "redirect_uris": [PROGRAM], "client_name": name });
        let refused = app.stranger().post(path, body).await.expect(400).value();
        assert_eq!(refused["error"], "invalid_client_metadata", "{name:?}");
    }
    for name in ["Программа", "\u{645}\u{62b}\u{627}\u{644}\u{200f}", "Ann & <b>"] {
        let body = json!({ "redirect_uris": [PROGRAM], "client_name": name });
        app.stranger().post(path, body).await.expect(201);
    }
}

/// Whoever knew the old password may have let in a program of theirs: it does not come back unseen with the owner's next click.
#[tokio::test]
async fn what_was_agreed_to_is_asked_again_after_a_new_password() {
    let app = with_server().start().await;
    let ann = app.person("ann").await;
    let (program, other) = (Program::made(&app, json!({})).await, Program::made(&app, json!({})).await);
    let look = async |ann: &Person, program: &Program| {
        let id = program.waiting(&app, &[]).await;
        ann.client.get(&format!("/auth/v1/oauth/authorizations/{id}")).await.expect(200).value()
    };
    for program in [&program, &other] {
        program.sign_in(&app, &ann, &[]).await;
        assert!(look(&ann, program).await["redirect_url"].is_string(), "it is not asked again");
    }
    let change = json!({ "password": "Another-Horse-8-Battery!" });
    ann.client.json(Method::PUT, "/auth/v1/user", change).await.expect(200);
    for program in [&program, &other] {
        let asked = look(&ann, program).await;
        assert_eq!(
            (&asked["client"]["id"], asked.get("redirect_url")),
            (&json!(program.id), None),
            "{asked}"
        );
    }
    let grants = ann.client.get("/auth/v1/user/oauth/grants").await.expect(200).value();
    assert_eq!(grants, json!([]));
    program.sign_in(&app, &ann, &[]).await;
    assert!(look(&ann, &program).await["redirect_url"].is_string());
    assert!(look(&ann, &other).await.get("redirect_url").is_none(), "each for itself");
}

/// What a program asked to know is what it was told, wherever it looks: in its access token, at the account, at `userinfo`.
#[tokio::test]
async fn a_program_learns_of_its_person_what_they_agreed_to_and_no_more() {
    let app = with_server().start().await;
    let ann = app.person("ann").await;
    let said = json!({ "data": { "full_name": "Ann Secret-Name", "salary": "a-salary" } });
    ann.client.json(Method::PUT, "/auth/v1/user", said).await.expect(200);
    let program = Program::made(&app, json!({})).await;
    for (scope, email, name) in
        [("openid", false, false), ("openid profile", false, true), ("openid email", true, false)]
    {
        let granted = program.sign_in(&app, &ann, &[("scope", scope)]).await;
        let refresh =
            [("grant_type", "refresh_token"), ("refresh_token", granted["refresh_token"].as_str().unwrap())];
        let later = program.token(&app.stranger(), &refresh).await.expect(200).value();
        for granted in [granted, later] {
            let through = bearer(&app, &granted["access_token"]);
            let token = claims(&granted["access_token"]);
            let account = through.get("/auth/v1/user").await.expect(200).value();
            let info = through.get("/auth/v1/oauth/userinfo").await.expect(200).value();
            for (place, seen) in [("token", &token), ("account", &account), ("userinfo", &info)] {
                let text = seen.to_string();
                assert_eq!(text.contains("ann@example.com"), email, "{scope}, {place}: {text}");
                assert_eq!(text.contains("Ann Secret-Name"), name, "{scope}, {place}: {text}");
                assert!(!text.contains("a-salary"), "{scope}, {place}: {text}");
            }
            assert_eq!((&token["sub"], &account["id"]), (&json!(ann.id), &json!(ann.id)));
            assert_eq!(account["identities"], json!([]), "{scope}");
        }
    }
    // The neighbour: the person's own session.
    let own = ann.client.get("/auth/v1/user").await.expect(200).text();
    assert!(own.contains("ann@example.com") && own.contains("a-salary"), "{own}");
}

#[tokio::test]
async fn a_program_acts_on_its_persons_rows_and_policies_know_which_program_it_is() {
    let app = with_server().start().await;
    app.owner(
        "create table notes (id int primary key, owner uuid not null, body text); \
         alter table notes enable row level security; \
         create policy own on notes for select to authenticated using (owner = auth.uid()); \
         create policy write on notes for insert to authenticated \
             with check (owner = auth.uid() and (auth.jwt() ->> 'client_id') is null); \
         grant select, insert on notes to authenticated",
    )
    .await;
    let (ann, bob) = (app.person("ann").await, app.person("bob").await);
    for (id, person) in [(1, &ann), (2, &bob)] {
        let row = json!({ "id": id, "owner": person.id, "body": "x" });
        person.client.post("/rest/v1/notes", row).await.expect(201);
    }
    let program = Program::made(&app, json!({})).await;
    let through = bearer(&app, &program.sign_in(&app, &ann, &[]).await["access_token"]);
    let rows = through.get("/rest/v1/notes?select=id").await.expect(200).value();
    assert_eq!(rows, json!([{ "id": 1 }]));
    let row = json!({ "id": 3, "owner": ann.id, "body": "x" });
    through.post("/rest/v1/notes", row).await.expect(403);
}

#[tokio::test]
async fn row_69_a_program_that_an_administrator_lets_in_sees_what_people_see() {
    let app = with_server().start().await;
    app.owner(
        "create table public.payrolls (id int); alter table public.payrolls enable row level security; \
         grant select on public.payrolls to authenticated, service_role; insert into public.payrolls values (1)",
    )
    .await;
    let root = administrator(&app).await;
    let program = Program::made(&app, json!({})).await;
    let granted = program.sign_in(&app, &root, &[]).await;
    let rows = bearer(&app, &granted["access_token"]).get("/rest/v1/payrolls").await.expect(200).value();
    assert_eq!(rows, json!([]), "no policy lets people see them");
    bearer(&app, &granted["access_token"]).get("/auth/v1/admin/users").await.expect(403);
    // The neighbour: the administrator's own hand.
    let rows = root.client.get("/rest/v1/payrolls").await.expect(200).value();
    assert_eq!(rows.as_array().unwrap().len(), 1);
}
