//! What AppFlowy's clients ask beyond upstream (wire/appflowy.md 2.2, rows F): whether there is a password, and another one.

use std::sync::Arc;

use ::auth::UserChange;
use base::Secret;
use http::Method;
use serde::Deserialize;
use serde_json::json;
use web::{Answer, Ask, Cx, Handled, Limits, Route};

use super::account::person;
use super::{PASSWORD, State, fields, shape, signed_in, visit};

pub(super) const ROUTES: [Route<State>; 2] = [
    signed_in(Method::GET, "/user/auth-info", auth_info)
        .settles(PASSWORD)
        .summary("Whether the caller's account has a password"),
    signed_in(Method::POST, "/user/change-password", change_password)
        .limits(Limits::SMALL)
        .settles(PASSWORD)
        .summary("Changes the caller's password, given the one in force"),
];

fn auth_info(state: Arc<State>, cx: Cx, _: Ask) -> Handled {
    Box::pin(async move {
        let user = state.auth.own_user(person(&cx)?.user).await?;
        Ok(user.map(|user| Answer::json(&json!({ "has_password": user.has_password() }))))
    })
}

#[derive(Deserialize)]
struct Change {
    #[serde(default, deserialize_with = "fields::filled_secret")]
    current_password: Option<Secret<String>>,
    #[serde(default, deserialize_with = "fields::filled_secret")]
    password: Option<Secret<String>>,
}

fn change_password(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let asked: Change = ask.object()?;
        let user = state.auth.own_user(person(&cx)?.user).await?.into_inner();
        let password = asked.password.ok_or_else(|| ::auth::Error::invalid("password is required"))?;
        if user.has_password() && asked.current_password.is_none() {
            return Err(::auth::Error::CurrentPasswordMissing.into());
        }
        let change = UserChange {
            password: Some(password),
            current_password: asked.current_password,
            ..UserChange::default()
        };
        let changed = state.auth.change_own(user.id, change, &visit(&cx, &ask)).await?;
        Ok(changed.map(|user| Answer::json(&shape::user(&user))))
    })
}
