//! What an operator can set about accounts, sessions and keys.

mod hooks;
mod messages;
mod passwords;
mod ways;

pub use hooks::*;
pub use messages::*;
pub use passwords::*;
pub use ways::*;

use std::time::Duration;

use base::Secret;
use base::setting::{Alias, Definition, Guide, Refused, Setting};

/// Life of an access token.
pub static ACCESS_TOKEN_EXPIRY: Setting<Duration> = Setting::new("auth.access_token_expiry", "15m")
    .also(&[Alias::seconds("GOTRUE_JWT_EXP", Guide::AppFlowy)])
    .range("30s", "7d")
    .changes("how long an access token is accepted before it must be refreshed; above one hour the posture report warns")
    .proven_by(&[27]);

/// Idle life of a refresh token.
pub static REFRESH_TOKEN_EXPIRY: Setting<Duration> = Setting::new("auth.refresh_token_expiry", "7d")
    .also(&[
        Alias::seconds("GOTRUE_REFRESH_TOKEN_EXP", Guide::AppFlowy),
        Alias::same("GOTRUE_SESSIONS_INACTIVITY_TIMEOUT", Guide::Other),
    ])
    .range("1m", "365d")
    .changes("how long a session may stay unused before it ends")
    .proven_by(&[28]);

/// Absolute life of a session.
pub static SESSION_MAX: Setting<Duration> = Setting::new("auth.session_max", "30d")
    .also(&[Alias::same("GOTRUE_SESSIONS_TIMEBOX", Guide::Other)])
    .range("5m", "3650d")
    .changes("how long a session lasts at most, however often it is used")
    .proven_by(&[28]);

/// How long one proof is enough for somebody who has two.
pub static LOW_LEVEL_MAX: Setting<Option<Duration>> = Setting::unset("auth.low_level_max")
    .also(&[Alias::same("GOTRUE_SESSIONS_ALLOW_LOW_AAL", Guide::Other)])
    .changes(
        "how long a session may stay without its second factor where the person has one; as long as any other when unset. \
         mfa.required lets such a session do nothing in that time",
    )
    .proven_by(&[28]);

/// One session a person.
pub static SINGLE_SESSION: Setting<bool> = Setting::new("auth.single_session", "false")
    .also(&[Alias::same("GOTRUE_SESSIONS_SINGLE_PER_USER", Guide::Other)])
    .changes("a sign-in ends every other session of the person");

/// Rotation of refresh tokens, which cannot be switched off.
pub static REFRESH_TOKEN_ROTATION: Setting<bool> = Setting::new("auth.refresh_token_rotation", "true")
    .also(&[Alias::same("GOTRUE_SECURITY_REFRESH_TOKEN_ROTATION_ENABLED", Guide::Other)])
    .refuses(&[Refused {
        value: "false",
        control: 29,
        why: "refresh tokens are always replaced when used: a stolen one is noticed by its second use",
    }])
    .changes("nothing: refresh tokens are always replaced when used; false is refused")
    .proven_by(&[29]);

/// How long a lost answer to a refresh may be asked for again.
pub static REFRESH_TOKEN_GRACE: Setting<Duration> = Setting::new("auth.refresh_token_grace", "30s")
    .also(&[Alias::seconds("GOTRUE_SECURITY_REFRESH_TOKEN_REUSE_INTERVAL", Guide::Other)])
    .range("0s", "5m")
    .changes("how long the last used refresh token still gives the same successor, for lost answers and several tabs")
    .proven_by(&[29]);

/// Where secret keys work.
pub static SERVICE_ROLE_ADDRESSES: Setting<Vec<String>> = Setting::new("auth.service_role_addresses", "")
    .changes("addresses and networks that secret keys are accepted from, besides what each key says of itself; empty for everywhere")
    .proven_by(&[150]);

