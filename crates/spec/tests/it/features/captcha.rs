//! A CAPTCHA before what strangers may ask for in GoTrue's words: the proof of work, which asks no third party, and the two that do.

use serde_json::{Value, json};
use spec::person::PASSWORD;
use spec::{Client, Double, TestApp, TestAppBuilder};

use super::fluxbase_accounts::solve;

/// What upstream protects, and what it does not.
fn protected() -> Vec<(&'static str, Value)> {
    let person = json!({ "email": "ann@example.com", "password": PASSWORD });
    let email = json!({ "email": "ann@example.com" });
    vec![
        ("/auth/v1/signup", person.clone()),
        ("/auth/v1/signup", json!({})),
        ("/auth/v1/token?grant_type=password", person),
        ("/auth/v1/token?grant_type=web3", json!({ "chain": "ethereum" })),
        ("/auth/v1/otp", email.clone()),
        ("/auth/v1/magiclink", email.clone()),
        ("/auth/v1/recover", email.clone()),
        ("/auth/v1/resend", json!({ "type": "signup", "email": "ann@example.com" })),
        ("/auth/v1/sso", json!({ "domain": "company.example" })),
        ("/auth/v1/passkeys/authentication/options", json!({})),
        ("/gotrue/signup", json!({ "email": "ann@example.com", "password": PASSWORD })),
    ]
}

fn with_token(body: &Value, token: &str) -> Value {
    let mut body = body.clone();
    body["gotrue_meta_security"] = json!({ "captcha_token": token });
    body
}

async fn is_asked(client: &Client, path: &str, body: Value) -> bool {
    let seen = client.post(path, body).await;
    let asked = seen.text().contains("captcha_failed");
    assert!(
        !asked || (seen.status == 400 && !seen.text().contains("access_token")),
        "{path}: {}",
        seen.text()
    );
    asked
}

fn unlimited() -> TestAppBuilder {
    TestApp::builder().unlimited().with("auth.anonymous_users", "true").with("auth.captcha.enabled", "true")
}

#[tokio::test]
async fn a_proof_of_work_stands_before_everything_upstream_protects_and_is_good_once_for_a_while() {
    let app =
        unlimited().with("auth.captcha.work", "1000").with("auth.second_prefix", "/gotrue").start().await;
    let client = app.stranger();
    for (path, body) in protected() {
        assert!(is_asked(&client, path, body.clone()).await, "{path}: without");
        assert!(is_asked(&client, path, with_token(&body, "")).await, "{path}: empty");
        assert!(is_asked(&client, path, with_token(&body, "e30=")).await, "{path}: made up");
        let solved = solve(&client).await;
        assert!(!is_asked(&client, path, with_token(&body, &solved)).await, "{path}: solved");
        assert!(is_asked(&client, path, with_token(&body, &solved)).await, "{path}: again");
    }
    let late = solve(&client).await;
    app.clock.advance(std::time::Duration::from_secs(3600));
    let (path, body) = protected().remove(0);
    assert!(is_asked(&client, path, with_token(&body, &late)).await, "an old one");
    // A solution of somebody else's puzzle, and one that claims to be easier.
    let other = unlimited().with("auth.captcha.work", "1000").start().await;
    let foreign = solve(&other.stranger()).await;
    assert!(is_asked(&client, path, with_token(&body, &foreign)).await, "of another instance");
    // Staying signed in needs none.
    let solved = solve(&client).await;
    let enter = with_token(&json!({ "email": "ann@example.com", "password": PASSWORD }), &solved);
    let session = client.post("/auth/v1/token?grant_type=password", enter).await.expect(200).value();
    let refresh = json!({ "refresh_token": session["refresh_token"] });
    client.post("/auth/v1/token?grant_type=refresh_token", refresh).await.expect(200);
}

#[tokio::test]
async fn hcaptcha_and_turnstile_are_asked_with_our_secret_and_a_silent_one_lets_nobody_pass() {
    for provider in ["hcaptcha", "turnstile"] {
        let double = Double::start().await;
        let app = unlimited()
            .with("auth.captcha.provider", provider)
            .with("auth.captcha.secret", "our-secret")
            .with("auth.captcha.verify_url", &format!("{}/siteverify", double.url))
            .with("outbound.allow", "127.0.0.1")
            .start()
            .await;
        let client = app.stranger();
        let (path, body) = protected().remove(0);
        assert!(is_asked(&client, path, body.clone()).await);
        assert!(double.asked().is_empty(), "nothing to ask about");
        // Nobody there, a no, and something else than a yes.
        assert!(is_asked(&client, path, with_token(&body, "shown")).await, "{provider}: 404");
        for answer in
            [json!({ "success": false, "error-codes": ["bad"] }), json!({ "success": "true" }), json!({})]
        {
            double.answer("/siteverify", answer.clone());
            assert!(is_asked(&client, path, with_token(&body, "shown")).await, "{provider}: {answer}");
        }
        double.answer("/siteverify", json!({ "success": true }));
        assert!(!is_asked(&client, path, with_token(&body, "shown")).await, "{provider}");
        let asked = double.asked().pop().unwrap().whole;
        for part in ["secret=our-secret", "response=shown", &format!("remoteip={}", client.from)] {
            assert!(asked.contains(part), "{provider}: {part} in {asked}");
        }
    }
}
