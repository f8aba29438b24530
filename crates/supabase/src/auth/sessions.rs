//! `/user/sessions` and `/admin/users/{id}/sessions`: which sessions there are, and the end of one or all. Upstream has no
//! such thing.

use std::sync::Arc;

use ::auth::{Error, SessionInfo};
use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;
use web::{Answer, Ask, Cx, Handled, Route};

use super::{State, account, fields, for_admins, signed_in, visit};

pub(super) const ROUTES: [Route<State>; 5] = [
    signed_in(Method::GET, "/user/sessions", own).summary("The caller's sessions, with device and place"),
    signed_in(Method::DELETE, "/user/sessions/{session}", end_own)
        .summary("Ends one of the caller's sessions"),
    for_admins(Method::GET, "/admin/users/{id}/sessions", of).summary("The sessions of an account"),
    for_admins(Method::DELETE, "/admin/users/{id}/sessions", end_all)
        .summary("Ends every session of an account"),
    for_admins(Method::DELETE, "/admin/users/{id}/sessions/{session}", end_one)
        .summary("Ends one session of an account"),
];

fn own(state: Arc<State>, cx: Cx, _: Ask) -> Handled {
    Box::pin(async move {
        let person = account::person(&cx)?;
        let sessions = state.auth.own_sessions(person.user).await?;
        Ok(sessions.map(|sessions| list(&sessions, person.session)))
    })
}

fn of(state: Arc<State>, _: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let sessions = state.auth.admin_sessions(fields::user_id(&ask)?).await?;
        Ok(sessions.map(|sessions| list(&sessions, None)))
    })
}

fn end_own(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let person = account::person(&cx)?;
        let ended = state.auth.end_own_session(person.user, session(&ask)?, &visit(&cx, &ask)).await?;
        Ok(ended.map(|()| Answer::no_content()))
    })
}

fn end_all(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let user = fields::user_id(&ask)?;
        let ended = state.auth.admin_end_sessions(user, None, &visit(&cx, &ask)).await?;
        Ok(ended.map(|()| Answer::no_content()))
    })
}

fn end_one(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let (user, session) = (fields::user_id(&ask)?, session(&ask)?);
        let ended = state.auth.admin_end_sessions(user, Some(session), &visit(&cx, &ask)).await?;
        Ok(ended.map(|()| Answer::no_content()))
    })
}

fn session(ask: &Ask) -> Result<Uuid, Error> {
    Uuid::try_parse(ask.params.get("session")).map_err(|_| Error::NotAnId("session_id must be an UUID"))
}

fn list(sessions: &[SessionInfo], current: Option<Uuid>) -> Answer {
    let one = |session: &SessionInfo| {
        json!({
            "id": session.id,
            "created_at": session.created_at,
            "refreshed_at": session.refreshed_at,
            "not_after": session.not_after,
            "aal": session.level,
            "amr": session.methods,
            "user_agent": session.user_agent,
            "ip": session.address,
            "oauth_client_id": session.client,
            "current": current == Some(session.id),
        })
    };
    Answer::json(&sessions.iter().map(one).collect::<Vec<Value>>())
}
