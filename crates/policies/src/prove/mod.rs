//! The small-scope prover: "A never sees or changes a row of B", for every small database, or a counter-example.
//!
//! For each table whose rows belong to somebody ([`claim`]) it lists every row that the constants of its policies can
//! tell apart, and every content of up to three rows of each table that the policies look into. In each of these
//! databases PostgreSQL itself, as A, evaluates the policies for every row. What they let through and should not is
//! carried out for real before it counts: a refutation always comes with SQL that replays it. What the method cannot
//! decide (time, counting, JSON, triggers, too many databases) is said to be tested, never proven.
//!
//! It works on a connection to a database that may be filled and emptied, a copy without rows, whose event triggers are off. Code
//! of the application runs in that session and may give back what role it was lent: whoever enters has no rights elsewhere.
//! Invariant: everything happens behind a savepoint and is rolled back.

mod claim;
mod domain;
mod judge;
mod made_up;
mod passage;
mod patience;
mod replay;
mod scope;
mod stage;
mod world;

pub use claim::{Claim, Owner, claims};
pub use patience::Patience;
pub use replay::Counterexample;

use std::time::Instant;

use serde::Serialize;
use tokio_postgres::Client;

use patience::End;

use crate::facts::{Facts, Relation};
use crate::{Error, limits};

/// What is known of one table, view or function.
#[derive(Clone, Debug, Serialize)]
pub struct Proof {
    /// What it is about.
    pub object: String,
    /// What was claimed: whose rows are whose.
    pub claim: String,
    /// The answer.
    pub verdict: Verdict,
    /// How many cases (databases, callers, rows) were looked at.
    pub cases: u64,
    /// How long it took.
    pub milliseconds: u64,
}

/// The answer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nobody reaches what is not theirs, in every database of up to three rows a table.
    Proven,
    /// Nobody did in the cases looked at, which are not all that matter.
    Tested {
        /// Why it is no proof.
        because: Vec<String>,
    },
    /// Somebody does.
    Refuted(Box<Counterexample>),
    /// Nothing says whose its rows are: nothing was claimed, and nothing looked at.
    Unclaimed,
}

/// Proves or refutes every claim of the served tables, or of one.
pub async fn prove(client: &Client, facts: &Facts, only: Option<&str>) -> Result<Vec<Proof>, Error> {
    prove_within(client, facts, only, Patience::default()).await
}

/// The same, in that time. In the transaction that is open on `client`.
pub async fn prove_within(
    client: &Client,
    facts: &Facts,
    only: Option<&str>,
    patience: Patience,
) -> Result<Vec<Proof>, Error> {
    let begun = Instant::now();
    let chosen = match only {
        Some(name) => Some(facts.named(name).ok_or_else(|| Error::NoTable { name: name.to_owned() })?.oid),
        None => None,
    };
    let mut proofs = Vec::new();
    let all = claims(facts);
    let served = facts
        .relations
        .iter()
        .filter(|one| one.exposed && one.is_table() && !one.partition && !one.extension);
    let unclaimed = served.filter(|one| {
        // Without a policy nobody reaches anything.
        let reached = !one.secured || facts.policies_of(one.oid).next().is_some();
        chosen.is_none_or(|oid| one.oid == oid) && reached && !all.iter().any(|claim| claim.table == one.oid)
    });
    proofs.extend(unclaimed.map(|table| Proof {
        object: table.title(),
        claim: String::new(),
        verdict: Verdict::Unclaimed,
        cases: 0,
        milliseconds: 0,
    }));
    let calls = passage::calls(facts);
    for claim in all.iter().filter(|claim| chosen.is_none_or(|oid| claim.table == oid)) {
        let Some(table) = facts.relation(claim.table) else { continue };
        let case = Case { facts, table, claim, all: &all };
        proofs.push(table_proof(client, case, patience.end(begun)).await?);
        for passage in passage::find(facts, table, &calls) {
            proofs.extend(passage::proof(client, case, &passage, patience.end(begun)).await?);
        }
    }
    Ok(proofs)
}

/// A table and whose its rows are.
#[derive(Clone, Copy)]
pub(crate) struct Case<'a> {
    pub facts: &'a Facts,
    pub table: &'a Relation,
    pub claim: &'a Claim,
    /// Those of every table.
    pub all: &'a [Claim],
}

async fn table_proof(client: &Client, case: Case<'_>, end: End) -> Result<Proof, Error> {
    let begun = Instant::now();
    let (verdict, cases) = in_time(client, end, judge::look(client, case, end)).await?;
    Ok(Proof {
        object: case.table.title(),
        claim: case.claim.words(case.facts),
        verdict,
        cases,
        milliseconds: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}

/// Looks behind a savepoint, and no longer than until its end.
pub(crate) async fn in_time(
    client: &Client,
    end: End,
    look: impl Future<Output = Result<(Verdict, u64), Error>>,
) -> Result<(Verdict, u64), Error> {
    let stopped = || Ok((Verdict::Tested { because: vec![end.because()] }, 0));
    if end.is_over() {
        return stopped();
    }
    client.batch_execute(&format!("SAVEPOINT palisade_proof; {}", end.bound())).await?;
    let looked = look.await;
    client.batch_execute("ROLLBACK TO SAVEPOINT palisade_proof; RELEASE SAVEPOINT palisade_proof").await?;
    match looked {
        Err(error) if end.stopped(&error) => stopped(),
        looked => looked,
    }
}

/// A proof's bound on rows of a table.
pub(crate) fn rows_max() -> usize {
    limits::PROOF_ROWS.size()
}
