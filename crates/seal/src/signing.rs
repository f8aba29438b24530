//! Signing keys and the ring of keys that tokens are verified with.
//!
//! Invariant: a key carries its one algorithm. A token's header chooses a key by name; it never chooses how the key is
//! used (attack rows 36, 37).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base::Secret;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde_json::{Map, Value, json};

use crate::{Error, TokenError, Verified, sha256, token};

/// How a key signs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256: anybody can verify, only we can sign.
    Es256,
    /// HMAC with SHA-256: whoever can verify can sign.
    Hs256,
}

impl Algorithm {
    /// As a token's header spells it.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Es256 => "ES256",
            Algorithm::Hs256 => "HS256",
        }
    }

    pub(crate) fn of_library(self) -> jsonwebtoken::Algorithm {
        match self {
            Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
            Algorithm::Hs256 => jsonwebtoken::Algorithm::HS256,
        }
    }
}

/// The half of a key that verifies.
#[derive(Clone)]
pub struct VerifyKey {
    /// Its name; `None` for a shared secret whose tokens carry none.
    pub kid: Option<Arc<str>>,
    pub(crate) algorithm: Algorithm,
    pub(crate) decoding: Arc<DecodingKey>,
    /// Public coordinates, for keys that have a public half.
    public: Option<(String, String)>,
}

impl VerifyKey {
    /// How its signatures are made.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The public key as a JWK; `None` for a shared secret, which is never published.
    pub fn jwk(&self) -> Option<Value> {
        let (x, y) = self.public.as_ref()?;
        Some(json!({
            "kty": "EC", "crv": "P-256", "x": x, "y": y,
            "alg": "ES256", "use": "sig", "key_ops": ["verify"], "kid": self.kid.as_deref(),
        }))
    }
}

/// A key that signs.
pub struct SigningKey {
    verify: VerifyKey,
    encoding: EncodingKey,
    private: Secret<Vec<u8>>,
}

impl SigningKey {
    /// A new ES256 key, named by the thumbprint of its public half (RFC 7638).
    pub fn generate_es256() -> Result<Self, Error> {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map_err(|_| Error::Library("key generation"))?;
        Self::from_pkcs8(document.as_ref())
    }

    /// An ES256 key from the PKCS #8 form that [`SigningKey::private`] gives.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, Error> {
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).map_err(|_| Error::BadKey)?;
        // 0x04, then x, then y: SEC 1, 2.3.3.
        let point = pair.public_key().as_ref();
        let (x, y) = match point.split_first() {
            Some((4, both)) if both.len() == 64 => both.split_at(32),
            _ => return Err(Error::BadKey),
        };
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        let thumbprint = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let kid: Arc<str> = URL_SAFE_NO_PAD.encode(sha256(thumbprint.as_bytes())).into();
        let decoding = DecodingKey::from_ec_components(&x, &y).map_err(|_| Error::BadKey)?;
        let verify = VerifyKey {
            kid: Some(kid),
            algorithm: Algorithm::Es256,
            decoding: Arc::new(decoding),
            public: Some((x, y)),
        };
        Ok(SigningKey {
            verify,
            encoding: EncodingKey::from_ec_der(pkcs8),
            private: Secret::new(pkcs8.to_vec()),
        })
    }

    /// A shared secret. Its tokens name no key, as every other product that shares the secret expects.
    pub fn hs256(secret: &[u8]) -> Self {
        let decoding = Arc::new(DecodingKey::from_secret(secret));
        let verify = VerifyKey { kid: None, algorithm: Algorithm::Hs256, decoding, public: None };
        SigningKey {
            verify,
            encoding: EncodingKey::from_secret(secret),
            private: Secret::new(secret.to_vec()),
        }
    }

    /// The half that verifies.
    pub fn verify_key(&self) -> &VerifyKey {
        &self.verify
    }

    /// The private half (PKCS #8, or the shared secret), to be sealed.
    pub fn private(&self) -> &Secret<Vec<u8>> {
        &self.private
    }

    /// Signs `claims` as a compact JWT.
    pub fn sign(&self, claims: &Map<String, Value>) -> Result<String, Error> {
        token::sign(&self.verify, &self.encoding, claims)
    }
}

/// Every key a token may be verified with, by name.
#[derive(Clone, Default)]
pub struct KeyRing {
    named: HashMap<Arc<str>, VerifyKey>,
    unnamed: Option<VerifyKey>,
    given_up: HashSet<String>,
}

impl KeyRing {
    /// Adds a key. At most one key without a name can be in a ring: the last one added.
    pub fn add(&mut self, key: VerifyKey) {
        match key.kid.clone() {
            Some(kid) => {
                self.named.insert(kid, key);
            }
            None => self.unnamed = Some(key),
        }
    }

    /// Remembers the name of a key that was in it and is no longer: what it signed is refused as such.
    pub fn give_up(&mut self, kid: String) {
        self.given_up.insert(kid);
    }

    /// Verifies a token's signature and returns its claims. Times, audience and issuer are the caller's to check.
    pub fn verify(&self, token: &str) -> Result<Verified, TokenError> {
        token::verify(token, |kid| {
            let key = match kid {
                Some(kid) => self.named.get(kid),
                None => self.unnamed.as_ref(),
            };
            key.ok_or_else(|| match kid.is_some_and(|kid| self.given_up.contains(kid)) {
                true => TokenError::KeyGivenUp,
                false => TokenError::UnknownKey,
            })
        })
    }

    /// The public keys as a JWK set (RFC 7517); shared secrets are not in it.
    pub fn jwks(&self) -> Value {
        let mut keys: Vec<_> = self.named.values().filter_map(VerifyKey::jwk).collect();
        keys.sort_by_key(|key| key["kid"].to_string());
        json!({ "keys": keys })
    }
}
