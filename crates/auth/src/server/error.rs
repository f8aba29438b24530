//! What our own OAuth server refuses, by the names of RFC 6749 where it has one.

use std::borrow::Cow;

use base::{Fault, Kind};

/// Why a client, a request or an exchange was refused.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// It is off.
    #[error("OAuth server is disabled")]
    Off,
    /// Anybody may register a client only where the operator says so.
    #[error("Dynamic client registration is not enabled")]
    NoRegistration,
    /// No such client.
    #[error("OAuth client not found")]
    NoClient,
    /// Where people go back to is no such place.
    #[error("{0}")]
    RedirectUri(&'static str),
    /// Something else about a client is not as it must be.
    #[error("{0}")]
    Client(&'static str),
    /// The request names a client or an address that do not belong together: no browser is sent anywhere.
    #[error("{0}")]
    Request(&'static str),
    /// The request asks for what is not given.
    #[error("{0}")]
    Scope(&'static str),
    /// No such request, or it is somebody else's, answered or too old.
    #[error("OAuth authorization not found")]
    NoAuthorization,
    /// Whoever answers has a second factor and did not show it.
    #[error("This account has a second factor: show it before you let a program in")]
    SecondFactor,
    /// Whoever answers must choose another password first.
    #[error("Your password has expired: choose another one before you let a program in")]
    PasswordExpired,
    /// The program wants somebody who has just signed in.
    #[error("Sign in again before you let this program in")]
    SignInAgain,
    /// No such consent.
    #[error("No active grant found for this client")]
    NoConsent,
    /// The client did not prove itself.
    #[error("Invalid client credentials")]
    Credentials,
    /// The client may not do this.
    #[error("{0}")]
    Unauthorized(&'static str),
    /// The code or refresh token is not good, for this client, here. `0` is for the log.
    #[error("Invalid authorization grant")]
    Grant(&'static str),
    /// A code came twice: what it gave is taken back.
    #[error("Invalid authorization grant")]
    Replayed,
    /// The request is malformed.
    #[error("{0}")]
    Malformed(&'static str),
    /// Another grant than a code or a refresh token.
    #[error("Unsupported grant type")]
    GrantType,
}

impl ServerError {
    /// The name of RFC 6749 5.2, for the token endpoint.
    pub fn name(&self) -> &'static str {
        match self {
            ServerError::Credentials | ServerError::NoClient => "invalid_client",
            ServerError::Grant(_) | ServerError::Replayed => "invalid_grant",
            ServerError::GrantType => "unsupported_grant_type",
            ServerError::Unauthorized(_) => "unauthorized_client",
            ServerError::Scope(_) => "invalid_scope",
            ServerError::RedirectUri(_) => "invalid_redirect_uri",
            ServerError::Client(_) => "invalid_client_metadata",
            ServerError::Off
            | ServerError::NoRegistration
            | ServerError::Request(_)
            | ServerError::NoAuthorization
            | ServerError::SecondFactor
            | ServerError::PasswordExpired
            | ServerError::SignInAgain
            | ServerError::NoConsent
            | ServerError::Malformed(_) => "invalid_request",
        }
    }
}

impl Fault for ServerError {
    fn kind(&self) -> Kind {
        match self {
            ServerError::Off
            | ServerError::NoClient
            | ServerError::NoAuthorization
            | ServerError::NoConsent => Kind::NotFound,
            ServerError::NoRegistration | ServerError::PasswordExpired => Kind::Forbidden,
            ServerError::SecondFactor | ServerError::SignInAgain => Kind::StepUp,
            ServerError::Client(_)
            | ServerError::RedirectUri(_)
            | ServerError::Request(_)
            | ServerError::Scope(_)
            | ServerError::Credentials
            | ServerError::Unauthorized(_)
            | ServerError::Grant(_)
            | ServerError::Replayed
            | ServerError::Malformed(_)
            | ServerError::GrantType => Kind::Invalid,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            ServerError::Off => "auth.server.off",
            ServerError::NoRegistration => "auth.server.no_registration",
            ServerError::NoClient => "auth.server.no_client",
            ServerError::RedirectUri(_) => "auth.server.redirect_uri",
            ServerError::Client(_) => "auth.server.client",
            ServerError::Request(_) => "auth.server.request",
            ServerError::Scope(_) => "auth.server.scope",
            ServerError::NoAuthorization => "auth.server.no_authorization",
            ServerError::SecondFactor => "auth.server.second_factor",
            ServerError::PasswordExpired => "auth.server.password_expired",
            ServerError::SignInAgain => "auth.server.sign_in_again",
            ServerError::NoConsent => "auth.server.no_consent",
            ServerError::Credentials => "auth.server.credentials",
            ServerError::Unauthorized(_) => "auth.server.unauthorized",
            ServerError::Grant(_) => "auth.server.grant",
            ServerError::Replayed => "auth.server.replayed",
            ServerError::Malformed(_) => "auth.server.malformed",
            ServerError::GrantType => "auth.server.grant_type",
        }
    }

    fn message(&self) -> Cow<'_, str> {
        Cow::Owned(self.to_string())
    }
}
