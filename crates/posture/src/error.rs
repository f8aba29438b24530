//! What can go wrong around the probes. What a probe finds wrong is a [`crate::Finding`], not an error.

use base::{Fault, Kind};

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No control has this number.
    #[error("there is no control {0}: they are numbered 1 to 150")]
    NoSuchControl(u16),
    /// The evidence cannot be kept or read.
    #[error("the evidence cannot be kept or read")]
    Database(#[from] pg::Error),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::NoSuchControl(_) => Kind::NotFound,
            Error::Database(_) => Kind::Unavailable,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::NoSuchControl(_) => "posture.control.unknown",
            Error::Database(_) => "posture.evidence.unavailable",
        }
    }
}
