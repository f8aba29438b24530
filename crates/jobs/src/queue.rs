//! Enqueueing, and what an operator sees of the queue.

use std::sync::Arc;
use std::time::Duration;

use base::{Clock, Failure, Rng, Settings};
use jiff::{SignedDuration, Timestamp};
use pg::{Pg, Reason, Row, SystemTx};
use uuid::Uuid;

use crate::job::{Job, Urgency};
use crate::reconciler::Reconciler;
use crate::{Error, limits, settings, sql};

/// The channel on which a commit wakes the workers: let the listener listen to it.
pub const CHANNEL: &str = "palisade_jobs";

/// The queue. Cheap to clone.
#[derive(Clone)]
pub struct Jobs {
    pub(crate) pg: Pg,
    pub(crate) clock: Clock,
    pub(crate) rng: Rng,
}

/// A job that waits or runs. Its arguments are not shown.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Since when.
    pub created_at: Timestamp,
    /// When it is due.
    pub run_at: Timestamp,
    /// How often it was tried.
    pub attempt: i32,
    /// Who runs it, if somebody does.
    pub held_by: Option<String>,
    /// Why the last try failed.
    pub last_error: Option<String>,
}

/// A job that was given up.
#[derive(Clone, Debug)]
pub struct Dead {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Its arguments, as JSON.
    pub arguments: String,
    /// Since when.
    pub created_at: Timestamp,
    /// Until when.
    pub died_at: Timestamp,
    /// How often it was tried.
    pub attempts: i32,
    /// Why the last try failed.
    pub last_error: Option<String>,
}

/// How many jobs there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// To be taken, now or later.
    pub waiting: i64,
    /// Held by a worker.
    pub running: i64,
    /// Given up.
    pub dead: i64,
}

impl Jobs {
    /// A handle to the queue.
    pub fn new(pg: Pg, clock: Clock, rng: Rng) -> Self {
        Jobs { pg, clock, rng }
    }

    /// Enqueues a job in the transaction that wants it done. It runs once that has committed.
    pub async fn enqueue<J: Job>(&self, tx: &mut SystemTx, job: &J) -> Result<(), Error> {
        self.put(tx, job, None, self.clock.now(), J::URGENCY).await
    }

    /// The same, not before `at`.
    pub async fn enqueue_at<J: Job>(&self, tx: &mut SystemTx, job: &J, at: Timestamp) -> Result<(), Error> {
        self.put(tx, job, None, at, J::URGENCY).await
    }

    /// The same, unless a job of that name and `key` is in the queue already, waiting or running.
    pub async fn enqueue_once<J: Job>(&self, tx: &mut SystemTx, job: &J, key: &str) -> Result<(), Error> {
        self.put(tx, job, Some(key), self.clock.now(), J::URGENCY).await
    }

    pub(crate) async fn put<J: Job>(
        &self,
        tx: &mut SystemTx,
        job: &J,
        key: Option<&str>,
        at: Timestamp,
        urgency: Urgency,
    ) -> Result<(), Error> {
        let arguments =
            serde_json::to_string(job).map_err(|source| Error::Arguments { name: J::NAME, source })?;
        if arguments.len() > limits::ARGUMENTS_BYTES.size() {
            return Err(Error::TooLong { name: J::NAME, max: limits::ARGUMENTS_BYTES.value });
        }
        let (id, now) = (self.rng.uuid(), self.clock.now());
        let rank = urgency.rank();
        let row =
            [id.into(), J::NAME.into(), arguments.into(), key.into(), now.into(), at.into(), rank.into()];
        tx.query(sql::ENQUEUE, row).await?;
        tx.query(sql::NOTIFY, []).await?;
        Ok(())
    }

    /// What waits and runs, the next due first.
    pub async fn waiting(&self, limit: u32) -> Result<Vec<Waiting>, Error> {
        let rows = self.read(sql::WAITING, limit).await?;
        Ok(rows.iter().map(Waiting::read).collect::<Result<_, _>>()?)
    }

