//! Links and codes as people use them, with real mails: confirming, entering, coming back, moving to another address.

use base::Secret;
use http::Method;
use serde_json::{Value, json};
use spec::person::PASSWORD;
use spec::{Client, Mail, Person, Seen, TestApp};

/// Sends the form of the page that a link leads to.
pub async fn press(client: &Client, mail: &Mail) -> Seen {
    let field = |name: &str| {
        let value: String =
            percent_encoding::utf8_percent_encode(&mail.parameter(name), percent_encoding::NON_ALPHANUMERIC)
                .to_string();
        format!("{name}={value}")
    };
    let body = [field("token"), field("type"), field("redirect_to")].join("&");
    let form = [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "same-origin")];
    client.send(Method::POST, "/auth/v1/verify", &form, body.into()).await
}

/// The session in a fragment.
pub fn fragment(seen: &Seen) -> Vec<(String, String)> {
    let to = seen.header("location").to_owned();
    let fragment = to.split_once('#').map_or("", |(_, fragment)| fragment);
    fragment
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn value_of(pairs: &[(String, String)], name: &str) -> String {
    pairs.iter().find(|(key, _)| key == name).map_or(String::new(), |(_, value)| value.clone())
}

pub async fn sign_up(app: &TestApp, email: &str, password: &str) -> Seen {
    app.stranger().post("/auth/v1/signup", json!({ "email": email, "password": password })).await
}

/// Somebody who signed up and confirmed by code.
pub async fn confirmed(app: &TestApp, email: &str) -> Person {
    sign_up(app, email, PASSWORD).await.expect(200);
    let code = app.mail(email, 1).await.code();
    let verify = json!({ "type": "signup", "email": email, "token": code });
    let session = app.stranger().post("/auth/v1/verify", verify).await.expect(200).value();
    Person::from(&app.stranger(), email, &session)
}

#[tokio::test]
async fn a_new_account_is_entered_once_its_address_is_confirmed() {
    let app = TestApp::builder().serving().start().await;
    let user = sign_up(&app, "ann@example.com", PASSWORD).await.expect(200).value();
    assert_eq!(user["email"], "ann@example.com", "the bare user: {user}");
    assert!(user.get("access_token").is_none() && user.get("email_confirmed_at").is_none());
    let early = Person::sign_in(&app.stranger(), "ann@example.com", PASSWORD).await.expect(400);
    assert_eq!(early.field("error_code"), "email_not_confirmed");
    let mail = app.mail("ann@example.com", 1).await;
    assert!(mail.link().starts_with("https://palisade.example.com/auth/v1/verify?token="), "{}", mail.text);
    assert!(mail.html.contains("href=") && mail.html.contains(&mail.code()), "{}", mail.html);
    let page = app.stranger().get(&mail.path()).await.expect(200);
    assert!(page.text().contains("<form method=\"post\""), "{}", page.text());
    assert!(page.header("content-security-policy").contains("form-action 'self' https://app.example.com;"));
    let done = press(&app.stranger(), &mail).await.expect(303);
    let to = done.header("location").to_owned();
    assert!(to.starts_with("https://app.example.com#access_token="), "{to}");
    let pairs = fragment(&done);
    assert_eq!(value_of(&pairs, "type"), "signup");
    let bearer = format!("Bearer {}", value_of(&pairs, "access_token"));
    let own = app.stranger().with("authorization", &bearer).get("/auth/v1/user").await.expect(200).value();
    assert!(
        own["email_confirmed_at"].is_string()
            && own["identities"][0]["identity_data"]["email_verified"] == true
    );
    Person::sign_in(&app.stranger(), "ann@example.com", PASSWORD).await.expect(200);
    let again = press(&app.stranger(), &mail).await.expect(303);
    assert!(again.header("location").contains("error_code=otp_expired"), "{}", again.header("location"));
    assert!(app.audited("auth.address_confirmed").await);
}

#[tokio::test]
async fn somebody_is_sent_a_way_in_whether_they_were_here_before_or_not() {
    let app = TestApp::builder().serving().start().await;
    for (email, count) in [("new@example.com", 1), ("new@example.com", 2)] {
        let sent = app.stranger().post("/auth/v1/otp", json!({ "email": email })).await.expect(200);
        assert_eq!(sent.value(), json!({}));
        let code = app.mail(email, count).await.code();
        let verify = json!({ "type": "email", "email": email, "token": code });
        let session = app.stranger().post("/auth/v1/verify", verify).await.expect(200).value();
        assert_eq!(session["user"]["email"], email);
    }
    let wanted = json!({ "email": "nobody@example.com", "create_user": false });
    app.stranger().post("/auth/v1/otp", wanted).await.expect(200);
    let hash = json!({ "email": "new@example.com" });
    app.stranger().post("/auth/v1/magiclink", hash).await.expect(200);
    let token = app.mail("new@example.com", 3).await.parameter("token");
    let verify = json!({ "type": "magiclink", "token_hash": token });
    app.stranger().post("/auth/v1/verify", verify).await.expect(200);
    assert!(app.mails("nobody@example.com", 0).await.is_empty());
}

#[tokio::test]
async fn a_flow_ends_with_a_code_for_whoever_began_it() {
    let app = TestApp::builder().serving().start().await;
    confirmed(&app, "ann@example.com").await;
    let verifier = "0123456789-0123456789-0123456789-0123456789";
    let challenge = {
        use base64::Engine;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(seal::sha256(verifier.as_bytes()))
    };
    let ask =
        json!({ "email": "ann@example.com", "code_challenge": challenge, "code_challenge_method": "s256" });
    let path = "/auth/v1/recover?redirect_to=https%3A%2F%2Fapp.example.com%2Freset%3Fx%3D1";
    app.stranger().post(path, ask).await.expect(200);
    let mail = app.mail("ann@example.com", 2).await;
    assert!(mail.parameter("token").starts_with("pkce_"));
    let done = press(&app.stranger(), &mail).await.expect(303);
    let to = done.header("location").to_owned();
    let code = to.strip_prefix("https://app.example.com/reset?x=1&code=").unwrap_or_else(|| panic!("{to}"));
    let exchange = |verifier: &str| {
        let (client, body) = (app.stranger(), json!({ "auth_code": code, "code_verifier": verifier }));
        async move { client.post("/auth/v1/token?grant_type=pkce", body).await }
    };
    let session = exchange(verifier).await.expect(200).value();
    let person = Person::from(&app.stranger(), "ann@example.com", &session);
    let claims = spec_claims(&person.access_token);
    assert_eq!(claims["amr"][0]["method"], "recovery");
    exchange(verifier).await.expect(404);
}

fn spec_claims(token: &str) -> Value {
    use base64::Engine;
    let body = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(body).unwrap()).unwrap()
}

