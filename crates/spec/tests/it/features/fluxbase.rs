//! The Fluxbase dialect: what its SDK sends (wire/fluxbase.md 2.1), sent as it sends it.

use http::Method;
use serde_json::{Value, json};
use spec::person::PASSWORD;
use spec::{Client, TestApp};

/// The SDK's headers: the key as `apikey`, and as a bearer until somebody signed in.
fn sdk(app: &TestApp) -> Client {
    let token = app.running.keys.anon_token.clone();
    app.stranger().with("authorization", &format!("Bearer {token}"))
}

fn signed_in(app: &TestApp, session: &Value) -> Client {
    let token = session["access_token"].as_str().unwrap();
    app.stranger().with("authorization", &format!("Bearer {token}"))
}

#[tokio::test]
async fn somebody_signs_up_in_looks_changes_refreshes_and_out() {
    let app = TestApp::start().await;
    let client = sdk(&app);
    let up = json!({ "email": "ann@example.com", "password": PASSWORD, "user_metadata": { "name": "Ann" } });
    let session = client.post("/api/v1/auth/signup", up).await.expect(201).value();
    for field in ["access_token", "refresh_token"] {
        assert!(session[field].as_str().is_some_and(|text| !text.is_empty()), "{session}");
    }
    assert_eq!(session["expires_in"], 900);
    assert_eq!(session["user"]["email_verified"], true);
    assert_eq!(session["user"]["metadata"]["name"], "Ann");
    let sign_in = json!({ "email": "ann@example.com", "password": PASSWORD });
    let session = client.post("/api/v1/auth/signin", sign_in).await.expect(200).value();
    let ann = signed_in(&app, &session);
    let user = ann.get("/api/v1/auth/user").await.expect(200).value();
    assert_eq!((&user["email"], &user["role"]), (&json!("ann@example.com"), &json!("authenticated")));
    let change = json!({ "user_metadata": { "name": "Ann B" } });
    let changed = ann.json(Method::PATCH, "/api/v1/auth/user", change).await.expect(200).value();
    assert_eq!(changed["user_metadata"]["name"], "Ann B");
    let identities = ann.get("/api/v1/auth/user/identities").await.expect(200).value();
    assert_eq!(identities["identities"][0]["provider"], "email");
    let factors = ann.get("/api/v1/auth/2fa/status").await.expect(200).value();
    assert_eq!((&factors["all"], &factors["totp_enabled"]), (&json!([]), &json!(false)));
    let refresh = json!({ "refresh_token": session["refresh_token"] });
    let next = client.post("/api/v1/auth/refresh", refresh).await.expect(200).value();
    let ann = signed_in(&app, &next);
    ann.post("/api/v1/auth/signout", Value::Null).await.expect(200);
    let seen = ann.get("/api/v1/auth/user").await.expect(401);
    assert_eq!(seen.value()["error"], "Token has been revoked");
    // The same account on the other dialect.
    let token = "/auth/v1/token?grant_type=password";
    client.post(token, json!({ "email": "ann@example.com", "password": PASSWORD })).await.expect(200);
}

#[tokio::test]
async fn refusals_are_worded_as_the_sdk_reads_them() {
    let app = TestApp::start().await;
    app.person("ann").await;
    let wrong = json!({ "email": "ann@example.com", "password": "Wrong-horse*1" });
    let unknown = json!({ "email": "nobody@example.com", "password": "Wrong-horse*1" });
    let known = sdk(&app).post("/api/v1/auth/signin", wrong).await.expect(401).value();
    let other = sdk(&app).post("/api/v1/auth/signin", unknown).await.expect(401).value();
    assert_eq!(known["error"], "Invalid login credentials");
    assert_eq!((&known["error"], &known["code"]), (&other["error"], &other["code"]));
    assert!(known["request_id"].is_string());
    let weak = json!({ "email": "bea@example.com", "password": "short" });
    let seen = sdk(&app).post("/api/v1/auth/signup", weak).await.expect(400).value();
    assert_eq!(seen["code"], "WEAK_PASSWORD");
    sdk(&app).get("/api/v1/auth/user").await.expect(401);
    app.stranger().get("/api/v1/auth/nothing").await.expect(404);
}

