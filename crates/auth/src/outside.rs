//! Tokens of the conformance profile: signed by somebody else's secret, for any role that was granted to us.
//!
//! Outside test suites bring their own secret, roles and claims, and read the refusals word for word (wire section 17).
//! Invariant: nothing in the product calls this. [`crate`]'s own `identify` knows our keys only; `app` puts this in its
//! place for `--profile conformance` and nowhere else.

use std::net::IpAddr;
use std::sync::Arc;

use base::{Caller, Clock, DbRole, Fault, Kind, Secret, Who};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Map, Value};

mod path;
#[cfg(test)]
mod tests;

use path::Path;

/// What an outside suite configures.
#[derive(Clone, Default)]
pub struct Given {
    /// A text of at least 32 bytes, a JWK or a JWKS.
    pub secret: Option<Secret>,
    /// Whether the text is base64.
    pub secret_is_base64: bool,
    /// The audience tokens must name, if they name one.
    pub audience: Option<String>,
    /// Where the role stands in the claims: a JSONPath, or the older `.a.b`.
    pub role_claim: String,
    /// The role of who brings no token.
    pub anonymous: Option<String>,
}

/// Why a token was refused, in PostgREST's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// What was configured makes no sense.
    #[error("{0}")]
    Given(String),
    /// A token came, and there is nothing to verify it with.
    #[error("Server lacks JWT secret")]
    NoSecret,
    /// No token came, and nobody may come without.
    #[error("Anonymous access is disabled")]
    NoAnonymous,
    /// `Bearer` and nothing.
    #[error("Empty JWT is sent in Authorization header")]
    Empty,
    /// Not header, claims and signature.
    #[error("Expected 3 parts in JWT; got {0}")]
    Parts(usize),
    /// No key fits.
    #[error("No suitable key or wrong key type")]
    NoKey,
    /// The header names an algorithm that is not taken.
    #[error("Wrong or unsupported encoding algorithm")]
    Algorithm,
    /// The signature is not ours.
    #[error("JWT cryptographic operation failed")]
    Signature,
    /// A claim says no, or is of the wrong type.
    #[error("{0}")]
    Claim(&'static str),
}

impl Error {
    /// The status on the wire.
    pub fn status(&self) -> u16 {
        match self {
            Error::NoSecret | Error::Given(_) => 500,
            _ => 401,
        }
    }

    /// PostgREST's code.
    pub fn pgrst_code(&self) -> &'static str {
        match self {
            Error::Given(_) => "PGRSTX00",
            Error::NoSecret => "PGRST300",
            Error::NoAnonymous => "PGRST302",
            Error::Claim(_) => "PGRST303",
            Error::Empty | Error::Parts(_) | Error::NoKey | Error::Algorithm | Error::Signature => "PGRST301",
        }
    }

    /// More about it.
    pub fn details(&self) -> Option<&'static str> {
        match self {
            Error::NoKey => Some("No suitable key was found to decode the JWT"),
            Error::Algorithm => Some("JWT is unsecured but expected 'alg' was not 'none'"),
            _ => None,
        }
    }

    /// What `WWW-Authenticate` says.
    pub fn challenge(&self) -> Option<String> {
        match self {
            Error::Given(_) | Error::NoSecret => None,
            Error::NoAnonymous => Some("Bearer".to_owned()),
            other => Some(format!("Bearer error=\"invalid_token\", error_description=\"{other}\"")),
        }
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::Given(_) | Error::NoSecret => Kind::Bug,
            _ => Kind::Unauthenticated,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Given(_) => "auth.outside.given",
            Error::NoSecret => "auth.outside.no_secret",
            Error::NoAnonymous => "auth.outside.no_anonymous",
            Error::Claim(_) => "auth.outside.claim",
            Error::Empty | Error::Parts(_) | Error::NoKey | Error::Algorithm | Error::Signature => {
                "auth.outside.token"
            }
        }
    }
}

/// Seconds that clocks may differ.
const SKEW_SECONDS: i64 = 30;

struct Key {
    id: Option<String>,
    algorithm: Option<Algorithm>,
    key: DecodingKey,
}

/// Verifies outside tokens.
pub struct Outside {
    keys: Option<Vec<Key>>,
    audience: Option<String>,
    role: Path,
    anonymous: Option<DbRole>,
}

impl Outside {
    /// From what was given.
    pub fn new(given: &Given) -> Result<Self, Error> {
        let keys = match &given.secret {
            None => None,
            Some(secret) => Some(keys(secret.expose(), given.secret_is_base64)?),
        };
        let role = if given.role_claim.is_empty() { "$.role" } else { given.role_claim.as_str() };
        let role = Path::parse(role)
            .ok_or_else(|| Error::Given(format!("failed to parse role-claim-key value ({role})")))?;
        let anonymous = given.anonymous.as_deref().map(DbRole::named);
        Ok(Outside { keys, audience: given.audience.clone(), role, anonymous })
    }

    /// Who is calling, by the token that came.
    pub fn identify(
        &self,
        bearer: Option<&str>,
        address: Option<IpAddr>,
        clock: &Clock,
    ) -> Result<Caller, Error> {
        let mut claims = match bearer {
            None => Map::new(),
            Some(token) => self.verify(token)?,
        };
        self.check(&claims, clock.unix_seconds())?;
        let role = match self.role.find(&claims) {
            Some(Value::String(role)) => DbRole::named(&role),
            Some(other) => DbRole::named(&other.to_string()),
            None => self.anonymous.clone().ok_or(Error::NoAnonymous)?,
        };
        claims.insert("role".to_owned(), role.name().into());
        let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default().into();
        let who = if Some(&role) == self.anonymous.as_ref() {
            Who::Anonymous
        } else {
            Who::Service { key: "jwt".into() }
        };
        Ok(Caller {
            who,
            claimed_role: role.name().into(),
            role,
            subject: text("sub"),
            email: text("email"),
            claims: Arc::from(Value::Object(claims).to_string()),
            address,
            ..Caller::anonymous()
        })
    }

