//! What a GoTrue installation sets: names that have their effect here.

use http::Method;
use serde_json::json;
use spec::device::Device;
use spec::person::PASSWORD;
use spec::{Authenticator, Person, TestApp};

use super::links::confirmed;

#[tokio::test]
async fn with_sms_autoconfirm_a_number_needs_no_text_and_is_taken_once() {
    let app = TestApp::builder().serving().with("sms.autoconfirm", "true").start().await;
    let told = app.stranger().get("/auth/v1/settings").await.expect(200).value();
    assert_eq!((&told["phone_autoconfirm"], &told["external"]["phone"]), (&json!(true), &json!(true)));
    let body = json!({ "phone": "+49301234567", "password": PASSWORD });
    let made = app.stranger().post("/auth/v1/signup", body.clone()).await.expect(200).value();
    assert!(made["access_token"].is_string() && made["user"]["phone_confirmed_at"].is_string(), "{made}");
    let taken = app.stranger().post("/auth/v1/signup", body.clone()).await.expect(422);
    assert_eq!(taken.field("error_code"), "user_already_exists");
    let again =
        app.stranger().post("/auth/v1/token?grant_type=password", body.clone()).await.expect(200).value();
    assert_eq!(again["user"]["id"], made["user"]["id"]);
    // An address is none the more believed.
    let mail = json!({ "email": "ann@example.com", "password": PASSWORD });
    let waiting = app.stranger().post("/auth/v1/signup", mail).await.expect(200).value();
    assert!(waiting["access_token"].is_null(), "{waiting}");
    // Off, and no provider: upstream's two answers.
    let app = TestApp::builder().serving().start().await;
    for (path, status) in
        [("/auth/v1/signup", 400), ("/auth/v1/otp", 400), ("/auth/v1/token?grant_type=password", 422)]
    {
        let body = if path.ends_with("otp") { json!({ "phone": "+49301234567" }) } else { body.clone() };
        let seen = app.stranger().post(path, body).await.expect(status);
        assert_eq!(seen.field("error_code"), "phone_provider_disabled", "{path}");
    }
}

#[tokio::test]
async fn numbers_of_testers_are_sent_nothing_and_their_code_has_an_end() {
    let app = TestApp::builder()
        .unlimited()
        .with("sms.max_frequency", "0s")
        .with("sms.test_otp", "4915550100:246810")
        .with("sms.test_otp_valid_until", "2100-01-01T00:00:00Z")
        .start()
        .await;
    let texts_to = async |number: &str| {
        let mails = app.running.services.outbox.list(None, 50).await.unwrap();
        mails.iter().filter(|mail| mail.to == number).count()
    };
    // Asked for, and made: that is a job's.
    let ask = async |number: &str| {
        app.stranger().post("/auth/v1/otp", json!({ "phone": number })).await.expect(200);
        let admin = app.database.admin().await;
        let waiting =
            "select 1 from auth.users u join auth.one_time_tokens t on t.user_id = u.id where u.phone = $1";
        let number = number.trim_start_matches('+').to_owned();
        app.eventually(async || !admin.query(waiting, &[&number]).await.unwrap().is_empty()).await;
    };
    let show = async |number: &str, code: &str| {
        let body = json!({ "type": "sms", "phone": number, "token": code });
        app.stranger().post("/auth/v1/verify", body).await
    };
    // Not before it was asked for, not with another code, and once.
    show("+4915550100", "246810").await.expect(403);
    ask("+4915550100").await;
    show("+4915550100", "246811").await.expect(403);
    let session = show("+4915550100", "246810").await.expect(200).value();
    assert_eq!(session["user"]["phone"], "4915550100");
    show("+4915550100", "246810").await.expect(403);
    // Another number has codes of its own, and gets them.
    ask("+4915550199").await;
    app.eventually(async || texts_to("+4915550199").await == 1).await;
    show("+4915550199", "246810").await.expect(403);
    assert_eq!(texts_to("+4915550100").await, 0);
    // After its end the number is one like any other.
    let year = std::time::Duration::from_secs(86_400 * 366 * 80);
    app.clock.advance(year);
    ask("+4915550100").await;
    app.eventually(async || texts_to("+4915550100").await == 1).await;
    show("+4915550100", "246810").await.expect(403);
}

#[tokio::test]
async fn a_session_of_one_proof_lasts_as_long_as_the_operator_says_where_there_are_two() {
    let app = TestApp::builder().unlimited().with("auth.low_level_max", "10m").start().await;
    let (ann, bob) = (app.person("ann").await, app.person("bob").await);
    let (raised, _phone) = Authenticator::with(&ann, app.clock.now().as_second()).await;
    app.clock.advance(std::time::Duration::from_secs(60));
    let low = Person::sign_in(&app.stranger(), &ann.email, &ann.password).await.expect(200).value();
    let refresh = async |token: &serde_json::Value| {
        let body = json!({ "refresh_token": token });
        app.stranger().post("/auth/v1/token?grant_type=refresh_token", body).await
    };
    app.clock.advance(std::time::Duration::from_secs(9 * 60));
    let low = refresh(&low["refresh_token"]).await.expect(200).value();
    app.clock.advance(std::time::Duration::from_secs(61));
    let over = refresh(&low["refresh_token"]).await.expect(400);
    assert_eq!(over.field("error_code"), "session_expired");
    assert!(over.text().contains("Low AAL: User Needs MFA Verification"), "{}", over.text());
    // Both proofs, or an account that has but one.
    refresh(&json!(raised.refresh_token)).await.expect(200);
    refresh(&json!(bob.refresh_token)).await.expect(200);
}

#[tokio::test]
async fn whoever_asks_for_another_audience_is_told_so() {
    let app = TestApp::start().await;
    let ann = app.person("ann").await;
    for (asked, status) in [("authenticated", 200), ("", 200), ("another", 400)] {
        let seen = ann.client.clone().with("x-jwt-aud", asked).get("/auth/v1/user").await.expect(status);
        if status == 400 {
            assert_eq!(seen.field("error_code"), "validation_failed");
        }
    }
    let body = json!({ "email": "bob@example.com", "password": PASSWORD });
    app.stranger().with("x-jwt-aud", "another").post("/auth/v1/signup", body.clone()).await.expect(400);
    app.stranger().with("x-jwt-aud", "authenticated").post("/auth/v1/signup", body).await.expect(200);
}

#[tokio::test]
async fn a_passkey_that_is_made_or_removed_is_told() {
    let app = TestApp::builder()
        .serving()
        .with("webauthn.rp_id", "example.com")
        .with("webauthn.rp_origins", "https://app.example.com")
        .with("email.subject_mfa_factor_enrolled_notification", "Look: a new {{ .FactorType }}")
        .start()
        .await;
    let ann = confirmed(&app, "ann@example.com").await;
    let mut device = Device::new("https://app.example.com", "example.com");
    let begun =
        ann.client.post("/auth/v1/passkeys/registration/options", json!({})).await.expect(200).value();
    let body =
        json!({ "challenge_id": begun["challenge_id"], "credential": device.create(&begun["options"]) });
    let made = ann.client.post("/auth/v1/passkeys/registration/verify", body).await.expect(200).value();
    let told = app.mail("ann@example.com", 2).await;
    assert!(told.text.contains("passkey"), "{}", told.text);
    assert_eq!(told.subject, "Look: a new passkey");
    let path = format!("/auth/v1/passkeys/{}", made["id"].as_str().unwrap());
    ann.client.json(Method::DELETE, &path, json!({})).await.expect(204);
    let told = app.mail("ann@example.com", 3).await;
    assert!(told.text.contains("passkey"), "{}", told.text);
}
