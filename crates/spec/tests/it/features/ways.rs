//! Ways in that the operator switches off.

use serde_json::json;
use spec::{Client, Person, TestApp};

use super::links::confirmed;

/// What an ask is told: its status and its code.
async fn told(client: &Client, path: &str, body: serde_json::Value) -> (u16, String) {
    let seen = client.post(path, body).await;
    let status = seen.status.as_u16();
    (status, seen.value()["error_code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn without_email_nobody_signs_up_or_in_or_back_in_by_an_address() {
    let app = TestApp::builder().serving().unlimited().with("auth.email_enabled", "false").start().await;
    let made =
        json!({ "email": "ann@example.com", "password": spec::person::PASSWORD, "email_confirm": true });
    app.service().post("/auth/v1/admin/users", made).await.expect(200);
    let stranger = app.stranger();
    let ask = json!({ "email": "ann@example.com", "password": spec::person::PASSWORD });
    let resend = json!({ "type": "signup", "email": "ann@example.com" });
    for (path, body, status) in [
        ("/auth/v1/signup", &ask, 400),
        ("/auth/v1/token?grant_type=password", &ask, 422),
        ("/auth/v1/otp", &ask, 422),
        ("/auth/v1/magiclink", &ask, 422),
        ("/auth/v1/recover", &ask, 400),
        ("/auth/v1/resend", &resend, 400),
    ] {
        let expected = (status, "email_provider_disabled".to_owned());
        assert_eq!(told(&stranger, path, body.clone()).await, expected, "{path}");
    }
    let settings = stranger.get("/auth/v1/settings").await.expect(200).value();
    assert_eq!(settings["external"]["email"], false);
    let config = stranger.get("/api/v1/auth/config").await.expect(200).value();
    assert_eq!(
        (&config["password_login_enabled"], &config["magic_link_enabled"]),
        (&json!(false), &json!(false))
    );
}

#[tokio::test]
async fn without_magic_links_a_password_and_a_way_back_in_stay() {
    let app = TestApp::builder().serving().unlimited().with("auth.magic_links", "false").start().await;
    confirmed(&app, "ann@example.com").await;
    let stranger = app.stranger();
    let ask = json!({ "email": "ann@example.com" });
    for path in ["/auth/v1/otp", "/auth/v1/magiclink"] {
        let expected = (422, "email_provider_disabled".to_owned());
        assert_eq!(told(&stranger, path, ask.clone()).await, expected, "{path}");
    }
    Person::sign_in(&stranger, "ann@example.com", spec::person::PASSWORD).await.expect(200);
    stranger.post("/auth/v1/recover", ask).await.expect(200);
    assert_eq!(app.mail("ann@example.com", 2).await.subject, "Reset your password");
    let settings = stranger.get("/auth/v1/settings").await.expect(200).value();
    assert_eq!(settings["external"]["email"], true);
}

#[tokio::test]
async fn without_phone_nobody_signs_up_or_in_by_a_number() {
    for (phone, status) in [("true", 200), ("false", 400)] {
        let app = TestApp::builder().unlimited().with("auth.phone_enabled", phone).start().await;
        let ask = json!({ "phone": "+15005550006" });
        let (seen, code) = told(&app.stranger(), "/auth/v1/otp", ask).await;
        let settings = app.stranger().get("/auth/v1/settings").await.expect(200).value();
        assert_eq!((seen, &settings["external"]["phone"]), (status, &json!(status == 200)), "{code}");
    }
}
