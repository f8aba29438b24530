//! Row 48, by all places instead of by name: the signed assertion moved to every place of a response while another one stands
//! where it stood, and another one put into every place beside it, in every way of writing its namespace.

use saml::pretend::Signed;

use crate::corpus::{attribute, in_signature, pieces};
use crate::world::WORLD;

const NAMESPACE: &str = "urn:oasis:names:tc:SAML:2.0:assertion";

/// The same elements under another prefix, or under none.
fn written(assertion: &str, prefix: &str) -> String {
    let (colon, name) = match prefix {
        "" => (String::new(), "xmlns".to_owned()),
        prefix => (format!("{prefix}:"), format!("xmlns:{prefix}")),
    };
    assertion.replace("<saml:", &format!("<{colon}")).replace("</saml:", &format!("</{colon}")).replacen(
        "Assertion ",
        &format!("Assertion {name}=\"{NAMESPACE}\" "),
        1,
    )
}

/// Before every tag, and at the end.
fn places(xml: &str) -> Vec<usize> {
    xml.match_indices('<').map(|(at, _)| at).chain([xml.len()]).collect()
}

fn put(xml: &str, at: usize, what: &str) -> String {
    format!("{}{what}{}", &xml[..at], &xml[at..])
}

#[test]
fn a_signature_speaks_for_nothing_else_wherever_either_stands() {
    let mut tried = 0;
    let mut honest = 0;
    let mut refused = |xml: &str| {
        tried += 1;
        if let Ok(said) = WORLD.verify_xml(xml) {
            assert_eq!(said.name_id, "ann@example.com", "{xml}");
            assert!(
                said.attributes.iter().flat_map(|one| &one.values).all(|value| value == "ann@example.com"),
                "{xml}"
            );
            honest += 1;
        }
    };
    for signed in [Signed::Assertion, Signed::Both] {
        let p = pieces(&WORLD.idp.xml(&WORLD.honest(), signed).unwrap());
        WORLD.verify_xml(&p.whole).unwrap();
        let same = p.bare.replace("ann@example.com", "admin@example.com");
        let fresh = same.replace(&attribute(&p.assertion, "ID=\""), "_evil");
        let plain = [same.clone(), fresh.clone()];
        let stolen = plain.each_ref().map(|evil| in_signature(evil, &p.signature));
        let evils: Vec<String> = plain
            .iter()
            .chain(&stolen)
            .flat_map(|evil| {
                ["saml", "x", ""]
                    .map(|prefix| if prefix == "saml" { evil.clone() } else { written(evil, prefix) })
            })
            .collect();
        for evil in &evils {
            let host = p.whole.replace(&p.assertion, evil);
            assert!(host.contains("admin@example.com") && !host.contains("ann@example.com"));
            for at in places(&host) {
                for moved in [&p.assertion, &p.bare] {
                    refused(&put(&host, at, moved));
                }
            }
            for at in places(&p.whole) {
                refused(&put(&p.whole, at, evil));
            }
        }
    }
    assert!(tried > 3_000, "{tried}");
    assert_eq!(honest, 0, "nothing that has both is taken at all");
}

/// This server publishes no key to encrypt to: what is encrypted is of nobody it asked.
#[test]
fn what_is_encrypted_is_refused_with_the_reason() {
    let p = pieces(&WORLD.idp.xml(&WORLD.honest(), Signed::Both).unwrap());
    let data = "<xenc:EncryptedData xmlns:xenc=\"http://www.w3.org/2001/04/xmlenc#\"><xenc:CipherData>\
                <xenc:CipherValue>AAAA</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData>";
    let instead = |content: &str| format!("<saml:EncryptedAssertion>{content}</saml:EncryptedAssertion>");
    for (name, xml) in [
        ("instead", p.whole.replace(&p.assertion, &instead(data))),
        ("around", p.whole.replace(&p.assertion, &instead(&p.assertion))),
        ("beside", p.whole.replace(&p.assertion, &format!("{}{}", instead(data), p.assertion))),
    ] {
        let said = WORLD.verify_xml(&xml).unwrap_err().to_string();
        assert!(said.contains("encrypted assertion"), "{name}: {said}");
    }
    let hidden = p
        .whole
        .replace("<saml:NameID ", &format!("<saml:EncryptedID>{data}</saml:EncryptedID><saml:NameID "));
    assert_ne!(hidden, p.whole);
    assert!(WORLD.verify_xml(&hidden).is_err());
}
