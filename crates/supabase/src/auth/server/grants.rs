//! `/user/oauth/grants`: the programs that somebody let in.

use std::sync::Arc;

use ::auth::server::GrantInfo;
use ::auth::{Error, ServerError};
use serde_json::{Value, json};
use uuid::Uuid;
use web::{Answer, Ask, Cx, Handled};

use super::super::{State, account, visit};

/// `GET /user/oauth/grants`: a bare list.
pub fn list(state: Arc<State>, cx: Cx, _: Ask) -> Handled {
    Box::pin(async move {
        let grants = state.auth.oauth_grants(account::person(&cx)?.user).await?;
        Ok(grants.map(|grants| Answer::json(&grants.iter().map(shape).collect::<Vec<Value>>())))
    })
}

/// `DELETE /user/oauth/grants?client_id=…`.
pub fn revoke(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let person = account::person(&cx)?;
        let Some(client) = ask.query_param("client_id").filter(|id| !id.is_empty()) else {
            return Err(Error::invalid("client_id query parameter is required").into());
        };
        let client = Uuid::try_parse(&client).map_err(|_| Error::from(ServerError::NoConsent))?;
        let revoked = state.auth.oauth_revoke_grant(person.user, client, &visit(&cx, &ask)).await?;
        Ok(revoked.map(|()| Answer::no_content()))
    })
}

fn shape(grant: &GrantInfo) -> Value {
    json!({
        "client": {
            "id": grant.client,
            "name": grant.name.as_deref().unwrap_or_default(),
            "uri": grant.uri.as_deref().unwrap_or_default(),
            "logo_uri": grant.logo.as_deref().unwrap_or_default(),
        },
        "scopes": grant.scopes,
        "granted_at": grant.granted_at,
    })
}
