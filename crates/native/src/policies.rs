//! `palisade lint`, `palisade policies …`: what is said about row level security, over the control socket only.

use std::sync::Arc;

use ::policies::{generate, lint};
use http::Method;
use serde::Deserialize;
use serde_json::json;
use web::{Answer, Ask, Cx, Handled, Reply, Route};

use crate::State;
use crate::operator::route;

/// What is unsafe or slow.
pub const LINT: Route<State> =
    route(Method::GET, "/lint", lint, "What is unsafe or slow in the schema: `palisade lint`");
/// What would keep people apart.
pub const GENERATE: Route<State> =
    route(Method::POST, "/policies/generate", generate, "Proposes policies: `palisade policies generate`");

fn lint(state: Arc<State>, _: Cx, _: Ask) -> Handled {
    Box::pin(async move {
        let findings = lint::run(&state.policies.facts().await?);
        let unsafe_ones = findings.iter().filter(|finding| finding.level == lint::Level::Error).count();
        let answer = json!({ "findings": findings, "errors": unsafe_ones });
        Ok(Reply::untouched(Answer::json(&answer), "read the catalog and rolled back"))
    })
}

#[derive(Deserialize)]
struct Wanted {
    table: Option<String>,
    using: Option<String>,
    check: Option<String>,
}

fn generate(state: Arc<State>, _: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let Wanted { table, using, check } = ask.json()?;
        let facts = state.policies.facts().await?;
        let proposals = match (&table, &using) {
            (Some(table), Some(using)) => vec![generate::by_hand(&facts, table, using, check.as_deref())?],
            (table, _) => generate::propose(&facts, table.as_deref())?,
        };
        Ok(Reply::untouched(Answer::json(&proposals), "proposals are not carried out"))
    })
}
