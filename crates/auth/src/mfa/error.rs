//! What is refused about second factors and passkeys.

use std::borrow::Cow;
use std::time::Duration;

use base::{Fault, Kind};

use super::FactorType;

/// Why a factor, code or ceremony was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// This kind of factor cannot be enrolled here.
    #[error("MFA enroll is disabled for {}", .0.label())]
    EnrolOff(FactorType),
    /// Another factor of this person has that name.
    #[error("A factor with the friendly name \"{0}\" for this user already exists")]
    NameTaken(String),
    /// This person has as many factors as one may have.
    #[error("Maximum number of enrolled factors reached, unenroll to continue")]
    TooMany,
    /// No such factor, or somebody else's.
    #[error("Factor not found")]
    NotFound,
    /// No such challenge of that factor.
    #[error("MFA factor with the provided challenge ID not found")]
    NoChallenge,
    /// The challenge was used, or is too old.
    #[error("MFA challenge has expired, verify against another challenge or create a new challenge.")]
    ChallengeExpired,
    /// The challenge was made at another address.
    #[error("Challenge and verify IP addresses mismatch")]
    OtherAddress,
    /// The code is wrong, or was used before.
    #[error("Invalid {} code entered", .0.code_label())]
    WrongCode(FactorType),
    /// A factor may only be added by whoever can show one that is there.
    #[error("AAL2 required to enroll a new factor")]
    EnrolLevel,
    /// A verified factor may only be removed by whoever can show one.
    #[error("AAL2 required to unenroll verified factor")]
    RemoveLevel,
    /// The second factor was shown too long ago for this (control 26).
    #[error("This needs your second factor again: it was last shown more than {minutes} minutes ago")]
    Stale {
        /// How old the proof may be.
        minutes: u64,
    },
    /// The proof of who this is is too old for this (control 26), and there is no second factor to show.
    #[error("This requires reauthentication: sign in again, or send the current password")]
    ReauthenticationNeeded,
    /// Not one of this person's recovery codes, or one that was used.
    #[error("Invalid recovery code entered")]
    WrongRecoveryCode,
    /// Too many wrong codes; recovery codes wait too.
    #[error("Too many wrong codes: recovery codes are locked, try again later")]
    RecoveryLocked {
        /// When the next one is looked at.
        retry_after: Duration,
    },
    /// Recovery codes are for whoever loses another factor.
    #[error("Recovery codes cannot be the only factor: verify another factor first")]
    RecoveryAlone,
    /// There is a set of recovery codes.
    #[error("Recovery codes exist already: regenerate them to replace them")]
    RecoveryThere,
    /// Too many wrong codes.
    #[error("Too many wrong codes: try again later")]
    Locked {
        /// When the next one is looked at.
        retry_after: Duration,
    },
    /// Passkeys are off, or have no domain here.
    #[error("Passkeys are disabled")]
    PasskeysOff,
    /// This person has as many passkeys as one may have.
    #[error("Maximum number of passkeys reached, remove one to continue")]
    TooManyPasskeys,
    /// The credential is somebody's already.
    #[error("This passkey is already registered")]
    PasskeyThere,
    /// No such passkey, or somebody else's.
    #[error("Passkey not found")]
    NoPasskey,
    /// No such ceremony, or one that was answered.
    #[error("Challenge not found or already used")]
    NoCeremony,
    /// The ceremony is too old.
    #[error("Challenge has expired")]
    CeremonyExpired,
    /// What the browser answered is not right. `0` is for the log.
    #[error("Credential verification failed: {0}")]
    Ceremony(&'static str),
    /// A factor with this number is verified already.
    #[error("A verified phone factor already exists, unenroll the existing factor to continue")]
    PhoneThere,
    /// Somebody without an account of their own.
    #[error("Anonymous user not allowed to perform these actions")]
    Anonymous,
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::EnrolOff(_)
            | Error::WrongCode(_)
            | Error::ChallengeExpired
            | Error::OtherAddress
            | Error::NoChallenge
            | Error::WrongRecoveryCode
            | Error::RecoveryAlone
            | Error::NoCeremony
            | Error::CeremonyExpired
            | Error::Ceremony(_)
            | Error::ReauthenticationNeeded => Kind::Invalid,
            Error::NameTaken(_)
            | Error::TooMany
            | Error::RecoveryThere
            | Error::TooManyPasskeys
            | Error::PhoneThere
            | Error::PasskeyThere => Kind::Conflict,
            Error::NotFound | Error::NoPasskey | Error::PasskeysOff => Kind::NotFound,
            Error::EnrolLevel | Error::RemoveLevel | Error::Stale { .. } => Kind::StepUp,
            Error::Locked { .. } | Error::RecoveryLocked { .. } => Kind::TooMany,
            Error::Anonymous => Kind::Forbidden,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::EnrolOff(_) => "auth.factor.enrol_off",
            Error::NameTaken(_) => "auth.factor.name_taken",
            Error::TooMany => "auth.factor.too_many",
            Error::NotFound => "auth.factor.not_found",
            Error::NoChallenge => "auth.factor.no_challenge",
            Error::ChallengeExpired => "auth.factor.challenge_expired",
            Error::OtherAddress => "auth.factor.other_address",
            Error::WrongCode(_) => "auth.factor.wrong_code",
            Error::EnrolLevel => "auth.factor.enrol_level",
            Error::RemoveLevel => "auth.factor.remove_level",
            Error::Stale { .. } => "auth.factor.stale",
            Error::ReauthenticationNeeded => "auth.reauthentication.needed",
            Error::WrongRecoveryCode => "auth.recovery_code.wrong",
            Error::RecoveryLocked { .. } => "auth.recovery_code.locked",
            Error::RecoveryAlone => "auth.recovery_code.alone",
            Error::RecoveryThere => "auth.recovery_code.there",
            Error::Locked { .. } => "auth.factor.locked",
            Error::PhoneThere => "auth.factor.phone_there",
            Error::PasskeysOff => "auth.passkey.off",
            Error::TooManyPasskeys => "auth.passkey.too_many",
            Error::PasskeyThere => "auth.passkey.there",
            Error::NoPasskey => "auth.passkey.not_found",
            Error::NoCeremony => "auth.passkey.no_challenge",
            Error::CeremonyExpired => "auth.passkey.challenge_expired",
            Error::Ceremony(_) => "auth.passkey.refused",
            Error::Anonymous => "auth.factor.anonymous",
        }
    }

    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Error::ReauthenticationNeeded => Some(
                "POST /auth/v1/reauthenticate with the password gives a session that is fresh again".into(),
            ),
            _ => None,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Error::Locked { retry_after } | Error::RecoveryLocked { retry_after } => Some(*retry_after),
            _ => None,
        }
    }
}
