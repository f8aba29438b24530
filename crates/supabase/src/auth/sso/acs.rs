//! `POST /sso/saml/acs`: a browser brings an identity provider's answer, and leaves with tokens, a code or the reason why
//! not. What is refused goes to the site, or back to our own page where it was begun there; never to where the message says.

use std::sync::Arc;

use ::auth::Error;
use ::auth::sso::{Arrived, SsoRefusal, Turned};
use http::StatusCode;
use web::{Ask, Cx, Handled, Reply};

use super::{form, once, redirect};
use crate::auth::server::page as consent;
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
        let visit = visit(&cx, &ask);
        match state.sso.accept(Arrived { response, relay_state }, &visit).await {
            Ok(landed) => Ok(landed.map(|landed| redirect(StatusCode::FOUND, &landed.url))),
            // Switched off is an answer like any other.
            Err(Turned { error: error @ Error::Sso(SsoRefusal::Off), .. }) => Err(error.into()),
            // As upstream does: the same keys in the query and in the fragment.
            Err(Turned { error, page }) => {
                let to = envelope::in_address(state.sso.site(), &error, true, &visit);
                let answer = match page {
                    Some(page) => consent::refused(&page, consent::reason(&error)),
                    None => redirect(StatusCode::SEE_OTHER, &to),
                };
                Ok(Reply::untouched(answer, "a refusal, told by a redirect"))
            }
        }
    })
}
