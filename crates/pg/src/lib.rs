//! The only door to PostgreSQL.
//!
//! User data is reached as a [`base::Caller`]: [`Pg::once`] for one statement (settings, statement and commit in one
//! buffer with one Sync), [`Pg::begin`] for several. Our own tables are reached through [`Pg::begin_system`], whose
//! [`Reason`] is one enum: the whole privileged surface on one page. A [`Reply`] can be made only by a commit.
//!
//! What is deliberately absent: a way to run SQL as nobody in particular, and a pool that hands out bare connections.
//!
//! # What the next borrower of a connection can find of the last
//!
//! Nothing, whether the last ended well, failed, timed out, panicked or vanished (attack row 65; `tests/it/bleed.rs`
//! tries it in random rounds, and each line below is missed by it when taken out):
//!
//! | Left behind | Why it is not found |
//! |---|---|
//! | role, claims, `search_path`, timeouts, request settings | transaction-local, in a prelude that every transaction starts with; PostgreSQL drops them at its end |
//! | settings made with `SET` or `set_config(…, false)` by somebody's function | `RESET ALL` behind the transaction |
//! | cursors WITH HOLD, LISTEN, session advisory locks | `CLOSE ALL`, `UNLISTEN *`, `pg_advisory_unlock_all()` behind it |
//! | temporary tables, `lastval()` | `DISCARD TEMP`, `DISCARD SEQUENCES` behind a transaction that may write; a read-only one cannot make them |
//! | statements prepared by somebody's function | `DEALLOCATE` of each behind it, unless no function in the database can ([`Pg::nothing_prepares`]) |
//! | a transaction left open | rolled back by the connection's task; a session not proven idle is closed |
//! | a statement still running | stopped by a cancel request, which has been delivered before the session is used again |
//! | a read-only mode switched off | PostgreSQL refuses it inside; the default is reset with the rest |
//!
//! The cleaning travels in the same write as the transaction, behind its Sync, so nobody waits for it; when it fails the
//! connection is closed. It is left out only for a short read that promises to leave nothing
//! ([`Setup::leaves_nothing`]; `data` judges that from the text of what the read can reach).
//!
//! # Streaming
//!
//! [`Pg::once`] holds a result whole, up to [`limits::RESULT_BYTES`]. [`Pg::flow`] gives rows as they come, through a channel
//! of a few chunks: the connection's task stops reading the socket while that is full, and PostgreSQL stops writing. Short
//! connections never stream, since a slow reader there would hold up the others.

pub mod admin;
pub mod binaries;
pub mod bootstrap;
pub mod config;
mod connect;
pub mod error;
mod flow;
mod lanes;
pub mod limits;
pub mod managed;
pub mod migrate;
pub mod notify;
pub mod reply;
pub mod rows;
pub mod statement;
pub mod system;
pub mod tx;
mod wire;

pub use config::{Caps, Config, Login, Server, Timeouts, Tls};
pub use error::{DbError, Error, SetupError};
pub use flow::Flow;
pub use lanes::counters::{LaneStats, Stats};
pub use reply::Reply;
pub use rows::{Column, FromText, Row, Rows};
pub use statement::{Claims, Isolation, Lane, Mode, Once, Param, Setup, Statement};
pub use system::Reason;
pub use tx::{Open, SystemTx, Tx};

use std::sync::Arc;
use std::sync::atomic::Ordering;

use base::Caller;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::PollSender;

use connect::Connector;
use lanes::batch::{Batch, Cleaning, Ending, Opening, State, Work};
use lanes::counters::Count;
use lanes::pool::{Lease, Pool};
use lanes::prelude::{self, Prelude};
use lanes::short::Short;

/// A handle to one database. Cheap to clone.
#[derive(Clone)]
pub struct Pg(Arc<Lanes>);

struct Lanes {
    config: Config,
    /// The sessions' own search path.
    path: config::Path,
    short: Short,
    own: Arc<Pool>,
    system: Arc<Pool>,
    hooks: Arc<Pool>,
    reasons: [Count; Reason::ALL.len()],
}

