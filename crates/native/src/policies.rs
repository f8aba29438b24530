//! `palisade lint`, `palisade policies …`: what is said about row level security, over the control socket only.

use std::sync::Arc;

use ::policies::access::Verb;
use ::policies::{generate, lint};
use audit::{Entry, Event};
use base::{Caller, Level};
use http::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;
use web::{Answer, Ask, Cx, Handled, Reply, Route};

use crate::State;
use crate::operator::route;

/// What is unsafe or slow.
pub const LINT: Route<State> =
    route(Method::GET, "/lint", lint, "What is unsafe or slow in the schema: `palisade lint`");
/// What would keep people apart.
pub const GENERATE: Route<State> =
    route(Method::POST, "/policies/generate", generate, "Proposes policies: `palisade policies generate`");

/// Why somebody can or cannot reach a row.
pub const EXPLAIN: Route<State> = route(
    Method::POST,
    "/access/explain",
    explain,
    "Says why a row can or cannot be reached: `palisade explain-access`",
);
/// What somebody reaches.
pub const TRY: Route<State> =
    route(Method::POST, "/access/try", try_all, "Tries all four verbs as somebody: `palisade policies test`");

/// What every role may do.
pub const GRANTS: Route<State> = route(
    Method::GET,
    "/database/grants",
    grants,
    "What every role may do in the database: `palisade db grants`",
);

/// Whether people are kept apart.
pub const PROVE: Route<State> = route(
    Method::POST,
    "/policies/prove",
    prove,
    "Proves isolation on a copy without rows: `palisade policies prove`",
);

fn lint(state: Arc<State>, _: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let mut findings = lint::run(&state.policies.facts().await?);
        // What a probe of a control made is gone in a moment.
        if ask.query_param("probes").is_some() {
            findings.retain(|finding| !pg::names_a_probe(&finding.object));
        }
        let unsafe_ones = findings.iter().filter(|finding| finding.level == lint::Level::Error).count();
        let answer = json!({ "findings": findings, "errors": unsafe_ones });
        Ok(Reply::untouched(Answer::json(&answer), "read the catalog and rolled back"))
    })
}

fn grants(state: Arc<State>, _: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let role = ask.query_param("role");
        let roles = state.policies.grants(role.as_deref()).await?;
        Ok(Reply::untouched(Answer::json(&json!({ "roles": roles })), "read the catalog and rolled back"))
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

/// Whom an operator asks about.
#[derive(Deserialize)]
struct Whom {
    /// An account; none is a caller who has not signed in.
    user: Option<Uuid>,
    /// Whether they have proven two factors.
    #[serde(default)]
    aal2: bool,
}

impl Whom {
    async fn caller(&self, state: &State) -> Result<Caller, base::Failure> {
        let level = if self.aal2 { Level::Aal2 } else { Level::Aal1 };
        match self.user {
            Some(user) => Ok(state.auth.stand_in(user, level).await?),
            None => Ok(Caller::anonymous()),
        }
    }

    /// Whoever asks reads rows as somebody else: that is recorded before anything is answered.
    async fn record(&self, state: &State, about: &str) -> Result<(), audit::Error> {
        let who = self.user.map_or_else(|| "anonymous".to_owned(), |user| format!("user:{user}"));
        let entry = Entry::named("operator", Event::AccessTried).about(who).detail("asked", about);
        state.audit.record_alone(entry).await
    }
}

#[derive(Deserialize)]
struct Question {
    #[serde(flatten)]
    whom: Whom,
    row: String,
    verb: Verb,
    #[serde(default)]
    values: Map<String, Value>,
}

fn explain(state: Arc<State>, _: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let Question { whom, row, verb, values } = ask.json()?;
        let caller = whom.caller(&state).await?;
        whom.record(&state, &row).await?;
        let said = state.policies.explain(&caller, &row, verb, &values).await?;
        Ok(Reply::untouched(Answer::json(&said), "what was tried was rolled back"))
    })
}

#[derive(Deserialize)]
struct Trial {
    #[serde(flatten)]
    whom: Whom,
    table: String,
    #[serde(default)]
    row: Map<String, Value>,
}

fn try_all(state: Arc<State>, _: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let Trial { whom, table, row } = ask.json()?;
        let caller = whom.caller(&state).await?;
        whom.record(&state, &table).await?;
        let tried = state.policies.try_all(&caller, &table, &row).await?;
        Ok(Reply::untouched(Answer::json(&tried), "what was tried was rolled back"))
    })
}

#[derive(Deserialize)]
struct Claimed {
    table: Option<String>,
}

fn prove(state: Arc<State>, _: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let Claimed { table } = ask.json()?;
        let policies = state.policies.clone();
        let proofs = state.migrations.on_schema(async move |copy| {
            Ok::<_, base::Failure>(policies.prove_on(&copy, table.as_deref()).await?)
        });
        let proofs = proofs.await?;
        Ok(Reply::untouched(Answer::json(&proofs), "played on a copy without rows, which is gone"))
    })
}
