//! Somebody who holds a part of an account, or knows an address of it, wants the rest (rows 3, 4, 30, 31): through what the
//! account agreed to halfway, and through what is said of it.

use http::Method;
use serde_json::{Value, json};
use spec::browser::parameter;
use spec::person::PASSWORD;
use spec::{Authenticator, Client, Double, Idp, Person, TestApp};

use super::hijack::left_over;
use crate::features::links::{confirmed, fragment, press, sign_up};
use crate::features::oauth::{BACK, CHALLENGE, VERIFIER, return_from, today, with_idp};

const ANOTHER: &str = "Another-Horse-8-Battery!";
const MALLORYS: &str = "Mallory-Horse-6-Battery!";
/// A number whose code everybody here knows.
const NUMBER: &str = "+4915550100";

pub fn known_number(builder: spec::TestAppBuilder) -> spec::TestAppBuilder {
    builder
        .texting()
        .with("sms.test_otp", "4915550100:246810")
        .with("sms.test_otp_valid_until", "2100-01-01T00:00:00Z")
}

fn with_token(app: &TestApp, back: &spec::Seen) -> Client {
    let token = fragment(back).into_iter().find(|(name, _)| name == "access_token");
    let token = token.unwrap_or_else(|| panic!("no session in {}", back.header("location"))).1;
    app.stranger().with("authorization", &format!("Bearer {token}"))
}

/// Waits until there is a code for the number, which a job makes.
pub async fn code_is_made(app: &TestApp) {
    let admin = app.database.admin().await;
    let made = "select 1 from auth.one_time_tokens where relates_to = '4915550100'";
    app.eventually(async || !admin.query(made, &[]).await.unwrap().is_empty()).await;
}

pub async fn by_text(app: &TestApp, kind: &str) -> spec::Seen {
    let body = json!({ "type": kind, "phone": NUMBER, "token": "246810" });
    app.stranger().post("/auth/v1/verify", body).await
}

#[tokio::test]
async fn row_31_the_new_address_cannot_agree_in_place_of_the_present_one() {
    let app = TestApp::builder().serving().start().await;
    let stolen = confirmed(&app, "ann@example.com").await;
    let change = json!({ "email": "mallory@example.org" });
    stolen.client.json(Method::PUT, "/auth/v1/user", change).await.expect(200);
    let half = press(&app.stranger(), &app.mail("mallory@example.org", 1).await).await.expect(303);
    assert!(half.header("location").contains("message="), "{}", half.header("location"));
    // Both halves are sent once more, and the same one agrees again.
    for round in 2..4 {
        let again = json!({ "type": "email_change", "email": "ann@example.com" });
        app.stranger().post("/auth/v1/resend", again).await.expect(200);
        let half = press(&app.stranger(), &app.mail("mallory@example.org", round).await).await.expect(303);
        assert!(half.header("location").contains("message="), "{}", half.header("location"));
    }
    assert_eq!(stolen.client.get("/auth/v1/user").await.expect(200).field("email"), "ann@example.com");
    // The neighbour: with the present address's word it is done.
    let done = press(&app.stranger(), &app.mail("ann@example.com", 4).await).await.expect(303);
    let moved = with_token(&app, &done);
    assert_eq!(moved.get("/auth/v1/user").await.expect(200).field("email"), "mallory@example.org");
}

#[tokio::test]
async fn row_4_a_link_that_an_administrator_makes_confirms_the_administrators_password() {
    let app = TestApp::builder().serving().start().await;
    sign_up(&app, "ann@example.com", MALLORYS).await.expect(200);
    app.mail("ann@example.com", 1).await;
    let wanted = json!({
        "type": "signup", "email": "ann@example.com", "password": ANOTHER, "data": { "team": "blue" },
    });
    let made = app.service().post("/auth/v1/admin/generate_link", wanted).await.expect(200).value();
    let verify = json!({ "type": "signup", "token_hash": made["hashed_token"] });
    let session = app.stranger().post("/auth/v1/verify", verify).await.expect(200).value();
    assert_eq!(session["user"]["user_metadata"]["team"], "blue");
    Person::sign_in(&app.stranger(), "ann@example.com", MALLORYS).await.expect(400);
    Person::sign_in(&app.stranger(), "ann@example.com", ANOTHER).await.expect(200);
    // What an administrator says of somebody who waits for an invitation, no stranger's sign-up takes away.
    let wanted = json!({ "email": "bob@example.com", "data": { "team": "red" } });
    app.service().post("/auth/v1/invite", wanted).await.expect(200);
    let mail = app.mail("bob@example.com", 1).await;
    sign_up(&app, "bob@example.com", MALLORYS).await.expect(200);
    app.mail("bob@example.com", 2).await;
    let verify = json!({ "type": "invite", "token_hash": mail.parameter("token") });
    let session = app.stranger().post("/auth/v1/verify", verify).await.expect(200).value();
    assert_eq!(session["user"]["user_metadata"]["team"], "red", "{session}");
    Person::sign_in(&app.stranger(), "bob@example.com", MALLORYS).await.expect(400);
}

