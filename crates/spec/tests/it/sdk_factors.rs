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
