//! Why a login was not lent or not taken back. Said to operators and administrators, so nothing is held back.

use base::{Fault, Kind};

/// Why not.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not a name for a login.
    #[error(
        "{name:?} is no name for a login: it is 1 to 63 small letters, digits and _, begins with a letter, and with neither pg_ nor palisade_"
    )]
    Name {
        /// As it was given.
        name: String,
    },
    /// The server has a role of that name.
    #[error("There is a role {name} already: choose another name, or revoke it first if it was lent here")]
    Taken {
        /// The name.
        name: String,
    },
    /// Too short, too long.
    #[error("A login is lent for {min} to {max} ({setting})", min = "1s", setting = crate::settings::LIFETIME_MAX.definition.name)]
    Lifetime {
        /// The longest.
        max: String,
    },
    /// Its purpose is missing or a novel.
    #[error("Say what the login is for, in 1 to {max} bytes", max = crate::limits::GUEST_PURPOSE_BYTES_MAX.value)]
    Purpose,
    /// There are many already.
    #[error("{max} logins are lent already (guests_max): revoke one first", max = crate::limits::GUESTS_MAX.value)]
    TooMany,
    /// Nothing lent has that name.
    #[error("No login of that name is lent")]
    Unknown,
    /// Whoever may read may also write, by a way that the operator's schema opens.
    #[error(
        "A login that may only read could write here: {}. Close each way, then ask again",
        ways.join("; ")
    )]
    Writes {
        /// What it could do and what closes it.
        ways: Vec<String>,
    },
    /// PostgreSQL refused.
    #[error(transparent)]
    Database(#[from] pg::Error),
    /// It could not be recorded, so it was not done.
    #[error(transparent)]
    Audit(#[from] audit::Error),
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        Error::Database(error.into())
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::Name { .. } | Error::Lifetime { .. } | Error::Purpose => Kind::Invalid,
            Error::Taken { .. } | Error::TooMany | Error::Writes { .. } => Kind::Conflict,
            Error::Unknown => Kind::NotFound,
            Error::Database(_) | Error::Audit(_) => Kind::Unavailable,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Name { .. } => "guests.name",
            Error::Taken { .. } => "guests.taken",
            Error::Lifetime { .. } => "guests.lifetime",
            Error::Purpose => "guests.purpose",
            Error::TooMany => "guests.too_many",
            Error::Unknown => "guests.unknown",
            Error::Writes { .. } => "guests.writes",
            Error::Database(_) => "guests.database",
            Error::Audit(_) => "guests.not_recorded",
        }
    }
}
