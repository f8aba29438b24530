//! Accounts in the Fluxbase dialect beyond signing in: resets, links, codes, other sign-ins, captcha (wire/fluxbase.md 2.1).

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use spec::browser::parameter;
use spec::person::PASSWORD;
use spec::{Client, Idp, Seen, TestApp};

use super::oauth::{BACK, browser, today, with_idp};

const AUTH: &str = "/api/v1/auth";
const NEXT: &str = "Better-Horse-8-Battery!";

async fn post(client: &Client, path: &str, body: Value) -> Seen {
    client.post(&format!("{AUTH}/{path}"), body).await
}

fn signed_in(app: &TestApp, session: &Value) -> Client {
    app.stranger().with("authorization", &format!("Bearer {}", session["access_token"].as_str().unwrap()))
}

/// Signs somebody up and confirms the address by the link's token.
async fn confirmed(app: &TestApp, email: &str) -> Value {
    let client = app.stranger();
    let up = json!({ "email": email, "password": PASSWORD, "callback_url": "https://app.example.com/hello" });
    let waiting = post(&client, "signup", up).await.expect(201).value();
    assert_eq!(waiting["requires_email_verification"], true, "{waiting}");
    assert!(waiting.get("access_token").is_none());
    let sign_in = json!({ "email": email, "password": PASSWORD });
    assert_eq!(post(&client, "signin", sign_in).await.expect(403).value()["code"], "EMAIL_NOT_VERIFIED");
    let mail = app.mail(email, 1).await;
    assert_eq!(mail.parameter("redirect_to"), "https://app.example.com/hello");
    let token = mail.parameter("token");
    post(&client, "verify-email", json!({ "token": token })).await.expect(200).value()
}

#[tokio::test]
async fn a_password_is_reset_by_the_link_and_a_refused_one_leaves_the_link_good() {
    let app = TestApp::builder().serving().start().await;
    let client = app.stranger();
    let before = confirmed(&app, "ann@example.com").await;
    let asked = json!({ "email": "ann@example.com", "redirect_to": "https://app.example.com/reset" });
    let known = post(&client, "password/reset", asked).await.expect(200).value();
    let unknown = post(&client, "password/reset", json!({ "email": "nobody@example.com" })).await.expect(200);
    assert_eq!(known, unknown.value(), "nobody learns who has an account");
    assert!(known["user"].is_null() && known["session"].is_null());
    let mail = app.mail("ann@example.com", 2).await;
    assert_eq!(mail.parameter("redirect_to"), "https://app.example.com/reset");
    let token = mail.parameter("token");
    for _ in 0..2 {
        let seen =
            post(&client, "password/reset/verify", json!({ "token": token })).await.expect(200).value();
        assert_eq!(seen["valid"], true, "looking spends nothing: {seen}");
    }
    let nonsense = json!({ "token": "nonsense" });
    assert_eq!(post(&client, "password/reset/verify", nonsense).await.expect(200).value()["valid"], false);
    let confirm = |token: &str, password: &str| json!({ "token": token, "new_password": password });
    assert_eq!(
        post(&client, "password/reset/confirm", confirm(&token, "short")).await.expect(400).value()["code"],
        "WEAK_PASSWORD"
    );
    assert!(
        post(&client, "password/reset/confirm", confirm(&token, PASSWORD)).await.status.is_client_error()
    );
    assert!(
        post(&client, "password/reset/confirm", confirm("nonsense", NEXT)).await.status.is_client_error()
    );
    let after = post(&client, "password/reset/confirm", confirm(&token, NEXT)).await.expect(200).value();
    assert_eq!(after["user"]["email"], "ann@example.com");
    signed_in(&app, &after).get(&format!("{AUTH}/user")).await.expect(200);
    signed_in(&app, &before).get(&format!("{AUTH}/user")).await.expect(401);
    assert!(
        post(&client, "password/reset/confirm", confirm(&token, "Third-Horse-9-Battery!"))
            .await
            .status
            .is_client_error()
    );
    assert_eq!(
        post(&client, "password/reset/verify", json!({ "token": token })).await.value()["valid"],
        false
    );
    post(&client, "signin", json!({ "email": "ann@example.com", "password": NEXT })).await.expect(200);
    post(&client, "signin", json!({ "email": "ann@example.com", "password": PASSWORD })).await.expect(401);
    assert!(app.audited("auth.password_changed").await);
}

