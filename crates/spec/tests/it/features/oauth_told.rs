//! What the log is told of between programs and people: refusals, and tokens that are given back.

use http::Method;
use serde_json::{Value, json};
use spec::TestApp;

use super::oauth_server::{PROGRAM, Program, answer, post_form, with_server};

/// The entries of a name, newest first.
async fn entries(app: &TestApp, event: &str) -> Vec<Value> {
    let audit = &app.running.services.audit;
    audit.settle().await.unwrap();
    let filter = audit::Filter { event: Some(event.to_owned()), ..audit::Filter::default() };
    let found = audit.find(&filter, None, 50).await.unwrap();
    found.iter().map(|entry| serde_json::from_str(&entry.body).unwrap()).collect()
}

/// How many there are, and why the newest.
async fn told(app: &TestApp, event: &str) -> (usize, String) {
    let found = entries(app, event).await;
    let why = found.first().and_then(|entry| entry["reason"].as_str());
    (found.len(), why.unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_consent_that_is_refused_is_recorded() {
    let app = with_server().start().await;
    let ann = app.person("ann").await;
    let bob = app.person("bob").await;
    let program = Program::made(&app, json!({})).await;
    let id = program.waiting(&app, &[]).await;
    ann.client.get(&format!("/auth/v1/oauth/authorizations/{id}")).await.expect(200);
    assert_eq!(told(&app, "auth.consent_refused").await.0, 0, "looking at one's own is no refusal");
    // Somebody else's, answered already, and never there.
    bob.client.get(&format!("/auth/v1/oauth/authorizations/{id}")).await.expect(404);
    answer(&bob, &id, "approve").await.expect(404);
    answer(&ann, &id, "deny").await.expect(200);
    answer(&ann, &id, "approve").await.expect(404);
    answer(&ann, "nothing-of-ours", "approve").await.expect(404);
    let expected = (4, "auth.server.no_authorization".to_owned());
    assert_eq!(told(&app, "auth.consent_refused").await, expected);
    let grant = format!("/auth/v1/user/oauth/grants?client_id={}", program.id);
    ann.client.send(Method::DELETE, &grant, &[], bytes::Bytes::new()).await.expect(404);
    assert_eq!(told(&app, "auth.consent_refused").await, (5, "auth.server.no_consent".to_owned()));
}

#[tokio::test]
async fn a_request_for_consent_that_is_refused_is_recorded() {
    let app = with_server().start().await;
    let program = Program::made(&app, json!({})).await;
    app.stranger().get(&program.request(&[])).await.expect(302);
    assert_eq!(told(&app, "auth.consent_request_refused").await.0, 0);
    // Refused here, and refused to the program.
    app.stranger().get(&program.request(&[("redirect_uri", "https://evil.example/")])).await.expect(400);
    assert_eq!(told(&app, "auth.consent_request_refused").await, (1, "auth.server.request".to_owned()));
    app.stranger().get(&program.request(&[("code_challenge", "")])).await.expect(302);
    assert_eq!(told(&app, "auth.consent_request_refused").await, (2, "invalid_request".to_owned()));
    let newest = entries(&app, "auth.consent_request_refused").await.remove(0);
    assert_eq!(newest["subject"], Value::String(format!("client:{}", program.id)));
    // Nobody may be asked, and nobody is there.
    app.stranger().get(&program.request(&[("prompt", "none")])).await.expect(302);
    assert_eq!(told(&app, "auth.consent_refused").await, (1, "login_required".to_owned()));
}

#[tokio::test]
async fn a_program_that_may_not_register_itself_is_recorded() {
    let body = json!({ "client_name": "x", "redirect_uris": [PROGRAM] });
    let closed = with_server().start().await;
    closed.stranger().post("/auth/v1/oauth/clients/register", body.clone()).await.expect(403);
    assert_eq!(told(&closed, "auth.client_refused").await, (1, "auth.server.no_registration".to_owned()));
    let open = with_server().with("auth.oauth_server.allow_dynamic_registration", "true").start().await;
    open.stranger().post("/auth/v1/oauth/clients/register", body).await.expect(201);
    assert_eq!(told(&open, "auth.client_refused").await.0, 0);
    let bad = json!({ "client_name": "x", "redirect_uris": ["javascript:alert(1)"] });
    open.stranger().post("/auth/v1/oauth/clients/register", bad).await.expect(400);
    assert_eq!(told(&open, "auth.client_refused").await, (1, "auth.server.redirect_uri".to_owned()));
}

#[tokio::test]
async fn what_a_program_sends_twice_or_leaves_out_is_recorded() {
    let app = with_server().start().await;
    let program = Program::made(&app, json!({})).await;
    let twice = format!("{}&state=other", program.request(&[]));
    app.stranger().get(&twice).await.expect(400);
    assert_eq!(told(&app, "auth.consent_request_refused").await, (1, "auth.server.request".to_owned()));
    for (path, fields) in [
        ("/auth/v1/oauth/token", &[("grant_type", "refresh_token"), ("grant_type", "refresh_token")][..]),
        ("/auth/v1/oauth/token", &[("grant_type", "password")]),
        ("/auth/v1/oauth/token", &[]),
        ("/auth/v1/oauth/revoke", &[("token", "a"), ("token", "b")]),
        ("/auth/v1/oauth/revoke", &[]),
    ] {
        let before = told(&app, "auth.client_refused").await.0;
        post_form(&app.stranger(), path, fields).await.expect(400);
        assert_eq!(told(&app, "auth.client_refused").await.0, before + 1, "{path} {fields:?}");
    }
}

#[tokio::test]
async fn a_token_that_is_given_back_is_recorded_and_so_is_who_may_not() {
    let app = with_server().start().await;
    let ann = app.person("ann").await;
    let program = Program::made(&app, json!({})).await;
    let granted = program.sign_in(&app, &ann, &[]).await;
    let token = granted["refresh_token"].as_str().unwrap();
    let give = async |secret: &str| {
        let fields = [("token", token), ("client_id", program.id.as_str()), ("client_secret", secret)];
        post_form(&app.stranger(), "/auth/v1/oauth/revoke", &fields).await
    };
    give("a-guess").await.expect(400);
    assert_eq!(told(&app, "auth.client_refused").await, (1, "auth.server.credentials".to_owned()));
    assert_eq!(told(&app, "auth.token_given_back").await.0, 0);
    give(program.secret.as_ref().unwrap()).await.expect(200);
    let newest = entries(&app, "auth.token_given_back").await.remove(0);
    assert_eq!(newest["subject"], Value::String(format!("user:{}", ann.id)));
    assert_eq!(newest["actor"], Value::String(format!("client:{}", program.id)));
}
