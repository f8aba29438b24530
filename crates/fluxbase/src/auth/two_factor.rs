//! `2fa/*`: an authenticator as a second factor.
//!
//! The SDK finishes a sign-in by sending back the `user_id` it was given with the code, and no token. What it is given
//! here as `user_id` is the token of the session that knows the password only: a name of an account is known to others,
//! and must not be half of a sign-in.

use std::sync::Arc;

use ::auth::{Grant, User};
use serde_json::{Value, json};
use web::{Answer, Ask, Cx, Handled};

use super::{State, person, shape};

/// Whether a sign-in is not finished by the password.
pub fn has_factor(user: &User) -> bool {
    user.factors.iter().any(|factor| factor.get("status").and_then(Value::as_str) == Some("verified"))
}

/// The answer to a password that was right and is not enough.
pub fn asked_for(grant: &Grant) -> Answer {
    Answer::json(&json!({
        "requires_2fa": true,
        "user_id": grant.access_token.expose(),
        "message": "Two-factor authentication is required",
    }))
}

/// `GET 2fa/status`: the SDK's lists, and the flag its server has.
pub fn status(state: Arc<State>, cx: Cx, _: Ask) -> Handled {
    Box::pin(async move {
        let user = state.auth.own_user(person(&cx)?.user).await?;
        Ok(user.map(|user| {
            let all: Vec<Value> = user.factors.iter().map(shape::factor).collect();
            let totp: Vec<&Value> =
                all.iter().filter(|one| one["type"] == "totp" && one["status"] == "verified").collect();
            Answer::json(&json!({ "all": all, "totp": totp, "totp_enabled": !totp.is_empty() }))
        }))
    })
}
