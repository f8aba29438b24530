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
