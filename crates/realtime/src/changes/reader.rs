//! What was committed since this node last looked, each change once and in an order in which it can have happened.
//!
//! Numbers are drawn before a commit, so they are no place to go on from; a snapshot is: what is visible now and was not then has been
//! committed between. Every node has a snapshot of its own, and what is visible in all of them is forgotten.
//!
//! Invariant: a change is passed over only when the reader says so ([`Read::missed`]).

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use pg::{Param, Pg, Reason, Row, Statement, SystemTx};

use super::wanted::{Kind, Table};
use crate::limits::{CHANGES_AT_ONCE, CHANGES_BYTES_AT_ONCE, CHANGES_WAITING_MAX, READER_MS_MAX};
use crate::{Error, sql};

/// A row that changed.
#[derive(Debug)]
pub(super) struct Changed {
    pub(super) number: i64,
    pub(super) kind: Kind,
    pub(super) table: u32,
    pub(super) shape: String,
    pub(super) old: String,
    pub(super) new: String,
    /// When it was written, in ISO 8601.
    pub(super) at: Arc<str>,
}

/// What a look brought.
#[derive(Default)]
pub(super) struct Read {
    pub(super) changed: Vec<Changed>,
    /// Their tables, as far as they are published still.
    pub(super) tables: HashMap<u32, Arc<Table>>,
    /// Changes were lost before this look.
    pub(super) missed: bool,
    /// There is more to be had at once.
    pub(super) more: bool,
}

/// A table that is published.
pub(super) struct Published {
    pub(super) table: u32,
    pub(super) schema: String,
    pub(super) name: String,
    /// Whether it tells of its changes.
    pub(super) followed: bool,
}

/// How far this node is.
pub(super) struct Reader {
    node: String,
    /// The tables that are written down for this node; nothing while it is not entered.
    tables: Option<BTreeSet<u32>>,
    seen: String,
    upto: i64,
    /// A look that was too large goes on to this snapshot, behind this number.
    target: Option<(String, i64)>,
}

impl Reader {
    pub(super) fn new(node: String) -> Self {
        Reader { node, tables: None, seen: String::new(), upto: 0, target: None }
    }

    /// Changes of these tables are written down from now on, and of none that is not named where `only`.
    pub(super) async fn wants(&mut self, pg: &Pg, tables: BTreeSet<u32>, only: bool) -> Result<(), Error> {
        let wanted = match &self.tables {
            Some(known) if !only && known.is_superset(&tables) => return Ok(()),
            Some(known) if *known == tables => return Ok(()),
            Some(known) if !only => known.union(&tables).copied().collect(),
            _ => tables,
        };
        let mut tx = pg.begin_system(Reason::Changes).await.map_err(Error::Database)?;
        let node = Param::from(&self.node);
        let entered = match self.tables {
            Some(_) => {
                !tx.query(sql::WIDEN, [node, oids(&wanted)]).await.map_err(Error::Database)?.is_empty()
            }
            None => false,
        };
        if self.tables.is_none() {
            self.enter(&mut tx, &wanted).await?;
        }
        tx.commit(()).await.map_err(Error::Database)?.into_inner();
        // One that is not there any more is found to be missing by the next look, which then says so.
        if entered || self.tables.is_none() {
            self.tables = Some(wanted);
        }
        Ok(())
    }

    async fn enter(&mut self, tx: &mut SystemTx, tables: &BTreeSet<u32>) -> Result<(), Error> {
        let (node, lease) = (Param::from(&self.node), Param::from(READER_MS_MAX.value as i64));
        let rows = tx.query(sql::ENTER, [node, oids(tables), lease]).await.map_err(Error::Database)?;
        let row = rows.first().ok_or_else(shapeless)?;
        self.seen = row.at(0).map_err(Error::Database)?;
        self.upto = row.at(1).map_err(Error::Database)?;
        self.target = None;
        say(tx).await
    }

    /// Nothing is written down for this node any more.
    pub(super) async fn leave(&mut self, pg: &Pg) -> Result<(), Error> {
        if self.tables.take().is_none() {
            return Ok(());
        }
        let mut tx = pg.begin_system(Reason::Changes).await.map_err(Error::Database)?;
        tx.execute(sql::LEAVE, [Param::from(&self.node)]).await.map_err(Error::Database)?;
        say(&mut tx).await?;
        forget(&mut tx).await?;
        tx.commit(()).await.map_err(Error::Database)?.into_inner();
        Ok(())
    }

