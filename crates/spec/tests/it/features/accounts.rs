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
async fn every_session_is_listed_with_its_device_and_place_to_its_person_and_to_administrators() {
    let app = TestApp::builder().unlimited().start().await;
    let ann = app.person("ann").await;
    let away = app.stranger().at("127.77.0.9").with("user-agent", "Telephone/1.0");
    let session = Person::sign_in(&away, &ann.email, &ann.password).await.expect(200).value();
    let there = Person::from(&away, &ann.email, &session);
    let own = ann.client.get("/auth/v1/user/sessions").await.expect(200).value();
    let path = format!("/auth/v1/admin/users/{}/sessions", ann.id);
    let of_admin = app.service().get(&path).await.expect(200).value();
    for listed in [&own, &of_admin] {
        let all = listed.as_array().unwrap();
        assert_eq!(all.len(), 2, "{listed}");
        let away = all.iter().find(|one| one["user_agent"] == "Telephone/1.0").unwrap();
        assert_eq!(away["ip"], "127.77.0.9");
        assert!(all.iter().any(|one| one["ip"] == ann.client.from.to_string()), "{listed}");
    }
    let gone = own.as_array().unwrap().iter().find(|one| one["current"] == false).unwrap();
    let end = format!("/auth/v1/user/sessions/{}", gone["id"].as_str().unwrap());
    ann.client.send(http::Method::DELETE, &end, &[], "".into()).await.expect(204);
    for path in ["/auth/v1/user", "/rest/v1/", "/api/v1/auth/user"] {
        assert!([401, 403].contains(&there.client.get(path).await.status.as_u16()), "{path}");
    }
    ann.client.get("/auth/v1/user").await.expect(200);
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

#[tokio::test]
async fn both_keys_open_in_both_forms_as_apikey_and_as_bearer() {
    let app = TestApp::start().await;
    app.owner("create table public.things (id int primary key); create policy none on public.things for select to authenticated using (false)")
        .await;
    app.service().post("/rest/v1/things", json!([{ "id": 1 }])).await.expect(201);
    let bare = || spec::Client { headers: vec![], ..app.stranger() };
    let keys = &app.running.keys;
    for (key, rows) in [
        (keys.publishable.as_str(), 0),
        (keys.anon_token.as_str(), 0),
        (keys.secret.expose().as_str(), 1),
        (keys.service_token.expose().as_str(), 1),
    ] {
        for client in [bare().with("apikey", key), bare().with("authorization", &format!("Bearer {key}"))] {
            let seen = client.get("/rest/v1/things?select=id").await.expect(200).value();
            assert_eq!(seen.as_array().unwrap().len(), rows);
        }
    }
    let from_a_page = bare().with("apikey", keys.secret.expose()).with("origin", "https://app.example.com");
    assert!(
        [401, 403].contains(&from_a_page.get("/rest/v1/things").await.status.as_u16()),
        "never from a browser"
    );
}

#[tokio::test]
async fn auth_answers_at_a_second_prefix_too() {
    let app = TestApp::builder().with("auth.second_prefix", "/gotrue").start().await;
    app.stranger().get("/gotrue/health").await.expect(200);
    app.stranger().get("/auth/v1/health").await.expect(200);
    Person::sign_up(&app.stranger(), "ann@example.com").await;
    let body = json!({ "email": "ann@example.com", "password": spec::person::PASSWORD });
    app.stranger().post("/gotrue/token?grant_type=password", body).await.expect(200);
}
