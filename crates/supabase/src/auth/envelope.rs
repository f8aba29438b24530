//! How GoTrue words a refusal: two shapes, chosen by `X-Supabase-Api-Version` (wire/gotrue.md 0.2).
//!
//! Invariant: a final refusal is never a 5xx, because clients repeat those; and what is ours to fix says nothing but the
//! request's name.

use ::auth::sso::SsoRefusal;
use ::auth::{Error, HookError, OauthError, Redirect, ServerError, Visit};
use base::{Failure, Fault, Kind};
use http::header::{AUTHORIZATION, CACHE_CONTROL, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, StatusCode};
use serde_json::{Value, json};
use web::{Answer, Refused, status_of};

const VERSION: &str = "2024-01-01";

/// All that is said of what is ours to mend.
const UNEXPECTED: &str = "An unexpected error occurred";
/// And of what took too long, which trying again may mend.
const TIMED_OUT: &str = "Processing this request timed out, please retry after a moment.";

/// Words a fault.
pub fn word(failure: &Failure, refused: &Refused<'_>) -> Answer {
    let fault = failure.fault();
    if let Some(Error::Oauth(error @ (OauthError::IdToken(_) | OauthError::Nonce(_)))) =
        failure.downcast_ref::<Error>()
    {
        // Upstream's OAuth shape, whatever the version header says.
        let body = json!({ "error": "invalid request", "error_description": error.to_string() });
        return Answer::json_with(StatusCode::BAD_REQUEST, &body);
    }
    if let Some(Error::Oauth(error @ OauthError::Wallet(_))) = failure.downcast_ref::<Error>() {
        let body = json!({ "error": "invalid_grant", "error_description": error.to_string() });
        return Answer::json_with(StatusCode::BAD_REQUEST, &body);
    }
    let (status, code) = match (failure.downcast_ref::<Error>(), failure.downcast_ref::<web::Error>()) {
        (Some(error), _) => of_auth(error),
        (None, Some(error)) => of_web(error),
        (None, None) => of_kind(fault.kind()),
    };
    let message = match failure.downcast_ref::<web::Error>() {
        Some(web::Error::TooMany { .. }) => "Request rate limit reached".into(),
        _ => fault.message(),
    };
    let message = match status.is_server_error() && fault.kind().is_ours() && !matches_trigger(failure) {
        true if fault.kind() == Kind::Timeout => TIMED_OUT.into(),
        true => UNEXPECTED.into(),
        false => message,
    };
    let is_new = is_new(refused.headers);
    let mut body = match is_new {
        true => json!({ "code": code, "message": message }),
        false => json!({ "code": status.as_u16(), "error_code": code, "msg": message }),
    };
    if status.is_server_error() {
        body["error_id"] = json!(&*refused.request_id.0);
    }
    if let Some(Error::Server(error)) = failure.downcast_ref::<Error>() {
        // RFC 6749 5.2 beside upstream's own: programs read the one, its clients the other.
        body["error"] = json!(error.name());
        body["error_description"] = json!(error.to_string());
        return challenge(answer(status, &body, code, is_new), error, refused.headers);
    }
    if let Some(Error::WeakPassword { reasons, .. }) = failure.downcast_ref::<Error>() {
        body["weak_password"] = json!({ "reasons": reasons });
    }
    answer(status, &body, code, is_new)
}

/// A refusal on the way back of a browser, in OAuth's words and upstream's, in the query and the fragment or in the latter
/// alone: some applications read one, some the other. What is ours to mend is logged here, as the edge logs what is answered
/// with a status.
pub(super) fn in_address(back_to: &Redirect, error: &Error, in_query: bool, visit: &Visit) -> String {
    let (status, code) = of_auth(error);
    let name = match (error.kind(), status.as_u16()) {
        (Kind::Forbidden, _) | (_, 403 | 422) => "access_denied",
        (_, 401) => "unauthorized_client",
        (_, 503) => "temporarily_unavailable",
        (_, 500..) => "server_error",
        _ => "invalid_request",
    };
    if error.kind().is_ours() {
        let chain = base::fault::chain(error);
        tracing::error!(target: "palisade::error", request_id = &*visit.request_id, code = error.code(), chain, "a request failed");
    }
    let hidden =
        status.is_server_error() && error.kind().is_ours() && !matches!(error, Error::Trigger { .. });
    let message = if hidden { UNEXPECTED.into() } else { error.message() };
    let said = [("error", name), ("error_code", code), ("error_description", &*message), ("sb", "")];
    let with_fragment = back_to.with_fragment(&said);
    match in_query {
        false => with_fragment,
        true => {
            let fragment = with_fragment.split_once('#').map_or("", |(_, fragment)| fragment);
            format!("{}#{fragment}", back_to.with_query(said.get(..3).unwrap_or_default()))
        }
    }
}

