//! Why logs do not leave.

use base::{Fault, Kind};

/// What can go wrong with sending logs elsewhere.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting cannot be honoured.
    #[error("{setting}: {what}")]
    Setting {
        /// Which.
        setting: &'static str,
        /// Why.
        what: String,
    },
    /// How far was sent is not known.
    #[error("what was sent already cannot be read or kept")]
    Database(#[from] pg::Error),
    /// The audit log did not answer.
    #[error("the audit log cannot be read")]
    Audit(#[from] audit::Error),
    /// The other side did not take it.
    #[error("the logs did not leave")]
    Outbound(#[from] outbound::Error),
    /// The connection broke.
    #[error("the receiver broke off")]
    Broken(#[source] std::io::Error),
    /// It took too long.
    #[error("the receiver did not confirm in time: it has to close its side once it has read to the end")]
    Slow,
    /// The log's own files.
    #[error("the log's files cannot be read")]
    Files(#[source] std::io::Error),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::Setting { .. } => Kind::Invalid,
            Error::Database(error) => error.kind(),
            Error::Audit(error) => error.kind(),
            Error::Outbound(error) => error.kind(),
            Error::Broken(_) => Kind::Unavailable,
            Error::Slow => Kind::Timeout,
            Error::Files(_) => Kind::Bug,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Setting { .. } => "logs.setting",
            Error::Database(_) => "logs.database",
            Error::Audit(_) => "logs.audit",
            Error::Outbound(_) => "logs.outbound",
            Error::Broken(_) => "logs.broken",
            Error::Slow => "logs.slow",
            Error::Files(_) => "logs.files",
        }
    }
}
