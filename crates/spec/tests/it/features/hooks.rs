//! The operator's own code in place of ours: it sends mails and texts, and says who may have an account.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Value, json};
use spec::browser::parameter;
use spec::person::PASSWORD;
use spec::{Authenticator, Double, Idp, Person, TestApp, TestAppBuilder};

use super::links::{confirmed, sign_up};
use super::oauth::{BACK, CHALLENGE, begin, browser, exchange, today, with_idp};
use crate::attacks::oauth::{OURS, token_for};

const KEY: [u8; 32] = [7; 32];
/// hex(sha256("right"))
const HASHED: &str = "27042f4e6eca7d0b2a7ee4026df2ecfa51d3339e6d122aa099118ecd8563bad9";

/// A receiver that answers `answer`.
async fn receiver(answer: Value) -> Double {
    let double = Double::start().await;
    double.answer("/hook", answer);
    double
}

fn with_hook(builder: TestAppBuilder, names: [&'static str; 2], uri: &str) -> TestAppBuilder {
    let [address, secrets] = names;
    builder
        .with(address, uri)
        .with(secrets, &format!("v1,whsec_{}", STANDARD.encode(KEY)))
        .with("outbound.allow", "127.0.0.1")
}

const EMAIL: [&str; 2] = ["auth.hooks.send_email.uri", "auth.hooks.send_email.secrets"];
const SMS: [&str; 2] = ["auth.hooks.send_sms.uri", "auth.hooks.send_sms.secrets"];
const BEFORE: [&str; 2] = ["auth.hooks.before_user_created.uri", "auth.hooks.before_user_created.secrets"];
const AFTER: [&str; 2] = ["auth.hooks.after_user_created.uri", "auth.hooks.after_user_created.secrets"];

/// What the receiver was asked, oldest first, each signature checked as its own code would.
async fn asked(app: &TestApp, double: &Double, count: usize) -> Vec<Value> {
    app.eventually(async || double.asked().len() >= count).await;
    let all = double.asked();
    assert_eq!(all.len(), count, "{all:?}");
    all.iter()
        .map(|one| {
            let (head, body) = one.whole.split_once("\r\n\r\n").unwrap();
            let header = |name: &str| {
                let line = head.lines().find(|line| line.to_lowercase().starts_with(&format!("{name}:")));
                line.unwrap().split_once(':').unwrap().1.trim().to_owned()
            };
            let signed = format!("{}.{}.{body}", header("webhook-id"), header("webhook-timestamp"));
            let mac = STANDARD.encode(spec::hmac_sha256(&KEY, signed.as_bytes()));
            assert_eq!(header("webhook-signature"), format!("v1,{mac}"));
            serde_json::from_str(body).unwrap()
        })
        .collect()
}

#[tokio::test]
async fn the_operators_own_code_sends_the_mails_instead_of_us() {
    let double = receiver(json!({})).await;
    // Without a mail server of ours: the hook is what can reach people.
    let builder = with_hook(
        TestApp::builder().serving().with("email.file_dir", ""),
        EMAIL,
        &format!("{}/hook", double.url),
    );
    let app = builder.start().await;
    sign_up(&app, "ann@example.com", PASSWORD).await.expect(200);
    let told = asked(&app, &double, 1).await.remove(0);
    assert_eq!(told["user"]["email"], "ann@example.com");
    assert_eq!(told["metadata"]["name"], "send-email");
    let data = &told["email_data"];
    assert_eq!(data["email_action_type"], "signup");
    assert_eq!(data["site_url"], "https://palisade.example.com/auth/v1");
    assert_eq!(data["redirect_to"], "https://app.example.com");
    assert!(!told.to_string().contains("$argon2"), "never a hash: {told}");
    let body = json!({ "type": "signup", "email": "ann@example.com", "token": data["token"] });
    let session = app.stranger().post("/auth/v1/verify", body).await.expect(200).value();
    let ann = Person::from(&app.stranger(), "ann@example.com", &session);
    app.stranger().post("/auth/v1/recover", json!({ "email": "ann@example.com" })).await.expect(200);
    let told = asked(&app, &double, 2).await.remove(1);
    assert_eq!(told["email_data"]["email_action_type"], "recovery");
    let body = json!({ "type": "recovery", "token_hash": told["email_data"]["token_hash"] });
    app.stranger().post("/auth/v1/verify", body).await.expect(200);
    ann.client
        .json(Method::PUT, "/auth/v1/user", json!({ "password": "Another-Horse-8-Battery!" }))
        .await
        .expect(200);
    let told = asked(&app, &double, 3).await.remove(2);
    assert_eq!(told["email_data"]["email_action_type"], "password_changed_notification");
}

/// The names are upstream's: `token` and `token_hash_new` belong to the present address, `token_new` and `token_hash` to the
/// one to be.
#[tokio::test]
async fn a_change_of_address_is_one_letter_with_both_halves() {
    let double = receiver(json!({})).await;
    let builder = with_hook(TestApp::builder().serving(), EMAIL, &format!("{}/hook", double.url));
    let app = builder.start().await;
    for (at, email) in ["ann@example.com", "owner@example.org"].into_iter().enumerate() {
        sign_up(&app, email, PASSWORD).await.expect(200);
        let told = asked(&app, &double, at + 1).await.remove(at);
        let body = json!({ "type": "signup", "email": email, "token": told["email_data"]["token"] });
        app.stranger().post("/auth/v1/verify", body).await.expect(200);
    }
    let session = Person::sign_in(&app.stranger(), "ann@example.com", PASSWORD).await.expect(200).value();
    let ann = Person::from(&app.stranger(), "ann@example.com", &session);
    let change = |email: &str| json!({ "email": email });
    ann.client.json(Method::PUT, "/auth/v1/user", change("ann@example.net")).await.expect(200);
    let told = asked(&app, &double, 3).await.remove(2);
    let data = &told["email_data"];
    assert_eq!(
        (&data["email_action_type"], &told["user"]["new_email"]),
        (&json!("email_change"), &json!("ann@example.net"))
    );
    let verify = async |hash: &Value| {
        app.stranger().post("/auth/v1/verify", json!({ "type": "email_change", "token_hash": hash })).await
    };
    let half = verify(&data["token_hash_new"]).await.expect(200).value();
    assert!(half["msg"].as_str().unwrap().contains("other email"), "{half}");
    let session = verify(&data["token_hash"]).await.expect(200).value();
    assert_eq!(session["user"]["email"], "ann@example.net");
    // The neighbour: an address that is somebody's. Its owner hears of it; whoever asked gets the letter they always get,
    // and its half for the new address opens nothing.
    let ann = Person::from(&app.stranger(), "ann@example.net", &session);
    let so_far = 4;
    let old = asked(&app, &double, so_far).await.remove(3);
    assert_eq!(old["email_data"]["email_action_type"], "email_changed_notification");
    assert!(old["email_data"]["revert_url"].is_string(), "{old}");
    ann.client.json(Method::PUT, "/auth/v1/user", change("owner@example.org")).await.expect(200);
    let mut letters = asked(&app, &double, so_far + 2).await.split_off(so_far);
    letters.sort_by_key(|told| told["email_data"]["email_action_type"].to_string());
    assert_eq!(letters[0]["email_data"]["email_action_type"], "account_exists");
    assert_eq!(letters[0]["user"]["email"], "owner@example.org");
    let data = &letters[1]["email_data"];
    for name in ["token", "token_hash", "token_new", "token_hash_new"] {
        assert!(data[name].as_str().is_some_and(|text| !text.is_empty()), "{name} in {data}");
    }
    verify(&data["token_hash"]).await.expect(403);
}

#[tokio::test]
async fn a_function_in_the_database_sends_the_mails() {
    let app = TestApp::builder()
        .serving()
        .with("auth.hooks.send_email.uri", "pg-functions://postgres/public/send_mail")
        .start()
        .await;
    app.owner(
        "create table public.letters (letter jsonb); alter table public.letters enable row level security;
         create function public.send_mail(event jsonb) returns jsonb language plpgsql as $$
         begin insert into public.letters values (event); return '{}'; end $$;
         revoke execute on function public.send_mail(jsonb) from public;
         grant usage on schema public to supabase_auth_admin;
         grant execute on function public.send_mail(jsonb) to supabase_auth_admin;
         grant insert on public.letters to supabase_auth_admin;
         create policy hooks on public.letters to supabase_auth_admin using (true) with check (true)",
    )
    .await;
    sign_up(&app, "ann@example.com", PASSWORD).await.expect(200);
    let admin = app.database.admin().await;
    let mut letter = Value::Null;
    app.eventually(async || {
        let rows = admin.query("select letter::text from public.letters", &[]).await.unwrap();
        letter = rows.first().map_or(Value::Null, |row| serde_json::from_str(row.get(0)).unwrap());
        !rows.is_empty()
    })
    .await;
    let body = json!({ "type": "signup", "token_hash": letter["email_data"]["token_hash"] });
    app.stranger().post("/auth/v1/verify", body).await.expect(200);
    assert!(app.mails("ann@example.com", 0).await.is_empty(), "nothing left through our own mail");
}

#[tokio::test]
async fn the_operators_own_code_texts_the_codes_and_a_number_signs_in_with_its_password() {
    let double = receiver(json!({})).await;
    let builder = with_hook(TestApp::builder().serving(), SMS, &format!("{}/hook", double.url));
    let app = builder.with("sms.max_frequency", "0s").start().await;
    let ask = json!({ "phone": "+49301234567", "password": PASSWORD });
    app.stranger().post("/auth/v1/signup", ask.clone()).await.expect(200);
    let told = asked(&app, &double, 1).await.remove(0);
    assert_eq!(told["metadata"]["name"], "send-sms");
    assert_eq!(told["sms"]["phone"], "49301234567");
    let enter = async |password: &str| {
        let body = json!({ "phone": "+49 30 1234567", "password": password });
        app.stranger().post("/auth/v1/token?grant_type=password", body).await
    };
    let early = enter(PASSWORD).await.expect(400);
    assert_eq!(early.field("error_code"), "phone_not_confirmed");
    let body = json!({ "type": "sms", "phone": "+49301234567", "token": told["sms"]["otp"] });
    app.stranger().post("/auth/v1/verify", body).await.expect(200);
    let session = enter(PASSWORD).await.expect(200).value();
    assert_eq!(session["user"]["phone"], "49301234567");
    assert_eq!(session["user"]["app_metadata"]["providers"], json!(["phone"]));
    let wrong = enter("Wrong-Horse-7-Battery!").await.expect(400);
    let unknown = app
        .stranger()
        .post("/auth/v1/token?grant_type=password", json!({ "phone": "+49309999999", "password": PASSWORD }))
        .await
        .expect(400);
    assert_eq!(wrong.body, unknown.body, "a stranger's number is answered alike");
    let settings = app.stranger().get("/auth/v1/settings").await.expect(200).value();
    assert_eq!((&settings["external"]["phone"], &settings["sms_provider"]), (&json!(true), &json!("hook")));
}

#[tokio::test]
async fn without_a_way_to_send_texts_nobody_signs_in_by_number() {
    let app = TestApp::builder().serving().start().await;
    let body = json!({ "phone": "+49301234567", "password": PASSWORD });
    let seen = app.stranger().post("/auth/v1/token?grant_type=password", body).await.expect(422);
    assert_eq!(seen.field("error_code"), "phone_provider_disabled");
}

#[tokio::test]
async fn no_way_in_makes_an_account_that_the_operators_code_refuses() {
    let double = receiver(json!({ "error": { "http_code": 403, "message": "not from there" } })).await;
    let idp = Idp::start().await;
    let builder = with_hook(with_idp(&idp).serving(), BEFORE, &format!("{}/hook", double.url));
    let app = today(builder).await;
    sign_up(&app, "a@example.com", PASSWORD).await.expect(403);
    // What is answered before anybody is looked up is answered as always; the refusal is in the log.
    app.stranger().post("/auth/v1/otp", json!({ "email": "b@example.com" })).await.expect(200);
    app.stranger().post("/auth/v1/magiclink", json!({ "email": "c@example.com" })).await.expect(200);
    app.eventually(async || double.asked().len() >= 3).await;
    app.eventually(async || app.audited("auth.signup_refused").await).await;
    let token = token_for(&idp, OURS, "s~d@example.com~true~Dora", HASHED).await;
    let body = json!({ "id_token": token, "provider": "keycloak", "nonce": "right" });
    let seen = app.stranger().post("/auth/v1/token?grant_type=id_token", body).await.expect(403);
    assert!(seen.text().contains("not from there"), "{}", seen.text());
    let admin = app.service();
    admin.post("/auth/v1/admin/users", json!({ "email": "e@example.com" })).await.expect(403);
    admin.post("/auth/v1/invite", json!({ "email": "f@example.com" })).await.expect(403);
    let link = json!({ "type": "invite", "email": "g@example.com" });
    admin.post("/auth/v1/admin/generate_link", link).await.expect(403);
    let all = asked(&app, &double, 7).await;
    let mut emails: Vec<&str> = all.iter().map(|told| told["user"]["email"].as_str().unwrap()).collect();
    emails.sort_unstable();
    assert_eq!(emails, ["a", "b", "c", "d", "e", "f", "g"].map(|name| format!("{name}@example.com")));
    assert!(all.iter().any(|told| told["user"]["app_metadata"]["provider"] == "keycloak"));
    let users = app.database.admin().await;
    let users = users.query_one("select count(*) from auth.users", &[]).await.unwrap();
    assert_eq!(users.get::<_, i64>(0), 0);
}

#[tokio::test]
async fn the_operators_code_hears_of_an_account_once_it_is_there() {
    let double = receiver(json!({})).await;
    let builder = with_hook(TestApp::builder().serving(), AFTER, &format!("{}/hook", double.url));
    let app = builder.start().await;
    let ann = confirmed(&app, "ann@example.com").await;
    // Somebody who has one already is told the same, and makes nothing.
    sign_up(&app, "ann@example.com", PASSWORD).await.expect(200);
    app.service().post("/auth/v1/admin/users", json!({ "email": "bob@example.com" })).await.expect(200);
    let mut told = asked(&app, &double, 2).await;
    told.sort_by_key(|told| told["user"]["email"].to_string());
    assert_eq!(told[0]["user"]["id"], json!(ann.id));
    assert_eq!(told[1]["user"]["email"], "bob@example.com");
    assert_eq!(told[1]["metadata"]["name"], "after-user-created");
}

#[tokio::test]
async fn what_the_operators_code_says_of_an_account_holds_through_the_browser_too() {
    let double = receiver(json!({ "error": { "http_code": 403, "message": "not from there" } })).await;
    let idp = Idp::start().await;
    let app = today(with_hook(with_idp(&idp), BEFORE, &format!("{}/hook", double.url))).await;
    let land = async |app: &TestApp, who: &str, more: &str| {
        browser(app).follow(&begin(app, "keycloak", who, more), BACK).await
    };
    let proof = format!("&code_challenge={CHALLENGE}&code_challenge_method=s256");
    for more in ["", proof.as_str()] {
        let back = land(&app, "h~hal@example.com~true~Hal", more).await;
        assert!(back.contains("error_description=not+from+there"), "{back}");
        assert!(!back.contains("access_token") && parameter(&back, "code").is_none(), "{back}");
    }
    assert_eq!(asked(&app, &double, 2).await[0]["user"]["email"], "hal@example.com");
    let users = app.database.admin().await;
    let users = users.query_one("select count(*) from auth.users", &[]).await.unwrap();
    assert_eq!(users.get::<_, i64>(0), 0);
    assert!(app.audited("auth.login_failed").await);
    double.answer("/hook", json!({}));
    assert!(land(&app, "h~hal@example.com~true~Hal", "").await.contains("access_token="));
}

#[tokio::test]
async fn what_the_operators_code_says_of_a_token_holds_through_the_browser_too() {
    let idp = Idp::start().await;
    let uri = "pg-functions://postgres/public/claims_hook";
    let app = today(with_idp(&idp).with("auth.hooks.custom_access_token.uri", uri)).await;
    app.owner(
        "create function public.claims_hook(event jsonb) returns jsonb language plpgsql stable as $$
         begin return jsonb_build_object('claims', event -> 'claims'
           || jsonb_build_object('plan', 'pro', 'way', event ->> 'authentication_method')); end $$;
         revoke execute on function public.claims_hook(jsonb) from public;
         grant usage on schema public to supabase_auth_admin;
         grant execute on function public.claims_hook(jsonb) to supabase_auth_admin",
    )
    .await;
    let claims = |token: &str| -> Value {
        let part = token.split('.').nth(1).unwrap();
        serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap())
            .unwrap()
    };
    let back = browser(&app).follow(&begin(&app, "keycloak", "h~hal@example.com~true~Hal", ""), BACK).await;
    let said = claims(&parameter(&back, "access_token").unwrap_or_else(|| panic!("no session in {back}")));
    assert_eq!((&said["plan"], &said["way"]), (&json!("pro"), &json!("oauth")), "{said}");
    // And where the application exchanges a code for it.
    let proof = format!("&code_challenge={CHALLENGE}&code_challenge_method=s256");
    let from = begin(&app, "keycloak", "h~hal@example.com~true~Hal", &proof);
    let back = browser(&app).follow(&from, BACK).await;
    let session = exchange(&app, &back).await.expect(200).value();
    assert_eq!(claims(session["access_token"].as_str().unwrap())["plan"], "pro");
}