#[tokio::test]
async fn row_4_what_somebody_says_of_themselves_becomes_nobodys_address() {
    let app = TestApp::builder()
        .serving()
        .with("sms.autoconfirm", "true")
        .with("auth.manual_linking", "true")
        .start()
        .await;
    let said =
        json!({ "email": "victim@example.com", "email_verified": true, "sub": "x", "name": "Mallory" });
    let body = json!({ "phone": NUMBER, "password": PASSWORD, "data": said });
    let session = app.stranger().post("/auth/v1/signup", body).await.expect(200).value();
    let own = &session["user"]["identities"][0]["identity_data"];
    assert_eq!((own.get("email"), &own["email_verified"]), (None, &json!(false)), "{own}");
    assert_eq!((&own["sub"], &own["name"]), (&session["user"]["id"], &json!("Mallory")));
    let mallory = Person::from(&app.stranger(), "mallory@example.org", &session);
    let change = json!({ "email": "mallory@example.org" });
    mallory.client.json(Method::PUT, "/auth/v1/user", change).await.expect(200);
    let done = press(&app.stranger(), &app.mail("mallory@example.org", 1).await).await.expect(303);
    let mallory = with_token(&app, &done);
    // Without her own address, the account would be known by the next one that is vouched for.
    let user = mallory.get("/auth/v1/user").await.expect(200).value();
    let all = user["identities"].as_array().unwrap();
    let mailed = all.iter().find(|one| one["provider"] == "email").unwrap()["identity_id"].as_str().unwrap();
    let path = format!("/auth/v1/user/identities/{mailed}");
    mallory.send(Method::DELETE, &path, &[], "".into()).await.expect(200);
    let user = mallory.get("/auth/v1/user").await.expect(200).value();
    assert_ne!(user["email"], "victim@example.com", "{user}");
    // The neighbour: the owner of the address has an account of their own.
    confirmed(&app, "victim@example.com").await;
}

#[tokio::test]
async fn row_31_a_number_that_the_thief_added_goes_when_the_change_is_taken_back() {
    let app =
        known_number(TestApp::builder().serving()).with("auth.secure_email_change", "false").start().await;
    let stolen = confirmed(&app, "ann@example.com").await;
    let change = json!({ "email": "mallory@example.org" });
    stolen.client.json(Method::PUT, "/auth/v1/user", change).await.expect(200);
    let moved = press(&app.stranger(), &app.mail("mallory@example.org", 1).await).await.expect(303);
    let mallory = with_token(&app, &moved);
    mallory.json(Method::PUT, "/auth/v1/user", json!({ "phone": NUMBER })).await.expect(200);
    code_is_made(&app).await;
    by_text(&app, "phone_change").await.expect(200);
    // Whoever has the address hears of the number, also of the first one.
    assert_eq!(app.mail("mallory@example.org", 2).await.subject, "Your number was changed");
    app.stranger().post("/auth/v1/otp", json!({ "phone": NUMBER, "create_user": false })).await.expect(200);
    code_is_made(&app).await;
    by_text(&app, "sms").await.expect(200);
    let token = app.mail("ann@example.com", 2).await.parameter("token");
    let form = [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "same-origin")];
    let body = format!("token={token}");
    app.stranger().send(Method::POST, "/auth/v1/revert", &form, body.into()).await.expect(200);
    app.stranger().post("/auth/v1/otp", json!({ "phone": NUMBER, "create_user": false })).await.expect(200);
    // Jobs run one after the other: the one before this one is done.
    app.stranger().post("/auth/v1/recover", json!({ "email": "ann@example.com" })).await.expect(200);
    let way_in = app.mail("ann@example.com", 4).await;
    by_text(&app, "sms").await.expect(403);
    let body = json!({ "type": "recovery", "email": "ann@example.com", "token": way_in.code() });
    let session = app.stranger().post("/auth/v1/verify", body).await.expect(200).value();
    assert_eq!((&session["user"]["id"], &session["user"]["phone"]), (&json!(stolen.id), &json!("")));
}

