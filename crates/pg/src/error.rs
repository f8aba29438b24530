//! What can go wrong at the database, told apart by who has to act.

use std::borrow::Cow;

use base::{Fault, Kind};

/// What PostgreSQL itself said. Names and values in it may be the caller's own or somebody else's: a dialect decides
/// what of it may be shown.
#[derive(Debug, Clone, Default, thiserror::Error, PartialEq, Eq)]
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
    /// Schema of the table, domain or type, when the server names one.
    pub schema: Option<String>,
    /// Domain or type, when the server names one.
    pub data_type: Option<String>,
}

impl DbError {
    /// Whether the connection is over with it, or never came to be. What user code raises never is that.
    pub fn ends_session(&self) -> bool {
        self.severity == "FATAL" || self.severity == "PANIC"
    }
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
    /// What was asked for is refused here, by name: a plaintext connection, a setting that is somebody's identity.
    #[error("{0}")]
    Refused(String),
    /// The answer is larger than may be held.
    #[error("the result is larger than {} ({})", limit.value, limit.name)]
    TooLarge {
        /// Which bound.
        limit: &'static base::Limit,
    },
    /// The transaction had failed before; nothing of it happened.
    #[error("the transaction failed earlier and was rolled back")]
    Poisoned,
    /// A value did not have the shape the code expected: our mistake.
    #[error("column {column} is not a {expected}")]
    Shape {
        /// Which column.
        column: String,
        /// What the code asked for.
        expected: &'static str,
    },
    /// The server cannot be found, started or prepared; the operator has to act.
    #[error(transparent)]
    Setup(#[from] Box<SetupError>),
    /// Anything else that is our mistake.
    #[error("{0}")]
    Bug(String),
}

/// Why there is no server to work with, in the three parts an operator needs.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{what}: {why}. {fix}")]
pub struct SetupError {
    /// `pg.server.…`, never reused.
    pub code: &'static str,
    /// What did not happen.
    pub what: String,
    /// Why.
    pub why: String,
    /// The one thing to do about it.
    pub fix: String,
}

impl SetupError {
    /// The three parts, boxed as [`Error`] carries them.
    pub fn new(
        code: &'static str,
        what: impl Into<String>,
        why: impl Into<String>,
        fix: impl Into<String>,
    ) -> Box<Self> {
        Box::new(SetupError { code, what: what.into(), why: why.into(), fix: fix.into() })
    }
}

impl Error {
    /// PostgreSQL's own words, when it is one of its errors.
    pub fn database(&self) -> Option<&DbError> {
        match self {
            Error::Database(error) => Some(error),
            Error::Broken(_)
            | Error::Unreachable(_)
            | Error::Busy { .. }
            | Error::Refused(_)
            | Error::TooLarge { .. }
            | Error::Poisoned
            | Error::Shape { .. }
            | Error::Setup(_)
            | Error::Bug(_) => None,
        }
    }

    /// The same error once more, for each of several that wait for the same thing.
    pub(crate) fn again(&self) -> Error {
        let io = |error: &std::io::Error| std::io::Error::new(error.kind(), error.to_string());
        match self {
            Error::Database(error) => Error::Database(error.clone()),
            Error::Broken(error) => Error::Broken(io(error)),
            Error::Unreachable(error) => Error::Unreachable(io(error)),
            Error::Busy { waited_ms } => Error::Busy { waited_ms: *waited_ms },
            Error::Refused(why) => Error::Refused(why.clone()),
            Error::TooLarge { limit } => Error::TooLarge { limit },
            Error::Poisoned => Error::Poisoned,
            Error::Shape { column, expected } => Error::Shape { column: column.clone(), expected },
            Error::Setup(error) => Error::Setup(error.clone()),
            Error::Bug(what) => Error::Bug(what.clone()),
        }
    }

    /// A connection that is gone.
    pub(crate) fn gone() -> Error {
        Error::Broken(std::io::ErrorKind::ConnectionAborted.into())
    }

    /// Whether it is this SQLSTATE.
    pub fn is(&self, sqlstate: &str) -> bool {
        self.database().is_some_and(|error| error.sqlstate == sqlstate)
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::Broken(_) | Error::Unreachable(_) | Error::Busy { .. } | Error::Setup(_) => {
                Kind::Unavailable
            }
            Error::Refused(_) | Error::Poisoned | Error::Shape { .. } | Error::Bug(_) => Kind::Bug,
            Error::TooLarge { .. } => Kind::TooLarge,
            Error::Database(error) => match error.sqlstate.as_str() {
                // Nobody was let in, or the server hung up: nothing that was asked for is to blame.
                _ if error.ends_session() => Kind::Unavailable,
                "57014" => Kind::Timeout,
                "42501" => Kind::Forbidden,
                "23505" | "23503" | "23001" => Kind::Conflict,
                code if code.starts_with("22") || code.starts_with("23") => Kind::Invalid,
                "53100" => Kind::Full,
                code if code.starts_with("08") || code.starts_with("53") || code.starts_with("57P") => {
                    Kind::Unavailable
                }
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
            Error::Refused(_) => "pg.refused",
            Error::TooLarge { .. } => "pg.result_too_large",
            Error::Poisoned => "pg.poisoned",
            Error::Shape { .. } => "pg.shape",
            Error::Setup(error) => error.code,
            Error::Bug(_) => "pg.bug",
        }
    }

    /// Never PostgreSQL's words: a dialect that may show some of them asks for [`Error::database`].
    fn message(&self) -> Cow<'_, str> {
        match self.kind() {
            Kind::Unavailable => "The database is not answering".into(),
            Kind::Full => "There is no room left to store this".into(),
            Kind::Timeout => "The statement took too long and was stopped".into(),
            Kind::Conflict => "The row conflicts with an existing one".into(),
            Kind::Forbidden => "Permission denied".into(),
            Kind::Invalid => "The database refused a value".into(),
            Kind::TooLarge => "The answer is too large".into(),
            _ => "An unexpected error occurred".into(),
        }
    }
}

/// For administrator connections, which use tokio-postgres.
impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(said) => Error::Database(Box::new(DbError {
                sqlstate: said.code().code().to_owned(),
                severity: said.severity().to_owned(),
                message: said.message().to_owned(),
                detail: said.detail().map(str::to_owned),
                hint: said.hint().map(str::to_owned),
                table: said.table().map(str::to_owned),
                column: said.column().map(str::to_owned),
                constraint: said.constraint().map(str::to_owned),
                schema: said.schema().map(str::to_owned),
                data_type: said.datatype().map(str::to_owned),
            })),
            None if error.is_closed() => Error::Broken(std::io::Error::other(error)),
            None if std::error::Error::source(&error).is_some_and(|cause| cause.is::<std::io::Error>()) => {
                Error::Unreachable(std::io::Error::other(error))
            }
            None => Error::Bug(error.to_string()),
        }
    }
}
