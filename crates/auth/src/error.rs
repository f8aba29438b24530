//! What auth refuses, in words that tell a stranger nothing about who has an account here.

use std::borrow::Cow;

use base::{Fault, Kind};

/// Why an account, session or credential was refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    // Credentials.
    /// Two credentials, or one given twice: nobody can know which was meant.
    #[error("{0}")]
    Ambiguous(&'static str),
    /// `Authorization` is not one Bearer token.
    #[error("This endpoint requires a valid Bearer token")]
    NoBearer,
    /// The token is forged, of another project, or cannot be read. `0` is for the log.
    #[error("invalid JWT: unable to parse or verify signature, {0}")]
    BadToken(&'static str),
    /// The key that signed it is not believed any more (`palisade keys rotate`). Whoever has such a token refreshes it.
    #[error("invalid JWT: unable to parse or verify signature, its key was given up")]
    KeyGivenUp,
    /// The token has had its time.
    #[error("invalid JWT: token has expired")]
    TokenExpired,
    /// The token's session was ended.
    #[error("Token has been revoked")]
    TokenRevoked,
    /// No such API key, or a revoked or expired one.
    #[error("Invalid API key")]
    BadKey,
    /// A secret key sent by a browser: whoever looks at the page has it.
    #[error("Forbidden use of secret API key in browser")]
    SecretKeyInBrowser,

    /// A key from an address it may not be used from. Worded like any bad key: a thief learns nothing.
    #[error("Invalid API key")]
    KeyElsewhere,

    // Sign-up and sign-in.
    /// Unknown user and wrong password alike.
    #[error("Invalid login credentials")]
    InvalidCredentials,
    /// The password is right, the address was never confirmed.
    #[error("Email not confirmed")]
    EmailNotConfirmed,
    /// The account is banned.
    #[error("User is banned")]
    Banned,
    /// Sign-up is closed.
    #[error("Signups not allowed for this instance")]
    SignupDisabled,
    /// No mail can be sent, so no address can be confirmed.
    #[error("Email signups are disabled: this server cannot send mail to confirm an address")]
    NoMail,
    /// The operator wants no accounts by e-mail.
    #[error("Email signups are disabled")]
    EmailOff,
    /// Nobody signs up, or is sent a code, by telephone here.
    #[error("{0}")]
    PhoneOff(&'static str),
    /// A way of signing in that is off or not built.
    #[error("{what}")]
    Disabled {
        /// GoTrue's code for it.
        code: &'static str,
        /// What is off.
        what: Cow<'static, str>,
    },
    /// Somebody has that account already.
    #[error("User already registered")]
    UserExists,
    /// An administrator chose an address that is taken.
    #[error("A user with this email address has already been registered")]
    EmailExists,
    /// An administrator chose a number that is taken.
    #[error("A user with this phone number has already been registered")]
    PhoneExists,
    /// The password does not meet the policy.
    #[error("{message}")]
    WeakPassword {
        /// What is missing, for a person.
        message: String,
        /// What is missing, for a program: `length`, `characters`.
        reasons: Vec<&'static str>,
    },
    /// Too many wrong passwords.
    #[error("Too many wrong passwords: try again in {} minutes, or from a device you have signed in with before", .retry_after.as_secs().div_ceil(60).max(1))]
    LockedOut {
        /// When a try will be taken again.
        retry_after: std::time::Duration,
    },
    /// The operator's own code refused, or gave no answer.
    #[error(transparent)]
    Hook(#[from] crate::hooks::HookError),
    /// The operator's own code refused a password.
    #[error("{0}")]
    RejectedPassword(String),
    /// The operator's own code refused a second factor.
    #[error("{0}")]
    RejectedFactor(String),
    /// Nobody showed that a person is there.
    #[error("captcha protection: request disallowed ({0})")]
    Captcha(String),
    /// The session that is asked for is not there, or not the caller's.
    #[error("Session not found")]
    SessionNotFound,
    /// The caller's own account is banned.
    #[error("User is banned")]
    CallerBanned,
    /// An account without an address cannot have a password.
    #[error("Updating password of an anonymous user without an email or phone is not allowed")]
    AnonymousPassword,
    /// The last way into an account is not taken away.
    #[error("User must have at least 1 identity after unlinking")]
    LastIdentity,
    /// There is no such identity.
    #[error("Identity doesn't exist")]
    NoIdentity,
    /// The new password is one of the last.
    #[error("New password should be different from your last passwords.")]
    UsedPassword,
    /// The list of breached passwords cannot be read.
    #[error("the list of breached passwords cannot be read")]
    BreachedList(#[source] std::io::Error),
    /// The current password was asked for and not given.
    #[error("Current password required when setting new password.")]
    CurrentPasswordMissing,
    /// The new password is the old one.
    #[error("New password should be different from the old password.")]
    SamePassword,
    /// The current password was asked for and is wrong.
    #[error("Current password required when setting new password.")]
    CurrentPassword,
    /// A field is wrong.
    #[error("{0}")]
    Validation(Cow<'static, str>),
    /// What stands for an id in a path is none.
    #[error("{0}")]
    NotAnId(&'static str),
    /// Something of one's own is to be removed for another audience than the account's.
    #[error("Token audience doesn't match request audience")]
    Audience,
    /// Only an administrator may set this.
    #[error("{0}")]
    NotAdmin(&'static str),

    /// Nobody acts as a program.
    #[error(
        "service_role passes by every policy and is not lent to a session: look in a person's name or as anon, or use the secret \
         key, from a server"
    )]
    ServiceNotLent,

    /// The session is weaker than the account's factors ask for.
    #[error("AAL2 session is required to update email or password when MFA is enabled.")]
    InsufficientLevel,

    // Sessions.
    /// The user of a token is gone.
    #[error("User from sub claim in JWT does not exist")]
    UserGone,
    /// An administrator named a user that is not there.
    #[error("User not found")]
    UserNotFound,
    /// The session of a refresh token is gone.
    #[error("Invalid Refresh Token: Refresh Token Not Found")]
    RefreshNotFound,
    /// The refresh token was used before, too long ago to be a lost answer.
    #[error("Invalid Refresh Token: Already Used")]
    RefreshUsed,
    /// Not a refresh token.
    #[error("Refresh token is not valid")]
    RefreshMalformed,
    /// Others refresh the same session, and do not come to an end.
    #[error("Too many concurrent token refresh requests on the same session or refresh token")]
    RefreshBusy,
    /// The session reached its idle or absolute end.
    #[error("Invalid Refresh Token: Session Expired{0}")]
    SessionExpired(&'static str),
    /// The account was banned since.
    #[error("Invalid Refresh Token: User Banned")]
    RefreshBanned,

    // Flows.
    /// A code or state that names no flow: spent, forgotten, or made up.
    #[error("invalid flow state, no valid flow state found")]
    FlowNotFound,
    /// The flow or its code has had its time.
    #[error("invalid flow state, flow state has expired")]
    FlowExpired,
    /// The code verifier is not the one the flow was begun with.
    #[error("code challenge does not match previously saved code verifier")]
    CodeVerifier,

    // Links and codes.
    /// A code that is wrong, spent, too old, or guessed at too often.
    #[error("Token has expired or is invalid")]
    CodeInvalid,
    /// A link that is wrong, spent or too old.
    #[error("Email link is invalid or has expired")]
    LinkInvalid,
    /// The code that proves somebody's presence is not good.
    #[error("Nonce has expired or is invalid")]
    Nonce,
    /// The address or number was written to a moment ago.
    #[error("For security purposes, you can only request this after {} seconds.", wait.as_secs())]
    TooSoon {
        /// Whether it is a number.
        is_text: bool,
        /// How long it has to wait.
        wait: std::time::Duration,
    },

    /// So many messages left within the hour.
    #[error("{} rate limit exceeded", if *is_text { "SMS" } else { "email" })]
    SentMax {
        /// Whether they are texts.
        is_text: bool,
        /// When there is room again.
        wait: std::time::Duration,
    },

    /// The number was not confirmed.
    #[error("Phone not confirmed")]
    PhoneNotConfirmed,

    /// A set-up link that was used, is too old, or never was.
    #[error("This set-up link is not valid any more: make a new one with `palisade admin create`")]
    SetupLink,

    // Somebody else's sign-in.
    /// A provider, an identity or a link to one.
    #[error(transparent)]
    Oauth(#[from] crate::oauth::OauthError),
    /// What our own OAuth server refuses.
    #[error(transparent)]
    Server(#[from] crate::server::ServerError),

    /// Keys are to be changed of which none signs.
    #[error(
        "Tokens are signed with a shared secret here (jwt.signing is hs256), so no key was changed: give auth.jwt_secret another \
         value and start again; what the last one signed is refused then, and clients refresh by themselves"
    )]
    SharedSigning,

    // Start.
    /// A setting that must not be started with.
    #[error("{what}: {fix}")]
    Unsafe {
        /// What is wrong.
        what: &'static str,
        /// What to do.
        fix: &'static str,
    },

    /// Second factors and passkeys.
    #[error(transparent)]
    Mfa(#[from] crate::mfa::Error),

    // Below us.
    /// A user's trigger or constraint refused the account.
    #[error("Database error {doing}")]
    Trigger {
        /// `saving new user`, …
        doing: &'static str,
        /// What PostgreSQL said.
        #[source]
        source: pg::Error,
    },
    /// A setting of a section that cannot be started with.
    #[error("{setting} {what}")]
    Setting {
        /// Which.
        setting: &'static str,
        /// What is wrong, and what to do.
        what: String,
    },
    /// Signing in through a SAML provider, or setting one up.
    #[error(transparent)]
    Sso(#[from] crate::sso::SsoRefusal),
    /// A SAML message, key or metadata.
    #[error(transparent)]
    SamlMessage(#[from] ::saml::Error),
    /// Something that had to be fetched.
    #[error("it could not be fetched")]
    Fetch(#[source] outbound::Error),
    /// The database.
    #[error("the database refused")]
    Database(#[from] pg::Error),
    /// The audit log: what cannot be recorded does not happen.
    #[error("the audit log refused")]
    Audit(#[from] audit::Error),
    /// Keys and hashes.
    #[error(transparent)]
    Seal(#[from] seal::Error),
    /// Work for later.
    #[error(transparent)]
    Jobs(#[from] jobs::Error),
    /// Mail.
    #[error(transparent)]
    Mail(#[from] mail::Error),
    /// Texts.
    #[error(transparent)]
    Texts(#[from] texts::Error),
}

impl Error {
    /// A refused field.
    pub fn invalid(what: impl Into<Cow<'static, str>>) -> Self {
        Error::Validation(what.into())
    }

    /// A way in that is off.
    pub fn disabled(code: &'static str, what: impl Into<Cow<'static, str>>) -> Self {
        Error::Disabled { code, what: what.into() }
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::NoBearer
            | Error::BadToken(_)
            | Error::KeyGivenUp
            | Error::TokenExpired
            | Error::TokenRevoked
            | Error::BadKey
            | Error::KeyElsewhere
            | Error::UserGone => Kind::Unauthenticated,
            Error::SecretKeyInBrowser
            | Error::NotAdmin(_)
            | Error::ServiceNotLent
            | Error::Audience
            | Error::SetupLink
            | Error::CodeInvalid
            | Error::LinkInvalid => Kind::Forbidden,
            Error::TooSoon { .. } | Error::SentMax { .. } => Kind::TooMany,
            Error::InsufficientLevel => Kind::StepUp,
            Error::UserNotFound | Error::NotAnId(_) | Error::FlowNotFound => Kind::NotFound,
            Error::UserExists | Error::EmailExists | Error::PhoneExists | Error::RefreshBusy => {
                Kind::Conflict
            }
            Error::Ambiguous(_)
            | Error::InvalidCredentials
            | Error::EmailNotConfirmed
            | Error::PhoneNotConfirmed
            | Error::Banned
            | Error::SignupDisabled
            | Error::NoMail
            | Error::EmailOff
            | Error::PhoneOff(_)
            | Error::Disabled { .. }
            | Error::WeakPassword { .. }
            | Error::SamePassword
            | Error::UsedPassword
            | Error::AnonymousPassword
            | Error::RejectedPassword(_)
            | Error::Captcha(_)
            | Error::LastIdentity
            | Error::NoIdentity
            | Error::CurrentPasswordMissing
            | Error::CurrentPassword
            | Error::Validation(_)
            | Error::FlowExpired
            | Error::CodeVerifier
            | Error::Nonce
            | Error::RefreshNotFound
            | Error::RefreshUsed
            | Error::RefreshMalformed
            | Error::SessionExpired(_)
            | Error::SharedSigning
            | Error::RefreshBanned => Kind::Invalid,
            Error::Hook(crate::hooks::HookError::Refused { status, .. }) if *status < 500 => Kind::Invalid,
            Error::Hook(_) => Kind::Unavailable,
            Error::RejectedFactor(_) => Kind::Forbidden,
            Error::SessionNotFound => Kind::NotFound,
            Error::CallerBanned => Kind::Forbidden,
            Error::LockedOut { .. } => Kind::TooMany,
            Error::BreachedList(_) => Kind::Unavailable,
            Error::Unsafe { .. } | Error::Setting { .. } | Error::Trigger { .. } => Kind::Bug,
            Error::Sso(error) => error.kind(),
            Error::SamlMessage(error) => error.kind(),
            Error::Fetch(_) => Kind::Invalid,
            Error::Mfa(error) => error.kind(),
            Error::Oauth(error) => error.kind(),
            Error::Server(error) => error.kind(),
            Error::Database(error) => error.kind(),
            Error::Audit(error) => error.kind(),
            Error::Seal(error) => error.kind(),
            Error::Jobs(error) => error.kind(),
            Error::Mail(error) => error.kind(),
            Error::Texts(error) => error.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Ambiguous(_) => "auth.credentials.ambiguous",
            Error::NoBearer => "auth.credentials.no_bearer",
            Error::BadToken(_) => "auth.token.invalid",
            Error::KeyGivenUp => "auth.token.key_given_up",
            Error::TokenExpired => "auth.token.expired",
            Error::TokenRevoked => "auth.token.revoked",
            Error::BadKey => "auth.key.invalid",
            Error::KeyElsewhere => "auth.key.elsewhere",
            Error::SecretKeyInBrowser => "auth.key.secret_in_browser",
            Error::InvalidCredentials => "auth.credentials.invalid",
            Error::EmailNotConfirmed => "auth.email.not_confirmed",
            Error::Banned => "auth.user.banned",
            Error::SignupDisabled => "auth.signup.disabled",
            Error::NoMail => "auth.signup.no_mail",
            Error::EmailOff => "auth.email.off",
            Error::PhoneOff(_) => "auth.phone.off",
            Error::Disabled { .. } => "auth.disabled",
            Error::UserExists => "auth.user.exists",
            Error::EmailExists => "auth.email.exists",
            Error::PhoneExists => "auth.phone.exists",
            Error::WeakPassword { .. } => "auth.password.weak",
            Error::SamePassword => "auth.password.same",
            Error::UsedPassword => "auth.password.used",
            Error::Hook(_) => "auth.hook",
            Error::RejectedPassword(_) => "auth.hook.rejected_password",
            Error::RejectedFactor(_) => "auth.hook.rejected_factor",
            Error::Captcha(_) => "auth.captcha",
            Error::SessionNotFound => "auth.session.not_found",
            Error::CallerBanned => "auth.user.caller_banned",
            Error::AnonymousPassword => "auth.password.anonymous",
            Error::LastIdentity => "auth.identity.last",
            Error::NoIdentity => "auth.identity.not_found",
            Error::LockedOut { .. } => "auth.locked_out",
            Error::BreachedList(_) => "auth.password.breached_list",
            Error::CurrentPasswordMissing => "auth.password.current_missing",
            Error::CurrentPassword => "auth.password.current",
            Error::Validation(_) => "auth.invalid",
            Error::NotAnId(_) => "auth.not_an_id",
            Error::NotAdmin(_) => "auth.not_admin",
            Error::ServiceNotLent => "auth.service_not_lent",
            Error::Audience => "auth.audience",
            Error::InsufficientLevel => "auth.level.insufficient",
            Error::UserGone => "auth.user.gone",
            Error::UserNotFound => "auth.user.not_found",
            Error::RefreshNotFound => "auth.refresh.not_found",
            Error::RefreshUsed => "auth.refresh.used",
            Error::RefreshBusy => "auth.refresh.busy",
            Error::RefreshMalformed => "auth.refresh.malformed",
            Error::SessionExpired(_) => "auth.session.expired",
            Error::RefreshBanned => "auth.refresh.banned",
            Error::FlowNotFound => "auth.flow.not_found",
            Error::FlowExpired => "auth.flow.expired",
            Error::CodeVerifier => "auth.flow.verifier",
            Error::CodeInvalid => "auth.code.invalid",
            Error::LinkInvalid => "auth.link.invalid",
            Error::Nonce => "auth.nonce",
            Error::TooSoon { .. } => "auth.too_soon",
            Error::SentMax { .. } => "auth.sent_max",
            Error::PhoneNotConfirmed => "auth.phone.not_confirmed",
            Error::SetupLink => "auth.setup_link",
            Error::Oauth(error) => error.code(),
            Error::Server(error) => error.code(),
            Error::SharedSigning => "auth.key.shared_signing",
            Error::Unsafe { .. } => "auth.unsafe",
            Error::Setting { .. } => "auth.setting",
            Error::Sso(error) => error.code(),
            Error::SamlMessage(error) => error.code(),
            Error::Fetch(_) => "auth.fetch",
            Error::Trigger { .. } => "auth.trigger",
            Error::Mfa(error) => error.code(),
            Error::Database(error) => error.code(),
            Error::Audit(error) => error.code(),
            Error::Seal(error) => error.code(),
            Error::Jobs(error) => error.code(),
            Error::Mail(error) => error.code(),
            Error::Texts(error) => error.code(),
        }
    }

    fn message(&self) -> Cow<'_, str> {
        match self {
            Error::Database(error) => error.message(),
            Error::Audit(error) => error.message(),
            Error::Seal(error) => error.message(),
            Error::Oauth(error) => error.message(),
            Error::Server(error) => error.message(),
            Error::SamlMessage(error) => error.message(),
            Error::Unsafe { .. } | Error::Setting { .. } | Error::BreachedList(_) => {
                "An unexpected error occurred".into()
            }
            Error::Jobs(error) => error.message(),
            Error::Mail(error) => error.message(),
            Error::Texts(error) => error.message(),
            other => Cow::Owned(other.to_string()),
        }
    }

    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Error::Mfa(error) => error.hint(),
            _ => None,
        }
    }

    fn retry_after(&self) -> Option<std::time::Duration> {
        match self {
            Error::Mfa(error) => error.retry_after(),
            Error::Seal(error) => error.retry_after(),
            Error::LockedOut { retry_after } => Some(*retry_after),
            Error::TooSoon { wait, .. } | Error::SentMax { wait, .. } => Some(*wait),
            _ => None,
        }
    }
}
