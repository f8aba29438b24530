//! Somebody is first at an address, or comes in between, where its owner waits for something (rows 4, 32 and 35): an
//! administrator's set-up link, an invitation, the confirmation of a sign-up.

use http::Method;
use serde_json::{Value, json};
use spec::person::PASSWORD;
use spec::{Authenticator, Idp, Person, Seen, TestApp};

use super::hijack::{by_token, refresh, served_texting};
use super::takeover::{by_text, code_is_made, known_number};
use crate::features::links::{press, sign_up};

const VICTIM: &str = "victim@example.com";
const NUMBER: &str = "+4915550100";
const MALLORYS: &str = "Mallory-Horse-6-Battery!";
const FORM: [(&str, &str); 1] = [("content-type", "application/x-www-form-urlencoded")];

/// Uses a set-up link as the page of it does.
async fn become_administrator(app: &TestApp, email: &str) -> Seen {
    let asked = json!({ "email": email });
    let made = app::control::ask(app.data(), Method::POST, "/admins", Some(&asked)).await.unwrap();
    let token = made["link"].as_str().unwrap().split_once("?token=").unwrap().1.to_owned();
    let page = app.stranger().get(&format!("/auth/v1/setup?token={token}")).await.expect(200).text();
    let secret = page.split("type <code>").nth(1).unwrap().split('<').next().unwrap().to_owned();
    let code = testkit::totp(&secret, app.clock.now().as_second());
    let form = format!("token={token}&code={code}&password={}", PASSWORD.replace('!', "%21"));
    app.stranger().send(Method::POST, "/auth/v1/setup", &FORM, form.into()).await
}

async fn names(app: &TestApp, number: &str) -> Seen {
    app.stranger().post("/auth/v1/otp", json!({ "phone": number, "create_user": false })).await
}

#[tokio::test]
async fn row_35_a_set_up_link_keeps_nothing_of_whoever_was_first_at_the_address() {
    let idp = Idp::start().await;
    let app = served_texting(&idp).await;
    let squat = format!("m~{VICTIM}~false~Mallory");
    by_token(&app, &idp, &squat).await.expect(403);
    let session = by_token(&app, &idp, &squat).await.expect(200).value();
    let mallory = Person::from(&app.stranger(), VICTIM, &session);
    let (mallory, _) = Authenticator::with(&mallory, app.clock.now().as_second()).await;
    mallory.client.post("/auth/v1/factors/recovery-codes", json!({})).await.expect(200);
    let change = json!({ "phone": NUMBER, "password": MALLORYS, "data": { "plan": "theirs" } });
    mallory.client.json(Method::PUT, "/auth/v1/user", change).await.expect(200);
    code_is_made(&app).await;
    by_text(&app, "phone_change").await.expect(200);
    let change = json!({ "email": "mallory@evil.example" });
    mallory.client.json(Method::PUT, "/auth/v1/user", change).await.expect(200);
    let pending = app.mail("mallory@evil.example", 1).await;

    become_administrator(&app, VICTIM).await.expect(200);
    let session = Person::sign_in(&app.stranger(), VICTIM, PASSWORD).await.expect(200).value();
    let user = &session["user"];
    assert_eq!((&user["role"], &user["id"]), (&json!("dashboard_admin"), &json!(mallory.id)), "{user}");
    assert_eq!((&user["phone"], &user["factors"].as_array().unwrap().len()), (&json!(""), &1), "{user}");
    let providers: Vec<&Value> =
        user["identities"].as_array().unwrap().iter().map(|one| &one["provider"]).collect();
    assert_eq!(providers, ["email"], "{user}");
    assert_eq!(user["app_metadata"]["providers"], json!(["email"]), "{user}");
    assert!(user["user_metadata"].get("name").is_none() && user["user_metadata"].get("plan").is_none());
    mallory.client.get("/auth/v1/user").await.expect(403);
    refresh(&app, &mallory.refresh_token).await.expect(400);
    Person::sign_in(&app.stranger(), VICTIM, MALLORYS).await.expect(400);
    by_token(&app, &idp, &squat).await.expect(403);
    let late = press(&app.stranger(), &pending).await.expect(303);
    assert!(late.header("location").contains("otp_expired"), "{}", late.header("location"));
    names(&app, NUMBER).await.expect(200);
    // Jobs run one after the other: what the number asked for is done.
    let mails = spec::mail::read_all(&app.data().join("mails"), "ann@example.com").len();
    sign_up(&app, "ann@example.com", PASSWORD).await.expect(200);
    app.mail("ann@example.com", mails + 1).await;
    by_text(&app, "sms").await.expect(403);
}

