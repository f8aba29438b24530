//! What can be wrong with a request for rows, and how Fluxbase words it.
//!
//! Invariant: nothing is told that the caller did not name: of PostgreSQL's own words only those that user code raised on
//! purpose, and those about the caller's own values.

use std::borrow::Cow;
use std::time::Duration;

use base::{Fault, Kind};
use data::query::{NotEmbedded, Unreadable, WrongRange};
use http::StatusCode;

/// Why rows were refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The query cannot be read.
    #[error("Invalid query parameters: {0}")]
    Query(#[from] Unreadable),
    /// The range cannot be met.
    #[error("{0}")]
    Range(#[from] WrongRange),
    /// A filter or order on what is not selected.
    #[error(transparent)]
    NotEmbedded(#[from] NotEmbedded),
    /// A parameter or a field of the body has a value it cannot have.
    #[error("{0}")]
    Invalid(String),
    /// What Fluxbase has and Palisade has not.
    #[error("{0}")]
    Absent(String),
    /// A write without a filter would touch every row.
    #[error("At least one filter is required")]
    NoFilter,
    /// A row by its key, of a table that has none or one of several columns.
    #[error("This table has no key of one column: use filters")]
    NoKey,
    /// There is no such row, for this caller.
    #[error("Record not found")]
    NoRow,
    /// Aggregates are switched off.
    #[error("Aggregates are not allowed here")]
    Aggregates,
    /// The data refused it.
    #[error(transparent)]
    Data(#[from] data::Error),
    /// The data refused a write, and it is known what of it.
    #[error("{error}")]
    Write {
        /// Why.
        #[source]
        error: Box<data::Error>,
        /// What is wrong with which field.
        report: data::fields::Report,
    },
}

impl Error {
    /// What the data said, if it was the data.
    fn of_data(&self) -> Option<&data::Error> {
        match self {
            Error::Data(error) => Some(error),
            Error::Write { error, .. } => Some(error),
            _ => None,
        }
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::Query(_)
            | Error::Range(_)
            | Error::NotEmbedded(_)
            | Error::Invalid(_)
            | Error::NoFilter => Kind::Invalid,
            Error::NoKey | Error::Aggregates | Error::Absent(_) => Kind::Unsupported,
            Error::NoRow => Kind::NotFound,
            Error::Data(error) => error.kind(),
            Error::Write { error, .. } => error.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Query(_) => "fluxbase.query",
            Error::Range(_) => "fluxbase.range",
            Error::NotEmbedded(_) => "fluxbase.not_embedded",
            Error::Invalid(_) => "fluxbase.invalid",
            Error::Absent(_) => "fluxbase.absent",
            Error::NoFilter => "fluxbase.no_filter",
            Error::NoKey => "fluxbase.no_key",
            Error::NoRow => "fluxbase.no_row",
            Error::Aggregates => "fluxbase.aggregates",
            Error::Data(error) => error.code(),
            Error::Write { error, .. } => error.code(),
        }
    }

    fn message(&self) -> Cow<'_, str> {
        match self {
            Error::Data(error) => error.message(),
            Error::Write { report, .. } if report.elsewhere => "A rule of the database refused this".into(),
            Error::Write { error, .. } => error.message(),
            other => Cow::Owned(other.to_string()),
        }
    }

    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Error::Aggregates => Some("The setting data.aggregates switches them on".into()),
            Error::NoFilter => Some("Name the rows, as in ?id=eq.1".into()),
            Error::Data(error) => error.hint(),
            Error::Write { error, .. } => error.hint(),
            _ => None,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Error::Data(error) => error.retry_after(),
            Error::Write { error, .. } => error.retry_after(),
            _ => None,
        }
    }
}

/// A refusal, and whether the caller had proven to be somebody: that decides between 401 and 403.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Refused {
    /// Why.
    #[source]
    pub error: Error,
    /// Whether a person or a program with a key of its own asks.
    pub known: bool,
}

impl Fault for Refused {
    fn kind(&self) -> Kind {
        self.error.kind()
    }
    fn code(&self) -> &'static str {
        self.error.code()
    }
    fn message(&self) -> Cow<'_, str> {
        self.error.message()
    }
    fn hint(&self) -> Option<Cow<'_, str>> {
        self.error.hint()
    }
    fn retry_after(&self) -> Option<Duration> {
        self.error.retry_after()
    }
}

/// A refusal in Fluxbase's words.
pub struct Words {
    /// The status.
    pub status: StatusCode,
    /// The code.
    pub code: &'static str,
    /// What the caller reads.
    pub message: String,
    /// What user code adds.
    pub details: Option<String>,
    /// The same.
    pub hint: Option<String>,
    /// What is wrong, field by field.
    pub fields: Vec<data::fields::FieldFault>,
}