fn answer(status: StatusCode, body: &Value, code: &str, is_new: bool) -> Answer {
    let answer = Answer::json_with(status, body).with(HeaderName::from_static("x-sb-error-code"), code);
    match is_new {
        true => answer.with(HeaderName::from_static("x-supabase-api-version"), VERSION),
        false => answer,
    }
}

/// A client that showed its secret in `Authorization` hears there that it was wrong (RFC 6749 5.2).
fn challenge(mut answer: Answer, error: &ServerError, headers: &HeaderMap) -> Answer {
    let shown = headers.get(AUTHORIZATION).and_then(|line| line.to_str().ok()).unwrap_or_default();
    let basic = shown.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("basic "));
    if matches!(error, ServerError::Credentials) && basic {
        *answer.0.status_mut() = StatusCode::UNAUTHORIZED;
        answer = answer.with(WWW_AUTHENTICATE, "Basic realm=\"oauth\"");
    }
    answer.with(CACHE_CONTROL, "no-store")
}

/// A date from 2024-01-01 on. What is no date is as if it were not there.
fn is_new(headers: &HeaderMap) -> bool {
    let version = headers.get("x-supabase-api-version").and_then(|version| version.to_str().ok());
    let is_date = |text: &str| text.parse::<jiff::civil::Date>().is_ok();
    version.is_some_and(|version| version.len() == VERSION.len() && is_date(version) && version >= VERSION)
}

/// A user's own trigger refused: upstream says so, and applications rely on its words.
fn matches_trigger(failure: &Failure) -> bool {
    matches!(failure.downcast_ref::<Error>(), Some(Error::Trigger { .. }))
}

/// Upstream's codes for somebody else's sign-in.
fn of_oauth(error: &OauthError) -> (StatusCode, &'static str) {
    use StatusCode as S;
    const UNPROCESSABLE: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;
    match error {
        OauthError::Provider(_) => (S::BAD_REQUEST, "validation_failed"),
        OauthError::ProviderGone => (S::BAD_REQUEST, "oauth_provider_not_supported"),
        OauthError::NoState | OauthError::MixUp => (S::BAD_REQUEST, "bad_oauth_callback"),
        OauthError::State => (S::BAD_REQUEST, "bad_oauth_state"),
        OauthError::StateExpired => (S::BAD_REQUEST, "flow_state_expired"),
        OauthError::StateUsed => (S::BAD_REQUEST, "flow_state_already_used"),
        OauthError::Denied(_) => (S::FORBIDDEN, "access_denied"),
        OauthError::Outside(_) | OauthError::Answer(_) => (S::BAD_REQUEST, "unexpected_failure"),
        OauthError::IdToken(_) | OauthError::Nonce(_) => (S::BAD_REQUEST, "invalid_request"),
        OauthError::Wallet(_) => (S::BAD_REQUEST, "invalid_grant"),
        OauthError::EmailConflict => (UNPROCESSABLE, "email_conflict_identity_not_deletable"),
        OauthError::Issuer(_) => (S::BAD_REQUEST, "provider_disabled"),
        OauthError::NoEmail => (S::BAD_REQUEST, "email_address_not_provided"),
        OauthError::Unverified(_) => (S::FORBIDDEN, "provider_email_needs_verification"),
        OauthError::LinkingOff => (S::NOT_FOUND, "manual_linking_disabled"),
        OauthError::Taken => (UNPROCESSABLE, "identity_already_exists"),
        OauthError::NoIdentity => (UNPROCESSABLE, "identity_not_found"),
        OauthError::LastIdentity => (UNPROCESSABLE, "single_identity_not_deletable"),
        OauthError::CustomOff => (S::NOT_FOUND, "feature_disabled"),
        OauthError::NoCustom => (S::NOT_FOUND, "custom_provider_not_found"),
        OauthError::TooManyCustom => (S::BAD_REQUEST, "over_custom_provider_quota"),
        OauthError::LinkGone => (S::FORBIDDEN, "otp_expired"),
        OauthError::Uninvited => (S::NOT_FOUND, "user_not_found"),
        OauthError::InviteGone => (S::NOT_FOUND, "invite_not_found"),
        OauthError::OtherInvited => (S::BAD_REQUEST, "validation_failed"),
    }
}

