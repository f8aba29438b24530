//! Changes of tables, told to those who could read the rows (attack row 67, decision 0015).
//!
//! Triggers on the tables of the publication `supabase_realtime` write down what changed while somebody wants to know ([`reader`]); each
//! group of callers who are alike is judged by PostgreSQL as themselves, over the values that the row had ([`judge`]); what they could see,
//! and no column more, goes to whoever asked for it.
//!
//! Told at most once and in order: who was not told of something (the database crashed, a policy took too long, too much happened) is
//! told that, and comes back.

mod feeds;
mod judge;
mod reader;
mod wanted;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use base::{Caller, Failure};
use bytes::Bytes;
use pg::notify::{Heard, Listener};
use pg::{Lane, Mode, Once, Param, Pg, Setup, Statement};
use serde_json::value::RawValue;
use tokio::sync::{Mutex, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::hub::Made;
use crate::limits::{
    CONDITIONS_AT_ONCE, JUDGE_MS_MAX, JUDGES_MAX, LOOK_MS, RECORD_BYTES_MAX, SETTLE_MS_MAX,
    SHORT_VALUE_BYTES_MAX,
};
use crate::queue::Outbox;
use feeds::{Entry, Feeds, Group, Wants};
use reader::{Changed, Read, Reader};
use wanted::Table;
pub use wanted::{Condition, Is, Kind, Operator, Test, Wanted};

/// Where the database says that something changed.
pub const CHANNEL: &str = "palisade_changes";

/// What surrounds a caller's statement, as for any read of theirs in a schema.
pub type Surround = Arc<dyn Fn(&Caller, &str) -> Result<Setup, Failure> + Send + Sync>;

/// What is known elsewhere.
#[derive(Clone)]
pub struct Surroundings {
    /// What surrounds a caller's statement.
    pub surround: Surround,
    /// Whether a caller's session still stands.
    pub stands: Arc<dyn Fn(&Caller) -> bool + Send + Sync>,
    /// The time.
    pub unix_seconds: Arc<dyn Fn() -> i64 + Send + Sync>,
    /// The schemas that are served.
    pub schemas: Vec<String>,
    /// Whether tables without forced row level security are refused (control 40).
    pub gate: bool,
    /// What this node is called among those who share its database.
    pub node: String,
}

/// A row that changed, as somebody may know it.
pub struct Change {
    /// Its schema.
    pub schema: Arc<str>,
    /// Its table.
    pub table: Arc<str>,
    /// What happened.
    pub kind: Kind,
    /// When, in ISO 8601.
    pub at: Arc<str>,
    /// Columns that they may read, with their types.
    pub columns: Vec<(Arc<str>, Arc<str>)>,
    /// As it is: a JSON object. None of a row that is gone.
    pub record: Option<Bytes>,
    /// What is told of how it was: a JSON object. None of a new one.
    pub old_record: Option<Bytes>,
    /// Whether values are left out, since there is too much of them.
    pub is_cut: bool,
    /// As it is sent.
    pub made: Made,
}

/// About as much as it holds.
impl Change {
    pub(crate) fn bytes(&self) -> usize {
        let of = |record: &Option<Bytes>| record.as_ref().map_or(0, Bytes::len);
        of(&self.record) + of(&self.old_record)
    }
}

/// Somebody's wish to know, until it is dropped.
pub struct Feed {
    feeds: Arc<Feeds>,
    /// Its name.
    pub number: u64,
    /// What each wish is called, in the order they were given.
    pub ids: Vec<u64>,
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.feeds.leave(self.number);
    }
}

/// All of it on this node. Cheap to clone.
#[derive(Clone)]
pub struct Changes {
    pg: Pg,
    around: Arc<Surroundings>,
    feeds: Arc<Feeds>,
    reader: Arc<Mutex<Reader>>,
    unsettled: Arc<Mutex<Vec<Unsettled>>>,
}

