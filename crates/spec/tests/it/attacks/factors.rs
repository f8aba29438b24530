//! Second factors under attack (rows 13 to 16).

use http::Method;
use serde_json::json;
use spec::{Authenticator, Client, Idp, Person, TestApp};

use super::oauth::{OURS, token_for};
use crate::features::links::{confirmed, press};
use crate::features::oauth::{CHALLENGE, VERIFIER, today, with_idp};

fn now(app: &TestApp) -> i64 {
    app.clock.now().as_second()
}

async fn signed_in(app: &TestApp, person: &Person) -> Person {
    let session = Person::sign_in(&app.stranger(), &person.email, &person.password).await.expect(200).value();
    let session = Person::from(&app.stranger(), &person.email, &session);
    Person { password: person.password.clone(), ..session }
}

#[tokio::test]
async fn row_13_a_recovery_code_works_once_and_is_no_text_in_the_database() {
    let app = TestApp::builder().unlimited().start().await;
    let (ann, _) = Authenticator::with(&app.person("ann").await, now(&app)).await;
    let made = ann.client.post("/auth/v1/factors/recovery-codes", json!({})).await.expect(200).value();
    let codes: Vec<String> =
        made["codes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned()).collect();
    assert_eq!(codes.len(), 10);
    let kept = app.database.admin().await;
    let kept = kept.query_one("select codes::text from auth.mfa_recovery_code_sets", &[]).await.unwrap();
    let kept: String = kept.get(0);
    for code in &codes {
        assert!(!kept.contains(code) && !kept.contains(&code.replace('-', "")), "a code can be read");
    }
    let spend = async |client: &Client, code: &str| {
        client.post("/auth/v1/factors/recovery-codes/verify", json!({ "code": code })).await
    };
    let low = signed_in(&app, &ann).await;
    let spoken = codes[0].to_lowercase().replace('-', " ");
    spend(&low.client, &spoken).await.expect(200);
    let low = signed_in(&app, &ann).await;
    assert_eq!(
        spend(&low.client, &codes[0]).await.expect(422).field("error_code"),
        "mfa_verification_failed"
    );
    let tries: Vec<_> = (0..20)
        .map(|_| {
            let (client, code) = (low.client.clone(), codes[1].clone());
            tokio::spawn(async move {
                client.post("/auth/v1/factors/recovery-codes/verify", json!({ "code": code })).await
            })
        })
        .collect();
    let mut taken = 0;
    for tried in tries {
        taken += usize::from(tried.await.unwrap().status == 200);
    }
    assert_eq!(taken, 1, "twenty at once, one is let in");
}

#[tokio::test]
async fn row_14_a_code_is_refused_in_its_own_step_and_in_the_next() {
    let app = TestApp::builder().unlimited().start().await;
    let ann = app.person("ann").await;
    let phone = Authenticator::enrol(&ann).await;
    let (code, before) = (phone.code(now(&app)), phone.code(now(&app) - 30));
    phone.show(&ann.client, &code).await.expect(200);
    let thief = signed_in(&app, &ann).await;
    for seen in [&code, &before] {
        let refused = phone.show(&thief.client, seen).await.expect(422);
        assert_eq!(refused.field("error_code"), "mfa_verification_failed");
    }
    app.clock.advance(std::time::Duration::from_secs(30));
    phone.show(&thief.client, &code).await.expect(422);
    phone.show(&thief.client, &phone.code(now(&app))).await.expect(200);
}

/// 10,000 guesses over every way to vary them: sessions, addresses, endpoints, challenges.
#[tokio::test]
async fn row_15_guesses_stop_at_ten_whatever_is_varied() {
    let app = TestApp::builder().unlimited().start().await;
    let (ann, phone) = Authenticator::with(&app.person("ann").await, now(&app)).await;
    let second = {
        let body = json!({ "factor_type": "totp", "friendly_name": "tablet" });
        let enrolled = ann.client.post("/auth/v1/factors", body).await.expect(200).value();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let tablet = Authenticator { id: text(&enrolled["id"]), secret: text(&enrolled["totp"]["secret"]) };
        tablet.show(&ann.client, &tablet.code(now(&app))).await.expect(200);
        tablet
    };
    let sessions = [signed_in(&app, &ann).await, signed_in(&app, &ann).await, signed_in(&app, &ann).await];
    let mut waiting = Vec::new();
    for app in [&phone, &second] {
        let challenged =
            sessions[0].client.post(&format!("/auth/v1/factors/{}/challenge", app.id), json!({})).await;
        waiting.push(challenged.expect(200).field("id"));
    }
    let guess = |at: usize| {
        let waiting = waiting.clone();
        let (app, session) = ([&phone, &second][at % 2].clone(), sessions[at % 3].client.clone());
        let session = session.at(&sessions[0].client.from.to_string());
        let from = format!("127.{}.{}.{}", 200 + at % 3, at / 250 % 250, 1 + at % 250);
        let code = app.wrong(now_of(at));
        async move {
            let client = session.clone().at(&from);
            let seen = match at % 5 {
                4 => {
                    let code = json!({ "code": format!("{at:05}-AAAAA") });
                    client.post("/auth/v1/factors/recovery-codes/verify", code).await
                }
                // A challenge made anew, at an address nobody had before; else one that waits.
                0 => app.show(&client, &code).await,
                _ => {
                    let body = json!({ "challenge_id": waiting[at % 2], "code": code });
                    session.post(&format!("/auth/v1/factors/{}/verify", app.id), body).await
                }
            };
            let wrong = seen.status == 422 && seen.field("error_code") == "mfa_verification_failed";
            (seen.status.as_u16(), wrong)
        }
    };
    fn now_of(_: usize) -> i64 {
        testkit::mock_clock().now().as_second()
    }
    let mut looked_at = 0;
    for chunk in (0..10_000).collect::<Vec<usize>>().chunks(50) {
        let tries: Vec<_> = chunk.iter().map(|at| tokio::spawn(guess(*at))).collect();
        for tried in tries {
            let (status, wrong) = tried.await.unwrap();
            assert!([422, 429].contains(&status), "a guess was answered {status}");
            looked_at += usize::from(wrong);
        }
    }
    assert!((1..=10).contains(&looked_at), "{looked_at} guesses were looked at");
    let right = phone.show(&sessions[0].client, &phone.code(now(&app))).await;
    assert_eq!(right.status, 429, "a right code waits too");
    assert!(right.headers.contains_key("retry-after"));
    // Somebody else is not held up by it.
    Authenticator::with(&app.person("bob").await, now(&app)).await;
}

#[tokio::test]
async fn row_16_no_side_path_lifts_a_session() {
    let app = TestApp::builder().with("mfa.required", "true").unlimited().start().await;
    app.owner(
        "create table public.notes (id int); alter table public.notes enable row level security; \
         create policy everybody on public.notes for select to authenticated using (true); \
         grant select on public.notes to authenticated; insert into public.notes values (1)",
    )
    .await;
    let (ann, phone) = Authenticator::with(&app.person("ann").await, now(&app)).await;
    let low = signed_in(&app, &ann).await;
    let closed = async |client: &Client, how: &str| {
        let seen = client.get("/rest/v1/notes").await;
        assert_eq!(seen.status, 403, "{how}: {}", seen.text());
        let changed = client.json(Method::PUT, "/auth/v1/user", json!({ "data": { "a": 1 } })).await;
        assert_eq!(changed.status, 403, "{how}: {}", changed.text());
    };
    closed(&low.client, "the password").await;
    let body = json!({ "refresh_token": low.refresh_token });
    let refreshed = app.stranger().post("/auth/v1/token?grant_type=refresh_token", body).await.expect(200);
    let refreshed = low.again(&refreshed.value());
    closed(&refreshed.client, "a refresh").await;
    let fresh = refreshed.client.post("/auth/v1/reauthenticate", json!({ "password": ann.password })).await;
    let fresh = refreshed.again(&fresh.expect(200).value());
    closed(&fresh.client, "the password twice").await;
    let mut with_secret = fresh.client.clone();
    with_secret.headers.retain(|(name, _)| name != "apikey");
    let with_secret = with_secret.with("apikey", app.running.keys.secret.expose());
    closed(&with_secret, "a secret key beside the token").await;
    let another = json!({ "factor_type": "totp", "friendly_name": "mine" });
    let refused = fresh.client.post("/auth/v1/factors", another).await.expect(403);
    assert_eq!(refused.field("error_code"), "insufficient_aal", "a thief enrols no factor of their own");
    let removed =
        fresh.client.json(Method::DELETE, &format!("/auth/v1/factors/{}", phone.id), json!({})).await;
    assert_eq!(removed.expect(422).field("error_code"), "insufficient_aal");
    // The refresh token from before the second factor was shown does not rise with the session.
    app.clock.advance(std::time::Duration::from_secs(30));
    let raised = phone.show(&fresh.client, &phone.code(now(&app))).await.expect(200).value();
    let body = json!({ "refresh_token": fresh.refresh_token });
    app.stranger().post("/auth/v1/token?grant_type=refresh_token", body).await.expect(400);
    fresh.again(&raised).client.get("/rest/v1/notes").await.expect(200);
}

/// Each way in that is not a password: it begins a session of one proof, and a second factor is owed as before.
#[tokio::test]
async fn row_16_links_codes_outside_sign_ins_and_flows_give_one_proof_and_no_data() {
    let idp = Idp::start().await;
    let app = today(with_idp(&idp).serving().with("mfa.required", "true")).await;
    app.owner(
        "create table public.notes (id int); alter table public.notes enable row level security; \
         create policy everybody on public.notes for select to authenticated using (true); \
         grant select on public.notes to authenticated; insert into public.notes values (1)",
    )
    .await;
    let (ann, phone) = Authenticator::with(&confirmed(&app, "ann@example.com").await, now(&app)).await;
    ann.client.get("/rest/v1/notes").await.expect(200);
    let closed = async |session: serde_json::Value, how: &str| {
        let low = Person::from(&app.stranger(), "ann@example.com", &session);
        let claims = low.access_token.split('.').nth(1).unwrap().to_owned();
        let claims =
            base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, claims).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!(claims["aal"], "aal1", "{how}");
        for path in ["/rest/v1/notes", "/auth/v1/user/sessions"] {
            let seen = low.client.get(path).await;
            assert_eq!(seen.status, 403, "{how}: {path}: {}", seen.text());
        }
        let changed = low
            .client
            .json(Method::PUT, "/auth/v1/user", json!({ "password": "Another-Horse-8-Battery!" }))
            .await;
        assert!([401, 403].contains(&changed.status.as_u16()), "{how}: {}", changed.text());
        let mut keyed = low.client.clone();
        keyed.headers.retain(|(name, _)| name != "apikey");
        let keyed = keyed.with("apikey", app.running.keys.secret.expose());
        assert_eq!(keyed.get("/rest/v1/notes").await.status, 403, "{how}, beside a secret key");
        let refresh = json!({ "refresh_token": low.refresh_token });
        let next = app.stranger().post("/auth/v1/token?grant_type=refresh_token", refresh).await.expect(200);
        let next = low.again(&next.value());
        assert_eq!(next.client.get("/rest/v1/notes").await.status, 403, "{how}, refreshed");
        next
    };
    let mut mails = spec::mail::read_all(&app.data().join("mails"), "ann@example.com").len();
    for (path, kind) in
        [("/auth/v1/recover", "recovery"), ("/auth/v1/otp", "email"), ("/auth/v1/magiclink", "magiclink")]
    {
        app.stranger().post(path, json!({ "email": "ann@example.com" })).await.expect(200);
        mails += 1;
        let mail = app.mail("ann@example.com", mails).await;
        let body = json!({ "type": kind, "token_hash": mail.parameter("token") });
        let session = app.stranger().post("/auth/v1/verify", body).await.expect(200).value();
        closed(session, kind).await;
    }
    // A flow whose link led back with a code.
    let ask =
        json!({ "email": "ann@example.com", "code_challenge": CHALLENGE, "code_challenge_method": "s256" });
    app.stranger().post("/auth/v1/recover", ask).await.expect(200);
    mails += 1;
    let done = press(&app.stranger(), &app.mail("ann@example.com", mails).await).await.expect(303);
    let code = spec::browser::parameter(done.header("location"), "code").unwrap();
    let body = json!({ "auth_code": code, "code_verifier": VERIFIER });
    let session = app.stranger().post("/auth/v1/token?grant_type=pkce", body).await.expect(200).value();
    closed(session, "a flow").await;
    // Somebody else's sign-in.
    let hashed = "27042f4e6eca7d0b2a7ee4026df2ecfa51d3339e6d122aa099118ecd8563bad9";
    let token = token_for(&idp, OURS, "s~ann@example.com~true~Ann", hashed).await;
    let body = json!({ "id_token": token, "provider": "keycloak", "nonce": "right" });
    let session = app.stranger().post("/auth/v1/token?grant_type=id_token", body).await.expect(200).value();
    let low = closed(session, "an outside sign-in").await;
    // The neighbour: the second factor opens what it opened before.
    app.clock.advance(std::time::Duration::from_secs(30));
    let raised = phone.show(&low.client, &phone.code(now(&app))).await.expect(200).value();
    low.again(&raised).client.get("/rest/v1/notes").await.expect(200);
}

