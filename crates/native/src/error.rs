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
    /// No such mail.
    #[error("There is no such mail")]
    NoMail,
    /// A database behind the listener does not answer.
    #[error("The database is not answering")]
    NotReady,
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::NoControl { .. } | Error::NoMail => Kind::NotFound,
            Error::NotReady => Kind::Unavailable,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::NoControl { .. } => "native.no_control",
            Error::NoMail => "native.no_mail",
            Error::NotReady => "native.not_ready",
        }
    }
}
