//! `POST /sso`, the address it gives out, and `GET /sso/saml/metadata`.

use std::sync::Arc;

use ::auth::sso::{SsoRefusal, Start, Wanted};
use ::auth::{Challenge, Error};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;
use web::{Answer, Ask, Cx, Handled, Reply};

use super::{acs, redirect};
use crate::auth::browser::Browser;
use crate::auth::{State, visit};

/// What auth-js and AppFlowy-Web send.
#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    provider_id: Option<String>,
    #[serde(default)]
    domain: Option<String>,
    #[serde(default)]
    redirect_to: Option<String>,
    #[serde(default)]
    skip_http_redirect: Option<bool>,
    #[serde(default)]
    code_challenge: Option<String>,
    #[serde(default)]
    code_challenge_method: Option<String>,
}

/// `POST /sso`.
pub fn begin(state: Arc<State>, _: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let asked: Asked = ask.object()?;
        let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let wanted = match (filled(&asked.provider_id), filled(&asked.domain)) {
            (Some(id), None) => match id.parse() {
                Ok(id) => Wanted::Id(id),
                Err(_) => Wanted::Name(id),
            },
            (None, Some(domain)) => Wanted::Domain(domain),
            (Some(_), Some(_)) => {
                return Err(Error::invalid("Only one of provider_id or domain supported").into());
            }
            (None, None) => return Err(Error::invalid("A provider_id or domain needs to be provided").into()),
        };
        let challenge =
            Challenge::read(asked.code_challenge.as_deref(), asked.code_challenge_method.as_deref())?;
        let from_query = ask.query_param("redirect_to");
        let places = [
            asked.redirect_to.as_deref(),
            ask.header("redirect_to"),
            from_query.as_deref(),
            ask.header("referer"),
        ];
        let by_browser = web::csrf::is_browser(&ask.parts.headers);
        let started = state.sso.start(Start { wanted, asked: &places, challenge, by_browser }).await?;
        let as_json = asked.skip_http_redirect.unwrap_or(false);
        Ok(started.map(|url| match as_json {
            true => Answer::json(&json!({ "url": url })),
            false => redirect(StatusCode::SEE_OTHER, &url),
        }))
    })
}

/// `GET /sso/saml/begin?flow=…`: what an application was given to open.
pub fn take_up(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let browser = Browser::of(&state, &cx, &ask);
        let taken = match flow(&ask) {
            Ok(flow) => state.sso.take_up(flow, &browser.value).await,
            Err(error) => Err(error),
        };
        match taken {
            Ok(to) => Ok(to.map(|to| browser.with(redirect(StatusCode::FOUND, &to)))),
            Err(error) => acs::refused(&state, error, None, &visit(&cx, &ask)),
        }
    })
}

/// Which sign-in a browser comes for.
pub(super) fn flow(ask: &Ask) -> Result<Uuid, Error> {
    let flow = ask.query_param("flow").unwrap_or_default();
    Uuid::try_parse(&flow).map_err(|_| SsoRefusal::RelayStateNotFound.into())
}

/// `GET /sso/saml/metadata`.
pub fn metadata(state: Arc<State>, _: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let xml = state.sso.metadata().await?;
        let answer = Answer::text(StatusCode::OK, "application/xml", xml);
        let answer = match ask.query_param("download").as_deref() {
            Some("true") => {
                answer.with(http::header::CONTENT_DISPOSITION, "attachment; filename=\"metadata.xml\"")
            }
            _ => answer,
        };
        Ok(Reply::untouched(answer, "our own metadata: keys were made at most"))
    })
}
