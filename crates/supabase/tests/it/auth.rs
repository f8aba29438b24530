//! GoTrue's wire, as auth-js, supabase-py and AppFlowy read it.

use base::{Profile, Settings};
use serde_json::{Value, json};

use crate::gotrue::{GoTrue, PASSWORD};

fn text<'a>(body: &'a Value, name: &str) -> &'a str {
    body[name].as_str().unwrap_or_else(|| panic!("{name} is no text: {body}"))
}

#[tokio::test]
async fn a_session_has_what_clients_read() {
    let gotrue = GoTrue::new().await;
    let session = gotrue.sign_up("ann@example.com").await;
    assert_eq!(session["token_type"], "bearer");
    assert_eq!(session["expires_in"], 900);
    assert_eq!(session["expires_at"].as_i64().unwrap(), gotrue.clock.now().as_second() + 900);
    assert!(!text(&session, "access_token").is_empty() && !text(&session, "refresh_token").is_empty());
    let user = &session["user"];
    for (name, expected) in
        [("aud", "authenticated"), ("role", "authenticated"), ("email", "ann@example.com"), ("phone", "")]
    {
        assert_eq!(text(user, name), expected);
    }
    for name in ["id", "created_at", "updated_at", "email_confirmed_at", "confirmed_at", "last_sign_in_at"] {
        assert!(!text(user, name).is_empty());
    }
    assert!(text(user, "created_at").ends_with('Z'));
    assert_eq!(user["app_metadata"], json!({ "provider": "email", "providers": ["email"] }));
    assert_eq!(user["is_anonymous"], false);
    let identity = &user["identities"][0];
    for name in
        ["identity_id", "id", "user_id", "provider", "last_sign_in_at", "created_at", "updated_at", "email"]
    {
        assert!(!text(identity, name).is_empty());
    }
    assert_eq!(identity["id"], user["id"]);
    assert_eq!(identity["identity_data"]["email_verified"], true);
    for name in ["banned_until", "deleted_at", "new_email", "factors", "encrypted_password", "password_hash"]
    {
        assert!(user.get(name).is_none(), "{name}");
    }
}

#[tokio::test]
async fn sign_in_refresh_look_and_sign_out_go_round() {
    let gotrue = GoTrue::new().await;
    gotrue.sign_up("ann@example.com").await;
    let sign_in = json!({ "email": "ann@example.com", "password": PASSWORD });
    let session = gotrue.call("POST", "/auth/v1/token?grant_type=password", None, sign_in).await.expect(200);
    assert!(session.headers.contains_key("sb-auth-session-id"));
    let session = session.json();
    let refresh = json!({ "refresh_token": session["refresh_token"] });
    let next = gotrue
        .call("POST", "/auth/v1/token?grant_type=refresh_token", None, refresh)
        .await
        .expect(200)
        .json();
    let token = text(&next, "access_token");
    let user = gotrue.call("GET", "/auth/v1/user", Some(token), Value::Null).await.expect(200).json();
    assert_eq!(user["email"], "ann@example.com", "the bare user, not wrapped");
    let out = gotrue.call("POST", "/auth/v1/logout?scope=local", Some(token), Value::Null).await.expect(204);
    assert_eq!(out.text, "");
    gotrue.call("GET", "/auth/v1/user", Some(token), Value::Null).await.refused(403, "session_not_found");
    let refresh = json!({ "refresh_token": next["refresh_token"] });
    let dead = gotrue.call("POST", "/auth/v1/token?grant_type=refresh_token", None, refresh).await;
    dead.refused(400, "refresh_token_not_found");
}

