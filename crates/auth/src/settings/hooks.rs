//! What an operator can set about hooks and CAPTCHA.

use base::Secret;
use base::setting::{Alias, Definition, Guide, Setting};

/// Where to ask when an access token is made: it gives the token's claims.
pub static HOOK_TOKEN_URI: Setting<Option<String>> = Setting::unset("auth.hooks.custom_access_token.uri")
    .also(&[Alias::same("GOTRUE_HOOK_CUSTOM_ACCESS_TOKEN_URI", Guide::Other)])
    .changes(
        "what is asked when an access token is made: it gives the token's claims; an https address, or pg-functions://postgres/schema/function",
    );

/// What that is signed with.
pub static HOOK_TOKEN_SECRETS: Setting<Option<Secret<String>>> = Setting::unset(
    "auth.hooks.custom_access_token.secrets",
)
.also(&[Alias::same("GOTRUE_HOOK_CUSTOM_ACCESS_TOKEN_SECRETS", Guide::Other)])
.changes(
    "the secrets that the request is signed with (Standard Webhooks): v1,whsec_ and base64, joined by |",
);

/// Whether it is asked.
pub static HOOK_TOKEN_ENABLED: Setting<bool> = Setting::new("auth.hooks.custom_access_token.enabled", "true")
    .also(&[Alias::same("GOTRUE_HOOK_CUSTOM_ACCESS_TOKEN_ENABLED", Guide::Other)])
    .changes("whether the hook is asked, where it has an address");

/// Where to ask when an account is about to be made: it may refuse.
pub static HOOK_USER_URI: Setting<Option<String>> = Setting::unset("auth.hooks.before_user_created.uri")
    .also(&[Alias::same("GOTRUE_HOOK_BEFORE_USER_CREATED_URI", Guide::Other)])
    .changes(
        "what is asked when an account is about to be made: it may refuse; an https address, or pg-functions://postgres/schema/function",
    );

/// What that is signed with.
pub static HOOK_USER_SECRETS: Setting<Option<Secret<String>>> = Setting::unset(
    "auth.hooks.before_user_created.secrets",
)
.also(&[Alias::same("GOTRUE_HOOK_BEFORE_USER_CREATED_SECRETS", Guide::Other)])
.changes(
    "the secrets that the request is signed with (Standard Webhooks): v1,whsec_ and base64, joined by |",
);

/// Whether it is asked.
pub static HOOK_USER_ENABLED: Setting<bool> = Setting::new("auth.hooks.before_user_created.enabled", "true")
    .also(&[Alias::same("GOTRUE_HOOK_BEFORE_USER_CREATED_ENABLED", Guide::Other)])
    .changes("whether the hook is asked, where it has an address");

/// Where to ask when a password was tried: it may refuse the right one.
pub static HOOK_PASSWORD_URI: Setting<Option<String>> = Setting::unset("auth.hooks.password_verification_attempt.uri")
    .also(&[Alias::same("GOTRUE_HOOK_PASSWORD_VERIFICATION_ATTEMPT_URI", Guide::Other)])
    .changes(
        "what is asked when a password was tried: it may refuse the right one; an https address, or pg-functions://postgres/schema/function",
    );

/// What that is signed with.
pub static HOOK_PASSWORD_SECRETS: Setting<Option<Secret<String>>> = Setting::unset(
    "auth.hooks.password_verification_attempt.secrets",
)
.also(&[Alias::same("GOTRUE_HOOK_PASSWORD_VERIFICATION_ATTEMPT_SECRETS", Guide::Other)])
.changes(
    "the secrets that the request is signed with (Standard Webhooks): v1,whsec_ and base64, joined by |",
);

/// Whether it is asked.
pub static HOOK_PASSWORD_ENABLED: Setting<bool> =
    Setting::new("auth.hooks.password_verification_attempt.enabled", "true")
        .also(&[Alias::same("GOTRUE_HOOK_PASSWORD_VERIFICATION_ATTEMPT_ENABLED", Guide::Other)])
        .changes("whether the hook is asked, where it has an address");

