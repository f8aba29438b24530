//! Why a document is refused.
//!
//! Invariant: no refusal names anything of the schema that the document did not name itself, and none suggests anything.

use std::borrow::Cow;
use std::sync::Arc;

use base::{Fault, Kind};

/// What can be wrong with a document, or with what comes beside it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is no GraphQL.
    #[error("Syntax error at character {at}: {why}")]
    Syntax {
        /// Where, in bytes.
        at: usize,
        /// What the parser says.
        why: String,
    },
    /// It is more than allowed (controls 43, 44).
    #[error("The operation exceeds {limit}: {measured} measured, {allowed} allowed")]
    Limit {
        /// The limit's name.
        limit: &'static str,
        /// What was measured; counting stops soon after the limit is passed.
        measured: u64,
        /// What is allowed.
        allowed: u64,
    },
    /// A fragment that, through others or by itself, spreads itself.
    #[error("Found a cycle between fragments")]
    Cycle,
    /// A text that is longer than what it is for takes.
    #[error("Invalid input for {type_name} type. Maximum character length {most}")]
    TooLong {
        /// Its type.
        type_name: String,
        /// How many characters it may have.
        most: u32,
        /// What it is for, by the name of whoever set the bound.
        of: Arc<str>,
    },
    /// Something the rules of the language forbid.
    #[error("{0}")]
    Invalid(String),
}

impl Error {
    /// Forbidden by the rules of the language, in words.
    pub fn invalid(words: impl Into<String>) -> Self {
        Error::Invalid(words.into())
    }

    /// Refuses what is more than allowed.
    pub fn within(limit: &'static str, measured: u64, allowed: u64) -> Result<(), Error> {
        if measured > allowed { Err(Error::Limit { limit, measured, allowed }) } else { Ok(()) }
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::Syntax { .. }
            | Error::Limit { .. }
            | Error::Cycle
            | Error::TooLong { .. }
            | Error::Invalid(_) => Kind::Invalid,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Syntax { .. } => "gql.syntax",
            Error::Limit { .. } => "gql.limit",
            Error::Cycle => "gql.cycle",
            Error::TooLong { .. } => "gql.too_long",
            Error::Invalid(_) => "gql.invalid",
        }
    }

    fn message(&self) -> Cow<'_, str> {
        Cow::Owned(self.to_string())
    }
}