#[tokio::test]
async fn refusals_have_gotrues_status_and_code() {
    let gotrue = GoTrue::new().await;
    gotrue.sign_up("ann@example.com").await;
    let signup = "/auth/v1/signup";
    let password = "/auth/v1/token?grant_type=password";
    let refresh = "/auth/v1/token?grant_type=refresh_token";
    for (uri, body, status, code) in [
        (signup, json!({ "email": "ann@example.com", "password": PASSWORD }), 422, "user_already_exists"),
        (signup, json!({ "email": "bob@example.com", "password": "short" }), 422, "weak_password"),
        (signup, json!({ "email": "bob@example.com" }), 400, "validation_failed"),
        (signup, json!({ "email": "no address", "password": PASSWORD }), 400, "validation_failed"),
        (signup, json!({}), 422, "anonymous_provider_disabled"),
        (signup, json!({ "phone": "+491234567", "password": PASSWORD }), 400, "phone_provider_disabled"),
        (
            password,
            json!({ "email": "ann@example.com", "password": "Wrong-horse*1" }),
            400,
            "invalid_credentials",
        ),
        (
            password,
            json!({ "email": "nobody@example.com", "password": PASSWORD }),
            400,
            "invalid_credentials",
        ),
        (password, json!({ "password": PASSWORD }), 400, "validation_failed"),
        (password, json!({ "phone": "1", "password": PASSWORD }), 422, "phone_provider_disabled"),
        (refresh, json!({ "refresh_token": "abcdefghijkl" }), 400, "validation_failed"),
        ("/auth/v1/token", json!({}), 400, "invalid_credentials"),
        ("/auth/v1/token?grant_type=pkce", json!({}), 400, "validation_failed"),
        (
            "/auth/v1/token?grant_type=pkce",
            json!({ "auth_code": "x", "code_verifier": "y" }),
            404,
            "flow_state_not_found",
        ),
        ("/auth/v1/token?grant_type=id_token", json!({}), 400, "validation_failed"),
        ("/auth/v1/token?grant_type=web3", json!({}), 422, "web3_provider_disabled"),
        ("/auth/v1/sso", json!({ "domain": "x" }), 404, "sso_provider_not_found"),
        ("/auth/v1/otp", json!({ "email": "ann@example.com" }), 422, "email_provider_disabled"),
        (
            "/auth/v1/verify",
            json!({ "type": "email", "token": "000000", "email": "ann@example.com" }),
            403,
            "otp_expired",
        ),
        ("/auth/v1/verify", json!({ "type": "email", "token_hash": "made-up" }), 403, "otp_expired"),
        ("/auth/v1/verify", json!({ "type": "email", "token": "000000" }), 400, "validation_failed"),
        ("/auth/v1/verify", json!({ "type": "email" }), 400, "validation_failed"),
    ] {
        gotrue.call("POST", uri, None, body.clone()).await.refused(status, code);
    }
    let not_json = gotrue.send("POST", signup, None, &[], "{".into()).await.refused(400, "bad_json");
    assert!(text(&not_json, "msg").starts_with("Could not parse request body as JSON"));
    let empty = gotrue.call("POST", refresh, None, json!({})).await.expect(400).json();
    assert_eq!(empty["error"], "invalid_request", "OAuth's shape");
    let new_shape = [("x-supabase-api-version", "2024-01-01")];
    let body = json!({ "email": "bob@example.com", "password": "short" }).to_string();
    let weak = gotrue.send("POST", signup, None, &new_shape, body).await.expect(422).json();
    assert_eq!(
        (text(&weak, "code"), &weak["weak_password"]["reasons"][0]),
        ("weak_password", &json!("length"))
    );
}

#[tokio::test]
async fn callers_without_a_right_are_told_as_upstream_tells_them() {
    let gotrue = GoTrue::new().await;
    let ann = gotrue.sign_up("ann@example.com").await;
    let token = text(&ann, "access_token");
    let anon = gotrue.auth.default_keys().unwrap().publishable;
    let none = Value::Null;
    gotrue.call("GET", "/auth/v1/user", None, none.clone()).await.refused(401, "no_authorization");
    gotrue.call("GET", "/auth/v1/user", Some(&anon), none.clone()).await.refused(401, "no_authorization");
    let forged =
        gotrue.call("GET", "/auth/v1/user", Some("a.b.c"), none.clone()).await.refused(403, "bad_jwt");
    assert!(text(&forged, "msg").starts_with("invalid JWT"));
    gotrue.call("GET", "/auth/v1/admin/users", None, none.clone()).await.refused(401, "no_authorization");
    gotrue.call("GET", "/auth/v1/admin/users", Some(token), none.clone()).await.refused(403, "not_admin");
    gotrue.call("GET", "/auth/v1/admin/users", Some(&anon), none.clone()).await.refused(403, "not_admin");
    gotrue
        .call("POST", "/auth/v1/logout?scope=all", Some(token), none)
        .await
        .refused(400, "validation_failed");
}