/// Where to ask when a second factor was tried: it may refuse the right one.
pub static HOOK_MFA_URI: Setting<Option<String>> = Setting::unset("auth.hooks.mfa_verification_attempt.uri")
    .also(&[Alias::same("GOTRUE_HOOK_MFA_VERIFICATION_ATTEMPT_URI", Guide::Other)])
    .changes(
        "what is asked when a second factor was tried: it may refuse the right one; an https address, or pg-functions://postgres/schema/function",
    );

/// What that is signed with.
pub static HOOK_MFA_SECRETS: Setting<Option<Secret<String>>> = Setting::unset(
    "auth.hooks.mfa_verification_attempt.secrets",
)
.also(&[Alias::same("GOTRUE_HOOK_MFA_VERIFICATION_ATTEMPT_SECRETS", Guide::Other)])
.changes(
    "the secrets that the request is signed with (Standard Webhooks): v1,whsec_ and base64, joined by |",
);

/// Whether it is asked.
pub static HOOK_MFA_ENABLED: Setting<bool> =
    Setting::new("auth.hooks.mfa_verification_attempt.enabled", "true")
        .also(&[Alias::same("GOTRUE_HOOK_MFA_VERIFICATION_ATTEMPT_ENABLED", Guide::Other)])
        .changes("whether the hook is asked, where it has an address");

/// Where to ask when an account was made.
pub static HOOK_AFTER_USER_URI: Setting<Option<String>> = Setting::unset("auth.hooks.after_user_created.uri")
    .also(&[Alias::same("GOTRUE_HOOK_AFTER_USER_CREATED_URI", Guide::Other)])
    .changes(
        "what is asked when an account was made: it is told of it, and nothing waits for its answer; an https address, or pg-functions://postgres/schema/function",
    );

/// What that is signed with.
pub static HOOK_AFTER_USER_SECRETS: Setting<Option<Secret<String>>> = Setting::unset(
    "auth.hooks.after_user_created.secrets",
)
.also(&[Alias::same("GOTRUE_HOOK_AFTER_USER_CREATED_SECRETS", Guide::Other)])
.changes(
    "the secrets that the request is signed with (Standard Webhooks): v1,whsec_ and base64, joined by |",
);

/// Whether it is asked.
pub static HOOK_AFTER_USER_ENABLED: Setting<bool> =
    Setting::new("auth.hooks.after_user_created.enabled", "true")
        .also(&[Alias::same("GOTRUE_HOOK_AFTER_USER_CREATED_ENABLED", Guide::Other)])
        .changes("whether the hook is asked, where it has an address");

/// Where to ask when a mail about an account is to be sent.
pub static HOOK_EMAIL_URI: Setting<Option<String>> = Setting::unset("auth.hooks.send_email.uri")
    .also(&[Alias::same("GOTRUE_HOOK_SEND_EMAIL_URI", Guide::Other)])
    .changes(
        "what is asked when a mail about an account is to be sent: it sends the mail instead of us; an https address, or pg-functions://postgres/schema/function",
    );

/// What that is signed with.
pub static HOOK_EMAIL_SECRETS: Setting<Option<Secret<String>>> = Setting::unset(
    "auth.hooks.send_email.secrets",
)
.also(&[Alias::same("GOTRUE_HOOK_SEND_EMAIL_SECRETS", Guide::Other)])
.changes(
    "the secrets that the request is signed with (Standard Webhooks): v1,whsec_ and base64, joined by |",
);

/// Whether it is asked.
pub static HOOK_EMAIL_ENABLED: Setting<bool> = Setting::new("auth.hooks.send_email.enabled", "true")
    .also(&[Alias::same("GOTRUE_HOOK_SEND_EMAIL_ENABLED", Guide::Other)])
    .changes("whether the hook is asked, where it has an address");

/// Where to ask when a text is to be sent.
pub static HOOK_SMS_URI: Setting<Option<String>> = Setting::unset("auth.hooks.send_sms.uri")
    .also(&[Alias::same("GOTRUE_HOOK_SEND_SMS_URI", Guide::Other)])
    .changes(
        "what is asked when a text is to be sent: it sends the text instead of us; an https address, or pg-functions://postgres/schema/function",
    );