pub(super) fn of_auth(error: &Error) -> (StatusCode, &'static str) {
    use StatusCode as S;
    const UNPROCESSABLE: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;
    match error {
        Error::Ambiguous(_) | Error::Validation(_) | Error::RefreshMalformed => {
            (S::BAD_REQUEST, "validation_failed")
        }
        Error::NotAnId(_) => (S::NOT_FOUND, "validation_failed"),
        Error::NoBearer | Error::BadKey | Error::KeyElsewhere | Error::SecretKeyInBrowser => {
            (S::UNAUTHORIZED, "no_authorization")
        }
        Error::BadToken(_) | Error::KeyGivenUp | Error::TokenExpired => (S::FORBIDDEN, "bad_jwt"),
        Error::TokenRevoked => (S::FORBIDDEN, "session_not_found"),
        Error::InvalidCredentials => (S::BAD_REQUEST, "invalid_credentials"),
        Error::EmailNotConfirmed => (S::BAD_REQUEST, "email_not_confirmed"),
        Error::PhoneNotConfirmed => (S::BAD_REQUEST, "phone_not_confirmed"),
        Error::Banned | Error::RefreshBanned => (S::BAD_REQUEST, "user_banned"),
        Error::SharedSigning => (S::BAD_REQUEST, "validation_failed"),
        Error::SignupDisabled => (UNPROCESSABLE, "signup_disabled"),
        Error::NoMail | Error::EmailOff => (S::BAD_REQUEST, "email_provider_disabled"),
        Error::PhoneOff(_) => (S::BAD_REQUEST, "phone_provider_disabled"),
        Error::Disabled { code, .. } => (status_of_disabled(code), code),
        Error::UserExists => (UNPROCESSABLE, "user_already_exists"),
        Error::EmailExists => (UNPROCESSABLE, "email_exists"),
        Error::PhoneExists => (UNPROCESSABLE, "phone_exists"),
        Error::WeakPassword { .. } => (UNPROCESSABLE, "weak_password"),
        Error::SamePassword | Error::UsedPassword => (UNPROCESSABLE, "same_password"),
        Error::Hook(hook) => of_hook(hook),
        Error::RejectedPassword(_) => (S::BAD_REQUEST, "invalid_credentials"),
        Error::RejectedFactor(_) => (S::FORBIDDEN, "mfa_verification_rejected"),
        Error::Captcha(_) => (S::BAD_REQUEST, "captcha_failed"),
        Error::SessionNotFound => (S::NOT_FOUND, "session_not_found"),
        Error::CallerBanned => (S::FORBIDDEN, "user_banned"),
        Error::AnonymousPassword => (UNPROCESSABLE, "validation_failed"),
        Error::LastIdentity => (UNPROCESSABLE, "single_identity_not_deletable"),
        Error::NoIdentity => (UNPROCESSABLE, "identity_not_found"),
        Error::LockedOut { .. } => (S::TOO_MANY_REQUESTS, "over_request_rate_limit"),
        Error::BreachedList(_) => (S::SERVICE_UNAVAILABLE, "unexpected_failure"),
        Error::CurrentPasswordMissing => (S::BAD_REQUEST, "current_password_required"),
        Error::CurrentPassword => (S::BAD_REQUEST, "current_password_invalid"),
        Error::NotAdmin(_) | Error::ServiceNotLent => (S::FORBIDDEN, "not_admin"),
        Error::Audience => (S::FORBIDDEN, "unexpected_audience"),
        Error::InsufficientLevel => (S::UNAUTHORIZED, "insufficient_aal"),
        Error::UserGone => (S::FORBIDDEN, "user_not_found"),
        Error::UserNotFound => (S::NOT_FOUND, "user_not_found"),
        Error::RefreshNotFound => (S::BAD_REQUEST, "refresh_token_not_found"),
        Error::RefreshUsed => (S::BAD_REQUEST, "refresh_token_already_used"),
        Error::RefreshBusy => (S::CONFLICT, "conflict"),
        Error::SessionExpired(_) => (S::BAD_REQUEST, "session_expired"),
        Error::FlowNotFound => (S::NOT_FOUND, "flow_state_not_found"),
        Error::FlowExpired => (UNPROCESSABLE, "flow_state_expired"),
        Error::CodeVerifier => (S::BAD_REQUEST, "bad_code_verifier"),
        Error::Mfa(error) => of_mfa(error),
        Error::CodeInvalid | Error::LinkInvalid => (S::FORBIDDEN, "otp_expired"),
        Error::Nonce => (UNPROCESSABLE, "reauthentication_not_valid"),
        Error::TooSoon { is_text: false, .. } | Error::SentMax { is_text: false, .. } => {
            (S::TOO_MANY_REQUESTS, "over_email_send_rate_limit")
        }
        Error::TooSoon { is_text: true, .. } | Error::SentMax { is_text: true, .. } => {
            (S::TOO_MANY_REQUESTS, "over_sms_send_rate_limit")
        }
        Error::SetupLink => (S::FORBIDDEN, "otp_expired"),
        Error::Seal(seal) => match base::Fault::kind(seal) {
            Kind::TooMany => (S::TOO_MANY_REQUESTS, "over_request_rate_limit"),
            Kind::Invalid => (S::BAD_REQUEST, "validation_failed"),
            kind => of_kind(kind),
        },
        Error::Oauth(error) => of_oauth(error),
        Error::Server(error) => of_server(error),
        Error::Sso(refusal) => of_sso(*refusal),
        Error::SamlMessage(_) => (S::BAD_REQUEST, "validation_failed"),
        Error::Fetch(_) => (S::BAD_REQUEST, "saml_metadata_fetch_failed"),
        Error::Unsafe { .. } | Error::Setting { .. } | Error::Trigger { .. } => {
            (S::INTERNAL_SERVER_ERROR, "unexpected_failure")
        }
        // A provider that refuses, or is not there, is a refusal: of a 5xx clients ask for another text at once.
        Error::Texts(error) if base::Fault::kind(error) != Kind::Bug => (UNPROCESSABLE, "sms_send_failed"),
        Error::Jobs(_) | Error::Mail(_) | Error::Texts(_) => (S::INTERNAL_SERVER_ERROR, "unexpected_failure"),
        Error::Database(error) => of_kind(base::Fault::kind(error)),
        Error::Audit(error) => of_kind(base::Fault::kind(error)),
    }
}