/// Attack row 6.
#[tokio::test]
async fn nobody_gives_themselves_a_right() {
    let gotrue = GoTrue::new().await;
    let ann = gotrue.sign_up("ann@example.com").await;
    let token = text(&ann, "access_token");
    let wanted = json!({
        "role": "service_role", "aud": "theirs", "is_super_admin": true, "email_confirmed_at": "2020-01-01T00:00:00Z",
        "verified": true, "banned_until": null, "id": "00000000-0000-0000-0000-000000000001", "data": { "role": "admin" },
    });
    let user = gotrue.call("PUT", "/auth/v1/user", Some(token), wanted).await.expect(200).json();
    assert_eq!((text(&user, "role"), text(&user, "aud")), ("authenticated", "authenticated"));
    assert_eq!(user["id"], ann["user"]["id"]);
    let app = json!({ "app_metadata": { "role": "admin" } });
    gotrue.call("PUT", "/auth/v1/user", Some(token), app).await.refused(403, "not_admin");
    let again = json!({ "email": "ann@example.com", "password": PASSWORD });
    let session =
        gotrue.call("POST", "/auth/v1/token?grant_type=password", None, again).await.expect(200).json();
    assert_eq!(session["user"]["role"], "authenticated");
}

#[tokio::test]
async fn administrators_work_through_the_admin_api() {
    let gotrue = GoTrue::new().await;
    let key = gotrue.service_key();
    let key = Some(key.as_str());
    let users = "/auth/v1/admin/users";
    let new = json!({
        "email": "ann@example.com", "password": PASSWORD, "email_confirm": true, "user_metadata": { "name": "Ann" },
        "app_metadata": { "plan": "free" },
    });
    let ann = gotrue.call("POST", users, key, new.clone()).await.expect(200).json();
    assert_eq!(
        (&ann["user_metadata"]["name"], &ann["app_metadata"]["plan"]),
        (&json!("Ann"), &json!("free"))
    );
    gotrue.call("POST", users, key, new).await.refused(422, "email_exists");
    for n in 0..3 {
        let body = json!({ "email": format!("user{n}@example.com"), "email_confirm": true });
        gotrue.call("POST", users, key, body).await.expect(200);
    }
    let page =
        gotrue.call("GET", "/auth/v1/admin/users?page=1&per_page=3", key, Value::Null).await.expect(200);
    assert_eq!(page.headers["x-total-count"], "4");
    assert_eq!(
        page.headers["link"],
        "</auth/v1/admin/users?page=2&per_page=3>; rel=\"next\", </auth/v1/admin/users?page=2&per_page=3>; rel=\"last\""
    );
    assert_eq!(page.json()["users"].as_array().unwrap().len(), 3);
    assert_eq!(page.json()["aud"], "authenticated");
    gotrue
        .call("GET", "/auth/v1/admin/users?page=-1", key, Value::Null)
        .await
        .refused(400, "validation_failed");

    let one = format!("{users}/{}", text(&ann, "id"));
    let changed = gotrue.call("PUT", &one, key, json!({ "ban_duration": "24h" })).await.expect(200).json();
    assert!(!text(&changed, "banned_until").is_empty());
    let factors = gotrue.call("GET", &format!("{one}/factors"), key, Value::Null).await.expect(200).json();
    assert_eq!(factors, json!([]));
    gotrue.call("GET", &format!("{users}/x"), key, Value::Null).await.refused(404, "validation_failed");
    let gone =
        gotrue.call("DELETE", &one, key, json!({ "should_soft_delete": false })).await.expect(200).json();
    assert_eq!(gone, json!({}));
    gotrue.call("GET", &one, key, Value::Null).await.refused(404, "user_not_found");
}

