//! Row 54: for whom, when, in answer to what.

use jiff::SignedDuration;
use saml::pretend::{Signed, encode};
use saml::{Error, Expected, verify};

use crate::world::{REQUEST, WORLD};

#[test]
fn an_honest_response_is_believed_whatever_else_is_signed() {
    for signed in [Signed::Assertion, Signed::Both] {
        let assertion = WORLD.verify_xml(&WORLD.idp.xml(&WORLD.honest(), signed).unwrap()).unwrap();
        assert_eq!(assertion.name_id, "ann@example.com");
        assert_eq!(assertion.issuer, "https://idp.example/metadata");
        assert_eq!(assertion.attributes[0].values, ["ann@example.com"]);
        assert!(assertion.session_index.is_some());
        assert!(assertion.usable_until > WORLD.clock.now());
    }
}

#[test]
fn each_condition_that_is_not_met_is_refused() {
    let now = WORLD.clock.now();
    let minutes = |n: i64| now + SignedDuration::from_mins(n);
    let mut cases: Vec<(&str, saml::pretend::Says)> = Vec::new();
    let mut case = |name, change: &dyn Fn(&mut saml::pretend::Says)| {
        let mut says = WORLD.honest();
        change(&mut says);
        cases.push((name, says));
    };
    case("audience", &|says| says.audience = "https://other.example".into());
    case("audience with a suffix", &|says| says.audience += "/");
    case("recipient", &|says| says.recipient = "https://other.example/acs".into());
    case("destination", &|says| says.destination = "https://other.example/acs".into());
    case("destination in other letters", &|says| says.destination = says.destination.to_uppercase());
    case("issuer", &|says| says.issuer = "https://other.example".into());
    case("another request", &|says| says.in_response_to = Some("_request2".into()));
    case("no request", &|says| says.in_response_to = None);
    case("expired", &|says| says.not_on_or_after = minutes(-2));
    case("to come", &|says| says.not_before = minutes(2));
    case("no subject", &|says| says.name_id = String::new());
    case("a subject with markup", &|says| says.name_id = "<b>ann@example.com</b>".into());
    case("a subject with a line break", &|says| says.name_id = "ann@example.com\nx".into());
    for (name, says) in cases {
        for signed in [Signed::Assertion, Signed::Both] {
            let verified = WORLD.verify_xml(&WORLD.idp.xml(&says, signed).unwrap());
            assert!(verified.is_err(), "{name}: {verified:?}");
        }
    }
}

#[test]
fn another_machines_clock_may_be_a_little_off() {
    let now = WORLD.clock.now();
    let mut says = WORLD.honest();
    says.not_before = now + SignedDuration::from_secs(30);
    says.not_on_or_after = now + SignedDuration::from_secs(300);
    WORLD.verify(&says).unwrap();
    says.not_before = now - SignedDuration::from_secs(300);
    says.not_on_or_after = now - SignedDuration::from_secs(30);
    WORLD.verify(&says).unwrap();
}

#[test]
fn a_response_nobody_asked_for_is_taken_only_when_none_is_expected() {
    let unasked = WORLD.idp.honest(&WORLD.sp, None, "ann@example.com", &WORLD.clock, &WORLD.rng);
    let encoded = WORLD.idp.encoded(&unasked, Signed::Assertion).unwrap();
    assert_eq!(verify(&encoded, &WORLD.expected()), Err(Error::OtherRequest));
    let none = Expected { request_id: None, ..WORLD.expected() };
    verify(&encoded, &none).unwrap();
    let asked = WORLD.idp.encoded(&WORLD.honest(), Signed::Assertion).unwrap();
    assert_eq!(verify(&asked, &none), Err(Error::OtherRequest));
}

#[test]
fn a_provider_that_says_no_is_told_apart_from_an_attack() {
    let xml = WORLD.honest().xml().replace("status:Success", "status:Responder");
    let xml = WORLD.idp.sign(&xml, false, "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256").unwrap();
    assert_eq!(WORLD.verify_xml(&xml), Err(Error::Status("Responder".into())));
    // As providers really say no: without any assertion. One that says yes that way says nothing.
    let (before, rest) = xml.split_once("<saml:Assertion ").unwrap();
    let bare = format!("{before}{}", rest.split_once("</saml:Assertion>").unwrap().1);
    assert_eq!(WORLD.verify_xml(&bare), Err(Error::Status("Responder".into())));
    let yes = bare.replace("status:Responder", "status:Success");
    assert_eq!(WORLD.verify_xml(&yes), Err(Error::Shape("not one Assertion")));
}

#[test]
fn conditions_that_are_missing_twice_or_unknown_are_refused() {
    let plain = WORLD.honest().xml();
    let audience_end = "</saml:AudienceRestriction>";
    for (name, xml) in [
        ("unknown condition", plain.replace(audience_end, &format!("{audience_end}<saml:Condition/>"))),
        ("no audience", cut(&plain, "<saml:AudienceRestriction>", audience_end)),
        ("no conditions", cut(&plain, "<saml:Conditions ", "</saml:Conditions>")),
        ("no statement", cut(&plain, "<saml:AuthnStatement ", "</saml:AuthnStatement>")),
        ("no confirmation", cut(&plain, "<saml:SubjectConfirmation ", "</saml:SubjectConfirmation>")),
        ("sender vouches", plain.replace("cm:bearer", "cm:sender-vouches")),
        ("no end", plain.replacen("SubjectConfirmationData NotOnOrAfter=", "SubjectConfirmationData Unused=", 1)),
        ("local time", plain.replace("Z\"", "+00:00\"")),
        ("two audiences restrict", plain.replace(audience_end, &format!(
            "{audience_end}<saml:AudienceRestriction><saml:Audience>https://other.example</saml:Audience>{audience_end}"
        ))),
        ("SAML 1.1", plain.replace("Version=\"2.0\"", "Version=\"1.1\"")),
    ] {
        assert_ne!(xml, plain, "{name}");
        let signed = WORLD.idp.sign(&xml, false, "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256").unwrap();
        let verified = WORLD.verify_xml(&signed);
        assert!(verified.is_err(), "{name}: {verified:?}");
    }
    assert_eq!(REQUEST, "_request1");
    assert!(!encode(&plain).is_empty());
}

fn cut(text: &str, from: &str, to: &str) -> String {
    let (before, rest) = text.split_once(from).unwrap();
    let (_, after) = rest.split_once(to).unwrap();
    format!("{before}{after}")
}

/// Found by the fuzzer: the second reader multiplies before it asks whether it has digits at hand.
#[test]
fn times_that_are_no_times_are_refused_before_anybody_counts_with_them() {
    let algorithm = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
    for odd in [
        "99999999999999999999-11-22T12:00:00Z",
        "2026-11-22T12:00:00.99999999999999999999Z",
        "2026-11-22T12:00:00.Z",
        "2026-11-22T12:00:00",
        "2026-11-22T12:zz:00Z",
        "2026-11-22T12:00:00+00:00",
        "-2026-11-22T12:00:00Z",
        "2026-11-22 12:00:00Z",
        "",
    ] {
        let plain = WORLD.honest().xml();
        let issued = plain.split_once(" IssueInstant=\"").unwrap().1.split('"').next().unwrap().to_owned();
        for xml in [plain.replacen(&issued, odd, 1), plain.replace(&issued, odd)] {
            let signed = WORLD.idp.sign(&xml, false, algorithm).unwrap();
            assert!(WORLD.verify_xml(&signed).is_err(), "{odd:?}");
        }
    }
}
