//! Why there is no certificate, in words for the operator.

use std::path::PathBuf;

use base::{Fault, Kind};

/// Why.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{}: {why}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Others can read the key (control 8).
    #[error("{} can be read by others (mode {mode:o}): chmod 600 it, and consider the key known", path.display())]
    Permissions {
        /// Which.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Settings that do not go together.
    #[error("{setting}: {why}")]
    Setting {
        /// Which.
        setting: &'static str,
        /// What is wrong.
        why: String,
    },
    /// The authority refused, or could not be reached.
    #[error("no certificate from {directory}: {why}")]
    Authority {
        /// Which.
        directory: String,
        /// What it said.
        why: String,
    },
    /// It cannot work, and nobody was asked.
    #[error("a certificate cannot be got like this: {why}")]
    Preflight {
        /// What stands in the way, and what to do.
        why: String,
    },
    /// Sealing or opening what is kept.
    #[error("what is kept of it cannot be opened")]
    Sealed(#[from] seal::Error),
    /// The audit log did not take it.
    #[error("it could not be recorded, so nothing was done")]
    Audit(#[from] audit::Error),
    /// Ours.
    #[error("{0}")]
    Bug(String),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::Content { .. } | Error::Permissions { .. } | Error::Setting { .. } => Kind::Invalid,
            Error::Preflight { .. } => Kind::Conflict,
            Error::File { .. } | Error::Authority { .. } | Error::Sealed(_) | Error::Audit(_) => {
                Kind::Unavailable
            }
            Error::Bug(_) => Kind::Bug,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::File { .. } => "tls.file",
            Error::Content { .. } => "tls.content",
            Error::Permissions { .. } => "tls.permissions",
            Error::Setting { .. } => "tls.setting",
            Error::Authority { .. } => "tls.authority",
            Error::Preflight { .. } => "tls.preflight",
            Error::Sealed(_) => "tls.sealed",
            Error::Audit(_) => "tls.not_recorded",
            Error::Bug(_) => "tls.bug",
        }
    }
}
