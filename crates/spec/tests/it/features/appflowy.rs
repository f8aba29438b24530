//! What AppFlowy's server, client and web app need of their auth server (wire/appflowy.md 2.2, 2.3): the strict shapes, a
//! secret of the application's own, and the two endpoints of its fork.

use http::Method;
use serde_json::{Value, json};
use spec::person::PASSWORD;
use spec::{Client, TestApp};

const SECRET: &[u8] = b"kH7fD2mQ9xR4tW8zB1nV6pL3sJ5gA0cE";

async fn appflowy() -> TestApp {
    TestApp::builder()
        .unlimited()
        .with("auth.second_prefix", "/gotrue")
        .with("auth.application_jwt_secret", std::str::from_utf8(SECRET).unwrap())
        .start()
        .await
}

/// As AppFlowy's clients come: no key, no version header.
fn client(app: &TestApp) -> Client {
    let mut client = app.stranger();
    client.headers.clear();
    client
}

fn bearer(app: &TestApp, token: &str) -> Client {
    client(app).with("authorization", &format!("Bearer {token}"))
}

/// Header and claims of a token whose HS256 signature the application could check.
fn read(token: &str) -> (Value, Value) {
    use base64::Engine;
    let decode = |part: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    let mac = spec::hmac_sha256(SECRET, format!("{}.{}", parts[0], parts[1]).as_bytes());
    assert_eq!(decode(parts[2]), mac, "signed with the application's secret");
    (serde_json::from_slice(&decode(parts[0])).unwrap(), serde_json::from_slice(&decode(parts[1])).unwrap())
}

/// AppFlowy's deserialiser refuses a user without these.
#[track_caller]
fn is_a_user(user: &Value) {
    for name in ["id", "aud", "role", "email", "phone", "created_at", "updated_at"] {
        assert!(user[name].is_string(), "{name} in {user}");
    }
    assert!(user["app_metadata"].is_object() && user["user_metadata"].is_object(), "{user}");
    for identity in user["identities"].as_array().into_iter().flatten() {
        for name in ["id", "user_id", "provider", "last_sign_in_at", "created_at", "updated_at"] {
            assert!(identity[name].is_string(), "{name} in {identity}");
        }
    }
}

async fn sign_up(app: &TestApp, email: &str) -> Value {
    let body = json!({ "email": email, "password": PASSWORD });
    client(app).post("/gotrue/signup", body).await.expect(200).value()
}

#[tokio::test]
async fn tokens_at_the_second_prefix_are_the_applications_and_elsewhere_our_own() {
    let app = appflowy().await;
    let session = sign_up(&app, "ann@example.com").await;
    is_a_user(&session["user"]);
    assert!(session["expires_in"].is_i64() && session["expires_at"].is_i64());
    let (header, claims) = read(session["access_token"].as_str().unwrap());
    assert_eq!(header["alg"], "HS256");
    for name in ["sub", "email", "phone", "role", "aud"] {
        assert!(claims[name].is_string(), "{name} in {claims}");
    }
    assert!(
        claims["exp"].is_i64() && claims["app_metadata"].is_object() && claims["user_metadata"].is_object()
    );
    assert!(claims["amr"].as_array().unwrap().iter().all(|entry| entry["method"].is_string()));
    let refresh = json!({ "refresh_token": session["refresh_token"] });
    let next = client(&app).post("/gotrue/token?grant_type=refresh_token", refresh).await.expect(200).value();
    read(next["access_token"].as_str().unwrap());
    let token = next["access_token"].as_str().unwrap();
    is_a_user(&bearer(&app, token).get("/gotrue/user").await.expect(200).value());
    let sign_in = json!({ "email": "ann@example.com", "password": PASSWORD });
    let ours = app.stranger().post("/auth/v1/token?grant_type=password", sign_in).await.expect(200);
    let header = ours.field("access_token").split('.').next().unwrap().to_owned();
    use base64::Engine;
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(header).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&header).unwrap()["alg"], "ES256");
    // Signing out ends the application's token too.
    bearer(&app, token).post("/gotrue/logout", Value::Null).await.expect(204);
    assert!(bearer(&app, token).get("/gotrue/user").await.status.is_client_error());
}

