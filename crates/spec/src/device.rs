//! An authenticator of our own make (WebAuthn level 2), which does as it is told: for ceremonies that no browser would make.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// User present.
const UP: u8 = 0x01;
/// User verified.
const UV: u8 = 0x04;
/// A new credential follows.
const AT: u8 = 0x40;

/// A device with one credential.
pub struct Device {
    key: EcdsaKeyPair,
    /// The credential's id.
    pub id: Vec<u8>,
    /// Whom the server said it is for.
    pub handle: String,
    /// What it says.
    pub says: Says,
}

/// What a device says of the ceremony. Change it to lie.
#[derive(Clone)]
pub struct Says {
    /// The page.
    pub origin: String,
    /// The relying party.
    pub rp_id: String,
    /// Whether it verified its user.
    pub verified: bool,
    /// How often it was used.
    pub counter: u32,
}

impl Device {
    /// A device for a page.
    pub fn new(origin: &str, rp_id: &str) -> Self {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new());
        let document = document.expect("a key");
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref());
        let key = key.expect("the key that was just made");
        let id = seal::sha256(key.public_key().as_ref()).to_vec();
        let says = Says { origin: origin.to_owned(), rp_id: rp_id.to_owned(), verified: true, counter: 1 };
        Device { key, id, handle: String::new(), says }
    }

    /// Answers `navigator.credentials.create` with these options (`publicKey`).
    pub fn create(&mut self, options: &Value) -> Value {
        self.handle = options["user"]["id"].as_str().expect("a handle").to_owned();
        let client = self.client("webauthn.create", options);
        let mut data = self.data(AT);
        data.extend([0; 16]);
        data.extend(u16::try_from(self.id.len()).expect("short").to_be_bytes());
        data.extend(&self.id);
        let point = self.key.public_key().as_ref();
        // A COSE key: EC2, ES256, P-256, x, y.
        data.extend([0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20]);
        data.extend(&point[1..33]);
        data.extend([0x22, 0x58, 0x20]);
        data.extend(&point[33..65]);
        // {"fmt": "none", "attStmt": {}, "authData": …}
        let mut attestation = vec![0xa3, 0x63];
        attestation.extend(b"fmt\x64none\x67attStmt\xa0\x68authData\x58");
        attestation.push(u8::try_from(data.len()).expect("under 256 bytes"));
        attestation.extend(&data);
        self.credential(json!({ "clientDataJSON": text(&client), "attestationObject": text(&attestation), "transports": ["internal"] }))
    }

    /// Answers `navigator.credentials.get`.
    pub fn get(&self, options: &Value) -> Value {
        let client = self.client("webauthn.get", options);
        let data = self.data(0);
        let signed = [data.clone(), seal::sha256(&client).to_vec()].concat();
        let signature = self.key.sign(&SystemRandom::new(), &signed).expect("a signature");
        self.credential(json!({
            "clientDataJSON": text(&client),
            "authenticatorData": text(&data),
            "signature": text(signature.as_ref()),
            "userHandle": self.handle,
        }))
    }

    fn credential(&self, response: Value) -> Value {
        json!({
            "id": text(&self.id), "rawId": text(&self.id), "type": "public-key", "response": response,
            "clientExtensionResults": {}, "authenticatorAttachment": "platform",
        })
    }

    fn client(&self, kind: &str, options: &Value) -> Vec<u8> {
        let client = json!({
            "type": kind, "challenge": options["challenge"], "origin": self.says.origin, "crossOrigin": false,
        });
        client.to_string().into_bytes()
    }

    fn data(&self, flags: u8) -> Vec<u8> {
        let mut data = seal::sha256(self.says.rp_id.as_bytes()).to_vec();
        data.push(flags | UP | if self.says.verified { UV } else { 0 });
        data.extend(self.says.counter.to_be_bytes());
        data
    }
}

fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
