//! Compact JWTs: three segments, one of which is a signature we check before we look at anything else.
//!
//! The framing is read here, strictly, because every bug of this kind began with a header that was believed: only `alg`,
//! `kid` and `typ` may be in it, and `alg` must be what our key says (attack rows 36 to 40). The cryptography is
//! `jsonwebtoken`'s.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, crypto};
use serde_json::{Map, Value, json};

use crate::signing::{Algorithm, VerifyKey};
use crate::{Error, limits};

/// Why a token is not one of ours. The reasons are for logs and tests: callers are told the same for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not three segments of base64url, or too long.
    #[error("not a compact JWT")]
    Framing,
    /// The header is not JSON of the kind we write.
    #[error("the header is not one of ours")]
    Header,
    /// The header names no key of ours.
    #[error("no such key")]
    UnknownKey,
    /// The header names a key that was ours.
    #[error("the key was given up")]
    KeyGivenUp,
    /// The header asks for another algorithm than the key's.
    #[error("the key signs with another algorithm")]
    Algorithm,
    /// The signature is wrong.
    #[error("the signature does not match")]
    Signature,
    /// The signed claims are not a JSON object.
    #[error("the claims are not an object")]
    Claims,
}

/// A token whose signature is right.
pub struct Verified {
    /// Its claims; of a name that was given twice, the last.
    pub claims: Map<String, Value>,
    /// The key that signed it; `None` for the shared secret.
    pub kid: Option<Arc<str>>,
}

pub(crate) fn sign(
    key: &VerifyKey,
    encoding: &EncodingKey,
    claims: &Map<String, Value>,
) -> Result<String, Error> {
    let mut header = Map::new();
    header.insert("alg".into(), key.algorithm.name().into());
    if let Some(kid) = &key.kid {
        header.insert("kid".into(), json!(&**kid));
    }
    header.insert("typ".into(), "JWT".into());
    let header = URL_SAFE_NO_PAD.encode(Value::Object(header).to_string());
    let claims = serde_json::to_vec(claims).map_err(|_| Error::Library("claims"))?;
    let message = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
    let signature = crypto::sign(message.as_bytes(), encoding, key.algorithm.of_library())
        .map_err(|_| Error::Library("signature"))?;
    let signature = match key.algorithm {
        Algorithm::Hs256 => signature,
        Algorithm::Es256 => low_s(&signature).ok_or(Error::Library("signature"))?,
    };
    Ok(format!("{message}.{signature}"))
}

pub(crate) fn verify<'k>(
    token: &str,
    find: impl FnOnce(Option<&str>) -> Result<&'k VerifyKey, TokenError>,
) -> Result<Verified, TokenError> {
    let (header, claims, signature) = split(token)?;
    let header = read_header(header)?;
    let key = find(header.kid.as_deref())?;
    if header.alg != key.algorithm.name() {
        return Err(TokenError::Algorithm);
    }
    if key.algorithm == Algorithm::Es256 && !is_low_s(signature) {
        return Err(TokenError::Signature);
    }
    let message_end = token.len() - signature.len() - 1;
    let message = token.as_bytes().get(..message_end).ok_or(TokenError::Framing)?;
    match crypto::verify(signature, message, &key.decoding, key.algorithm.of_library()) {
        Ok(true) => {}
        Ok(false) | Err(_) => return Err(TokenError::Signature),
    }
    let claims = URL_SAFE_NO_PAD.decode(claims).map_err(|_| TokenError::Framing)?;
    let claims = serde_json::from_slice(&claims).map_err(|_| TokenError::Claims)?;
    Ok(Verified { claims, kid: key.kid.clone() })
}

/// Header, claims and signature, each at least one base64url character.
fn split(token: &str) -> Result<(&str, &str, &str), TokenError> {
    if token.len() > limits::TOKEN_BYTES_MAX.size() {
        return Err(TokenError::Framing);
    }
    let mut segments = token.split('.');
    let three = (segments.next(), segments.next(), segments.next(), segments.next());
    let (Some(header), Some(claims), Some(signature), None) = three else {
        return Err(TokenError::Framing);
    };
    let is_base64url = |segment: &str| {
        !segment.is_empty()
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    if [header, claims, signature].into_iter().all(is_base64url) {
        Ok((header, claims, signature))
    } else {
        Err(TokenError::Framing)
    }
}

struct Header {
    alg: String,
    kid: Option<String>,
}

/// Anything but `alg`, `kid` and `typ` is refused: `jwk`, `jku`, `x5u`, `x5c` bring keys, `crit` and `b64` change the
/// rules, and nothing of ours needs the rest.
fn read_header(encoded: &str) -> Result<Header, TokenError> {
    if encoded.len() > limits::TOKEN_HEADER_BYTES_MAX.size() {
        return Err(TokenError::Header);
    }
    let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| TokenError::Header)?;
    let header: Map<String, Value> = serde_json::from_slice(&bytes).map_err(|_| TokenError::Header)?;
    let mut read = Header { alg: String::new(), kid: None };
    for (name, value) in header {
        match (name.as_str(), value) {
            ("alg", Value::String(alg)) => read.alg = alg,
            ("kid", Value::String(kid)) if is_key_name(&kid) => read.kid = Some(kid),
            ("typ", Value::String(typ)) if typ.eq_ignore_ascii_case("jwt") || typ == "at+jwt" => {}
            _ => return Err(TokenError::Header),
        }
    }
    Ok(read)
}

/// Our names are thumbprints; a little more is let through for keys named by hand, but no path, quote or blank.
fn is_key_name(kid: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=64).contains(&kid.len()) && kid.bytes().all(plain)
}

/// The order of P-256 and its half: of (r, s) and (r, n-s), both valid, only the one with the lower s is ours, so that a
/// token has exactly one spelling.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
    0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];
const HALF_ORDER: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0x80, 0x00, 0x00, 0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xde,
    0x73, 0x7d, 0x56, 0xd3, 0x8b, 0xcf, 0x42, 0x79, 0xdc, 0xe5, 0x61, 0x7e, 0x31, 0x92, 0xa8,
];

fn halves(signature: &str) -> Option<([u8; 32], [u8; 32])> {
    let bytes = URL_SAFE_NO_PAD.decode(signature).ok()?;
    let (r, s) = bytes.split_first_chunk::<32>()?;
    Some((*r, s.try_into().ok()?))
}

/// Whether a signature is 64 bytes with neither half zero and the lower s.
fn is_low_s(signature: &str) -> bool {
    halves(signature).is_some_and(|(r, s)| r != [0; 32] && s != [0; 32] && s <= HALF_ORDER)
}

/// The same signature with the lower s.
fn low_s(signature: &str) -> Option<String> {
    let (r, s) = halves(signature)?;
    let s = if s <= HALF_ORDER { s } else { subtract(&ORDER, &s) };
    Some(URL_SAFE_NO_PAD.encode([r, s].concat()))
}

/// `left - right` of big-endian numbers, where `left` is the larger.
fn subtract(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    let mut out = [0; 32];
    let mut borrow = 0_i16;
    for ((out, left), right) in out.iter_mut().zip(left).zip(right).rev() {
        let difference = i16::from(*left) - i16::from(*right) - borrow;
        borrow = i16::from(difference < 0);
        *out = difference.rem_euclid(256) as u8;
    }
    out
}

#[cfg(test)]
mod tests;
