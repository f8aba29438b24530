//! Sessions to look through and end, accounts without an address, and what administrators see.

use base::{Profile, Settings};
use serde_json::{Value, json};

use crate::gotrue::{GoTrue, PASSWORD};

fn token(session: &Value) -> &str {
    session["access_token"].as_str().unwrap()
}

async fn sign_in(gotrue: &GoTrue, email: &str) -> Value {
    let body = json!({ "email": email, "password": PASSWORD });
    gotrue.call("POST", "/auth/v1/token?grant_type=password", None, body).await.expect(200).json()
}

#[tokio::test]
async fn a_person_sees_their_sessions_with_device_and_place_and_ends_one() {
    let gotrue = GoTrue::new().await;
    let first = gotrue.sign_up("ann@example.com").await;
    gotrue.clock.advance(std::time::Duration::from_secs(1));
    let body = json!({ "email": "ann@example.com", "password": PASSWORD }).to_string();
    let phone = [("user-agent", "Telephone/1.0")];
    let second = gotrue
        .send("POST", "/auth/v1/token?grant_type=password", None, &phone, body)
        .await
        .expect(200)
        .json();
    let sessions = gotrue.call("GET", "/auth/v1/user/sessions", Some(token(&first)), Value::Null).await;
    let sessions = sessions.expect(200).json();
    assert_eq!(sessions.as_array().unwrap().len(), 2);
    assert_eq!(
        (&sessions[0]["user_agent"], &sessions[0]["current"]),
        (&json!("Telephone/1.0"), &json!(false))
    );
    assert_eq!((&sessions[1]["current"], &sessions[0]["amr"]), (&json!(true), &json!(["password"])));
    let path = format!("/auth/v1/user/sessions/{}", sessions[0]["id"].as_str().unwrap());
    let bob = gotrue.sign_up("bob@example.com").await;
    gotrue.call("DELETE", &path, Some(token(&bob)), Value::Null).await.expect(404);
    gotrue.call("DELETE", &path, Some(token(&first)), Value::Null).await.expect(204);
    gotrue.call("GET", "/auth/v1/user", Some(token(&second)), Value::Null).await.expect(403);
    gotrue.call("GET", "/auth/v1/user", Some(token(&first)), Value::Null).await.expect(200);
}

#[tokio::test]
async fn administrators_see_and_end_anybodys_sessions() {
    let gotrue = GoTrue::new().await;
    let ann = gotrue.sign_up("ann@example.com").await;
    let more = sign_in(&gotrue, "ann@example.com").await;
    let key = gotrue.service_key();
    let path = format!("/auth/v1/admin/users/{}/sessions", ann["user"]["id"].as_str().unwrap());
    let list = gotrue.call("GET", &path, Some(&key), Value::Null).await.expect(200).json();
    assert_eq!(list.as_array().unwrap().len(), 2);
    gotrue.call("GET", &path, Some(token(&ann)), Value::Null).await.expect(403);
    let one = format!("{path}/{}", list[0]["id"].as_str().unwrap());
    gotrue.call("DELETE", &one, Some(&key), Value::Null).await.expect(204);
    gotrue.call("DELETE", &one, Some(&key), Value::Null).await.expect(404);
    gotrue.call("DELETE", &path, Some(&key), Value::Null).await.expect(204);
    for session in [&ann, &more] {
        gotrue.call("GET", "/auth/v1/user", Some(token(session)), Value::Null).await.expect(403);
    }
}

#[tokio::test]
async fn the_banned_are_told_that_they_are() {
    let gotrue = GoTrue::new().await;
    let ann = gotrue.sign_up("ann@example.com").await;
    let path = format!("/auth/v1/admin/users/{}", ann["user"]["id"].as_str().unwrap());
    let ban = json!({ "ban_duration": "24h" });
    gotrue.call("PUT", &path, Some(&gotrue.service_key()), ban).await.expect(200);
    let refused = gotrue.call("GET", "/auth/v1/user", Some(token(&ann)), Value::Null).await.expect(403);
    assert_eq!(refused.json()["error_code"], "user_banned");
}

#[tokio::test]
async fn anonymous_accounts_are_off_until_switched_on_and_ordinary_with_their_first_address() {
    let gotrue = GoTrue::new().await;
    let off = gotrue.call("POST", "/auth/v1/signup", None, json!({ "data": {} })).await.expect(422);
    assert_eq!(off.json()["error_code"], "anonymous_provider_disabled");
    let on = Settings::default().with("auth.anonymous_users", "true");
    let gotrue = GoTrue::with(on, Profile::Dev).await;
    let said = gotrue.call("GET", "/auth/v1/settings", None, Value::Null).await.expect(200).json();
    assert_eq!(said["external"]["anonymous_users"], true);
    let body = json!({ "data": { "theme": "dark" } });
    let session = gotrue.call("POST", "/auth/v1/signup", None, body).await.expect(200).json();
    let user = &session["user"];
    assert_eq!(
        (&user["is_anonymous"], &user["email"], &user["role"]),
        (&json!(true), &json!(""), &json!("authenticated"))
    );
    assert_eq!((&user["identities"], &user["user_metadata"]["theme"]), (&json!([]), &json!("dark")));
    let put = async |body: Value| gotrue.call("PUT", "/auth/v1/user", Some(token(&session)), body).await;
    let early = put(json!({ "password": PASSWORD })).await.expect(422).json();
    assert_eq!(early["error_code"], "validation_failed");
    let known = put(json!({ "email": "ann@example.com" })).await.expect(200).json();
    assert_eq!((&known["is_anonymous"], &known["id"]), (&json!(false), &user["id"]));
    assert_eq!(known["app_metadata"]["providers"], json!(["email"]));
    assert_eq!(known["identities"][0]["identity_data"]["email"], "ann@example.com");
    put(json!({ "password": PASSWORD })).await.expect(200);
    let entered = sign_in(&gotrue, "ann@example.com").await;
    assert_eq!(entered["user"]["user_metadata"]["theme"], "dark");
}