#[tokio::test]
async fn service_documents_say_what_is_true() {
    let gotrue = GoTrue::new().await;
    let get = async |path: &str| gotrue.call("GET", path, None, Value::Null).await.expect(200);
    assert_eq!(get("/auth/v1/health").await.json()["name"], "GoTrue");
    let settings = get("/auth/v1/settings").await.json();
    assert_eq!(
        (&settings["external"]["email"], &settings["external"]["google"]),
        (&json!(true), &json!(false))
    );
    assert_eq!((&settings["disable_signup"], &settings["mailer_autoconfirm"]), (&json!(false), &json!(true)));
    let jwks = get("/auth/v1/.well-known/jwks.json").await;
    assert_eq!(jwks.headers["cache-control"], "public, max-age=600");
    let keys = jwks.json()["keys"].as_array().unwrap().clone();
    assert!(keys.len() == 2 && keys.iter().all(|key| key["kty"] == "EC" && key.get("d").is_none()));
    let openid = get("/gotrue/.well-known/openid-configuration").await.json();
    assert_eq!(openid["jwks_uri"], "http://127.0.0.1:8000/auth/v1/.well-known/jwks.json");
    assert_eq!(openid["issuer"], "http://127.0.0.1:8000/auth/v1", "one issuer, whichever prefix was asked");
    assert!(openid.get("authorization_endpoint").is_none());
    assert_eq!(get("/auth/v1/password-policy").await.json()["min_length"], 12);

    let closed = GoTrue::with(Settings::default(), Profile::Serve).await;
    let settings = closed.call("GET", "/auth/v1/settings", None, Value::Null).await.json();
    assert_eq!(settings["disable_signup"], true);
    let body = json!({ "email": "ann@example.com", "password": PASSWORD });
    closed.call("POST", "/auth/v1/signup", None, body).await.refused(400, "email_provider_disabled");
}

/// Attack row 35.
#[tokio::test]
async fn the_set_up_page_makes_an_administrator_of_whoever_holds_the_link() {
    let gotrue = GoTrue::new().await;
    let link = gotrue.auth.create_admin_link("root@example.com", &gotrue.visit()).await.unwrap().into_inner();
    let look = format!("/auth/v1/setup?token={}", link.expose());
    for _ in 0..5 {
        let page = gotrue.call("GET", &look, None, Value::Null).await.expect(200);
        assert_eq!(page.headers["referrer-policy"], "no-referrer");
        assert!(page.text.contains("<form") && page.text.contains("<svg"), "looking spends nothing");
    }
    let page = gotrue.call("GET", &look, None, Value::Null).await;
    let secret = page.text.split("type <code>").nth(1).unwrap().split('<').next().unwrap().to_owned();
    let (code, wrong) = (
        testkit::totp(&secret, gotrue.clock.now().as_second()),
        testkit::wrong_totp(&secret, gotrue.clock.now().as_second()),
    );
    let send = async |token: &str, password: &str, code: &str| {
        let body = format!("token={token}&code={code}&password={}", password.replace('*', "%2A"));
        gotrue.send("POST", "/auth/v1/setup", None, &[], body).await
    };
    send("guess", PASSWORD, &code).await.expect(400);
    send(link.expose(), "short", &code).await.expect(400);
    send(link.expose(), PASSWORD, "").await.expect(400);
    send(link.expose(), PASSWORD, &wrong).await.expect(400);
    let done = send(link.expose(), PASSWORD, &code).await.expect(200);
    assert_eq!(done.text.matches("<li><code>").count(), 10, "recovery codes, told once");
    send(link.expose(), PASSWORD, &code).await.expect(400);
    gotrue.call("GET", "/auth/v1/setup?token=guess", None, Value::Null).await.expect(400);
    let body = json!({ "email": "root@example.com", "password": PASSWORD });
    let root = gotrue.call("POST", "/auth/v1/token?grant_type=password", None, body).await.expect(200).json();
    let low =
        gotrue.call("GET", "/auth/v1/admin/users", Some(text(&root, "access_token")), Value::Null).await;
    low.refused(403, "insufficient_aal");
    let token = Some(text(&root, "access_token"));
    let factor = root["user"]["factors"][0]["id"].as_str().unwrap();
    let at = |what: &str| format!("/auth/v1/factors/{factor}/{what}");
    let challenge = gotrue.call("POST", &at("challenge"), token, json!({})).await.expect(200).json();
    gotrue.clock.advance(std::time::Duration::from_secs(30));
    let code = testkit::totp(&secret, gotrue.clock.now().as_second());
    let shown = json!({ "challenge_id": challenge["id"], "code": code });
    let root = gotrue.call("POST", &at("verify"), token, shown).await.expect(200).json();
    let high =
        gotrue.call("GET", "/auth/v1/admin/users", Some(text(&root, "access_token")), Value::Null).await;
    high.expect(200);
}
