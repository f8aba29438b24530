//! Carrying out what was compiled, as the caller.
//!
//! Invariant: reads are one statement, so that every root field sees the same snapshot; changes are one transaction, and
//! one that touches too many rows leaves nothing of any.

use std::time::Duration;

use base::{Caller, Repeat};
use bytes::Bytes;
use pg::{Claims, Lane, Mode, Once, Param, Pg, Reply, Rows, Setup, Statement};

use super::{Compiled, CompiledChange};
use crate::Data;
use crate::catalog::Catalog;
use crate::error::Error;
use crate::repeat::{self, Known};

/// Reads: the JSON of each root field. Honey rows among what is read are told of.
pub async fn read(
    data: &Data,
    pg: &Pg,
    caller: &Caller,
    catalog: &Catalog,
    mut setup: Setup,
    compiled: &Compiled,
    slots: &[Param],
) -> Result<Reply<Vec<Bytes>>, Error> {
    catalog.surround(&mut setup, caller)?;
    setup.leaves_nothing = setup.before.is_none() && !catalog.reads_leave && !compiled.calls;
    if setup.leaves_nothing && !catalog.claims_are_read {
        setup.claims = Claims::Subject;
    }
    let lane = if compiled.calls { Lane::Own } else { Lane::Short };
    let ask = Once { statement: compiled.statement(slots)?, mode: Mode::Read, lane, setup };
    let behind = compiled.baited.then(|| Statement::new(crate::run::TAIL, []));
    pg.once_with(caller, ask, behind.into_iter().collect()).await?.try_map(|answers| {
        if let Some(tail) = answers.get(1).and_then(Rows::first) {
            data.tell_of_reads(caller, tail.at::<Option<String>>(3)?.as_deref());
        }
        let row = answers.first().and_then(Rows::first).ok_or(Error::Bug("a statement without a row"))?;
        Ok(row.fields().map(json).collect())
    })
}

/// Changes, in order, all or none: the JSON of each; with `repeat`, what the same changes gave before. Also says how many rows each touched, for the one that was too many.
pub async fn write(
    pg: &Pg,
    caller: &Caller,
    catalog: &Catalog,
    mut setup: Setup,
    changes: &[(CompiledChange, Vec<Param>)],
    repeat: Option<(&Repeat, Duration)>,
) -> Result<Reply<Vec<Bytes>>, Error> {
    catalog.surround(&mut setup, caller)?;
    if catalog.writes_are_watched {
        crate::run::say_who(&mut setup, caller);
    }
    let mut tx = pg.begin(caller, Mode::Write, setup).await?;
    let mut begun = None;
    if let Some((repeat, retention)) = repeat {
        match repeat::claim(&mut tx, repeat).await {
            Ok(Known::New(rules)) => begun = Some((repeat, rules, retention)),
            known => {
                let mut still = Ok(());
                for (change, slots) in changes.iter().filter(|_| known.is_ok()) {
                    let statement = change.statement.statement(slots)?;
                    still = repeat::require_rights(&mut tx, &statement).await;
                    if still.is_err() {
                        break;
                    }
                }
                tx.roll_back().await?;
                let Known::Kept(kept) = known? else { return Err(Error::Bug("a key that is new and known")) };
                still?;
                return Ok(Reply::untouched(
                    repeat::read_all(kept)?,
                    "the same changes were committed before",
                ));
            }
        }
    }
    let mut answers = Vec::with_capacity(changes.len());
    for (change, slots) in changes {
        let rows = tx.run(change.statement.statement(slots)?).await?;
        let (touched, answer) = outcome(&rows)?;
        if change.at_most.is_some_and(|most| touched > most) {
            return Err(Error::MaxAffected { rows: touched });
        }
        answers.push(answer);
    }
    if let Some((repeat, rules, retention)) = begun {
        repeat::keep(&mut tx, repeat, &rules, &repeat::written_all(&answers), retention).await?;
    }
    Ok(tx.commit(answers).await?)
}

fn outcome(rows: &Rows) -> Result<(i64, Bytes), Error> {
    let row = rows.first().ok_or(Error::Bug("a change without a row"))?;
    Ok((row.at(0)?, json(row.field(1))))
}

fn json(field: Option<&[u8]>) -> Bytes {
    field.map_or_else(|| Bytes::from_static(b"null"), Bytes::copy_from_slice)
}
