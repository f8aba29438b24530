//! Carrying out a plan as the caller.
//!
//! Invariant: whatever may still refuse the answer (one row wanted, too many touched) is checked before the commit, and
//! an outcome leaves here only inside a [`Reply`].

use std::sync::Arc;
use std::time::Duration;

use base::Caller;
use bytes::Bytes;
use pg::{Flow, Isolation, Lane, Mode, Once, Pg, Reply, Rows, Setup, Statement};

use crate::ask::{Count, Outcome};
use crate::encode::{self, Growing};
use crate::error::Error;
use crate::limits::FLOW_ROWS_MIN;
use crate::plan::{Act, BodyShape, Change, Plan};
use crate::repeat::{self, Known};
use crate::sql::{Compiled, Form};

/// What user code may have set, how many rows an insert updated, and which honey rows were read.
pub const TAIL: &str = "select nullif(pg_catalog.current_setting('response.headers', true), ''), \
    nullif(pg_catalog.current_setting('response.status', true), ''), \
    nullif(pg_catalog.current_setting('palisade.updated', true), ''), \
    nullif(pg_catalog.current_setting('palisade.touched', true), '')";

/// Makes a rolled back answer tell of violations that only a commit would have found.
pub const CHECK_DEFERRED: &str = "set constraints all immediate";

/// What running a plan depends on besides the plan.
#[derive(Clone, Copy)]
pub struct Around {
    /// Whether some function in the database could set the answer's headers or status.
    pub answers: bool,
    /// How long answers to writes that may come again are kept.
    pub retention: Duration,
    /// Whether a trigger wants to know whose write it is.
    pub watched: bool,
}

/// Runs `plan`, written as `compiled`.
pub async fn run(
    pg: &Pg,
    caller: &Caller,
    setup: Setup,
    plan: &Plan,
    compiled: Compiled,
    around: Around,
) -> Result<Reply<Outcome>, Error> {
    let Around { answers, retention, watched } = around;
    let mut setup = setup;
    surround(&mut setup, plan);
    // A single read sees one snapshot whatever its isolation; only a serializable one may be told that it saw too much.
    let alone = matches!(plan.act, Act::Read) && setup.before.is_none() && compiled.guess.is_none();
    setup.isolation = setup.isolation.filter(|isolation| !alone || *isolation == Isolation::Serializable);
    if watched && plan.writes {
        say_who(&mut setup, caller);
    }
    let explained = plan.terms.explain.is_some();
    let tail = !explained && (answers || compiled.counts_updates || compiled.baited);
    let terms = &plan.terms;
    let repeat = terms.repeat.as_ref().filter(|_| plan.writes && !explained && !terms.roll_back);
    // A read that is refused after its transaction has ended has changed as little as one refused before.
    let checked = (plan.writes && (terms.singular || terms.max_affected.is_some() || is_put(plan)))
        || terms.roll_back
        || repeat.is_some()
        || setup.isolation.is_some();
    let mode = if plan.writes { Mode::Write } else { Mode::Read };
    if !checked && compiled.guess.is_none() {
        let lane = if matches!(plan.act, Act::Read) && !explained { Lane::Short } else { Lane::Own };
        let Compiled { main, form, .. } = compiled;
        let once = Once { statement: main, mode, lane, setup };
        if !tail {
            let reply = pg.once(caller, once).await?;
            return reply.try_map(|rows| passed(plan, outcome(plan, form, &rows)?));
        }
        let reply = pg.once_with(caller, once, vec![Statement::new(TAIL, [])]).await?;
        return reply.try_map(|answers| {
            let mut answers = answers.iter();
            let rows = answers.next().ok_or(Error::Bug("a statement without an answer"))?;
            passed(plan, told(outcome(plan, form, rows)?, answers.next())?)
        });
    }
    let Compiled { main, form, guess, .. } = compiled;
    let mut tx = pg.begin(caller, mode, setup).await?;
    let mut begun = None;
    if let Some(repeat) = repeat {
        match repeat::claim(&mut tx, repeat).await {
            Ok(Known::New(rules)) => begun = Some((repeat, rules)),
            known => {
                let still = match &known {
                    Ok(_) => repeat::require_rights(&mut tx, &main).await,
                    Err(_) => Ok(()),
                };
                // Now, not when dropped: the next try must not meet this one's lock.
                tx.roll_back().await?;
                let Known::Kept(kept) = known? else { return Err(Error::Bug("a key that is new and known")) };
                still?;
                return Ok(Reply::untouched(repeat::read(kept)?, "the same write was committed before"));
            }
        }
    }
    let mut statements = vec![main];
    if tail {
        statements.push(Statement::new(TAIL, []));
    }
    let guessed = guess.is_some() && !explained;
    statements.extend(guess.filter(|_| guessed));
    let answers = match tx.run_all(statements).await {
        Ok(answers) => answers,
        Err(error) => {
            if repeat.is_some() {
                // The refusal is what matters; a connection that is gone has rolled back by itself.
                let _gone = tx.roll_back().await;
            }
            return Err(error.into());
        }
    };
    let mut answers = answers.iter();
    let rows = answers.next().ok_or(Error::Bug("a statement without an answer"))?;
    let mut outcome = outcome(plan, form, rows)?;
    if tail {
        outcome = told(outcome, answers.next())?;
    }
    if guessed {
        let guess = answers.next().and_then(Rows::first).ok_or(Error::Bug("no explanation"))?;
        outcome.total = Some(merge_guess(plan, outcome.total, planned_rows(guess.at(0)?)?));
    }
    check(plan, &outcome)?;
    if terms.roll_back {
        tx.run(Statement::new(CHECK_DEFERRED, [])).await?;
        tx.roll_back().await?;
        return Ok(Reply::untouched(outcome, "the caller asked for a rollback"));
    }
    if let Some((repeat, rules)) = begun {
        repeat::keep(&mut tx, repeat, &rules, &repeat::written(&outcome)?, retention).await?;
    }
    Ok(tx.commit(outcome).await?)
}

