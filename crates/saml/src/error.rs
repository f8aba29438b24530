//! Why a SAML message, key or metadata was refused. The reasons are for the log and the audit; a person is told one
//! sentence, because who forges messages must not learn from refusals.

use std::borrow::Cow;

use base::{Fault, Kind};

/// A refusal.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// Larger than a named limit.
    #[error("SAML message is past the limit {limit}")]
    TooLarge {
        /// The limit's name.
        limit: &'static str,
    },
    /// Not base64, not UTF-8, not XML.
    #[error("SAML message cannot be read: {0}")]
    Unreadable(&'static str),
    /// XML that no SAML message needs.
    #[error("SAML message holds {0}, which no SAML message needs")]
    Needless(&'static str),
    /// Not exactly the tree that is read.
    #[error("SAML message is not of the accepted shape: {0}")]
    Shape(&'static str),
    /// Not signed, or not by a pinned key, or not with an accepted algorithm.
    #[error("SAML signature refused: {0}")]
    Signature(&'static str),
    /// The second reader refused. Its words are for the log.
    #[error("SAML message refused: {0}")]
    Refused(String),
    /// The two readers read different things.
    #[error("SAML message reads differently to two readers: {0}")]
    Differs(&'static str),
    /// For somebody else: audience, recipient, destination or issuer.
    #[error("SAML message is not for this server: {0}")]
    NotForUs(&'static str),
    /// It answers no request, or another one.
    #[error("SAML message answers another request")]
    OtherRequest,
    /// Too early or too late.
    #[error("SAML message is outside its time: {0}")]
    Time(&'static str),
    /// The provider says that the person did not sign in.
    #[error("the identity provider refused: {0}")]
    Status(String),
    /// Metadata that cannot be used.
    #[error("SAML metadata cannot be used: {0}")]
    Metadata(&'static str),
    /// A key or certificate that cannot be used.
    #[error("SAML key cannot be used: {0}")]
    Key(&'static str),
    /// The library failed where it should not.
    #[error("SAML library: {0}")]
    Library(String),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::TooLarge { .. } => Kind::TooLarge,
            Error::Unreadable(_)
            | Error::Needless(_)
            | Error::Shape(_)
            | Error::Signature(_)
            | Error::Refused(_)
            | Error::Differs(_)
            | Error::NotForUs(_)
            | Error::OtherRequest
            | Error::Time(_)
            | Error::Status(_)
            | Error::Metadata(_)
            | Error::Key(_) => Kind::Invalid,
            Error::Library(_) => Kind::Bug,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::TooLarge { .. } => "saml.too_large",
            Error::Unreadable(_) => "saml.unreadable",
            Error::Needless(_) => "saml.needless",
            Error::Shape(_) => "saml.shape",
            Error::Signature(_) => "saml.signature",
            Error::Refused(_) => "saml.refused",
            Error::Differs(_) => "saml.differs",
            Error::NotForUs(_) => "saml.not_for_us",
            Error::OtherRequest => "saml.other_request",
            Error::Time(_) => "saml.time",
            Error::Status(_) => "saml.status",
            Error::Metadata(_) => "saml.metadata",
            Error::Key(_) => "saml.key",
            Error::Library(_) => "saml.library",
        }
    }

    fn message(&self) -> Cow<'_, str> {
        match self {
            Error::Metadata(_) | Error::Key(_) | Error::TooLarge { .. } => Cow::Owned(self.to_string()),
            Error::Status(_) => "The identity provider did not sign you in".into(),
            Error::Library(_) => "An unexpected error occurred".into(),
            Error::Unreadable(_)
            | Error::Needless(_)
            | Error::Shape(_)
            | Error::Signature(_)
            | Error::Refused(_)
            | Error::Differs(_)
            | Error::NotForUs(_)
            | Error::OtherRequest
            | Error::Time(_) => "SAML Assertion is not valid".into(),
        }
    }
}