#[tokio::test]
async fn a_token_that_is_only_a_role_works_for_the_applications_server_and_for_nobody_else() {
    let app = appflowy().await;
    let session = sign_up(&app, "ann@example.com").await;
    let id = session["user"]["id"].as_str().unwrap();
    let only_role = spec::hs256(SECRET, &json!({ "role": "service_role" }));
    let list = bearer(&app, &only_role).get("/gotrue/admin/users").await.expect(200).value();
    assert!(list["aud"].is_string());
    list["users"].as_array().unwrap().iter().for_each(is_a_user);
    let removal = json!({ "should_soft_delete": false });
    let remove = format!("/gotrue/admin/users/{id}");
    let forged = spec::hs256(b"another secret of thirty-two bytes!", &json!({ "role": "service_role" }));
    assert!(
        bearer(&app, &forged).json(Method::DELETE, &remove, removal.clone()).await.status.is_client_error()
    );
    bearer(&app, &only_role).json(Method::DELETE, &remove, removal).await.expect(200);

    let elsewhere = TestApp::builder()
        .with("auth.second_prefix", "/gotrue")
        .with("auth.application_jwt_secret", std::str::from_utf8(SECRET).unwrap())
        .with("auth.application_addresses", "192.0.2.0/24")
        .start()
        .await;
    let seen = bearer(&elsewhere, &only_role).get("/gotrue/admin/users").await;
    assert!(seen.status.is_client_error(), "{} {}", seen.status, seen.text());
    let own =
        bearer(&elsewhere, sign_up(&elsewhere, "bea@example.com").await["access_token"].as_str().unwrap());
    own.get("/gotrue/user").await.expect(200);
    // Somebody's session is no way around the addresses: it says no more than their account has.
    let (_, mut claims) =
        read(sign_up(&elsewhere, "cleo@example.com").await["access_token"].as_str().unwrap());
    bearer(&elsewhere, &spec::hs256(SECRET, &claims)).get("/gotrue/user").await.expect(200);
    for role in ["service_role", "dashboard_admin", "supabase_admin"] {
        claims["role"] = json!(role);
        claims["aal"] = json!("aal2");
        let seen = bearer(&elsewhere, &spec::hs256(SECRET, &claims)).get("/gotrue/admin/users").await;
        assert!(seen.status.is_client_error(), "{role}: {} {}", seen.status, seen.text());
    }
}

#[tokio::test]
async fn the_forks_two_endpoints_say_and_change_the_password() {
    let app = appflowy().await;
    let session = sign_up(&app, "ann@example.com").await;
    let ann = bearer(&app, session["access_token"].as_str().unwrap());
    assert_eq!(ann.get("/gotrue/user/auth-info").await.expect(200).value(), json!({ "has_password": true }));
    let path = "/gotrue/user/change-password";
    let next = "Better-horse*2";
    for body in [
        json!({ "password": next }),
        json!({ "current_password": "Wrong-horse*1", "password": next }),
        json!({ "current_password": PASSWORD, "password": "short" }),
    ] {
        let seen = ann.post(path, body).await;
        assert!(seen.status.is_client_error(), "{}", seen.text());
        let refused = seen.value();
        assert!(refused["code"].is_i64() && refused["msg"].is_string(), "{refused}");
    }
    ann.post(path, json!({ "current_password": PASSWORD, "password": next })).await.expect(200);
    let sign_in = json!({ "email": "ann@example.com", "password": next });
    client(&app).post("/gotrue/token?grant_type=password", sign_in).await.expect(200);
    client(&app).get("/gotrue/user/auth-info").await.expect(401);
}

