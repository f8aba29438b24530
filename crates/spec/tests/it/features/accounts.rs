//! People: sign up, sign in, change, leave.

use serde_json::json;
use spec::{Person, TestApp};

#[tokio::test]
async fn a_person_signs_up_signs_in_and_is_themselves() {
    let app = TestApp::start().await;
    let ann = app.person("ann").await;
    let session =
        Person::sign_in(&app.stranger(), "ann@example.com", spec::person::PASSWORD).await.expect(200).value();
    assert_eq!(session["token_type"], "bearer");
    assert_eq!(session["expires_in"], 900, "fifteen minutes (control 27)");
    let user = ann.client.get("/auth/v1/user").await.expect(200).value();
    assert_eq!(user["email"], "ann@example.com");
    assert_eq!(user["id"], ann.id);
    assert!(user["identities"][0]["last_sign_in_at"].is_string());
}

#[tokio::test]
async fn signing_out_elsewhere_leaves_this_session_alive() {
    let app = TestApp::start().await;
    let here = app.person("ann").await;
    let there = Person::sign_in(&app.stranger(), "ann@example.com", spec::person::PASSWORD).await.expect(200);
    let there = Person::from(&app.stranger(), "ann@example.com", &there.value());
    here.client.post("/auth/v1/logout?scope=others", json!({})).await.expect(204);
    here.client.get("/auth/v1/user").await.expect(200);
    assert_eq!(there.client.get("/auth/v1/user").await.status, 403);
}

#[tokio::test]
async fn a_short_password_is_refused_with_its_reason() {
    let app = TestApp::start().await;
    let seen = app
        .stranger()
        .post("/auth/v1/signup", json!({ "email": "a@example.com", "password": "Short1!" }))
        .await
        .expect(422);
    assert_eq!(seen.value()["error_code"], "weak_password");
    assert_eq!(seen.value()["weak_password"]["reasons"][0], "length");
}

#[tokio::test]
async fn both_error_shapes_are_spoken() {
    let app = TestApp::start().await;
    let old = app.stranger().get("/auth/v1/user").await.expect(401).value();
    assert_eq!((&old["code"], &old["error_code"]), (&json!(401), &json!("no_authorization")));
    let new =
        app.stranger().with("x-supabase-api-version", "2024-01-01").get("/auth/v1/user").await.expect(401);
    assert_eq!(new.value()["code"], "no_authorization");
    assert_eq!(new.header("x-supabase-api-version"), "2024-01-01");
}

#[tokio::test]
async fn sign_in_and_sign_out_are_audited_by_the_guides_names() {
    let app = TestApp::start().await;
    let ann = app.person("ann").await;
    Person::sign_in(&app.stranger(), "ann@example.com", spec::person::PASSWORD).await.expect(200);
    Person::sign_in(&app.stranger(), "ann@example.com", "Wrong-Password-1!").await.expect(400);
    ann.client.post("/auth/v1/logout", json!({})).await.expect(204);
    for event in ["auth.signup", "auth.login", "auth.logout", "auth.login_failed"] {
        assert!(app.audited(event).await, "{event}");
    }
}