#[tokio::test]
async fn a_forgotten_password_is_replaced_and_everybody_else_is_out() {
    let app = TestApp::builder().serving().start().await;
    let ann = confirmed(&app, "ann@example.com").await;
    app.stranger().post("/auth/v1/recover", json!({ "email": "ann@example.com" })).await.expect(200);
    let done = press(&app.stranger(), &app.mail("ann@example.com", 2).await).await.expect(303);
    let pairs = fragment(&done);
    assert_eq!(value_of(&pairs, "type"), "recovery");
    let bearer = format!("Bearer {}", value_of(&pairs, "access_token"));
    let change = json!({ "password": "Another-Horse-8-Battery!" });
    let client = app.stranger().with("authorization", &bearer);
    client.json(Method::PUT, "/auth/v1/user", change).await.expect(200);
    ann.client.get("/auth/v1/user").await.expect(403);
    client.get("/auth/v1/user").await.expect(200);
    let told = app.mail("ann@example.com", 3).await;
    assert_eq!(told.subject, "Your password was changed");
}

#[tokio::test]
async fn another_address_is_agreed_to_at_both_and_the_old_one_can_take_it_back_once() {
    let app = TestApp::builder().serving().start().await;
    let ann = confirmed(&app, "ann@example.com").await;
    let change = json!({ "email": "ann@example.org" });
    let user = ann.client.json(Method::PUT, "/auth/v1/user", change).await.expect(200).value();
    assert_eq!((&user["email"], &user["new_email"]), (&json!("ann@example.com"), &json!("ann@example.org")));
    let (old, new) = (app.mail("ann@example.com", 2).await, app.mail("ann@example.org", 1).await);
    let half = press(&app.stranger(), &old).await.expect(303);
    assert!(half.header("location").contains("#message=Confirmation"), "{}", half.header("location"));
    let code = new.code();
    let verify = json!({ "type": "email_change", "email": "ann@example.org", "token": code });
    let session = app.stranger().post("/auth/v1/verify", verify).await.expect(200).value();
    assert_eq!(session["user"]["email"], "ann@example.org");
    ann.client.get("/auth/v1/user").await.expect(403);
    Person::sign_in(&app.stranger(), "ann@example.org", PASSWORD).await.expect(200);
    let told = app.mail("ann@example.com", 3).await;
    assert_eq!(told.subject, "Your address was changed");
    assert!(told.path().starts_with("/auth/v1/revert?token="), "{}", told.text);
    app.stranger().get(&told.path()).await.expect(200);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let body = || format!("token={}", told.parameter("token")).into();
    app.stranger().send(Method::POST, "/auth/v1/revert", &form, body()).await.expect(200);
    app.stranger().send(Method::POST, "/auth/v1/revert", &form, body()).await.expect(403);
    let out = app
        .stranger()
        .with("authorization", &format!("Bearer {}", session["access_token"].as_str().unwrap()));
    out.get("/auth/v1/user").await.expect(403);
    Person::sign_in(&app.stranger(), "ann@example.org", PASSWORD).await.expect(400);
    Person::sign_in(&app.stranger(), "ann@example.com", PASSWORD).await.expect(400);
    let back = press(&app.stranger(), &app.mail("ann@example.com", 4).await).await.expect(303);
    assert_eq!(value_of(&fragment(&back), "type"), "recovery", "the old address has a way in");
}

