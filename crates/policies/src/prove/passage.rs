//! Ways around a table's policies: views with their owner's rights, copies, and functions that give out rows.
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
use crate::lint::selects_from;

/// A way around.
pub(crate) enum Passage<'a> {
    /// A view or a copy.
    View(&'a Relation),
    /// A function that gives out rows.
    Call(&'a Function),
}

/// The ways around a table that callers may take.
pub(crate) fn find<'a>(facts: &'a Facts, table: &Relation) -> Vec<Passage<'a>> {
    let past = |view: &&Relation| {
        view.exposed && view.readable() && (view.kind == "m" || (view.kind == "v" && !view.invoker))
    };
    let stands = |view: &&Relation| beneath(facts, view.oid, 0).contains(&table.oid);
    let gives = |function: &&Function| {
        let rows = function
            .definition
            .as_ref()
            .is_some_and(|text| text.contains("RETURNS SETOF") || text.contains("RETURNS TABLE"));
        function.exposed
            && function.definer
            && rows
            && (function.anon || function.authenticated)
            && function.arguments.is_empty()
            && selects_from(&function.body, table)
    };
    let views = facts.relations.iter().filter(past).filter(stands).map(Passage::View);
    views.chain(facts.functions.iter().filter(gives).map(Passage::Call)).collect()
}

fn beneath(facts: &Facts, oid: u32, deep: usize) -> Vec<u32> {
    let on = facts.relation(oid).and_then(|one| one.stands_on.as_ref()).into_iter().flatten();
    on.flat_map(|oid| {
        let further = if deep < 4 { beneath(facts, *oid, deep + 1) } else { Vec::new() };
        std::iter::once(*oid).chain(further)
    })
    .collect()
}

impl Passage<'_> {
    fn title(&self) -> String {
        match self {
            Passage::View(view) => view.title(),
            Passage::Call(function) => function.title(),
        }
    }

    fn lets(&self, role: &str) -> bool {
        match self {
            Passage::View(view) => view.lets(role, "SELECT"),
            Passage::Call(function) => {
                if role == "anon" {
                    function.anon
                } else {
                    function.authenticated
                }
            }
        }
    }

    fn from(&self) -> String {
        match self {
            Passage::View(view) => view.quoted(),
            Passage::Call(function) => function.quoted(),
        }
    }

    fn refresh(&self) -> String {
        match self {
            Passage::View(view) if view.kind == "m" => {
                format!("REFRESH MATERIALIZED VIEW {};\n", view.quoted())
            }
            Passage::View(_) | Passage::Call(_) => String::new(),
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
    client.batch_execute("SAVEPOINT palisade_passage").await?;
    let tried = look(client, facts, table, (claim, all), passage).await;
    client
        .batch_execute("ROLLBACK TO SAVEPOINT palisade_passage; RELEASE SAVEPOINT palisade_passage")
        .await?;
    let (verdict, cases) = tried?;
    let milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let claim = format!("{}: {}", table.title(), claim.words(facts));
    Ok(Some(Proof { object: passage.title(), claim, verdict, cases, milliseconds }))
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
    let because = vec!["a view or function with its owner's rights is tried, not proven".to_owned()];
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
        passage.refresh()
    );
    let act = format!("SELECT * FROM {}", passage.from());
    client.batch_execute("SAVEPOINT palisade_try").await?;
    let before = count(client, &format!("{around}{}", passage.refresh()), actor, &act).await;
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
