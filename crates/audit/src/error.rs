//! Why something could not be recorded, chained or verified.

use std::borrow::Cow;
use std::path::PathBuf;

use base::{Fault, Kind};

/// What can go wrong with the audit log. An action whose entry meets one of these must not happen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database refused or lost it.
    #[error("the audit log in the database did not answer")]
    Database(#[from] pg::Error),
    /// The database's log was begun with another root key.
    #[error("the audit log of this database belongs to another root key")]
    OtherRootKey,
    /// The file sink or the head file cannot be written.
    #[error("{} cannot be written", path.display())]
    Unwritable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The last write to the file sink or the head file failed.
    #[error("the audit log's {what} could not be written last time")]
    Stalled {
        /// Which of the two.
        what: &'static str,
    },
    /// The sink's path is one it must not have (control 94).
    #[error("logging.audit_log_file may not be {}: {why}", path.display())]
    SinkPath {
        /// The path.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A stored head cannot be read.
    #[error("line {line} of {} is not a head", path.display())]
    HeadFile {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
    },
    /// The task that was asked is gone.
    #[error("the audit log is shutting down")]
    Closed,
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::Database(error) => match error.kind() {
                Kind::Timeout => Kind::Timeout,
                Kind::Unavailable => Kind::Unavailable,
                Kind::Full => Kind::Full,
                _ => Kind::Bug,
            },
            Error::Unwritable { .. } | Error::Stalled { .. } | Error::Closed => Kind::Unavailable,
            Error::OtherRootKey | Error::SinkPath { .. } => Kind::Invalid,
            Error::HeadFile { .. } => Kind::Bug,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Database(_) => "audit.database",
            Error::OtherRootKey => "audit.other_root_key",
            Error::Unwritable { .. } => "audit.unwritable",
            Error::Stalled { .. } => "audit.stalled",
            Error::SinkPath { .. } => "audit.sink_path",
            Error::HeadFile { .. } => "audit.head_file",
            Error::Closed => "audit.closed",
        }
    }

    /// Never a path or the database's words: callers see this when their action was refused for lack of a record.
    fn message(&self) -> Cow<'_, str> {
        match self {
            Error::OtherRootKey | Error::SinkPath { .. } => self.to_string().into(),
            _ => "The action was not done, because it could not be recorded".into(),
        }
    }

    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Error::OtherRootKey => Some("start with the root key file this database was made with".into()),
            Error::SinkPath { .. } => {
                Some("give a .log or .jsonl file in a directory for logs, or leave it out".into())
            }
            _ => None,
        }
    }
}
