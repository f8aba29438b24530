//! What can go wrong at the database, told apart by who has to act.

use std::borrow::Cow;

use base::{Fault, Kind};

/// What PostgreSQL itself said. Names and values in it may be the caller's own or somebody else's: a dialect decides
/// what of it may be shown.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("{severity} {sqlstate}: {message}")]
pub struct DbError {
    /// Five characters, e.g. `23505`.
    pub sqlstate: String,
    /// `ERROR`, `FATAL`, …
    pub severity: String,
    /// The primary message.
    pub message: String,
    /// The DETAIL line.
    pub detail: Option<String>,
    /// The HINT line.
    pub hint: Option<String>,
    /// Table, when the server names one.
    pub table: Option<String>,
    /// Column, when the server names one.
    pub column: Option<String>,
    /// Constraint, when the server names one.
    pub constraint: Option<String>,
}

/// Why a statement or transaction did not happen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// PostgreSQL refused it; the transaction is over.
    #[error(transparent)]
    Database(#[from] Box<DbError>),
    /// The connection broke; whether a running statement took effect is unknown.
    #[error("the connection to PostgreSQL broke")]
    Broken(#[source] std::io::Error),
    /// No server to talk to.
    #[error("PostgreSQL cannot be reached")]
    Unreachable(#[source] std::io::Error),
    /// Every connection was busy for too long.
    #[error("no free database connection within {waited_ms} ms")]
    Busy {
        /// How long the caller waited.
        waited_ms: u64,
    },
    /// A value did not have the shape the code expected: our mistake.
    #[error("column {column} is not a {expected}")]
    Shape {
        /// Which column.
        column: String,
        /// What the code asked for.
        expected: &'static str,
    },
    /// Anything else that is our mistake.
    #[error("{0}")]
    Bug(String),
}

impl Error {
    /// PostgreSQL's own words, when it is one of its errors.
    pub fn database(&self) -> Option<&DbError> {
        match self {
            Error::Database(error) => Some(error),
            Error::Broken(_) | Error::Unreachable(_) | Error::Busy { .. } | Error::Shape { .. } | Error::Bug(_) => None,
        }
    }

    /// Whether it is this SQLSTATE.
    pub fn is(&self, sqlstate: &str) -> bool {
        self.database().is_some_and(|error| error.sqlstate == sqlstate)
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::Broken(_) | Error::Unreachable(_) | Error::Busy { .. } => Kind::Unavailable,
            Error::Shape { .. } | Error::Bug(_) => Kind::Bug,
            Error::Database(error) => match error.sqlstate.as_str() {
                "57014" => Kind::Timeout,
                "42501" => Kind::Forbidden,
                "23505" | "23503" => Kind::Conflict,
                code if code.starts_with("22") || code.starts_with("23") => Kind::Invalid,
                code if code.starts_with("08") || code.starts_with("53") || code.starts_with("57P") => Kind::Unavailable,
                _ => Kind::Bug,
            },
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Database(_) => "pg.database",
            Error::Broken(_) => "pg.broken",
            Error::Unreachable(_) => "pg.unreachable",
            Error::Busy { .. } => "pg.busy",
            Error::Shape { .. } => "pg.shape",
            Error::Bug(_) => "pg.bug",
        }
    }

    /// Never PostgreSQL's words: a dialect that may show some of them asks for [`Error::database`].
    fn message(&self) -> Cow<'_, str> {
        match self.kind() {
            Kind::Unavailable => "The database is not answering".into(),
            Kind::Timeout => "The statement took too long and was stopped".into(),
            Kind::Conflict => "The row conflicts with an existing one".into(),
            Kind::Forbidden => "Permission denied".into(),
            Kind::Invalid => "The database refused a value".into(),
            _ => "An unexpected error occurred".into(),
        }
    }
}
