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
    /// A document that is more than allowed, or goes in circles (controls 43, 44).
    #[error(transparent)]
    Document(gql::Error),
    /// The schema was asked for by somebody who may not read it (control 45). The caller reads of an unknown field.
    #[error("The schema may be read by administrators only")]
    Introspection,
    /// A document that is not in the operator's list, where only those are taken.
    #[error("Only documents that the operator has listed are taken")]
    Unlisted,
    /// A document under the hash of another.
    #[error("provided sha does not match query")]
    WrongHash,
    /// A subscription.
    #[error("Subscriptions are not supported; ask again with a query")]
    Subscription,
    /// The data could not be asked.
    #[error(transparent)]
    Data(#[from] data::Error),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::Malformed(_) | Error::ContentType | Error::WrongHash => Kind::Invalid,
            Error::Batch { .. } => Kind::Invalid,
            Error::Method | Error::Subscription => Kind::Unsupported,
            Error::Introspection | Error::Unlisted => Kind::Forbidden,
            Error::Document(error) => error.kind(),
            Error::Data(error) => error.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Malformed(_) => "graphql.malformed",
            Error::ContentType => "graphql.content_type",
            Error::Method => "graphql.method",
            Error::Batch { .. } => "graphql.batch",
            Error::Document(error) => error.code(),
            Error::Introspection => "graphql.introspection",
            Error::Unlisted => "graphql.unlisted",
            Error::WrongHash => "graphql.wrong_hash",
            Error::Subscription => "graphql.subscription",
            Error::Data(error) => error.code(),
        }
    }

    fn message(&self) -> Cow<'_, str> {
        match self {
            Error::Data(error) => error.message(),
            Error::Document(error) => error.message(),
            other => Cow::Owned(other.to_string()),
        }
    }

    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Error::Data(error) => error.hint(),
            _ => None,
        }
    }

    fn retry_after(&self) -> Option<std::time::Duration> {
        match self {
            Error::Data(error) => error.retry_after(),
            _ => None,
        }
    }
}
