//! Why a job could not be enqueued or the queue not be read.

use std::borrow::Cow;

use base::{Fault, Kind};

/// What can go wrong with the queue.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The queue did not answer.
    #[error("the job queue did not answer")]
    Database(#[from] pg::Error),
    /// The arguments cannot be written down.
    #[error("the arguments of {name} cannot be written as JSON")]
    Arguments {
        /// Which job.
        name: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The arguments are too long.
    #[error("the arguments of {name} are longer than {max} bytes")]
    TooLong {
        /// Which job.
        name: &'static str,
        /// The limit.
        max: u64,
    },
    /// Stored arguments do not fit the job any more.
    #[error("the stored arguments do not fit the job")]
    Unreadable(#[source] serde_json::Error),
    /// It ran longer than it may.
    #[error("the job ran longer than {seconds} s")]
    TookTooLong {
        /// Its limit.
        seconds: u64,
    },
    /// It panicked: a mistake in the job.
    #[error("the job panicked")]
    Panicked,
    /// It was taken as often as it may be, and its worker was gone each time.
    #[error("the job was cut short every time it ran")]
    CutShort,
    /// A mail could not be put.
    #[error("the mail could not be put into the outbox")]
    Mail(#[from] mail::Error),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::Database(error) => error.kind(),
            Error::Mail(error) => error.kind(),
            Error::TookTooLong { .. } => Kind::Timeout,
            Error::Arguments { .. }
            | Error::TooLong { .. }
            | Error::Unreadable(_)
            | Error::Panicked
            | Error::CutShort => Kind::Bug,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Database(_) => "jobs.database",
            Error::Arguments { .. } => "jobs.arguments",
            Error::TooLong { .. } => "jobs.too_long",
            Error::Unreadable(_) => "jobs.unreadable",
            Error::TookTooLong { .. } => "jobs.took_too_long",
            Error::Panicked => "jobs.panicked",
            Error::CutShort => "jobs.cut_short",
            Error::Mail(error) => error.code(),
        }
    }

    fn message(&self) -> Cow<'_, str> {
        match self {
            Error::Mail(error) => error.message(),
            _ => "Work for later could not be arranged".into(),
        }
    }

    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Error::Mail(error) => error.hint(),
            _ => None,
        }
    }
}