    /// Reads on, and forgets what all nodes have had before.
    pub(super) async fn read(&mut self, pg: &Pg) -> Result<Read, Error> {
        let Some(tables) = self.tables.clone() else { return Ok(Read::default()) };
        let mut tx = pg.begin_system(Reason::Changes).await.map_err(Error::Database)?;
        let (node, lease) = (Param::from(&self.node), Param::from(READER_MS_MAX.value as i64));
        let stand = [node, Param::from(&self.seen), Param::from(self.upto), lease];
        if tx.query(sql::STAND, stand).await.map_err(Error::Database)?.is_empty() {
            // Forgotten for being away, or by a crash of the database: what was written meanwhile nobody knows.
            self.enter(&mut tx, &tables).await?;
            tx.commit(()).await.map_err(Error::Database)?.into_inner();
            return Ok(Read { missed: true, ..Read::default() });
        }
        forget(&mut tx).await?;
        let (until, behind) = match &self.target {
            Some((until, behind)) => (until.as_str(), *behind),
            None => ("", 0),
        };
        let (count, bytes) = (CHANGES_AT_ONCE.value as i64, CHANGES_BYTES_AT_ONCE.value as i64);
        let params: [Param; 5] =
            [self.seen.as_str().into(), until.into(), behind.into(), count.into(), bytes.into()];
        let rows = tx.query(sql::READ, params).await.map_err(Error::Database)?;
        let first = rows.first().ok_or_else(shapeless)?;
        let (now, last): (String, i64) =
            (first.at(0).map_err(Error::Database)?, first.at(1).map_err(Error::Database)?);
        let mut changed = Vec::new();
        let mut size = 0;
        for row in rows.iter() {
            if let Some(one) = changed_row(row).map_err(Error::Database)? {
                size += one.1.old.len() + one.1.new.len();
                changed.push(one);
            }
        }
        let more = changed.len() >= CHANGES_AT_ONCE.size() || size >= CHANGES_BYTES_AT_ONCE.size();
        let tables = tables_of(&mut tx, changed.iter().map(|(_, one)| one.table).collect()).await?;
        tx.commit(()).await.map_err(Error::Database)?.into_inner();
        let missed = last.saturating_sub(self.upto) > CHANGES_WAITING_MAX.value as i64;
        let behind = changed.last().map_or(behind, |(_, one)| one.number);
        match (more, self.target.take()) {
            (true, Some((until, _))) => self.target = Some((until, behind)),
            (true, None) => self.target = Some((now, behind)),
            (false, Some((until, _))) => self.seen = until,
            (false, None) => self.seen = now,
        }
        // Behind a look that was too large there may be more: it counts as read when it was.
        if self.target.is_none() {
            self.upto = last;
        } else {
            self.upto = self.upto.max(behind);
        }
        Ok(Read { changed: in_order(changed), tables, missed, more: more || self.target.is_some() })
    }

    /// Whether anything is written down for this node.
    pub(super) fn is_entered(&self) -> bool {
        self.tables.is_some()
    }
}

/// Transactions one behind the other, by the last that each wrote: whoever wrote after the commit of another comes behind it, and so do
/// changes of one row.
fn in_order(mut changed: Vec<(String, Changed)>) -> Vec<Changed> {
    let mut last: HashMap<String, i64> = HashMap::new();
    for (xid, one) in &changed {
        last.insert(xid.clone(), one.number);
    }
    changed.sort_by_key(|(xid, one)| (last.get(xid).copied(), one.number));
    changed.into_iter().map(|(_, one)| one).collect()
}

fn changed_row(row: Row<'_>) -> Result<Option<(String, Changed)>, pg::Error> {
    let Some(number) = row.at::<Option<i64>>(2)? else { return Ok(None) };
    let kind: String = row.at(5)?;
    let Some(kind) = Kind::named(&kind) else { return Ok(None) };
    let at: String = row.at(9)?;
    let one = Changed {
        number,
        kind,
        table: row.at(4)?,
        shape: row.at(6)?,
        old: row.at(7)?,
        new: row.at(8)?,
        at: at.into(),
    };
    Ok(Some((row.at(3)?, one)))
}

async fn forget(tx: &mut SystemTx) -> Result<(), Error> {
    let statements =
        [sql::FORGET_READERS, sql::FORGET_CHANGES, sql::SAY].map(|text| Statement::new(text, []));
    tx.run_all(statements.into()).await.map_err(Error::Database)?;
    Ok(())
}

/// Says who is there, behind everybody else who says it.
async fn say(tx: &mut SystemTx) -> Result<(), Error> {
    let statements = [sql::TURN, sql::SAY].map(|text| Statement::new(text, []));
    tx.run_all(statements.into()).await.map_err(Error::Database)?;
    Ok(())
}