/// A shared signing secret.
pub static JWT_SECRET: Setting<Option<Secret<String>>> = Setting::unset("auth.jwt_secret")
    .also(&[
        Alias::same("GOTRUE_JWT_SECRET", Guide::Other),
        Alias::same("JWT_SECRET", Guide::Fluxbase),
    ])
    .changes("access tokens are signed with it (HS256), unless jwt.signing is es256, which keeps it for verification only, until `palisade keys rotate --compromised`")
    .proven_by(&[116, 117]);

/// How access tokens are signed.
pub static JWT_SIGNING: Setting<Option<String>> = Setting::unset("jwt.signing")
    .choices(&["es256", "hs256"])
    .changes(
        "es256: signed with a key of ours that others can verify but not use; hs256: with auth.jwt_secret",
    )
    .proven_by(&[116]);

/// `iss` of access tokens.
pub static JWT_ISSUER: Setting<Option<String>> = Setting::unset("auth.jwt_issuer")
    .also(&[Alias::same("GOTRUE_JWT_ISSUER", Guide::Other)])
    .changes("the issuer of access tokens; a session token of another issuer is refused");

/// `aud` of access tokens.
pub static JWT_AUDIENCE: Setting<String> = Setting::new("auth.jwt_audience", "authenticated")
    .also(&[Alias::same("GOTRUE_JWT_AUD", Guide::Other)])
    .changes(
        "the audience of new accounts and their tokens; a session token for another audience is refused",
    );

/// `role` of new accounts.
pub static JWT_DEFAULT_ROLE: Setting<String> = Setting::new("auth.jwt_default_role", "authenticated")
    .also(&[Alias::same("GOTRUE_JWT_DEFAULT_GROUP_NAME", Guide::Other)])
    .changes("the role claim of new accounts")
    .refuses(&[
        Refused {
            value: "service_role",
            control: 47,
            why: "new accounts must not pass by row level security",
        },
        Refused { value: "dashboard_admin", control: 47, why: "new accounts must not be administrators" },
        Refused { value: "supabase_admin", control: 47, why: "new accounts must not be administrators" },
    ])
    .proven_by(&[47]);

/// Closed sign-up.
pub static DISABLE_SIGNUP: Setting<bool> = Setting::new("auth.disable_signup", "false")
    .also(&[Alias::same("GOTRUE_DISABLE_SIGNUP", Guide::Other)])
    .changes("nobody can make an account of their own; administrators still can");

/// Sign-up without a confirmed address.
pub static AUTOCONFIRM: Setting<bool> = Setting::new("auth.autoconfirm", "false")
    .also(&[Alias::same("GOTRUE_MAILER_AUTOCONFIRM", Guide::Other)])
    .changes(
        "new accounts are confirmed without a mail; whoever signs up with an address is believed to own it",
    );

/// Another place for the GoTrue routes.
pub static SECOND_PREFIX: Setting<Option<String>> = Setting::unset("auth.second_prefix")
    .changes("the auth routes are served under this path too, for instance /gotrue");

/// The base of every link and of the issuer.
pub static EXTERNAL_URL: Setting<Option<String>> = Setting::unset("auth.external_url")
    .also(&[Alias::same("API_EXTERNAL_URL", Guide::Other)])
    .changes("the public address that links and the token issuer are made of; never taken from a request");

/// Documents of SCIM.
pub static SCIM: Setting<bool> = Setting::new("auth.scim.enabled", "false")
    .also(&[Alias::same("GOTRUE_EXPERIMENTAL_SCIM_ENABLED", Guide::Other)])
    .changes("whether /scim/v2 says what can be provisioned here: as upstream's, nothing yet");

/// Where people land.
pub static SITE_URL: Setting<Option<String>> = Setting::unset("auth.site_url")
    .also(&[Alias::same("GOTRUE_SITE_URL", Guide::Other)])
    .changes("where people are sent after a link or an outside sign-in unless they asked for another allowed place; the public address otherwise");

/// Where else people may be sent.
pub static URI_ALLOW_LIST: Setting<Vec<String>> = Setting::new("auth.uri_allow_list", "")
    .also(&[Alias::same("GOTRUE_URI_ALLOW_LIST", Guide::Other)])
    .changes("patterns of addresses besides the site that links and outside sign-ins may lead to: * within a part of host or path, ** across");