#[tokio::test]
async fn an_invitation_and_a_generated_link_let_somebody_in() {
    let app = TestApp::builder().serving().start().await;
    let invite = json!({ "email": "guest@example.com", "data": { "team": "blue" } });
    let user = app.service().post("/auth/v1/invite", invite).await.expect(200).value();
    assert!(user["invited_at"].is_string(), "{user}");
    let session = press(&app.stranger(), &app.mail("guest@example.com", 1).await).await.expect(303);
    assert_eq!(value_of(&fragment(&session), "type"), "invite");
    let again =
        app.service().post("/auth/v1/invite", json!({ "email": "guest@example.com" })).await.expect(422);
    assert_eq!(again.field("error_code"), "email_exists");
    for (kind, email, expected) in [
        ("magiclink", "guest@example.com", "magiclink"),
        ("recovery", "guest@example.com", "recovery"),
        ("magiclink", "stranger@example.com", "signup"),
        ("invite", "third@example.com", "invite"),
    ] {
        let wanted = json!({ "type": kind, "email": email, "redirect_to": "https://app.example.com/in" });
        let made = app.service().post("/auth/v1/admin/generate_link", wanted).await.expect(200).value();
        assert_eq!((&made["verification_type"], &made["email"]), (&json!(expected), &json!(email)));
        assert_eq!(made["redirect_to"], "https://app.example.com/in");
        assert!(made["action_link"].as_str().unwrap().contains(made["hashed_token"].as_str().unwrap()));
        let verify = json!({ "type": expected, "token_hash": made["hashed_token"] });
        app.stranger().post("/auth/v1/verify", verify).await.expect(200);
        let spent = json!({ "type": "email", "email": email, "token": made["email_otp"] });
        app.stranger().post("/auth/v1/verify", spent).await.expect(403);
    }
    let unknown = json!({ "type": "recovery", "email": "nobody@example.com" });
    app.service().post("/auth/v1/admin/generate_link", unknown).await.expect(404);
}

#[tokio::test]
async fn a_code_proves_presence_once() {
    let app = TestApp::builder().serving().start().await;
    let ann = confirmed(&app, "ann@example.com").await;
    ann.client.get("/auth/v1/reauthenticate").await.expect(200);
    let code = app.mail("ann@example.com", 2).await.code();
    let change = |nonce: &str, password: &str| json!({ "password": password, "nonce": nonce });
    let wrong =
        ann.client.json(Method::PUT, "/auth/v1/user", change("000000x", "Another-Horse-8-Battery!")).await;
    assert_eq!(wrong.expect(422).field("error_code"), "reauthentication_not_valid");
    let right = change(&code, "Another-Horse-8-Battery!");
    ann.client.json(Method::PUT, "/auth/v1/user", right).await.expect(200);
    let again = change(&code, "Third-Horse-9-Battery!");
    ann.client.json(Method::PUT, "/auth/v1/user", again).await.expect(422);
}

#[tokio::test]
async fn a_number_is_sent_a_code_and_dev_shows_it() {
    let app = TestApp::builder().unlimited().with("sms.max_frequency", "0s").start().await;
    let texts = async |count: usize| -> String {
        let mut text = String::new();
        app.eventually(async || {
            let mails = app.running.services.outbox.list(None, 50).await.unwrap();
            let mine: Vec<_> = mails.iter().filter(|mail| mail.to == "+49301234567").collect();
            if mine.len() < count {
                return false;
            }
            let letter = app.running.services.outbox.get(mine[0].id).await.unwrap();
            text = letter.text.map(|text: Secret<String>| text.expose().clone()).unwrap_or_default();
            true
        })
        .await;
        text
    };
    app.stranger().post("/auth/v1/otp", json!({ "phone": "+49301234567" })).await.expect(200);
    let text = texts(1).await;
    let code = text.strip_prefix("Your code is ").unwrap_or_else(|| panic!("{text}")).to_owned();
    let verify = |code: &str| json!({ "type": "sms", "phone": "+49 30 1234567", "token": code });
    app.stranger().post("/auth/v1/verify", verify("000000")).await.expect(403);
    let session = app.stranger().post("/auth/v1/verify", verify(&code)).await.expect(200).value();
    assert_eq!(session["user"]["phone"], "49301234567");
    app.stranger().post("/auth/v1/verify", verify(&code)).await.expect(403);
    let page = app.stranger().get("/_/outbox").await.expect(200);
    assert!(page.text().contains("+49301234567"), "{}", page.text());
}

#[tokio::test]
async fn mails_speak_the_language_of_who_reads_them() {
    let app = TestApp::builder().serving().start().await;
    let german = app.stranger().with("accept-language", "de-AT,en;q=0.5");
    german.post("/auth/v1/otp", json!({ "email": "anna@example.com" })).await.expect(200);
    assert_eq!(
        app.mail("anna@example.com", 1).await.subject,
        "=?utf-8?b?QmVzdMOkdGlnZW4=?= Sie Ihre Adresse"
    );
    let french = app.stranger().with("accept-language", "fr");
    french.post("/auth/v1/otp", json!({ "email": "anne@example.com" })).await.expect(200);
    assert_eq!(app.mail("anne@example.com", 1).await.subject, "Confirm your address");
}
