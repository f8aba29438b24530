//! The unmodified clients enrol and show second factors; passkeys and security keys in a real browser.

use spec::{Palisade, clients};

/// As for the other runs of clients; and the page that uses passkeys is an application's, at an origin of its own.
const RAISED: &[&str] = &["--rate_limiting.enabled=false", "--server.cors.allowed_origins=*"];

fn check(held: bool, printed: &str, claims_min: usize) {
    println!("limits raised for this run: {RAISED:?}\n{printed}");
    let kept = printed.lines().filter(|line| line.starts_with("ok ")).count();
    assert!(held, "broken:\n{printed}");
    assert!(kept >= claims_min, "only {kept} claims were tried");
}

#[tokio::test]
async fn auth_js_enrols_and_shows_an_authenticator_app() {
    let palisade = Palisade::start("dev", RAISED).await;
    let (held, printed) = clients::node(&palisade, "factors.mjs").await;
    check(held, &printed, 8);
}

#[tokio::test]
async fn auth_js_signs_in_with_a_passkey_in_a_real_browser() {
    let palisade = Palisade::start("dev", RAISED).await;
    let (held, printed) = clients::node(&palisade, "passkeys.mjs").await;
    check(held, &printed, 4);
}

#[tokio::test]
async fn supabase_py_enrols_and_shows_an_authenticator_app() {
    let palisade = Palisade::start("dev", RAISED).await;
    let (held, printed) = clients::python(&palisade, "factors.py").await;
    check(held, &printed, 4);
}
