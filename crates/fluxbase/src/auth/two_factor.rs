//! `2fa/*`: an authenticator as a second factor.
//!
//! The SDK finishes a sign-in by sending back the `user_id` it was given with the code, and no token. What it is given
//! here as `user_id` is the token of the session that knows the password only: a name of an account is known to others,
//! and must not be half of a sign-in.

use std::sync::Arc;

use ::auth::mfa::{Answer as Shown, Enrol, FactorType};
use ::auth::{Credentials, Error, Grant, User, Visit};
use base::{Failure, Secret};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;
use web::{Answer, Ask, Cx, Handled, Reply};

use super::{State, person, shape, visit};

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

#[derive(Deserialize)]
struct Setup {
    #[serde(default)]
    issuer: Option<String>,
}

/// `POST 2fa/setup`: the SDK sends no body. What an earlier try left behind is taken away first.
pub fn setup(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let asked: Option<Setup> = if ask.body.is_empty() { None } else { ask.object()? };
        let visit = visit(&cx, &ask);
        let user = state.auth.own_user(person(&cx)?.user).await?.into_inner();
        for left in factors(&user, "unverified") {
            state.auth.remove_factor(left, &visit).await?.into_inner();
        }
        let issuer = asked.and_then(|asked| asked.issuer).filter(|issuer| !issuer.is_empty());
        let new = Enrol { kind: FactorType::Totp, friendly_name: String::new(), issuer, phone: None };
        let enrolled = state.auth.enrol_factor(new, &visit).await?;
        Ok(enrolled.map(|enrolled| {
            let mut told = json!({ "id": enrolled.id, "type": "totp" });
            if let Some(totp) = &enrolled.totp {
                let picture = format!("data:image/svg+xml;base64,{}", STANDARD.encode(&totp.qr_code));
                let (secret, uri) = (totp.secret.expose(), totp.uri.expose());
                told["totp"] = json!({ "qr_code": picture, "secret": secret, "uri": uri });
                // As the guide's own code reads them.
                told["qr_code"] = json!(picture);
                told["secret"] = json!(secret);
            }
            Answer::json(&told)
        }))
    })
}

#[derive(Deserialize)]
struct Enable {
    code: Value,
}

/// `POST 2fa/enable` with `{code}`, or `{code: {code}}` as the SDK makes of the guide's call. The session is one of two
/// proofs from now on, so its tokens are new ones.
pub fn enable(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let asked: Enable = ask.object()?;
        let code = asked.code.as_str().or(asked.code.get("code").and_then(Value::as_str));
        let code = Secret::from(code.ok_or_else(|| Error::invalid("code is required"))?);
        let visit = visit(&cx, &ask);
        let user = state.auth.own_user(person(&cx)?.user).await?.into_inner();
        let waiting = factors(&user, "unverified").into_iter().next_back();
        let factor = waiting.ok_or_else(|| Error::invalid("call 2fa/setup first"))?;
        let grant = show(&state, factor, code, &visit).await?.into_inner();
        let proven = visit_with(&state, grant.access_token.clone(), visit).await?;
        let again = state.auth.recovery_state(&proven).await.is_ok();
        let made = state.auth.make_recovery_codes(again, &proven).await?;
        let url = state.auth.rules().public_url.clone();
        Ok(made.map(|made| {
            let codes: Vec<&str> = made.codes.iter().map(|code| code.expose().as_str()).collect();
            let mut told = shape::session(&grant);
            told["success"] = json!(true);
            told["backup_codes"] = json!(codes);
            told["message"] =
                json!("Two-factor authentication is on. Use the tokens of this answer from now on.");
            shape::with_device(Answer::json(&told), &grant, &url)
        }))
    })
}

#[derive(Deserialize)]
struct Verify {
    #[serde(default)]
    user_id: String,
    #[serde(default)]
    code: String,
}

/// `POST 2fa/verify`: `user_id` is what the sign-in gave, and nobody's name.
pub fn verify(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let asked: Verify = ask.object()?;
        let ticket = Secret::new(asked.user_id);
        let visit =
            visit_with(&state, ticket, visit(&cx, &ask)).await.map_err(|_| Error::InvalidCredentials)?;
        let known = visit.caller.signed_in().ok_or(Error::InvalidCredentials)?.user;
        let user = state.auth.own_user(known).await?.into_inner();
        let code: String = asked.code.chars().filter(|c| !c.is_whitespace()).collect();
        let is_totp = code.len() == 6 && code.chars().all(|c| c.is_ascii_digit());
        let granted = match factors(&user, "verified").into_iter().next() {
            Some(factor) if is_totp => show(&state, factor, Secret::new(code), &visit).await?,
            _ => state.auth.use_recovery_code(&Secret::new(asked.code), &visit).await?,
        };
        let url = state.auth.rules().public_url.clone();
        Ok(granted.map(|grant| shape::signed_in(StatusCode::OK, &grant, &url)))
    })
}

#[derive(Deserialize)]
struct Disable {
    #[serde(default)]
    password: String,
}

/// `POST 2fa/disable`: the password again, in a session that has both proofs.
pub fn disable(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let asked: Disable = ask.object()?;
        let visit = visit(&cx, &ask);
        let user = state.auth.own_user(person(&cx)?.user).await?.into_inner();
        let all = factors(&user, "verified");
        let first = *all.first().ok_or_else(|| Error::invalid("two-factor authentication is not on"))?;
        state.auth.check_password(user.id, &Secret::new(asked.password), &visit).await?;
        let has_codes = user.factors.iter().any(|factor| field(factor, "factor_type") == "recovery_code");
        if has_codes || state.auth.recovery_state(&visit).await.is_ok() {
            state.auth.remove_recovery_codes(&visit).await?.into_inner();
        }
        let mut removed = Reply::untouched(first, "at least one is removed below");
        for factor in all {
            removed = state.auth.remove_factor(factor, &visit).await?;
        }
        Ok(removed.map(|id| {
            Answer::json(&json!({ "id": id, "success": true, "message": "Two-factor authentication is off" }))
        }))
    })
}

/// Shows a code of a factor.
async fn show(
    state: &State,
    factor: Uuid,
    code: Secret<String>,
    visit: &Visit,
) -> Result<Reply<Grant>, Failure> {
    let challenge = state.auth.challenge_factor(factor, visit).await?.into_inner();
    Ok(state.auth.verify_factor(factor, challenge.id, &Shown::Code(code), visit).await?)
}

/// The same visit, by whoever a token says.
async fn visit_with(state: &State, token: Secret<String>, visit: Visit) -> Result<Visit, Failure> {
    let shown = Credentials { bearer: Some(token), ..Credentials::default() };
    let known = state.auth.identify(&shown, visit.caller.address).await?;
    if !known.caller.is_themself() {
        return Err(web::Error::ThroughClient.into());
    }
    Ok(Visit { caller: known.caller, ..visit })
}

/// Ids of the authenticator apps in this state, oldest first.
fn factors(user: &User, status: &str) -> Vec<Uuid> {
    let of = |factor: &&Map<String, Value>| {
        field(factor, "factor_type") == "totp" && field(factor, "status") == status
    };
    user.factors.iter().filter(of).filter_map(|factor| field(factor, "id").parse().ok()).collect()
}

fn field<'f>(factor: &'f Map<String, Value>, name: &str) -> &'f str {
    factor.get(name).and_then(Value::as_str).unwrap_or_default()
}
