//! What signing in through somebody else refuses.

use std::borrow::Cow;

use base::{Fault, Kind};

/// Why a sign-in through somebody else, or a link to them, was refused.
#[derive(Debug, thiserror::Error)]
pub enum OauthError {
    /// No such provider, or it is off.
    #[error("Unsupported provider: {0}")]
    Provider(&'static str),
    /// The provider was taken away while somebody was there.
    #[error("Unsupported provider: it is not enabled any more")]
    ProviderGone,
    /// The callback was called without what it needs.
    #[error("OAuth state parameter missing")]
    NoState,
    /// The state is none of ours, or of another browser.
    #[error("OAuth state is invalid")]
    State,
    /// The state was used before.
    #[error("OAuth state has already been used")]
    StateUsed,
    /// The state is too old.
    #[error("OAuth state has expired")]
    StateExpired,
    /// The answer comes from somebody else than was asked.
    #[error("OAuth callback with invalid issuer")]
    MixUp,
    /// The provider, or the person there, said no.
    #[error("{0}")]
    Denied(String),
    /// The provider could not be spoken to.
    #[error("Unable to exchange external code")]
    Outside(#[from] outbound::Error),
    /// The provider's answer lacks what we need. `0` is for the log.
    #[error("Error getting user profile from external provider")]
    Answer(&'static str),
    /// An ID token that is not believed. `0` is for the log.
    #[error("Bad ID token")]
    IdToken(&'static str),
    /// The issuer of an ID token is not one that is on.
    #[error("Provider (issuer {0:?}) is not enabled")]
    Issuer(String),
    /// A text of a wallet that is not believed.
    #[error("{0}")]
    Wallet(&'static str),
    /// The address of what is left is somebody else's.
    #[error("Unable to unlink identity due to email conflict")]
    EmailConflict,
    /// The nonce of an ID token.
    #[error("{0}")]
    Nonce(&'static str),
    /// A token that is no invitation's.
    #[error("User identified by token not found")]
    Uninvited,
    /// The invitation was accepted, withdrawn or grew old in the meantime.
    #[error("Invite not found")]
    InviteGone,
    /// Somebody else was invited.
    #[error("Invited email does not match emails from external provider")]
    OtherInvited,
    /// The provider gave no address.
    #[error("Error getting user email from external provider")]
    NoEmail,
    /// The provider does not vouch for the address.
    #[error("Unverified email with {0}. A confirmation email has been sent to your {0} email")]
    Unverified(String),
    /// People may not link identities here.
    #[error("Manual linking is disabled")]
    LinkingOff,
    /// The identity is somebody's.
    #[error("Identity is already linked to another user")]
    Taken,
    /// No such identity.
    #[error("Identity doesn't exist")]
    NoIdentity,
    /// It is the only way in.
    #[error("User must have at least 1 identity after unlinking")]
    LastIdentity,
    /// Administrators may not add providers here.
    #[error("Custom providers are disabled")]
    CustomOff,
    /// No such provider.
    #[error("Custom provider not found")]
    NoCustom,
    /// Too many of them.
    #[error("Maximum number of custom providers reached")]
    TooManyCustom,
    /// A link that confirms an identity was used, is too old, or never was.
    #[error("This link is not valid any more")]
    LinkGone,
}

impl Fault for OauthError {
    fn kind(&self) -> Kind {
        match self {
            OauthError::Provider(_)
            | OauthError::ProviderGone
            | OauthError::NoState
            | OauthError::State
            | OauthError::StateUsed
            | OauthError::StateExpired
            | OauthError::MixUp
            | OauthError::Denied(_)
            | OauthError::Answer(_)
            | OauthError::Outside(_)
            | OauthError::IdToken(_)
            | OauthError::Issuer(_)
            | OauthError::Nonce(_)
            | OauthError::Wallet(_)
            | OauthError::NoEmail
            | OauthError::OtherInvited
            | OauthError::Unverified(_)
            | OauthError::LastIdentity
            | OauthError::TooManyCustom => Kind::Invalid,
            OauthError::LinkingOff
            | OauthError::Uninvited
            | OauthError::InviteGone
            | OauthError::NoIdentity
            | OauthError::CustomOff
            | OauthError::NoCustom
            | OauthError::LinkGone => Kind::NotFound,
            OauthError::Taken | OauthError::EmailConflict => Kind::Conflict,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            OauthError::Provider(_) => "auth.oauth.provider",
            OauthError::ProviderGone => "auth.oauth.provider_gone",
            OauthError::NoState => "auth.oauth.no_state",
            OauthError::State => "auth.oauth.state",
            OauthError::StateUsed => "auth.oauth.state_used",
            OauthError::StateExpired => "auth.oauth.state_expired",
            OauthError::MixUp => "auth.oauth.mix_up",
            OauthError::Denied(_) => "auth.oauth.denied",
            OauthError::Outside(_) => "auth.oauth.outside",
            OauthError::Answer(_) => "auth.oauth.answer",
            OauthError::IdToken(_) => "auth.oauth.id_token",
            OauthError::Issuer(_) => "auth.oauth.issuer",
            OauthError::Nonce(_) => "auth.oauth.nonce",
            OauthError::Wallet(_) => "auth.oauth.wallet",
            OauthError::EmailConflict => "auth.oauth.email_conflict",
            OauthError::Uninvited => "auth.oauth.uninvited",
            OauthError::InviteGone => "auth.oauth.invite_gone",
            OauthError::OtherInvited => "auth.oauth.other_invited",
            OauthError::NoEmail => "auth.oauth.no_email",
            OauthError::Unverified(_) => "auth.oauth.unverified",
            OauthError::LinkingOff => "auth.oauth.linking_off",
            OauthError::Taken => "auth.oauth.taken",
            OauthError::NoIdentity => "auth.oauth.no_identity",
            OauthError::LastIdentity => "auth.oauth.last_identity",
            OauthError::CustomOff => "auth.oauth.custom_off",
            OauthError::NoCustom => "auth.oauth.no_custom",
            OauthError::TooManyCustom => "auth.oauth.too_many_custom",
            OauthError::LinkGone => "auth.oauth.link_gone",
        }
    }

    fn message(&self) -> Cow<'_, str> {
        Cow::Owned(self.to_string())
    }
}
