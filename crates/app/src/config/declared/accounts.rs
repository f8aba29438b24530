//! Factors: named by the guides, built by the issue "auth".

use base::Setting;
use base::setting::Definition;

use super::appflowy;

/// Whether people can enrol a second factor.
static MFA_ENABLED: Setting<bool> = Setting::new("mfa.enabled", "true")
    .also(&[appflowy("GOTRUE_MFA_ENABLED")])
    .changes("whether people can enrol a second factor")
    .proven_by(&[22])
    .not_yet("auth");

/// Which second factors can be enrolled.
static MFA_METHODS: Setting<Vec<String>> = Setting::new("mfa.methods", "totp")
    .also(&[appflowy("GOTRUE_MFA_METHODS")])
    .choices(&["totp", "sms", "passkey"])
    .changes("which second factors can be enrolled")
    .proven_by(&[23])
    .not_yet("auth");

/// Whether everybody needs a second factor; administrators always do.
static MFA_REQUIRED: Setting<bool> = Setting::new("mfa.required", "false")
    .also(&[appflowy("GOTRUE_MFA_REQUIRED")])
    .changes("whether everybody needs a second factor; administrators always do")
    .proven_by(&[24])
    .not_yet("auth");

/// Whether administrators need a second factor.
static REQUIRE_2FA_FOR_ADMINS: Setting<bool> = Setting::new("auth.require_2fa_for_admins", "true")
    .changes("whether administrators need a second factor")
    .proven_by(&[25])
    .not_yet("auth");

/// Whether sensitive operations need a proof of identity younger than five minutes.
static REQUIRE_2FA_FOR_SENSITIVE_OPS: Setting<bool> =
    Setting::new("auth.require_2fa_for_sensitive_ops", "true")
        .also(&[appflowy("GOTRUE_SECURITY_REQUIRE_REAUTH")])
        .changes("whether sensitive operations need a proof of identity younger than five minutes")
        .proven_by(&[26])
        .not_yet("auth");

/// All of them.
pub(super) const SETTINGS: &[&Definition] = &[
    &MFA_ENABLED.definition,
    &MFA_METHODS.definition,
    &MFA_REQUIRED.definition,
    &REQUIRE_2FA_FOR_ADMINS.definition,
    &REQUIRE_2FA_FOR_SENSITIVE_OPS.definition,
];
