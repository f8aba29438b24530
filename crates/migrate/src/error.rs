//! Why a migration did not happen. Everything here is said to the operator, so nothing is held back.

use base::{Fault, Kind};

/// Why nothing, or not everything, was done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file's name is not one of a migration.
    #[error(
        "{file} is not the name of a migration: it is a number, an underscore and a name, such as 0001_teams.sql, and 0001_teams.down.sql for the way back"
    )]
    FileName {
        /// As it was given.
        file: String,
    },
    /// Two files have one number.
    #[error("{first} and {second} have the same number: give one of them another")]
    Twice {
        /// One.
        first: String,
        /// The other.
        second: String,
    },
    /// A way back without the way there.
    #[error("{file} takes back a migration that is not among the files")]
    NoWayThere {
        /// The file.
        file: String,
    },
    /// More, or larger, than there may be.
    #[error("{what} is more than {limit} ({name})")]
    TooMuch {
        /// What.
        what: String,
        /// How much there may be.
        limit: u64,
        /// The limit's name.
        name: &'static str,
    },
    /// A statement that a migration may not have.
    #[error("{file}, line {line}: {statement} may not stand in a migration: {why}")]
    Forbidden {
        /// Where.
        file: String,
        /// Which line of it.
        line: usize,
        /// Its first words.
        statement: String,
        /// Why.
        why: &'static str,
    },
    /// Applied migrations were edited, are gone, or were overtaken.
    #[error("nothing was changed:\n{}", complaints.join("\n"))]
    Drift {
        /// One sentence each.
        complaints: Vec<String>,
    },
    /// PostgreSQL refused a statement.
    #[error("{file}, line {line}: {message}{}{} What came before it in this file was {}", detail.as_ref().map(|text| format!(" ({text}).")).unwrap_or_else(|| ".".into()), hint.as_ref().map(|text| format!(" {text}.")).unwrap_or_default(), if *kept { "kept: it asked for no transaction." } else { "taken back." })]
    Statement {
        /// Where.
        file: String,
        /// Which line of it.
        line: usize,
        /// What PostgreSQL said.
        message: String,
        /// Its detail.
        detail: Option<String>,
        /// Its hint.
        hint: Option<String>,
        /// Whether earlier statements stay.
        kept: bool,
    },
    /// There is no way back.
    #[error("migration {version} cannot be taken back: it came without a .down.sql")]
    NoWayBack {
        /// Which.
        version: i64,
    },
    /// Another migration runs.
    #[error("another migration has been running for {} s: look at that one first", crate::limits::TURN_WAIT_MS.value / 1000)]
    Turn,
    /// The copy for a rehearsal could not be made.
    #[error("the copy could not be made: {why}")]
    Copy {
        /// What went wrong.
        why: String,
    },
    /// There are as many copies as there may be.
    #[error("{} copies of the database are worked on already ({}): ask again when one of them is gone", crate::limits::COPIES_MAX.value, crate::limits::COPIES_MAX.name)]
    Crowded,
    /// What was begun on a copy did not come to its end.
    #[error("it was stopped before its end; the log says why")]
    Stopped,
    /// What the linter holds against it.
    #[error("nothing was changed, for this would be new:\n{}\nMend the migration, or apply it with --allow {}", findings.iter().map(|found| format!("  {found}")).collect::<Vec<_>>().join("\n"), ids.join(","))]
    Lint {
        /// Each in a line.
        findings: Vec<String>,
        /// Their ids, each once.
        ids: Vec<String>,
    },
    /// The database is gone, or refused something besides the statements of a file.
    #[error("{}", said(.0))]
    Database(#[from] pg::Error),
    /// The audit log did not take it, so nothing was done.
    #[error("it could not be recorded, so nothing was done")]
    Audit(#[from] audit::Error),
}

fn said(error: &pg::Error) -> String {
    match error.database().filter(|_| error.kind() != Kind::Unavailable) {
        Some(said) => format!("the database refused: {} ({})", said.message, said.sqlstate),
        None => format!("the database is not answering: {error}"),
    }
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        Error::Database(error.into())
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::FileName { .. }
            | Error::Twice { .. }
            | Error::NoWayThere { .. }
            | Error::Forbidden { .. }
            | Error::NoWayBack { .. }
            | Error::Statement { .. } => Kind::Invalid,
            Error::TooMuch { .. } => Kind::TooLarge,
            Error::Drift { .. } | Error::Lint { .. } | Error::Turn => Kind::Conflict,
            Error::Copy { .. } | Error::Crowded | Error::Audit(_) => Kind::Unavailable,
            Error::Database(error) => error.kind(),
            Error::Stopped => Kind::Bug,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::FileName { .. } => "migrate.file_name",
            Error::Twice { .. } => "migrate.twice",
            Error::NoWayThere { .. } => "migrate.no_way_there",
            Error::TooMuch { .. } => "migrate.too_much",
            Error::Forbidden { .. } => "migrate.forbidden",
            Error::Drift { .. } => "migrate.drift",
            Error::Statement { .. } => "migrate.statement",
            Error::NoWayBack { .. } => "migrate.no_way_back",
            Error::Turn => "migrate.turn",
            Error::Copy { .. } => "migrate.copy",
            Error::Crowded => "migrate.crowded",
            Error::Stopped => "migrate.stopped",
            Error::Lint { .. } => "migrate.lint",
            Error::Database(_) => "migrate.database",
            Error::Audit(_) => "migrate.not_recorded",
        }
    }
}
