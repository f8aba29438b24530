//! The unmodified clients enrol and show second factors; passkeys and security keys in a real browser.

use spec::{Palisade, clients};

use crate::sdk::{RAISED, check};

/// The page that uses passkeys is an application's, at an origin of its own.
const ANY_ORIGIN: &[&str] = &["--server.cors.allowed_origins=*"];

#[tokio::test]
async fn auth_js_enrols_and_shows_an_authenticator_app() {
    let palisade = Palisade::start("dev", RAISED).await;
    let (held, printed) = clients::node(&palisade, "factors.mjs").await;
    check(held, &printed, 8);
}

#[tokio::test]
async fn auth_js_signs_in_with_a_passkey_in_a_real_browser() {
    let palisade = Palisade::start("dev", &[RAISED, ANY_ORIGIN].concat()).await;
    let (held, printed) = clients::node(&palisade, "passkeys.mjs").await;
    check(held, &printed, 4);
}

#[tokio::test]
async fn supabase_py_enrols_and_shows_an_authenticator_app() {
    let palisade = Palisade::start("dev", RAISED).await;
    let (held, printed) = clients::python(&palisade, "factors.py").await;
    check(held, &printed, 4);
}

#[tokio::test]
async fn both_clients_sign_in_by_telephone() {
    let flags = ["--mfa.methods=totp,sms", "--sms.provider=twilio", "--sms.max_frequency=0s"];
    let sender = [
        "--sms.twilio_account_sid=AC00000000000000000000000000000000",
        "--sms.twilio_message_service_sid=MG00000000000000000000000000000000",
    ];
    // In `dev` nothing leaves the machine: the catcher has the texts.
    let secret = [("PALISADE_SMS_TWILIO_AUTH_TOKEN".to_owned(), "a-token-of-nobody".to_owned())];
    let palisade = Palisade::start_told("dev", &[RAISED, &flags, &sender].concat(), &secret).await;
    let (held, printed) = clients::node(&palisade, "phone.mjs").await;
    check(held, &printed, 6);
    let (held, printed) = clients::python(&palisade, "phone.py").await;
    check(held, &printed, 3);
}
