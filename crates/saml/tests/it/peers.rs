//! What is taken of an identity provider's metadata.

use saml::{Error, KeyPair, Peer, certificate_fingerprint};

use crate::world::WORLD;

#[test]
fn metadata_is_read_into_names_keys_and_addresses_and_written_back() {
    let written = WORLD.peer.to_metadata();
    assert_eq!(Peer::from_metadata(&written).unwrap(), WORLD.peer);
    let listed = format!(
        "<?xml version=\"1.0\"?><!-- ours --><md:EntitiesDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\">\
         {written}</md:EntitiesDescriptor>"
    );
    assert_eq!(Peer::from_metadata(&listed).unwrap(), WORLD.peer);
    assert_eq!(certificate_fingerprint(&WORLD.idp.keys.certificate).unwrap().len(), 95);
}

#[test]
fn metadata_that_leaves_something_open_is_refused() {
    let good = WORLD.peer.to_metadata();
    let certificate = &WORLD.peer.certificates[0];
    for (name, bad) in [
        ("no entity", good.replace("EntityDescriptor", "Other")),
        ("no name", good.replace(" entityID=\"https://idp.example/metadata\"", "")),
        ("service provider only", good.replace("IDPSSODescriptor", "SPSSODescriptor")),
        ("SAML 1.1", good.replace("SAML:2.0:protocol", "SAML:1.1:protocol")),
        ("no certificate", good.replace("use=\"signing\"", "use=\"encryption\"")),
        ("no redirect", good.replace("HTTP-Redirect", "HTTP-Artifact")),
        ("script address", good.replace("https://idp.example/sso", "javascript:alert(1)")),
        ("address with a quote", good.replace("https://idp.example/sso", "https://idp.example/&quot;x")),
        ("doctype", format!("<!DOCTYPE x>{good}")),
        ("entity", good.replace("idp.example/sso", "&x;/sso")),
        ("broken certificate", good.replace(certificate.as_str(), "AAAA")),
        (
            "two entities",
            format!(
                "<EntitiesDescriptor xmlns=\"urn:oasis:names:tc:SAML:2.0:metadata\">{good}{good}</EntitiesDescriptor>"
            ),
        ),
        ("html", "<html><body>404</body></html>".to_owned()),
        ("long", "x".repeat(1 << 20)),
        ("", String::new()),
    ] {
        assert!(Peer::from_metadata(&bad).is_err(), "{name}");
    }
}

#[test]
fn short_keys_are_refused() {
    // RSA with 1024 bits, made by openssl for this test.
    let short = include_str!("short.pem");
    assert!(matches!(
        Peer::from_parts("https://idp.example", "https://idp.example/sso", short),
        Err(Error::Key(_))
    ));
    let key = WORLD.idp.keys.clone();
    let read = KeyPair::read(&key.key, "https://ours.example", &WORLD.clock).unwrap();
    assert_eq!(read.key.expose(), key.key.expose());
    let der: String = key.key.expose().lines().filter(|line| !line.starts_with("-----")).collect();
    let bare = KeyPair::read(&base::Secret::new(der), "https://ours.example", &WORLD.clock).unwrap();
    assert_eq!(bare.key.expose(), key.key.expose());
    assert!(KeyPair::read(&base::Secret::from("nonsense"), "x", &WORLD.clock).is_err());
}