/// Upstream's codes for its OAuth server.
fn of_server(error: &ServerError) -> (StatusCode, &'static str) {
    use StatusCode as S;
    match error {
        ServerError::Off => (S::NOT_FOUND, "feature_disabled"),
        ServerError::NoRegistration => (S::FORBIDDEN, "oauth_dynamic_client_registration_disabled"),
        ServerError::NoClient => (S::NOT_FOUND, "oauth_client_not_found"),
        ServerError::NoAuthorization => (S::NOT_FOUND, "oauth_authorization_not_found"),
        ServerError::NoConsent => (S::NOT_FOUND, "oauth_consent_not_found"),
        ServerError::SecondFactor | ServerError::SignInAgain => (S::FORBIDDEN, "insufficient_aal"),
        ServerError::PasswordExpired => (S::FORBIDDEN, "password_expired"),
        ServerError::Credentials | ServerError::Grant(_) | ServerError::Replayed => {
            (S::BAD_REQUEST, "invalid_credentials")
        }
        ServerError::RedirectUri(_)
        | ServerError::Client(_)
        | ServerError::Request(_)
        | ServerError::Scope(_)
        | ServerError::Unauthorized(_)
        | ServerError::Malformed(_)
        | ServerError::GrantType => (S::BAD_REQUEST, "validation_failed"),
    }
}