/// A feed, with the transactions that were writing when it began.
type Unsettled = (u64, Vec<String>);

/// Milliseconds between two looks whether a writer is done.
const SETTLE_MS: u64 = 20;

impl Changes {
    pub(crate) fn new(pg: Pg, around: Surroundings) -> Self {
        let reader = Arc::new(Mutex::new(Reader::new(around.node.clone())));
        Changes { pg, around: Arc::new(around), feeds: Arc::default(), reader, unsettled: Arc::default() }
    }

    /// From now on `caller` is told of what they want and may know. Refuses what could never be told. `before`: what the wishes are
    /// called already, where they were somebody else's.
    pub async fn feed(
        &self,
        caller: &Arc<Caller>,
        wants: &[Wanted],
        before: Option<&[u64]>,
        topic: Arc<str>,
        outbox: Outbox,
    ) -> Result<Feed, Error> {
        let tables = self.require(caller, wants).await?;
        let number = self.feeds.number();
        let ids: Vec<u64> = match before {
            Some(ids) => ids.to_vec(),
            None => wants.iter().map(|_| self.feeds.number()).collect(),
        };
        let wants: Wants = ids.iter().copied().zip(wants.iter().cloned()).collect();
        let entry = Entry { caller: caller.clone(), expires: expires(caller), wants, topic, outbox };
        // First, so that whoever looks who wants what from here on finds it.
        self.feeds.enter(number, entry);
        let feed = Feed { feeds: self.feeds.clone(), number, ids };
        self.reader.lock().await.wants(&self.pg, tables.clone(), false).await?;
        self.settle(number, &tables).await?;
        Ok(feed)
    }

    /// Waits a moment for those who were writing to these tables already: nothing of theirs was written down. Who takes longer is
    /// remembered: whoever listens is told when they are done.
    async fn settle(&self, feed: u64, tables: &BTreeSet<u32>) -> Result<(), Error> {
        let mut writers = reader::writers(&self.pg, tables).await?;
        let mut waited = 0;
        while !writers.is_empty() && waited < SETTLE_MS_MAX.value {
            tokio::time::sleep(Duration::from_millis(SETTLE_MS)).await;
            waited += SETTLE_MS;
            writers = reader::open(&self.pg, writers).await?;
        }
        if !writers.is_empty() {
            self.unsettled.lock().await.push((feed, writers));
        }
        Ok(())
    }

    /// Tells those who listened while somebody wrote whose changes were not written down, as soon as these are done.
    async fn settled(&self) -> Result<(), Error> {
        let mut unsettled = self.unsettled.lock().await;
        unsettled.retain(|(feed, _)| self.feeds.has(*feed));
        let all: BTreeSet<String> =
            unsettled.iter().flat_map(|(_, writers)| writers.iter().cloned()).collect();
        if all.is_empty() {
            return Ok(());
        }
        let open = reader::open(&self.pg, all.into_iter().collect()).await?;
        let is_over = |writers: &Vec<String>| writers.iter().any(|writer| !open.contains(writer));
        let lost: Vec<u64> =
            unsettled.iter().filter(|(_, writers)| is_over(writers)).map(|(feed, _)| *feed).collect();
        self.feeds.lose(Some(lost), "changes were missed: read again what you show");
        Ok(())
    }