#[tokio::test]
async fn what_its_clients_send_and_read_is_taken_and_given_as_they_do() {
    let app = appflowy().await;
    let settings = client(&app).get("/gotrue/settings").await.expect(200).value();
    assert!(settings["external"].as_object().unwrap().values().all(Value::is_boolean), "{settings}");
    for name in ["disable_signup", "mailer_autoconfirm", "phone_autoconfirm", "saml_enabled"] {
        assert!(settings[name].is_boolean(), "{name}");
    }
    assert!(settings["sms_provider"].is_string());
    client(&app).get("/gotrue/health").await.expect(200);
    let session = sign_up(&app, "ann@example.com").await;
    let ann = bearer(&app, session["access_token"].as_str().unwrap());
    // Every key, unused ones empty.
    let all = json!({
        "email": "", "password": "", "nonce": "", "data": { "name": "Ann" }, "app_metadata": null, "phone": "",
        "channel": "", "code_challenge": "", "code_challenge_method": "",
    });
    let user = ann.json(Method::PUT, "/gotrue/user", all).await.expect(200).value();
    is_a_user(&user);
    assert_eq!(user["user_metadata"]["name"], "Ann");
    let wrong = json!({ "email": "ann@example.com", "password": "Wrong-horse*1" });
    let refused = client(&app).post("/gotrue/token?grant_type=password", wrong).await.expect(400).value();
    assert!(refused["code"].is_i64() && refused["msg"].is_string(), "{refused}");
    let only_role = spec::hs256(SECRET, &json!({ "role": "service_role" }));
    let providers = bearer(&app, &only_role).get("/gotrue/admin/sso/providers").await.expect(200).value();
    assert_eq!(providers["items"], json!([]));
    let fields = json!({
        "aud": "", "role": "", "email": "bea@example.com", "phone": "", "password": PASSWORD, "email_confirm": true,
        "phone_confirm": false, "user_metadata": {}, "app_metadata": {}, "ban_duration": "",
    });
    is_a_user(&bearer(&app, &only_role).post("/gotrue/admin/users", fields).await.expect(200).value());
}

#[tokio::test]
async fn links_and_codes_are_asked_for_and_spent_as_its_clients_do() {
    let app = TestApp::builder()
        .serving()
        .with("auth.second_prefix", "/gotrue")
        .with("auth.application_jwt_secret", std::str::from_utf8(SECRET).unwrap())
        .start()
        .await;
    let client = client(&app).with("redirect_to", "https://app.example.com/welcome");
    let person = json!({ "email": "ann@example.com", "password": PASSWORD });
    // A bare user: told from a session by its shape.
    let waiting = client.post("/gotrue/signup", person.clone()).await.expect(200).value();
    is_a_user(&waiting);
    assert!(
        waiting.get("access_token").is_none() && waiting["confirmation_sent_at"].is_string(),
        "{waiting}"
    );
    app.mail("ann@example.com", 1).await;
    client.post("/gotrue/resend", json!({ "type": "signup", "email": "ann@example.com" })).await.expect(200);
    let mail = app.mail("ann@example.com", 2).await;
    assert_eq!(mail.parameter("redirect_to"), "https://app.example.com/welcome");
    let confirm = json!({ "type": "signup", "email": "ann@example.com", "token": mail.code() });
    let session = client.post("/gotrue/verify", confirm).await.expect(200).value();
    read(session["access_token"].as_str().unwrap());
    is_a_user(&session["user"]);
    // Somebody who is there already looks like somebody new in every way: upstream's empty identities would tell.
    let again = client.post("/gotrue/signup", person).await.expect(200).value();
    is_a_user(&again);
    let names = |user: &Value| user.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!((names(&again), again["identities"].as_array().map(Vec::len)), (names(&waiting), Some(1)));
    assert!(again.get("access_token").is_none());

    let empty =
        json!({ "email": "ann@example.com", "data": {}, "code_challenge": "", "code_challenge_method": "" });
    client.post("/gotrue/magiclink", empty).await.expect(200);
    let mut mail = None;
    app.eventually(async || {
        let mails = spec::mail::read_all(&app.data().join("mails"), "ann@example.com");
        mail = mails.into_iter().find(|mail| mail.text.contains("type=magiclink"));
        mail.is_some()
    })
    .await;
    let code = mail.unwrap().code();
    let enter = json!({ "type": "magiclink", "email": "ann@example.com", "token": code });
    let session = client.post("/gotrue/verify", enter.clone()).await.expect(200).value();
    for name in ["access_token", "token_type", "refresh_token"] {
        assert!(session[name].is_string(), "{name}");
    }
    // Its client refreshes twice in a row at sign-in.
    let refresh = json!({ "refresh_token": session["refresh_token"] });
    let path = "/gotrue/token?grant_type=refresh_token";
    let (one, two) =
        (client.post(path, refresh.clone()).await.expect(200), client.post(path, refresh).await.expect(200));
    assert_eq!(one.field("refresh_token"), two.field("refresh_token"));
    let refused = client.post("/gotrue/verify", enter).await;
    assert!(refused.status.is_client_error() && refused.value()["msg"].is_string(), "{}", refused.text());
    client.post("/gotrue/recover", json!({ "email": "ann@example.com" })).await.expect(200);
    client.post("/gotrue/recover", json!({ "email": "nobody@example.com" })).await.expect(200);
}

