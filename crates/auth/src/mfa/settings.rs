//! What an operator can set about second factors and passkeys (controls 22 to 26).

use base::setting::{Alias, Definition, Guide, Refused, Setting};

/// Whether people can enrol a second factor.
pub static MFA_ENABLED: Setting<bool> = Setting::new("mfa.enabled", "true")
    .also(&[Alias::same("GOTRUE_MFA_ENABLED", Guide::AppFlowy)])
    .changes(
        "whether people can enrol a second factor; administrators always can, and who has one still needs it",
    )
    .proven_by(&[22]);

/// Which second factors can be enrolled.
pub static MFA_METHODS: Setting<Vec<String>> = Setting::new("mfa.methods", "totp,passkey")
    .also(&[Alias::same("GOTRUE_MFA_METHODS", Guide::AppFlowy)])
    .choices(&["totp", "sms", "passkey"])
    .changes("which second factors can be enrolled; sms needs an SMS provider, passkey a public address with a name")
    .proven_by(&[23]);

/// Whether everybody needs a second factor; administrators always do.
pub static MFA_REQUIRED: Setting<bool> = Setting::new("mfa.required", "false")
    .also(&[Alias::same("GOTRUE_MFA_REQUIRED", Guide::AppFlowy)])
    .changes("a session without a second factor can enrol one and verify it, and nothing else; administrators always need one")
    .proven_by(&[24]);

/// Whether administrators need a second factor: always.
pub static REQUIRE_2FA_FOR_ADMINS: Setting<bool> = Setting::new("auth.require_2fa_for_admins", "true")
    .refuses(&[Refused {
        value: "false",
        control: 25,
        why: "administrators always need a second factor: one stolen password must not be the whole instance",
    }])
    .changes("nothing: administrators always need a second factor; false is refused")
    .proven_by(&[25]);

/// Whether sensitive operations need a proof of identity younger than five minutes.
pub static REQUIRE_2FA_FOR_SENSITIVE_OPS: Setting<bool> = Setting::new(
    "auth.require_2fa_for_sensitive_ops",
    "true",
)
.also(&[Alias::same("GOTRUE_SECURITY_REQUIRE_REAUTH", Guide::AppFlowy)])
.changes(
    "a new password, address or factor, keys, exports and deletion need a proof younger than five minutes: \
             the second factor of who has one, else the password",
)
.proven_by(&[26]);

/// Whether people can sign in with passkeys.
pub static PASSKEYS: Setting<bool> = Setting::new("auth.passkeys", "true")
    .also(&[Alias::same("GOTRUE_PASSKEY_ENABLED", Guide::Other)])
    .changes("people can sign in with a passkey, where the public address has a name of its own")
    .proven_by(&[22]);

/// The domain that passkeys and security keys belong to.
pub static RP_ID: Setting<Option<String>> = Setting::unset("webauthn.rp_id")
    .also(&[Alias::same("GOTRUE_WEBAUTHN_RP_ID", Guide::Other)])
    .changes("the domain that passkeys and security keys belong to; from auth.external_url unless set")
    .proven_by(&[22]);

/// Where passkeys and security keys may be used.
pub static RP_ORIGINS: Setting<Vec<String>> = Setting::new("webauthn.rp_origins", "")
    .also(&[Alias::same("GOTRUE_WEBAUTHN_RP_ORIGINS", Guide::Other)])
    .changes("the origins of the pages that use passkeys and security keys; auth.external_url and auth.site_url unless set")
    .proven_by(&[22]);

/// What browsers show.
pub static RP_DISPLAY_NAME: Setting<Option<String>> = Setting::unset("webauthn.rp_display_name")
    .also(&[Alias::same("GOTRUE_WEBAUTHN_RP_DISPLAY_NAME", Guide::Other)])
    .changes("what browsers show when they ask for a passkey")
    .proven_by(&[22]);

/// Every setting of this module.
pub const SETTINGS: &[&Definition] = &[
    &MFA_ENABLED.definition,
    &MFA_METHODS.definition,
    &MFA_REQUIRED.definition,
    &REQUIRE_2FA_FOR_ADMINS.definition,
    &REQUIRE_2FA_FOR_SENSITIVE_OPS.definition,
    &PASSKEYS.definition,
    &RP_ID.definition,
    &RP_ORIGINS.definition,
    &RP_DISPLAY_NAME.definition,
];