#[tokio::test]
async fn a_reset_link_does_not_stand_for_a_second_factor() {
    let app = TestApp::builder().serving().start().await;
    let client = app.stranger();
    let session = confirmed(&app, "ann@example.com").await;
    let ann = signed_in(&app, &session);
    let setup =
        ann.send(Method::POST, &format!("{AUTH}/2fa/setup"), &[], Bytes::new()).await.expect(200).value();
    let secret = setup["secret"].as_str().unwrap().to_owned();
    let code = || testkit::totp(&secret, app.clock.now().as_second());
    post(&ann, "2fa/enable", json!({ "code": code() })).await.expect(200);
    post(&client, "password/reset", json!({ "email": "ann@example.com" })).await.expect(200);
    let mut token = String::new();
    app.eventually(async || {
        let mails = spec::mail::read_all(&app.data().join("mails"), "ann@example.com");
        let found = mails.iter().rev().find(|mail| mail.text.contains("type=recovery"));
        token = found.map(|mail| mail.parameter("token")).unwrap_or_default();
        !token.is_empty()
    })
    .await;
    let half = post(&client, "password/reset/confirm", json!({ "token": token, "new_password": NEXT })).await;
    let half = half.expect(200).value();
    assert_eq!(half["requires_2fa"], true, "{half}");
    assert!(half.get("access_token").is_none());
    let sign_in = |password: &str| json!({ "email": "ann@example.com", "password": password });
    post(&client, "signin", sign_in(NEXT)).await.expect(401);
    assert_eq!(post(&client, "signin", sign_in(PASSWORD)).await.expect(200).value()["requires_2fa"], true);
    app.clock.advance(std::time::Duration::from_secs(60));
    let shown = json!({ "user_id": half["user_id"], "code": code() });
    let whole = post(&client, "2fa/verify", shown).await.expect(200).value();
    let ann = signed_in(&app, &whole);
    ann.json(Method::PATCH, &format!("{AUTH}/user"), json!({ "password": NEXT })).await.expect(200);
    assert_eq!(post(&client, "signin", sign_in(NEXT)).await.expect(200).value()["requires_2fa"], true);
}

