//! What an issuer says of a certificate (OCSP, RFC 6960 in the shape of RFC 5019): the question, and which answers count.
//!
//! Invariant: an answer counts only if the certificate's issuer, or somebody it gave that right to, signed it for this
//! very certificate, and its time has not passed.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use jiff::{SignedDuration, Timestamp};
use x509_cert::Certificate;
use x509_cert::der::asn1::{Null, OctetString};
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::{Any, Decode, Encode};
use x509_cert::ext::pkix::ExtendedKeyUsage;
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_ocsp::{
    BasicOcspResponse, CertId, CertStatus, OcspGeneralizedTime, OcspRequest, OcspResponse,
    OcspResponseStatus, Request, TbsRequest, Version,
};

use crate::{limits, signed};

const SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
/// A responder that the issuer gave the right to answer (id-kp-OCSPSigning).
const MAY_ANSWER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.9");
const BASIC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.1");

/// How far an issuer's clock may be ahead of ours.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);

/// What an issuer said, as it can be passed on.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) der: Vec<u8>,
    pub(crate) of: Of,
    pub(crate) from: Timestamp,
    /// From then on nobody believes it any more.
    pub(crate) until: Timestamp,
}

/// What of the certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    Good,
    Revoked,
    Unknown,
}

fn bug(error: x509_cert::der::Error) -> String {
    error.to_string()
}

/// How it is spoken of: by digests of its issuer, and its number. SHA-1 is what responders keep answers under; nothing
/// hangs on its strength, since the answer is signed.
fn named(leaf: &Certificate, issuer: &Certificate) -> Result<CertId, String> {
    let hashed = |bytes: &[u8]| OctetString::new(digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref());
    let key = &issuer.tbs_certificate.subject_public_key_info.subject_public_key;
    let name = leaf.tbs_certificate.issuer.to_der().map_err(bug)?;
    Ok(CertId {
        hash_algorithm: AlgorithmIdentifierOwned {
            oid: SHA1,
            parameters: Some(Any::encode_from(&Null).map_err(bug)?),
        },
        issuer_name_hash: hashed(&name).map_err(bug)?,
        issuer_key_hash: hashed(key.raw_bytes()).map_err(bug)?,
        serial_number: leaf.tbs_certificate.serial_number.clone(),
    })
}

/// What is posted to the responder.
pub(crate) fn question(leaf: &Certificate, issuer: &Certificate) -> Result<Vec<u8>, String> {
    let request = Request { req_cert: named(leaf, issuer)?, single_request_extensions: None };
    let asked = TbsRequest {
        version: Version::V1,
        requestor_name: None,
        request_list: vec![request],
        request_extensions: None,
    };
    OcspRequest { tbs_request: asked, optional_signature: None }.to_der().map_err(bug)
}

/// Reads an answer, or says why it does not count.
pub(crate) fn read(
    der: &[u8],
    leaf: &Certificate,
    issuer: &Certificate,
    now: Timestamp,
) -> Result<Said, String> {
    let unreadable = |error: x509_cert::der::Error| format!("the answer cannot be read: {error}");
    let answer = OcspResponse::from_der(der).map_err(unreadable)?;
    if answer.response_status != OcspResponseStatus::Successful {
        return Err(format!("the responder answers {:?}", answer.response_status));
    }
    let bytes = answer.response_bytes.filter(|bytes| bytes.response_type == BASIC);
    let bytes = bytes.ok_or("the answer is of a kind that nobody knows")?;
    let basic = BasicOcspResponse::from_der(bytes.response.as_bytes()).map_err(unreadable)?;
    if !is_the_issuers(&basic, issuer, now)? {
        return Err("the answer is not signed by the issuer, nor by whom it gave that right".to_owned());
    }
    let ours = named(leaf, issuer)?;
    let single = basic.tbs_response_data.responses.iter().find(|single| {
        let theirs = &single.cert_id;
        theirs.serial_number == ours.serial_number
            && theirs.hash_algorithm.oid == SHA1
            && theirs.issuer_name_hash == ours.issuer_name_hash
            && theirs.issuer_key_hash == ours.issuer_key_hash
    });
    let single = single.ok_or("the answer is about another certificate")?;
    let from = time(&single.this_update)?;
    let until = match &single.next_update {
        Some(next) => time(next)?,
        // Something newer can be had at any time: then this counts for an hour.
        None => from.checked_add(SignedDuration::from_hours(1)).map_err(|error| error.to_string())?,
    };
    if now.checked_add(AHEAD).is_ok_and(|now| from > now) {
        return Err(format!("the answer counts from {from} only"));
    }
    if until <= now {
        return Err(format!("the answer counted until {until}"));
    }
    let of = match single.cert_status {
        CertStatus::Good(_) => Of::Good,
        CertStatus::Revoked(_) => Of::Revoked,
        CertStatus::Unknown(_) => Of::Unknown,
    };
    Ok(Said { der: der.to_vec(), of, from, until })
}

fn is_the_issuers(answer: &BasicOcspResponse, issuer: &Certificate, now: Timestamp) -> Result<bool, String> {
    let message = answer.tbs_response_data.to_der().map_err(bug)?;
    let is_by = |signer: &Certificate| {
        let key = &signer.tbs_certificate.subject_public_key_info;
        signed::is_signed_with(key, &answer.signature_algorithm, &message, answer.signature.raw_bytes())
    };
    let may_answer = |signer: &Certificate| {
        let uses = signer.tbs_certificate.get::<ExtendedKeyUsage>();
        let may = matches!(uses, Ok(Some((_, uses))) if uses.0.contains(&MAY_ANSWER));
        may && signed::issued(issuer, signer) && signed::holds(signer, now.as_second())
    };
    let deputies = answer.certs.iter().flatten().take(limits::ISSUERS_MAX.size());
    Ok(is_by(issuer) || deputies.filter(|signer| may_answer(signer)).any(is_by))
}

fn time(time: &OcspGeneralizedTime) -> Result<Timestamp, String> {
    let seconds = i64::try_from(time.0.to_unix_duration().as_secs()).map_err(|error| error.to_string())?;
    Timestamp::from_second(seconds).map_err(|error| error.to_string())
}
