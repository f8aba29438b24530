//! Our own keys as a service provider, and what is asked of a provider's certificate.

use base::{Clock, Secret};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, DnType, KeyPair as RcgenKey, PKCS_RSA_SHA256, RsaKeySize};

use crate::{Error, limits};

/// A signing key and the certificate that carries its public half.
#[derive(Clone)]
pub struct KeyPair {
    /// PKCS#8, PEM.
    pub key: Secret<String>,
    /// X.509, PEM.
    pub certificate: String,
}

impl KeyPair {
    /// Makes a key and a certificate for it. It is read by its key, not by its dates, so it lasts ten years.
    pub fn make(entity_id: &str, clock: &Clock) -> Result<Self, Error> {
        let key = RcgenKey::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_3072)
            .map_err(|error| Error::Library(error.to_string()))?;
        Self::with_certificate(&key, entity_id, clock)
    }

    /// A key for messages that nobody will believe later: as short as is still believed now, since it is made often.
    pub fn make_for_once(entity_id: &str, clock: &Clock) -> Result<Self, Error> {
        let key = RcgenKey::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)
            .map_err(|error| Error::Library(error.to_string()))?;
        Self::with_certificate(&key, entity_id, clock)
    }

    /// A key given as PEM (PKCS#8 or PKCS#1) or as base64 of its DER, the form of `GOTRUE_SAML_PRIVATE_KEY`.
    pub fn read(given: &Secret<String>, entity_id: &str, clock: &Clock) -> Result<Self, Error> {
        let text = given.expose().trim();
        let pem = match text.contains("-----BEGIN") {
            true => text.to_owned(),
            false => {
                let compact: String = text.split_whitespace().collect();
                let der =
                    STANDARD.decode(&compact).map_err(|_| Error::Key("it is neither PEM nor base64"))?;
                // PKCS#8 begins with the version and then an algorithm, PKCS#1 with the version and then a number.
                let label = match der.get(7) {
                    Some(0x30) => "PRIVATE KEY",
                    _ => "RSA PRIVATE KEY",
                };
                wrap(label, &compact)
            }
        };
        let key = RcgenKey::from_pem_and_sign_algo(&pem, &PKCS_RSA_SHA256)
            .map_err(|_| Error::Key("it is no RSA key of at least 2048 bits"))?;
        Self::with_certificate(&key, entity_id, clock)
    }

    fn with_certificate(key: &RcgenKey, entity_id: &str, clock: &Clock) -> Result<Self, Error> {
        let library = |error: rcgen::Error| Error::Library(error.to_string());
        let mut params = CertificateParams::new(Vec::<String>::new()).map_err(library)?;
        let year = i32::from(clock.now().to_zoned(jiff::tz::TimeZone::UTC).year());
        params.not_before = rcgen::date_time_ymd(year - 1, 1, 1);
        params.not_after = rcgen::date_time_ymd(year + 10, 1, 1);
        let name: String = entity_id.chars().filter(char::is_ascii_graphic).take(60).collect();
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.self_signed(key).map_err(library)?;
        Ok(KeyPair { key: Secret::new(key.serialize_pem()), certificate: certificate.pem() })
    }
}

fn wrap(label: &str, base64: &str) -> String {
    let mut pem = format!("-----BEGIN {label}-----\n");
    let mut rest = base64;
    while !rest.is_empty() {
        let (line, next) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = next;
    }
    pem.push_str(&format!("-----END {label}-----\n"));
    pem
}

/// A certificate as bare base64, of PEM or base64 with breaks.
pub(crate) fn bare(certificate: &str) -> Result<String, Error> {
    let body: String = certificate
        .lines()
        .filter(|line| !line.trim_start().starts_with("-----"))
        .flat_map(|line| line.chars().filter(|c| !c.is_whitespace()))
        .collect();
    let der = STANDARD.decode(&body).map_err(|_| Error::Key("the certificate is not base64"))?;
    match der.first() {
        Some(0x30) => Ok(body),
        _ => Err(Error::Key("the certificate is no certificate")),
    }
}

/// SHA-256 of a certificate, by which people name it.
pub fn certificate_fingerprint(certificate: &str) -> Result<String, Error> {
    let der = STANDARD.decode(bare(certificate)?).map_err(|_| Error::Key("the certificate is not base64"))?;
    let hash = seal::sha256(&der);
    Ok(hash.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":"))
}

/// Whether the certificate carries an RSA key long enough to be believed.
pub fn certificate_key_is_strong(certificate: &str) -> Result<bool, Error> {
    let key = saml_rs::crypto::keys::load_certificate(&bare(certificate)?)
        .map_err(|_| Error::Key("the certificate cannot be read"))?;
    if key.algorithm_name() != "RSA" {
        return Ok(false);
    }
    let spki = key.to_spki_der().ok_or(Error::Key("the certificate has no public key"))?;
    // The modulus is nearly all of it: 38 bytes of frame around a key of 2048 bits, and a leading zero.
    Ok(spki.len() * 8 >= limits::RSA_BITS_MIN.size() + 30 * 8)
}
