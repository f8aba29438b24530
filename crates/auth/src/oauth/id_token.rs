//! Believing an ID token: signed by the provider's key, from its issuer, for us, now, and for this very flow.
//!
//! Invariant: issuer, audience and keys come from the provider that was configured, never from the token; a token's own
//! words only choose among that provider's keys (attack row 1).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, Validation};
use seal::sha256;
use serde_json::{Map, Value};

use super::OauthError;
use super::documents::{Key, Known};
use super::provider::Provider;
use crate::limits;

/// What the token's nonce must be.
pub enum Nonce<'a> {
    /// Exactly this: a flow that we began.
    Is(&'a str),
    /// The SHA-256 of what an application handed in, which may be nothing.
    Of(Option<&'a str>),
}

/// Whether a token names a key that is not known yet, so that the keys should be read again.
pub fn names_unknown_key(token: &str, keys: &[Key]) -> bool {
    let named = jsonwebtoken::decode_header(token).ok().and_then(|header| header.kid);
    named.is_some_and(|kid| !keys.iter().any(|key| key.id.as_deref() == Some(kid.as_str())))
}

/// The claims of a token that is believed.
pub fn verify(
    token: &str,
    provider: &Provider,
    known: &Known,
    nonce: &Nonce<'_>,
    now: i64,
) -> Result<Map<String, Value>, OauthError> {
    if token.len() > limits::OUTSIDE_TOKEN_BYTES_MAX.size() {
        return Err(OauthError::IdToken("it is too long"));
    }
    let claims = signed(token, &known.keys)?;
    require_issuer(&claims, provider, known)?;
    require_audience(&claims, provider)?;
    require_time(&claims, now)?;
    require_nonce(&claims, provider, nonce)?;
    match claims.get("sub").and_then(Value::as_str) {
        Some(subject) if !subject.is_empty() => Ok(claims),
        _ => Err(OauthError::IdToken("it has no sub")),
    }
}

/// The claims of a token of a provider without discovery, whose keys alone are known: signed by one of them, for us, now. It
/// was not asked for, so a nonce in it is somebody else's.
pub fn verify_keys_only(
    token: &str,
    provider: &Provider,
    keys: &[Key],
    now: i64,
) -> Result<Map<String, Value>, OauthError> {
    if token.len() > limits::OUTSIDE_TOKEN_BYTES_MAX.size() {
        return Err(OauthError::IdToken("it is too long"));
    }
    let claims = signed(token, keys)?;
    require_audience(&claims, provider)?;
    require_time(&claims, now)?;
    match claims.get("nonce") {
        None | Some(Value::Null) => Ok(claims),
        Some(_) => Err(OauthError::IdToken("it is of another flow")),
    }
}

/// An access token belongs to the ID token that names its hash (OpenID Connect Core 3.1.3.8). `token` is verified already.
pub fn require_access_token(
    token: &str,
    claims: &Map<String, Value>,
    access_token: &str,
) -> Result<(), OauthError> {
    let Some(said) = claims.get("at_hash") else { return Ok(()) };
    let header = jsonwebtoken::decode_header(token).map_err(|_| OauthError::IdToken("it cannot be read"))?;
    let bits = match header.alg {
        Algorithm::RS256 | Algorithm::PS256 | Algorithm::ES256 | Algorithm::HS256 => 256,
        Algorithm::RS384 | Algorithm::PS384 | Algorithm::ES384 | Algorithm::HS384 => 384,
        Algorithm::RS512 | Algorithm::PS512 | Algorithm::HS512 | Algorithm::EdDSA => 512,
        _ => return Err(OauthError::IdToken("its at_hash is of an algorithm that is not known here")),
    };
    let made = seal::left_half(bits, access_token.as_bytes()).map(|half| URL_SAFE_NO_PAD.encode(half));
    match said.as_str().zip(made).is_some_and(|(said, made)| seal::same(said.as_bytes(), made.as_bytes())) {
        true => Ok(()),
        false => Err(OauthError::IdToken("it is not of this access token")),
    }
}

/// The claims, once a key of the provider's verified them.
fn signed(token: &str, keys: &[Key]) -> Result<Map<String, Value>, OauthError> {
    let header = jsonwebtoken::decode_header(token).map_err(|_| OauthError::IdToken("it cannot be read"))?;
    if matches!(header.alg, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512) {
        return Err(OauthError::IdToken("it is signed with a shared secret"));
    }
    let fits = |key: &&Key| {
        let named = header.kid.is_none() || key.id.is_none() || key.id == header.kid;
        named && key.algorithms.contains(&header.alg)
    };
    let mut rules = Validation::new(header.alg);
    // Looked at below, in words of our own.
    rules.validate_exp = false;
    rules.validate_aud = false;
    rules.required_spec_claims.clear();
    keys.iter()
        .filter(fits)
        .find_map(|key| jsonwebtoken::decode::<Map<String, Value>>(token, &key.key, &rules).ok())
        .map(|data| data.claims)
        .ok_or(OauthError::IdToken("no key of the provider's signed it"))
}

fn require_issuer(claims: &Map<String, Value>, provider: &Provider, known: &Known) -> Result<(), OauthError> {
    let said = claims.get("iss").and_then(Value::as_str).unwrap_or_default();
    let expected = known.document.issuer.as_str();
    let is_right = if provider.id == "azure" && expected.contains("{tenantid}") {
        let tenant = claims.get("tid").and_then(Value::as_str).unwrap_or_default();
        uuid::Uuid::try_parse(tenant).is_ok() && said == expected.replace("{tenantid}", tenant)
    } else {
        // Google writes its issuer in two ways.
        said == expected || provider.id == "google" && format!("https://{said}") == expected
    };
    match is_right {
        true => Ok(()),
        false => Err(OauthError::IdToken("it is of another issuer")),
    }
}

fn require_audience(claims: &Map<String, Value>, provider: &Provider) -> Result<(), OauthError> {
    let ours = |text: &str| provider.client_ids.iter().any(|id| id == text);
    let (is_ours, others) = match claims.get("aud") {
        Some(Value::String(one)) => (ours(one), false),
        Some(Value::Array(many)) => {
            let texts: Vec<&str> = many.iter().filter_map(Value::as_str).collect();
            (texts.iter().any(|one| ours(one)), texts.len() != 1 || many.len() != 1)
        }
        _ => (false, false),
    };
    let party = claims.get("azp").and_then(Value::as_str);
    // For several audiences the one it was made for must be named, and be us.
    let party_is_ours = match party {
        Some(party) => ours(party),
        None => !others,
    };
    match is_ours && party_is_ours {
        true => Ok(()),
        false => Err(OauthError::IdToken("it is for another client")),
    }
}

fn require_time(claims: &Map<String, Value>, now: i64) -> Result<(), OauthError> {
    let at = |name: &str| claims.get(name).and_then(Value::as_f64).map(|at| at as i64);
    let skew = i64::try_from(limits::CLOCK_SKEW_SECONDS_MAX.value).unwrap_or(0);
    match at("exp") {
        Some(exp) if now < exp.saturating_add(skew) => {}
        _ => return Err(OauthError::IdToken("it has had its time")),
    }
    let early = ["iat", "nbf"].into_iter().filter_map(at).any(|at| at > now.saturating_add(skew));
    match early {
        true => Err(OauthError::IdToken("it is from the future")),
        false => Ok(()),
    }
}

/// When it will be refused for its age, the difference of clocks included.
pub fn good_until(claims: &Map<String, Value>) -> Option<jiff::Timestamp> {
    let skew = i64::try_from(limits::CLOCK_SKEW_SECONDS_MAX.value).unwrap_or(0);
    let exp = claims.get("exp").and_then(Value::as_f64)? as i64;
    jiff::Timestamp::from_second(exp.checked_add(skew)?.checked_add(1)?).ok()
}

fn require_nonce(
    claims: &Map<String, Value>,
    provider: &Provider,
    nonce: &Nonce<'_>,
) -> Result<(), OauthError> {
    let said = claims.get("nonce").and_then(Value::as_str).filter(|said| !said.is_empty());
    match nonce {
        Nonce::Is(expected) => {
            match said.is_some_and(|said| seal::same(said.as_bytes(), expected.as_bytes())) {
                true => Ok(()),
                false => Err(OauthError::IdToken("it is not of this flow")),
            }
        }
        Nonce::Of(_) if provider.skip_nonce => Ok(()),
        Nonce::Of(given) => match (said, given) {
            (None, None) => Ok(()),
            (Some(said), Some(given)) => {
                let hashed = hex::encode(sha256(given.as_bytes()));
                match seal::same(said.as_bytes(), hashed.as_bytes()) {
                    true => Ok(()),
                    false => Err(OauthError::Nonce("Nonces mismatch")),
                }
            }
            _ => {
                Err(OauthError::Nonce("Passed nonce and nonce in id_token should either both exist or not."))
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_access_token_is_the_one_whose_hash_the_id_token_names() {
        let header =
            |alg: &str| format!("{}.e30.x", URL_SAFE_NO_PAD.encode(json!({ "alg": alg }).to_string()));
        let claims = |hash: Value| json!({ "at_hash": hash }).as_object().cloned().unwrap();
        // OpenID Connect Core 1.0, appendix A.3.
        let (token, hash) = ("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y", "77QmUPtjPfzWtF2AnpK9RQ");
        for alg in ["RS256", "ES256", "PS256"] {
            assert!(require_access_token(&header(alg), &claims(json!(hash)), token).is_ok(), "{alg}");
        }
        assert!(require_access_token(&header("RS256"), &Map::new(), "any").is_ok());
        for (alg, said, token) in [
            ("RS256", json!(hash), "another"),
            ("RS512", json!(hash), token),
            ("RS256", json!(""), token),
            ("RS256", json!(1), token),
            ("RS256", Value::Null, token),
        ] {
            assert!(
                require_access_token(&header(alg), &claims(said.clone()), token).is_err(),
                "{alg} {said}"
            );
        }
        let half = seal::left_half(512, token.as_bytes()).unwrap();
        assert!(
            require_access_token(&header("EdDSA"), &claims(json!(URL_SAFE_NO_PAD.encode(half))), token)
                .is_ok()
        );
    }
}