    /// The tables that are meant, each of which tells of its changes and may be read by the caller.
    async fn require(&self, caller: &Caller, wants: &[Wanted]) -> Result<BTreeSet<u32>, Error> {
        let schemas = &self.around.schemas;
        let mut published = reader::published(&self.pg, schemas).await?;
        let meant = |wanted: &Wanted, one: &reader::Published| wanted.means(&one.schema, &one.name);
        if published.iter().any(|one| !one.followed && wants.iter().any(|wanted| meant(wanted, one))) {
            reader::follow(&self.pg, schemas).await?;
            published = reader::published(&self.pg, schemas).await?;
        }
        published.retain(|one| one.followed);
        let found = |wanted: &Wanted| -> Vec<u32> {
            published.iter().filter(|one| meant(wanted, one)).map(|one| one.table).collect()
        };
        let all: BTreeSet<u32> = wants.iter().flat_map(found).collect();
        let tables = reader::tables(&self.pg, all.clone()).await?;
        for wanted in wants.iter().filter(|wanted| wanted.table.is_some()) {
            let refused = || Error::NotTold { table: wanted.title() };
            let of_schemas: Vec<&Arc<Table>> =
                found(wanted).iter().filter_map(|oid| tables.get(oid)).collect();
            if of_schemas.is_empty() {
                return Err(refused());
            }
            for table in of_schemas {
                self.require_one(caller, table, &wanted.conditions).await?.ok_or_else(refused)?;
            }
        }
        Ok(all)
    }

    /// Whether the caller may read the table, and compare what they want to compare; nothing where they may not read it.
    async fn require_one(
        &self,
        caller: &Caller,
        table: &Table,
        conditions: &[Condition],
    ) -> Result<Option<()>, Error> {
        let known = |condition: &&Condition| table.columns.iter().any(|one| one.name == condition.column);
        let setup =
            self.setup(caller, table).map_err(|_| Error::NotTold { table: table.name.to_string() })?;
        let ask = |sql: String, params: Vec<Param>| Once {
            statement: Statement::rare(sql, params),
            mode: Mode::Read,
            lane: Lane::Own,
            setup: setup.clone(),
        };
        let standing = format!(
            "SELECT reads AND guarded, pg_catalog.array_to_json(hidden)::text FROM ({}) s",
            judge::standing(table, self.around.gate)
        );
        let rows =
            self.pg.once(caller, ask(standing, Vec::new())).await.map_err(Error::Database)?.into_inner();
        let Some(row) = rows.first() else { return Ok(None) };
        let (reads, hidden): (bool, String) =
            (row.at(0).map_err(Error::Database)?, row.at(1).map_err(Error::Database)?);
        if !reads || !table.can_be_judged() {
            return Ok(None);
        }
        let hidden: Vec<String> = serde_json::from_str(&hidden).unwrap_or_default();
        // Whether there is such a column is nothing for those who may not read it.
        let no_column =
            conditions.iter().find(|one| !known(one) || hidden.iter().any(|name| **name == *one.column));
        if let Some(condition) = no_column {
            return Err(Error::NoColumn { column: condition.column.to_string() });
        }
        let judgement = judge::judgement(table, self.around.gate, conditions);
        let mut params = nothing();
        params.extend(judgement.values);
        let mut tries = vec![ask(judgement.sql, params)];
        for condition in conditions {
            // A pattern is read when it is first compared with something.
            if let Test::Compare(operator, pattern) = &condition.test
                && operator.is_pattern()
            {
                let sql = format!("SELECT 'x' {} $1::text", operator.sql());
                tries.push(ask(sql, vec![Param::from(&**pattern)]));
            }
        }
        for once in tries {
            match self.pg.once(caller, once).await {
                Ok(reply) => drop(reply.into_inner()),
                Err(pg::Error::Database(said)) => return Err(Error::Filter { what: said.message }),
                Err(error) => return Err(Error::Database(error)),
            }
        }
        Ok(Some(()))
    }

    fn setup(&self, caller: &Caller, table: &Table) -> Result<Setup, Failure> {
        let mut setup = (self.around.surround)(caller, &table.schema)?;
        let most = Duration::from_millis(JUDGE_MS_MAX.value);
        setup.statement_timeout = Some(setup.statement_timeout.map_or(most, |given| given.min(most)));
        Ok(setup)
    }

