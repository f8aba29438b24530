//! `config` and `captcha/config`: what a sign-in page asks first.

use std::sync::Arc;

use serde_json::{Value, json};
use web::{Answer, Ask, Cx, Handled, Reply};

use super::{State, saml};

const NO_DATA: &str = "what is on: no row of anybody is touched";

/// `GET config`.
pub fn config(state: Arc<State>, _: Cx, _: Ask) -> Handled {
    Box::pin(async move {
        let rules = state.auth.rules();
        let policy = &rules.password;
        let asks_for =
            |one: char, not: char| policy.sets.iter().any(|set| set.contains(one) && !set.contains(not));
        let providers = state.sso.offered().await?.into_inner();
        let saml: Vec<Value> = providers
            .iter()
            .map(|provider| json!({ "provider": saml::name(provider), "display_name": saml::name(provider) }))
            .collect();
        let told = json!({
            "signup_enabled": rules.signup,
            "require_email_verification": !rules.autoconfirm,
            "magic_link_enabled": rules.can_mail,
            "password_login_enabled": true,
            "mfa_available": true,
            "password_min_length": policy.length_min,
            "password_require_uppercase": asks_for('A', 'a'),
            "password_require_lowercase": asks_for('a', 'A'),
            "password_require_number": asks_for('1', 'a'),
            "password_require_special": asks_for('!', 'a'),
            "oauth_providers": [],
            "saml_providers": saml,
            "captcha": { "enabled": false },
        });
        Ok(Reply::untouched(Answer::json(&told), NO_DATA))
    })
}

/// `GET captcha/config`.
pub fn captcha(_: Arc<State>, _: Cx, _: Ask) -> Handled {
    Box::pin(async { Ok(Reply::untouched(Answer::json(&json!({ "enabled": false })), NO_DATA)) })
}
