//! Passkeys and security keys under attack (row 34): each ceremony that is not what it says is refused, the honest one
//! beside it works.

use serde_json::{Value, json};
use spec::device::Says;
use spec::{Device, Person, Seen, TestApp};

const RP: &str = "localhost";

fn origin(app: &TestApp) -> String {
    format!("http://localhost:{}", app.running.address.port())
}

/// Registers a passkey of `device` for somebody.
async fn register(person: &Person, device: &mut Device) -> Seen {
    let begun =
        person.client.post("/auth/v1/passkeys/registration/options", json!({})).await.expect(200).value();
    let credential = device.create(&begun["options"]);
    let body = json!({ "challenge_id": begun["challenge_id"], "credential": credential });
    person.client.post("/auth/v1/passkeys/registration/verify", body).await
}

async fn begin(app: &TestApp) -> Value {
    app.stranger().post("/auth/v1/passkeys/authentication/options", json!({})).await.expect(200).value()
}

async fn answer(app: &TestApp, begun: &Value, credential: Value) -> Seen {
    let body = json!({ "challenge_id": begun["challenge_id"], "credential": credential });
    app.stranger().post("/auth/v1/passkeys/authentication/verify", body).await
}

#[tokio::test]
async fn a_passkey_signs_in_by_itself_as_one_proof() {
    let app = TestApp::builder().unlimited().start().await;
    let ann = app.person("ann").await;
    let mut device = Device::new(&origin(&app), RP);
    let made = register(&ann, &mut device).await.expect(200).value();
    let made_for = device.handle.clone();
    let bob = app.person("bob").await;
    let taken = register(&bob, &mut device).await.expect(422);
    assert_eq!(taken.field("error_code"), "webauthn_credential_exists", "a credential is one person's");
    device.handle.clone_from(&made_for);
    let begun = begin(&app).await;
    assert_eq!(begun["options"]["rpId"], RP);
    assert_eq!(begun["options"]["userVerification"], "required");
    device.says.counter += 1;
    let session = answer(&app, &begun, device.get(&begun["options"])).await.expect(200).value();
    assert_eq!(session["user"]["id"], ann.id);
    let listed = ann.client.get("/auth/v1/passkeys").await.expect(200).value();
    assert_eq!(listed[0]["id"], made["id"]);
    assert!(listed[0]["last_used_at"].is_string());
    let claims = session["access_token"].as_str().unwrap().split('.').nth(1).unwrap().to_owned();
    let claims = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, claims).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(
        (claims["aal"].as_str(), claims["amr"][0]["method"].as_str()),
        (Some("aal1"), Some("passkey"))
    );
    let at = format!("/auth/v1/passkeys/{}", made["id"].as_str().unwrap());
    let named =
        ann.client.json(http::Method::PATCH, &at, json!({ "friendly_name": "Laptop" })).await.expect(200);
    assert_eq!(named.field("friendly_name"), "Laptop");
    ann.client.json(http::Method::DELETE, &at, json!({})).await.expect(204);
    device.says.counter += 1;
    let begun = begin(&app).await;
    let gone = answer(&app, &begun, device.get(&begun["options"])).await.expect(400);
    assert_eq!(gone.field("error_code"), "webauthn_verification_failed");
}

