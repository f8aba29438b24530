//! Mails and texts as a weapon or a bill: whoever has them sent over and over, by whatever way and under whatever name, is
//! held to one pause, and everybody together to one count.

use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use serde_json::json;
use spec::person::PASSWORD;
use spec::redis::Redis;
use spec::{Client, Person, Seen, TestApp};

use crate::features::links::confirmed;

/// What the pause is set to, and a step of the window more.
const PAUSE: Duration = Duration::from_secs(70);

fn texting() -> spec::TestAppBuilder {
    TestApp::builder().unlimited().texting().with("sms.max_frequency", "1m").with("mfa.methods", "totp,sms")
}

/// How many texts left for a number, once there are `count` to all of them.
async fn texts(app: &TestApp, number: &str, count: usize) -> usize {
    let mut found = Vec::new();
    app.eventually(async || {
        found = app.running.services.outbox.list(None, 200).await.unwrap();
        found.retain(|letter| letter.to.starts_with('+'));
        found.len() >= count
    })
    .await;
    assert_eq!(found.len(), count, "texts to everybody");
    found.iter().filter(|letter| letter.to == number).count()
}

async fn name(who: &Person, number: &str) -> Seen {
    who.client.json(Method::PUT, "/auth/v1/user", json!({ "phone": number })).await
}

fn too_soon(seen: Seen) {
    assert_eq!(seen.expect(429).field("error_code"), "over_sms_send_rate_limit");
}

#[tokio::test]
async fn one_account_is_sent_one_text_in_a_pause_whatever_numbers_it_names() {
    let app = texting().start().await;
    let (ann, bob) = (app.person("ann").await, app.person("bob").await);
    name(&ann, "+49301000001").await.expect(200);
    for number in ["+49301000002", "+49301000003", "+49301000004"] {
        too_soon(name(&ann, number).await);
    }
    assert_eq!(texts(&app, "+49301000001", 1).await, 1);
    // The neighbours: a number that was only named is nobody's to close, and a minute later the same account goes on.
    name(&bob, "+49301000002").await.expect(200);
    assert_eq!(texts(&app, "+49301000002", 2).await, 1);
    app.clock.advance(PAUSE);
    name(&ann, "+49301000003").await.expect(200);
    assert_eq!(texts(&app, "+49301000003", 3).await, 1);
}

#[tokio::test]
async fn one_account_is_sent_one_text_in_a_pause_whatever_factors_it_begins() {
    let app = texting().start().await;
    let ann = app.person("ann").await;
    let mut challenges = Vec::new();
    for number in ["+49302000001", "+49302000002", "+49302000003"] {
        let factor = json!({ "factor_type": "phone", "friendly_name": number, "phone": number });
        let id = ann.client.post("/auth/v1/factors", factor).await.expect(200).field("id");
        challenges.push(format!("/auth/v1/factors/{id}/challenge"));
    }
    ann.client.post(&challenges[0], json!({ "channel": "sms" })).await.expect(200);
    for challenge in &challenges {
        too_soon(ann.client.post(challenge, json!({ "channel": "sms" })).await);
    }
    too_soon(name(&ann, "+49302000009").await);
    assert_eq!(texts(&app, "+49302000001", 1).await, 1);
    app.clock.advance(PAUSE);
    ann.client.post(&challenges[1], json!({ "channel": "sms" })).await.expect(200);
    assert_eq!(texts(&app, "+49302000002", 2).await, 1);
}

