//! A proof that a person is there, or at least that a machine paid (wire/gotrue.md 2.10): hCaptcha, Turnstile, or a proof
//! of work of our own that needs nobody else.
//!
//! The proof of work is Altcha's: a digest, a salt and our MAC over them; who asks has to find the number that was hashed.
//!
//! Invariant: it fails closed. No token, an old one, a used one, and a provider that does not answer are all refused.

use std::net::IpAddr;
use std::time::Duration;

use base::{Secret, Settings};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use limits::{Budget, Window};
use outbound::Request;
use seal::{keyed_mac, same, sha256};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Auth, Error, limits as bounds, settings};

/// What is asked for, if anything is.
pub(crate) enum Captcha {
    Off,
    Work { most: u32 },
    Asked { provider: String, site_key: Option<String>, url: String, secret: Secret<String> },
}

impl Captcha {
    pub(crate) fn from_settings(given: &Settings) -> Result<Self, Error> {
        if !given.get(&settings::CAPTCHA_ENABLED) {
            return Ok(Captcha::Off);
        }
        let provider = given.get(&settings::CAPTCHA_PROVIDER);
        let url = match provider.as_str() {
            "hcaptcha" => "https://api.hcaptcha.com/siteverify",
            "turnstile" => "https://challenges.cloudflare.com/turnstile/v0/siteverify",
            _ => return Ok(Captcha::Work { most: given.get(&settings::CAPTCHA_WORK) }),
        };
        let secret = given.get(&settings::CAPTCHA_SECRET).ok_or(Error::Unsafe {
            what: "auth.captcha.provider needs a secret",
            fix: "set auth.captcha.secret, or auth.captcha.provider: pow, which needs nobody else",
        })?;
        let url = given.get(&settings::CAPTCHA_VERIFY_URL).unwrap_or_else(|| url.to_owned());
        let site_key = given.get(&settings::CAPTCHA_SITE_KEY);
        Ok(Captcha::Asked { provider, site_key, url, secret })
    }
}

/// What a client has to know to show it.
pub struct CaptchaShown<'a> {
    /// Whose it is: `pow` is our own.
    pub provider: &'a str,
    /// Who we are there.
    pub site_key: Option<&'a str>,
}

/// A solved proof of work, as Altcha's widget sends it.
#[derive(Deserialize)]
struct Solved {
    algorithm: String,
    challenge: String,
    number: u64,
    salt: String,
    signature: String,
}

/// What a provider says.
#[derive(Deserialize)]
struct Verified {
    #[serde(default)]
    success: bool,
    #[serde(default, rename = "error-codes")]
    codes: Vec<String>,
}

impl Auth {
    /// Whether a CAPTCHA is asked for.
    pub fn has_captcha(&self) -> bool {
        !matches!(self.0.captcha, Captcha::Off)
    }

    /// What is asked for, if anything is.
    pub fn captcha_shown(&self) -> Option<CaptchaShown<'_>> {
        match &self.0.captcha {
            Captcha::Off => None,
            Captcha::Work { .. } => Some(CaptchaShown { provider: "pow", site_key: None }),
            Captcha::Asked { provider, site_key, .. } => {
                Some(CaptchaShown { provider, site_key: site_key.as_deref() })
            }
        }
    }

    /// A new proof of work, in Altcha's words; nothing when somebody else's CAPTCHA is in use, or none.
    pub fn new_work(&self) -> Option<Value> {
        let Captcha::Work { most } = self.0.captcha else { return None };
        let until = self.0.clock.unix_seconds() + seconds(bounds::CAPTCHA_SECONDS_MAX.value);
        let salt = format!("{}?expires={until}", hex::encode(self.0.rng.bytes::<12>()));
        let number = u64::from_be_bytes(self.0.rng.bytes()) % (u64::from(most) + 1);
        let challenge = hex::encode(sha256(format!("{salt}{number}").as_bytes()));
        Some(json!({
            "algorithm": "SHA-256",
            "challenge": challenge,
            "salt": salt,
            "maxnumber": most,
            "signature": self.work_signature(&challenge, &salt),
        }))
    }

    fn work_signature(&self, challenge: &str, salt: &str) -> String {
        let key = self.0.root.derive("auth: proofs of work");
        hex::encode(keyed_mac(key.expose(), format!("{challenge}\n{salt}").as_bytes()))
    }

    /// Refuses whoever did not solve it.
    pub async fn require_captcha(&self, token: Option<&str>, address: Option<IpAddr>) -> Result<(), Error> {
        let refused = |why: &str| Err(Error::Captcha(why.to_owned()));
        let token = token.filter(|token| token.len() <= bounds::CAPTCHA_TOKEN_BYTES_MAX.size());
        match (&self.0.captcha, token) {
            (Captcha::Off, _) => Ok(()),
            (_, None | Some("")) => refused("no captcha_token found"),
            (Captcha::Work { most }, Some(token)) => self.check_work(token, *most).await,
            (Captcha::Asked { url, secret, .. }, Some(token)) => {
                match self.ask_provider(url, secret, token, address).await {
                    Ok(said) if said.success => Ok(()),
                    Ok(said) => {
                        let codes: Vec<_> =
                            said.codes.iter().take(5).map(|code| code.replace('\n', " ")).collect();
                        refused(&codes.join(", "))
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the CAPTCHA's provider did not answer");
                        refused("the provider did not answer")
                    }
                }
            }
        }
    }

    async fn ask_provider(
        &self,
        url: &str,
        secret: &Secret<String>,
        token: &str,
        address: Option<IpAddr>,
    ) -> Result<Verified, outbound::Error> {
        let address = address.map(|address| address.to_string()).unwrap_or_default();
        let fields = [("secret", secret.expose().as_str()), ("response", token), ("remoteip", &address)];
        let request = Request::post("captcha", url)
            .form(&fields)
            .within(Duration::from_secs(bounds::CAPTCHA_PROVIDER_SECONDS_MAX.value))
            .clear_text(url.starts_with("http://127.0.0.1"));
        self.0.outbound.send(request).await?.success()?.json()
    }

    async fn check_work(&self, token: &str, most: u32) -> Result<(), Error> {
        let refused = |why: &str| Err(Error::Captcha(why.to_owned()));
        let solved =
            STANDARD.decode(token).ok().and_then(|bytes| serde_json::from_slice::<Solved>(&bytes).ok());
        let Some(solved) = solved else { return refused("invalid-input-response") };
        let ours = self.work_signature(&solved.challenge, &solved.salt);
        if solved.algorithm != "SHA-256" || !same(ours.as_bytes(), solved.signature.as_bytes()) {
            return refused("invalid-input-response");
        }
        let until = solved.salt.split_once("?expires=").and_then(|(_, text)| text.parse::<i64>().ok());
        if until.is_none_or(|until| until < self.0.clock.unix_seconds()) {
            return refused("timeout-or-duplicate");
        }
        let digest = hex::encode(sha256(format!("{}{}", solved.salt, solved.number).as_bytes()));
        if solved.number > u64::from(most) || !same(digest.as_bytes(), solved.challenge.as_bytes()) {
            return refused("invalid-input-response");
        }
        // Each is good for one request, on whichever node.
        let length = Duration::from_secs(2 * bounds::CAPTCHA_SECONDS_MAX.value);
        let once = Budget::sliding("captcha", vec![Window { tries_max: 1, length }]);
        match self.0.limiter.hit(&once, &solved.challenge).await.allowed {
            true => Ok(()),
            false => refused("timeout-or-duplicate"),
        }
    }
}

fn seconds(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(0)
}
