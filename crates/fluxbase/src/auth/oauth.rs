//! `oauth/*`, `signin/idtoken`, `user/identities`: other people's sign-ins.
//!
//! The address that an application is given is ours: there the flow is bound to the browser that opens it, and the provider
//! sends that browser back to us, never to the application. The application is given a code and a state, and exchanges
//! both. The SDK keeps nothing between the two, so the proof key of the flow travels as the state: it is good for one
//! code, which is spent by the first try.

use std::sync::Arc;

use ::auth::oauth::{IdTokenGrant, Start};
use ::auth::{Challenge, Error, Scope};
use base::Secret;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::ACCEPT;
use http::header::LOCATION;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;
use web::{Answer, Ask, Cx, Handled, Rate, Reply, Route};

use super::links::{along, arrived};
use super::{State, open, person, signed_in, visit};

pub(super) const ROUTES: [Route<State>; 8] = [
    open(Method::GET, "/oauth/providers", providers).summary("Other sign-ins that are on"),
    open(Method::GET, "/oauth/{provider}/authorize", authorize)
        .summary("Where a browser goes for one of them"),
    open(Method::GET, "/oauth/{provider}/callback", callback)
        .rate(Rate::Login)
        .summary("Exchanges what the browser brought back for a session"),
    signed_in(Method::GET, "/oauth/{provider}/token", token)
        .summary("Tokens of the other sign-in: none are kept, and it says so"),
    signed_in(Method::POST, "/oauth/{provider}/logout", log_out).summary("Ends the caller's session"),
    open(Method::POST, "/signin/idtoken", id_token)
        .rate(Rate::Login)
        .summary("Signs in with an ID token that an application was given"),
    signed_in(Method::POST, "/user/identities", link)
        .summary("Begins linking another identity to the caller's account"),
    signed_in(Method::DELETE, "/user/identities/{id}", unlink)
        .summary("Unlinks an identity from the caller's account"),
];

/// One that is on, as its SDK and its server each name it.
pub(super) fn provider(state: &State, name: &str) -> Value {
    let url = format!("{}{}/auth/oauth/{name}/authorize", state.auth.rules().origin(), crate::PREFIX);
    json!({ "id": name, "name": name, "enabled": true, "provider": name, "display_name": title(name), "authorize_url": url })
}

fn title(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn providers(state: Arc<State>, _: Cx, _: Ask) -> Handled {
    Box::pin(async move {
        let all: Vec<Value> = state.auth.outside_providers().map(|name| provider(&state, name)).collect();
        Ok(Reply::untouched(Answer::json(&json!({ "providers": all })), "what is on: no row is touched"))
    })
}

/// What is read here; the rest is handed on to the provider, as far as it is not ours to say.
const READ: [&str; 4] = ["redirect_to", "redirect_uri", "scopes", "apikey"];

/// `GET oauth/{provider}/authorize?redirect_to&redirect_uri&scopes`: JSON for programs, a redirect for a browser that
/// navigates.
fn authorize(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let name = ask.params.get("provider").to_ascii_lowercase();
        let query = |name: &str| ask.query_param(name).filter(|text| !text.is_empty());
        let (first, second) = (query("redirect_to"), query("redirect_uri"));
        let verifier = URL_SAFE_NO_PAD.encode(cx.rng.bytes::<32>());
        let start = Start {
            provider: name.clone(),
            scopes: query("scopes").unwrap_or_default().replace(',', " "),
            back_to: along(&state, &ask, &[first.as_deref(), second.as_deref()])
                .back_to
                .and_query(&[("state", &verifier)]),
            challenge: Some(Challenge::of(&Secret::new(verifier))),
            invite: None,
            extra: ask.query_pairs().filter(|(name, _)| !READ.contains(&name.as_str())).collect(),
        };
        let flow = state.auth.oauth_begin_apart(start).await?;
        let here = state.auth.rules().auth_url();
        let navigates = ask.header(ACCEPT.as_str()).is_some_and(|accept| accept.contains("text/html"));
        Ok(flow.map(|flow| {
            let url = format!("{here}/authorize?flow={flow}");
            match navigates {
                true => Answer::status(StatusCode::FOUND).with(LOCATION, &url),
                false => Answer::json(&json!({ "url": url, "provider": name })),
            }
        }))
    })
}

