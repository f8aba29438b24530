//! `/admin/v1/alerts` and `/admin/v1/contacts`, for administrators and `palisade alerts`; and `/.well-known/security.txt`, for
//! whoever found a hole.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use web::{Answer, Ask, Credentials, Cx, Guard, Handled, Limits, Reply, Route};

use crate::operator::{for_admins, visit};
use crate::{Error, State};

/// What was raised, by which rules, and who is told.
pub const LIST: Route<State> = for_admins(
    Method::GET,
    "/admin/v1/alerts",
    list,
    "The newest alerts, the rules, who is told and what is silenced: `palisade alerts list`",
);
/// Quiet.
pub const SILENCE: Route<State> = for_admins(
    Method::PUT,
    "/admin/v1/alerts/silences/{rule}",
    silence,
    "Makes a rule tell nobody for a while: `palisade alerts silence`",
);
/// Not quiet.
pub const SPEAK: Route<State> = for_admins(
    Method::DELETE,
    "/admin/v1/alerts/silences/{rule}",
    speak,
    "Makes a rule tell again: `palisade alerts speak`",
);
/// Whom there is.
pub const CONTACTS: Route<State> = for_admins(
    Method::GET,
    "/admin/v1/contacts",
    contacts,
    "The contacts as they were read: `palisade alerts contacts`",
);
/// RFC 9116.
pub const SECURITY_TXT: Route<State> =
    Route::new(Method::GET, "/.well-known/security.txt", Guard::Open, security_txt)
        .credentials(Credentials::None)
        .limits(Limits::NO_BODY)
        .summary("Whom to tell of a hole (RFC 9116), from the contacts");

fn list(state: Arc<State>, _: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let limit = ask.query_param("limit").and_then(|limit| limit.parse().ok()).unwrap_or(50);
        let alerts = &state.alerts;
        let rule = |rule: &::alerts::Rule| {
            json!({
                "name": rule.name,
                "events": rule.events,
                "threshold": rule.threshold,
                "window_seconds": rule.window.as_secs(),
                "action": rule.action.name(),
                "by": rule.by.map(::alerts::By::name),
            })
        };
        let answer = json!({
            "alerts": alerts.list(limit).await?,
            "rules": alerts.rules().iter().map(rule).collect::<Vec<Value>>(),
            "recipients": alerts.recipients().await?,
            "silences": alerts.silences().await?,
        });
        Ok(Reply::untouched(Answer::json(&answer), "listing closed its own transactions"))
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Quiet {
    lasts_seconds: u64,
    #[serde(default)]
    reason: String,
}

/// Longer is forgetting, not silence.
const LASTS_SECONDS_MAX: u64 = 30 * 86_400;

fn silence(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        state.auth.require_admin_step_up(&visit(&cx))?;
        let Quiet { lasts_seconds, reason } = ask.json()?;
        if !(1..=LASTS_SECONDS_MAX).contains(&lasts_seconds) {
            return Err(Error::SilenceTime { days: LASTS_SECONDS_MAX / 86_400 }.into());
        }
        let rule = ask.params.get("rule");
        let lasts = Duration::from_secs(lasts_seconds);
        let done = state.alerts.silence(rule, lasts, &reason, &cx.caller).await?;
        Ok(done.map(|until| Answer::json(&json!({ "rule": rule, "until": until }))))
    })
}

fn speak(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        state.auth.require_admin_step_up(&visit(&cx))?;
        let rule = ask.params.get("rule");
        Ok(state.alerts.speak(rule, &cx.caller).await?.map(|()| Answer::json(&json!({ "rule": rule }))))
    })
}

fn contacts(state: Arc<State>, _: Cx, _: Ask) -> Handled {
    Box::pin(async move {
        let (contacts, problem) = state.alerts.contacts();
        let answer = json!({ "contacts": contacts, "problem": problem });
        Ok(Reply::untouched(Answer::json(&answer), "reads a file"))
    })
}

fn security_txt(state: Arc<State>, _: Cx, _: Ask) -> Handled {
    Box::pin(async move {
        let text = state.alerts.security_txt().ok_or(Error::NoContacts)?;
        let answer = Answer::text(StatusCode::OK, "text/plain; charset=utf-8", text);
        Ok(Reply::untouched(answer, "reads a file"))
    })
}