#[tokio::test]
async fn the_audit_log_is_paged_in_upstreams_words() {
    let gotrue = GoTrue::new().await;
    let ann = gotrue.sign_up("ann@example.com").await;
    sign_in(&gotrue, "ann@example.com").await;
    let key = gotrue.service_key();
    let page = async |query: &str| {
        gotrue.call("GET", &format!("/auth/v1/admin/audit?{query}"), Some(&key), Value::Null).await
    };
    let answer = page("query=action:login&per_page=1").await.expect(200);
    assert!(answer.headers["link"].to_str().unwrap().contains("rel=\"next\""));
    let entry = &answer.json()[0];
    assert_eq!(
        (&entry["payload"]["action"], &entry["payload"]["actor_id"]),
        (&json!("login"), &ann["user"]["id"])
    );
    assert!(entry["created_at"].as_str().unwrap().ends_with('Z'));
    let mine =
        page(&format!("query=author:{}", ann["user"]["id"].as_str().unwrap())).await.expect(200).json();
    let actions: Vec<&str> =
        mine.as_array().unwrap().iter().map(|entry| entry["payload"]["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["login", "login", "user_signedup"], "newest first");
    page("query=nonsense").await.expect(400);
    gotrue.call("GET", "/auth/v1/admin/audit", Some(token(&ann)), Value::Null).await.expect(403);
}

#[tokio::test]
async fn the_last_way_in_is_not_taken_away() {
    let gotrue = GoTrue::new().await;
    let ann = gotrue.sign_up("ann@example.com").await;
    let identity = ann["user"]["identities"][0]["identity_id"].as_str().unwrap();
    let path = format!("/auth/v1/admin/users/{}/identities", ann["user"]["id"].as_str().unwrap());
    let key = gotrue.service_key();
    let last =
        gotrue.call("DELETE", &format!("{path}/{identity}"), Some(&key), Value::Null).await.expect(422);
    assert_eq!(last.json()["error_code"], "single_identity_not_deletable");
    let stranger = format!("{path}/00000000-0000-0000-0000-000000000001");
    let none = gotrue.call("DELETE", &stranger, Some(&key), Value::Null).await.expect(422);
    assert_eq!(none.json()["error_code"], "identity_not_found");
}

/// Control 21: what a form loads is what the server has in force.
#[tokio::test]
async fn the_validator_is_served_with_the_rules_in_force() {
    let settings = Settings::default().with("auth.password_min_length", "17");
    let gotrue = GoTrue::with(settings, Profile::Dev).await;
    let answer = gotrue.call("GET", "/auth/v1/password-policy.js", None, Value::Null).await.expect(200);
    assert!(answer.text.contains("validatePassword(password, policy = POLICY)"));
    assert!(answer.text.contains(r#"export const POLICY = {"min_length":17,"#), "{}", answer.text);
}

#[tokio::test]
async fn a_captcha_stands_before_what_upstream_protects_and_nothing_else() {
    let settings = Settings::default().with("auth.captcha.enabled", "true").with("auth.captcha.work", "1000");
    let gotrue = GoTrue::with(settings, Profile::Dev).await;
    let account = json!({ "email": "ann@example.com", "password": PASSWORD });
    for path in ["/signup", "/token?grant_type=password", "/recover", "/otp", "/magiclink", "/resend"] {
        let path = format!("/auth/v1{path}");
        let refused = gotrue.call("POST", &path, None, account.clone()).await.expect(400).json();
        assert_eq!(refused["error_code"], "captcha_failed", "{path}");
        assert_eq!(refused["msg"], "captcha protection: request disallowed (no captcha_token found)");
    }
    let solved = async || {
        let work = gotrue.call("GET", "/auth/v1/captcha", None, Value::Null).await.expect(200).json();
        let salt = work["salt"].as_str().unwrap();
        let is_it = |n: &u64| {
            hex::encode(seal::sha256(format!("{salt}{n}").as_bytes())) == work["challenge"].as_str().unwrap()
        };
        let mut solved = work.clone();
        solved["number"] = (0..=1000_u64).find(is_it).unwrap().into();
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.encode(solved.to_string())
    };
    let mut body = account.clone();
    body["gotrue_meta_security"] = json!({ "captcha_token": solved().await });
    let session = gotrue.call("POST", "/auth/v1/signup", None, body.clone()).await.expect(200).json();
    gotrue.call("POST", "/auth/v1/token?grant_type=password", None, body.clone()).await.expect(400);
    body["gotrue_meta_security"] = json!({ "captcha_token": solved().await });
    gotrue.call("POST", "/auth/v1/token?grant_type=password", None, body).await.expect(200);
    let refresh = json!({ "refresh_token": session["refresh_token"] });
    gotrue.call("POST", "/auth/v1/token?grant_type=refresh_token", None, refresh).await.expect(200);
    let off = GoTrue::new().await;
    off.call("GET", "/auth/v1/captcha", None, Value::Null).await.expect(404);
}
