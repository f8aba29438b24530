//! The error codes that GoTrue gives (wire/gotrue.md 0.3), and why some are never given here.
//!
//! Invariant: every one of them is given somewhere in our code, or stands in [`NEVER`] with its reason. What is given where is
//! in the envelope.

/// What GoTrue gives and we do not, and why. In the order of their names.
pub const NEVER: &[(&str, &str)] = &[
    (
        "email_address_invalid",
        "GoTrue's own look at addresses (`GOTRUE_MAILER_EMAIL_VALIDATION_*`) is refused at the start: `auth.hooks.before_user_created` can refuse addresses, in its own words. What is no address is `validation_failed`, there as here",
    ),
    (
        "email_address_not_authorized",
        "`GOTRUE_EXTERNAL_EMAIL_AUTHORIZED_ADDRESSES` is refused at the start: `auth.hooks.before_user_created` says who may have an account",
    ),
    (
        "mfa_phone_verify_not_enabled",
        "a factor that was enrolled goes on being good, or its person would be shut out: `GOTRUE_MFA_PHONE_VERIFY_ENABLED` is refused at the start. What `mfa.methods` does not list cannot be enrolled",
    ),
    (
        "mfa_recovery_codes_enroll_not_enabled",
        "recovery codes cannot be switched off: they are what is left to whoever loses a telephone",
    ),
    (
        "mfa_recovery_codes_verify_not_enabled",
        "recovery codes cannot be switched off: they are what is left to whoever loses a telephone",
    ),
    (
        "mfa_totp_verify_not_enabled",
        "a factor that was enrolled goes on being good, or its person would be shut out: `GOTRUE_MFA_TOTP_VERIFY_ENABLED` is refused at the start",
    ),
    (
        "mfa_webauthn_verify_not_enabled",
        "a factor that was enrolled goes on being good, or its person would be shut out: `GOTRUE_MFA_WEB_AUTHN_VERIFY_ENABLED` changes nothing, and the start says so",
    ),
    (
        "oauth_client_state_expired",
        "what we showed a provider is sealed into the flow and as old as it: `flow_state_expired`",
    ),
    (
        "oauth_client_state_not_found",
        "what we showed a provider is sealed into the flow and lost with it: `bad_oauth_state`",
    ),
    (
        "oauth_invalid_state",
        "what we showed a provider is sealed into the flow, with the provider's name: neither can be another",
    ),
    (
        "otp_disabled",
        "`/otp` with `create_user: false` answers 200 for an address nobody has, as it does for any other: the code would tell who has an account (control 126)",
    ),
    (
        "webauthn_credential_not_found",
        "GoTrue never gives it either: a passkey that is nobody's is `webauthn_verification_failed`, an unknown one in a path 404 `validation_failed`",
    ),
];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::NEVER;

    /// Every code of upstream's.
    const UPSTREAM: &str = "anonymous_provider_disabled bad_code_verifier bad_json bad_jwt bad_oauth_callback bad_oauth_state \
        captcha_failed conflict current_password_invalid current_password_required custom_provider_not_found \
        email_address_invalid email_address_not_authorized email_address_not_provided \
        email_conflict_identity_not_deletable email_exists email_not_confirmed email_provider_disabled \
        feature_disabled flow_state_already_used flow_state_expired flow_state_not_found \
        hook_payload_invalid_content_type hook_payload_over_size_limit hook_timeout hook_timeout_after_retry \
        identity_already_exists identity_not_found insufficient_aal invalid_credentials invite_not_found \
        manual_linking_disabled mfa_challenge_expired mfa_factor_name_conflict mfa_factor_not_found \
        mfa_ip_address_mismatch mfa_phone_enroll_not_enabled mfa_phone_verify_not_enabled \
        mfa_recovery_codes_enroll_not_enabled mfa_recovery_codes_locked mfa_recovery_codes_sole_factor \
        mfa_recovery_codes_verify_not_enabled mfa_totp_enroll_not_enabled mfa_totp_verify_not_enabled \
        mfa_verification_failed mfa_verification_rejected mfa_verified_factor_exists \
        mfa_webauthn_enroll_not_enabled mfa_webauthn_verify_not_enabled no_authorization not_admin \
        oauth_authorization_not_found oauth_client_not_found oauth_client_state_expired \
        oauth_client_state_not_found oauth_consent_not_found oauth_dynamic_client_registration_disabled \
        oauth_invalid_state oauth_provider_not_supported otp_disabled otp_expired over_custom_provider_quota \
        over_email_send_rate_limit over_request_rate_limit over_sms_send_rate_limit passkey_disabled \
        phone_exists phone_not_confirmed phone_provider_disabled provider_disabled \
        provider_email_needs_verification reauthentication_needed reauthentication_not_valid \
        refresh_token_already_used refresh_token_not_found request_entity_too_large request_timeout \
        same_password saml_assertion_no_email saml_assertion_no_user_id saml_entity_id_mismatch \
        saml_idp_already_exists saml_idp_not_found saml_metadata_fetch_failed saml_provider_disabled \
        saml_relay_state_expired saml_relay_state_not_found session_expired session_not_found \
        signup_disabled single_identity_not_deletable sms_send_failed sso_domain_already_exists \
        sso_provider_disabled sso_provider_not_found too_many_enrolled_mfa_factors too_many_passkeys \
        unexpected_audience unexpected_failure unknown user_already_exists user_banned user_not_found \
        user_sso_managed validation_failed weak_password web3_provider_disabled web3_unsupported_chain \
        webauthn_challenge_expired webauthn_challenge_not_found webauthn_credential_exists \
        webauthn_credential_not_found webauthn_verification_failed";

    fn read(folder: &Path, found: &mut String) {
        for entry in std::fs::read_dir(folder).expect("a folder of ours") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                read(&path, found);
            } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("auth/codes.rs") {
                let text = std::fs::read_to_string(&path).expect("a source");
                // What tests ask for is given to nobody.
                found.push_str(text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default());
            }
        }
    }

    #[test]
    fn every_code_of_upstreams_is_given_or_has_its_reason() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut ours = String::new();
        read(&here.join("src/auth"), &mut ours);
        read(&here.join("../auth/src"), &mut ours);
        let codes: Vec<&str> = UPSTREAM.split_whitespace().collect();
        assert!(codes.len() > 110, "{}", codes.len());
        for code in &codes {
            let given = ours.contains(&format!("\"{code}\""));
            let never = NEVER.iter().any(|(name, _)| name == code);
            assert!(given != never, "{code}: given {given}, said never to be {never}");
        }
        for (code, why) in NEVER {
            assert!(codes.contains(code), "{code} is none of upstream's");
            assert!(why.len() > 40, "{code}: {why}");
        }
    }
}
