//! The refusals that clients of GoTrue know by their code, each provoked where upstream gives it (wire/gotrue.md 0.3 and 1).
//! `supabase::auth::codes` has those that are never given, and why.

use http::Method;
use serde_json::{Value, json};
use spec::browser::parameter;
use spec::device::Device;
use spec::{Authenticator, Double, Idp, Person, Seen, TestApp};

use super::links::{confirmed, press};
use super::oauth::{BACK, CHALLENGE, VERIFIER, begin, browser, today, with_idp};

#[track_caller]
fn says(seen: &Seen, status: u16, code: &str) {
    let body: Value = serde_json::from_slice(&seen.body).unwrap_or_default();
    assert_eq!((seen.status.as_u16(), body["error_code"].as_str()), (status, Some(code)), "{}", seen.text());
    assert_eq!(seen.header("x-sb-error-code"), code);
}

fn now(app: &TestApp) -> i64 {
    app.clock.now().as_second()
}

async fn enrol(ann: &Person, kind: &str, name: &str) -> Seen {
    let body = json!({ "factor_type": kind, "friendly_name": name, "phone": "+49301234567" });
    ann.client.post("/auth/v1/factors", body).await
}

#[tokio::test]
async fn second_factors_are_refused_by_upstreams_codes() {
    let app = TestApp::builder()
        .unlimited()
        .with("mfa.methods", "totp,sms")
        .with("auth.anonymous_users", "true")
        .texting()
        .start()
        .await;
    let ann = app.person("ann").await;
    says(&enrol(&ann, "webauthn", "key").await, 422, "mfa_webauthn_enroll_not_enabled");
    says(&enrol(&ann, "smoke", "x").await, 400, "validation_failed");
    says(
        &ann.client.post("/auth/v1/factors/recovery-codes", json!({})).await,
        422,
        "mfa_recovery_codes_sole_factor",
    );
    let nobody = json!({ "challenge_id": "00000000-0000-4000-8000-000000000001", "code": "000000" });
    for (path, status, code) in [
        ("/auth/v1/factors/x/challenge", 404, "validation_failed"),
        ("/auth/v1/factors/00000000-0000-4000-8000-000000000001/challenge", 404, "mfa_factor_not_found"),
    ] {
        says(&ann.client.post(path, nobody.clone()).await, status, code);
    }
    let (ann, phone) = Authenticator::with(&ann, now(&app)).await;
    let at = |what: &str| format!("/auth/v1/factors/{}/{what}", phone.id);
    says(&ann.client.post(&at("verify"), nobody.clone()).await, 422, "mfa_factor_not_found");
    enrol(&ann, "totp", "tablet").await.expect(200);
    says(&enrol(&ann, "totp", "tablet").await, 422, "mfa_factor_name_conflict");
    let telephone = enrol(&ann, "phone", "mobile").await.expect(200).field("id");
    let challenge = ann.client.post(&format!("/auth/v1/factors/{telephone}/challenge"), json!({})).await;
    let challenge = challenge.expect(200).field("id");
    let outbox = &app.running.services.outbox;
    let sent = outbox.list(None, 50).await.unwrap();
    let text = outbox.get(sent.iter().find(|mail| mail.to == "+49301234567").unwrap().id).await.unwrap();
    let code = text.text.unwrap().expose().rsplit(' ').next().unwrap().to_owned();
    let shown = json!({ "challenge_id": challenge, "code": code });
    let raised = ann.client.post(&format!("/auth/v1/factors/{telephone}/verify"), shown).await.expect(200);
    let ann = ann.again(&raised.value());
    says(&enrol(&ann, "phone", "again").await, 422, "mfa_verified_factor_exists");
    for n in 0..10 {
        let seen = enrol(&ann, "totp", &format!("n{n}")).await;
        if seen.status != 200 {
            says(&seen, 422, "too_many_enrolled_mfa_factors");
            assert!(n > 5, "the {n}th was one too many");
            break;
        }
        assert!(n < 9, "there is no end of them");
    }
    // A challenge of another address, and one that is too old.
    let ask =
        async |person: &Person| person.client.post(&at("challenge"), json!({})).await.expect(200).field("id");
    let right = |challenge: &str| json!({ "challenge_id": challenge, "code": phone.code(now(&app) + 30) });
    let challenge = ask(&ann).await;
    let elsewhere = ann.client.clone().at("127.66.0.1").post(&at("verify"), right(&challenge)).await;
    says(&elsewhere, 422, "mfa_ip_address_mismatch");
    app.clock.advance(std::time::Duration::from_secs(301));
    says(&ann.client.post(&at("verify"), right(&challenge)).await, 422, "mfa_challenge_expired");
    // One proof does not take a second factor away or add one.
    let low = Person::sign_in(&app.stranger(), &ann.email, &ann.password).await.expect(200).value();
    let low = ann.again(&low);
    says(&enrol(&low, "totp", "thief").await, 403, "insufficient_aal");
    let gone = low.client.json(Method::DELETE, &format!("/auth/v1/factors/{}", phone.id), json!({})).await;
    says(&gone, 422, "insufficient_aal");
    let password = json!({ "password": "Another-Horse-8-Battery!" });
    says(&low.client.json(Method::PUT, "/auth/v1/user", password).await, 401, "insufficient_aal");
    let guess = async || {
        let code = json!({ "code": "AAAAA-AAAAA" });
        low.client.post("/auth/v1/factors/recovery-codes/verify", code).await
    };
    for _ in 0..5 {
        says(&guess().await, 422, "mfa_verification_failed");
    }
    says(&guess().await, 429, "mfa_recovery_codes_locked");
    let anonymous = app.stranger().post("/auth/v1/signup", json!({})).await.expect(200).value();
    let anonymous = Person::from(&app.stranger(), "", &anonymous);
    says(&enrol(&anonymous, "totp", "x").await, 403, "no_authorization");
    // What is not listed, and everything where there is none.
    let app = TestApp::builder()
        .unlimited()
        .with("mfa.methods", "totp")
        .with("auth.passkeys", "false")
        .start()
        .await;
    let bob = app.person("bob").await;
    says(&enrol(&bob, "phone", "x").await, 422, "mfa_phone_enroll_not_enabled");
    says(
        &bob.client.post("/auth/v1/passkeys/registration/options", json!({})).await,
        404,
        "passkey_disabled",
    );
    let app = TestApp::builder().unlimited().with("mfa.enabled", "false").start().await;
    says(&enrol(&app.person("bob").await, "totp", "x").await, 422, "mfa_totp_enroll_not_enabled");
}