/// The browser has left its application: a failure of the operator's code brings it back too, with the reason.
#[tokio::test]
async fn a_failing_hook_sends_the_browser_back_with_the_reason() {
    let idp = Idp::start().await;
    let uri = "pg-functions://postgres/public/claims_hook";
    let app = today(with_idp(&idp).with("auth.hooks.custom_access_token.uri", uri)).await;
    let hook = async |body: &str| {
        app.owner(&format!(
            "create or replace function public.claims_hook(event jsonb) returns jsonb language plpgsql stable as $$
             begin {body} end $$;
             revoke execute on function public.claims_hook(jsonb) from public;
             grant usage on schema public to supabase_auth_admin;
             grant execute on function public.claims_hook(jsonb) to supabase_auth_admin"
        ))
        .await;
    };
    let land =
        async || browser(&app).follow(&begin(&app, "keycloak", "h~hal@example.com~true~Hal", ""), BACK).await;
    let cases = [
        (
            "raise exception 'the ledger is closed';",
            "server_error",
            "unexpected_failure",
            "An unexpected error occurred",
        ),
        (
            "return jsonb_build_object('error', jsonb_build_object('http_code', 500, 'message', 'the ledger is closed'));",
            "server_error",
            "unexpected_failure",
            "An unexpected error occurred",
        ),
        (
            "return jsonb_build_object('error', jsonb_build_object('http_code', 403, 'message', 'not today'));",
            "access_denied",
            "unknown",
            "not today",
        ),
    ];
    for (body, error, code, description) in cases {
        hook(body).await;
        let back = land().await;
        let said = |name: &str| parameter(&back, name).map(|text| text.replace('+', " ")).unwrap_or_default();
        assert_eq!(
            (said("error"), said("error_code"), said("error_description")),
            (error.into(), code.into(), description.into()),
            "{back}"
        );
        assert!(back.contains(&format!("#error={error}")) && !back.contains("access_token"), "{back}");
    }
    hook("return jsonb_build_object('claims', event -> 'claims');").await;
    assert!(land().await.contains("access_token="), "the neighbour: a hook that answers");
}

