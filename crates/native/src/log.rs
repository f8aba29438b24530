//! The program's own log, for the operator: its last lines, and its level while it runs (control 102).
//!
//! Invariant: no level takes effect before its change is in the audit log.

use std::sync::Arc;

use audit::{Entry, Event};
use http::Method;
use serde::Deserialize;
use serde_json::json;
use web::{Answer, Ask, Cx, Handled, Reply, Route};

use crate::operator::route;
use crate::{Error, State};

/// What the running program's log offers.
pub trait Log: Send + Sync {
    /// Every level there is.
    fn levels(&self) -> &'static [&'static str];
    /// The level in force.
    fn level(&self) -> String;
    /// Sets it at once; false when that could not be done.
    fn set(&self, level: &str) -> bool;
    /// The last lines, without the first `after` that were ever written.
    fn recent(&self, after: u64) -> Recent;
}

/// The end of the log.
pub struct Recent {
    /// How many lines were ever written.
    pub written: u64,
    /// The last of them, oldest first.
    pub lines: Vec<String>,
}

/// The last lines.
pub const READ: Route<State> =
    route(Method::GET, "/log", read, "The last lines of the program's log: `palisade log`");
/// The level.
pub const LEVEL: Route<State> =
    route(Method::PUT, "/log-level", level, "Changes the level of the program's log: `palisade log-level`");

fn read(state: Arc<State>, _: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let log = state.log.as_ref().ok_or(Error::NoLog)?;
        let after = ask.query_param("after").and_then(|after| after.parse().ok()).unwrap_or(0);
        let recent = log.recent(after);
        let answer = json!({ "level": log.level(), "written": recent.written, "lines": recent.lines });
        Ok(Reply::untouched(Answer::json(&answer), "lines in memory"))
    })
}

#[derive(Deserialize)]
struct NewLevel {
    level: String,
}

fn level(state: Arc<State>, _: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let log = state.log.as_ref().ok_or(Error::NoLog)?;
        let NewLevel { level } = ask.json()?;
        if !log.levels().contains(&level.as_str()) {
            return Err(Error::NoLevel { level, levels: log.levels().join(", ") }.into());
        }
        let before = log.level();
        let entry = Entry::named("operator", Event::LogLevelChanged)
            .about("logging.level")
            .detail("before", before.clone())
            .detail("after", level.clone());
        state.audit.record_alone(entry).await?;
        if !log.set(&level) {
            return Err(Error::NoLog.into());
        }
        let answer = json!({ "before": before, "level": level });
        Ok(Reply::untouched(Answer::json(&answer), "recorded in a transaction of its own"))
    })
}