    /// Tells what changes, until `stop`.
    pub async fn run(self, listener: Listener, stop: CancellationToken) {
        let until = stop.clone();
        until.run_until_cancelled(self.go_on(listener)).await;
        // A node that is killed is waited for; one that stops says so.
        if let Err(error) = self.reader.lock().await.leave(&self.pg).await {
            tracing::debug!(error = %base::fault::chain(&error), "the reader of changes did not say goodbye");
        }
    }

    async fn go_on(&self, listener: Listener) {
        let mut heard = listener.subscribe();
        loop {
            let mut follow = false;
            tokio::select! {
                note = heard.recv() => match note {
                    Ok(Heard::Note { channel, .. }) if *channel == *CHANNEL => {}
                    Ok(Heard::Note { channel, .. }) if *channel == *pg::bootstrap::CATALOG_CHANNEL => follow = true,
                    Ok(Heard::Note { .. }) => continue,
                    Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
                    Ok(Heard::Gap) | Err(_) => follow = true,
                },
                () = self.feeds.changed.notified() => {}
                () = tokio::time::sleep(Duration::from_millis(LOOK_MS.value)) => {}
            }
            let mut more = true;
            while more {
                more = match self.step(std::mem::take(&mut follow)).await {
                    Ok(more) => more,
                    Err(error) => {
                        tracing::warn!(error = %base::fault::chain(&error), "changes could not be read");
                        tokio::time::sleep(Duration::from_millis(LOOK_MS.value)).await;
                        false
                    }
                };
            }
        }
    }

    async fn step(&self, follow: bool) -> Result<bool, Error> {
        if follow {
            reader::follow(&self.pg, &self.around.schemas).await?;
        }
        let mut reader = self.reader.lock().await;
        if self.feeds.is_empty() {
            reader.leave(&self.pg).await?;
            return Ok(false);
        }
        if follow || !reader.is_entered() {
            let all = reader::published(&self.pg, &self.around.schemas).await?;
            let wanted = all.iter().filter(|one| self.feeds.want(&one.schema, &one.name));
            reader.wants(&self.pg, wanted.map(|one| one.table).collect(), true).await?;
        }
        let read = reader.read(&self.pg).await?;
        drop(reader);
        let more = read.more;
        if read.missed {
            self.feeds.lose(None, "changes were missed: read again what you show");
            return Ok(more);
        }
        self.settled().await?;
        self.tell(read).await;
        Ok(more)
    }

    /// Tells everybody what they may know of what was read.
    async fn tell(&self, read: Read) {
        if read.changed.is_empty() {
            return;
        }
        let read = Arc::new(read);
        let places = Arc::new(Semaphore::new(JUDGES_MAX.size()));
        let mut judging = tokio::task::JoinSet::new();
        for group in self.feeds.groups(read.tables.values().map(|table| &**table), &self.around) {
            let (all, read, places) = (self.clone(), read.clone(), places.clone());
            judging.spawn(async move {
                let _place = places.acquire_owned().await;
                let judged = all.judge(&group, &read).await;
                (group, judged)
            });
        }
        let mut judged = Vec::new();
        while let Some(one) = judging.join_next().await {
            match one {
                Ok((group, Ok(seen))) => judged.push((group, seen)),
                Ok((group, Err(error))) => {
                    tracing::warn!(role = group.caller.role.name(), error = %base::fault::chain(&error),
                        "policies could not decide who sees what changed");
                    let feeds = group.feeds.iter().map(|(feed, _)| *feed).collect();
                    self.feeds.lose(
                        Some(feeds),
                        "it could not be decided what you may see: read again what you show",
                    );
                }
                Err(error) => tracing::error!(%error, "a judgement of changes broke"),
            }
        }
        for changed in &read.changed {
            for (group, seen) in &judged {
                let Some((change, holds)) = seen.get(&changed.number) else { continue };
                for (feed, wants) in &group.feeds {
                    let wanted = wants.iter().filter(|(_, wanted)| {
                        wanted.kind.is_none_or(|kind| kind == changed.kind)
                            && wanted.means(&change.schema, &change.table)
                            && wanted.conditions.iter().all(|one| holds.get(one).copied().unwrap_or(false))
                    });
                    let ids: Vec<u64> = wanted.map(|(id, _)| *id).collect();
                    if !ids.is_empty() {
                        self.feeds.tell(*feed, ids, change, &self.around);
                    }
                }
            }
        }
    }