#[tokio::test]
async fn one_number_is_sent_one_text_in_a_pause_whoever_asks_and_by_whatever_way() {
    const VICTIM: &str = "+49303000001";
    let app = texting().start().await;
    let (ann, bob) = (app.person("ann").await, app.person("bob").await);
    app.stranger().post("/auth/v1/otp", json!({ "phone": VICTIM })).await.expect(200);
    assert_eq!(texts(&app, VICTIM, 1).await, 1);
    let ways = [
        ("/auth/v1/otp", json!({ "phone": "49 303 000001" })),
        ("/auth/v1/signup", json!({ "phone": VICTIM, "password": PASSWORD })),
        ("/auth/v1/resend", json!({ "phone": VICTIM, "type": "sms" })),
        ("/auth/v1/resend", json!({ "phone": VICTIM, "type": "phone_change" })),
    ];
    for (path, body) in &ways {
        too_soon(app.stranger().post(path, body.clone()).await);
    }
    for who in [&ann, &bob] {
        too_soon(name(who, VICTIM).await);
    }
    let factor = json!({ "factor_type": "phone", "friendly_name": "theirs", "phone": VICTIM });
    let id = ann.client.post("/auth/v1/factors", factor).await.expect(200).field("id");
    app.clock.advance(PAUSE);
    // Another way first, and the ways are closed again, also to whoever has an account.
    app.stranger().post(ways[1].0, ways[1].1.clone()).await.expect(200);
    assert_eq!(texts(&app, VICTIM, 2).await, 2);
    too_soon(ann.client.post(&format!("/auth/v1/factors/{id}/challenge"), json!({})).await);
    for (path, body) in &ways {
        too_soon(app.stranger().post(path, body.clone()).await);
    }
    assert_eq!(texts(&app, VICTIM, 2).await, 2);
}

#[tokio::test]
async fn one_address_is_asked_once_in_a_pause_however_many_accounts_want_it() {
    const VICTIM: &str = "victim@example.org";
    let app = TestApp::builder().serving().with("auth.mail_max_frequency", "1m").start().await;
    let (ann, bob) = (confirmed(&app, "ann@example.com").await, confirmed(&app, "bob@example.com").await);
    let want = async |who: &Person, email: &str| {
        who.client.json(Method::PUT, "/auth/v1/user", json!({ "email": email })).await
    };
    want(&ann, VICTIM).await.expect(200);
    for (who, email) in [(&bob, VICTIM), (&ann, VICTIM), (&ann, "another@example.org")] {
        let seen = want(who, email).await.expect(429);
        assert_eq!(seen.field("error_code"), "over_email_send_rate_limit", "{email}");
    }
    app.mails(VICTIM, 1).await;
    app.clock.advance(PAUSE);
    want(&bob, VICTIM).await.expect(200);
    app.mails(VICTIM, 2).await;
    assert!(app.mails("another@example.org", 0).await.is_empty());
}

/// Somebody with a proven address, who was mailed nothing yet.
async fn known(app: &TestApp, email: &str) -> Client {
    let made = json!({ "email": email, "password": PASSWORD, "email_confirm": true });
    app.service().post("/auth/v1/admin/users", made).await.expect(200);
    let session = Person::sign_in(&app.stranger(), email, PASSWORD).await.expect(200).value();
    Person::from(&app.stranger(), email, &session).client
}

#[tokio::test]
async fn of_many_at_once_no_more_are_sent_than_may_leave() {
    const MAY_LEAVE: usize = 3;
    let redis = Redis::start().await;
    // Nodes that share a count ask a store for it, and everybody who asks in between finds the same room.
    let app = TestApp::builder()
        .serving()
        .with("auth.mail_sent_max", &MAY_LEAVE.to_string())
        .with("rate_limiting.redis_url", &redis.url())
        .with("redis.ca_file", &redis.ca_file.display().to_string())
        .start()
        .await;
    let emails: Vec<String> = (0..16).map(|n| format!("p{n}@example.com")).collect();
    let mut people = Vec::new();
    for email in &emails {
        people.push(known(&app, email).await);
    }
    let before: Vec<usize> = emails.iter().map(|email| of(&app, email)).collect();
    let seen = join_all(people.iter().map(|person| person.get("/auth/v1/reauthenticate"))).await;
    let sent = seen.iter().filter(|seen| seen.status == 200).count();
    assert_eq!(sent, MAY_LEAVE);
    for refused in seen.into_iter().filter(|seen| seen.status != 200) {
        assert_eq!(refused.expect(429).field("error_code"), "over_email_send_rate_limit");
    }
    let left = || emails.iter().zip(&before).map(|(email, before)| of(&app, email) - before).sum::<usize>();
    app.eventually(async || left() >= MAY_LEAVE).await;
    assert_eq!(left(), MAY_LEAVE);
}

/// Mails with a code that left for an address.
fn of(app: &TestApp, email: &str) -> usize {
    spec::mail::read_all(&app.data().join("mails"), email).len()
}