/// `GET oauth/{provider}/callback?code&state`.
fn callback(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let query = |name: &str| ask.query_param(name).filter(|text| !text.is_empty());
        let (Some(code), Some(proof)) = (query("code"), query("state")) else {
            return Err(Error::invalid("code and state are both required").into());
        };
        let (code, proof) = (Secret::new(code), Secret::new(proof));
        let granted = state.auth.exchange_code(&code, &proof, &visit(&cx, &ask)).await?;
        let url = state.auth.rules().public_url.clone();
        Ok(granted.map(|grant| arrived(&grant, &url)))
    })
}

/// `GET oauth/{provider}/token`: a provider's tokens are given once, when somebody arrives, and kept nowhere.
fn token(state: Arc<State>, _: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let name = ask.params.get("provider").to_owned();
        let told = json!({
            "error": "No token of this provider is stored",
            "error_code": "oauth_token_not_found",
            "error_hint": "Sign in through the provider again",
            "code": "oauth_token_not_found",
            "authorize_url": provider(&state, &name)["authorize_url"],
            "provider": name,
        });
        Ok(Reply::untouched(Answer::json_with(StatusCode::NOT_FOUND, &told), "none are kept"))
    })
}

/// `POST oauth/{provider}/logout`: our session ends; the provider's is its own.
fn log_out(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let person = person(&cx)?;
        let name = ask.params.get("provider").to_owned();
        let ended = state.auth.sign_out(person.user, person.session, Scope::Local, &visit(&cx, &ask)).await?;
        Ok(ended.map(|()| {
            Answer::json(&json!({
                "provider": name,
                "local_tokens_revoked": true,
                "provider_token_revoked": false,
                "requires_redirect": false,
                "warning": "The session at the provider is not ended by this",
            }))
        }))
    })
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Given {
    provider: Option<String>,
    #[serde(alias = "id_token")]
    token: String,
    access_token: Option<String>,
    nonce: Option<String>,
}

/// `POST signin/idtoken` with `{provider, token, nonce?}`.
fn id_token(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let given: Given = ask.object()?;
        if given.token.is_empty() {
            return Err(Error::invalid("token is required").into());
        }
        let grant = IdTokenGrant {
            id_token: Secret::new(given.token),
            access_token: given.access_token.map(Secret::new),
            nonce: given.nonce,
            provider: given.provider,
            issuer: None,
            client_id: None,
            link_to: None,
        };
        let granted = state.auth.sign_in_with_id_token(grant, &visit(&cx, &ask)).await?;
        let url = state.auth.rules().public_url.clone();
        Ok(granted.map(|grant| arrived(&grant, &url)))
    })
}

#[derive(Deserialize)]
struct Link {
    #[serde(default)]
    provider: String,
    #[serde(default)]
    redirect_to: Option<String>,
}

/// `POST user/identities` with `{provider}`.
fn link(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let asked: Link = ask.object()?;
        let person = person(&cx)?;
        let start = Start {
            provider: asked.provider.to_ascii_lowercase(),
            scopes: String::new(),
            back_to: along(&state, &ask, &[asked.redirect_to.as_deref()]).back_to,
            challenge: None,
            invite: None,
            extra: Vec::new(),
        };
        let flow = state.auth.oauth_begin_link(start, &person, &visit(&cx, &ask)).await?;
        let here = state.auth.rules().auth_url();
        Ok(flow.map(|flow| {
            Answer::json(
                &json!({ "url": format!("{here}/authorize?flow={flow}"), "provider": asked.provider }),
            )
        }))
    })
}

/// `DELETE user/identities/{id}`: 204.
fn unlink(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let person = person(&cx)?;
        let id = Uuid::try_parse(ask.params.get("id"))
            .map_err(|_| Error::NotAnId("identity id must be an UUID"))?;
        let unlinked = state.auth.unlink_identity(&person, id, &visit(&cx, &ask)).await?;
        Ok(unlinked.map(|()| Answer::no_content()))
    })
}