    /// What was given up, newest first.
    pub async fn dead(&self, limit: u32) -> Result<Vec<Dead>, Error> {
        let rows = self.read(sql::DEAD, limit).await?;
        Ok(rows.iter().map(Dead::read).collect::<Result<_, _>>()?)
    }

    async fn read(&self, sql: &str, limit: u32) -> Result<pg::Rows, Error> {
        let limit = i64::from(limit).min(i64::try_from(limits::PAGE.value).unwrap_or(i64::MAX));
        let mut tx = self.pg.begin_system(Reason::Jobs).await?;
        let rows = tx.query(sql, [limit.into()]).await?;
        tx.roll_back().await?;
        Ok(rows)
    }

    /// How many there are of each.
    pub async fn counts(&self) -> Result<Counts, Error> {
        let mut tx = self.pg.begin_system(Reason::Jobs).await?;
        let rows = tx.query(sql::COUNTS, []).await?;
        tx.roll_back().await?;
        let row = rows.first().ok_or_else(|| pg::Error::Bug("a count without a row".into()))?;
        Ok(Counts { waiting: row.get("waiting")?, running: row.get("running")?, dead: row.get("dead")? })
    }

    /// Gives a dead job all its tries again, in the operator's transaction. Whether there was one.
    pub async fn revive(&self, tx: &mut SystemTx, id: Uuid) -> Result<bool, Error> {
        let revived = tx.execute(sql::REVIVE, [id.into(), self.clock.now().into()]).await? > 0;
        tx.query(sql::NOTIFY, []).await?;
        Ok(revived)
    }

    /// Forgets what was given up longer ago than that. How many were.
    async fn forget_dead(&self, kept: Duration) -> Result<u64, Error> {
        let kept = SignedDuration::try_from(kept).unwrap_or(SignedDuration::MAX);
        let before = self.clock.now().checked_sub(kept).unwrap_or(Timestamp::MIN);
        let mut tx = self.pg.begin_system(Reason::Jobs).await?;
        let gone = tx.execute(sql::FORGET, [before.into()]).await?;
        tx.commit(()).await?.into_inner();
        Ok(gone)
    }
}

/// Keeps the dead letters no longer than they may be kept: what they worked on may name somebody.
pub struct ForgetDead {
    jobs: Jobs,
    kept: Duration,
}

impl ForgetDead {
    /// As the settings say.
    pub fn new(jobs: Jobs, settings: &Settings) -> Self {
        ForgetDead { jobs, kept: settings.get(&settings::DEAD_RETENTION) }
    }
}

impl Reconciler for ForgetDead {
    const NAME: &'static str = "jobs.forget";
    const WHAT: &'static str = "forgets jobs that were given up after jobs.dead_retention";
    const EVERY: Duration = Duration::from_secs(3_600);

    async fn reconcile(&self) -> Result<(), Failure> {
        let gone = self.jobs.forget_dead(self.kept).await?;
        if gone > 0 {
            tracing::info!(gone, "jobs that were given up were forgotten");
        }
        Ok(())
    }
}

/// Shared by everything a worker gives up.
pub(crate) type OnDead = Arc<dyn Fn(&str, Uuid, &str) + Send + Sync>;

impl Waiting {
    fn read(row: Row<'_>) -> Result<Self, pg::Error> {
        Ok(Waiting {
            id: row.get("id")?,
            name: row.get("name")?,
            created_at: row.get("created_at")?,
            run_at: row.get("run_at")?,
            attempt: row.get("attempt")?,
            held_by: row.get("held_by")?,
            last_error: row.get("last_error")?,
        })
    }
}

impl Dead {
    fn read(row: Row<'_>) -> Result<Self, pg::Error> {
        Ok(Dead {
            id: row.get("id")?,
            name: row.get("name")?,
            arguments: row.get("arguments")?,
            created_at: row.get("created_at")?,
            died_at: row.get("died_at")?,
            attempts: row.get("attempts")?,
            last_error: row.get("last_error")?,
        })
    }
}