#[tokio::test]
async fn row_35_a_set_up_link_believes_no_address_that_nobody_had_to_prove() {
    let app = known_number(TestApp::builder().unlimited()).start().await;
    let mallory = app.person("victim").await;
    mallory.client.json(Method::PUT, "/auth/v1/user", json!({ "phone": NUMBER })).await.expect(200);
    code_is_made(&app).await;
    by_text(&app, "phone_change").await.expect(200);
    become_administrator(&app, VICTIM).await.expect(200);
    let session = Person::sign_in(&app.stranger(), VICTIM, PASSWORD).await.expect(200).value();
    assert_eq!(session["user"]["role"], "dashboard_admin");
    assert_eq!(session["user"]["phone"], "", "the number signs nobody in to it");
    mallory.client.get("/auth/v1/user").await.expect(403);
}

#[tokio::test]
async fn row_32_no_stranger_spoils_an_invitation_or_leaves_a_password_in_it() {
    let app = TestApp::builder().serving().start().await;
    // The same for an address that is nobody's: what strangers are told.
    let told = sign_up(&app, "nobody@example.com", MALLORYS).await.expect(200).value();
    for (nth, early) in [false, true].into_iter().enumerate() {
        let email = format!("guest{nth}@example.com");
        let mut mails = 0;
        if early {
            sign_up(&app, &email, MALLORYS).await.expect(200);
            mails += 1;
            app.mail(&email, mails).await;
        }
        let invite = json!({ "email": email, "data": { "team": "blue" } });
        app.service().post("/auth/v1/invite", invite).await.expect(200);
        mails += 1;
        let invitation = app.mail(&email, mails).await;
        for (path, body) in [
            ("/auth/v1/signup", json!({ "email": email, "password": MALLORYS })),
            ("/auth/v1/signup", json!({ "email": email, "password": PASSWORD })),
            ("/auth/v1/resend", json!({ "email": email, "type": "signup" })),
            ("/auth/v1/otp", json!({ "email": email })),
            ("/auth/v1/magiclink", json!({ "email": email })),
            ("/auth/v1/recover", json!({ "email": email })),
        ] {
            let seen = app.stranger().post(path, body).await.expect(200).value();
            if path.ends_with("signup") {
                let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
                assert_eq!(keys(&seen), keys(&told), "a stranger is told what they always are");
            }
            mails += 1;
            app.mail(&email, mails).await;
        }
        let done = press(&app.stranger(), &invitation).await.expect(303);
        assert!(done.header("location").contains("type=invite"), "{email}: {}", done.header("location"));
        for password in [MALLORYS, PASSWORD] {
            Person::sign_in(&app.stranger(), &email, password).await.expect(400);
        }
        // What was mailed beside it is nothing any more.
        let late = press(&app.stranger(), &app.mail(&email, mails).await).await.expect(303);
        assert!(late.header("location").contains("otp_expired"), "{}", late.header("location"));
    }
}

#[tokio::test]
async fn row_4_whoever_is_invited_may_take_another_way_in_and_no_strangers_password_comes_along() {
    let app = TestApp::builder().serving().start().await;
    for (kind, when) in [("signup", "early"), ("resend", "early"), ("otp", "early"), ("signup", "late")] {
        let email = format!("{kind}-{when}@example.com");
        sign_up(&app, &email, MALLORYS).await.expect(200);
        app.mail(&email, 1).await;
        app.service().post("/auth/v1/invite", json!({ "email": email, "data": {} })).await.expect(200);
        let invitation = app.mail(&email, 2).await;
        if when == "late" {
            // The invitation has had its time, and the sign-up is one like any other.
            app.clock.advance(std::time::Duration::from_secs(3_601));
        }
        let asked = match kind {
            "signup" => json!({ "email": email, "password": MALLORYS }),
            "resend" => json!({ "email": email, "type": "signup" }),
            _ => json!({ "email": email }),
        };
        app.stranger().post(&format!("/auth/v1/{kind}"), asked).await.expect(200);
        let verify = json!({ "type": "signup", "email": email, "token": app.mail(&email, 3).await.code() });
        let session = app.stranger().post("/auth/v1/verify", verify).await.expect(200).value();
        assert!(session["user"]["email_confirmed_at"].is_string(), "{session}");
        Person::sign_in(&app.stranger(), &email, MALLORYS).await.expect(400);
        let late = press(&app.stranger(), &invitation).await.expect(303);
        assert!(late.header("location").contains("otp_expired"), "{}", late.header("location"));
    }
}

