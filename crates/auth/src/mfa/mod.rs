//! Second factors: enrolled, challenged, verified, removed; what a session owes, and how old its proofs may be.
//!
//! Invariant: a session reaches two proofs only through [`Auth::raise_session`], with a factor of its own person that was just shown;
//! no other way in (reset, magic link, OAuth, SAML, refresh, key) touches its level (attack row 16). And every guess at a
//! code is counted for the person, not for the factor, session, address or endpoint (attack row 15).

mod ceremony;
pub(crate) mod error;
mod factors;
mod guesses;
pub mod limits;
mod passkeys;
mod phone;
pub(crate) mod recovery;
pub mod settings;
pub mod sql;
mod step_up;
pub(crate) mod totp;
mod verify;

pub use ceremony::Relying;
pub use error::Error;
pub use factors::{Enrol, Enrolled, FactorFields, TotpSecret};
pub(crate) use factors::{remove_all, totp_secret};
pub use passkeys::{PasskeyChallenge, PasskeyInfo};
pub use recovery::{RecoveryCodes, RecoveryState};
pub use verify::{Answer, Challenge};

use base::{Level, Profile, Settings};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use pg::{Row, SystemTx};
use seal::RootKey;
use serde_json::Value;
use uuid::Uuid;

use crate::session::Way;
use crate::user::User;
use crate::{Auth, Error as AuthError};

/// What holds for second factors here.
pub struct MfaRules {
    /// Whether people can enrol one.
    pub enabled: bool,
    /// Whether everybody needs one.
    pub required: bool,
    /// Whether what is sensitive needs a fresh proof.
    pub step_up: bool,
    /// What can be enrolled.
    pub methods: Vec<FactorType>,
    /// What authenticator apps show, unless the client says otherwise.
    pub issuer: String,
    /// Whether passkeys sign in.
    pub passkeys: bool,
    /// Where passkeys and security keys are for, if anywhere.
    pub relying: Option<Relying>,
}

impl MfaRules {
    /// Refuses what can be known to be refused before anything is started.
    pub(crate) fn check(given: &Settings) -> Result<(), AuthError> {
        let setting = settings::MFA_METHODS.definition.name;
        let methods = given.get(&settings::MFA_METHODS);
        let sends = texts::Provider::configured(given)?.is_some();
        if methods.iter().any(|word| word == "sms") && !sends {
            let what = "sms is listed and nobody sends it: no SMS provider is set".to_owned();
            return Err(AuthError::Setting { setting, what });
        }
        if given.get(&settings::MFA_REQUIRED) && !given.get(&settings::MFA_ENABLED) {
            let what = "everybody needs a second factor and nobody can enrol one: set mfa.enabled to true"
                .to_owned();
            return Err(AuthError::Setting { setting: settings::MFA_REQUIRED.definition.name, what });
        }
        Ok(())
    }

    /// From the settings; `public_url` is where people find this instance.
    pub(crate) fn from_settings(
        given: &Settings,
        profile: Profile,
        public_url: &str,
    ) -> Result<Self, AuthError> {
        Self::check(given)?;
        let host = public_url.split_once("://").map_or(public_url, |(_, rest)| rest);
        let host = host.split(['/', '?', '#']).next().unwrap_or_default();
        let site_url = given.get(&crate::settings::SITE_URL);
        Ok(MfaRules {
            passkeys: given.get(&settings::PASSKEYS),
            relying: Relying::from_settings(given, profile, public_url, site_url.as_deref())?,
            enabled: given.get(&settings::MFA_ENABLED),
            required: given.get(&settings::MFA_REQUIRED),
            step_up: given.get(&settings::REQUIRE_2FA_FOR_SENSITIVE_OPS),
            methods: given
                .get(&settings::MFA_METHODS)
                .iter()
                .filter_map(|word| FactorType::of_setting(word))
                .collect(),
            issuer: host.to_owned(),
        })
    }
}

/// A kind of second factor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FactorType {
    /// An authenticator app.
    Totp,
    /// Codes by SMS.
    Phone,
    /// A security key or passkey.
    WebAuthn,
}

impl FactorType {
    /// As clients and tables spell it.
    pub fn name(self) -> &'static str {
        match self {
            FactorType::Totp => "totp",
            FactorType::Phone => "phone",
            FactorType::WebAuthn => "webauthn",
        }
    }

    /// From a client's word.
    pub fn named(name: &str) -> Option<Self> {
        [FactorType::Totp, FactorType::Phone, FactorType::WebAuthn]
            .into_iter()
            .find(|kind| kind.name() == name)
    }

    /// From a word of `mfa.methods`.
    fn of_setting(word: &str) -> Option<Self> {
        match word {
            "totp" => Some(FactorType::Totp),
            "sms" => Some(FactorType::Phone),
            "passkey" => Some(FactorType::WebAuthn),
            _ => None,
        }
    }

    /// The proof it gives.
    pub(crate) fn way(self) -> Way {
        match self {
            FactorType::Totp => Way::Totp,
            FactorType::Phone => Way::PhoneFactor,
            FactorType::WebAuthn => Way::SecurityKey,
        }
    }

    fn label(self) -> &'static str {
        match self {
            FactorType::Totp => "TOTP",
            FactorType::Phone => "Phone",
            FactorType::WebAuthn => "WebAuthn",
        }
    }

    fn code_label(self) -> &'static str {
        match self {
            FactorType::Totp => "TOTP",
            FactorType::Phone => "MFA Phone",
            FactorType::WebAuthn => "WebAuthn",
        }
    }
}

