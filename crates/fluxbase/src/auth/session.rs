//! `signin`, `refresh`, `signout`.

use std::sync::Arc;

use ::auth::{Error, Scope};
use serde::Deserialize;
use serde_json::json;
use web::{Answer, Ask, Cx, Handled};

use super::account::Credentials;
use super::{State, person, shape, visit};

/// `POST signin`.
pub fn sign_in(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let asked: Credentials = ask.object()?;
        let email = asked.email.clone().ok_or_else(|| Error::invalid("email is required"))?;
        let granted = state.auth.sign_in(&email, &asked.password(), &visit(&cx, &ask)).await?;
        let url = state.auth.rules().public_url.clone();
        Ok(granted.map(|grant| super::links::arrived(&grant, &url)))
    })
}

#[derive(Deserialize)]
struct Refresh {
    #[serde(default)]
    refresh_token: String,
}

/// `POST refresh`.
pub fn refresh(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let asked: Refresh = ask.object()?;
        let granted = state.auth.refresh(&asked.refresh_token, &visit(&cx, &ask)).await?;
        Ok(granted.map(|grant| Answer::json(&shape::session(&grant))))
    })
}

/// `POST signout` ends this session; other devices stay signed in.
pub fn sign_out(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let person = person(&cx)?;
        let ended = state.auth.sign_out(person.user, person.session, Scope::Local, &visit(&cx, &ask)).await?;
        Ok(ended.map(|()| Answer::json(&json!({ "message": "Signed out successfully" }))))
    })
}
