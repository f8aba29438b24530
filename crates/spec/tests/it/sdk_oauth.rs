//! The unmodified clients sign in through somebody else, in Node and in a real browser; and other programs through us.

use std::path::Path;

use spec::{Idp, Palisade, clients};

/// As for the other runs of clients; the pages that sign in are an application's, at an origin of its own.
const RAISED: &[&str] = &["--rate_limiting.enabled=false", "--server.cors.allowed_origins=*"];

fn check(held: bool, printed: &str, claims_min: usize) {
    println!("limits raised for this run: {RAISED:?}\n{printed}");
    let kept = printed.lines().filter(|line| line.starts_with("ok ")).count();
    assert!(held, "broken:\n{printed}");
    assert!(kept >= claims_min, "only {kept} claims were tried");
}

#[tokio::test]
async fn other_programs_sign_people_in_through_us_with_their_own_libraries() {
    let on = ["--auth.oauth_server.enabled=true", "--auth.oauth_server.allow_dynamic_registration=true"];
    let flags: Vec<&str> = RAISED.iter().copied().chain(on).collect();
    let palisade = Palisade::start("dev", &flags).await;
    let (held, printed) = clients::node(&palisade, "oauth_server.mjs").await;
    check(held, &printed, 6);
}

/// An instance that knows `idp` as `keycloak`, and the site that people come back to.
async fn with(idp: &Idp) -> Palisade {
    let url = format!("--auth.external.keycloak.url={}", idp.issuer);
    let more = [
        "--outbound.allow=127.0.0.1",
        "--auth.uri_allow_list=http://localhost:*/**",
        "--auth.external.keycloak.enabled=true",
        "--auth.external.keycloak.client_id=palisade",
        "--auth.manual_linking=true",
        "--auth.oauth_server.enabled=true",
        url.as_str(),
    ];
    let flags: Vec<&str> = RAISED.iter().copied().chain(more).collect();
    let secret = ("PALISADE_AUTH_EXTERNAL_KEYCLOAK_SECRET", "a-secret-that-only-both-know");
    Palisade::start_told("dev", &flags, &[(secret.0.to_owned(), secret.1.to_owned())]).await
}

#[tokio::test]
async fn auth_js_signs_in_through_a_provider_in_node() {
    let idp = Idp::start().await;
    let palisade = with(&idp).await;
    let told = [("IDP", Path::new(&idp.issuer))];
    let (held, printed) = clients::node_told(&palisade, "oauth.mjs", &told).await;
    check(held, &printed, 5);
}

#[tokio::test]
async fn every_method_of_supabase_py_is_called_by_some_program_here() {
    let idp = Idp::start().await;
    let url = format!("--auth.external.keycloak.url={}", idp.issuer);
    let more = [
        "--outbound.allow=127.0.0.1",
        "--auth.uri_allow_list=http://localhost:*/**",
        "--auth.external.keycloak.enabled=true",
        "--auth.external.keycloak.client_id=palisade",
        "--auth.manual_linking=true",
        "--auth.oauth_server.enabled=true",
        "--auth.anonymous_users=true",
        "--auth.mail_max_frequency=0s",
        "--mfa.methods=totp,sms",
        "--sms.provider=twilio",
        "--sms.max_frequency=0s",
        "--sms.twilio_account_sid=AC00000000000000000000000000000000",
        "--sms.twilio_message_service_sid=MG00000000000000000000000000000000",
        url.as_str(),
    ];
    let flags: Vec<&str> = RAISED.iter().copied().chain(more).collect();
    let secrets = [
        ("PALISADE_AUTH_EXTERNAL_KEYCLOAK_SECRET", "a-secret-that-only-both-know"),
        // In `dev` nothing leaves the machine: the catcher has the texts.
        ("PALISADE_SMS_TWILIO_AUTH_TOKEN", "a-token-of-nobody"),
    ];
    let secrets = secrets.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let palisade = Palisade::start_told("dev", &flags, &secrets).await;
    let told = [("IDP", Path::new(&idp.issuer))];
    let (held, printed) = clients::python_told(&palisade, "methods.py", &told).await;
    check(held, &printed, 19);
}

#[tokio::test]
async fn auth_js_signs_in_through_a_provider_in_a_real_browser() {
    let idp = Idp::start().await;
    let palisade = with(&idp).await;
    let (held, printed) = clients::node(&palisade, "oauth_browser.mjs").await;
    check(held, &printed, 3);
}

#[tokio::test]
async fn auth_js_signs_in_with_wallets_of_both_chains() {
    let on = [
        "--auth.external.web3.ethereum=true",
        "--auth.external.web3.solana=true",
        "--auth.site_url=http://localhost:3000",
    ];
    let flags: Vec<&str> = RAISED.iter().copied().chain(on).collect();
    let palisade = Palisade::start("dev", &flags).await;
    let (held, printed) = clients::node(&palisade, "wallets.mjs").await;
    check(held, &printed, 5);
}

#[tokio::test]
async fn every_way_to_sign_in_on_our_own_page_works_in_a_real_browser() {
    let idp = Idp::start().await;
    let url = format!("--auth.external.keycloak.url={}", idp.issuer);
    let more = [
        "--outbound.allow=127.0.0.1",
        "--auth.external.keycloak.enabled=true",
        "--auth.external.keycloak.client_id=palisade",
        "--auth.oauth_server.enabled=true",
        "--auth.captcha.enabled=true",
        "--auth.captcha.work=5000",
        "--auth.mail_max_frequency=0s",
        url.as_str(),
    ];
    let flags: Vec<&str> = RAISED.iter().copied().chain(more).collect();
    let secret = ("PALISADE_AUTH_EXTERNAL_KEYCLOAK_SECRET", "a-secret-that-only-both-know");
    let palisade = Palisade::start_told("dev", &flags, &[(secret.0.to_owned(), secret.1.to_owned())]).await;
    let (held, printed) = clients::node(&palisade, "consent_browser.mjs").await;
    check(held, &printed, 8);
}