#[tokio::test]
async fn row_4_of_two_sign_ups_at_once_neither_is_believed_unless_they_agree() {
    let app = TestApp::builder().serving().start().await;
    for nth in 0..4 {
        for (kind, password, right) in [("strangers", MALLORYS, 400), ("twice", PASSWORD, 200)] {
            let email = format!("{kind}{nth}@example.com");
            let (one, other) = tokio::join!(sign_up(&app, &email, PASSWORD), sign_up(&app, &email, password));
            for seen in [one, other] {
                assert_eq!(seen.expect(200).field("email"), email);
            }
            // Each was sent a code, and the newer one is good, whichever mail was there first.
            let mut good = 0;
            for mail in app.mails(&email, 2).await {
                let verify = json!({ "type": "signup", "email": email, "token": mail.code() });
                good += usize::from(app.stranger().post("/auth/v1/verify", verify).await.status == 200);
            }
            assert_eq!(good, 1, "{email}");
            Person::sign_in(&app.stranger(), &email, PASSWORD).await.expect(right);
            Person::sign_in(&app.stranger(), &email, password).await.expect(right);
        }
    }
}

/// A number that somebody only says is theirs keeps it from nobody who proves it, and the account that said it is nobody else's by that.
#[tokio::test]
async fn row_4_a_number_that_nobody_proved_is_taken_by_whoever_proves_it_and_no_account_with_it() {
    for squat in [
        // Signed up and never proven; said by an administrator of an account with an address of its own; and of one with nothing else.
        json!(null),
        json!({ "email": "bob@example.com", "email_confirm": true, "phone": NUMBER, "password": MALLORYS }),
        json!({ "email": "carl@example.com", "phone": NUMBER, "password": MALLORYS }),
        json!({ "phone": NUMBER, "password": MALLORYS }),
    ] {
        let app = known_number(TestApp::builder().unlimited()).start().await;
        let users =
            || async { app.service().get("/auth/v1/admin/users").await.expect(200).value()["users"].clone() };
        match squat.is_null() {
            true => {
                let body = json!({ "phone": NUMBER, "password": MALLORYS });
                app.stranger().post("/auth/v1/signup", body).await.expect(200);
            }
            false => drop(app.service().post("/auth/v1/admin/users", squat.clone()).await.expect(200)),
        }
        let before = users().await;
        let other = before[0]["id"].as_str().unwrap_or_default().to_owned();
        let ann = app.person("ann").await;
        // What the squatter was sent is another purpose's.
        app.admin("delete from auth.one_time_tokens").await;
        ann.client.json(Method::PUT, "/auth/v1/user", json!({ "phone": NUMBER })).await.expect(200);
        code_is_made(&app).await;
        let session = by_text(&app, "phone_change").await.expect(200).value();
        assert_eq!(
            (&session["user"]["id"], &session["user"]["phone"]),
            (&json!(ann.id), &json!("4915550100")),
            "{squat}"
        );
        let after = users().await;
        let left = after.as_array().unwrap().iter().find(|user| user["id"] == json!(other));
        match squat.get("email") {
            None => assert!(left.is_none(), "{after}"),
            Some(email) => {
                let left = left.unwrap();
                assert_eq!((&left["email"], &left["phone"]), (email, &json!("")), "{left}");
                assert!(
                    left["identities"].as_array().unwrap().iter().all(|one| one["provider"] == "email"),
                    "{left}"
                );
                let kept = Person::sign_in(&app.stranger(), email.as_str().unwrap(), MALLORYS).await;
                assert_eq!(kept.status == 200, squat["email_confirm"] == true, "{}", kept.text());
            }
        }
        let body = json!({ "phone": NUMBER, "password": MALLORYS });
        app.stranger().post("/auth/v1/token?grant_type=password", body).await.expect(400);
    }
    // The neighbour: who proved it keeps it.
    let app = known_number(TestApp::builder().unlimited()).start().await;
    let made = json!({ "phone": NUMBER, "phone_confirm": true, "password": PASSWORD });
    app.service().post("/auth/v1/admin/users", made).await.expect(200);
    let ann = app.person("ann").await;
    ann.client.json(Method::PUT, "/auth/v1/user", json!({ "phone": NUMBER })).await.expect(200);
    code_is_made(&app).await;
    by_text(&app, "phone_change").await.expect(422);
    let body = json!({ "phone": NUMBER, "password": PASSWORD });
    app.stranger().post("/auth/v1/token?grant_type=password", body).await.expect(200);
}
