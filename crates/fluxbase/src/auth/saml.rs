//! `saml/*`: the same providers as everywhere, by the names the settings give them.

use std::sync::Arc;

use ::auth::Error;
use ::auth::sso::{Arrived, Provider, Start, Taken, Wanted};
use http::StatusCode;
use http::header::{ACCEPT, LOCATION};
use serde::Deserialize;
use serde_json::{Value, json};
use web::{Answer, Ask, Cx, Handled, Reply};

use super::{State, links, person, visit};

/// What a provider is called: in the settings, by administrators, or by its id.
pub fn name(provider: &Provider) -> String {
    let given = provider.resource_id.as_deref().map(|name| name.strip_prefix("settings:").unwrap_or(name));
    given.map_or_else(|| provider.id.to_string(), str::to_owned)
}

/// `GET saml/providers`.
pub fn providers(state: Arc<State>, _: Cx, _: Ask) -> Handled {
    Box::pin(async move {
        let all = state.sso.offered().await?;
        Ok(all.map(|all| {
            let shape = |one: &Provider| {
                json!({
                    "id": one.id, "name": name(one), "enabled": true, "entity_id": one.entity_id,
                    "sso_url": one.sso_url(), "slo_url": one.slo_url(),
                })
            };
            Answer::json(&json!({ "providers": all.iter().map(shape).collect::<Vec<Value>>() }))
        }))
    })
}

/// `GET saml/login/{provider}?redirect_url=`: JSON for programs, a redirect for a browser that navigates.
pub fn begin(state: Arc<State>, _: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let provider = ask.params.get("provider").to_owned();
        let wanted = match provider.parse() {
            Ok(id) => Wanted::Id(id),
            Err(_) => Wanted::Name(provider.clone()),
        };
        let (first, second) = (ask.query_param("redirect_url"), ask.query_param("redirect_to"));
        let places = [first.as_deref(), second.as_deref()];
        let navigates = ask.header(ACCEPT.as_str()).is_some_and(|accept| accept.contains("text/html"));
        // Older browsers do not say where they come from when they navigate.
        let by_browser = navigates || web::csrf::is_browser(&ask.parts.headers);
        let started = state.sso.start(Start { wanted, asked: &places, challenge: None, by_browser }).await?;
        Ok(started.map(|url| match navigates {
            true => Answer::status(StatusCode::FOUND).with(LOCATION, &url),
            false => Answer::json(&json!({ "url": url, "redirect_url": url, "provider": provider })),
        }))
    })
}

#[derive(Deserialize)]
struct Given {
    #[serde(default, alias = "SAMLResponse")]
    saml_response: String,
    #[serde(default, alias = "RelayState")]
    relay_state: String,
}

/// `POST saml/acs`: an application that was given the answer hands it on, as JSON. The browser's own cookie says that it is for
/// that browser; an application that cannot show it is told where the browser has to go.
pub fn accept(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let given: Given = ask.object()?;
        let browser = web::csrf::browser(&ask.parts.headers);
        let arrived = Arrived {
            response: &given.saml_response,
            relay_state: &given.relay_state,
            browser: browser.as_deref(),
            by_browser: web::csrf::is_browser(&ask.parts.headers),
        };
        let accepted = state.sso.accept(arrived, &visit(&cx, &ask)).await;
        let taken = accepted.map_err(|turned| turned.error)?;
        let url = state.auth.rules().public_url.clone();
        Ok(taken.map(|taken| match taken {
            Taken::Landed(landed) => match landed.grant {
                Some(grant) => links::arrived(&grant, &url),
                None => Answer::json(&json!({ "url": landed.url })),
            },
            Taken::Waits(here) => Answer::json(&json!({ "url": here })),
        }))
    })
}

/// `GET saml/metadata/{provider}`: we are the same to every provider.
pub fn metadata(state: Arc<State>, _: Cx, _: Ask) -> Handled {
    Box::pin(async move {
        let xml = state.sso.metadata().await?;
        let answer = Answer::text(StatusCode::OK, "application/xml", xml);
        Ok(Reply::untouched(answer, "our own metadata: keys were made at most"))
    })
}

/// `GET saml/logout/{provider}`.
pub fn log_out(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let person = person(&cx)?;
        let session = person.session.ok_or(Error::TokenRevoked)?;
        let back_to = ask.query_param("redirect_url");
        let places = [back_to.as_deref()];
        let ended = state.sso.sign_out(person.user, session, &places, &visit(&cx, &ask)).await?;
        Ok(ended.map(|url| Answer::json(&json!({ "url": url }))))
    })
}