fn passed(plan: &Plan, outcome: Outcome) -> Result<Outcome, Error> {
    check(plan, &outcome)?;
    Ok(outcome)
}

/// With what user code set of the answer, from the answer to [`TAIL`].
fn told(mut outcome: Outcome, tail: Option<&Rows>) -> Result<Outcome, Error> {
    let row = tail.and_then(Rows::first).ok_or(Error::Bug("settings without an answer"))?;
    outcome.response_headers = row.at(0)?;
    outcome.response_status = row.at(1)?;
    let updated: Option<i64> = row.at(2)?;
    outcome.inserted = outcome.inserted.map(|inserted| inserted - updated.unwrap_or(0));
    outcome.touched = row.at(3)?;
    Ok(outcome)
}

/// With who asks and from where, for the trigger on the table of a honey row.
pub fn say_who(setup: &mut Setup, caller: &Caller) {
    let who = match caller.acting {
        Some(acting) => format!("{} acting user:{}", caller.actor(), acting.admin),
        None => caller.actor(),
    };
    setup.more.push(("palisade.caller".into(), who.into()));
    let address = caller.address.map(|address| address.to_string()).unwrap_or_default();
    setup.more.push(("palisade.address".into(), address.into()));
}

/// With the settings of the function called, which hold for the whole transaction. Its isolation is none that could still be set
/// inside: the transaction has to begin with it.
pub fn surround(setup: &mut Setup, plan: &Plan) {
    for (name, value) in &plan.settings {
        match (&**name == "default_transaction_isolation").then(|| Isolation::named(value)).flatten() {
            Some(isolation) => setup.isolation = Some(isolation),
            None => setup.more.push((name.to_string().into(), Arc::clone(value))),
        }
    }
}

/// Whether the body can be sent while rows still come: a read of many rows, of which nothing must be known before.
pub fn flows(plan: &Plan, compiled: &Compiled, answers: bool) -> bool {
    let many = plan.root.limit.is_none_or(|most| most > FLOW_ROWS_MIN.value as i64);
    let plain = matches!(plan.act, Act::Read) && compiled.form == Form::Rows && compiled.guess.is_none();
    let terms = &plan.terms;
    let free = !terms.singular && terms.max_affected.is_none() && !terms.roll_back && terms.explain.is_none();
    many && !plan.root.is_one_row
        && plain
        && free
        && terms.count.is_none()
        && !answers
        && !compiled.baited
        && Growing::of(&plan.body).is_some()
}

/// Rows of a plan that [`flows`], and the body they grow into.
pub struct Stream {
    flow: Flow,
    body: Growing,
    /// The first rows, until they are sent.
    first: Option<Rows>,
}

/// A read that was begun.
pub enum Begun {
    /// It was soon over.
    Whole(Reply<Outcome>),
    /// There is more to come.
    Stream(Box<Stream>),
}

/// Runs a plan that [`flows`] until it is over or has many rows.
pub async fn flow(
    pg: &Pg,
    caller: &Caller,
    mut setup: Setup,
    plan: &Plan,
    compiled: Compiled,
) -> Result<Begun, Error> {
    setup.leaves_nothing = false;
    let form = compiled.form;
    let body = Growing::of(&plan.body).ok_or(Error::Bug("this body cannot be begun early"))?;
    let once = Once { statement: compiled.main, mode: Mode::Read, lane: Lane::Own, setup };
    let mut flow = pg.flow(caller, once).await?;
    let mut first = Rows::default();
    while first.len() <= FLOW_ROWS_MIN.size() {
        let Some(rows) = flow.next().await? else {
            let outcome = outcome(plan, form, &first)?;
            return Ok(Begun::Whole(Reply::untouched(outcome, "its transaction ended with its last row")));
        };
        first.columns = rows.columns;
        first.frames.append(rows.frames);
    }
    Ok(Begun::Stream(Box::new(Stream { flow, body, first: Some(first) })))
}

