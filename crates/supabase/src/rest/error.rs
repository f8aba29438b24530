//! What the data API refuses by itself, before or after the data was asked.
//!
//! Invariant: a refusal carries facts, never wording that depends on who asks; [`super::wording`] decides what of it the
//! caller may read.

use std::borrow::Cow;

use base::{Fault, Kind};
use data::fields::Report;
use data::query::{NotEmbedded, Unreadable, WrongRange};

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The query string cannot be read.
    #[error(transparent)]
    Query(#[from] Unreadable),
    /// A function was called by a method that calls no function.
    #[error("Cannot use the {0} method on RPC")]
    CallMethod(String),
    /// The body cannot be read.
    #[error("{0}")]
    Body(String),
    /// No rows can meet the range.
    #[error("Requested range not satisfiable")]
    Range(#[from] WrongRange),
    /// The range begins behind the last row.
    #[error("Requested range not satisfiable")]
    OutOfRange {
        /// The first row wanted.
        offset: i64,
        /// How many there are.
        total: i64,
    },
    /// The schema is not exposed.
    #[error("Invalid schema: {asked}")]
    Schema {
        /// The one asked for.
        asked: String,
        /// Those there are.
        exposed: Vec<String>,
    },
    /// Nothing can be made of any type accepted.
    #[error("None of these media types are available: {}", .0.join(", "))]
    Media(Vec<String>),
    /// Something is said of what is not embedded.
    #[error(transparent)]
    NotEmbedded(#[from] NotEmbedded),
    /// `response.headers` is no list of headers.
    #[error(
        "response.headers guc must be a JSON array composed of objects with a single key and a string value"
    )]
    ResponseHeaders,
    /// `response.status` is no status.
    #[error("response.status guc must be a valid status code")]
    ResponseStatus,
    /// A put with a limit.
    #[error("limit/offset querystring parameters are not allowed for PUT")]
    PutLimit,
    /// A method nothing takes.
    #[error("Unsupported HTTP method: {0}")]
    Method(String),
    /// Preferences that are none, where all must be known.
    #[error("Invalid preferences given with handling=strict")]
    InvalidPreferences(Vec<String>),
    /// A path that leads nowhere.
    #[error("Invalid path specified in request URL")]
    Path,
    /// The root does not describe itself.
    #[error("Root endpoint metadata is disabled")]
    NoDescription,
    /// A put whose filters are not its primary key.
    #[error("Filters must include all and only primary key columns with 'eq' operators")]
    PutFilters,
    /// The data refused a write, and more is known of it.
    #[error("{}", .0.error)]
    Write(Box<RefusedWrite>),
    /// Anything the data refused.
    #[error(transparent)]
    Data(#[from] data::Error),
    /// The database, asked directly.
    #[error(transparent)]
    Database(#[from] pg::Error),
}

/// A write that the data refused.
#[derive(Debug)]
pub struct RefusedWrite {
    /// What it said.
    pub error: data::Error,
    /// What is known.
    pub report: Report,
}

impl Fault for Refusal {
    fn kind(&self) -> Kind {
        match self {
            Refusal::Data(error) => error.kind(),
            Refusal::Write(refused) => refused.error.kind(),
            Refusal::Database(error) => error.kind(),
            Refusal::ResponseHeaders | Refusal::ResponseStatus => Kind::Bug,
            Refusal::Path | Refusal::NoDescription => Kind::NotFound,
            Refusal::CallMethod(_)
            | Refusal::Method(_)
            | Refusal::PutFilters
            | Refusal::Media(_)
            | Refusal::Schema { .. } => Kind::Unsupported,
            Refusal::Query(_)
            | Refusal::Body(_)
            | Refusal::Range(_)
            | Refusal::OutOfRange { .. }
            | Refusal::NotEmbedded(_)
            | Refusal::PutLimit
            | Refusal::InvalidPreferences(_) => Kind::Invalid,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Refusal::Query(_) => "rest.query",
            Refusal::CallMethod(_) => "rest.call_method",
            Refusal::Body(_) => "rest.body",
            Refusal::Range(_) => "rest.range",
            Refusal::OutOfRange { .. } => "rest.out_of_range",
            Refusal::Schema { .. } => "rest.schema",
            Refusal::Media(_) => "rest.media",
            Refusal::NotEmbedded(_) => "rest.not_embedded",
            Refusal::ResponseHeaders => "rest.response_headers",
            Refusal::ResponseStatus => "rest.response_status",
            Refusal::PutLimit => "rest.put_limit",
            Refusal::Method(_) => "rest.method",
            Refusal::InvalidPreferences(_) => "rest.preferences",
            Refusal::Path => "rest.path",
            Refusal::NoDescription => "rest.no_description",
            Refusal::PutFilters => "rest.put_filters",
            Refusal::Data(error) => error.code(),
            Refusal::Write(refused) => refused.error.code(),
            Refusal::Database(error) => error.code(),
        }
    }

    fn message(&self) -> Cow<'_, str> {
        match self {
            Refusal::Data(error) => error.message(),
            Refusal::Write(refused) => refused.error.message(),
            Refusal::Database(error) => error.message(),
            other => Cow::Owned(other.to_string()),
        }
    }

    fn retry_after(&self) -> Option<std::time::Duration> {
        match self {
            Refusal::Data(error) => error.retry_after(),
            Refusal::Write(refused) => refused.error.retry_after(),
            Refusal::Database(error) => error.retry_after(),
            _ => None,
        }
    }
}

/// A refusal, and how much of it this caller may read.
#[derive(Debug, thiserror::Error)]
#[error("{refusal}")]
pub struct Refused {
    /// Why.
    #[source]
    pub refusal: Refusal,
    /// How to say it.
    pub voice: Voice,
}

/// How much a refusal says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Voice {
    /// Whether the caller proved to be somebody: decides between 401 and 403.
    pub known: bool,
    /// Whether names and rows the caller did not name may be told (the conformance profile only).
    pub outspoken: bool,
    /// Whether details and hints are left out altogether.
    pub minimal: bool,
}

impl Fault for Refused {
    fn kind(&self) -> Kind {
        self.refusal.kind()
    }
    fn code(&self) -> &'static str {
        self.refusal.code()
    }
    fn message(&self) -> Cow<'_, str> {
        self.refusal.message()
    }
    fn retry_after(&self) -> Option<std::time::Duration> {
        self.refusal.retry_after()
    }
}
