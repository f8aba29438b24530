//! `GET /admin/audit?query=author:x&page&per_page`: our audit log in upstream's words (wire/gotrue.md 1.10, 2.10).

use std::sync::Arc;

use ::auth::Error;
use http::header::LINK;
use http::{HeaderName, Method};
use serde_json::{Map, Value, json};
use web::{Answer, Ask, Cx, Handled, Route};

use super::{State, admin, for_admins, visit};

pub(super) const ROUTES: [Route<State>; 1] =
    [for_admins(Method::GET, "/admin/audit", list).summary("The audit log, newest first, in GoTrue's words")];

fn list(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let page = admin::read_page(&ask)?;
        let wanted = read_query(ask.query_param("query").as_deref().unwrap_or_default())?;
        let found = state.auth.admin_audit(wanted, page.number, page.size, &visit(&cx, &ask)).await?;
        let path = ask.parts.uri.path().to_owned();
        Ok(found.map(|(entries, total)| {
            let entries: Vec<Value> = entries.iter().map(|entry| worded(&entry.body)).collect();
            Answer::json(&entries)
                .with(LINK, &admin::links(&path, &page, total))
                .with(HeaderName::from_static("x-total-count"), &total.to_string())
        }))
    })
}

/// `author:…` is who did it, `action:…` what was done.
fn read_query(query: &str) -> Result<audit::Filter, Error> {
    if query.contains('\0') {
        return Err(Error::invalid("the query has a character that nothing in the log has"));
    }
    let everything = audit::Filter::default();
    match query.split_once(':') {
        None if query.is_empty() => Ok(everything),
        Some(("author", id)) => {
            Ok(audit::Filter { actor: Some(format!("user:{}", id.trim())), ..everything })
        }
        Some(("action", action)) => {
            let known = ACTIONS.iter().find(|(_, word)| *word == action.trim());
            Ok(audit::Filter {
                event: Some(known.map_or(action.trim(), |(event, _)| event).to_owned()),
                ..everything
            })
        }
        Some(("type", kind)) => {
            Ok(audit::Filter { event: Some(group(kind.trim()).to_owned()), ..everything })
        }
        Some(_) | None => Err(Error::invalid("the query is author:, action: or type: and a value")),
    }
}

/// Upstream's types are groups of ours.
fn group(kind: &str) -> &str {
    match kind {
        "account" | "token" | "user" | "factor" | "identity" => "auth",
        "team" => "admin",
        other => other,
    }
}

/// Our events that upstream has a word for; the others keep their own.
const ACTIONS: [(&str, &str); 20] = [
    ("auth.login", "login"),
    ("auth.logout", "logout"),
    ("auth.signup", "user_signedup"),
    ("auth.anonymous_signup", "user_signedup"),
    ("auth.invite_sent", "user_invited"),
    ("auth.invite_accepted", "invite_accepted"),
    ("admin.user_create", "user_signedup"),
    ("admin.user_delete", "user_deleted"),
    ("admin.user_update", "user_modified"),
    ("auth.user_updated", "user_modified"),
    ("auth.recovery_requested", "user_recovery_requested"),
    ("auth.reauthentication_requested", "user_reauthenticate_requested"),
    ("auth.confirmation_requested", "user_confirmation_requested"),
    ("auth.password_changed", "user_updated_password"),
    ("auth.token_reuse_detected", "token_revoked"),
    ("auth.token_refreshed", "token_refreshed"),
    ("auth.factor_enrolled", "factor_in_progress"),
    ("auth.factor_removed", "factor_unenrolled"),
    ("auth.identity_linked", "identity_linked"),
    ("auth.identity_unlinked", "identity_unlinked"),
];

fn worded(body: &str) -> Value {
    let entry: Map<String, Value> = serde_json::from_str(body).unwrap_or_default();
    let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
    let event = text("event");
    let action = ACTIONS.iter().find(|(known, _)| *known == event).map_or(event, |(_, word)| word);
    let actor = text("actor");
    let kind = match event.split_once('.') {
        Some(("admin", _)) => "team",
        Some((_, name)) if name.starts_with("token") => "token",
        Some((_, name)) if name.starts_with("factor") => "factor",
        Some((_, name)) if name.starts_with("user") || name.starts_with("password") => "user",
        Some(_) | None => "account",
    };
    json!({
        "id": entry.get("id"),
        "payload": {
            "action": action,
            "actor_id": actor.strip_prefix("user:").unwrap_or(actor),
            "actor_username": "",
            "actor_via_sso": false,
            "log_type": kind,
            "traits": entry.get("details").cloned().unwrap_or(json!({})),
            "event": event,
            "outcome": entry.get("outcome"),
            "subject": entry.get("subject"),
            "acting": entry.get("acting"),
        },
        "created_at": entry.get("at"),
        "ip_address": text("address"),
    })
}
