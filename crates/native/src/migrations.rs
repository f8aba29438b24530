//! `palisade migrate …`: the application's own migrations, over the control socket only.

use std::sync::Arc;

use http::Method;
use migrate::Ask as Wanted;
use serde_json::json;
use web::{Answer, Ask, Cx, Handled, Limits, Reply, Route};

use crate::State;
use crate::operator::route;

/// A route that takes the files.
const fn with_files(path: &'static str, handler: web::Handler<State>, summary: &'static str) -> Route<State> {
    route(Method::POST, path, handler, summary).limits(Limits {
        body_bytes_max: migrate::limits::BODY_BYTES_MAX.value,
        duration_ms_max: (migrate::limits::COPY_SECONDS_MAX.value + 600) * 1_000,
    })
}

/// How each stands.
pub const STATUS: Route<State> =
    with_files("/migrations/status", status, "How each migration stands: `palisade migrate status`");
/// Applies.
pub const UP: Route<State> =
    with_files("/migrations/up", up, "Applies what is pending: `palisade migrate up`");
/// Takes back.
pub const DOWN: Route<State> =
    with_files("/migrations/down", down, "Takes migrations back: `palisade migrate down`");
/// Tries on a copy.
pub const REHEARSE: Route<State> = with_files(
    "/migrations/rehearse",
    rehearse,
    "Tries what is pending on a copy: `palisade migrate rehearse`",
);
/// Compares with the files.
pub const DIFF: Route<State> =
    with_files("/migrations/diff", diff, "What was changed by hand: `palisade migrate diff`");

fn status(state: Arc<State>, _: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let wanted: Wanted = ask.json()?;
        let lines = state.migrations.status(&wanted.files).await?;
        Ok(Reply::untouched(Answer::json(&lines), "looked and changed nothing"))
    })
}

fn up(state: Arc<State>, _: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let done = state.migrations.up(&ask.json()?).await?;
        Ok(Reply::untouched(Answer::json(&done), "each migration closed its own transaction"))
    })
}

fn down(state: Arc<State>, _: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let done = state.migrations.down(&ask.json()?).await?;
        Ok(Reply::untouched(Answer::json(&done), "each migration closed its own transaction"))
    })
}

fn rehearse(state: Arc<State>, _: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let shown = state.migrations.rehearse(&ask.json()?).await?;
        Ok(Reply::untouched(Answer::json(&shown), "happened on a copy that is gone"))
    })
}

fn diff(state: Arc<State>, _: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let wanted: Wanted = ask.json()?;
        let found = state.migrations.diff(&wanted.files).await?;
        Ok(Reply::untouched(Answer::json(&json!(found)), "looked and changed nothing"))
    })
}
