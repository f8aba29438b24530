//! Ways around a table's policies: views with their owner's rights, copies, tables it inherits from, and functions that give out rows.
//!
//! They are tried, not proven: each foreign row is put into the table, and it is seen whether more comes out.

use tokio_postgres::Client;

use super::claim::Claim;
use super::judge::{Court, actors};
use super::replay::{Counterexample, Kind};
use super::stage::{Actor, insert};
use super::{Proof, Verdict};
use crate::Error;
use crate::facts::{Facts, Function, Relation};
use crate::lint::read_in;
use crate::text;

/// A way around.
pub(crate) enum Passage<'a> {
    /// A view, a copy, or a table that it inherits from.
    View(&'a Relation),
    /// A function that gives out rows.
    Call(&'a Function),
    /// One that is told what to give out.
    Told(&'a Function),
    /// One that makes statements as it runs, of whatever table.
    Guess(&'a Function),
}

/// The ways around a table that callers may take.
pub(crate) fn find<'a>(facts: &'a Facts, table: &Relation) -> Vec<Passage<'a>> {
    let shown = |view: &&Relation| {
        let is_above = match view.kind.as_str() {
            "v" | "m" => leads_past(facts, view, table.oid),
            _ => inherits(facts, table, view.oid),
        };
        view.exposed && view.readable() && is_above
    };
    let views = facts.relations.iter().filter(shown).map(Passage::View);
    views.chain(facts.functions.iter().filter_map(|function| call(facts, function, table))).collect()
}

fn call<'a>(facts: &Facts, function: &'a Function, table: &Relation) -> Option<Passage<'a>> {
    let rows = function
        .definition
        .as_ref()
        .is_some_and(|text| text.contains("RETURNS SETOF") || text.contains("RETURNS TABLE"));
    let callable = function.exposed && function.definer && rows && (function.anon || function.authenticated);
    if !callable {
        return None;
    }
    let reads = read_in(facts, &function.body)
        .iter()
        .any(|one| one.oid == table.oid || stands_on(facts, one, table.oid));
    match (function.arguments.is_empty(), reads) {
        (true, true) => Some(Passage::Call(function)),
        (false, true) => Some(Passage::Told(function)),
        (true, false) => text::names(&function.body, "execute").then_some(Passage::Guess(function)),
        (false, false) => None,
    }
}

/// Whether a view leads to the table past its policies: by its own owner's rights or those of a view below it, or as a copy.
fn leads_past(facts: &Facts, view: &Relation, table: u32) -> bool {
    let mut open = vec![(view.oid, false)];
    let mut seen = Vec::new();
    while let Some((oid, before)) = open.pop() {
        let Some(one) = facts.relation(oid) else { continue };
        let past = before || one.kind == "m" || (one.kind == "v" && !one.invoker);
        if oid == table && past {
            return true;
        }
        if !seen.contains(&(oid, past)) {
            seen.push((oid, past));
            open.extend(one.stands_on.iter().flatten().map(|below| (*below, past)));
        }
    }
    false
}

/// Whether a view stands on the table, in whatever way.
fn stands_on(facts: &Facts, view: &Relation, table: u32) -> bool {
    reaches(view.oid, table, |oid| facts.relation(oid).and_then(|one| one.stands_on.clone()))
}

fn inherits(facts: &Facts, table: &Relation, from: u32) -> bool {
    reaches(table.oid, from, |oid| facts.relation(oid).and_then(|one| one.inherits.clone()))
}

/// Whether some steps lead from one to the other.
fn reaches(from: u32, to: u32, step: impl Fn(u32) -> Option<Vec<u32>>) -> bool {
    let mut open = vec![from];
    let mut seen = Vec::new();
    while let Some(oid) = open.pop() {
        for next in step(oid).unwrap_or_default() {
            if next == to {
                return true;
            }
            if !seen.contains(&next) {
                seen.push(next);
                open.push(next);
            }
        }
    }
    false
}

impl Passage<'_> {
    fn title(&self) -> String {
        match self {
            Passage::View(view) => view.title(),
            Passage::Call(function) | Passage::Told(function) | Passage::Guess(function) => function.title(),
        }
    }

    fn lets(&self, role: &str) -> bool {
        match self {
            Passage::View(view) => view.lets(role, "SELECT"),
            Passage::Call(function) | Passage::Told(function) | Passage::Guess(function) => {
                if role == "anon" { function.anon } else { function.authenticated }
            }
        }
    }

    fn from(&self) -> String {
        match self {
            Passage::View(view) => view.quoted(),
            Passage::Call(function) | Passage::Told(function) | Passage::Guess(function) => function.quoted(),
        }
    }

    /// Makes the copies below it anew, each after those that it stands on.
    fn refresh(&self, facts: &Facts) -> String {
        let Passage::View(view) = self else { return String::new() };
        let (mut open, mut copies) = (vec![*view], Vec::new());
        while let Some(one) = open.pop() {
            if one.kind == "m" {
                copies.retain(|known: &&Relation| known.oid != one.oid);
                copies.push(one);
            }
            open.extend(one.stands_on.iter().flatten().filter_map(|oid| facts.relation(*oid)));
        }
        copies.iter().rev().map(|copy| format!("REFRESH MATERIALIZED VIEW {};\n", copy.quoted())).collect()
    }

    /// What is said when nothing came out.
    fn because(&self) -> &'static str {
        match self {
            Passage::View(view) if !matches!(view.kind.as_str(), "v" | "m") => {
                "what is read through a table that it inherits from is tried, not proven"
            }
            Passage::View(_) | Passage::Call(_) | Passage::Guess(_) => {
                "a view or function with its owner's rights is tried, not proven"
            }
            Passage::Told(_) => {
                "a function with its owner's rights that takes arguments is not tried: look at what it gives out"
            }
        }
    }
}

