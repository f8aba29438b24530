//! What an authority asks for to see that a name is ours. Held only while an order is under way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use crate::{Error, limits};

#[derive(Default)]
struct Held {
    tokens: HashMap<String, String>,
    certificates: HashMap<String, Arc<CertifiedKey>>,
}

/// Answers to challenges.
#[derive(Default)]
pub(crate) struct Challenges(Mutex<Held>);

impl Challenges {
    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// HTTP-01: what stands at `/.well-known/acme-challenge/{token}`.
    pub(crate) fn token(&self, token: &str) -> Option<String> {
        self.held().tokens.get(token).cloned()
    }

    /// TLS-ALPN-01: the certificate for a name.
    pub(crate) fn certificate(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        self.held().certificates.get(name).cloned()
    }

    pub(crate) fn answer_token(&self, token: &str, text: &str) {
        let mut held = self.held();
        if held.tokens.len() < limits::CHALLENGES_MAX.size() {
            held.tokens.insert(token.to_owned(), text.to_owned());
        }
    }

    /// RFC 8737: a self-signed certificate with the digest in a critical extension.
    pub(crate) fn answer_certificate(&self, name: &str, sni: &str, digest: &[u8]) -> Result<(), Error> {
        let bug = |error: String| Error::Bug(error);
        let key = KeyPair::generate().map_err(|error| bug(error.to_string()))?;
        let mut params = CertificateParams::new([name.to_owned()]).map_err(|error| bug(error.to_string()))?;
        params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
        let certificate = params.self_signed(&key).map_err(|error| bug(error.to_string()))?;
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let signing = rustls::crypto::aws_lc_rs::sign::any_supported_type(&private)
            .map_err(|error| bug(error.to_string()))?;
        let certified = CertifiedKey::new(vec![certificate.der().clone()], signing);
        let mut held = self.held();
        if held.certificates.len() < limits::CHALLENGES_MAX.size() {
            held.certificates.insert(sni.to_owned(), Arc::new(certified));
        }
        Ok(())
    }

    /// The order is over.
    pub(crate) fn forget(&self) {
        *self.held() = Held::default();
    }
}
