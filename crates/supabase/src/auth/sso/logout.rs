//! `/sso/saml/slo` and `POST /sso/saml/logout`: single logout, begun by the provider or here.

use std::sync::Arc;

use ::auth::Error;
use ::auth::sso::LogoutCame;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use web::{Answer, Ask, Cx, Handled};

use super::{form, once, redirect};
use crate::auth::{State, visit};

/// `GET /sso/saml/slo`.
pub fn by_redirect(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let came = LogoutCame::Redirect { query: ask.query() };
        let next = state.sso.log_out(came, &visit(&cx, &ask)).await?;
        Ok(next.map(|next| redirect(StatusCode::FOUND, &next.url)))
    })
}

/// `POST /sso/saml/slo`.
pub fn by_form(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let form = form(&ask.body);
        let (request, response) = (once(&form, "SAMLRequest")?, once(&form, "SAMLResponse")?);
        let (message, is_request) = match (request, response) {
            (Some(message), None) => (message, true),
            (None, Some(message)) => (message, false),
            _ => return Err(Error::invalid("one of SAMLRequest and SAMLResponse is needed").into()),
        };
        let came = LogoutCame::Form { message, is_request, relay_state: once(&form, "RelayState")? };
        let next = state.sso.log_out(came, &visit(&cx, &ask)).await?;
        Ok(next.map(|next| redirect(StatusCode::SEE_OTHER, &next.url)))
    })
}

#[derive(Deserialize, Default)]
struct Asked {
    #[serde(default)]
    redirect_to: Option<String>,
}

/// `POST /sso/saml/logout` answers `{"url": …}`, null where the provider takes no logout requests.
pub fn begin(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let asked: Asked = if ask.body.is_empty() { Asked::default() } else { ask.object()? };
        let person = cx.caller.signed_in().ok_or(web::Error::NotSignedIn)?;
        let session = person.session.ok_or(Error::TokenRevoked)?;
        let places = [asked.redirect_to.as_deref(), ask.header("redirect_to")];
        let url = state.sso.sign_out(person.user, session, &places, &visit(&cx, &ask)).await?;
        Ok(url.map(|url| Answer::json(&json!({ "url": url }))))
    })
}
