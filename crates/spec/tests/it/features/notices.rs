//! What the owner of an account hears of by mail, unasked; and how many mails leave for everybody together.

use http::Method;
use serde_json::json;
use spec::person::PASSWORD;
use spec::{Idp, Mail, Person, TestApp};

use super::links::confirmed;
use super::oauth::{today, with_idp};
use crate::attacks::oauth::{OURS, token_for};

/// hex(sha256("right"))
const HASHED: &str = "27042f4e6eca7d0b2a7ee4026df2ecfa51d3339e6d122aa099118ecd8563bad9";
const CHROME: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36";
const FIREFOX: &str = "Mozilla/5.0 (Windows NT 10.0; rv:127.0) Gecko/20100101 Firefox/127.0";

fn sent(app: &TestApp, to: &str) -> Vec<Mail> {
    spec::mail::read_all(&app.data().join("mails"), to)
}

#[tokio::test]
async fn a_sign_in_with_a_device_never_seen_is_told_and_one_that_was_is_not() {
    let app = TestApp::builder().serving().start().await;
    confirmed(&app, "ann@example.com").await;
    let enter = async |agent: &str, at: &str, cookie: Option<&str>| {
        let mut client = app.stranger().at(at).with("user-agent", agent);
        if let Some(cookie) = cookie {
            client = client.with("cookie", cookie);
        }
        Person::sign_in(&client, "ann@example.com", PASSWORD).await.expect(200)
    };
    let first = enter(CHROME, "127.100.200.1", None).await;
    let told = app.mail("ann@example.com", 2).await;
    assert_eq!(told.subject, "New sign-in");
    assert!(told.text.contains("Chrome, Linux") && told.text.contains("127.100.200.1"), "{}", told.text);
    // A new version of the same program from the same provider's network, and a network of a device that shows who it is.
    enter(&CHROME.replace("126.0", "127.0"), "127.100.200.9", None).await;
    let cookie = first.header("set-cookie").split(';').next().unwrap().to_owned();
    assert!(cookie.starts_with("pd_"), "{cookie}");
    enter(FIREFOX, "127.55.0.1", Some(&cookie)).await;
    // Somebody else's machine, with the right password.
    enter(CHROME, "127.77.0.1", None).await;
    let told = app.mail("ann@example.com", 3).await;
    assert!(told.text.contains("127.77.0.1"), "{}", told.text);
    enter(CHROME, "127.77.0.2", None).await;
    // A settled queue sends nothing more.
    app.stranger().post("/auth/v1/recover", json!({ "email": "ann@example.com" })).await.expect(200);
    assert_eq!(app.mails("ann@example.com", 4).await[3].subject, "Reset your password");
}

#[tokio::test]
async fn mails_about_devices_can_be_switched_off() {
    let app = TestApp::builder().serving().with("auth.new_device_mails", "false").start().await;
    confirmed(&app, "ann@example.com").await;
    let elsewhere = app.stranger().at("127.88.0.1").with("user-agent", FIREFOX);
    Person::sign_in(&elsewhere, "ann@example.com", PASSWORD).await.expect(200);
    app.stranger().post("/auth/v1/recover", json!({ "email": "ann@example.com" })).await.expect(200);
    assert_eq!(app.mails("ann@example.com", 2).await[1].subject, "Reset your password");
}

#[tokio::test]
async fn a_pause_after_wrong_passwords_is_told_once_a_day_and_only_to_who_is_there() {
    let app = TestApp::builder().serving().start().await;
    confirmed(&app, "ann@example.com").await;
    let guess = async |email: &str, at: &str| {
        let thief = app.stranger().at(at);
        for _ in 0..6 {
            Person::sign_in(&thief, email, "Wrong-Horse-7-Battery!").await;
        }
        assert_eq!(Person::sign_in(&thief, email, "Wrong-Horse-7-Battery!").await.status, 429);
    };
    guess("ann@example.com", "127.66.0.1").await;
    let told = app.mail("ann@example.com", 2).await;
    assert_eq!(told.subject, "Somebody tries your password");
    assert!(told.text.contains("127.66.0.1"), "{}", told.text);
    app.clock.advance(std::time::Duration::from_secs(3_600));
    guess("ann@example.com", "127.66.0.2").await;
    guess("nobody@example.com", "127.66.0.3").await;
    app.clock.advance(std::time::Duration::from_secs(95_000));
    guess("ann@example.com", "127.66.0.4").await;
    let told = app.mail("ann@example.com", 3).await;
    assert!(told.text.contains("127.66.0.4"), "the second of the first day was not told: {}", told.text);
    assert!(sent(&app, "nobody@example.com").is_empty());
}

