//! What can go wrong with keys and hashes.

use std::borrow::Cow;
use std::path::PathBuf;

use base::{Fault, Kind};

/// Why a key, a sealed value or a hash could not be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The root key file could not be read or made.
    #[error("the root key file {path} cannot be used")]
    RootKeyFile {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Somebody else can read the root key.
    #[error(
        "the root key file {path} may be read by others (mode {mode:o}): run chmod 600 on it, and rotate the keys if anybody did"
    )]
    RootKeyExposed {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The root key file does not hold 32 bytes.
    #[error("the root key file {path} does not hold 32 bytes")]
    RootKeyLength {
        /// Which file.
        path: PathBuf,
    },
    /// A sealed value was not made by this root key for this context, or was changed.
    #[error("a sealed value cannot be opened: it was changed, moved, or sealed with another root key")]
    NotOurs,
    /// A key could not be read.
    #[error("a signing key cannot be read")]
    BadKey,
    /// The library refused to sign, seal or hash: our mistake.
    #[error("the cryptographic library refused: {0}")]
    Library(&'static str),
    /// The password is longer than anything we look at.
    #[error("Password is too long")]
    PasswordTooLong,
    /// Too many passwords are being hashed already.
    #[error("too many passwords are being checked at once")]
    Crowded,
    /// The stored hash is of a kind that is not accepted.
    #[error("the stored password hash is of an unknown kind")]
    UnknownHash,
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::PasswordTooLong => Kind::Invalid,
            Error::Crowded => Kind::TooMany,
            Error::UnknownHash => Kind::Invalid,
            Error::RootKeyFile { .. }
            | Error::RootKeyExposed { .. }
            | Error::RootKeyLength { .. }
            | Error::NotOurs
            | Error::BadKey
            | Error::Library(_) => Kind::Bug,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::RootKeyFile { .. } => "seal.root_key.file",
            Error::RootKeyExposed { .. } => "seal.root_key.exposed",
            Error::RootKeyLength { .. } => "seal.root_key.length",
            Error::NotOurs => "seal.not_ours",
            Error::BadKey => "seal.bad_key",
            Error::Library(_) => "seal.library",
            Error::PasswordTooLong => "seal.password.too_long",
            Error::Crowded => "seal.password.crowded",
            Error::UnknownHash => "seal.password.unknown_hash",
        }
    }

    fn message(&self) -> Cow<'_, str> {
        match self {
            Error::PasswordTooLong | Error::UnknownHash => Cow::Owned(self.to_string()),
            Error::Crowded => "Too many sign-ins at once, please retry after a moment".into(),
            _ => "An unexpected error occurred".into(),
        }
    }

    fn retry_after(&self) -> Option<std::time::Duration> {
        matches!(self, Error::Crowded).then_some(std::time::Duration::from_secs(1))
    }
}