#[tokio::test]
async fn row_16_a_factor_that_was_begun_before_the_owners_is_no_second_proof() {
    let app = TestApp::builder().unlimited().with("mfa.methods", "totp,sms").texting().start().await;
    let ann = app.person("ann").await;
    let sign_in = async || {
        let session =
            Person::sign_in(&app.stranger(), &ann.email, spec::person::PASSWORD).await.expect(200).value();
        Person::from(&app.stranger().at("127.3.3.3"), &ann.email, &session)
    };
    // Mallory knows the password, and begins to enrol a telephone of hers.
    let mallory = sign_in().await;
    let body = json!({ "factor_type": "phone", "friendly_name": "x", "phone": "+49 30 7654321" });
    let planted = mallory.client.post("/auth/v1/factors", body).await.expect(200).field("id");
    let at = |what: &str| format!("/auth/v1/factors/{planted}/{what}");
    let challenge = mallory.client.post(&at("challenge"), json!({})).await.expect(200).field("id");
    let outbox = &app.running.services.outbox;
    let texts = outbox.list(None, 50).await.unwrap();
    let text = texts.iter().find(|mail| mail.to == "+49307654321").unwrap();
    let text = outbox.get(text.id).await.unwrap().text.unwrap();
    let code = text.expose().rsplit(' ').next().unwrap().to_owned();
    // Ann protects her account.
    let (ann_raised, phone) = Authenticator::with(&ann, app.clock.now().as_second()).await;
    let mallory = sign_in().await;
    let refused = mallory.client.post(&at("challenge"), json!({})).await.expect(403);
    assert_eq!(refused.field("error_code"), "insufficient_aal");
    let shown = json!({ "challenge_id": challenge, "code": code });
    let refused = mallory.client.post(&at("verify"), shown.clone()).await.expect(403);
    assert_eq!(refused.field("error_code"), "insufficient_aal");
    let user = ann_raised.client.get("/auth/v1/user").await.expect(200).value();
    let verified = |user: &serde_json::Value| {
        let all = user["factors"].as_array().unwrap().iter();
        all.filter(|factor| factor["status"] == "verified").count()
    };
    assert_eq!(verified(&user), 1, "{user}");
    // The neighbour: whoever showed the first one enrols a second.
    app.clock.advance(std::time::Duration::from_secs(30));
    let both =
        phone.show(&mallory.client, &phone.code(app.clock.now().as_second())).await.expect(200).value();
    let both = mallory.again(&both);
    both.client.post(&at("verify"), shown).await.expect(200);
}

#[tokio::test]
async fn row_16_a_session_of_one_proof_links_no_identity_either() {
    let idp = Idp::start().await;
    let body = async |who: &str| {
        let token = token_for(&idp, OURS, who, &spec::sha256("right")).await;
        json!({ "id_token": token, "provider": "keycloak", "nonce": "right", "link_identity": true })
    };
    let path = "/auth/v1/token?grant_type=id_token";
    let app = today(with_idp(&idp).with("mfa.required", "true")).await;
    let ann = app.person("ann").await;
    let refused = ann.client.post(path, body("s-1~one@example.com~true~One").await).await.expect(403);
    assert_eq!(refused.field("error_code"), "insufficient_aal");
    // The neighbour: whoever showed both.
    let (ann, _) = Authenticator::with(&ann, app.clock.now().as_second()).await;
    ann.client.post(path, body("s-2~two@example.com~true~Two").await).await.expect(200);
}
