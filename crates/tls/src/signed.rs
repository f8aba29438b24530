//! Whose signature something carries, and which certificate issued which.

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::{Decode, Encode, Reader, SliceReader};
use x509_cert::ext::pkix::BasicConstraints;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

/// Whether `signature` over `message` was made with the key. Algorithms that clients do not take, we do not take.
pub(crate) fn is_signed_with(
    key: &SubjectPublicKeyInfoOwned,
    algorithm: &AlgorithmIdentifierOwned,
    message: &[u8],
    signature: &[u8],
) -> bool {
    let (Some(of_key), Some(of_signature)) = (content(&key.algorithm), content(algorithm)) else {
        return false;
    };
    let known = aws_lc_rs::default_provider().signature_verification_algorithms.all;
    known
        .iter()
        .filter(|known| known.public_key_alg_id().as_ref() == of_key)
        .filter(|known| known.signature_alg_id().as_ref() == of_signature)
        .any(|known| known.verify_signature(key.subject_public_key.raw_bytes(), message, signature).is_ok())
}

/// An algorithm's name and parameters, without what says how long they are.
fn content(algorithm: &AlgorithmIdentifierOwned) -> Option<Vec<u8>> {
    let whole = algorithm.to_der().ok()?;
    let mut reader = SliceReader::new(&whole).ok()?;
    x509_cert::der::Header::decode(&mut reader).ok()?;
    let start = usize::try_from(reader.position()).ok()?;
    whole.get(start..).map(<[u8]>::to_vec)
}

/// A certificate that was read.
pub(crate) fn read(der: &CertificateDer<'_>) -> Result<Certificate, String> {
    Certificate::from_der(der).map_err(|error| format!("a certificate cannot be read: {error}"))
}

/// Whether `above` issued `below`: by name, by signature, and because it may.
pub(crate) fn issued(above: &Certificate, below: &Certificate) -> bool {
    let is_authority = above.tbs_certificate.get::<BasicConstraints>();
    let is_authority = matches!(is_authority, Ok(Some((_, constraints))) if constraints.ca);
    let Ok(message) = below.tbs_certificate.to_der() else { return false };
    above.tbs_certificate.subject == below.tbs_certificate.issuer
        && is_authority
        && is_signed_with(
            &above.tbs_certificate.subject_public_key_info,
            &below.signature_algorithm,
            &message,
            below.signature.raw_bytes(),
        )
}

/// Whether it ends the chain: clients know it, or it is of no use to them.
pub(crate) fn is_root(certificate: &Certificate) -> bool {
    certificate.tbs_certificate.subject == certificate.tbs_certificate.issuer
}

/// Whether it holds at `now`, in seconds since 1970.
pub(crate) fn holds(certificate: &Certificate, now: i64) -> bool {
    let validity = &certificate.tbs_certificate.validity;
    let seconds = |time: x509_cert::time::Time| i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(0);
    (seconds(validity.not_before)..=seconds(validity.not_after)).contains(&now)
}
