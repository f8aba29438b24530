//! What becomes of GoTrue's variables that are no settings here: what they ask for is always so, or something else here says
//! it, or it does not exist. The last stop the start where somebody would believe in them (law 1 of the controls); the others
//! are listed with the reason, since compose files set many.
//!
//! Invariant: every variable that GoTrue reads is a setting's alias or stands here; a test has the list.

use base::setting::Origin;

use super::problem::{Problem, ProblemKind};

/// One of them, or a family: a name that ends in `*`.
struct Theirs {
    name: &'static str,
    /// What is so instead.
    instead: &'static str,
    /// The values that ask for nothing. Any value does where there are none: then it is listed and changes nothing.
    harmless: &'static [&'static str],
    refused: bool,
}

const fn listed(name: &'static str, instead: &'static str) -> Theirs {
    Theirs { name, instead, harmless: &[], refused: false }
}

/// Refused, unless it has one of these values.
const fn refused(name: &'static str, harmless: &'static [&'static str], instead: &'static str) -> Theirs {
    Theirs { name, instead, harmless, refused: true }
}

const OFF: &[&str] = &["false", "0", "off", "no"];
const ON: &[&str] = &["true", "1", "on", "yes"];
const NONE: &[&str] = &[];

const THEIRS: &[Theirs] = &[
    // The process.
    listed("GOTRUE_API_HOST", "server.host says where Palisade listens"),
    listed("GOTRUE_API_PORT", "server.port says where Palisade listens"),
    listed(
        "GOTRUE_API_MAX_REQUEST_DURATION",
        "every request has limits of its own (docs/reference/limits.md)",
    ),
    listed("GOTRUE_DB_*", "database.* says which database, and how many connections"),
    listed("GOTRUE_CORS_ALLOWED_HEADERS", "server.cors.allowed_headers says it"),
    listed("GOTRUE_LOG_*", "logging.* says it"),
    listed("GOTRUE_PROFILER_*", "there is no profiler to reach"),
    listed("GOTRUE_TRACING_*", "logging.otlp_endpoint sends spans"),
    listed("GOTRUE_METRICS_*", "monitoring.* serves metrics"),
    listed("GOTRUE_INTERNAL_HTTP_TIMEOUT", "every request of our own has a limit (docs/reference/limits.md)"),
    refused("GOTRUE_AUDIT_LOG_DISABLE_POSTGRES", OFF, "the audit log is always kept (control 92)"),
    listed("GOTRUE_INDEX_WORKER_*", "migrations make every index"),
    listed("GOTRUE_RELOADING_*", "SIGHUP reads the settings that can change while it runs"),
    listed("GOTRUE_ADMIN_EMAIL", "`palisade admin create` makes administrators, by a link"),
    listed(
        "GOTRUE_ADMIN_PASSWORD",
        "`palisade admin create` makes administrators, who choose their passwords",
    ),
    listed("GOTRUE_OPERATOR_TOKEN", "GoTrue does not read it either"),
    listed("GOTRUE_COOKIE_*", "cookies of our own need no setting"),
    listed("GOTRUE_DISABLE_SIGNUP_*", "GoTrue does not read it either"),
    refused(
        "GOTRUE_EXPERIMENTAL_PROVIDERS_WITH_OWN_LINKING_DOMAIN",
        NONE,
        "an address that a provider vouches for leads to the account that has it; only SAML providers are apart",
    ),
    refused(
        "GOTRUE_EXPERIMENTAL_PROVIDER_LINKING_DOMAINS",
        NONE,
        "an address that a provider vouches for leads to the account that has it; only SAML providers are apart",
    ),
    refused("GOTRUE_EXPERIMENTAL_CURSOR_PAGINATION_ENABLED", OFF, "/admin/users has pages by number"),
    listed(
        "GOTRUE_EXPERIMENTAL_CREATE_EMAIL_IDENTITY_ON_PASSWORD_SET_ENABLED",
        "identities follow what was proven",
    ),
    // Tokens and sessions.
    listed(
        "GOTRUE_JWT_ADMIN_GROUP_NAME",
        "administrators are made by `palisade admin create`, and have their role",
    ),
    refused(
        "GOTRUE_JWT_ADMIN_ROLES",
        &["service_role,supabase_admin", "service_role, supabase_admin", "service_role", "supabase_admin"],
        "secret keys and administrators reach admin endpoints, and no other role does",
    ),
    refused(
        "GOTRUE_JWT_KEYS",
        NONE,
        "signing keys are made here and changed with `palisade keys rotate`; auth.jwt_secret takes a shared secret (HS256)",
    ),
    listed("GOTRUE_JWT_KEY_ID", "each signing key is named by its thumbprint"),
    listed(
        "GOTRUE_JWT_VALID_METHODS",
        "a token is verified with the algorithm of the key that it names, and no other",
    ),
    refused("GOTRUE_SESSIONS_TAGS", NONE, "auth.single_session counts every session of a person"),
    listed("GOTRUE_SECURITY_REFRESH_TOKEN_ALGORITHM_VERSION", "refresh tokens are of the second kind"),
    listed("GOTRUE_SECURITY_REFRESH_TOKEN_UPGRADE_PERCENTAGE", "refresh tokens are of the second kind"),
    refused(
        "GOTRUE_SECURITY_REFRESH_TOKEN_ALLOW_REUSE",
        OFF,
        "a refresh token that was used is a stolen one (control 29); auth.refresh_token_grace is for lost answers",
    ),
    // Passwords and limits.
    listed("GOTRUE_PASSWORD_HIBP_USER_AGENT", "requests of our own say nothing of whose they are"),
    listed("GOTRUE_PASSWORD_HIBP_BLOOM_*", "auth.password_breached_file has the whole list here"),
    listed(
        "GOTRUE_SECURITY_UPDATE_PASSWORD_REQUIRE_REAUTHENTICATION",
        "a new password always needs a proof younger than five minutes (control 26)",
    ),
    listed("GOTRUE_SECURITY_CAPTCHA_TIMEOUT", "it is a limit here (docs/reference/limits.md)"),
    refused("GOTRUE_SECURITY_SB_FORWARDED_FOR_ENABLED", OFF, "server.trusted_proxies says whose word counts"),
    listed("GOTRUE_SECURITY_DB_ENCRYPTION_ENCRYPT", "secrets in the database are always sealed"),
    refused(
        "GOTRUE_SECURITY_DB_ENCRYPTION_ENCRYPTION_KEY_ID",
        NONE,
        "what GoTrue encrypted cannot be read here",
    ),
    refused(
        "GOTRUE_SECURITY_DB_ENCRYPTION_ENCRYPTION_KEY",
        NONE,
        "what GoTrue encrypted cannot be read here",
    ),
    refused(
        "GOTRUE_SECURITY_DB_ENCRYPTION_DECRYPTION_KEYS",
        NONE,
        "what GoTrue encrypted cannot be read here",
    ),
    listed(
        "GOTRUE_RATE_LIMIT_HEADER",
        "limits are always on; server.trusted_proxies says whose X-Forwarded-For counts",
    ),
    listed("GOTRUE_RATE_LIMIT_*", "the guide's limits hold; rate_limiting.endpoints changes them by path"),
    listed(
        "GOTRUE_SAML_RATE_LIMIT_ASSERTION",
        "the guide's limits hold; rate_limiting.endpoints changes them by path",
    ),
    listed(
        "GOTRUE_MFA_RATE_LIMIT_CHALLENGE_AND_VERIFY",
        "five wrong codes pause a person, whatever is asked between",
    ),
    // Mails and texts.
    listed("GOTRUE_SMTP_HEADERS", "mails have the headers that they need"),
    listed("GOTRUE_SMTP_LOGGING_ENABLED", "the outbox keeps a transcript of each try"),
    refused(
        "GOTRUE_MAILER_ALLOW_UNVERIFIED_EMAIL_SIGN_INS",
        OFF,
        "an address that nobody proved signs nobody in; auth.autoconfirm believes addresses",
    ),
    listed("GOTRUE_MAILER_TEMPLATES_*", "email.templates_dir has the words of one's own mails"),
    listed("GOTRUE_MAILER_TEMPLATE_*", "email.templates_dir has the words of one's own mails"),
    listed("GOTRUE_MAILER_URLPATHS_*", "auth.links_path is one path for all links"),
    listed("GOTRUE_MAILER_NOTIFICATIONS_*", "people are always told what happened to their account"),
    listed("GOTRUE_MAILER_EXTERNAL_HOSTS", "links are built from auth.external_url alone (attack row 34)"),
    listed("GOTRUE_MAILER_EMAIL_BACKGROUND_SENDING", "mails are always sent by a job"),
    refused(
        "GOTRUE_MAILER_EMAIL_VALIDATION_EXTENDED",
        OFF,
        "auth.hooks.before_user_created can refuse addresses",
    ),
    refused(
        "GOTRUE_MAILER_EMAIL_VALIDATION_SERVICE_URL",
        NONE,
        "auth.hooks.before_user_created can refuse addresses",
    ),
    listed(
        "GOTRUE_MAILER_EMAIL_VALIDATION_SERVICE_HEADERS",
        "auth.hooks.before_user_created can refuse addresses",
    ),
    refused(
        "GOTRUE_MAILER_EMAIL_VALIDATION_BLOCKED_MX",
        NONE,
        "auth.hooks.before_user_created can refuse addresses",
    ),
    refused("GOTRUE_SMS_TWILIO_CONTENT_SID", NONE, "texts say what sms.template says"),
    listed("GOTRUE_SMS_TWILIO_VERIFY_*", "codes are made and counted here; sms.provider: twilio sends them"),
    // Ways in.
    refused(
        "GOTRUE_EXTERNAL_EMAIL_AUTHORIZED_ADDRESSES",
        NONE,
        "auth.hooks.before_user_created says who may have an account; auth.disable_signup leaves invitations",
    ),
    refused("GOTRUE_EXTERNAL_TWITTER_ENABLED", OFF, "X signs in by OAuth 2 (auth.external.x)"),
    listed("GOTRUE_EXTERNAL_TWITTER_*", "X signs in by OAuth 2 (auth.external.x)"),
    refused(
        "GOTRUE_EXTERNAL_LINKEDIN_ENABLED",
        OFF,
        "LinkedIn signs in by OpenID Connect (auth.external.linkedin_oidc)",
    ),
    listed("GOTRUE_EXTERNAL_LINKEDIN_*", "LinkedIn signs in by OpenID Connect (auth.external.linkedin_oidc)"),
    refused(
        "GOTRUE_EXTERNAL_SLACK_ENABLED",
        OFF,
        "Slack signs in by OpenID Connect (auth.external.slack_oidc)",
    ),
    listed("GOTRUE_EXTERNAL_SLACK_*", "Slack signs in by OpenID Connect (auth.external.slack_oidc)"),
    refused(
        "GOTRUE_EXTERNAL_IOS_BUNDLE_ID",
        NONE,
        "auth.external.apple.client_id takes a list: add it there",
    ),
    refused("GOTRUE_EXTERNAL_REDIRECTURL", NONE, "auth.external.<provider>.redirect_uri says it for each"),
    refused("GOTRUE_EXTERNAL_ALLOWED_ID_TOKEN_ISSUERS", NONE, "auth.oidc_providers lists further issuers"),
    listed("GOTRUE_EXTERNAL_OIDC_PROVIDER_CACHE_TTL", "what a provider publishes is kept for an hour"),
    refused(
        "GOTRUE_CUSTOM_OAUTH_EXTERNAL_URL",
        NONE,
        "auth.external_url is where providers send people back to",
    ),
    refused("GOTRUE_MFA_TOTP_ENROLL_ENABLED", ON, "mfa.methods says which second factors there are"),
    refused("GOTRUE_MFA_TOTP_VERIFY_ENABLED", ON, "mfa.methods says which second factors there are"),
    refused("GOTRUE_MFA_PHONE_ENROLL_ENABLED", OFF, "mfa.methods says which second factors there are"),
    refused("GOTRUE_MFA_PHONE_VERIFY_ENABLED", OFF, "mfa.methods says which second factors there are"),
    listed(
        "GOTRUE_MFA_WEB_AUTHN_ENROLL_ENABLED",
        "security keys are second factors wherever webauthn.rp_id is known",
    ),
    listed(
        "GOTRUE_MFA_WEB_AUTHN_VERIFY_ENABLED",
        "security keys are second factors wherever webauthn.rp_id is known",
    ),
    listed("GOTRUE_MFA_PHONE_*", "sms.* says it for every text"),
    listed("GOTRUE_MFA_*", "it is a limit here (docs/reference/limits.md)"),
    listed("GOTRUE_MAX_VERIFIED_FACTORS", "GoTrue does not read it either"),
    listed("GOTRUE_WEBAUTHN_CHALLENGE_EXPIRY_DURATION", "it is a limit here (docs/reference/limits.md)"),
    listed("GOTRUE_PASSKEY_MAX_PASSKEYS_PER_USER", "it is a limit here (docs/reference/limits.md)"),
    refused(
        "GOTRUE_SAML_PRIVATE_KEY_NEXT",
        NONE,
        "there is one key; auth.saml.private_key takes the next one when it is time",
    ),
    refused(
        "GOTRUE_SAML_ALLOW_ENCRYPTED_ASSERTIONS",
        OFF,
        "encrypted assertions are refused: they are read by nobody but TLS",
    ),
    refused("GOTRUE_SAML_EXTERNAL_URL", NONE, "auth.external_url is where identity providers reach us"),
    listed("GOTRUE_HOOK_CUSTOM_SMS_PROVIDER_*", "GoTrue does not read it either"),
];

/// The entry of a variable: its own, or that of its family.
fn find(variable: &str) -> Option<&'static Theirs> {
    let exact = THEIRS.iter().find(|theirs| theirs.name == variable);
    exact.or_else(|| {
        let of_family = |theirs: &&Theirs| {
            theirs.name.strip_suffix('*').is_some_and(|family| variable.starts_with(family))
        };
        THEIRS.iter().filter(of_family).max_by_key(|theirs| theirs.name.len())
    })
}

