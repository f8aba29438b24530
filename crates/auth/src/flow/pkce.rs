//! Proof key for code exchange (RFC 7636): whoever began a flow shows it when they collect its code.

use base::Secret;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use seal::{same, sha256};

use crate::Error;

/// How a challenge was made of its verifier.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChallengeMethod {
    /// It is the verifier's SHA-256.
    S256,
    /// It is the verifier.
    Plain,
}

impl ChallengeMethod {
    /// As the table spells it.
    pub const fn name(self) -> &'static str {
        match self {
            ChallengeMethod::S256 => "s256",
            ChallengeMethod::Plain => "plain",
        }
    }
}

/// What a client shows when it begins a flow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Challenge {
    /// How it was made.
    pub method: ChallengeMethod,
    /// 43 to 128 characters.
    pub text: String,
}

impl Challenge {
    /// The two parameters of a request: together and well formed, or neither.
    pub fn read(challenge: Option<&str>, method: Option<&str>) -> Result<Option<Self>, Error> {
        let filled = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        let (text, method) = match (filled(challenge), filled(method)) {
            (None, None) => return Ok(None),
            (Some(text), Some(method)) => (text, method),
            _ => return Err(Error::invalid("PKCE flow requires code_challenge_method and code_challenge")),
        };
        let method = match method.to_ascii_lowercase().as_str() {
            "s256" => Some(ChallengeMethod::S256),
            "plain" => Some(ChallengeMethod::Plain),
            _ => None,
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        match method {
            Some(method) if (43..=128).contains(&text.len()) && text.bytes().all(plain) => {
                Ok(Some(Challenge { method, text }))
            }
            Some(_) => Err(Error::invalid(
                "code challenge has to be between 43 and 128 of A-Z, a-z, 0-9, -, ., _ and ~",
            )),
            None => Err(Error::invalid("code_challenge_method must be s256 or plain")),
        }
    }

    /// Of a verifier, as a client would make it.
    pub fn of(verifier: &Secret<String>) -> Self {
        let text = URL_SAFE_NO_PAD.encode(sha256(verifier.expose().as_bytes()));
        Challenge { method: ChallengeMethod::S256, text }
    }

    /// Whether `verifier` is what the challenge was made of.
    pub fn is_of(&self, verifier: &Secret<String>) -> bool {
        let verifier = verifier.expose();
        match self.method {
            ChallengeMethod::Plain => same(verifier.as_bytes(), self.text.as_bytes()),
            ChallengeMethod::S256 => {
                let made = URL_SAFE_NO_PAD.encode(sha256(verifier.as_bytes()));
                same(made.as_bytes(), self.text.as_bytes())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636, appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn the_published_pair_fits_and_nothing_else_does() {
        let s256 = Challenge::read(Some(CHALLENGE), Some("S256")).unwrap().unwrap();
        assert!(s256.is_of(&VERIFIER.into()));
        for other in ["", CHALLENGE, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl"] {
            assert!(!s256.is_of(&other.into()), "{other}");
        }
        let plain = Challenge::read(Some(VERIFIER), Some("plain")).unwrap().unwrap();
        assert!(plain.is_of(&VERIFIER.into()) && !plain.is_of(&CHALLENGE.into()));
    }

    #[test]
    fn both_come_well_formed_or_neither() {
        assert_eq!(Challenge::read(None, None).unwrap(), None);
        assert_eq!(Challenge::read(Some(""), Some("")).unwrap(), None);
        for (challenge, method) in [
            (Some(CHALLENGE), None),
            (None, Some("s256")),
            (Some("short"), Some("s256")),
            (Some(&*"a".repeat(129)), Some("s256")),
            (Some(&*"ä".repeat(43)), Some("s256")),
            (Some(CHALLENGE), Some("s512")),
        ] {
            assert!(Challenge::read(challenge, method).is_err(), "{challenge:?} {method:?}");
        }
    }
}
