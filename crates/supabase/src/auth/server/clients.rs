//! `/admin/oauth/clients` and `/oauth/clients/register`: programs that sign people in through us.

use std::sync::Arc;

use ::auth::server::{Client, ClientFields};
use ::auth::{Error, ServerError};
use base::Secret;
use http::header::{CACHE_CONTROL, LINK};
use http::{HeaderName, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;
use web::{Answer, Ask, Cx, Handled};

use super::super::{State, admin, visit};

/// `POST /oauth/clients/register` (RFC 7591).
pub fn register(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let fields: ClientFields = ask.object()?;
        let made = state.auth.client_register(fields, &visit(&cx, &ask)).await?;
        Ok(made.map(|(client, secret)| created(&client, secret.as_ref())))
    })
}

/// `POST /admin/oauth/clients`.
pub fn create(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let fields: ClientFields = ask.object()?;
        let made = state.auth.client_create(fields, &visit(&cx, &ask)).await?;
        Ok(made.map(|(client, secret)| created(&client, secret.as_ref())))
    })
}

/// `GET /admin/oauth/clients?page&per_page`.
pub fn list(state: Arc<State>, _: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let page = admin::read_page(&ask)?;
        let listed = state.auth.client_list(page.number, page.size).await?;
        let path = ask.parts.uri.path().to_owned();
        Ok(listed.map(|(clients, total)| {
            let clients: Vec<Value> = clients.iter().map(|client| shape(client, None)).collect();
            Answer::json(&json!({ "clients": clients }))
                .with(LINK, &admin::links(&path, &page, total))
                .with(HeaderName::from_static("x-total-count"), &total.to_string())
        }))
    })
}

/// `GET /admin/oauth/clients/{id}`.
pub fn get(state: Arc<State>, _: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let found = state.auth.client_get(id(&ask)?).await?;
        Ok(found.map(|client| Answer::json(&shape(&client, None))))
    })
}

/// `PUT /admin/oauth/clients/{id}`: what is not named stays.
pub fn change(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let fields: ClientFields = ask.object()?;
        let changed = state.auth.client_change(id(&ask)?, fields, &visit(&cx, &ask)).await?;
        Ok(changed.map(|client| Answer::json(&shape(&client, None))))
    })
}

/// `DELETE /admin/oauth/clients/{id}`.
pub fn remove(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let removed = state.auth.client_remove(id(&ask)?, &visit(&cx, &ask)).await?;
        Ok(removed.map(|()| Answer::no_content()))
    })
}

/// `POST /admin/oauth/clients/{id}/regenerate_secret`.
pub fn new_secret(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let changed = state.auth.client_new_secret(id(&ask)?, &visit(&cx, &ask)).await?;
        Ok(changed.map(|(client, secret)| {
            Answer::json(&shape(&client, Some(&secret))).with(CACHE_CONTROL, "no-store")
        }))
    })
}

fn id(ask: &Ask) -> Result<Uuid, Error> {
    Uuid::try_parse(ask.params.get("id")).map_err(|_| ServerError::NoClient.into())
}

/// The one answer that has the secret. RFC 7591 wants to hear when it ends: never.
fn created(client: &Client, secret: Option<&Secret<String>>) -> Answer {
    let mut told = shape(client, secret);
    told["client_id_issued_at"] = json!(client.created_at.as_second());
    if secret.is_some() {
        told["client_secret_expires_at"] = json!(0);
    }
    Answer::json_with(StatusCode::CREATED, &told).with(CACHE_CONTROL, "no-store")
}

fn shape(client: &Client, secret: Option<&Secret<String>>) -> Value {
    let mut told = json!({
        "client_id": client.id,
        "client_type": if client.is_public { "public" } else { "confidential" },
        "redirect_uris": client.redirect_uris,
        "token_endpoint_auth_method": client.auth_method,
        "grant_types": client.grant_types,
        "response_types": ["code"],
        "registration_type": if client.is_dynamic { "dynamic" } else { "manual" },
        "created_at": client.created_at,
        "updated_at": client.updated_at,
    });
    for (name, text) in
        [("client_name", &client.name), ("client_uri", &client.uri), ("logo_uri", &client.logo)]
    {
        if let Some(text) = text {
            told[name] = json!(text);
        }
    }
    if let Some(secret) = secret {
        told["client_secret"] = json!(secret.expose());
    }
    told
}
