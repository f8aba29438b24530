//! What anybody may know: that we are here, what is on, and the public keys.

use std::sync::Arc;

use ::auth::Auth;
use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use web::{Answer, Ask, Cx, Handled, Reply};

use super::State;

const NO_DATA: &str = "what is on, and public keys: no row is touched";

fn told(value: Value) -> Handled {
    Box::pin(async move { Ok(Reply::untouched(Answer::json(&value), NO_DATA)) })
}

/// `GET /health`. No version: a banner is a gift to scanners (control 82).
pub fn health(_: Arc<State>, _: Cx, _: Ask) -> Handled {
    told(json!({
        "version": "", "name": "GoTrue", "description": "GoTrue is a user registration and authentication API",
    }))
}

/// `GET /settings`.
pub fn settings(state: Arc<State>, _: Cx, _: Ask) -> Handled {
    const OFF: [&str; 23] = [
        "apple",
        "azure",
        "bitbucket",
        "discord",
        "facebook",
        "snapchat",
        "figma",
        "fly",
        "github",
        "gitlab",
        "google",
        "keycloak",
        "kakao",
        "linkedin",
        "linkedin_oidc",
        "notion",
        "spotify",
        "slack",
        "slack_oidc",
        "workos",
        "twitch",
        "twitter",
        "zoom",
    ];
    let rules = state.auth.rules();
    let mut external: serde_json::Map<String, Value> =
        OFF.iter().map(|name| ((*name).to_owned(), json!(false))).collect();
    let texts = state.auth.text_provider();
    for provider in state.auth.outside_providers().filter(|name| OFF.contains(name)) {
        external.insert(provider.to_owned(), json!(true));
    }
    external.insert("email".into(), json!(rules.email));
    external.insert("phone".into(), json!(rules.phone && (rules.phone_autoconfirm || !texts.is_empty())));
    external.insert("anonymous_users".into(), json!(rules.anonymous));
    let mut told = json!({
        "external": external,
        "disable_signup": !(rules.signup && (rules.autoconfirm || rules.can_mail)),
        "mailer_autoconfirm": rules.autoconfirm,
        "phone_autoconfirm": rules.phone_autoconfirm,
        "sms_provider": texts,
        "saml_private_key_next_configured": false,
        "passkeys_enabled": state.auth.has_passkeys(),
    });
    Box::pin(async move {
        told["saml_enabled"] = json!(state.sso.is_offered().await?);
        Ok(Reply::untouched(Answer::json(&told), NO_DATA))
    })
}

/// `GET /.well-known/jwks.json`.
pub fn jwks(state: Arc<State>, _: Cx, _: Ask) -> Handled {
    let jwks = state.auth.jwks();
    Box::pin(async move {
        Ok(Reply::untouched(Answer::json(&jwks).with(CACHE_CONTROL, "public, max-age=600"), NO_DATA))
    })
}

/// `GET /password-policy` (control 21): the live rules, for forms that check while somebody types.
pub fn password_policy(state: Arc<State>, _: Cx, _: Ask) -> Handled {
    let json = HeaderValue::from_static("application/json");
    let answer = Answer::bytes(StatusCode::OK, Some(json), state.password_rules.clone());
    Box::pin(std::future::ready(Ok(Reply::untouched(answer, NO_DATA))))
}

/// What the two below tell.
pub(super) fn password_rules(auth: &Auth) -> Bytes {
    // Numbers and texts always have a form in JSON.
    serde_json::to_vec(&rules_of(auth)).unwrap_or_default().into()
}

#[derive(Serialize)]
struct PasswordRules<'a> {
    min_length: usize,
    max_length: usize,
    required_characters: &'a [String],
}

fn rules_of(auth: &Auth) -> PasswordRules<'_> {
    let policy = &auth.rules().password;
    PasswordRules {
        min_length: policy.length_min,
        max_length: policy.length_max,
        required_characters: &policy.sets,
    }
}

/// The module of the npm package, which is this one file.
const VALIDATOR: &str = include_str!("../../../../clients/password-policy/index.js");

/// `GET /password-policy.js` (control 21): the same module with the live rules in it.
pub fn password_validator(state: Arc<State>, _: Cx, _: Ask) -> Handled {
    let rules = String::from_utf8_lossy(&state.password_rules);
    let checks = "export function validatePassword(password, policy) {";
    let with_rules = "export function validatePassword(password, policy = POLICY) {";
    let module = format!("{}\nexport const POLICY = {rules}\n", VALIDATOR.replace(checks, with_rules));
    Box::pin(async move {
        let answer = Answer::text(StatusCode::OK, "text/javascript; charset=utf-8", module);
        Ok(Reply::untouched(answer.with(CACHE_CONTROL, "public, max-age=600"), NO_DATA))
    })
}