/// What is so instead of what the variable says.
pub(super) fn instead(variable: &str) -> Option<&'static str> {
    find(variable).map(|theirs| theirs.instead)
}

/// Why a variable stops the start, if it does. `text` is not empty.
pub(super) fn refusal(variable: &str, text: &str, origin: Origin) -> Option<Problem> {
    let theirs = find(variable)?;
    let asks = !theirs.harmless.iter().any(|harmless| harmless.eq_ignore_ascii_case(text.trim()));
    (theirs.refused && asks).then(|| {
        Problem::new(
            ProblemKind::Refused,
            variable,
            origin,
            format!("{variable} asks for what is not so here."),
        )
        .why(format!("Instead, {}.", theirs.instead))
        .fix(match theirs.harmless.first() {
            Some(harmless) => format!("Unset it, or set it to {harmless}."),
            None => "Unset it.".to_owned(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::registry::all;
    use super::*;

    /// What GoTrue 2.196 reads under its own prefix.
    const READ: &str = include_str!("gotrue.txt");

    #[test]
    fn every_variable_that_gotrue_reads_is_a_setting_or_stands_here() {
        let known: Vec<&str> =
            all().iter().flat_map(|definition| definition.also).map(|alias| alias.name).collect();
        let names: Vec<&str> = READ.split_whitespace().collect();
        assert!(names.len() > 200, "{}", names.len());
        let lost: Vec<&&str> =
            names.iter().filter(|name| !known.contains(name) && find(name).is_none()).collect();
        assert!(lost.is_empty(), "{lost:?}");
        // And nothing stands here that a setting took over.
        let both: Vec<&str> =
            THEIRS.iter().map(|theirs| theirs.name).filter(|name| known.contains(name)).collect();
        assert!(both.is_empty(), "{both:?}");
    }

    #[test]
    fn what_somebody_would_believe_in_stops_the_start_and_the_rest_is_listed() {
        let at = |name: &str| Origin::Environment { name: name.to_owned() };
        let says =
            |name: &str, text: &str| refusal(name, text, at(name)).map(|problem| problem.why.to_string());
        assert!(says("GOTRUE_JWT_KEYS", "[]").unwrap().contains("palisade keys rotate"));
        assert!(says("GOTRUE_MFA_TOTP_ENROLL_ENABLED", "false").unwrap().contains("mfa.methods"));
        assert_eq!(says("GOTRUE_MFA_TOTP_ENROLL_ENABLED", "TRUE"), None);
        assert_eq!(says("GOTRUE_EXTERNAL_TWITTER_ENABLED", "false"), None);
        assert!(says("GOTRUE_EXTERNAL_TWITTER_ENABLED", "true").is_some());
        assert_eq!(says("GOTRUE_JWT_ADMIN_GROUP_NAME", "supabase_admin"), None, "AppFlowy sets it");
        assert!(instead("GOTRUE_EXTERNAL_TWITTER_CLIENT_ID").unwrap().contains("auth.external.x"));
        assert!(instead("GOTRUE_RATE_LIMIT_VERIFY").is_some() && instead("GOTRUE_RATE_LIMITS").is_none());
    }
}