    fn verify(&self, token: &str) -> Result<Map<String, Value>, Error> {
        let Some(keys) = &self.keys else { return Err(Error::NoSecret) };
        if token.is_empty() {
            return Err(Error::Empty);
        }
        let parts = token.split('.').count();
        if parts != 3 {
            return Err(Error::Parts(parts));
        }
        let head =
            token.split('.').next().and_then(|head| URL_SAFE_NO_PAD.decode(head.trim_end_matches('=')).ok());
        let head: Map<String, Value> =
            head.and_then(|head| serde_json::from_slice(&head).ok()).ok_or(Error::Signature)?;
        let name = head.get("alg").and_then(Value::as_str).unwrap_or_default();
        let algorithm: Algorithm = name.parse().map_err(|_| Error::Algorithm)?;
        let id = head.get("kid").and_then(Value::as_str);
        let fits = |key: &&Key| {
            let named = match (id, &key.id) {
                (Some(wanted), Some(id)) => wanted == id,
                (Some(_), None) => false,
                (None, _) => true,
            };
            named && key.algorithm.is_none_or(|own| own == algorithm)
        };
        let mut tried = false;
        for key in keys.iter().filter(fits) {
            tried = true;
            let mut rules = Validation::new(algorithm);
            rules.required_spec_claims.clear();
            (rules.validate_exp, rules.validate_nbf, rules.validate_aud) = (false, false, false);
            if let Ok(data) = jsonwebtoken::decode::<Value>(token, &key.key, &rules) {
                return match data.claims {
                    Value::Object(claims) => Ok(claims),
                    _ => Err(Error::Claim("Parsing claims failed")),
                };
            }
        }
        Err(if tried { Error::Signature } else { Error::NoKey })
    }

    fn check(&self, claims: &Map<String, Value>, now: i64) -> Result<(), Error> {
        let time = |name: &str, wrong: &'static str| match claims.get(name) {
            None | Some(Value::Null) => Ok(None),
            // Fractions and what no clock reaches count from the beginning of time, as upstream.
            Some(Value::Number(number)) => Ok(Some(number.as_i64().unwrap_or(0))),
            Some(_) => Err(Error::Claim(wrong)),
        };
        if time("exp", "The JWT 'exp' claim must be a number")?.is_some_and(|exp| now - SKEW_SECONDS > exp) {
            return Err(Error::Claim("JWT expired"));
        }
        if time("nbf", "The JWT 'nbf' claim must be a number")?.is_some_and(|nbf| now + SKEW_SECONDS < nbf) {
            return Err(Error::Claim("JWT not yet valid"));
        }
        if time("iat", "The JWT 'iat' claim must be a number")?.is_some_and(|iat| now + SKEW_SECONDS < iat) {
            return Err(Error::Claim("JWT issued at future"));
        }
        let wanted = |audience: &str| self.audience.as_deref().is_none_or(|wanted| wanted == audience);
        let fits = match claims.get("aud") {
            None | Some(Value::Null) => true,
            Some(Value::String(one)) => wanted(one),
            Some(Value::Array(all)) => {
                let all: Option<Vec<&str>> = all.iter().map(Value::as_str).collect();
                let all = all.ok_or(WRONG_AUDIENCE)?;
                all.is_empty() || all.into_iter().any(wanted)
            }
            Some(_) => return Err(WRONG_AUDIENCE),
        };
        if fits { Ok(()) } else { Err(Error::Claim("JWT not in audience")) }
    }
}

const WRONG_AUDIENCE: Error = Error::Claim("The JWT 'aud' claim must be a string or an array of strings");

fn keys(secret: &str, is_base64: bool) -> Result<Vec<Key>, Error> {
    let bytes = match is_base64 {
        false => secret.as_bytes().to_vec(),
        true => {
            let standard = secret.trim().replace('_', "/").replace('-', "+").replace('.', "=");
            STANDARD.decode(standard).map_err(|error| Error::Given(error.to_string()))?
        }
    };
    if let Ok(set) = serde_json::from_slice::<JwkSet>(&bytes) {
        return set.keys.iter().map(from_jwk).collect();
    }
    if let Ok(jwk) = serde_json::from_slice::<Jwk>(&bytes) {
        return Ok(vec![from_jwk(&jwk)?]);
    }
    if bytes.len() < 32 {
        return Err(Error::Given("The JWT secret must be at least 32 characters long.".to_owned()));
    }
    Ok(vec![Key { id: None, algorithm: Some(Algorithm::HS256), key: DecodingKey::from_secret(&bytes) }])
}

fn from_jwk(jwk: &Jwk) -> Result<Key, Error> {
    let key = DecodingKey::from_jwk(jwk).map_err(|error| Error::Given(error.to_string()))?;
    let algorithm = jwk.common.key_algorithm.and_then(|algorithm| algorithm.to_string().parse().ok());
    Ok(Key { id: jwk.common.key_id.clone(), algorithm, key })
}
