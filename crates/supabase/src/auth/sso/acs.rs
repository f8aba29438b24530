//! `/sso/saml/acs`: a browser brings an identity provider's answer, and leaves with tokens, a code or the reason why not. What is
//! refused goes to the site, or back to our own page where it was begun there; never to where the message says.

use std::sync::Arc;

use ::auth::sso::{Arrived, SsoRefusal, Taken, Turned};
use ::auth::{Error, Redirect, Visit};
use base::Failure;
use http::StatusCode;
use web::{Answer, Ask, Cx, Handled, Reply};

use super::{begin, form, once, redirect};
use crate::auth::server::page as consent;
use crate::auth::{State, envelope, visit};

/// `POST`, from the provider's page: no cookie comes along, so what no verifier will prove waits until the browser comes by itself.
pub fn accept(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let form = form(&ask.body);
        let response = once(&form, "SAMLResponse")?.unwrap_or_default();
        let relay_state = once(&form, "RelayState")?.unwrap_or_default();
        if response.is_empty() {
            return Err(Error::invalid("SAMLResponse is missing").into());
        }
        let visit = visit(&cx, &ask);
        let by_browser = web::csrf::is_browser(&ask.parts.headers);
        let arrived = Arrived { response, relay_state, browser: None, by_browser };
        match state.sso.accept(arrived, &visit).await {
            Ok(taken) => Ok(taken.map(|taken| match taken {
                Taken::Landed(landed) => redirect(StatusCode::FOUND, &landed.url),
                Taken::Waits(here) => redirect(StatusCode::SEE_OTHER, &here),
            })),
            Err(Turned { error, page }) => refused(&state, error, page.as_ref(), &visit),
        }
    })
}

/// `GET ?flow=…`, right after that.
pub fn resume(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let visit = visit(&cx, &ask);
        // Without a cookie nothing can be of this browser.
        let browser = web::csrf::browser(&ask.parts.headers).unwrap_or_default();
        let resumed = match begin::flow(&ask) {
            Ok(flow) => state.sso.resume(flow, &browser, &visit).await,
            Err(error) => Err(Turned { error, page: None }),
        };
        match resumed {
            Ok(landed) => Ok(landed.map(|landed| redirect(StatusCode::FOUND, &landed.url))),
            Err(Turned { error, page }) => refused(&state, error, page.as_ref(), &visit),
        }
    })
}

/// Nobody is signed in, and the browser is told so where it came from.
pub fn refused(
    state: &State,
    error: Error,
    page: Option<&Redirect>,
    visit: &Visit,
) -> Result<Reply<Answer>, Failure> {
    // Switched off is an answer like any other.
    if matches!(error, Error::Sso(SsoRefusal::Off)) {
        return Err(error.into());
    }
    let answer = match page {
        Some(page) => consent::refused(page, consent::reason(&error)),
        // As upstream does: the same keys in the query and in the fragment.
        None => redirect(StatusCode::SEE_OTHER, &envelope::in_address(state.sso.site(), &error, true, visit)),
    };
    Ok(Reply::untouched(answer, "a refusal, told by a redirect"))
}
