//! `POST /sso/saml/acs`: a browser brings an identity provider's answer, and leaves with tokens, a code or the reason why
//! not. What is refused goes to the site, never to where the message says.

use std::sync::Arc;

use ::auth::Error;
use ::auth::sso::Arrived;
use base::{Fault, Kind};
use http::StatusCode;
use web::{Ask, Cx, Handled, Reply};

use super::{form, once, redirect};
use crate::auth::{State, envelope, visit};

/// The endpoint.
pub fn accept(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let form = form(&ask.body);
        let response = once(&form, "SAMLResponse")?.unwrap_or_default();
        let relay_state = once(&form, "RelayState")?.unwrap_or_default();
        if response.is_empty() {
            return Err(Error::invalid("SAMLResponse is missing").into());
        }
        match state.sso.accept(Arrived { response, relay_state }, &visit(&cx, &ask)).await {
            Ok(landed) => Ok(landed.map(|landed| redirect(StatusCode::FOUND, &landed.url))),
            Err(error) if is_for_the_browser(&error) => {
                Ok(Reply::untouched(refusal(&state, &error), "a refusal, told by a redirect"))
            }
            Err(error) => Err(error.into()),
        }
    })
}

/// Switched off is an answer like any other; what is ours to fix is not a browser's business.
fn is_for_the_browser(error: &Error) -> bool {
    let off = matches!(error, Error::Sso(::auth::sso::SsoRefusal::Off));
    !off && !error.kind().is_ours()
}

/// As upstream does: the same keys in the query and in the fragment.
fn refusal(state: &State, error: &Error) -> web::Answer {
    let (status, code) = envelope::of_auth(error);
    let name = match (error.kind(), status) {
        (Kind::Forbidden, _) | (_, StatusCode::FORBIDDEN) => "access_denied",
        (_, StatusCode::UNAUTHORIZED) => "unauthorized_client",
        _ => "invalid_request",
    };
    let message = error.message();
    let pairs = [("error", name), ("error_code", code), ("error_description", &message), ("sb", "")];
    let with_query = state.sso.site().with_query(&pairs);
    let fragment = state.sso.site().with_fragment(&pairs);
    let fragment = fragment.split_once('#').map_or("", |(_, fragment)| fragment);
    redirect(StatusCode::SEE_OTHER, &format!("{with_query}#{fragment}"))
}