    /// What a group sees of what changed.
    async fn judge(&self, group: &Group, read: &Read) -> Result<Seen, Error> {
        let mut seen = Seen::new();
        for table in read.tables.values().filter(|table| table.can_be_judged()) {
            let wants: Vec<&Wanted> = group
                .feeds
                .iter()
                .flat_map(|(_, wants)| wants.iter().map(|(_, wanted)| wanted))
                .filter(|wanted| wanted.means(&table.schema, &table.name))
                .collect();
            let kinds = |kind: Kind| {
                table.publishes(kind) && wants.iter().any(|wanted| wanted.kind.is_none_or(|one| one == kind))
            };
            let rows: Vec<&Changed> =
                read.changed.iter().filter(|one| one.table == table.oid && kinds(one.kind)).collect();
            if rows.is_empty() {
                continue;
            }
            let Ok(setup) = self.setup(&group.caller, table) else { continue };
            let mut conditions: Vec<Condition> =
                wants.iter().flat_map(|wanted| wanted.conditions.iter().cloned()).collect();
            let mut known = std::collections::HashSet::new();
            conditions.retain(|one| known.insert(one.clone()));
            // At least once, for those who want all rows.
            let mut rest = conditions.as_slice();
            loop {
                let (now, later) = rest.split_at(rest.len().min(CONDITIONS_AT_ONCE.size()));
                let judging = Judging { caller: &group.caller, table, setup: &setup, conditions: now };
                self.carry_out(&judging, &rows, &mut seen).await?;
                if later.is_empty() {
                    break;
                }
                rest = later;
            }
        }
        Ok(seen)
    }

    /// All rows at once; where something fails on one of them, each by itself.
    async fn carry_out(
        &self,
        judging: &Judging<'_>,
        rows: &[&Changed],
        seen: &mut Seen,
    ) -> Result<(), Error> {
        match self.ask(judging, rows, seen).await {
            Ok(()) => Ok(()),
            Err(pg::Error::Database(said)) if rows.len() > 1 && !is_late(&said) => {
                for row in rows {
                    match self.ask(judging, &[*row], seen).await {
                        Ok(()) => {}
                        Err(pg::Error::Database(said)) if !is_late(&said) => unseen(judging, &said),
                        Err(error) => return Err(Error::Database(error)),
                    }
                }
                Ok(())
            }
            // Whoever selects it is refused in the same way.
            Err(pg::Error::Database(said)) if !is_late(&said) => {
                unseen(judging, &said);
                Ok(())
            }
            Err(error) => Err(Error::Database(error)),
        }
    }

    async fn ask(&self, judging: &Judging<'_>, rows: &[&Changed], seen: &mut Seen) -> Result<(), pg::Error> {
        let judgement = judge::judgement(judging.table, self.around.gate, judging.conditions);
        let list = |of: &dyn Fn(&Changed) -> String| {
            Param::from(rows.iter().map(|row| of(row)).collect::<Vec<String>>())
        };
        let mut params = vec![
            list(&|row| row.number.to_string()),
            list(&|row| row.shape.clone()),
            list(&|row| row.old.clone()),
            list(&|row| row.new.clone()),
        ];
        params.extend(judgement.values);
        let once = Once {
            statement: Statement::new(judgement.sql, params),
            mode: Mode::Read,
            lane: Lane::Own,
            setup: judging.setup.clone(),
        };
        let answers = self.pg.once(judging.caller, once).await?.into_inner();
        let by_number: HashMap<i64, &Changed> = rows.iter().map(|row| (row.number, *row)).collect();
        for answer in answers.iter() {
            let number: i64 = answer.at(0)?;
            let Some(row) = by_number.get(&number) else { continue };
            let Some(holds) = answer.at::<Option<String>>(6)? else { continue };
            let (old_seen, new_seen): (bool, bool) = (answer.at(1)?, answer.at(2)?);
            let is_seen = match row.kind {
                Kind::Insert | Kind::Update => new_seen,
                Kind::Delete => old_seen,
            };
            if !is_seen {
                continue;
            }
            let (_, met) = match seen.entry(number) {
                std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::hash_map::Entry::Vacant(entry) => {
                    let (hidden, record, old) = (answer.at(3)?, answer.at(4)?, answer.at(5)?);
                    entry.insert((Arc::new(change(judging.table, row, hidden, record, old)), HashMap::new()))
                }
            };
            let digits = holds.bytes().map(|digit| digit == b'1');
            met.extend(judging.conditions.iter().cloned().zip(digits));
        }
        Ok(())
    }
}