#[tokio::test]
async fn row_30_a_code_that_waits_for_its_exchange_dies_with_what_ends_every_session() {
    let app = TestApp::builder().serving().start().await;
    let ann = confirmed(&app, "ann@example.com").await;
    // Whoever reads Ann's mail has a code, and waits.
    let waits = async |count: usize| {
        let asked = json!({
            "email": "ann@example.com", "create_user": false, "code_challenge": CHALLENGE, "code_challenge_method": "s256",
        });
        app.stranger().post("/auth/v1/otp", asked).await.expect(200);
        let back = press(&app.stranger(), &app.mail("ann@example.com", count).await).await.expect(303);
        parameter(back.header("location"), "code").unwrap()
    };
    let exchange = async |code: &str| {
        let body = json!({ "auth_code": code, "code_verifier": VERIFIER });
        app.stranger().post("/auth/v1/token?grant_type=pkce", body).await
    };
    let code = waits(2).await;
    ann.client.json(Method::PUT, "/auth/v1/user", json!({ "password": ANOTHER })).await.expect(200);
    exchange(&code).await.expect(404);
    // The third is the note about the password.
    let code = waits(4).await;
    ann.client.post("/auth/v1/logout?scope=others", json!({})).await.expect(204);
    exchange(&code).await.expect(404);
    let code = waits(5).await;
    ann.client.post("/auth/v1/logout?scope=global", json!({})).await.expect(204);
    exchange(&code).await.expect(404);
    // The neighbours: a code that nothing came between, and one of whoever signs out on one device.
    let code = waits(6).await;
    exchange(&code).await.expect(200);
}

#[tokio::test]
async fn row_4_what_is_left_of_a_softly_deleted_account_names_nobody() {
    let app = TestApp::builder()
        .serving()
        .with("auth.secure_email_change", "false")
        .with("mfa.methods", "totp,sms")
        .texting()
        .start()
        .await;
    let ann = confirmed(&app, "ann@example.com").await;
    ann.client.json(Method::PUT, "/auth/v1/user", json!({ "email": "ann@example.org" })).await.expect(200);
    let moved = press(&app.stranger(), &app.mail("ann@example.org", 1).await).await.expect(303);
    let session = Person::sign_in(&app.stranger(), "ann@example.org", PASSWORD).await.expect(200).value();
    with_token(&app, &moved).get("/auth/v1/user").await.expect(200);
    let ann = Person::from(&app.stranger(), "ann@example.org", &session);
    let phone = json!({ "factor_type": "phone", "friendly_name": "Ann's", "phone": "+49 30 1234567" });
    ann.client.post("/auth/v1/factors", phone).await.expect(200);
    let (ann, _) = Authenticator::with(&ann, app.clock.now().as_second()).await;
    ann.client.post("/auth/v1/factors/recovery-codes", json!({})).await.expect(200);
    let path = format!("/auth/v1/admin/users/{}", ann.id);
    app.service().json(Method::DELETE, &path, json!({ "should_soft_delete": true })).await.expect(200);
    ann.client.get("/auth/v1/user").await.expect(403);
    left_over(&app, &ann.id).await;
    let revert = app.mail("ann@example.com", 2).await.parameter("token");
    let form = [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "same-origin")];
    let body = format!("token={revert}");
    app.stranger().send(Method::POST, "/auth/v1/revert", &form, body.into()).await.expect(403);
}

#[tokio::test]
async fn row_4_an_account_of_an_organisation_gets_no_way_in_that_its_organisation_cannot_close() {
    let idp = Idp::start().await;
    let app = today(with_idp(&idp)).await;
    let ann = app.person("ann").await;
    let path = format!(
        "/auth/v1/user/identities/authorize?provider=keycloak&redirect_to={BACK}&skip_http_redirect=true\
         &code_challenge={CHALLENGE}&code_challenge_method=s256"
    );
    ann.client.get(&path).await.expect(200);
    app.admin(&format!("update auth.users set is_sso_user = true where id = '{}'", ann.id)).await;
    let refused = ann.client.get(&path).await.expect(422);
    assert_eq!(refused.field("error_code"), "user_sso_managed");
}

#[tokio::test]
async fn row_31_an_address_that_nobody_proved_is_taken_from_whoever_proved_a_number_and_nothing_else_is() {
    let app = TestApp::builder().serving().start().await;
    let made =
        json!({ "email": "ann@example.org", "phone": NUMBER, "phone_confirm": true, "password": PASSWORD });
    let bob = app.service().post("/auth/v1/admin/users", made).await.expect(200).field("id");
    let ann = confirmed(&app, "ann@example.com").await;
    ann.client.json(Method::PUT, "/auth/v1/user", json!({ "email": "ann@example.org" })).await.expect(200);
    press(&app.stranger(), &app.mail("ann@example.com", 2).await).await.expect(303);
    let done = press(&app.stranger(), &app.mail("ann@example.org", 1).await).await.expect(303);
    with_token(&app, &done).get("/auth/v1/user").await.expect(200);
    let bob = app.service().get(&format!("/auth/v1/admin/users/{bob}")).await.expect(200).value();
    assert_eq!((&bob["email"], &bob["phone"]), (&json!(""), &json!("4915550100")), "{bob}");
}

