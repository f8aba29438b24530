//! Why a question about policies has no answer.

use base::{Fault, Kind};

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database refused or could not be reached.
    #[error(transparent)]
    Database(#[from] pg::Error),
    /// The administrator's connection was refused something, or is gone.
    #[error("{}", said(.0))]
    Administrator(#[source] pg::Error),
    /// The server answered in a shape this crate did not ask for.
    #[error("the answer has an unexpected shape: {0}")]
    Shape(&'static str),
    /// The same, of a value.
    #[error("the answer cannot be read")]
    Value(#[from] serde_json::Error),
    /// No such table.
    #[error("there is no table {name}; `palisade lint` and `palisade policies` take `schema.table`")]
    NoTable {
        /// What was asked for.
        name: String,
    },
    /// No such row.
    #[error("there is no such row in {table}")]
    NoRow {
        /// Where it was looked for.
        table: String,
    },
    /// What was asked cannot be understood.
    #[error("{0}")]
    Asked(String),
}

/// The server's own words where it said any: only the operator asks as the administrator.
fn said(error: &pg::Error) -> String {
    match error.database() {
        Some(said) => format!("the database refused the administrator: {} ({})", said.message, said.sqlstate),
        None => error.to_string(),
    }
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        Error::Administrator(error.into())
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::Database(error) | Error::Administrator(error) => error.kind(),
            Error::Shape(_) | Error::Value(_) => Kind::Bug,
            Error::NoTable { .. } | Error::NoRow { .. } => Kind::NotFound,
            Error::Asked(_) => Kind::Invalid,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Database(error) => error.code(),
            Error::Administrator(_) => "policies.administrator",
            Error::Shape(_) => "policies.shape",
            Error::Value(_) => "policies.value",
            Error::NoTable { .. } => "policies.no_table",
            Error::NoRow { .. } => "policies.no_row",
            Error::Asked(_) => "policies.asked",
        }
    }
}