/// What that is signed with.
pub static HOOK_SMS_SECRETS: Setting<Option<Secret<String>>> = Setting::unset("auth.hooks.send_sms.secrets")
    .also(&[Alias::same("GOTRUE_HOOK_SEND_SMS_SECRETS", Guide::Other)])
    .changes(
        "the secrets that the request is signed with (Standard Webhooks): v1,whsec_ and base64, joined by |",
    );

/// Whether it is asked.
pub static HOOK_SMS_ENABLED: Setting<bool> = Setting::new("auth.hooks.send_sms.enabled", "true")
    .also(&[Alias::same("GOTRUE_HOOK_SEND_SMS_ENABLED", Guide::Other)])
    .changes("whether the hook is asked, where it has an address");

/// The settings of hooks.
pub const HOOK_SETTINGS: &[&Definition] = &[
    &HOOK_TOKEN_URI.definition,
    &HOOK_TOKEN_SECRETS.definition,
    &HOOK_TOKEN_ENABLED.definition,
    &HOOK_USER_URI.definition,
    &HOOK_USER_SECRETS.definition,
    &HOOK_USER_ENABLED.definition,
    &HOOK_PASSWORD_URI.definition,
    &HOOK_PASSWORD_SECRETS.definition,
    &HOOK_PASSWORD_ENABLED.definition,
    &HOOK_MFA_URI.definition,
    &HOOK_MFA_SECRETS.definition,
    &HOOK_MFA_ENABLED.definition,
    &HOOK_AFTER_USER_URI.definition,
    &HOOK_AFTER_USER_SECRETS.definition,
    &HOOK_AFTER_USER_ENABLED.definition,
    &HOOK_EMAIL_URI.definition,
    &HOOK_EMAIL_SECRETS.definition,
    &HOOK_EMAIL_ENABLED.definition,
    &HOOK_SMS_URI.definition,
    &HOOK_SMS_SECRETS.definition,
    &HOOK_SMS_ENABLED.definition,
];

/// A proof that a person is there.
pub static CAPTCHA_ENABLED: Setting<bool> = Setting::new("auth.captcha.enabled", "false")
    .also(&[Alias::same("GOTRUE_SECURITY_CAPTCHA_ENABLED", Guide::Other)])
    .changes("sign-up, sign-in by password, recovery and one-time codes need a solved CAPTCHA");

/// Whose CAPTCHA.
pub static CAPTCHA_PROVIDER: Setting<String> = Setting::new("auth.captcha.provider", "pow")
    .also(&[Alias::same("GOTRUE_SECURITY_CAPTCHA_PROVIDER", Guide::Other)])
    .choices(&["pow", "hcaptcha", "turnstile"])
    .changes("whose CAPTCHA: pow is a proof of work that needs nobody else, from /auth/v1/captcha; hcaptcha and turnstile are asked");

/// Who this site is at the provider.
pub static CAPTCHA_SITE_KEY: Setting<Option<String>> = Setting::unset("auth.captcha.site_key")
    .changes("the public key of this site at hcaptcha or turnstile, told to clients that ask for it");

/// The secret with which the provider is asked.
pub static CAPTCHA_SECRET: Setting<Option<Secret<String>>> = Setting::unset("auth.captcha.secret")
    .also(&[Alias::same("GOTRUE_SECURITY_CAPTCHA_SECRET", Guide::Other)])
    .changes("the secret of this site at hcaptcha or turnstile");

/// Where the provider is asked.
pub static CAPTCHA_VERIFY_URL: Setting<Option<String>> = Setting::unset("auth.captcha.verify_url")
    .changes("where a solution is checked, for a provider with the interface of hcaptcha or turnstile at another address");

/// How much work a proof of work is.
pub static CAPTCHA_WORK: Setting<u32> = Setting::new("auth.captcha.work", "100000")
    .range("1000", "10000000")
    .changes("how many digests a proof of work costs at most; half of that on average");

/// The settings of CAPTCHA.
pub const CAPTCHA_SETTINGS: &[&Definition] = &[
    &CAPTCHA_ENABLED.definition,
    &CAPTCHA_PROVIDER.definition,
    &CAPTCHA_SITE_KEY.definition,
    &CAPTCHA_SECRET.definition,
    &CAPTCHA_VERIFY_URL.definition,
    &CAPTCHA_WORK.definition,
];
