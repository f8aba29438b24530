//! Factors and single sign-on: named by the guides, built by the issue "auth".

use std::path::PathBuf;

use base::Setting;
use base::setting::{Definition, Value};

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

/// Whether people can sign in through a SAML identity provider.
static SAML_ENABLED: Setting<bool> = Setting::new("auth.saml.enabled", "false")
    .also(&[appflowy("GOTRUE_SAML_ENABLED")])
    .changes("whether people can sign in through a SAML identity provider")
    .proven_by(&[32])
    .not_yet("auth");

/// Where the identity provider publishes its metadata.
static SAML_METADATA_URL: Setting<String> = Setting::unset("auth.saml.metadata_url")
    .also(&[appflowy("GOTRUE_SAML_METADATA_URL")])
    .changes("where the identity provider publishes its metadata")
    .proven_by(&[33, 38])
    .not_yet("auth");

/// The name this instance has at the identity provider.
static SAML_ENTITY_ID: Setting<String> = Setting::unset("auth.saml.entity_id")
    .also(&[appflowy("GOTRUE_SAML_ENTITY_ID")])
    .changes("the name this instance has at the identity provider")
    .proven_by(&[34])
    .not_yet("auth");

/// Where sign-in requests go when the provider has no metadata.
static SAML_SSO_URL: Setting<String> = Setting::unset("auth.saml.sso_url")
    .also(&[appflowy("GOTRUE_SAML_SSO_URL")])
    .changes("where sign-in requests go when the provider has no metadata")
    .proven_by(&[34])
    .not_yet("auth");

/// The certificate assertions are checked with when the provider has no metadata.
static SAML_CERTIFICATE: Setting<PathBuf> = Setting::unset("auth.saml.certificate")
    .also(&[appflowy("GOTRUE_SAML_CERTIFICATE")])
    .changes("the certificate assertions are checked with when the provider has no metadata")
    .proven_by(&[34])
    .not_yet("auth");

/// The SAML identity providers, each with its own rules.
static SAML_PROVIDERS: Setting<Value> = Setting::unset("auth.saml_providers")
    .changes("the SAML identity providers, each with its own rules")
    .proven_by(&[32, 33, 35, 37, 38])
    .not_yet("auth");

/// All of them.
pub(super) const SETTINGS: &[&Definition] = &[
    &MFA_ENABLED.definition,
    &MFA_METHODS.definition,
    &MFA_REQUIRED.definition,
    &REQUIRE_2FA_FOR_ADMINS.definition,
    &REQUIRE_2FA_FOR_SENSITIVE_OPS.definition,
    &SAML_ENABLED.definition,
    &SAML_METADATA_URL.definition,
    &SAML_ENTITY_ID.definition,
    &SAML_SSO_URL.definition,
    &SAML_CERTIFICATE.definition,
    &SAML_PROVIDERS.definition,
];
