//! `GET /health` says that the process answers; `GET /ready` that the database behind it does too.
//!
//! Neither tells a version: that is what a scanner wants to know.

use std::sync::Arc;

use http::Method;
use serde_json::json;
use web::{Answer, Ask, Credentials, Cx, Guard, Handled, Limits, Rate, Reply, Route};

use crate::{Error, State};

/// The process answers.
pub const HEALTH: Route<State> = Route::new(Method::GET, "/health", Guard::Open, health)
    .credentials(Credentials::None)
    .limits(Limits::NO_BODY)
    .rate(Rate::Exempt)
    .summary("The process answers");

/// The database answers.
pub const READY: Route<State> = Route::new(Method::GET, "/ready", Guard::Open, ready)
    .credentials(Credentials::None)
    .limits(Limits::NO_BODY)
    .rate(Rate::Exempt)
    .summary("The database behind it answers");

fn health(_: Arc<State>, _: Cx, _: Ask) -> Handled {
    Box::pin(async {
        Ok(Reply::untouched(Answer::json(&json!({ "status": "ok" })), "says only that it is there"))
    })
}

fn ready(_: Arc<State>, cx: Cx, _: Ask) -> Handled {
    Box::pin(async move {
        cx.pg.health().await.map_err(|_| Error::NotReady)?;
        Ok(Reply::untouched(Answer::json(&json!({ "status": "ok" })), "asked the pool, not a table"))
    })
}