#[tokio::test]
async fn the_eleventh_passkey_is_one_too_many() {
    let app = TestApp::builder().unlimited().start().await;
    let ann = app.person("ann").await;
    let origin = format!("http://localhost:{}", app.running.address.port());
    let register = async || {
        let begun = ann.client.post("/auth/v1/passkeys/registration/options", json!({})).await;
        if begun.status != 200 {
            return begun;
        }
        let begun = begun.value();
        let credential = Device::new(&origin, "localhost").create(&begun["options"]);
        let body = json!({ "challenge_id": begun["challenge_id"], "credential": credential });
        ann.client.post("/auth/v1/passkeys/registration/verify", body).await
    };
    for _ in 0..10 {
        register().await.expect(200);
    }
    says(&register().await, 422, "too_many_passkeys");
}

#[tokio::test]
async fn ways_in_are_refused_by_upstreams_codes() {
    let idp = Idp::start().await;
    let app = TestApp::builder()
        .unlimited()
        .with("outbound.allow", "127.0.0.1")
        .with("auth.require_current_password", "true")
        .with("auth.custom_providers.max", "1")
        .with("auth.oauth_server.enabled", "true")
        .start()
        .await;
    let ann = app.person("ann").await;
    let change = async |body: Value| ann.client.json(Method::PUT, "/auth/v1/user", body).await;
    let new = "Another-Horse-8-Battery!";
    says(&change(json!({ "password": new })).await, 400, "current_password_required");
    says(&change(json!({ "password": new, "current_password": "x" })).await, 400, "current_password_invalid");
    let same = json!({ "password": ann.password, "current_password": ann.password });
    says(&change(same).await, 422, "same_password");
    says(&change(json!({ "app_metadata": { "role": "x" } })).await, 403, "not_admin");
    let linking = format!("/auth/v1/user/identities/authorize?provider=github&redirect_to={BACK}");
    says(&ann.client.get(&linking).await, 404, "manual_linking_disabled");
    let nobodys = "/auth/v1/user/oauth/grants?client_id=00000000-0000-4000-8000-000000000001";
    says(&ann.client.json(Method::DELETE, nobodys, json!({})).await, 404, "oauth_consent_not_found");
    let identity = "/auth/v1/user/identities/00000000-0000-4000-8000-000000000001";
    let other = ann.client.clone().with("x-jwt-aud", "another");
    says(&other.json(Method::DELETE, identity, json!({})).await, 403, "unexpected_audience");
    says(&other.get("/auth/v1/user").await, 400, "validation_failed");
    let claims = json!({ "iss": "https://nobody.example", "aud": "x", "sub": "1", "exp": 4_102_444_800_i64 });
    let unknown =
        json!({ "id_token": spec::hs256(b"nobody's", &claims), "provider": "https://nobody.example" });
    says(&app.stranger().post("/auth/v1/token?grant_type=id_token", unknown).await, 400, "provider_disabled");
    says(
        &app.stranger().post("/auth/v1/token?grant_type=magic", json!({})).await,
        400,
        "invalid_credentials",
    );
    let refresh = async |token: &str| {
        let body = json!({ "refresh_token": token });
        app.stranger().post("/auth/v1/token?grant_type=refresh_token", body).await
    };
    says(&refresh("abc").await, 400, "validation_failed");
    let next = refresh(&ann.refresh_token).await.expect(200).field("refresh_token");
    refresh(&next).await.expect(200);
    app.clock.advance(std::time::Duration::from_secs(60));
    says(&refresh(&ann.refresh_token).await, 400, "refresh_token_already_used");
    let made = |email: &str| json!({ "email": email, "phone": "+49301234567", "phone_confirm": true });
    let admin = app.service();
    admin.post("/auth/v1/admin/users", made("one@example.com")).await.expect(200);
    says(&admin.post("/auth/v1/admin/users", made("two@example.com")).await, 422, "phone_exists");
    says(
        &admin.post("/auth/v1/admin/users", json!({ "email": "one@example.com" })).await,
        422,
        "email_exists",
    );
    let provider = |name: &str| {
        json!({
            "provider_type": "oidc", "identifier": name, "name": "X", "client_id": "c", "client_secret": "s",
            "issuer": idp.issuer,
        })
    };
    admin.post("/auth/v1/admin/custom-providers", provider("custom:one")).await.expect(201);
    says(
        &admin.post("/auth/v1/admin/custom-providers", provider("custom:two")).await,
        400,
        "over_custom_provider_quota",
    );
    let bob = app.person("bob").await;
    let user = format!("/auth/v1/admin/users/{}", bob.id);
    admin.json(Method::PUT, &user, json!({ "ban_duration": "1h" })).await.expect(200);
    let entered = Person::sign_in(&app.stranger(), &bob.email, &bob.password).await;
    says(&entered, 400, "user_banned");
    let refused = app.stranger().send(Method::POST, "/auth/v1/signup", &[], "{".into()).await;
    says(&refused, 400, "bad_json");
    says(&admin.get("/auth/v1/admin/audit?query=author:%00").await, 400, "validation_failed");
    // As everybody is limited.
    let app = TestApp::start().await;
    let stranger = app.stranger();
    for n in 0..6 {
        let seen = Person::sign_in(&stranger, "ann@example.com", "Wrong-Password-1!").await;
        match n {
            5 => says(&seen, 429, "over_request_rate_limit"),
            _ => says(&seen, 400, "invalid_credentials"),
        }
    }
}

