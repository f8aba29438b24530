//! `/verify` and `/revert`: what links lead to (wire/gotrue.md 1.5).
//!
//! Invariant: looking spends nothing. A link is opened by mail scanners and previews before its person sees it, scripts and
//! all; only the form on the page, or a client's own POST, spends it (attack row 29).

use std::sync::Arc;

use ::auth::{Error, Redirect, Shown, Verified, Visit};
use base::{Failure, Fault, Secret};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use http::{HeaderName, StatusCode};
use serde_json::json;
use web::{Answer, Ask, Cx, Handled, Reply};

use super::server::page as consent;
use super::{State, envelope, fields, links, page, shape, visit};

const HALFWAY: &str = "Confirmation link accepted. Please proceed to confirm link sent to the other email";

/// `GET /verify?token=&type=&redirect_to=`: a page with a button.
pub fn show(state: Arc<State>, _: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let asked = |name: &str| ask.query_param(name).filter(|text| !text.is_empty());
        let token = asked("token").or_else(|| asked("token_hash"));
        let (Some(token), Some(kind)) = (token, asked("type")) else {
            return Err(Error::invalid("Verify requires a token or a token hash").into());
        };
        let back_to = links::back_to(&state, &ask);
        let body = page::verify(&token, &kind, &back_to);
        let answer = page::leading_to(StatusCode::OK, &body, &[&back_to]);
        Ok(Reply::untouched(answer, "the page says nothing of the link"))
    })
}

/// `POST /verify`: the page's form, or a client's JSON.
pub fn submit(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        match is_form(&ask) {
            true => by_form(&state, &cx, &ask).await,
            false => by_client(&state, &cx, &ask).await,
        }
    })
}

fn is_form(ask: &Ask) -> bool {
    let kind = ask.header(CONTENT_TYPE.as_str()).unwrap_or_default();
    kind.starts_with("application/x-www-form-urlencoded")
}

async fn by_client(state: &State, cx: &Cx, ask: &Ask) -> Result<Reply<Answer>, Failure> {
    let asked: fields::Verify = ask.object()?;
    let kind = asked.kind.unwrap_or_default();
    let shown = match (asked.token, asked.token_hash, asked.email, asked.phone) {
        (None, None, _, _) => {
            return Err(Error::invalid("Verify requires either a token or a token hash").into());
        }
        (None, Some(hash), None, None) => Shown::Token(hash),
        (_, Some(_), _, _) => {
            return Err(Error::invalid("Only the token_hash and type should be provided").into());
        }
        (Some(code), None, Some(email), None) => Shown::MailedCode { email, code },
        (Some(code), None, None, Some(phone)) => Shown::TextedCode { phone, code },
        (Some(_), None, _, _) => {
            return Err(
                Error::invalid("Only an email address or phone number should be provided on verify").into()
            );
        }
    };
    let verified = state.auth.verify(&kind, shown, false, &visit(cx, ask)).await?;
    Ok(verified.map(|verified| match verified {
        Verified::SignedIn(grant, _) => shape::signed_in(&grant, &state.auth.rules().public_url),
        // Only a browser that is led on is given a code.
        Verified::Code(_) | Verified::Halfway { .. } => {
            Answer::json(&json!({ "msg": HALFWAY, "code": "200" }))
        }
    }))
}

async fn by_form(state: &State, cx: &Cx, ask: &Ask) -> Result<Reply<Answer>, Failure> {
    let form = page::read_form(&ask.body);
    let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let redirects = &state.auth.rules().redirects;
    let back_to = redirects.choose([field("redirect_to")]);
    let is_page = redirects.is_page(&back_to);
    // Another site must not sign its visitors in as somebody of its choice.
    if ask.header("sec-fetch-site").is_some_and(|site| site == "cross-site" || site == "same-site") {
        return Err(Error::invalid("This form can only be sent from its own page").into());
    }
    let shown = Shown::Token(Secret::from(field("token").unwrap_or_default()));
    let of_flow = field("token").is_some_and(|token| token.starts_with("pkce_"));
    let visit: Visit = visit(cx, ask);
    match state.auth.verify(field("type").unwrap_or_default(), shown, true, &visit).await {
        Ok(verified) => Ok(verified.map(|verified| match &verified {
            Verified::SignedIn(grant, _) if is_page => consent::arrived(state, grant, &back_to),
            verified => led_on(&back_to, verified),
        })),
        Err(error) => {
            let away = led_away(&back_to, &error, of_flow, &visit);
            let answer = if is_page { consent::refused(&back_to, "link") } else { away };
            Ok(Reply::untouched(answer, "the link was refused and nothing changed"))
        }
    }
}

/// With tokens in the fragment, or a code in the query.
fn led_on(back_to: &Redirect, verified: &Verified) -> Answer {
    match verified {
        Verified::SignedIn(grant, purpose) => {
            see_other(&back_to.with_session(grant, &[("type", purpose.link_type())]))
        }
        Verified::Code(code) => see_other(&back_to.with_query(&[("code", code.expose())])),
        Verified::Halfway { of_flow } => {
            let said = [("message", HALFWAY), ("sb", "")];
            match of_flow {
                true => {
                    let fragment = back_to.with_fragment(&said);
                    let fragment = fragment.split_once('#').map_or("", |(_, fragment)| fragment);
                    see_other(&format!("{}#{fragment}", back_to.with_query(&[("message", HALFWAY)])))
                }
                false => see_other(&back_to.with_fragment(&said)),
            }
        }
    }
}

/// With the reason, in the words that clients read.
pub fn led_away(back_to: &Redirect, error: &Error, of_flow: bool, visit: &Visit) -> Answer {
    see_other(&envelope::in_address(back_to, error, of_flow, visit))
}

fn see_other(to: &str) -> Answer {
    Answer::status(StatusCode::SEE_OTHER)
        .with(LOCATION, to)
        .with(CACHE_CONTROL, "no-store")
        .with(HeaderName::from_static("referrer-policy"), "no-referrer")
}

/// `GET /revert?token=`: a page with a button that takes a change of address back.
pub fn show_revert(_: Arc<State>, _: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let body = page::revert(&ask.query_param("token").unwrap_or_default());
        Ok(Reply::untouched(
            page::leading_to(StatusCode::OK, &body, &[]),
            "the page says nothing of the link",
        ))
    })
}

/// `POST /revert`.
pub fn submit_revert(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let form = page::read_form(&ask.body);
        let token = form.iter().find(|(name, _)| name == "token").map_or("", |(_, value)| value.as_str());
        match state.auth.revert_address(token, &visit(&cx, &ask)).await {
            Ok(done) => Ok(done.map(|()| page::leading_to(StatusCode::OK, page::REVERTED, &[]))),
            Err(error) if error.kind().is_ours() => Err(error.into()),
            Err(error) => {
                let body = page::refused(&error.message());
                let answer = page::leading_to(StatusCode::FORBIDDEN, &body, &[]);
                Ok(Reply::untouched(answer, "the link was refused and nothing changed"))
            }
        }
    })
}