#[tokio::test]
async fn the_guides_limits_hold_here_too_and_share_one_budget() {
    let app = TestApp::start().await;
    let client = sdk(&app);
    let guess = json!({ "email": "ann@example.com", "password": "Wrong-horse*1" });
    let mut seen = Vec::new();
    for at in 0..6 {
        let path = if at % 2 == 0 { "/api/v1/auth/signin" } else { "/auth/v1/token?grant_type=password" };
        seen.push(client.post(path, guess.clone()).await.status.as_u16());
    }
    assert_eq!(seen.last(), Some(&429), "{seen:?}");
    let config = app.stranger().get("/api/v1/auth/config").await.expect(200).value();
    assert_eq!(
        (&config["password_min_length"], &config["password_require_uppercase"]),
        (&json!(12), &json!(true))
    );
    assert_eq!(config["saml_providers"], json!([]));
}

#[tokio::test]
async fn a_second_factor_is_set_up_asked_for_and_taken_away_as_the_guide_calls_it() {
    let app = TestApp::builder().unlimited().start().await;
    let client = sdk(&app);
    let person = json!({ "email": "ann@example.com", "password": PASSWORD });
    let session = client.post("/api/v1/auth/signup", person.clone()).await.expect(201).value();
    let ann = signed_in(&app, &session);
    // An earlier try that was not finished is no hindrance.
    ann.post("/api/v1/auth/2fa/setup", Value::Null).await.expect(200);
    let setup =
        ann.send(Method::POST, "/api/v1/auth/2fa/setup", &[], bytes::Bytes::new()).await.expect(200).value();
    let secret = setup["secret"].as_str().unwrap().to_owned();
    assert!(setup["qr_code"].as_str().unwrap().starts_with("data:image/"), "{setup}");
    assert_eq!((&setup["type"], &setup["totp"]["secret"]), (&json!("totp"), &setup["secret"]));
    let code = || testkit::totp(&secret, app.clock.now().as_second());
    let wrong = json!({ "code": testkit::wrong_totp(&secret, app.clock.now().as_second()) });
    assert!(ann.post("/api/v1/auth/2fa/enable", wrong).await.status.is_client_error());
    // The SDK sends the guide's `enable2FA({ code })` as a code in a code.
    let enabled = json!({ "code": { "code": code() } });
    let enabled = ann.post("/api/v1/auth/2fa/enable", enabled).await.expect(200).value();
    assert_eq!(enabled["success"], true);
    assert_eq!(enabled["backup_codes"].as_array().unwrap().len(), 10);
    let both = signed_in(&app, &enabled);
    let status = both.get("/api/v1/auth/2fa/status").await.expect(200).value();
    assert_eq!((&status["totp_enabled"], &status["totp"][0]["status"]), (&json!(true), &json!("verified")));

    let half = client.post("/api/v1/auth/signin", person.clone()).await.expect(200).value();
    assert_eq!(half["requires_2fa"], true);
    assert!(half.get("access_token").is_none() && half.get("refresh_token").is_none());
    app.clock.advance(std::time::Duration::from_secs(60));
    let account = session["user"]["id"].clone();
    let code_of = |user: &Value, code: String| json!({ "user_id": user, "code": code });
    client.post("/api/v1/auth/2fa/verify", code_of(&account, code())).await.expect(401);
    let whole =
        client.post("/api/v1/auth/2fa/verify", code_of(&half["user_id"], code())).await.expect(200).value();
    assert!(whole["access_token"].is_string(), "{whole}");
    let again = client.post("/api/v1/auth/signin", person.clone()).await.expect(200).value();
    let backup = enabled["backup_codes"][0].as_str().unwrap().to_owned();
    client.post("/api/v1/auth/2fa/verify", code_of(&again["user_id"], backup.clone())).await.expect(200);
    let again = client.post("/api/v1/auth/signin", person.clone()).await.expect(200).value();
    let seen = client.post("/api/v1/auth/2fa/verify", code_of(&again["user_id"], backup)).await;
    assert!(seen.status.is_client_error(), "a backup code is used once: {}", seen.text());

    let both = signed_in(&app, &whole);
    let disable = |password: &str| json!({ "password": password });
    assert!(both.post("/api/v1/auth/2fa/disable", disable("Wrong-horse*1")).await.status.is_client_error());
    both.post("/api/v1/auth/2fa/disable", disable(PASSWORD)).await.expect(200);
    let plain = client.post("/api/v1/auth/signin", person).await.expect(200).value();
    assert!(plain["access_token"].is_string(), "{plain}");
}
