//! Refusals that come before any feature is asked: no such route, no credential, too large, too many.

use std::borrow::Cow;
use std::time::Duration;

use base::{Fault, Kind, Owed};

/// What the edge, a guard or the reading of a request refuses.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// Nothing is served at this path.
    #[error("Nothing is served at this path")]
    NoRoute,
    /// Something is, under another method.
    #[error("This path does not take {method}")]
    NoMethod {
        /// The method that was tried.
        method: String,
        /// What it takes.
        allow: String,
    },
    /// No key came with the request.
    #[error("No API key found in request")]
    NoApiKey,
    /// The route needs a signed-in person.
    #[error("This endpoint requires a valid Bearer token")]
    NotSignedIn,
    /// The session's level or the age of its proof is not enough.
    #[error("This needs a second factor, confirmed within the last {minutes} minutes")]
    StepUp {
        /// How old the proof may be.
        minutes: u64,
    },
    /// The session must show a second factor before it may do anything else (controls 24, 25).
    #[error("This account needs a second factor: enrol one or verify it, then go on")]
    SecondFactorOwed,
    /// The session must choose another password before it may do anything else (control 20).
    #[error("Your password has expired: choose another one before anything else")]
    PasswordExpired,
    /// The key may not be used for this (control 150).
    #[error("This key may not {verb} {area}")]
    OutOfScope {
        /// What it was used for.
        area: &'static str,
        /// `read` or `write`.
        verb: &'static str,
    },
    /// The route is for administrators.
    #[error("User not allowed")]
    NotAdmin,
    /// A program that somebody let in, or an administrator in their name, opens their rows, not their account.
    #[error(
        "A token that a program or an administrator acts with opens data, not the account of the person it names"
    )]
    ThroughClient,
    /// The route answers the operator's control socket only.
    #[error("This endpoint answers on the control socket only")]
    NotOperator,
    /// The body is larger than the route takes.
    #[error("The request body is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The route's limit.
        limit_bytes: u64,
    },
    /// The body did not arrive in time.
    #[error("The request body did not arrive in time")]
    TooSlow,
    /// A rate limit (controls 71, 72).
    #[error("Rate limit exceeded")]
    TooMany {
        /// When a request will be taken again.
        retry_after: Duration,
    },
    /// A header or parameter cannot be read.
    #[error("{what}")]
    Malformed {
        /// What is wrong and how to fix it.
        what: String,
    },
    /// The body is not the JSON it should be.
    #[error("Could not parse request body as JSON: {why}")]
    NotJson {
        /// The parser's reason.
        why: String,
    },
    /// Another site's page made the browser send this (control 75).
    #[error("This request was refused: {why}")]
    Forged {
        /// What gave it away.
        why: &'static str,
    },
    /// The request names a host that is not ours.
    #[error("This server does not answer to that host name")]
    Misdirected,
    /// Administration has a listener of its own, and this is another.
    #[error("Administration is answered at the listener for administrators only")]
    AdminElsewhere,
    /// The route is a WebSocket's, and something else was asked for.
    #[error("This endpoint is a WebSocket's: {what}")]
    NotASocket {
        /// What is missing.
        what: &'static str,
    },
    /// What came could be read on its way (controls 2, 63, 65).
    #[error("HTTPS is required. What was just sent could be read by everybody on the way")]
    NotSecure,
    /// The handler failed in a way it should not be able to.
    #[error("the handler panicked")]
    Panicked,
    /// The server is shutting down.
    #[error("The server is shutting down")]
    Draining,
}

impl Error {
    /// The refusal of whatever does not settle `owed`.
    pub fn owed(owed: Owed) -> Self {
        match owed {
            Owed::SecondFactor => Error::SecondFactorOwed,
            Owed::NewPassword => Error::PasswordExpired,
        }
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::NoRoute => Kind::NotFound,
            Error::NoMethod { .. } => Kind::Unsupported,
            Error::NoApiKey | Error::NotSignedIn => Kind::Unauthenticated,
            Error::StepUp { .. } | Error::SecondFactorOwed => Kind::StepUp,
            Error::PasswordExpired
            | Error::OutOfScope { .. }
            | Error::Forged { .. }
            | Error::NotAdmin
            | Error::ThroughClient
            | Error::AdminElsewhere
            | Error::NotSecure
            | Error::NotOperator => Kind::Forbidden,
            Error::TooLarge { .. } => Kind::TooLarge,
            Error::TooSlow => Kind::Timeout,
            Error::TooMany { .. } => Kind::TooMany,
            Error::Malformed { .. }
            | Error::NotJson { .. }
            | Error::NotASocket { .. }
            | Error::Misdirected => Kind::Invalid,
            Error::Panicked => Kind::Bug,
            Error::Draining => Kind::Unavailable,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::NoRoute => "web.no_route",
            Error::NoMethod { .. } => "web.no_method",
            Error::NoApiKey => "web.no_api_key",
            Error::NotSignedIn => "web.not_signed_in",
            Error::StepUp { .. } => "web.step_up",
            Error::SecondFactorOwed => "web.second_factor_owed",
            Error::PasswordExpired => "web.password_expired",
            Error::OutOfScope { .. } => "web.out_of_scope",
            Error::NotAdmin => "web.not_admin",
            Error::ThroughClient => "web.through_client",
            Error::NotOperator => "web.not_operator",
            Error::TooLarge { .. } => "web.too_large",
            Error::TooSlow => "web.too_slow",
            Error::TooMany { .. } => "web.too_many",
            Error::Malformed { .. } => "web.malformed",
            Error::NotJson { .. } => "web.not_json",
            Error::Forged { .. } => "web.forged",
            Error::Misdirected => "web.misdirected",
            Error::AdminElsewhere => "web.admin_elsewhere",
            Error::NotASocket { .. } => "web.not_a_socket",
            Error::NotSecure => "web.not_secure",
            Error::Panicked => "web.panicked",
            Error::Draining => "web.draining",
        }
    }

    fn message(&self) -> Cow<'_, str> {
        match self {
            Error::Panicked => "An unexpected error occurred".into(),
            other => Cow::Owned(other.to_string()),
        }
    }

    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Error::SecondFactorOwed => {
                Some("POST /auth/v1/factors enrols one, POST /auth/v1/factors/{id}/verify shows it".into())
            }
            Error::PasswordExpired => Some("PUT /auth/v1/user with a new `password`".into()),
            Error::Misdirected => Some("Name it in server.hosts, if it is meant to be answered".into()),
            Error::AdminElsewhere => Some("Ask at the address of server.admin.listen".into()),
            Error::NotSecure => {
                Some("Use https://, and change any credential that was sent without it".into())
            }
            Error::NoApiKey => Some("Send the publishable key as the `apikey` header".into()),
            _ => None,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Error::TooMany { retry_after } => Some(*retry_after),
            _ => None,
        }
    }
}
