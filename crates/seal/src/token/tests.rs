//! Forged tokens, one kind each.

use jsonwebtoken::crypto;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{KeyRing, SigningKey};

fn claims() -> Map<String, Value> {
    json!({ "sub": "ann", "role": "authenticated" }).as_object().unwrap().clone()
}

fn ring(keys: &[&SigningKey]) -> KeyRing {
    let mut ring = KeyRing::default();
    for key in keys {
        ring.add(key.verify_key().clone());
    }
    ring
}

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// A token with any header, signed as HS256 with `secret`.
fn hs256(header: &Value, secret: &[u8]) -> String {
    let message = format!("{}.{}", encode(header), encode(&Value::Object(claims())));
    let key = EncodingKey::from_secret(secret);
    let signature = crypto::sign(message.as_bytes(), &key, jsonwebtoken::Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

#[test]
fn a_token_of_ours_is_verified_by_either_kind_of_key() {
    for key in
        [SigningKey::generate_es256().unwrap(), SigningKey::hs256(b"a secret of more than thirty-two bytes")]
    {
        let token = key.sign(&claims()).unwrap();
        let verified = ring(&[&key]).verify(&token).unwrap();
        assert_eq!(verified.claims, claims());
        assert_eq!(verified.kid, key.verify_key().kid);
    }
}

#[test]
fn a_key_is_the_same_after_it_was_stored() {
    let key = SigningKey::generate_es256().unwrap();
    let again = SigningKey::from_pkcs8(key.private().expose()).unwrap();
    assert_eq!(again.verify_key().kid, key.verify_key().kid);
    assert!(ring(&[&key]).verify(&again.sign(&claims()).unwrap()).is_ok());
}

/// Attack row 36.
#[test]
fn a_token_without_a_signature_is_refused_however_none_is_spelled() {
    let es256 = SigningKey::generate_es256().unwrap();
    let ring = ring(&[&es256, &SigningKey::hs256(b"a secret of more than thirty-two bytes")]);
    let body = encode(&Value::Object(claims()));
    for alg in ["none", "None", "nOnE", "NONE", "", "HS256", "ES256"] {
        for header in [json!({ "alg": alg }), json!({ "alg": alg, "kid": es256.verify_key().kid.as_deref() })]
        {
            for signature in ["", "AA", &"A".repeat(86)] {
                let token = format!("{}.{body}.{signature}", encode(&header));
                assert!(ring.verify(&token).is_err(), "{token}");
            }
        }
    }
    for header in
        [json!({ "typ": "JWT" }), json!({}), json!([]), json!({ "alg": null }), json!({ "alg": ["HS256"] })]
    {
        assert!(ring.verify(&format!("{}.{body}.AA", encode(&header))).is_err(), "{header}");
    }
    assert!(ring.verify(&format!("{}.{body}", encode(&json!({ "alg": "none" })))).is_err());
}

/// Attack row 37.
#[test]
fn our_public_key_is_not_a_shared_secret() {
    let key = SigningKey::generate_es256().unwrap();
    let ring = ring(&[&key]);
    let jwk = key.verify_key().jwk().unwrap();
    let point = [jwk["x"].as_str().unwrap(), jwk["y"].as_str().unwrap()]
        .map(|half| URL_SAFE_NO_PAD.decode(half).unwrap());
    let raw = [vec![4], point.concat()].concat();
    // The fixed prefix of a P-256 SubjectPublicKeyInfo (RFC 5480).
    let der =
        [hex::decode("3059301306072a8648ce3d020106082a8648ce3d030107034200").unwrap(), raw.clone()].concat();
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        base64::engine::general_purpose::STANDARD.encode(&der)
    );
    for secret in [raw, der, pem.into_bytes(), jwk.to_string().into_bytes()] {
        for header in [json!({ "alg": "HS256", "kid": jwk["kid"] }), json!({ "alg": "HS256" })] {
            assert!(ring.verify(&hs256(&header, &secret)).is_err());
        }
    }
}

/// Attack row 39.
#[test]
fn a_header_that_brings_or_invents_a_key_is_refused() {
    let secret = b"a secret of more than thirty-two bytes";
    let ring = ring(&[&SigningKey::hs256(secret)]);
    assert!(
        ring.verify(&hs256(&json!({ "alg": "HS256", "typ": "JWT" }), secret)).is_ok(),
        "the honest neighbour"
    );
    for (name, value) in [
        ("jku", json!("https://evil.example/keys")),
        ("x5u", json!("https://evil.example/cert")),
        ("x5c", json!(["MIIB"])),
        ("x5t", json!("AA")),
        ("jwk", json!({ "kty": "oct", "k": "AA" })),
        ("crit", json!(["b64"])),
        ("b64", json!(false)),
        ("cty", json!("JWT")),
        ("zip", json!("DEF")),
        ("kid", json!("")),
        ("kid", json!("../../../../dev/null")),
        ("kid", json!("' or 1=1 --")),
        ("kid", json!("unknown")),
        ("kid", json!(7)),
        ("kid", json!("a".repeat(65))),
    ] {
        let mut header = json!({ "alg": "HS256" });
        header[name] = value;
        assert!(ring.verify(&hs256(&header, secret)).is_err(), "{header}");
    }
}

/// Attack row 40.
#[test]
fn psychic_and_malleable_signatures_are_refused() {
    let key = SigningKey::generate_es256().unwrap();
    let ring = ring(&[&key]);
    let token = key.sign(&claims()).unwrap();
    let (message, signature) = token.rsplit_once('.').unwrap();
    let (r, s) = halves(signature).unwrap();
    let high = subtract(&ORDER, &s);
    let (zero, one) = (
        [0; 32],
        subtract(&ORDER, &subtract(&ORDER, &[[0; 31].as_slice(), &[1]].concat().try_into().unwrap())),
    );
    for (r, s) in
        [(zero, zero), (r, zero), (zero, s), (ORDER, ORDER), (ORDER, s), (r, ORDER), (r, high), (one, one)]
    {
        let forged = format!("{message}.{}", URL_SAFE_NO_PAD.encode([r, s].concat()));
        assert_eq!(ring.verify(&forged).err(), Some(TokenError::Signature), "{forged}");
    }
    let der = format!(
        "{message}.{}",
        URL_SAFE_NO_PAD.encode([&[0x30, 0x44, 2, 32], &r[..], &[2, 32], &s[..]].concat())
    );
    assert!(ring.verify(&der).is_err(), "a DER signature is not a JOSE signature");
}

#[test]
fn every_signature_of_ours_has_the_lower_s() {
    let key = SigningKey::generate_es256().unwrap();
    let ring = ring(&[&key]);
    for n in 0..64 {
        let mut claims = claims();
        claims.insert("n".into(), n.into());
        let token = key.sign(&claims).unwrap();
        assert!(is_low_s(token.rsplit_once('.').unwrap().1));
        assert!(ring.verify(&token).is_ok());
    }
}

#[test]
fn a_token_of_another_key_of_the_same_kind_is_refused() {
    let (ours, theirs) = (SigningKey::generate_es256().unwrap(), SigningKey::generate_es256().unwrap());
    assert_eq!(ring(&[&ours]).verify(&theirs.sign(&claims()).unwrap()).err(), Some(TokenError::UnknownKey));
    let (ours, theirs) = (SigningKey::hs256(&[1; 32]), SigningKey::hs256(&[2; 32]));
    assert_eq!(ring(&[&ours]).verify(&theirs.sign(&claims()).unwrap()).err(), Some(TokenError::Signature));
}

#[test]
fn shared_secrets_are_not_published() {
    let key = SigningKey::generate_es256().unwrap();
    let jwks = ring(&[&key, &SigningKey::hs256(&[1; 32])]).jwks();
    let keys = jwks["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 1);
    assert_eq!(keys[0]["kty"], "EC");
    assert!(keys[0].get("d").is_none() && keys[0].get("k").is_none());
}

proptest! {
    #[test]
    fn no_text_makes_verification_panic_or_pass(token in "\\PC{0,200}") {
        let ring = ring(&[&SigningKey::hs256(&[1; 32])]);
        prop_assert!(ring.verify(&token).is_err());
    }

    #[test]
    fn no_three_segments_make_verification_panic_or_pass(
        header in prop::collection::vec(any::<u8>(), 0..60),
        claims in prop::collection::vec(any::<u8>(), 0..60),
        signature in prop::collection::vec(any::<u8>(), 0..70),
    ) {
        let token = [header, claims, signature].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        let key = SigningKey::hs256(&[1; 32]);
        prop_assert!(ring(&[&key]).verify(&token).is_err());
    }

    #[test]
    fn a_token_with_any_character_changed_is_refused(at in 0_usize..1000, to in "[A-Za-z0-9_.-]") {
        let key = SigningKey::hs256(&[1; 32]);
        let token = key.sign(&claims()).unwrap();
        let at = at % token.len();
        let mut changed = token.clone();
        changed.replace_range(at..=at, &to);
        prop_assert!(changed == token || ring(&[&key]).verify(&changed).is_err());
    }
}
