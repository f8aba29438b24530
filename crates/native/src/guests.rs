//! `/admin/v1/database/readonly`: logins of the database that are lent, for administrators and the operator's commands.

use std::sync::Arc;
use std::time::Duration;

use ::guests::Wanted;
use http::Method;
use serde::Deserialize;
use serde_json::json;
use web::{Answer, Ask, Cx, Guard, Handled, Limits, Reply, Route};

use crate::State;
use crate::operator::visit;

/// Everything that is lent.
pub const LIST: Route<State> = Route::new(Method::GET, "/admin/v1/database/readonly", Guard::Admin, list)
    .limits(Limits::SMALL)
    .summary("Every read-only login of the database that is lent");
/// Lends one.
pub const LEND: Route<State> = Route::new(Method::POST, "/admin/v1/database/readonly", Guard::Admin, lend)
    .limits(Limits::SMALL)
    .summary("Lends a read-only login of the database that expires; its password is in this answer only");
/// Takes one back.
pub const REVOKE: Route<State> =
    Route::new(Method::DELETE, "/admin/v1/database/readonly/{name}", Guard::Admin, revoke)
        .limits(Limits::SMALL)
        .summary("Ends a read-only login of the database at once, with its sessions");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    name: Option<String>,
    purpose: String,
    expires_in_seconds: u64,
}

fn list(state: Arc<State>, _: Cx, _: Ask) -> Handled {
    Box::pin(async move {
        Ok(Reply::untouched(Answer::json(&state.guests.list().await?), "looked and changed nothing"))
    })
}

fn lend(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        // It reads every table, and outlives the session that asked for it (control 26).
        state.auth.require_admin_step_up(&visit(&cx))?;
        let Asked { name, purpose, expires_in_seconds } = ask.json()?;
        let wanted = Wanted { name, purpose, lifetime: Duration::from_secs(expires_in_seconds) };
        let lent = state.guests.lend(wanted, &cx.caller).await?;
        let answer = json!({
            "name": lent.name,
            "password": lent.password.expose(),
            "url": lent.url.expose(),
            "expires_at": lent.expires_at,
        });
        Ok(Reply::untouched(Answer::json(&answer), "lending closed its own transactions"))
    })
}

fn revoke(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let name = ask.params.get("name");
        state.guests.revoke(name, &cx.caller).await?;
        Ok(Reply::untouched(Answer::json(&json!({ "name": name })), "revoking closed its own transactions"))
    })
}