#[tokio::test]
async fn its_console_lists_filters_invites_links_and_adds_providers() {
    let app = TestApp::builder()
        .serving()
        .with("auth.second_prefix", "/gotrue")
        .with("auth.application_jwt_secret", std::str::from_utf8(SECRET).unwrap())
        .start()
        .await;
    let console = bearer(&app, &spec::hs256(SECRET, &json!({ "role": "service_role" })));
    let user = |email: &str| {
        json!({
            "aud": "", "role": "", "email": email, "phone": "", "password": PASSWORD, "email_confirm": true,
            "phone_confirm": false, "user_metadata": {}, "app_metadata": {}, "ban_duration": "",
        })
    };
    for email in ["ann@example.com", "bea@example.com", "cleo@other.example"] {
        console.post("/gotrue/admin/users", user(email)).await.expect(200);
    }
    let list = async |query: &str| -> Vec<String> {
        let seen = console.get(&format!("/gotrue/admin/users{query}")).await.expect(200).value();
        seen["users"]
            .as_array()
            .unwrap()
            .iter()
            .map(|user| user["email"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(list("").await.len(), 3);
    assert_eq!(list("?filter=other.example").await, ["cleo@other.example"]);
    let invited = console.post("/gotrue/invite", json!({ "email": "dora@example.com", "data": {} })).await;
    is_a_user(&invited.expect(200).value());
    let wanted = json!({
        "type": "magiclink", "email": "ann@example.com", "new_email": "", "password": "", "data": {},
        "redirect_to": "https://app.example.com/",
    });
    let link = console.post("/gotrue/admin/generate_link", wanted).await.expect(200).value();
    is_a_user(&link);
    assert!(link["identities"].is_array());
    for name in ["action_link", "email_otp", "hashed_token", "verification_type", "redirect_to"] {
        assert!(link[name].is_string(), "{name} in {link}");
    }
    let idp = saml::pretend::Pretender::new("https://idp.example/metadata", &app.clock.clock()).unwrap();
    let xml = idp.peer("https://idp.example").unwrap().to_metadata();
    let new = json!({ "type": "saml", "metadata_url": null, "metadata_xml": xml, "domains": [], "attribute_mapping": {} });
    let made = console.post("/gotrue/admin/sso/providers", new).await.expect(201).value();
    let items = console.get("/gotrue/admin/sso/providers").await.expect(200).value();
    let item = &items["items"][0];
    assert_eq!((&item["id"], &item["domains"]), (&made["id"], &json!([])));
    assert!(item["saml"]["entity_id"].is_string() && item["created_at"].is_string(), "{item}");
    let found = console.get("/gotrue/admin/users?filter=bea").await.expect(200).value();
    let id = found["users"][0]["id"].as_str().unwrap();
    let one = format!("/gotrue/admin/users/{id}");
    let changed =
        console.json(Method::PUT, &one, json!({ "ban_duration": "24h", "email": "", "password": "" })).await;
    is_a_user(&changed.expect(200).value());
    is_a_user(&console.get(&one).await.expect(200).value());
    // Deletion is real: an application's rows hang on it.
    console.json(Method::DELETE, &one, json!({ "should_soft_delete": false })).await.expect(200);
    let seen = console.get(&one).await.expect(404).value();
    assert!(seen["code"].is_i64() && seen["msg"].is_string(), "{seen}");
}