#[tokio::test]
async fn row_34_a_sign_in_that_is_not_what_it_says_is_refused() {
    let app = TestApp::builder().unlimited().start().await;
    let (ann, bob) = (app.person("ann").await, app.person("bob").await);
    let (mut device, mut other) = (Device::new(&origin(&app), RP), Device::new(&origin(&app), RP));
    register(&ann, &mut device).await.expect(200);
    register(&bob, &mut other).await.expect(200);
    let honest = device.says.clone();
    let mut counter = 10;
    let port = app.running.address.port();
    let lies: Vec<(&str, Says)> = vec![
        (
            "an origin that ends like ours",
            Says { origin: format!("http://badlocalhost:{port}"), ..honest.clone() },
        ),
        (
            "an origin that begins like ours",
            Says { origin: format!("http://localhost.evil.example:{port}"), ..honest.clone() },
        ),
        ("a page below us", Says { origin: format!("http://evil.localhost:{port}"), ..honest.clone() }),
        ("another scheme", Says { origin: format!("https://localhost:{port}"), ..honest.clone() }),
        (
            "an origin hidden behind ours",
            Says { origin: format!("http://localhost:{port}@evil.example"), ..honest.clone() },
        ),
        ("another relying party", Says { rp_id: "evil.example".to_owned(), ..honest.clone() }),
        ("a relying party that ends like ours", Says { rp_id: "badlocalhost".to_owned(), ..honest.clone() }),
        ("a user who was not verified", Says { verified: false, ..honest.clone() }),
    ];
    for (what, says) in lies {
        counter += 1;
        device.says = Says { counter, ..says };
        let begun = begin(&app).await;
        let seen = answer(&app, &begun, device.get(&begun["options"])).await;
        assert_eq!(
            (seen.status.as_u16(), &*seen.field("error_code")),
            (400, "webauthn_verification_failed"),
            "{what}"
        );
        // And the ceremony is spent, whatever comes next.
        device.says = Says { counter: counter + 1, ..honest.clone() };
        let seen = answer(&app, &begun, device.get(&begun["options"])).await;
        assert_eq!(
            seen.expect(400).field("error_code"),
            "webauthn_challenge_not_found",
            "{what}, then honestly"
        );
    }
    device.says = Says { counter: 100, ..honest.clone() };
    let begun = begin(&app).await;
    let credential = device.get(&begun["options"]);
    answer(&app, &begun, credential.clone()).await.expect(200);
    let again = answer(&app, &begun, credential.clone()).await.expect(400);
    assert_eq!(again.field("error_code"), "webauthn_challenge_not_found", "a challenge is answered once");
    let begun = begin(&app).await;
    let replayed = answer(&app, &begun, credential).await.expect(400);
    assert_eq!(
        replayed.field("error_code"),
        "webauthn_verification_failed",
        "an answer to another challenge"
    );
    for (counter, what) in
        [(100, "the same counter"), (99, "a counter that went back"), (0, "a counter of nothing")]
    {
        device.says.counter = counter;
        let begun = begin(&app).await;
        let seen = answer(&app, &begun, device.get(&begun["options"])).await;
        assert_eq!(
            seen.expect(400).field("error_code"),
            "webauthn_verification_failed",
            "{what}: it may be a copy"
        );
    }
    device.says.counter = 101;
    let begun = begin(&app).await;
    let mut stolen = device.get(&begun["options"]);
    stolen["response"]["userHandle"] = other.handle.clone().into();
    answer(&app, &begun, stolen).await.expect(400);
    let begun = begin(&app).await;
    let mut forged = device.get(&begun["options"]);
    forged["response"]["signature"] = other.get(&begun["options"])["response"]["signature"].clone();
    answer(&app, &begun, forged).await.expect(400);
    let begun = begin(&app).await;
    app.clock.advance(std::time::Duration::from_secs(300));
    let late = answer(&app, &begun, device.get(&begun["options"])).await.expect(400);
    assert_eq!(late.field("error_code"), "webauthn_challenge_expired");
    let begun = begin(&app).await;
    answer(&app, &begun, device.get(&begun["options"])).await.expect(200);
}

#[tokio::test]
async fn row_34_a_registration_that_is_not_what_it_says_is_refused() {
    let app = TestApp::builder().unlimited().start().await;
    let (ann, bob) = (app.person("ann").await, app.person("bob").await);
    let honest = Device::new(&origin(&app), RP).says;
    for (what, says) in [
        ("another origin", Says { origin: "http://badlocalhost".to_owned(), ..honest.clone() }),
        ("another relying party", Says { rp_id: "evil.example".to_owned(), ..honest.clone() }),
        ("a user who was not verified", Says { verified: false, ..honest.clone() }),
    ] {
        let mut device = Device::new(&origin(&app), RP);
        device.says = says;
        let seen = register(&ann, &mut device).await.expect(400);
        assert_eq!(seen.field("error_code"), "webauthn_verification_failed", "{what}");
    }
    // Somebody else's ceremony.
    let begun =
        ann.client.post("/auth/v1/passkeys/registration/options", json!({})).await.expect(200).value();
    let credential = Device::new(&origin(&app), RP).create(&begun["options"]);
    let body = json!({ "challenge_id": begun["challenge_id"], "credential": credential });
    let theirs = bob.client.post("/auth/v1/passkeys/registration/verify", body).await.expect(400);
    assert_eq!(theirs.field("error_code"), "webauthn_challenge_not_found");
    register(&ann, &mut Device::new(&origin(&app), RP)).await.expect(200);
}