/// One factor of a person, as its row has it.
pub(crate) struct Factor {
    pub id: Uuid,
    pub kind: FactorType,
    pub verified: bool,
    pub friendly_name: Option<String>,
    secret: Option<String>,
    pub credential: Option<Value>,
    pub phone: Option<String>,
}

impl Factor {
    fn read(row: Row<'_>) -> Result<Option<Self>, AuthError> {
        let kind: String = row.get("factor_type")?;
        // Recovery codes have a row of their own kind, which is no factor to challenge.
        let Some(kind) = FactorType::named(&kind) else { return Ok(None) };
        Ok(Some(Factor {
            id: row.get("id")?,
            kind,
            verified: row.get::<String>("status")? == "verified",
            friendly_name: row.get("friendly_name")?,
            secret: row.get("secret")?,
            credential: row.get("web_authn_credential")?,
            phone: row.get("phone")?,
        }))
    }

    /// What the authenticator app knows too.
    pub(crate) fn secret(&self, root: &RootKey) -> Result<base::Secret<Vec<u8>>, AuthError> {
        open(root, self.secret.as_deref().unwrap_or_default(), &secret_place(self.id))
    }
}

fn secret_place(factor: Uuid) -> String {
    format!("auth.mfa_factors.secret:{factor}")
}

/// Sealed bytes as text.
pub(crate) fn seal(root: &RootKey, plain: &[u8], place: &str) -> Result<String, AuthError> {
    Ok(URL_SAFE_NO_PAD.encode(root.seal(plain, place)?))
}

pub(crate) fn open(root: &RootKey, sealed: &str, place: &str) -> Result<base::Secret<Vec<u8>>, AuthError> {
    let bytes = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| seal::Error::NotOurs)?;
    Ok(root.open(&bytes, place)?)
}

/// A person whose row is locked until the transaction ends, with their factors.
pub(crate) struct Held {
    pub user: User,
    pub factors: Vec<Factor>,
}

impl Held {
    /// Whether a factor of theirs was ever shown.
    pub(crate) fn has_verified(&self) -> bool {
        self.factors.iter().any(|factor| factor.verified)
    }

    /// What an authenticator shows of this person: an address, a number, or at least something.
    pub(crate) fn account(&self) -> String {
        let user = &self.user;
        user.email.clone().or_else(|| user.phone.clone()).unwrap_or_else(|| user.id.to_string())
    }

    pub(crate) fn factor(&self, id: Uuid) -> Result<&Factor, Error> {
        self.factors.iter().find(|factor| factor.id == id).ok_or(Error::NotFound)
    }

    /// A factor that may be shown by a session of `level`. One that nobody showed yet is enrolled by that, which takes both
    /// proofs where there is another one: else whoever knows the password only, and began early enough, brings the second one
    /// along.
    pub(crate) fn showable(&self, id: Uuid, level: Level) -> Result<&Factor, Error> {
        let factor = self.factor(id)?;
        match factor.verified || !self.has_verified() || level >= Level::Aal2 {
            true => Ok(factor),
            false => Err(Error::EnrolLevel),
        }
    }
}

impl Auth {
    /// Locks a person: two changes of one person's factors, and two guesses, never run at once.
    pub(crate) async fn hold(&self, tx: &mut SystemTx, user: Uuid) -> Result<Held, AuthError> {
        let rows = tx.query(crate::sql::USER_BY_ID_LOCKED, [user.into()]).await?;
        let user = rows.first().map(User::read).transpose()?.ok_or(AuthError::UserGone)?;
        if user.deleted_at.is_some() {
            return Err(AuthError::UserGone);
        }
        if user.is_banned(self.0.clock.now()) {
            return Err(AuthError::Banned);
        }
        let rows = tx.query(sql::FACTORS, [user.id.into()]).await?;
        let read = rows.iter().map(Factor::read).collect::<Result<Vec<_>, _>>()?;
        Ok(Held { user, factors: read.into_iter().flatten().collect() })
    }

    /// The same, for what people without an account of their own may not do.
    pub(crate) async fn hold_known(&self, tx: &mut SystemTx, user: Uuid) -> Result<Held, AuthError> {
        let held = self.hold(tx, user).await?;
        if held.user.is_anonymous { Err(Error::Anonymous.into()) } else { Ok(held) }
    }

    pub(crate) fn seconds_ago(&self, limit: base::Limit) -> Timestamp {
        let seconds = i64::try_from(limit.value).unwrap_or(i64::MAX);
        let now = self.0.clock.now();
        now.checked_sub(jiff::SignedDuration::from_secs(seconds)).unwrap_or(now)
    }
}

/// Refuses a name that is too long for a factor or passkey.
fn require_name(name: &str) -> Result<(), AuthError> {
    if name.chars().count() > limits::FACTOR_NAME_CHARS_MAX.size() || name.contains('\0') {
        return Err(AuthError::invalid("The friendly name is too long"));
    }
    Ok(())
}