#[tokio::test]
async fn flows_are_refused_by_upstreams_codes() {
    let app = TestApp::builder().serving().start().await;
    confirmed(&app, "ann@example.com").await;
    let code = async |mails: usize| {
        let ask = json!({ "email": "ann@example.com", "code_challenge": CHALLENGE, "code_challenge_method": "s256" });
        app.stranger().post("/auth/v1/recover", ask).await.expect(200);
        let done = press(&app.stranger(), &app.mail("ann@example.com", mails).await).await.expect(303);
        parameter(done.header("location"), "code").unwrap()
    };
    let exchange = async |code: &str, verifier: &str| {
        let body = json!({ "auth_code": code, "code_verifier": verifier });
        app.stranger().post("/auth/v1/token?grant_type=pkce", body).await
    };
    says(&exchange(&code(2).await, &"x".repeat(43)).await, 400, "bad_code_verifier");
    let aged = code(3).await;
    app.clock.advance(std::time::Duration::from_secs(301));
    says(&exchange(&aged, VERIFIER).await, 422, "flow_state_expired");
    says(&exchange("00000000-0000-4000-8000-000000000001", VERIFIER).await, 404, "flow_state_not_found");
    exchange(&code(4).await, VERIFIER).await.expect(200);
}

#[tokio::test]
async fn a_provider_that_went_while_somebody_was_there_is_said_to_be_gone() {
    let idp = Idp::start().await;
    let app = today(with_idp(&idp)).await;
    let body = json!({
        "provider_type": "oidc", "identifier": "custom:own", "name": "Own", "client_id": "palisade",
        "client_secret": "a-secret-that-only-both-know", "issuer": idp.issuer,
    });
    app.service().post("/auth/v1/admin/custom-providers", body).await.expect(201);
    let mut browser = browser(&app);
    let at = begin(&app, "custom:own", "s-1~ann@example.com~true~Ann", "");
    let away = browser.open(&at).await.header("location").to_owned();
    let path = "/auth/v1/admin/custom-providers/custom:own";
    app.service().send(Method::DELETE, path, &[], "".into()).await.expect(204);
    let back = browser.follow(&away, BACK).await;
    assert_eq!(parameter(&back, "error_code").as_deref(), Some("oauth_provider_not_supported"), "{back}");
}

