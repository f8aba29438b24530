//! `POST /token?grant_type=id_token`: what a native application got from a provider.

use ::auth::oauth::IdTokenGrant;
use ::auth::{Credentials, Error, Grant};
use base::{Failure, Secret};
use serde::Deserialize;
use web::{Ask, Cx, Reply};

use super::{State, visit};

#[derive(Deserialize, Default)]
#[serde(default)]
struct Asked {
    id_token: Option<String>,
    access_token: Option<String>,
    nonce: Option<String>,
    provider: Option<String>,
    client_id: Option<String>,
    issuer: Option<String>,
    link_identity: bool,
}

pub(super) async fn grant(state: &State, cx: &Cx, ask: &Ask) -> Result<Reply<Grant>, Failure> {
    let asked: Asked = ask.object()?;
    let Some(id_token) = asked.id_token.filter(|token| !token.is_empty()) else {
        return Err(Error::invalid("id_token required").into());
    };
    // This endpoint reads no credential; only who links an identity shows one.
    let mut visit = visit(cx, ask);
    let link_to = match asked.link_identity {
        true => {
            let bearer =
                ask.header("authorization").and_then(|line| line.split_once(' ')).map(|(_, token)| token);
            let credentials = Credentials {
                bearer: bearer.map(Secret::from),
                browser: ask.header("origin").is_some(),
                ..Credentials::default()
            };
            let known = state.auth.identify(&credentials, cx.caller.address).await?;
            visit.caller = known.caller.clone();
            let person = known.caller.signed_in().cloned().ok_or(web::Error::NotSignedIn)?;
            if !known.caller.is_themself() {
                return Err(web::Error::ThroughClient.into());
            }
            // As every route that is not open asks: this one is, for whoever signs in.
            if let Some(owed) = known.caller.owes {
                return Err(web::Error::owed(owed).into());
            }
            Some(person)
        }
        false => None,
    };
    let grant = IdTokenGrant {
        id_token: Secret::new(id_token),
        access_token: asked.access_token.map(Secret::new),
        nonce: asked.nonce,
        provider: asked.provider,
        issuer: asked.issuer,
        client_id: asked.client_id,
        link_to,
    };
    Ok(state.auth.sign_in_with_id_token(grant, &visit).await?)
}
