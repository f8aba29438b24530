//! CAPTCHA before the endpoints that upstream protects, and `GET /captcha` for the proof of work.
//!
//! The token is `gotrue_meta_security.captcha_token` of the body. It is looked at before anything else is.

use std::sync::Arc;

use ::auth::Error;
use http::Method;
use http::header::CACHE_CONTROL;
use serde_json::Value;
use web::{Answer, Ask, Cx, Handled, Mount, Reply, Route};

use super::{State, open};

pub(super) const ROUTES: [Route<State>; 1] =
    [open(Method::GET, "/captcha", challenge).summary("A proof of work to solve, where one is asked for")];

/// What upstream protects. Refreshing, exchanging and an outside provider's word need none.
const PROTECTED: [&str; 7] =
    ["/signup", "/token", "/otp", "/magiclink", "/recover", "/resend", "/passkeys/authentication/options"];

fn challenge(state: Arc<State>, _: Cx, _: Ask) -> Handled {
    Box::pin(async move {
        let work = state
            .auth
            .new_work()
            .ok_or_else(|| Error::disabled("feature_disabled", "No proof of work is asked for here"))?;
        Ok(Reply::untouched(Answer::json(&work).with(CACHE_CONTROL, "no-store"), "a puzzle of no account"))
    })
}

/// The same routes, with the CAPTCHA asked for first.
pub(super) fn protect(mount: Mount, state: &Arc<State>) -> Mount {
    if !state.auth.has_captcha() {
        return mount;
    }
    let state = state.clone();
    let first = move |cx: &Cx, ask: &Ask| -> web::Asked {
        if !is_asked_of(ask) {
            return Box::pin(async { Ok(()) });
        }
        let (state, token, address) = (state.clone(), token(ask), cx.caller.address);
        Box::pin(async move { Ok(state.auth.require_captcha(token.as_deref(), address).await?) })
    };
    let which = |method: &Method, path: &str| {
        *method == Method::POST && (PROTECTED.contains(&path) || path == "/sso")
    };
    mount.behind(which, first)
}

/// Of the grants a password is a guess, and a wallet costs nothing to make.
fn is_asked_of(ask: &Ask) -> bool {
    !ask.path.ends_with("/token")
        || ask.query_param("grant_type").is_some_and(|grant| ["password", "web3"].contains(&&*grant))
}

fn token(ask: &Ask) -> Option<String> {
    let body: Value = ask.object().ok()?;
    body.pointer("/gotrue_meta_security/captcha_token").and_then(Value::as_str).map(str::to_owned)
}
