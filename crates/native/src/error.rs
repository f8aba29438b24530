//! What our own API refuses by itself.

use base::{Fault, Kind};

/// A request to our own API that cannot be taken.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// No such control.
    #[error("There is no control {number}: they run from 1 to 150")]
    NoControl {
        /// What was asked for.
        number: String,
    },
    /// Not an account's id.
    #[error("That is not the id of an account")]
    NoPerson,
    /// No certificate is configured.
    #[error("No certificate is configured here: this server speaks plain HTTP on loopback")]
    NoCertificate,
    /// No such mail.
    #[error("There is no such mail")]
    NoMail,
    /// The log is not there to be looked at or changed.
    #[error("This process has no log of its own that could be read or changed")]
    NoLog,
    /// No such level.
    #[error("There is no level {level}: it is one of {levels}")]
    NoLevel {
        /// What was asked for.
        level: String,
        /// What there is.
        levels: String,
    },
    /// A ban that lasts no time, or for ever.
    #[error("A ban lasts from one second to {days} days")]
    BanTime {
        /// The longest.
        days: u64,
    },
    /// A program asks about baits.
    #[error(
        "Canaries are shown to people and to the operator's commands only: a key that was taken must not say where the traps are"
    )]
    CanariesArePeoples,
    /// A mark for a key.
    #[error("A key needs no mark: it is one itself")]
    CanaryKeyMark,
    /// A silence that lasts no time, or for ever.
    #[error("A silence lasts from one second to {days} days")]
    SilenceTime {
        /// The longest.
        days: u64,
    },
    /// Nobody is named who could be told of a hole.
    #[error("Nobody is named here whom to tell")]
    NoContacts,
    /// A database behind the listener does not answer.
    #[error("The database is not answering")]
    NotReady,
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::NoControl { .. }
            | Error::NoCertificate
            | Error::NoPerson
            | Error::NoContacts
            | Error::NoMail => Kind::NotFound,
            Error::NoLevel { .. }
            | Error::BanTime { .. }
            | Error::SilenceTime { .. }
            | Error::CanaryKeyMark => Kind::Invalid,
            Error::CanariesArePeoples => Kind::Forbidden,
            Error::NoLog | Error::NotReady => Kind::Unavailable,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::NoControl { .. } => "native.no_control",
            Error::NoPerson => "native.no_person",
            Error::NoCertificate => "native.no_certificate",
            Error::NoMail => "native.no_mail",
            Error::NoLog => "native.no_log",
            Error::NoLevel { .. } => "native.no_level",
            Error::CanariesArePeoples => "native.canaries_are_peoples",
            Error::CanaryKeyMark => "native.canary_key_mark",
            Error::SilenceTime { .. } => "native.silence_time",
            Error::NoContacts => "native.no_contacts",
            Error::BanTime { .. } => "native.ban_time",
            Error::NotReady => "native.not_ready",
        }
    }
}