/// Texts through a provider as its API answers: taken, put off, refused.
#[tokio::test]
async fn a_text_leaves_through_the_provider_again_if_it_must_and_its_no_is_told() {
    let double = Double::start().await;
    let answer = |status: &str| {
        double.answer(
            "/sms/json",
            json!({ "message-count": "1", "messages": [{ "status": status, "message-id": "V1" }] }),
        );
    };
    let app = TestApp::builder()
        .serving()
        .with("mfa.methods", "totp,sms")
        .with("sms.max_frequency", "0s")
        .with("sms.provider", "vonage")
        .with("sms.vonage_api_key", "abcd1234")
        .with("sms.vonage_api_secret", "abcdef0123456789")
        .with("sms.vonage_from", "Palisade")
        .with("sms.api_url", &double.url)
        .with("outbound.allow", "127.0.0.1")
        .start()
        .await;
    // Vonage is busy: the text is asked for again, by a job.
    answer("1");
    app.stranger().post("/auth/v1/otp", json!({ "phone": "+49301234567" })).await.expect(200);
    app.eventually(async || double.asked().len() == 1).await;
    answer("0");
    let tried = async || {
        app.clock.advance(std::time::Duration::from_secs(5));
        double.asked().len() == 2
    };
    app.eventually(tried).await;
    let asked = double.asked().pop().unwrap();
    assert!(
        asked.line.starts_with("POST /sms/json") && asked.whole.contains("to=49301234567"),
        "{}",
        asked.whole
    );
    let (_, code) = asked.whole.split_once("Your+code+is+").unwrap();
    let body = json!({ "type": "sms", "phone": "+49301234567", "token": &code[..6] });
    let session = app.stranger().post("/auth/v1/verify", body).await.expect(200).value();
    assert_eq!(session["user"]["phone"], "49301234567");
    // A refusal is none of ours to mend, and no 5xx that clients repeat.
    let ann = confirmed(&app, "ann@example.com").await;
    let telephone = enrol(&ann, "phone", "mobile").await.expect(200).field("id");
    let challenge = format!("/auth/v1/factors/{telephone}/challenge");
    answer("4");
    says(&ann.client.post(&challenge, json!({})).await, 422, "sms_send_failed");
    answer("1");
    says(&ann.client.post(&challenge, json!({})).await, 422, "sms_send_failed");
    answer("0");
    ann.client.post(&challenge, json!({})).await.expect(200);
}