/// By number: what is told of it, and which conditions hold.
type Seen = HashMap<i64, (Arc<Change>, HashMap<Condition, bool>)>;

/// One statement, for one table.
struct Judging<'a> {
    caller: &'a Caller,
    table: &'a Table,
    setup: &'a Setup,
    conditions: &'a [Condition],
}

impl Wanted {
    fn title(&self) -> String {
        let name = |name: &Option<Arc<str>>| name.as_deref().unwrap_or("*").to_owned();
        format!("{}.{}", name(&self.schema), name(&self.table))
    }
}

fn unseen(judging: &Judging<'_>, said: &pg::DbError) {
    let Judging { caller, table, .. } = judging;
    tracing::debug!(role = caller.role.name(), table = &*table.name, %said, "a policy failed on a row that changed");
}

/// It took too long, which says nothing about the row.
fn is_late(said: &pg::DbError) -> bool {
    said.sqlstate == "57014"
}

/// No rows.
fn nothing() -> Vec<Param> {
    vec![Param::from(Vec::<String>::new()); 4]
}

fn change(
    table: &Table,
    row: &Changed,
    hidden: String,
    record: Option<String>,
    old: Option<String>,
) -> Change {
    let hidden: Vec<String> = serde_json::from_str(&hidden).unwrap_or_default();
    let columns = table.columns.iter().filter(|column| hidden.iter().all(|name| **name != *column.name));
    let all = record.as_ref().map_or(0, String::len) + old.as_ref().map_or(0, String::len);
    let is_cut = all > RECORD_BYTES_MAX.size();
    let fitted = |text: String| Bytes::from(if is_cut { cut(&text) } else { text });
    // How a row was that they could not see then is nothing to them.
    let old = old.unwrap_or_else(|| "{}".to_owned());
    Change {
        schema: table.schema.clone(),
        table: table.name.clone(),
        kind: row.kind,
        at: row.at.clone(),
        columns: columns.map(|column| (column.name.clone(), column.r#type.clone())).collect(),
        record: record.filter(|_| row.kind != Kind::Delete).map(fitted),
        old_record: (row.kind != Kind::Insert).then(|| fitted(old)),
        is_cut,
        made: Made::default(),
    }
}

/// The short values of an object.
fn cut(text: &str) -> String {
    let all: HashMap<&str, &RawValue> = serde_json::from_str(text).unwrap_or_default();
    let short: HashMap<&str, &RawValue> =
        all.into_iter().filter(|(_, value)| value.get().len() <= SHORT_VALUE_BYTES_MAX.size()).collect();
    serde_json::to_string(&short).unwrap_or_else(|_| "{}".to_owned())
}

/// When a token is over, as it says itself.
fn expires(caller: &Caller) -> Option<i64> {
    #[derive(serde::Deserialize)]
    struct Claims {
        exp: Option<i64>,
    }
    serde_json::from_str::<Claims>(&caller.claims).ok()?.exp
}