#[tokio::test]
async fn magic_links_and_codes_sign_in_once() {
    let app = TestApp::builder().serving().start().await;
    let client = app.stranger();
    post(&client, "magiclink", json!({ "email": "bea@example.com" })).await.expect(200);
    let token = app.mail("bea@example.com", 1).await.parameter("token");
    let session = post(&client, "magiclink/verify", json!({ "token": token })).await.expect(200).value();
    assert_eq!(session["user"]["email_verified"], true, "{session}");
    assert!(post(&client, "magiclink/verify", json!({ "token": token })).await.status.is_client_error());
    let asked = json!({ "email": "bea@example.com", "options": { "shouldCreateUser": false } });
    assert!(post(&client, "otp/signin", asked).await.expect(200).value()["session"].is_null());
    let code = app.mail("bea@example.com", 2).await.code();
    let wrong = json!({ "email": "bea@example.com", "token": "000000", "type": "email" });
    assert!(post(&client, "otp/verify", wrong).await.status.is_client_error());
    let right = json!({ "email": "bea@example.com", "token": code, "type": "email" });
    let session = post(&client, "otp/verify", right.clone()).await.expect(200).value();
    assert!(session["refresh_token"].is_string());
    assert!(post(&client, "otp/verify", right).await.status.is_client_error(), "a code is used once");
    post(&client, "otp/resend", json!({ "type": "email", "email": "bea@example.com" })).await.expect(200);
    let code = app.mail("bea@example.com", 3).await.code();
    let again = json!({ "email": "bea@example.com", "token": code });
    post(&client, "otp/verify", again).await.expect(200);
    for empty in
        [json!({}), json!({ "email": "", "phone": "" }), json!({ "email": "a@b.c", "phone": "+4912345678" })]
    {
        post(&client, "otp/signin", empty).await.expect(400);
    }
    // Nobody new is made where that was not wanted, and the answer is the same.
    let asked = json!({ "email": "new@example.com", "options": { "should_create_user": false } });
    post(&client, "otp/signin", asked).await.expect(200);
    let known = app.service().get("/auth/v1/admin/users").await.expect(200).value();
    assert_eq!(known["users"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_change_that_needs_presence_takes_the_code_that_was_mailed_and_never_answered() {
    let app = TestApp::builder().serving().with("auth.require_2fa_for_sensitive_ops", "true").start().await;
    let session = confirmed(&app, "ann@example.com").await;
    let ann = signed_in(&app, &session);
    app.clock.advance(std::time::Duration::from_secs(600));
    let change = |nonce: Option<&str>| json!({ "password": NEXT, "nonce": nonce.unwrap_or_default() });
    let path = format!("{AUTH}/user");
    assert!(ann.json(Method::PATCH, &path, change(None)).await.status.is_client_error());
    let told = post(&ann, "reauthenticate", Value::Null).await.expect(200).value();
    assert!(told["nonce"].is_null(), "{told}");
    let code = app.mail("ann@example.com", 2).await.code();
    assert!(ann.json(Method::PATCH, &path, change(Some("000000"))).await.status.is_client_error());
    ann.json(Method::PATCH, &path, change(Some(&code))).await.expect(200);
}

#[tokio::test]
async fn somebody_signs_in_through_another_provider_and_links_and_unlinks_one() {
    let idp = Idp::start().await;
    let app = today(with_idp(&idp)).await;
    let client = app.stranger();
    let listed = client.get(&format!("{AUTH}/oauth/providers")).await.expect(200).value();
    assert_eq!(listed["providers"][0]["id"], "keycloak", "{listed}");
    let config = client.get(&format!("{AUTH}/config")).await.expect(200).value();
    assert_eq!(config["oauth_providers"][0]["provider"], "keycloak");
    let begin = async |more: &str| {
        let path = format!("{AUTH}/oauth/keycloak/authorize?redirect_to={BACK}&login_hint={more}");
        let seen = client.get(&path).await.expect(200).value();
        assert_eq!(seen["provider"], "keycloak");
        seen["url"].as_str().unwrap().to_owned()
    };
    let url = begin("s-1~ann%40example.com~true~Ann").await;
    assert!(url.starts_with(&app.running.url), "the flow is bound to the browser at our own place: {url}");
    let back = browser(&app).follow(&url, BACK).await;
    let (code, state) = (parameter(&back, "code").unwrap(), parameter(&back, "state").unwrap());
    assert!(!back.contains("access_token"), "{back}");
    let exchange = async |code: &str, state: &str| {
        client
            .get(&format!("{AUTH}/oauth/keycloak/callback?code={code}&state={state}&redirect_uri={BACK}"))
            .await
    };
    let session = exchange(&code, &state).await.expect(200).value();
    assert_eq!(session["user"]["email"], "ann@example.com");
    assert!(exchange(&code, &state).await.status.is_client_error(), "a code is spent once");
    // A code alone is worth nothing, and another flow's state neither.
    let back = browser(&app).follow(&begin("s-1~ann%40example.com~true~Ann").await, BACK).await;
    let other = parameter(&back, "code").unwrap();
    client.get(&format!("{AUTH}/oauth/keycloak/callback?code={other}")).await.expect(400);
    assert!(exchange(&other, &state).await.status.is_client_error());
    assert!(
        exchange(&other, &parameter(&back, "state").unwrap()).await.status.is_client_error(),
        "spent by the first try"
    );
    // Nobody else's browser takes the flow up.
    let url = begin("s-1~ann%40example.com~true~Ann").await;
    let _back = browser(&app).follow(&url, BACK).await;
    let elsewhere = browser(&app).open(&url).await;
    assert!(!elsewhere.header("location").starts_with(&idp.issuer), "{}", elsewhere.header("location"));

    let ann = signed_in(&app, &session);
    let seen = ann.get(&format!("{AUTH}/oauth/keycloak/token")).await.expect(404).value();
    assert_eq!(seen["error_code"], "oauth_token_not_found");
    let linked = post(&ann, "user/identities", json!({ "provider": "keycloak", "redirect_to": BACK })).await;
    assert!(linked.expect(200).field("url").starts_with(&app.running.url));
    let identities = ann.get(&format!("{AUTH}/user/identities")).await.expect(200).value();
    let only = identities["identities"][0]["id"].as_str().unwrap().to_owned();
    let gone = ann.send(Method::DELETE, &format!("{AUTH}/user/identities/{only}"), &[], Bytes::new()).await;
    assert!(gone.status.is_client_error(), "the last way in stays: {}", gone.text());
    let out = post(&ann, "oauth/keycloak/logout", json!({})).await.expect(200).value();
    assert_eq!(out["local_tokens_revoked"], true);
    ann.get(&format!("{AUTH}/user")).await.expect(401);
    for provider in ["github", "nonsense"] {
        client.get(&format!("{AUTH}/oauth/{provider}/authorize")).await.expect(400);
    }
    let evil = format!(
        "{AUTH}/oauth/keycloak/authorize?redirect_to=https://evil.example/&login_hint=s-1~ann%40example.com~true~Ann"
    );
    let url = client.get(&evil).await.expect(200).field("url");
    let back = browser(&app).follow(&url, "http://localhost:3000").await;
    assert!(back.starts_with("http://localhost:3000"), "a place that is not allowed is the site: {back}");
}

#[tokio::test]
async fn somebody_without_a_name_becomes_an_account_where_that_is_on() {
    let app = TestApp::builder().unlimited().with("auth.anonymous_users", "true").start().await;
    let session =
        app.stranger().send(Method::POST, &format!("{AUTH}/signin/anonymous"), &[], Bytes::new()).await;
    let session = session.expect(200).value();
    assert_eq!((&session["is_anonymous"], &session["user"]["is_anonymous"]), (&json!(true), &json!(true)));
    signed_in(&app, &session).get(&format!("{AUTH}/user")).await.expect(200);
    let app = TestApp::start().await;
    let refused =
        app.stranger().send(Method::POST, &format!("{AUTH}/signin/anonymous"), &[], Bytes::new()).await;
    assert!(refused.status.is_client_error());
    let config = app.stranger().get(&format!("{AUTH}/config")).await.expect(200).value();
    assert_eq!(
        (&config["anonymous_enabled"], &config["captcha"]),
        (&json!(false), &json!({ "enabled": false }))
    );
}

#[tokio::test]
async fn a_captcha_that_is_on_is_asked_for_in_this_dialect_too_and_told_of() {
    let app = TestApp::builder()
        .unlimited()
        .with("auth.captcha.enabled", "true")
        .with("auth.captcha.work", "1000")
        .start()
        .await;
    let client = app.stranger();
    let config = client.get(&format!("{AUTH}/captcha/config")).await.expect(200).value();
    assert_eq!((&config["enabled"], &config["provider"]), (&json!(true), &json!("pow")));
    let check = post(&client, "captcha/check", json!({ "endpoint": "login" })).await.expect(200).value();
    assert_eq!(check["captcha_required"], true);
    assert_eq!(
        post(&client, "captcha/check", json!({ "endpoint": "else" })).await.value()["captcha_required"],
        false
    );
    let person = json!({ "email": "ann@example.com", "password": PASSWORD });
    let email = json!({ "email": "ann@example.com" });
    for (path, body) in [
        ("signup", &person),
        ("signin", &person),
        ("signin/anonymous", &email),
        ("password/reset", &email),
        ("magiclink", &email),
        ("otp/signin", &email),
        ("otp/resend", &email),
        ("verify-email/resend", &email),
    ] {
        let seen = post(&client, path, body.clone()).await;
        assert!(seen.status.is_client_error() && seen.text().contains("captcha"), "{path}: {}", seen.text());
    }
    let mut solved = person.clone();
    solved["captcha_token"] = json!(solve(&client).await);
    post(&client, "signup", solved.clone()).await.expect(201);
    assert!(post(&client, "signin", solved).await.status.is_client_error(), "a solution is good once");
    let mut again = person;
    again["captcha_token"] = json!(solve(&client).await);
    post(&client, "signin", again).await.expect(200);
}

/// Finds the number that was hashed, as a browser would.
pub async fn solve(client: &Client) -> String {
    use base64::Engine;
    let work = client.get("/auth/v1/captcha").await.expect(200).value();
    let (salt, challenge) = (work["salt"].as_str().unwrap(), work["challenge"].as_str().unwrap());
    let digest = |number: u64| {
        let text = format!("{salt}{number}");
        hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes()))
    };
    let number =
        (0..=work["maxnumber"].as_u64().unwrap()).find(|number| digest(*number) == challenge).unwrap();
    let solved = json!({ "algorithm": "SHA-256", "challenge": challenge, "number": number, "salt": salt, "signature": work["signature"] });
    base64::engine::general_purpose::STANDARD.encode(solved.to_string())
}

#[tokio::test]
async fn a_browser_is_given_the_token_that_its_own_cookie_makes() {
    let app = TestApp::start().await;
    let seen = app.stranger().get(&format!("{AUTH}/csrf")).await.expect(200);
    let cookie = seen.header("set-cookie").split(';').next().unwrap().to_owned();
    let token = seen.field("csrf_token");
    let again = app.stranger().with("cookie", &cookie).get(&format!("{AUTH}/csrf")).await.expect(200);
    assert_eq!(again.field("csrf_token"), token);
    assert_eq!(again.header("set-cookie"), "");
    assert_ne!(app.stranger().get(&format!("{AUTH}/csrf")).await.field("csrf_token"), token);
}
