//! Why signing in through a provider, or setting one up, was refused. Kinds and codes for dialects; words for people.

use base::{Fault, Kind};

/// A refusal about SAML that is not the message's own.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SsoRefusal {
    /// SAML is switched off.
    #[error("SAML 2.0 is disabled")]
    Off,
    /// No provider of that id.
    #[error("No such SSO provider")]
    ProviderNotFound,
    /// No provider for that domain.
    #[error("No SSO provider assigned for this domain")]
    NoProviderForDomain,
    /// The provider is switched off.
    #[error("SSO provider is disabled")]
    ProviderDisabled,
    /// The answer names no sign-in that was begun here, or one that was answered.
    #[error("SAML RelayState does not exist, or was used")]
    RelayStateNotFound,
    /// The sign-in took too long.
    #[error("SAML RelayState has expired")]
    RelayStateExpired,
    /// The sign-in belongs to another browser, to none that shows its cookie, or to a program.
    #[error(
        "This sign-in belongs to another browser: begin again in the one that is to be signed in, with cookies on, or use PKCE"
    )]
    OtherBrowser,
    /// Nobody here trusts who sent this.
    #[error("A SAML connection has not been established with this Identity Provider")]
    IdpNotFound,
    /// Nobody asked for this answer, and this provider may not send such.
    #[error("Signing in must begin here: this identity provider may not begin it")]
    IdpInitiated,
    /// The assertion was presented before.
    #[error("SAML Assertion was used before")]
    Replayed,
    /// The provider's name for the person changes with every sign-in.
    #[error("SAML Assertion has no lasting name for the person")]
    NoUserId,
    /// The assertion says no e-mail address.
    #[error("SAML Assertion has no e-mail address")]
    NoEmail,
    /// The address belongs to another provider's domain.
    #[error("SAML Assertion has an e-mail address of another provider's domain")]
    ForeignDomain,
    /// Metadata could not be had.
    #[error("SAML metadata could not be fetched")]
    MetadataFetch,
    /// Metadata without TLS.
    #[error("metadata_url is not an HTTPS URL")]
    MetadataInsecure,
    /// That provider is there already.
    #[error("SAML Identity Provider with this EntityID already exists")]
    IdpExists,
    /// That domain has a provider.
    #[error("SSO Domain is already assigned to an SSO provider")]
    DomainExists,
    /// A change would make it another provider.
    #[error("SAML Metadata can be updated only if the EntityID matches")]
    EntityIdMismatch,
}

impl Fault for SsoRefusal {
    fn kind(&self) -> Kind {
        match self {
            SsoRefusal::Off
            | SsoRefusal::ProviderNotFound
            | SsoRefusal::NoProviderForDomain
            | SsoRefusal::ProviderDisabled => Kind::NotFound,
            SsoRefusal::IdpExists | SsoRefusal::DomainExists => Kind::Conflict,
            SsoRefusal::RelayStateNotFound
            | SsoRefusal::RelayStateExpired
            | SsoRefusal::OtherBrowser
            | SsoRefusal::IdpNotFound
            | SsoRefusal::IdpInitiated
            | SsoRefusal::Replayed
            | SsoRefusal::NoUserId
            | SsoRefusal::NoEmail
            | SsoRefusal::ForeignDomain
            | SsoRefusal::MetadataFetch
            | SsoRefusal::MetadataInsecure
            | SsoRefusal::EntityIdMismatch => Kind::Invalid,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            SsoRefusal::Off => "auth.sso.off",
            SsoRefusal::ProviderNotFound => "auth.sso.provider_not_found",
            SsoRefusal::NoProviderForDomain => "auth.sso.no_provider_for_domain",
            SsoRefusal::ProviderDisabled => "auth.sso.provider_disabled",
            SsoRefusal::RelayStateNotFound => "auth.sso.relay_state_not_found",
            SsoRefusal::RelayStateExpired => "auth.sso.relay_state_expired",
            SsoRefusal::OtherBrowser => "auth.sso.other_browser",
            SsoRefusal::IdpNotFound => "auth.sso.idp_not_found",
            SsoRefusal::IdpInitiated => "auth.sso.idp_initiated",
            SsoRefusal::Replayed => "auth.sso.replayed",
            SsoRefusal::NoUserId => "auth.sso.no_user_id",
            SsoRefusal::NoEmail => "auth.sso.no_email",
            SsoRefusal::ForeignDomain => "auth.sso.foreign_domain",
            SsoRefusal::MetadataFetch => "auth.sso.metadata_fetch",
            SsoRefusal::MetadataInsecure => "auth.sso.metadata_insecure",
            SsoRefusal::IdpExists => "auth.sso.idp_exists",
            SsoRefusal::DomainExists => "auth.sso.domain_exists",
            SsoRefusal::EntityIdMismatch => "auth.sso.entity_id_mismatch",
        }
    }
}