const MFA: [&str; 2] =
    ["auth.hooks.mfa_verification_attempt.uri", "auth.hooks.mfa_verification_attempt.secrets"];

/// Right or wrong, the operator's code hears of every try; what it rejects is rejected, and ends what its person has open.
#[tokio::test]
async fn the_operators_own_code_judges_second_factors_in_both_dialects() {
    let double = receiver(json!({ "decision": "continue" })).await;
    let builder = with_hook(TestApp::builder().unlimited(), MFA, &format!("{}/hook", double.url));
    let app = builder.start().await;
    let now = || app.clock.now().as_second();
    let later = || app.clock.advance(std::time::Duration::from_secs(30));
    let ann = app.person("ann").await;
    let (raised, phone) = Authenticator::with(&ann, now()).await;
    later();
    let wrong = phone.show(&raised.client, &phone.wrong(now())).await.expect(422);
    assert_eq!(wrong.field("error_code"), "mfa_verification_failed");
    let told = asked(&app, &double, 2).await;
    for (one, valid) in told.iter().zip([true, false]) {
        let expected =
            json!({ "user_id": ann.id, "factor_id": phone.id, "factor_type": "totp", "valid": valid });
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(&one[name], value, "{one}");
        }
    }
    // Whatever was right: no.
    double.answer("/hook", json!({ "decision": "reject", "message": "not from this country" }));
    let enter = async || {
        let session = Person::sign_in(&app.stranger(), "ann@example.com", PASSWORD).await.expect(200).value();
        Person::from(&app.stranger(), "ann@example.com", &session)
    };
    let low = enter().await;
    let seen = phone.show(&low.client, &phone.code(now())).await.expect(403);
    assert_eq!(seen.field("error_code"), "mfa_verification_rejected");
    assert!(seen.text().contains("not from this country"), "{}", seen.text());
    for client in [&low.client, &raised.client] {
        assert_eq!(client.get("/auth/v1/user").await.status, 403, "every session ended");
    }
    // The other dialect asks the same code; and one that does not answer lets nobody pass.
    for answer in [json!({ "decision": "reject" }), json!({ "decision": "perhaps" }), json!({})] {
        later();
        double.answer("/hook", answer.clone());
        let person = json!({ "email": "ann@example.com", "password": PASSWORD });
        let halfway = app.stranger().post("/api/v1/auth/signin", person).await.expect(200).value();
        assert_eq!(halfway["requires_2fa"], true, "{halfway}");
        let body = json!({ "user_id": halfway["user_id"], "code": phone.code(now()) });
        let seen = app.stranger().post("/api/v1/auth/2fa/verify", body).await;
        assert!(
            !seen.status.is_success() && !seen.text().contains("access_token"),
            "{answer}: {}",
            seen.text()
        );
    }
    later();
    double.answer("/hook", json!({ "decision": "continue" }));
    phone.show(&enter().await.client, &phone.code(now())).await.expect(200);
}