fn of_sso(refusal: SsoRefusal) -> (StatusCode, &'static str) {
    use StatusCode as S;
    match refusal {
        SsoRefusal::Off => (S::NOT_FOUND, "saml_provider_disabled"),
        SsoRefusal::ProviderNotFound | SsoRefusal::NoProviderForDomain => {
            (S::NOT_FOUND, "sso_provider_not_found")
        }
        SsoRefusal::ProviderDisabled => (S::NOT_FOUND, "sso_provider_disabled"),
        SsoRefusal::RelayStateNotFound | SsoRefusal::OtherBrowser => {
            (S::NOT_FOUND, "saml_relay_state_not_found")
        }
        SsoRefusal::RelayStateExpired => (S::UNPROCESSABLE_ENTITY, "saml_relay_state_expired"),
        SsoRefusal::IdpNotFound | SsoRefusal::IdpInitiated => (S::NOT_FOUND, "saml_idp_not_found"),
        SsoRefusal::Replayed => (S::BAD_REQUEST, "validation_failed"),
        SsoRefusal::NoUserId => (S::BAD_REQUEST, "saml_assertion_no_user_id"),
        SsoRefusal::NoEmail | SsoRefusal::ForeignDomain => (S::BAD_REQUEST, "saml_assertion_no_email"),
        SsoRefusal::MetadataFetch => (S::BAD_REQUEST, "saml_metadata_fetch_failed"),
        SsoRefusal::MetadataInsecure => (S::BAD_REQUEST, "validation_failed"),
        SsoRefusal::IdpExists => (S::UNPROCESSABLE_ENTITY, "saml_idp_already_exists"),
        SsoRefusal::DomainExists => (S::BAD_REQUEST, "sso_domain_already_exists"),
        SsoRefusal::EntityIdMismatch => (S::BAD_REQUEST, "saml_entity_id_mismatch"),
    }
}

fn of_mfa(error: &::auth::mfa::Error) -> (StatusCode, &'static str) {
    use ::auth::mfa::{Error, FactorType};
    use StatusCode as S;
    const UNPROCESSABLE: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;
    match error {
        Error::EnrolOff(FactorType::Totp) => (UNPROCESSABLE, "mfa_totp_enroll_not_enabled"),
        Error::EnrolOff(FactorType::Phone) => (UNPROCESSABLE, "mfa_phone_enroll_not_enabled"),
        Error::EnrolOff(FactorType::WebAuthn) => (UNPROCESSABLE, "mfa_webauthn_enroll_not_enabled"),
        Error::NameTaken(_) => (UNPROCESSABLE, "mfa_factor_name_conflict"),
        Error::TooMany => (UNPROCESSABLE, "too_many_enrolled_mfa_factors"),
        Error::NotFound => (S::NOT_FOUND, "mfa_factor_not_found"),
        Error::NoChallenge => (UNPROCESSABLE, "mfa_factor_not_found"),
        Error::ChallengeExpired => (UNPROCESSABLE, "mfa_challenge_expired"),
        Error::OtherAddress => (UNPROCESSABLE, "mfa_ip_address_mismatch"),
        Error::WrongCode(_) => (UNPROCESSABLE, "mfa_verification_failed"),
        Error::EnrolLevel | Error::Stale { .. } => (S::FORBIDDEN, "insufficient_aal"),
        Error::RemoveLevel => (UNPROCESSABLE, "insufficient_aal"),
        Error::ReauthenticationNeeded => (S::BAD_REQUEST, "reauthentication_needed"),
        Error::WrongRecoveryCode => (UNPROCESSABLE, "mfa_verification_failed"),
        Error::RecoveryLocked { .. } => (S::TOO_MANY_REQUESTS, "mfa_recovery_codes_locked"),
        Error::RecoveryAlone => (UNPROCESSABLE, "mfa_recovery_codes_sole_factor"),
        Error::RecoveryThere => (UNPROCESSABLE, "mfa_factor_name_conflict"),
        Error::Locked { .. } => (S::TOO_MANY_REQUESTS, "over_request_rate_limit"),
        Error::PhoneThere => (UNPROCESSABLE, "mfa_verified_factor_exists"),
        Error::PasskeysOff => (S::NOT_FOUND, "passkey_disabled"),
        Error::TooManyPasskeys => (UNPROCESSABLE, "too_many_passkeys"),
        Error::PasskeyThere => (UNPROCESSABLE, "webauthn_credential_exists"),
        Error::NoPasskey => (S::NOT_FOUND, "validation_failed"),
        Error::NoCeremony => (S::BAD_REQUEST, "webauthn_challenge_not_found"),
        Error::CeremonyExpired => (S::BAD_REQUEST, "webauthn_challenge_expired"),
        Error::Ceremony(_) => (S::BAD_REQUEST, "webauthn_verification_failed"),
        Error::Anonymous => (S::FORBIDDEN, "no_authorization"),
    }
}

