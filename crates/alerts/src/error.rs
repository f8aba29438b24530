//! Why nobody could be told.

use std::path::PathBuf;

use base::{Fault, Kind};

/// What can go wrong with alerts.
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
    /// The contacts cannot be read.
    #[error("{path}: {what}")]
    Contacts {
        /// Where they should be.
        path: PathBuf,
        /// Why not.
        what: String,
    },
    /// No such rule.
    #[error("There is no rule {name}: `palisade alerts rules` prints them")]
    NoRule {
        /// What was asked for.
        name: String,
    },
    /// The tables did not answer.
    #[error("the alerts cannot be read or kept")]
    Database(#[from] pg::Error),
    /// The log did not answer.
    #[error("the audit log cannot be read or written")]
    Audit(#[from] audit::Error),
    /// A message could not be put on its way.
    #[error("the alert could not be put on its way")]
    Jobs(#[from] jobs::Error),
    /// A webhook did not take it.
    #[error("the webhook did not take the alert")]
    Outbound(#[from] outbound::Error),
    /// What is waiting to be told cannot be written as JSON.
    #[error("the alert cannot be written as JSON")]
    Json(#[from] serde_json::Error),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::Setting { .. } | Error::Contacts { .. } => Kind::Invalid,
            Error::NoRule { .. } => Kind::NotFound,
            Error::Database(error) => error.kind(),
            Error::Audit(error) => error.kind(),
            Error::Jobs(error) => error.kind(),
            Error::Outbound(error) => error.kind(),
            Error::Json(_) => Kind::Bug,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Setting { .. } => "alerts.setting",
            Error::Contacts { .. } => "alerts.contacts",
            Error::NoRule { .. } => "alerts.no_rule",
            Error::Database(_) => "alerts.database",
            Error::Audit(_) => "alerts.audit",
            Error::Jobs(_) => "alerts.jobs",
            Error::Outbound(_) => "alerts.outbound",
            Error::Json(_) => "alerts.json",
        }
    }
}