#[tokio::test]
async fn an_identity_that_is_linked_or_unlinked_is_told_and_so_is_a_session_that_was_stolen() {
    let idp = Idp::start().await;
    let app = today(with_idp(&idp).serving()).await;
    let ann = confirmed(&app, "ann@example.com").await;
    let token = token_for(&idp, OURS, "s~ann@example.com~true~Ann", HASHED).await;
    let body = json!({ "id_token": token, "provider": "keycloak", "nonce": "right" });
    app.stranger().post("/auth/v1/token?grant_type=id_token", body).await.expect(200);
    let linked = app.mail("ann@example.com", 2).await;
    assert!(linked.text.contains("keycloak"), "{}", linked.text);
    let user = ann.client.get("/auth/v1/user").await.expect(200).value();
    let all = user["identities"].as_array().unwrap();
    let id = all.iter().find(|one| one["provider"] == "keycloak").unwrap()["identity_id"].as_str().unwrap();
    let path = format!("/auth/v1/user/identities/{id}");
    ann.client.send(Method::DELETE, &path, &[], "".into()).await.expect(200);
    let unlinked = app.mail("ann@example.com", 3).await;
    assert!(unlinked.text.contains("keycloak") && unlinked.subject != linked.subject, "{}", unlinked.text);
    let refresh = async |token: &str| {
        let body = json!({ "refresh_token": token });
        app.stranger().post("/auth/v1/token?grant_type=refresh_token", body).await
    };
    let next = refresh(&ann.refresh_token).await.expect(200).field("refresh_token");
    refresh(&next).await.expect(200);
    app.clock.advance(std::time::Duration::from_secs(3_600));
    refresh(&ann.refresh_token).await.expect(400);
    assert_eq!(app.mail("ann@example.com", 4).await.subject, "A session of yours was ended");
}

#[tokio::test]
async fn so_many_mails_leave_in_an_hour_for_everybody_together() {
    let app = TestApp::builder().serving().with("auth.mail_sent_max", "3/1h").start().await;
    confirmed(&app, "ann@example.com").await;
    let ask = async |email: &str| {
        app.stranger().post("/auth/v1/otp", json!({ "email": email, "create_user": false })).await
    };
    // Nothing leaves for a stranger, and nothing is counted.
    for _ in 0..5 {
        ask("nobody@example.com").await.expect(200);
    }
    for count in 2..=3 {
        ask("ann@example.com").await.expect(200);
        app.mails("ann@example.com", count).await;
    }
    for email in ["ann@example.com", "nobody@example.com"] {
        let seen = ask(email).await.expect(429);
        assert_eq!(seen.field("error_code"), "over_email_send_rate_limit", "{email}");
        assert_eq!(seen.field("msg"), "email rate limit exceeded");
        assert!(seen.headers.contains_key("retry-after"));
    }
    app.clock.advance(std::time::Duration::from_secs(4_000));
    ask("ann@example.com").await.expect(200);
    app.mails("ann@example.com", 4).await;
}

#[tokio::test]
async fn so_many_texts_leave_in_an_hour_for_everybody_together() {
    let app = TestApp::builder()
        .unlimited()
        .with("sms.max_frequency", "0s")
        .with("auth.texts_sent_max", "1")
        .start()
        .await;
    let ask = async |phone: &str| app.stranger().post("/auth/v1/otp", json!({ "phone": phone })).await;
    ask("+49301234567").await.expect(200);
    let outbox = &app.running.services.outbox;
    app.eventually(async || outbox.list(None, 50).await.unwrap().len() == 1).await;
    let seen = ask("+49307654321").await.expect(429);
    assert_eq!(seen.field("error_code"), "over_sms_send_rate_limit");
    // Mails have a count of their own, and none is set.
    app.stranger().post("/auth/v1/otp", json!({ "email": "ann@example.com" })).await.expect(200);
}

#[tokio::test]
async fn an_administrator_sees_what_a_mail_says_before_anybody_gets_it() {
    let app = TestApp::start().await;
    let listed = app.service().get("/admin/v1/mail-templates").await.expect(200).value();
    assert!(
        listed["kinds"].as_array().unwrap().len() >= 18 && listed["locales"] == json!(["de", "en"]),
        "{listed}"
    );
    let show = async |path: &str| app.service().get(&format!("/admin/v1/mail-templates/{path}")).await;
    let english = show("recovery").await.expect(200).value();
    assert_eq!(english["subject"], "Reset your password");
    assert!(english["text"].as_str().unwrap().contains("123456"), "made-up values: {english}");
    assert!(english["html"].as_str().unwrap().contains("href="), "{english}");
    let german = show("recovery?locale=de-AT").await.expect(200).value();
    assert_ne!(german["subject"], english["subject"]);
    show("nonsense").await.expect(404);
    for kind in listed["kinds"].as_array().unwrap() {
        show(kind.as_str().unwrap()).await.expect(200);
    }
    app.stranger().get("/admin/v1/mail-templates").await.expect(403);
    app.person("ann").await.client.get("/admin/v1/mail-templates/recovery").await.expect(403);
}

#[tokio::test]
async fn a_refused_choice_of_a_password_is_a_detail_that_the_log_keeps_when_it_is_asked_to() {
    for (level, kept) in [("debug", 3), ("info", 0)] {
        let app = TestApp::builder().unlimited().with("logging.audit_log_level", level).start().await;
        let weak = json!({ "email": "bob@example.com", "password": "short" });
        app.stranger().post("/auth/v1/signup", weak.clone()).await.expect(422);
        app.service().post("/auth/v1/admin/users", weak).await.expect(422);
        let ann = app.person("ann").await;
        let same = json!({ "password": ann.password });
        ann.client.json(Method::PUT, "/auth/v1/user", same).await.expect(422);
        let audit = &app.running.services.audit;
        audit.settle().await.unwrap();
        let filter =
            audit::Filter { event: Some("auth.password_refused".to_owned()), ..audit::Filter::default() };
        let found = audit.find(&filter, None, 10).await.unwrap();
        assert_eq!(found.len(), kept, "{level}");
        assert!(found.iter().all(|entry| !entry.body.contains("short") && !entry.body.contains(PASSWORD)));
    }
}