/// A security key as the second factor; whoever guesses codes does not lock it out.
#[tokio::test]
async fn a_security_key_raises_the_session_even_while_codes_are_paused() {
    let app = TestApp::builder().unlimited().start().await;
    let ann = app.person("ann").await;
    let mut key = Device::new(&origin(&app), RP);
    let body = json!({ "factor_type": "webauthn", "friendly_name": "key" });
    let factor = ann.client.post("/auth/v1/factors", body).await.expect(200).field("id");
    let challenge = async |person: &Person| {
        let at = format!("/auth/v1/factors/{factor}/challenge");
        let body = json!({ "webauthn": { "rpId": "evil.example", "rpOrigins": ["https://evil.example"] } });
        person.client.post(&at, body).await.expect(200).value()
    };
    let verify = async |person: &Person, asked: &Value, credential: Value| {
        let body = json!({
            "challenge_id": asked["id"],
            "webauthn": { "type": asked["webauthn"]["type"], "credential_response": credential },
        });
        person.client.post(&format!("/auth/v1/factors/{factor}/verify"), body).await
    };
    let asked = challenge(&ann).await;
    assert_eq!(asked["webauthn"]["type"], "create");
    let options = &asked["webauthn"]["credential_options"]["publicKey"];
    assert_eq!(options["rp"]["id"], RP, "what the request says of the relying party is not read");
    let made = key.create(options);
    let raised = verify(&ann, &asked, made).await.expect(200).value();
    let ann = ann.again(&raised);
    let (_, phone) = {
        let body = json!({ "factor_type": "totp", "friendly_name": "phone" });
        let enrolled = ann.client.post("/auth/v1/factors", body).await.expect(200).value();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let phone =
            spec::Authenticator { id: text(&enrolled["id"]), secret: text(&enrolled["totp"]["secret"]) };
        (phone.show(&ann.client, &phone.code(app.clock.now().as_second())).await.expect(200), phone)
    };
    let session = Person::sign_in(&app.stranger(), &ann.email, &ann.password).await.expect(200).value();
    let low = ann.again(&session);
    for _ in 0..6 {
        phone.show(&low.client, &phone.wrong(app.clock.now().as_second())).await;
    }
    assert_eq!(phone.show(&low.client, "000000").await.status, 429);
    key.says.counter += 1;
    let asked = challenge(&low).await;
    assert_eq!(asked["webauthn"]["type"], "request");
    let options = &asked["webauthn"]["credential_options"]["publicKey"];
    let mut lie = Device::new(&origin(&app), RP);
    lie.handle = key.handle.clone();
    verify(&low, &asked, lie.get(options)).await.expect(400);
    let asked = challenge(&low).await;
    let options = &asked["webauthn"]["credential_options"]["publicKey"];
    let raised = verify(&low, &asked, key.get(options)).await.expect(200).value();
    low.again(&raised).client.get("/auth/v1/user").await.expect(200);
}

#[tokio::test]
async fn row_21_whoever_fails_for_somebody_keeps_their_passkey_out_of_nothing() {
    let app = TestApp::builder().unlimited().start().await;
    let ann = app.person("ann").await;
    let mut device = Device::new(&origin(&app), RP);
    register(&ann, &mut device).await.expect(200);
    for n in 0..100 {
        let attacker = app.stranger().at(&format!("127.9.{}.{}", n / 200, n % 200 + 1));
        Person::sign_in(&attacker, &ann.email, "wrong-Password-1!").await;
    }
    assert_eq!(Person::sign_in(&app.stranger(), &ann.email, &ann.password).await.status, 429);
    device.says.counter += 1;
    let begun = begin(&app).await;
    let session = answer(&app, &begun, device.get(&begun["options"])).await.expect(200).value();
    assert_eq!(session["user"]["id"], ann.id, "from an address nobody had before");
}
