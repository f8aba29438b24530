//! `impersonate*`: an administrator in somebody's name, or as everybody. As a program (`/service`) they are refused, with the reason.

use std::sync::Arc;

use ::auth::{Error, Impersonated, Impersonation, ImpersonationFilter};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;
use web::{Answer, Ask, Cx, Guard, Handled, Limits, Route};

use super::{State, shape, visit};

/// About the administrator who asks, also while they act: the SDK sends both tokens everywhere.
const fn for_admins(method: Method, path: &'static str, handler: web::Handler<State>) -> Route<State> {
    Route::new(method, path, Guard::Admin, handler).limits(Limits::SMALL).as_themself()
}

pub(super) const ROUTES: [Route<State>; 6] = [
    for_admins(Method::POST, "/impersonate", begin).summary(
        "Begins to act in somebody's name: an administrator, with a reason, for a quarter of an hour at most",
    ),
    for_admins(Method::POST, "/impersonate/anon", begin_as_anon)
        .summary("The same as nobody in particular: what everybody may see"),
    for_admins(Method::POST, "/impersonate/service", begin_as_service)
        .summary("Refused: `service_role` is lent to no session"),
    for_admins(Method::GET, "/impersonate", current).summary("In whose name the administrator acts"),
    for_admins(Method::DELETE, "/impersonate", stop).summary("Stops that at once"),
    for_admins(Method::GET, "/impersonate/sessions", list).summary("Who acted in whose name, and why"),
];

#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    target_user_id: String,
    #[serde(default)]
    reason: String,
}

fn begin(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let visit = visit(&cx, &ask);
        let by = state.auth.require_impersonator(&visit)?;
        let wanted: Wanted = ask.object()?;
        let target = Uuid::try_parse(&wanted.target_user_id)
            .map_err(|_| Error::invalid("target_user_id is not an account's id"))?;
        let begun = state.auth.impersonate(by, Some(target), &wanted.reason, &visit).await?;
        Ok(begun.map(|begun| told(&begun)))
    })
}

fn begin_as_anon(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let visit = visit(&cx, &ask);
        let by = state.auth.require_impersonator(&visit)?;
        let wanted: Wanted = ask.object()?;
        let begun = state.auth.impersonate(by, None, &wanted.reason, &visit).await?;
        Ok(begun.map(|begun| told(&begun)))
    })
}

fn begin_as_service(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        state.auth.require_impersonator(&visit(&cx, &ask))?;
        Err(Error::ServiceNotLent.into())
    })
}

fn told(begun: &Impersonated) -> Answer {
    let body = json!({
        "session": session(&begun.impersonation),
        "target_user": begun.target.as_ref().map(shape::user),
        "access_token": begun.access_token.expose(),
        // It is not renewed: begin again, with a fresh proof.
        "refresh_token": "",
        "expires_in": begun.expires_in,
    });
    Answer::json_with(StatusCode::CREATED, &body)
}

fn current(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let found = state.auth.impersonation(&visit(&cx, &ask)).await?;
        Ok(found.map(|found| {
            let (impersonation, target) = found.unzip();
            Answer::json(&json!({
                "session": impersonation.as_ref().map(session),
                "target_user": target.flatten().as_ref().map(shape::user),
            }))
        }))
    })
}

fn stop(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let stopped = state.auth.stop_impersonation(&visit(&cx, &ask)).await?;
        Ok(stopped.map(|any| {
            let message = if any { "Stopped" } else { "There was nothing to stop" };
            Answer::json(&json!({ "success": true, "message": message }))
        }))
    })
}

fn list(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let text = |name: &str| ask.query_param(name).filter(|text| !text.is_empty());
        let id = |name: &'static str| match text(name) {
            None => Ok(None),
            Some(id) => Uuid::try_parse(&id)
                .map(Some)
                .map_err(|_| Error::invalid(format!("{name} is not an account's id"))),
        };
        let number =
            |name: &str, otherwise| text(name).and_then(|text| text.parse::<i64>().ok()).unwrap_or(otherwise);
        let is_active = match text("is_active").as_deref() {
            None => None,
            Some("true") => Some(true),
            Some("false") => Some(false),
            Some(_) => return Err(Error::invalid("is_active is true or false").into()),
        };
        let filter = ImpersonationFilter {
            admin: id("admin_user_id")?,
            target: id("target_user_id")?,
            is_active,
            kind: text("impersonation_type"),
            limit: number("limit", 50),
            offset: number("offset", 0),
        };
        let found = state.auth.impersonations(&filter, &visit(&cx, &ask)).await?;
        Ok(found.map(|(found, total)| {
            let sessions: Vec<Value> = found.iter().map(session).collect();
            Answer::json(&json!({ "sessions": sessions, "total": total }))
        }))
    })
}

fn session(one: &Impersonation) -> Value {
    json!({
        "id": one.id,
        "admin_user_id": one.admin,
        "target_user_id": one.target,
        "impersonation_type": if one.target.is_some() { "user" } else { "anon" },
        "reason": one.reason,
        "started_at": one.started_at,
        "ended_at": one.stopped_at,
        "expires_at": one.ends_at,
        "is_active": one.is_active,
        "ip_address": one.address,
        "user_agent": one.user_agent,
    })
}