/// Transactions that wrote to these tables when nobody may have wanted to know, and are not over.
pub(super) async fn writers(pg: &Pg, tables: &BTreeSet<u32>) -> Result<Vec<String>, Error> {
    transactions(pg, sql::WRITERS, oids(tables)).await
}

/// Which of these transactions are not over.
pub(super) async fn open(pg: &Pg, writers: Vec<String>) -> Result<Vec<String>, Error> {
    transactions(pg, sql::OPEN, Param::from(writers)).await
}

async fn transactions(pg: &Pg, text: &'static str, of: Param) -> Result<Vec<String>, Error> {
    let mut tx = pg.begin_system(Reason::Changes).await.map_err(Error::Database)?;
    let rows = tx.query(text, [of]).await.map_err(Error::Database)?;
    tx.commit(()).await.map_err(Error::Database)?.into_inner();
    rows.iter().map(|row| row.at(0)).collect::<Result<_, _>>().map_err(Error::Database)
}

/// What is published in these schemas.
pub(super) async fn published(pg: &Pg, schemas: &[String]) -> Result<Vec<Published>, Error> {
    let mut tx = pg.begin_system(Reason::Changes).await.map_err(Error::Database)?;
    let rows = tx.query(sql::PUBLISHED, [schemas.to_vec().into()]).await.map_err(Error::Database)?;
    tx.commit(()).await.map_err(Error::Database)?.into_inner();
    let one = |row: Row<'_>| {
        Ok(Published { table: row.at(0)?, schema: row.at(1)?, name: row.at(2)?, followed: row.at(3)? })
    };
    rows.iter().map(one).collect::<Result<_, _>>().map_err(Error::Database)
}

/// What is known of tables now.
pub(super) async fn tables(pg: &Pg, tables: BTreeSet<u32>) -> Result<HashMap<u32, Arc<Table>>, Error> {
    let mut tx = pg.begin_system(Reason::Changes).await.map_err(Error::Database)?;
    let known = tables_of(&mut tx, tables).await?;
    tx.commit(()).await.map_err(Error::Database)?.into_inner();
    Ok(known)
}

async fn tables_of(tx: &mut SystemTx, tables: BTreeSet<u32>) -> Result<HashMap<u32, Arc<Table>>, Error> {
    if tables.is_empty() {
        return Ok(HashMap::new());
    }
    tx.query(sql::SURROUNDINGS, []).await.map_err(Error::Database)?;
    let rows = tx.query(sql::TABLES, [oids(&tables)]).await.map_err(Error::Database)?;
    let text: String = rows.first().ok_or_else(shapeless)?.at(0).map_err(Error::Database)?;
    let known: Vec<Table> = serde_json::from_str(&text).map_err(|error| {
        Error::Database(pg::Error::Bug(format!("what is known of published tables cannot be read: {error}")))
    })?;
    Ok(known.into_iter().map(|table| (table.oid, Arc::new(table))).collect())
}

/// Makes what is published tell of its changes; says of which tables that cannot be had.
pub(super) async fn follow(pg: &Pg, schemas: &[String]) -> Result<(), Error> {
    let mut tx = pg.begin_system(Reason::Changes).await.map_err(Error::Database)?;
    let rows = tx.query(sql::FOLLOW, [schemas.to_vec().into()]).await.map_err(Error::Database)?;
    tx.commit(()).await.map_err(Error::Database)?.into_inner();
    for row in rows.iter() {
        let (table, why): (String, String) =
            (row.at(0).map_err(Error::Database)?, row.at(1).map_err(Error::Database)?);
        tracing::warn!(table, why, "changes of a published table cannot be told");
    }
    Ok(())
}

fn oids(tables: &BTreeSet<u32>) -> Param {
    let texts: Vec<String> = tables.iter().map(u32::to_string).collect();
    Param::from(texts)
}

fn shapeless() -> Error {
    Error::Database(pg::Error::Bug("a statement about changes answered without a row".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(xid: &str, number: i64) -> (String, Changed) {
        let changed = Changed {
            number,
            kind: Kind::Insert,
            table: 1,
            shape: String::new(),
            old: String::new(),
            new: String::new(),
            at: "".into(),
        };
        (xid.to_owned(), changed)
    }

    #[test]
    fn a_transaction_comes_whole_and_behind_those_it_wrote_after() {
        let order = |given: Vec<(String, Changed)>| -> Vec<i64> {
            in_order(given).into_iter().map(|one| one.number).collect()
        };
        assert_eq!(order(vec![one("a", 1), one("b", 2), one("a", 3)]), [2, 1, 3]);
        assert_eq!(order(vec![one("a", 1), one("b", 2), one("c", 3)]), [1, 2, 3]);
        assert!(order(vec![]).is_empty());
    }
}