/// A hook's own status, or what upstream says of one that gave no answer.
fn of_hook(hook: &HookError) -> (StatusCode, &'static str) {
    const UNPROCESSABLE: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;
    match hook {
        HookError::Refused { status, .. } => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, if status.is_server_error() { "unexpected_failure" } else { "unknown" })
        }
        HookError::Timeout => (UNPROCESSABLE, "hook_timeout"),
        HookError::TimeoutAfterRetry => (UNPROCESSABLE, "hook_timeout_after_retry"),
        HookError::TooLarge => (UNPROCESSABLE, "hook_payload_over_size_limit"),
        HookError::ContentType(_) => (UNPROCESSABLE, "hook_payload_invalid_content_type"),
        HookError::Answer(_) => (StatusCode::INTERNAL_SERVER_ERROR, "unexpected_failure"),
    }
}

/// Features whose endpoints do not exist while they are off answer 404; ways of signing in answer 422.
fn status_of_disabled(code: &str) -> StatusCode {
    match code {
        "saml_provider_disabled"
        | "passkey_disabled"
        | "feature_disabled"
        | "manual_linking_disabled"
        | "mfa_factor_not_found"
        | "identity_not_found" => StatusCode::NOT_FOUND,
        "otp_expired" => StatusCode::FORBIDDEN,
        "provider_disabled" | "validation_failed" | "invalid_credentials" | "web3_unsupported_chain" => {
            StatusCode::BAD_REQUEST
        }
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

fn of_web(error: &web::Error) -> (StatusCode, &'static str) {
    use StatusCode as S;
    match error {
        web::Error::NoApiKey | web::Error::NotSignedIn => (S::UNAUTHORIZED, "no_authorization"),
        web::Error::StepUp { .. } | web::Error::SecondFactorOwed => (S::FORBIDDEN, "insufficient_aal"),
        web::Error::PasswordExpired => (S::FORBIDDEN, "password_expired"),
        web::Error::NotAdmin
        | web::Error::NotOperator
        | web::Error::ThroughClient
        | web::Error::OutOfScope { .. } => (S::FORBIDDEN, "not_admin"),
        web::Error::Forged { .. } => (S::FORBIDDEN, "no_authorization"),
        web::Error::TooLarge { .. } => (S::PAYLOAD_TOO_LARGE, "request_entity_too_large"),
        web::Error::TooSlow => (S::GATEWAY_TIMEOUT, "request_timeout"),
        web::Error::TooMany { .. } => (S::TOO_MANY_REQUESTS, "over_request_rate_limit"),
        web::Error::Malformed { .. } => (S::BAD_REQUEST, "validation_failed"),
        web::Error::NotJson { .. } => (S::BAD_REQUEST, "bad_json"),
        other => of_kind(base::Fault::kind(other)),
    }
}

fn of_kind(kind: Kind) -> (StatusCode, &'static str) {
    let code = match kind {
        Kind::TooLarge => "request_entity_too_large",
        Kind::TooMany => "over_request_rate_limit",
        Kind::Timeout => "request_timeout",
        Kind::Conflict => "conflict",
        Kind::Invalid => "validation_failed",
        Kind::Unauthenticated => "no_authorization",
        Kind::StepUp => "insufficient_aal",
        Kind::Unavailable | Kind::Full | Kind::Bug => "unexpected_failure",
        Kind::Forbidden | Kind::NotFound | Kind::Unsupported => "unknown",
    };
    (status_of(kind), code)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::HeaderValue;
    use web::{Body, RequestId};

    use super::*;

    fn worded(error: impl Into<Failure>, version: Option<&'static str>) -> (StatusCode, HeaderMap, Value) {
        let mut headers = HeaderMap::new();
        if let Some(version) = version {
            headers.insert("x-supabase-api-version", HeaderValue::from_static(version));
        }
        let request_id = RequestId(Arc::from("r1"));
        let refused =
            Refused { request_id: &request_id, headers: &headers, authenticated: false, development: false };
        let (head, body) = word(&error.into(), &refused).0.into_parts();
        let Body::Whole(bytes) = body else { panic!("a stream") };
        (head.status, head.headers, serde_json::from_slice(&bytes).unwrap())
    }

    #[test]
    fn the_version_header_chooses_the_shape() {
        for version in
            [None, Some("2023-12-31"), Some("yesterday"), Some(""), Some("2024"), Some("9999-99-99")]
        {
            let (status, headers, body) = worded(Error::InvalidCredentials, version);
            assert_eq!(status, 400);
            let old = json!({ "code": 400, "error_code": "invalid_credentials", "msg": "Invalid login credentials" });
            assert_eq!(body, old, "{version:?}");
            assert!(headers.get("x-supabase-api-version").is_none());
            assert_eq!(headers["x-sb-error-code"], "invalid_credentials");
        }
        for version in ["2024-01-01", "2024-01-02", "2030-06-01"] {
            let (_, headers, body) = worded(Error::InvalidCredentials, Some(version));
            assert_eq!(
                body,
                json!({ "code": "invalid_credentials", "message": "Invalid login credentials" })
            );
            assert_eq!(headers["x-supabase-api-version"], VERSION);
        }
    }

    #[test]
    fn weak_passwords_name_their_reasons_in_both_shapes() {
        let weak = || Error::WeakPassword { message: "too short".into(), reasons: vec!["length"] };
        for version in [None, Some("2024-01-01")] {
            let (status, _, body) = worded(weak(), version);
            assert_eq!((status.as_u16(), &body["weak_password"]), (422, &json!({ "reasons": ["length"] })));
        }
    }

    #[test]
    fn what_is_ours_to_fix_says_only_the_requests_name() {
        let (status, _, body) = worded(pg::Error::Bug("secret table name".into()), None);
        assert_eq!(status, 500);
        let expected = json!({
            "code": 500, "error_code": "unexpected_failure", "msg": "An unexpected error occurred", "error_id": "r1",
        });
        assert_eq!(body, expected);
        let (status, _, body) =
            worded(Error::from(pg::Error::Bug("secret table name".into())), Some(VERSION));
        assert_eq!((status.as_u16(), body["message"].as_str()), (500, Some("An unexpected error occurred")));
    }

    #[test]
    fn refusals_of_callers_are_the_ones_clients_know() {
        for (failure, status, code) in [
            (Failure::from(web::Error::NotSignedIn), 401, "no_authorization"),
            (Failure::from(web::Error::NotAdmin), 403, "not_admin"),
            (Failure::from(Error::BadToken("signature is invalid")), 403, "bad_jwt"),
            (Failure::from(Error::TokenExpired), 403, "bad_jwt"),
            (Failure::from(Error::TokenRevoked), 403, "session_not_found"),
            (Failure::from(Error::UserGone), 403, "user_not_found"),
            (Failure::from(Error::RefreshUsed), 400, "refresh_token_already_used"),
            (
                Failure::from(Error::disabled("saml_provider_disabled", "SAML 2.0 is disabled")),
                404,
                "saml_provider_disabled",
            ),
        ] {
            let (found, _, body) = worded(failure, None);
            assert_eq!((found.as_u16(), body["error_code"].as_str()), (status, Some(code)));
        }
        let (_, _, body) = worded(Error::BadToken("signature is invalid"), None);
        assert!(body["msg"].as_str().unwrap().starts_with("invalid JWT"), "auth-js looks for it");
    }
}