impl Stream {
    /// The next bytes; `None` when that was all.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let rows = match self.first.take() {
            Some(rows) => Some(rows),
            None => self.flow.next().await?,
        };
        Ok(rows.map(|rows| self.body.add(&rows)))
    }

    /// What stands behind the last of them.
    pub fn end(&self) -> Bytes {
        Bytes::from_static(self.body.end())
    }
}

fn is_put(plan: &Plan) -> bool {
    matches!(&plan.act, Act::Mutate(mutation) if mutation.put)
}

/// Dropping the transaction with an error rolls it back.
fn check(plan: &Plan, outcome: &Outcome) -> Result<(), Error> {
    if plan.terms.explain.is_some() {
        return Ok(());
    }
    if is_put(plan) && outcome.rows != 1 {
        return Err(Error::PutMismatch);
    }
    if plan.terms.singular && outcome.rows != 1 {
        return Err(Error::NotSingular { rows: outcome.rows });
    }
    match plan.terms.max_affected {
        Some(most) if outcome.rows > most => Err(Error::MaxAffected { rows: outcome.rows }),
        _ => Ok(()),
    }
}

fn outcome(plan: &Plan, form: Form, rows: &Rows) -> Result<Outcome, Error> {
    let mut outcome = Outcome { void: plan.void, resolved: plan.resolved, ..Outcome::default() };
    match form {
        Form::Rows => {
            outcome.rows = count(rows.len())?;
            outcome.body = encode::rows(rows, 0, &plan.body)?;
        }
        Form::TotalAndRows => {
            let first = rows.first().ok_or(Error::Bug("a total without a row"))?;
            outcome.total = Some(first.at(0)?);
            outcome.rows = count(rows.iter().filter(|row| encode::is_present(*row, 2)).count())?;
            outcome.body = encode::rows(rows, 2, &plan.body)?;
        }
        Form::Whole => {
            let row = rows.first().ok_or(Error::Bug("a body without a row"))?;
            outcome.rows = row.at(0)?;
            outcome.body = encode::whole(row, 1, &rows.columns)?;
            outcome.total = row.at(2)?;
        }
        Form::Touched => outcome.rows = i64::try_from(rows.affected).unwrap_or(i64::MAX),
        Form::Keys => {
            outcome.rows = count(rows.len())?;
            outcome.key = key(rows);
        }
        Form::Lines => outcome.body = lines(rows),
    }
    if matches!(&plan.act, Act::Call(call) if call.single) {
        outcome.rows = 1;
    }
    let is_insert =
        matches!(&plan.act, Act::Mutate(mutation) if matches!(mutation.change, Change::Insert { .. }));
    outcome.inserted = is_insert.then_some(outcome.rows);
    let wanted = matches!(plan.terms.count, Some(Count::Exact | Count::Estimated));
    if wanted && outcome.total.is_none() {
        outcome.total = Some(outcome.rows);
    }
    if plan.body == BodyShape::Nothing && form != Form::Lines {
        outcome.body = Bytes::new();
    }
    Ok(outcome)
}

fn count(rows: usize) -> Result<i64, Error> {
    i64::try_from(rows).map_err(|_| Error::Bug("more rows than numbers"))
}

/// The key of the one new row; of several there is no one key.
fn key(rows: &Rows) -> Vec<(String, Option<String>)> {
    let (1, Some(row)) = (rows.len(), rows.first()) else { return Vec::new() };
    let named = rows.columns.iter().zip(row.fields());
    named
        .map(|(column, field)| {
            let value = field.and_then(|field| std::str::from_utf8(field).ok());
            (column.name.clone(), value.map(str::to_owned))
        })
        .collect()
}

fn lines(rows: &Rows) -> Bytes {
    let mut text = Vec::new();
    for row in rows.iter() {
        text.extend_from_slice(row.field(0).unwrap_or_default());
        text.push(b'\n');
    }
    text.into()
}

fn planned_rows(explained: serde_json::Value) -> Result<i64, Error> {
    let rows = explained.pointer("/0/Plan/Plan Rows").and_then(serde_json::Value::as_i64);
    rows.ok_or(Error::Bug("an explanation without rows"))
}

/// Counted is better than guessed as long as the count was not cut short.
fn merge_guess(plan: &Plan, counted: Option<i64>, guessed: i64) -> i64 {
    match (plan.terms.count, counted) {
        (Some(Count::Estimated), Some(counted)) => match plan.max_rows {
            Some(most) if counted <= most => counted,
            _ => counted.max(guessed),
        },
        _ => guessed,
    }
}