/// Whether an object is one that a probe of a control makes and removes again: no part of the application.
pub fn is_of_a_probe(name: &str) -> bool {
    let rest = name.strip_prefix("palisade_probe_").and_then(|rest| rest.split_at_checked(16));
    rest.is_some_and(|(number, _)| number.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Whether a longer name (`public.notes: policy own`) has such an object in it.
pub fn names_a_probe(name: &str) -> bool {
    name.match_indices("palisade_probe_").any(|(at, _)| is_of_a_probe(&name[at..]))
}

impl Pg {
    /// Opens the lanes. Connections are made when they are first needed, and again whenever they break; only what may
    /// never be tried (plaintext to another machine) is refused here. Must be called in a tokio runtime.
    pub fn connect(config: Config) -> Result<Self, Error> {
        config.check()?;
        let wait_max = config.caps.wait_max;
        let short = Short::new(config.caps.short, &Arc::new(Connector::callers(&config, true)));
        let own = Pool::new(Connector::callers(&config, false), config.caps.own(), wait_max);
        let system = Pool::new(Connector::system(&config), config.caps.system, wait_max);
        let hooks = Pool::new(Connector::hooks(&config), config.caps.hooks, wait_max);
        let path = config::Path::parse(&config.search_path);
        Ok(Pg(Arc::new(Lanes { config, path, short, own, system, hooks, reasons: Default::default() })))
    }

    /// Runs one statement as `caller` in a transaction of its own: one network round trip, one Sync.
    ///
    /// Everything it sets ends with the transaction. Cancelled, the statement may still have run; the connection is
    /// finished by its own task and never left in mid-protocol.
    pub async fn once(&self, caller: &Caller, ask: Once) -> Result<Reply<Rows>, Error> {
        let Once { statement, mode, lane, setup } = ask;
        let outcome = self.whole(caller, Work::One(statement), mode, lane, setup).await?;
        Ok(Reply::committed(outcome.first))
    }

    /// The same with statements behind it, in the same transaction and the same round trip: what each gave.
    pub async fn once_with(
        &self,
        caller: &Caller,
        ask: Once,
        behind: Vec<Statement>,
    ) -> Result<Reply<Vec<Rows>>, Error> {
        let Once { statement, mode, lane, setup } = ask;
        let work = Work::Many(std::iter::once(statement).chain(behind).collect());
        let outcome = self.whole(caller, work, mode, lane, setup).await?;
        Ok(Reply::committed(std::iter::once(outcome.first).chain(outcome.rest).collect()))
    }

    /// A whole transaction in one batch.
    async fn whole(
        &self,
        caller: &Caller,
        work: Work,
        mode: Mode,
        lane: Lane,
        mut setup: Setup,
    ) -> Result<lanes::batch::Outcome, Error> {
        // What may write never shares a connection: its commit waits for the disk.
        let shared = lane == Lane::Short && mode == Mode::Read && self.0.short.takes(work.first());
        let mode = if caller.read_only { Mode::Read } else { mode };
        let then = match mode {
            Mode::Read if shared && setup.leaves_nothing => Cleaning::None,
            Mode::Read => Cleaning::AfterRead,
            Mode::Write => Cleaning::Full,
        };
        if then != Cleaning::None {
            setup.claims = Claims::All;
        }
        // Sessions of the short lane are read-only by themselves.
        let prelude = self.prelude(caller, mode == Mode::Read && !shared, setup)?;
        let batch = Batch {
            role: prelude.role.shared(),
            opening: Opening::Implicit(prelude),
            work,
            ending: Ending::Stay,
            then,
            reply: None,
            sink: None,
        };
        let outcome = if shared { self.share(batch).await? } else { self.alone(batch).await? };
        if outcome.state != State::Idle {
            return Err(Error::Bug("a statement left its own transaction open".into()));
        }
        Ok(outcome)
    }

    /// Says whether no code in the database can prepare a statement, as whoever knows its functions judges: then none is looked
    /// for behind a transaction, which costs a tenth of a millisecond. Until it is said, they are.
    pub fn nothing_prepares(&self, so: bool) {
        let Lanes { short, own, system, hooks, .. } = &*self.0;
        for lane in [&short.counters, &own.counters, &system.counters, &hooks.counters] {
            lane.nothing_prepares.store(so, Ordering::Relaxed);
        }
    }

    /// Runs one read as `caller` on a connection of its own and gives its rows as they come. The statement is not over
    /// when this returns: an error may still come after rows. Whoever stops looking stops the statement.
    pub async fn flow(&self, caller: &Caller, ask: Once) -> Result<Flow, Error> {
        let Once { statement, mut setup, .. } = ask;
        setup.claims = Claims::All;
        let prelude = self.prelude(caller, true, setup)?;
        let (sink, chunks) = mpsc::channel(limits::FLOW_CHUNKS.size());
        let batch = Batch {
            role: prelude.role.shared(),
            opening: Opening::Implicit(prelude),
            work: Work::One(statement),
            ending: Ending::Stay,
            then: Cleaning::AfterRead,
            reply: None,
            sink: Some(PollSender::new(sink)),
        };
        let place = self.0.own.place().await?;
        let loan = Loan(Some(self.0.own.lease().await?));
        let end = loan.0.as_ref().ok_or_else(Error::gone)?.post(batch)?;
        Ok(Flow { chunks, end: Some(end), loan, place: Some(place) })
    }

    async fn share(&self, mut batch: Batch) -> lanes::batch::Answer {
        let (reply, answer) = oneshot::channel();
        batch.reply = Some(reply);
        self.0.short.send(batch)?;
        answer.await.unwrap_or_else(|_| Err(Error::gone()))
    }

    async fn alone(&self, batch: Batch) -> lanes::batch::Answer {
        let mut loan = Loan(Some(self.0.own.lease().await?));
        let answer = match &loan.0 {
            Some(lease) => lease.send(batch).await,
            None => Err(Error::gone()),
        };
        loan.settle(&answer);
        answer
    }

    /// Begins a transaction as `caller`. The role and claims travel with the first statement.
    pub async fn begin(&self, caller: &Caller, mode: Mode, mut setup: Setup) -> Result<Tx, Error> {
        setup.claims = Claims::All;
        let prelude = self.prelude(caller, mode == Mode::Read || caller.read_only, setup)?;
        let role = prelude.role.shared();
        let lease = self.0.own.lease().await?;
        Ok(Tx(Open::new(lease, Opening::Begin(prelude), role)))
    }

    /// Begins a transaction on our own tables, for one named reason; that of [`Reason::Hook`] is another login's, which has none of them.
    pub async fn begin_system(&self, reason: Reason) -> Result<SystemTx, Error> {
        if let Some(count) = self.0.reasons.get(reason as usize) {
            count.add(1);
        }
        let lane = if reason == Reason::Hook { &self.0.hooks } else { &self.0.system };
        let lease = lane.lease().await?;
        Ok(SystemTx(Open::new(lease, Opening::Plain, Arc::from(""))))
    }

    /// Whether the server answers a caller's statement now.
    pub async fn health(&self) -> Result<(), Error> {
        let ask = Once::read(Statement::new("SELECT 1", []));
        self.once(&Caller::anonymous(), ask).await.map(|reply| drop(reply.into_inner()))
    }

    /// What the lanes have done so far.
    pub fn stats(&self) -> Stats {
        let reasons = Reason::ALL.iter().zip(&self.0.reasons).map(|(reason, count)| (*reason, count.get()));
        Stats {
            short: self.0.short.counters.stats(),
            own: self.0.own.counters.stats(),
            system: self.0.system.counters.stats(),
            hooks: self.0.hooks.counters.stats(),
            reasons: reasons.filter(|(_, count)| *count > 0).collect(),
        }
    }

    /// How long PostgreSQL took to answer, by lane: from when a batch is written to its last answer.
    pub fn times(&self) -> [(&'static str, meters::SpreadNow); 4] {
        [
            ("short", self.0.short.counters.took.now()),
            ("own", self.0.own.counters.took.now()),
            ("system", self.0.system.counters.took.now()),
            ("hooks", self.0.hooks.counters.took.now()),
        ]
    }

    /// How long a statement of `role` may take, as the settings say.
    pub fn statement_timeout(&self, role: &base::DbRole) -> std::time::Duration {
        self.0.config.timeouts.of(role)
    }

    fn prelude(&self, caller: &Caller, read_only: bool, setup: Setup) -> Result<Prelude, Error> {
        prelude::check(&setup.more)?;
        let timeouts = &self.0.config.timeouts;
        let timeout = setup.statement_timeout.unwrap_or_else(|| timeouts.of(&caller.role));
        Ok(Prelude {
            role: caller.role.clone(),
            claims: Arc::clone(&caller.claims),
            claimed_role: Arc::clone(&caller.claimed_role),
            subject: Arc::clone(&caller.subject),
            email: Arc::clone(&caller.email),
            told: setup.claims,
            read_only,
            isolation: setup.isolation,
            statement_timeout: (timeout != timeouts.authenticated)
                .then(|| timeout.as_millis().to_string().into()),
            search_path: setup.search_path.filter(|path| !self.0.path.is(path)),
            application: application(),
            more: setup.more,
            before: setup.before.map(|function| format!("SELECT {function}()").into()),
        })
    }
}

/// What a session is called while it works for a request whose caller named its trace: that trace, so that a statement that is
/// slow or waits is found by it. Digits only, and nobody's name: other sessions may read it.
fn application() -> Option<Arc<str>> {
    let given = base::trace::current()?.given?;
    Some(format!("palisade {}", given.trace).into())
}

/// A lease whose owner may vanish: then what runs on it is stopped, and the session cleaned before the next owner.
pub(crate) struct Loan(Option<Lease>);

impl Loan {
    /// Answered: the cleaning is behind it in the same write, and the next owner's batch comes behind that.
    pub(crate) fn settle(&mut self, answer: &lanes::batch::Answer) {
        if let Some(lease) = self.0.take()
            && answer
                .as_ref()
                .map_or_else(|error| error.database().is_some(), |outcome| outcome.state == State::Idle)
        {
            lease.give_back();
        }
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        if let Some(lease) = self.0.take() {
            lease.abandon(false);
        }
    }
}

/// One step of a schema we own. Applied once, in order, in its own transaction, and remembered with its checksum.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// The crate, and the schema of the same name.
    pub owner: &'static str,
    /// Rising within the owner; numbers may be left out.
    pub version: u32,
    /// What it does, in a word or two.
    pub name: &'static str,
    /// The SQL.
    pub sql: &'static str,
}