/// Life of a mailed link or code.
pub static OTP_EXPIRY: Setting<Duration> = Setting::new("auth.otp_expiry", "1h")
    .also(&[Alias::seconds("GOTRUE_MAILER_OTP_EXP", Guide::Other)])
    .range("1m", "24h")
    .changes("how long a link or code that was mailed can be used");

/// Length of a mailed code.
pub static OTP_LENGTH: Setting<u8> = Setting::new("auth.otp_length", "6")
    .also(&[Alias::same("GOTRUE_MAILER_OTP_LENGTH", Guide::Other)])
    .range("6", "10")
    .changes("how many digits a mailed code has");

/// The pause between mails to one address.
pub static MAIL_MAX_FREQUENCY: Setting<Duration> = Setting::new("auth.mail_max_frequency", "1m")
    .also(&[Alias::same("GOTRUE_SMTP_MAX_FREQUENCY", Guide::Other)])
    .range("0s", "24h")
    .changes("how long an address has to wait before it is sent another mail of the same kind");

/// Two confirmations of another address.
pub static SECURE_EMAIL_CHANGE: Setting<bool> = Setting::new("auth.secure_email_change", "true")
    .also(&[Alias::same("GOTRUE_MAILER_SECURE_EMAIL_CHANGE_ENABLED", Guide::Other)])
    .changes(
        "another address must be agreed to at the present one too; without it the present one is only told",
    );

/// Where links lead.
pub static LINKS_PATH: Setting<Option<String>> = Setting::unset("auth.links_path")
    .also(&[
        Alias::same("GOTRUE_MAILER_URLPATHS_CONFIRMATION", Guide::Other),
        Alias::same("GOTRUE_MAILER_URLPATHS_RECOVERY", Guide::Other),
        Alias::same("GOTRUE_MAILER_URLPATHS_INVITE", Guide::Other),
        Alias::same("GOTRUE_MAILER_URLPATHS_EMAIL_CHANGE", Guide::Other),
        Alias::same("GOTRUE_MAILER_URLPATHS_MAGIC_LINK", Guide::Other),
    ])
    .changes("the path that links in mails lead to on the public address, for those who mount the auth routes elsewhere");

/// How long a flow may take.
pub static FLOW_STATE_EXPIRY: Setting<Duration> = Setting::new("auth.flow_state_expiry", "5m")
    .also(&[Alias::same("GOTRUE_EXTERNAL_FLOW_STATE_EXPIRY_DURATION", Guide::Other)])
    .range("1m", "1h")
    .changes(
        "how long somebody may take at an outside sign-in, and how long the code they come back with is good",
    );

/// Every setting of this crate.
pub const SETTINGS: &[&Definition] = &[
    &ACCESS_TOKEN_EXPIRY.definition,
    &REFRESH_TOKEN_EXPIRY.definition,
    &SESSION_MAX.definition,
    &LOW_LEVEL_MAX.definition,
    &SINGLE_SESSION.definition,
    &REFRESH_TOKEN_ROTATION.definition,
    &REFRESH_TOKEN_GRACE.definition,
    &SERVICE_ROLE_ADDRESSES.definition,
    &JWT_SECRET.definition,
    &JWT_SIGNING.definition,
    &JWT_ISSUER.definition,
    &JWT_AUDIENCE.definition,
    &JWT_DEFAULT_ROLE.definition,
    &DISABLE_SIGNUP.definition,
    &AUTOCONFIRM.definition,
    &SECOND_PREFIX.definition,
    &EXTERNAL_URL.definition,
    &SCIM.definition,
    &SITE_URL.definition,
    &URI_ALLOW_LIST.definition,
    &OTP_EXPIRY.definition,
    &OTP_LENGTH.definition,
    &MAIL_MAX_FREQUENCY.definition,
    &SECURE_EMAIL_CHANGE.definition,
    &LINKS_PATH.definition,
    &FLOW_STATE_EXPIRY.definition,
];
