//! Why something could not be looked at or set.

use base::{Fault, Kind};

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program that is needed is missing or fails.
    #[error("`{command}` {what}")]
    Program {
        /// What was run.
        command: String,
        /// How it ended.
        what: String,
    },
    /// Only root may.
    #[error("{what} needs root: run it again with sudo")]
    NotRoot {
        /// What was wanted.
        what: &'static str,
    },
    /// Nothing is known to be let in.
    #[error(
        "no listener of this server is reachable from outside, and none was named: name its ports with --port"
    )]
    NoPorts,
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::Program { .. } => Kind::Unavailable,
            Error::NotRoot { .. } => Kind::Forbidden,
            Error::NoPorts => Kind::Invalid,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Program { .. } => "exposure.program",
            Error::NotRoot { .. } => "exposure.not_root",
            Error::NoPorts => "exposure.no_ports",
        }
    }
}