#[tokio::test]
async fn row_3_what_a_provider_vouches_for_is_not_the_address_that_it_said_before() {
    let double = Double::start().await;
    double.answer("/login/oauth/access_token", json!({ "access_token": "gho_x", "token_type": "bearer" }));
    double.answer("/api/v3/user", json!({ "login": "mallory", "id": 583_231, "name": "Mallory" }));
    let says = |email: &str, verified: bool| {
        let one = json!({ "email": email, "primary": true, "verified": verified });
        double.answer("/api/v3/user/emails", json!([one]));
    };
    let app = TestApp::builder()
        .serving()
        .with("outbound.allow", "127.0.0.1")
        .with("auth.external.github.enabled", "true")
        .with("auth.external.github.client_id", "our-client")
        .with("auth.external.github.secret", "our-secret")
        .with("auth.external.github.url", &double.url)
        .start()
        .await;
    let refused = |back: &str| back.contains("provider_email_needs_verification");
    says("victim@example.com", false);
    let back = return_from(&app, "github", "").await;
    assert!(refused(&back), "{back}");
    // The same person there, by now with an address of their own that is proven.
    says("mallory@evil.example", true);
    let back = return_from(&app, "github", "").await;
    assert!(refused(&back), "{back}");
    let victims =
        "select 1 from auth.users where email = 'victim@example.com' and email_confirmed_at is not null";
    assert!(app.database.admin().await.query(victims, &[]).await.unwrap().is_empty(), "nobody proved it");
    // The neighbour: what it vouches for is the address of the account.
    says("victim@example.com", true);
    let back = return_from(&app, "github", "").await;
    assert!(back.contains("access_token="), "{back}");
}

/// Whichever way the name comes: an account that stayed without one could never have a second factor.
#[tokio::test]
async fn somebody_without_a_name_who_proves_one_has_an_account_like_any_other() {
    let nameless = async |app: &TestApp| {
        let session = app.stranger().post("/auth/v1/signup", json!({})).await.expect(200).value();
        assert_eq!(session["user"]["is_anonymous"], true);
        Person::from(&app.stranger(), "", &session)
    };
    let put = async |person: &Person, change: Value| {
        person.client.json(Method::PUT, "/auth/v1/user", change).await.expect(200);
    };
    let is_an_account = async |client: &Client, person: &Person, provider: &str| {
        let user = client.get("/auth/v1/user").await.expect(200).value();
        assert_eq!((&user["id"], &user["is_anonymous"]), (&json!(person.id), &json!(false)), "{user}");
        let factor = json!({ "factor_type": "totp", "friendly_name": "x" });
        client.post("/auth/v1/factors", factor).await.expect(200);
        let ways: Vec<&Value> =
            user["identities"].as_array().unwrap().iter().map(|one| &one["provider"]).collect();
        assert_eq!(ways, [provider], "{user}");
    };
    let believed = TestApp::builder().unlimited().with("auth.anonymous_users", "true").start().await;
    let ann = nameless(&believed).await;
    put(&ann, json!({ "email": "ann@example.com" })).await;
    is_an_account(&ann.client, &ann, "email").await;

    let app = known_number(TestApp::builder().unlimited()).with("auth.anonymous_users", "true").start().await;
    let bob = nameless(&app).await;
    put(&bob, json!({ "phone": NUMBER })).await;
    let waiting = bob.client.get("/auth/v1/user").await.expect(200).value();
    assert_eq!(waiting["is_anonymous"], true, "nothing is proven yet");
    code_is_made(&app).await;
    let session = by_text(&app, "phone_change").await.expect(200).value();
    is_an_account(&Person::from(&app.stranger(), "", &session).client, &bob, "phone").await;

    let app = TestApp::builder().serving().with("auth.anonymous_users", "true").start().await;
    let eve = nameless(&app).await;
    put(&eve, json!({ "email": "eve@example.com" })).await;
    let pressed = press(&app.stranger(), &app.mail("eve@example.com", 1).await).await.expect(303);
    is_an_account(&with_token(&app, &pressed), &eve, "email").await;
}
