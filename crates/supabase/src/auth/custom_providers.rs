//! `/admin/custom-providers`: providers that administrators add (wire/gotrue.md 1.13).

use std::sync::Arc;

use ::auth::oauth::CustomFields;
use http::{Method, StatusCode};
use serde_json::json;
use web::{Answer, Ask, Cx, Handled, Route};

use super::{State, for_admins, visit};

pub(super) const ROUTES: [Route<State>; 5] = [
    for_admins(Method::GET, "/admin/custom-providers", list).summary("Sign-in providers that were added"),
    for_admins(Method::POST, "/admin/custom-providers", create).summary("Adds a sign-in provider"),
    for_admins(Method::GET, "/admin/custom-providers/{id}", get).summary("One of them"),
    for_admins(Method::PUT, "/admin/custom-providers/{id}", change).summary("Changes one"),
    for_admins(Method::DELETE, "/admin/custom-providers/{id}", remove).summary("Removes one"),
];

fn list(state: Arc<State>, _: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let kind = ask.query_param("type").unwrap_or_default();
        let all = state.auth.custom_list(&kind).await?;
        Ok(all.map(|all| Answer::json(&json!({ "providers": all }))))
    })
}

fn create(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let fields: CustomFields = ask.object()?;
        let saved = state.auth.custom_save(None, fields, &visit(&cx, &ask)).await?;
        Ok(saved.map(|provider| Answer::json_with(StatusCode::CREATED, &provider)))
    })
}

fn get(state: Arc<State>, _: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let found = state.auth.custom_get(ask.params.get("id")).await?;
        Ok(found.map(|provider| Answer::json(&provider)))
    })
}

fn change(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let fields: CustomFields = ask.object()?;
        let saved = state.auth.custom_save(Some(ask.params.get("id")), fields, &visit(&cx, &ask)).await?;
        Ok(saved.map(|provider| Answer::json(&provider)))
    })
}

fn remove(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let removed = state.auth.custom_remove(ask.params.get("id"), &visit(&cx, &ask)).await?;
        Ok(removed.map(|()| Answer::no_content()))
    })
}
