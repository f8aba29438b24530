//! Why a request for GraphQL is not carried out at all. What is wrong inside a document is in the answer, not here.

use std::borrow::Cow;

use base::{Fault, Kind};

/// What can be wrong with a request.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The body is not the JSON that it should be.
    #[error("{0}")]
    Malformed(String),
    /// The body's type is one that a page of another site could send without asking.
    #[error("The Content-Type must be application/json")]
    ContentType,
    /// A mutation by a method that must not change anything.
    #[error("A mutation must be sent by POST")]
    Method,
    /// Too many operations in one request.
    #[error("The request holds {measured} operations, {allowed} are allowed (batch_max)")]
    Batch {
        /// How many.
        measured: usize,
        /// How many may be.
        allowed: usize,
    },
    /// The data could not be asked.
    #[error(transparent)]
    Data(#[from] data::Error),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::Malformed(_) | Error::Batch { .. } | Error::ContentType => Kind::Invalid,
            Error::Method => Kind::Unsupported,
            Error::Data(error) => error.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Malformed(_) => "graphql.malformed",
            Error::ContentType => "graphql.content_type",
            Error::Method => "graphql.method",
            Error::Batch { .. } => "graphql.batch",
            Error::Data(error) => error.code(),
        }
    }

    fn message(&self) -> Cow<'_, str> {
        match self {
            Error::Data(error) => error.message(),
            other => Cow::Owned(other.to_string()),
        }
    }
}
