//! Ways around a table's policies: views with their owner's rights, copies, tables it inherits from, and functions that give out rows.
//!
//! They are tried, not proven: each foreign row is put into the table, and it is seen whether more comes out.

use tokio_postgres::Client;

use super::judge::{Court, actors};
use super::patience::End;
use super::replay::{Counterexample, Kind};
use super::stage::{Actor, insert};
use super::{Case, Proof, Verdict, in_time};
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

/// A function that gives out rows with its owner's rights, and what it reads.
pub(crate) struct Call<'a> {
    function: &'a Function,
    reads: Vec<u32>,
    /// It makes statements as it runs.
    guesses: bool,
}

/// Those that callers may call. Reading their texts takes a while, so it is done once.
pub(crate) fn calls(facts: &Facts) -> Vec<Call<'_>> {
    let gives_rows = |function: &&Function| {
        let text = function.definition.as_deref().unwrap_or_default();
        text.contains("RETURNS SETOF") || text.contains("RETURNS TABLE")
    };
    let callable =
        |one: &&Function| one.exposed && one.definer && (one.anon || one.authenticated) && gives_rows(one);
    let call = |function: &'_ Function| {
        let mut reads: Vec<u32> = read_in(facts, &function.body).iter().map(|one| one.oid).collect();
        let mut at = 0;
        while let Some(oid) = reads.get(at).copied() {
            let below = facts.relation(oid).and_then(|one| one.stands_on.as_ref()).into_iter().flatten();
            let new: Vec<u32> = below.copied().filter(|oid| !reads.contains(oid)).collect();
            reads.extend(new);
            at += 1;
        }
        (reads, text::names(&function.body, "execute"))
    };
    let all = facts.functions.iter().filter(callable);
    all.map(|function| {
        let (reads, guesses) = call(function);
        Call { function, reads, guesses }
    })
    .collect()
}

/// The ways around a table that callers may take.
pub(crate) fn find<'a>(facts: &'a Facts, table: &Relation, calls: &[Call<'a>]) -> Vec<Passage<'a>> {
    let shown = |view: &&Relation| {
        view.exposed
            && view.readable()
            && match view.kind.as_str() {
                "v" | "m" => leads_past(facts, view, table.oid),
                _ => inherits(facts, table, view.oid),
            }
    };
    let called = |call: &Call<'a>| match (call.function.arguments.is_empty(), call.reads.contains(&table.oid))
    {
        (true, true) => Some(Passage::Call(call.function)),
        (false, true) => Some(Passage::Told(call.function)),
        (true, false) => call.guesses.then_some(Passage::Guess(call.function)),
        (false, false) => None,
    };
    let views = facts.relations.iter().filter(shown).map(Passage::View);
    views.chain(calls.iter().filter_map(called)).collect()
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

/// Whether rows of the table are found by reading the other, too.
fn inherits(facts: &Facts, table: &Relation, other: u32) -> bool {
    let mut open: Vec<u32> = table.inherits.iter().flatten().copied().collect();
    let mut seen = Vec::new();
    while let Some(oid) = open.pop() {
        if oid == other {
            return true;
        }
        if !seen.contains(&oid) {
            seen.push(oid);
            open.extend(facts.relation(oid).and_then(|one| one.inherits.as_ref()).into_iter().flatten());
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
    case: Case<'_>,
    passage: &Passage<'_>,
    end: End,
) -> Result<Option<Proof>, Error> {
    let begun = std::time::Instant::now();
    let (verdict, cases) = match passage {
        Passage::Told(_) => (Verdict::Tested { because: vec![passage.because().to_owned()] }, 0),
        Passage::View(_) | Passage::Call(_) | Passage::Guess(_) => {
            in_time(client, end, look(client, case, passage, end)).await?
        }
    };
    // Of a table that it never looks at there is nothing to say.
    if matches!((passage, &verdict), (Passage::Guess(_), Verdict::Tested { .. })) {
        return Ok(None);
    }
    Ok(Some(Proof {
        object: passage.title(),
        claim: format!("{}: {}", case.table.title(), case.claim.words(case.facts)),
        verdict,
        cases,
        milliseconds: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
    }))
}

async fn look(
    client: &Client,
    case: Case<'_>,
    passage: &Passage<'_>,
    end: End,
) -> Result<(Verdict, u64), Error> {
    let court = Court::new(client, case).await?;
    let mut cases = 0;
    let mut because = vec![passage.because().to_owned()];
    let step = court.worlds.list.len().div_ceil(DATABASES).max(1);
    let rows = court.models.get(court.target).map_or(0, |model| model.rows.len());
    'all: for role in ["authenticated", "anon"] {
        let Some(actor) = actors(&court, role).into_iter().next().filter(|_| passage.lets(role)) else {
            continue;
        };
        for world in (0..court.worlds.list.len()).step_by(step) {
            let foreign =
                (0..rows).filter(|row| court.finds(*row, world) && !court.may_see(*row, world, &actor));
            for row in foreign.take(DATABASES) {
                if end.is_over() {
                    because.push(end.because());
                    break 'all;
                }
                cases += 1;
                if let Some(found) = try_out(client, &court, passage, &actor, (world, row)).await? {
                    return Ok((Verdict::Refuted(Box::new(found)), cases));
                }
            }
        }
    }
    Ok((Verdict::Tested { because }, cases))
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
