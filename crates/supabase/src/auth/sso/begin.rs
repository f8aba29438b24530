//! `POST /sso` and `GET /sso/saml/metadata`.

use std::sync::Arc;

use ::auth::sso::{Start, Wanted};
use ::auth::{Challenge, Error};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use web::{Answer, Ask, Cx, Handled, Reply};

use super::redirect;
use crate::auth::State;

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
        let asked: Asked = ask.json()?;
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
        let started = state.sso.start(Start { wanted, asked: &places, challenge }).await?;
        let as_json = asked.skip_http_redirect.unwrap_or(false);
        Ok(started.map(|url| match as_json {
            true => Answer::json(&json!({ "url": url })),
            false => redirect(StatusCode::SEE_OTHER, &url),
        }))
    })
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