impl Refused {
    /// What is said, where it is more than kind and message.
    pub fn words(&self) -> Option<Words> {
        let words = |status: StatusCode, code: &'static str, message: String| {
            Some(Words { status, code, message, details: None, hint: None, fields: Vec::new() })
        };
        let Some(error) = self.error.of_data() else {
            return match &self.error {
                Error::Query(_) | Error::Range(_) | Error::NotEmbedded(_) | Error::Invalid(_) => {
                    words(StatusCode::BAD_REQUEST, "INVALID_INPUT", self.error.to_string())
                }
                Error::NoFilter | Error::NoKey | Error::Absent(_) | Error::Aggregates => {
                    words(StatusCode::BAD_REQUEST, "VALIDATION_FAILED", self.error.to_string())
                }
                Error::NoRow | Error::Data(_) | Error::Write { .. } => None,
            };
        };
        match error {
            data::Error::Database(error) => self.reported(self.said(error.database()?)?),
            // A rule of a column that is kept here is worded like one that PostgreSQL keeps.
            data::Error::Field(fault) => Some(Words {
                fields: vec![(**fault).clone()],
                ..words(StatusCode::BAD_REQUEST, "CHECK_VIOLATION", error.to_string())?
            }),
            data::Error::NoRelation { name, .. } => {
                words(StatusCode::NOT_FOUND, "NOT_FOUND", format!("Table not found: {name}"))
            }
            data::Error::NoColumn { column, .. } => {
                words(StatusCode::BAD_REQUEST, "INVALID_INPUT", format!("Unknown column: {column}"))
            }
            data::Error::RepeatOther => {
                words(StatusCode::UNPROCESSABLE_ENTITY, error.code(), error.message().into_owned())
            }
            data::Error::RepeatRunning | data::Error::RepeatRules => {
                words(StatusCode::CONFLICT, error.code(), error.message().into_owned())
            }
            data::Error::RepeatsTooMany { .. } => {
                words(StatusCode::TOO_MANY_REQUESTS, error.code(), error.message().into_owned())
            }
            data::Error::RepeatTooLarge { .. } => {
                words(StatusCode::PAYLOAD_TOO_LARGE, error.code(), error.message().into_owned())
            }
            data::Error::NoFunction { name, .. } => {
                words(StatusCode::NOT_FOUND, "NOT_FOUND", format!("Procedure not found: {name}"))
            }
            _ => None,
        }
    }

    /// With the fields that are to blame; what is not served is not even named.
    fn reported(&self, words: Words) -> Option<Words> {
        let Error::Write { report, .. } = &self.error else { return Some(words) };
        let message = match report.elsewhere {
            true => "A rule of the database refused this".to_owned(),
            false => words.message,
        };
        Some(Words { message, fields: report.fields.clone(), ..words })
    }

    /// PostgreSQL's refusals that are the caller's.
    fn said(&self, error: &pg::DbError) -> Option<Words> {
        use StatusCode as S;
        let state = if names_a_role(error) { "42501" } else { error.sqlstate.as_str() };
        let (status, code) = match state {
            "42501" if self.known => (S::FORBIDDEN, "RLS_VIOLATION"),
            "42501" => (S::UNAUTHORIZED, "RLS_VIOLATION"),
            "23505" => (S::CONFLICT, "DUPLICATE_KEY"),
            "23001" | "23503" => (S::CONFLICT, "FOREIGN_KEY_VIOLATION"),
            "23502" => (S::BAD_REQUEST, "NOT_NULL_VIOLATION"),
            "23514" => (S::BAD_REQUEST, "CHECK_VIOLATION"),
            "42703" | "42804" | "42883" | "42803" | "42P10" => (S::BAD_REQUEST, "INVALID_INPUT"),
            "25006" => (S::METHOD_NOT_ALLOWED, "INVALID_INPUT"),
            code if code.starts_with("22") || code.starts_with("23") => (S::BAD_REQUEST, "INVALID_INPUT"),
            // A policy that asks itself for ever is the owner's mistake.
            "42P17" => return None,
            // Rows of one upsert that meet each other, a column that only the database fills, a cast or a feature there is not.
            code if ["0A", "21", "42"].iter().any(|class| code.starts_with(class)) => {
                (S::BAD_REQUEST, "INVALID_INPUT")
            }
            code if code.starts_with("P0") => (S::BAD_REQUEST, "VALIDATION_FAILED"),
            // `RAISE SQLSTATE 'PT403'`: the status it names.
            code => {
                match code.strip_prefix("PT")?.parse().ok().and_then(|status| S::from_u16(status).ok())? {
                    status @ S::UNAUTHORIZED => (status, "UNAUTHENTICATED"),
                    status @ S::FORBIDDEN => (status, "FORBIDDEN"),
                    status @ S::CONFLICT => (status, "CONFLICT"),
                    status @ S::TOO_MANY_REQUESTS => (status, "RATE_LIMITED"),
                    status @ S::NOT_FOUND => (status, "NOT_FOUND"),
                    status @ S::SERVICE_UNAVAILABLE => (status, "SERVICE_UNAVAILABLE"),
                    status => (status, "VALIDATION_FAILED"),
                }
            }
        };
        // What user code raises on purpose passes whole.
        let raised = error.sqlstate == "P0001" || error.sqlstate.starts_with("PT");
        Some(Words {
            status,
            code,
            message: match code {
                "RLS_VIOLATION" => "Insufficient permissions".to_owned(),
                "DUPLICATE_KEY" => "A record with this value already exists".to_owned(),
                "FOREIGN_KEY_VIOLATION" => {
                    "A record it refers to, or that refers to it, is in the way".to_owned()
                }
                // It may name what the body of a function looks for.
                _ if names_another(error) => "The database cannot do what is asked".to_owned(),
                _ => error.message.clone(),
            },
            details: error.detail.clone().filter(|_| raised),
            hint: error.hint.clone().filter(|_| raised),
            fields: Vec::new(),
        })
    }
}

/// Whether the role of the caller is gone from the server: nobody may become it.
fn names_a_role(error: &pg::DbError) -> bool {
    error.sqlstate == "22023" && error.message.starts_with("role \"")
}

/// Whether it is about a table or a function that may stand in the body of another one.
fn names_another(error: &pg::DbError) -> bool {
    error.sqlstate == "42P01" || (error.sqlstate == "42883" && error.message.starts_with("function "))
}
