//! Logout messages: signed, for us, of now.

use saml::{LogoutAnswer, read_logout_post, read_logout_redirect};

use crate::world::WORLD;

fn query() -> String {
    WORLD.idp.logout_query(&WORLD.sp, "ann@example.com", Some("_session"), &WORLD.clock, &WORLD.rng).unwrap()
}

fn read(query: &str) -> Result<LogoutAnswer, saml::Error> {
    read_logout_redirect(query, &WORLD.peer, &WORLD.sp, WORLD.clock.now())
}

#[test]
fn a_providers_logout_request_is_read_and_answered() {
    let LogoutAnswer::Asked(asked) = read(&query()).unwrap() else { panic!() };
    assert_eq!(
        (asked.name_id.as_str(), asked.session_indexes),
        ("ann@example.com", vec!["_session".to_owned()])
    );
    let answer = WORLD
        .sp
        .signed_out(&WORLD.peer, &asked.id, Some("relay"), &WORLD.clock, &WORLD.rng)
        .unwrap()
        .unwrap();
    assert!(answer.url.starts_with("https://idp.example/slo?SAMLResponse="), "{}", answer.url);
}

#[test]
fn our_own_requests_are_signed_so_that_others_can_check() {
    let redirect = WORLD.sp.sign_in(&WORLD.peer, "state", None, &WORLD.clock, &WORLD.rng).unwrap();
    assert!(redirect.url.starts_with("https://idp.example/sso?SAMLRequest="), "{}", redirect.url);
    for part in ["&RelayState=state", "&SigAlg=", "&Signature="] {
        assert!(redirect.url.contains(part), "{part} in {}", redirect.url);
    }
    let certificate = &WORLD.sp.keys.certificate;
    assert!(WORLD.sp.metadata().unwrap().contains("AuthnRequestsSigned=\"true\""));
    assert!(saml::certificate_key_is_strong(certificate).unwrap());
}

#[test]
fn a_logout_nobody_signed_or_that_is_for_others_is_refused() {
    let honest = query();
    read(&honest).unwrap();
    let (unsigned, _) = honest.split_once("&SigAlg").unwrap();
    let forged =
        WORLD.attacker.logout_query(&WORLD.sp, "ann@example.com", None, &WORLD.clock, &WORLD.rng).unwrap();
    let elsewhere = saml::ServiceProvider { slo_url: "https://other.example/slo".into(), ..WORLD.sp.clone() };
    let other =
        WORLD.idp.logout_query(&elsewhere, "ann@example.com", None, &WORLD.clock, &WORLD.rng).unwrap();
    for (name, query) in [
        ("unsigned", unsigned.to_owned()),
        ("attacker's key", forged),
        ("another destination", other),
        ("relay state changed", honest.replace("RelayState=relay", "RelayState=other")),
        ("weak algorithm", honest.replace("rsa-sha256", "rsa-sha1")),
        ("given twice", format!("{honest}&SAMLRequest=x")),
        ("both kinds", format!("{honest}&SAMLResponse=x")),
        ("no message", "RelayState=x".to_owned()),
        ("empty", String::new()),
    ] {
        let answer = read(&query);
        assert!(answer.is_err(), "{name}: {answer:?}");
    }
    let late = WORLD.clock.now() + jiff::SignedDuration::from_mins(10);
    assert!(read_logout_redirect(&honest, &WORLD.peer, &WORLD.sp, late).is_err());
}

#[test]
fn a_form_needs_its_signature_inside() {
    let xml = "<samlp:LogoutRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
         xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"_l\" Version=\"2.0\" \
         IssueInstant=\"2026-11-22T12:00:00Z\"><saml:Issuer>https://idp.example/metadata</saml:Issuer>\
         <saml:NameID>ann@example.com</saml:NameID></samlp:LogoutRequest>";
    let post = |xml: &str| {
        read_logout_post(&saml::pretend::encode(xml), true, &WORLD.peer, &WORLD.sp, WORLD.clock.now())
    };
    assert!(post(xml).is_err());
    let algorithm = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
    let signed = WORLD.idp.sign(xml, true, algorithm).unwrap();
    assert!(matches!(post(&signed), Ok(LogoutAnswer::Asked(_))), "{:?}", post(&signed));
    assert!(post(&signed.replace("ann@", "eve@")).is_err());
    assert!(post(&WORLD.attacker.sign(xml, true, algorithm).unwrap()).is_err());
}
