//! `/oauth/token` and `/oauth/revoke`: what programs send themselves, as a form or as JSON, with their secret in
//! `Authorization: Basic` or in the body.

use std::collections::BTreeMap;
use std::sync::Arc;

use ::auth::server::{ClientProof, ServerGrant, TokenAsk, Unread};
use ::auth::{Error, ServerError};
use base::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde_json::{Map, Value, json};
use web::{Answer, Ask, Cx, Handled};

use super::super::page::read_form;
use super::super::{State, visit};

/// The fields of a request, each once.
struct Fields(BTreeMap<String, String>);

impl Fields {
    fn read(ask: &Ask) -> Result<Self, Error> {
        let kind = ask.header(CONTENT_TYPE.as_str()).unwrap_or_default();
        let pairs: Vec<(String, String)> = match kind.starts_with("application/json") {
            true => {
                let fields: Map<String, Value> = serde_json::from_slice(&ask.body)
                    .map_err(|_| ServerError::Malformed("the body is not a JSON object"))?;
                let text = |(name, value): (String, Value)| Some((name, value.as_str()?.to_owned()));
                fields.into_iter().filter_map(text).collect()
            }
            false => read_form(&ask.body),
        };
        let mut fields = BTreeMap::new();
        for (name, value) in pairs {
            if fields.insert(name, value).is_some() {
                return Err(ServerError::Malformed("a parameter is there twice").into());
            }
        }
        Ok(Fields(fields))
    }

    fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).filter(|value| !value.is_empty()).cloned()
    }

    fn secret(&self, name: &str) -> Option<Secret<String>> {
        self.get(name).map(Secret::new)
    }

    fn needed(&self, name: &str, missing: &'static str) -> Result<Secret<String>, Error> {
        self.secret(name).ok_or_else(|| ServerError::Malformed(missing).into())
    }

    /// What the program wants.
    fn wanted(&self) -> Result<TokenAsk, Error> {
        match self.get("grant_type").as_deref() {
            Some("authorization_code") => Ok(TokenAsk::Code {
                code: self.needed("code", "code is missing")?,
                redirect_uri: self.get("redirect_uri"),
                verifier: self.secret("code_verifier"),
                resource: self.get("resource"),
            }),
            Some("refresh_token") => {
                Ok(TokenAsk::Refresh(self.needed("refresh_token", "refresh_token is missing")?))
            }
            Some(_) => Err(ServerError::GrantType.into()),
            None => Err(ServerError::Malformed("grant_type is missing").into()),
        }
    }

    /// Who the program says it is: in one place, not in two.
    fn proof(&self, ask: &Ask) -> Result<ClientProof, Error> {
        let (id, secret) = (self.get("client_id"), self.secret("client_secret"));
        let line = ask.header("authorization");
        let Some((name, password)) = line.map(basic).transpose()?.flatten() else {
            return Ok(ClientProof { id, secret });
        };
        if secret.is_some() || id.is_some_and(|id| id != name) {
            return Err(ServerError::Malformed("the client names itself in two places").into());
        }
        Ok(ClientProof { id: Some(name), secret: Some(Secret::new(password)) })
    }
}

/// Name and secret of `Authorization: Basic`, each encoded as in a form (RFC 6749 2.3.1). Other schemes are not for us.
fn basic(line: &str) -> Result<Option<(String, String)>, Error> {
    let Some((scheme, rest)) = line.split_once(' ') else { return Ok(None) };
    if !scheme.eq_ignore_ascii_case("basic") {
        return Ok(None);
    }
    let bytes = STANDARD.decode(rest.trim()).map_err(|_| ServerError::Credentials)?;
    let text = String::from_utf8(bytes).map_err(|_| ServerError::Credentials)?;
    let (name, password) = text.split_once(':').ok_or(ServerError::Credentials)?;
    Ok(Some((web::decode_form(name), web::decode_form(password))))
}

/// `POST /oauth/token`.
pub fn token(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let visit = visit(&cx, &ask);
        let read = Fields::read(&ask).and_then(|fields| Ok((fields.proof(&ask)?, fields.wanted()?)));
        state.auth.oauth_note_unread(&read, Unread::Client, &visit);
        let (proof, wanted) = read?;
        let granted = state.auth.oauth_token(&proof, &wanted, &visit).await?;
        Ok(granted.map(|granted| Answer::json(&shape(&granted)).with(CACHE_CONTROL, "no-store")))
    })
}

fn shape(granted: &ServerGrant) -> Value {
    let grant = &granted.grant;
    let mut told = json!({
        "access_token": grant.access_token.expose(),
        "token_type": "bearer",
        "expires_in": grant.expires_in,
        "scope": granted.scope,
    });
    if granted.refreshes {
        told["refresh_token"] = json!(grant.refresh_token.expose());
    }
    if let Some(token) = &granted.id_token {
        told["id_token"] = json!(token.expose());
    }
    told
}

/// `POST /oauth/revoke` (RFC 7009): 200, whether there was such a token or not.
pub fn revoke(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let visit = visit(&cx, &ask);
        let read = Fields::read(&ask)
            .and_then(|fields| Ok((fields.proof(&ask)?, fields.needed("token", "token is missing")?)));
        state.auth.oauth_note_unread(&read, Unread::Client, &visit);
        let (proof, token) = read?;
        let given = state.auth.oauth_give_back(&proof, &token, &visit).await?;
        Ok(given.map(|()| Answer::json(&json!({}))))
    })
}