/// Databases that are tried: spread over all of them.
const DATABASES: usize = 24;

pub(crate) async fn proof(
    client: &Client,
    facts: &Facts,
    table: &Relation,
    (claim, all): (&Claim, &[Claim]),
    passage: &Passage<'_>,
) -> Result<Option<Proof>, Error> {
    let begun = std::time::Instant::now();
    let words = format!("{}: {}", table.title(), claim.words(facts));
    if let Passage::Told(_) = passage {
        let verdict = Verdict::Tested { because: vec![passage.because().to_owned()] };
        return Ok(Some(Proof { object: passage.title(), claim: words, verdict, cases: 0, milliseconds: 0 }));
    }
    client.batch_execute("SAVEPOINT palisade_passage").await?;
    let tried = look(client, facts, table, (claim, all), passage).await;
    client
        .batch_execute("ROLLBACK TO SAVEPOINT palisade_passage; RELEASE SAVEPOINT palisade_passage")
        .await?;
    let (verdict, cases) = tried?;
    // Of a table that it never looks at there is nothing to say.
    if matches!((passage, &verdict), (Passage::Guess(_), Verdict::Tested { .. })) {
        return Ok(None);
    }
    let milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(Some(Proof { object: passage.title(), claim: words, verdict, cases, milliseconds }))
}

async fn look(
    client: &Client,
    facts: &Facts,
    table: &Relation,
    (claim, all): (&Claim, &[Claim]),
    passage: &Passage<'_>,
) -> Result<(Verdict, u64), Error> {
    let court = Court::new(client, facts, table, claim, all).await?;
    let mut cases = 0;
    let step = court.worlds.list.len().div_ceil(DATABASES).max(1);
    let rows = court.models.get(court.target).map_or(0, |model| model.rows.len());
    for role in ["authenticated", "anon"] {
        let Some(actor) = actors(&court, role).into_iter().next().filter(|_| passage.lets(role)) else {
            continue;
        };
        for world in (0..court.worlds.list.len()).step_by(step) {
            let foreign =
                (0..rows).filter(|row| court.finds(*row, world) && !court.may_see(*row, world, &actor));
            for row in foreign.take(DATABASES) {
                cases += 1;
                if let Some(found) = try_out(client, &court, passage, &actor, (world, row)).await? {
                    return Ok((Verdict::Refuted(Box::new(found)), cases));
                }
            }
        }
    }
    Ok((Verdict::Tested { because: vec![passage.because().to_owned()] }, cases))
}

async fn try_out(
    client: &Client,
    court: &Court<'_>,
    passage: &Passage<'_>,
    actor: &Actor,
    (world, row): (usize, usize),
) -> Result<Option<Counterexample>, Error> {
    let Some(model) = court.models.get(court.target) else { return Ok(None) };
    let mut around = "SET LOCAL session_replication_role = replica;\n".to_owned();
    for (at, rows) in court.held(world).iter().enumerate().filter(|(at, _)| *at != court.target) {
        let Some(model) = court.models.get(at) else { continue };
        rows.iter().for_each(|row| {
            around.push_str(&format!("{};\n", insert(model, *row, &model.table.quoted(), None)))
        });
    }
    let put = format!(
        "{};\n{}SET LOCAL session_replication_role = origin;\n",
        insert(model, row, &model.table.quoted(), None),
        passage.refresh(court.scope.facts)
    );
    let act = format!("SELECT * FROM {}", passage.from());
    client.batch_execute("SAVEPOINT palisade_try").await?;
    let before = count(client, &format!("{around}{}", passage.refresh(court.scope.facts)), actor, &act).await;
    client.batch_execute("ROLLBACK TO SAVEPOINT palisade_try").await?;
    let after = count(client, &format!("{around}{put}"), actor, &act).await;
    client
        .batch_execute("ROLLBACK TO SAVEPOINT palisade_try; RELEASE SAVEPOINT palisade_try; RESET ROLE")
        .await?;
    if !matches!((before, after), (Some(before), Some(after)) if after > before) {
        return Ok(None);
    }
    let values = model.rows.get(row).into_iter().flatten();
    let values =
        model.columns.iter().zip(values).map(|(column, value)| (column.name.clone(), value.clone().into()));
    Ok(Some(Counterexample {
        kind: Kind::Sees,
        row: values.collect(),
        what: format!("{} gives out a row of {} that is not theirs", passage.title(), model.table.title()),
        sql: format!("BEGIN;\n{around}{put}{};\n{act};\nROLLBACK;\n", actor.enter()),
    }))
}

/// How many rows come out; none when it fails.
async fn count(client: &Client, database: &str, actor: &Actor, act: &str) -> Option<usize> {
    client.batch_execute(database).await.ok()?;
    client.batch_execute(&actor.enter()).await.ok()?;
    let messages = client.simple_query(act).await.ok()?;
    Some(
        messages
            .iter()
            .filter(|message| matches!(message, tokio_postgres::SimpleQueryMessage::Row(_)))
            .count(),
    )
}
