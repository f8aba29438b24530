//! What an issuer says of a certificate (OCSP), as a client that got it with a handshake judges it.

use jiff::Timestamp;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::{Decode, Encode, Header, Reader, SliceReader};
use x509_cert::ext::pkix::ExtendedKeyUsage;
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_ocsp::{BasicOcspResponse, CertStatus, OcspGeneralizedTime, OcspResponse, SingleResponse};

/// What a certificate is for that answers in its issuer's name.
const OCSP_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.9");

/// What there is to say of an answer stapled to `chain`, line by line; `issuers` are known besides the chain.
pub fn judge(
    answer: &[u8],
    chain: &[CertificateDer<'_>],
    issuers: &[CertificateDer<'_>],
    now: Timestamp,
) -> Vec<(bool, String)> {
    match read(answer, chain) {
        Ok((basic, single, leaf)) => {
            let good = matches!(single.cert_status, CertStatus::Good(_));
            let (from, until) = (seconds(&single.this_update), single.next_update.as_ref().map(seconds));
            let now = now.as_second();
            let counts = from <= now + 300 && until.is_none_or(|until| until > now);
            let left = until
                .map_or_else(|| "no end".to_owned(), |until| format!("{} minutes left", (until - now) / 60));
            let others = chain.iter().skip(1).chain(issuers);
            let signed = others.filter_map(|der| Certificate::from_der(der).ok()).any(|issuer| {
                issuer.tbs_certificate.subject == leaf.tbs_certificate.issuer && is_of(&basic, &issuer, now)
            });
            vec![
                (good, format!("it says of this very certificate: {:?}", single.cert_status)),
                (counts, format!("it counts now: {left}")),
                (
                    signed,
                    "it is signed by the certificate's issuer, or by whom it gave that right".to_owned(),
                ),
            ]
        }
        Err(why) => vec![(false, why)],
    }
}

fn read(
    answer: &[u8],
    chain: &[CertificateDer<'_>],
) -> Result<(BasicOcspResponse, SingleResponse, Certificate), String> {
    let unreadable = |error: x509_cert::der::Error| format!("what is stapled cannot be read: {error}");
    let leaf = Certificate::from_der(chain.first().ok_or("no certificate")?).map_err(unreadable)?;
    let whole = OcspResponse::from_der(answer).map_err(unreadable)?;
    let bytes = whole.response_bytes.ok_or("what is stapled says nothing")?;
    let basic = BasicOcspResponse::from_der(bytes.response.as_bytes()).map_err(unreadable)?;
    let serial = &leaf.tbs_certificate.serial_number;
    let single = basic.tbs_response_data.responses.iter().find(|one| one.cert_id.serial_number == *serial);
    let single = single.cloned().ok_or("what is stapled is about another certificate")?;
    Ok((basic, single, leaf))
}

fn seconds(time: &OcspGeneralizedTime) -> i64 {
    i64::try_from(time.0.to_unix_duration().as_secs()).unwrap_or(0)
}

/// By the issuer itself, or by somebody whom it let answer (RFC 6960 section 4.2.2.2). Whoever else has a certificate of it,
/// as all its customers do, has no word on those of others.
fn is_of(basic: &BasicOcspResponse, issuer: &Certificate, now: i64) -> bool {
    let said = basic.tbs_response_data.to_der().unwrap_or_default();
    let said_by = |signer: &Certificate| {
        verifies(signer, &basic.signature_algorithm, &said, basic.signature.raw_bytes())
    };
    let deputies = basic.certs.iter().flatten().filter(|deputy| {
        let body = deputy.tbs_certificate.to_der().unwrap_or_default();
        let uses = deputy.tbs_certificate.get::<ExtendedKeyUsage>();
        let may_answer = matches!(uses, Ok(Some((_, uses))) if uses.0.contains(&OCSP_SIGNING));
        may_answer
            && holds(deputy, now)
            && verifies(issuer, &deputy.signature_algorithm, &body, deputy.signature.raw_bytes())
    });
    said_by(issuer) || deputies.into_iter().any(said_by)
}

fn holds(certificate: &Certificate, now: i64) -> bool {
    let validity = &certificate.tbs_certificate.validity;
    let second = |time: x509_cert::time::Time| i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(0);
    second(validity.not_before) <= now && now <= second(validity.not_after)
}

fn verifies(
    signer: &Certificate,
    algorithm: &AlgorithmIdentifierOwned,
    message: &[u8],
    signature: &[u8],
) -> bool {
    let key = &signer.tbs_certificate.subject_public_key_info;
    let (of_key, of_signature) = (name_of(&key.algorithm), name_of(algorithm));
    let known = aws_lc_rs::default_provider().signature_verification_algorithms.all;
    known
        .iter()
        .filter(|one| {
            one.public_key_alg_id().as_ref() == of_key && one.signature_alg_id().as_ref() == of_signature
        })
        .any(|one| one.verify_signature(key.subject_public_key.raw_bytes(), message, signature).is_ok())
}

/// As rustls names an algorithm: without the tag and length in front.
fn name_of(algorithm: &AlgorithmIdentifierOwned) -> Vec<u8> {
    let whole = algorithm.to_der().unwrap_or_default();
    let start = SliceReader::new(&whole).ok().and_then(|mut reader| {
        Header::decode(&mut reader).ok()?;
        usize::try_from(reader.position()).ok()
    });
    whole.get(start.unwrap_or(0)..).map(<[u8]>::to_vec).unwrap_or_default()
}
