//! `config`, `captcha/*` and `csrf`: what a sign-in page asks first; and the CAPTCHA before what it protects.
//!
//! The SDK sends `captcha_token` beside the other fields. It is looked at before anything else is.

use std::sync::Arc;

use http::Method;
use http::header::{CACHE_CONTROL, SET_COOKIE};
use serde::Deserialize;
use serde_json::{Value, json};
use web::{Answer, Ask, Credentials, Cx, Guard, Handled, Limits, Mount, Reply, Route};

use super::{State, oauth, open, saml};

const NO_DATA: &str = "what is on: no row of anybody is touched";

pub(super) const ROUTES: [Route<State>; 4] = [
    open(Method::GET, "/config", config).summary("Which ways of signing in are on"),
    open(Method::GET, "/captcha/config", captcha).summary("Which captcha is asked for, and where"),
    open(Method::POST, "/captcha/check", check).summary("Whether an endpoint asks for a captcha"),
    Route::new(Method::GET, "/csrf", Guard::Open, csrf)
        .credentials(Credentials::None)
        .limits(Limits::NO_BODY)
        .summary("The token with which this browser's own forms prove where they come from"),
];

/// What the CAPTCHA protects, by the names its SDK has for them.
const PROTECTED: [(&str, &[&str]); 4] = [
    ("signup", &["/signup", "/signin/anonymous", "/verify-email/resend"]),
    ("login", &["/signin"]),
    ("password_reset", &["/password/reset"]),
    ("magic_link", &["/magiclink", "/otp/signin", "/otp/resend"]),
];

/// `GET config`.
fn config(state: Arc<State>, _: Cx, _: Ask) -> Handled {
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
        let outside: Vec<Value> =
            state.auth.outside_providers().map(|name| oauth::provider(&state, name)).collect();
        let told = json!({
            "signup_enabled": rules.signup && (rules.autoconfirm || rules.can_mail),
            "require_email_verification": !rules.autoconfirm,
            "magic_link_enabled": rules.magic_links && rules.can_mail,
            "password_login_enabled": rules.email,
            "anonymous_enabled": rules.signup && rules.anonymous,
            "phone_enabled": rules.phone && !state.auth.text_provider().is_empty(),
            "mfa_available": true,
            "mfa_required": rules.mfa.required,
            "password_min_length": policy.length_min,
            "password_require_uppercase": asks_for('A', 'a'),
            "password_require_lowercase": asks_for('a', 'A'),
            "password_require_number": asks_for('1', 'a'),
            "password_require_special": asks_for('!', 'a'),
            "oauth_providers": outside,
            "saml_providers": saml,
            "captcha": told_of(&state),
        });
        Ok(Reply::untouched(Answer::json(&told), NO_DATA))
    })
}

fn told_of(state: &State) -> Value {
    let Some(shown) = state.auth.captcha_shown() else { return json!({ "enabled": false }) };
    let names: Vec<&str> = PROTECTED.iter().map(|(name, _)| *name).collect();
    let mut told = json!({ "enabled": true, "provider": shown.provider, "endpoints": names });
    match shown.site_key {
        Some(key) => told["site_key"] = json!(key),
        None => told["challenge_url"] = json!(format!("{}/captcha", state.auth.rules().auth_url())),
    }
    told
}

/// `GET captcha/config`.
fn captcha(state: Arc<State>, _: Cx, _: Ask) -> Handled {
    Box::pin(async move { Ok(Reply::untouched(Answer::json(&told_of(&state)), NO_DATA)) })
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Asked {
    endpoint: String,
}

/// `POST captcha/check`: the same for everybody. Upstream trusts known devices and addresses; here a captcha that is on
/// is asked for, whoever it is.
fn check(state: Arc<State>, _: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let asked: Asked = ask.object()?;
        let protects = PROTECTED.iter().any(|(name, _)| *name == asked.endpoint);
        let shown = state.auth.captcha_shown().filter(|_| protects);
        let told = json!({
            "captcha_required": shown.is_some(),
            "reason": if shown.is_some() { "always required" } else { "not required" },
            "provider": shown.as_ref().map(|shown| shown.provider),
            "site_key": shown.as_ref().and_then(|shown| shown.site_key),
        });
        Ok(Reply::untouched(Answer::json(&told), NO_DATA))
    })
}

/// `GET csrf`: the token, and the cookie it is made of.
fn csrf(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let known = web::csrf::browser(&ask.parts.headers);
        let value = known.clone().unwrap_or_else(|| web::csrf::new_browser(&cx.rng));
        let told = json!({ "csrf_token": web::csrf::csrf_token(&value) });
        let answer = Answer::json(&told).with(CACHE_CONTROL, "no-store");
        let https = state.auth.rules().public_url.starts_with("https:");
        let answer = match known {
            Some(_) => answer,
            None => answer.with(SET_COOKIE, &web::csrf::browser_cookie(&value, https)),
        };
        Ok(Reply::untouched(answer, "a token of this browser alone"))
    })
}

/// The same routes, with the CAPTCHA asked for first.
pub(crate) fn protect(mount: Mount, state: &Arc<State>) -> Mount {
    if !state.auth.has_captcha() {
        return mount;
    }
    let state = state.clone();
    let first = move |cx: &Cx, ask: &Ask| -> web::Asked {
        let body: Option<Value> = ask.object().ok();
        let token = body.and_then(|body| Some(body.get("captcha_token")?.as_str()?.to_owned()));
        let (state, address) = (state.clone(), cx.caller.address);
        Box::pin(async move { Ok(state.auth.require_captcha(token.as_deref(), address).await?) })
    };
    let which = |method: &Method, path: &str| {
        *method == Method::POST && PROTECTED.iter().any(|(_, paths)| paths.contains(&path))
    };
    mount.behind(which, first)
}
