//! Takes jobs and runs them.
//!
//! A taken job carries the worker's name and the number of the try; every later statement about it names both. So a
//! worker that was thought dead and comes back can neither finish nor repeat what somebody else has taken since.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base::{Clock, Failure, Rng, Settings};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use pg::{Param, Reason, Row};
use tokio::sync::{Notify, Semaphore, broadcast};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::job::{Attempt, Definition, Job, Trouble};
use crate::queue::{Jobs, OnDead};
use crate::{Error, limits, settings, sql};

type Run = Box<dyn Fn(String, Attempt) -> BoxFuture<'static, Result<(), Trouble>> + Send + Sync>;
type GivenUp = Box<dyn Fn(String, String) -> BoxFuture<'static, Result<(), Failure>> + Send + Sync>;

struct Known {
    definition: Definition,
    backoff: fn(u16) -> Duration,
    run: Run,
    given_up: GivenUp,
}

/// The jobs a worker can run, each with what it works with.
#[derive(Default)]
pub struct Registry(HashMap<&'static str, Known>);

impl Registry {
    /// No jobs yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// With `J`, working with `context`.
    pub fn with<J: Job>(mut self, context: J::Context) -> Self {
        let context = Arc::new(context);
        let last_words = context.clone();
        let run: Run = Box::new(move |arguments, attempt| {
            let context = context.clone();
            Box::pin(async move {
                let job: J = serde_json::from_str(&arguments)
                    .map_err(|error| Trouble::never(Error::Unreadable(error)))?;
                job.run(&context, attempt).await
            })
        });
        let given_up: GivenUp = Box::new(move |arguments, why| {
            let context = last_words.clone();
            Box::pin(async move {
                // What cannot be read names nothing to write it at.
                let Ok(job) = serde_json::from_str::<J>(&arguments) else { return Ok(()) };
                job.given_up(&context, &why).await
            })
        });
        let definition = Definition::of::<J>();
        self.0.insert(J::NAME, Known { definition, backoff: J::backoff, run, given_up });
        self
    }

    /// What is in it.
    pub fn definitions(&self) -> impl Iterator<Item = &Definition> {
        self.0.values().map(|known| &known.definition)
    }
}

/// Takes and runs jobs until it is told to drain.
pub struct Worker {
    shared: Arc<Shared>,
    wake: Option<broadcast::Receiver<pg::notify::Heard>>,
    at_once: usize,
}

struct Shared {
    jobs: Jobs,
    registry: Registry,
    names: Vec<String>,
    name: String,
    permits: Arc<Semaphore>,
    freed: Notify,
    /// How often jobs were asked for.
    asked: AtomicU64,
    on_dead: Option<OnDead>,
}

/// A job in our hands.
struct Held {
    id: Uuid,
    name: String,
    arguments: String,
    attempt: u16,
}

enum Ending {
    Done,
    Trouble(Trouble),
    /// Somebody else has it now.
    Lost,
}

impl Worker {
    /// A worker of this node for the jobs of `registry`.
    pub fn new(jobs: Jobs, registry: Registry, settings: &Settings, node: &str) -> Self {
        let at_once = usize::from(settings.get(&settings::WORKERS));
        let names = registry.0.keys().map(|name| (*name).to_owned()).collect();
        let name = format!("{node}:{}", jobs.rng.uuid());
        let permits = Arc::new(Semaphore::new(at_once));
        let (freed, asked) = (Notify::new(), AtomicU64::new(0));
        let shared = Shared { jobs, registry, names, name, permits, freed, asked, on_dead: None };
        Worker { shared: Arc::new(shared), wake: None, at_once }
    }

    /// Woken by notifications on [`crate::CHANNEL`], besides the poll.
    pub fn woken_by(mut self, heard: broadcast::Receiver<pg::notify::Heard>) -> Self {
        self.wake = Some(heard);
        self
    }

    /// Calls `tell` with name, id and error of every job that is given up.
    pub fn on_dead(mut self, tell: impl Fn(&str, Uuid, &str) + Send + Sync + 'static) -> Self {
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.on_dead = Some(Arc::new(tell));
        }
        self
    }

    /// Runs until `drain`; then takes nothing more, and ends when what runs has ended, or been cut short.
    pub async fn run(mut self, drain: CancellationToken) {
        let running = TaskTracker::new();
        let cut = CancellationToken::new();
        while !drain.is_cancelled() {
            let took = match self.shared.take(self.shared.permits.available_permits()).await {
                // Taken while the drain began: back into the queue, for whoever runs next.
                Ok(held) if drain.is_cancelled() => {
                    for job in &held {
                        self.shared.let_go(job).await;
                    }
                    break;
                }
                Ok(held) => self.start(held, &running, &cut),
                Err(error) => {
                    tracing::error!(error = %base::fault::chain(&error), "jobs cannot be taken");
                    0
                }
            };
            // Nothing was due, or every hand is full: wait until that may have changed.
            if took == 0 || self.shared.permits.available_permits() == 0 {
                self.rest(&drain).await;
            }
        }
        running.close();
        let limit = Duration::from_secs(limits::DRAIN_SECONDS.value);
        if tokio::time::timeout(limit, running.wait()).await.is_err() {
            tracing::warn!(jobs = running.len(), "jobs are cut short; they run again at the next start");
            cut.cancel();
            running.wait().await;
        }
    }

    fn start(&self, held: Vec<Held>, running: &TaskTracker, cut: &CancellationToken) -> usize {
        let count = held.len();
        for job in held {
            let Ok(permit) = Arc::clone(&self.shared.permits).try_acquire_owned() else {
                // take() asked for no more than there are permits, and only this task takes any.
                break;
            };
            let (shared, cut) = (Arc::clone(&self.shared), cut.clone());
            running.spawn(async move {
                tokio::select! {
                    () = shared.run(&job) => {}
                    () = cut.cancelled() => shared.let_go(&job).await,
                }
                drop(permit);
                shared.freed.notify_one();
            });
        }
        count
    }

    async fn rest(&mut self, drain: &CancellationToken) {
        let shared = Arc::clone(&self.shared);
        let full = shared.permits.available_permits() == 0;
        let heard = async {
            match &mut self.wake {
                // A gap, a lag or a note all mean the same: look.
                Some(heard) => !matches!(heard.recv().await, Err(broadcast::error::RecvError::Closed)),
                None => std::future::pending().await,
            }
        };
        let still_open = tokio::select! {
            () = drain.cancelled() => true,
            () = shared.freed.notified() => true,
            still_open = heard, if !full => still_open,
            () = tokio::time::sleep(Duration::from_secs(limits::POLL_SECONDS.value)), if !full => true,
        };
        if !still_open {
            self.wake = None;
        }
    }

    /// Runs everything that is due now, and what that makes due, to its end: for tests and commands.
    pub async fn run_due(&self) -> Result<usize, Error> {
        let mut count = 0;
        loop {
            let held = self.shared.take(self.at_once).await?;
            if held.is_empty() {
                return Ok(count);
            }
            count += held.len();
            futures_util::future::join_all(held.iter().map(|job| self.shared.run(job))).await;
        }
    }
}

impl Shared {
    async fn take(&self, limit: usize) -> Result<Vec<Held>, Error> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let now = self.clock().now();
        // By age one alone: the other hands are for what is urgent.
        let by_age =
            self.asked.fetch_add(1, Ordering::Relaxed) % limits::BY_AGE.value == limits::BY_AGE.value - 1;
        let (sql, limit) = if by_age { (sql::TAKE_BY_AGE, 1) } else { (sql::TAKE, limit) };
        let params: [Param; 5] = [
            self.names.clone().into(),
            now.into(),
            i64::try_from(limit).unwrap_or(i64::MAX).into(),
            self.name.as_str().into(),
            lease_end(now).into(),
        ];
        let mut tx = self.jobs.pg.begin_system(Reason::Jobs).await?;
        let rows = tx.query(sql, params).await?;
        tx.commit(()).await?.into_inner();
        Ok(rows.iter().map(Held::read).collect::<Result<_, _>>()?)
    }

    fn clock(&self) -> &Clock {
        &self.jobs.clock
    }

    fn rng(&self) -> &Rng {
        &self.jobs.rng
    }

    /// Runs one job and notes how it ended. When the note fails the lease runs out, and the job runs again.
    async fn run(&self, held: &Held) {
        let Some(known) = self.registry.0.get(held.name.as_str()) else { return };
        let ending = self.attempt(held, known).await;
        if let Err(error) = self.note(held, known, ending).await {
            let job = held.name.as_str();
            tracing::error!(job, id = %held.id, error = %base::fault::chain(&error), "a job's end was not noted");
        }
    }

    async fn attempt(&self, held: &Held, known: &Known) -> Ending {
        let last = held.attempt >= known.definition.attempts_max;
        if held.attempt > known.definition.attempts_max {
            return Ending::Trouble(Trouble::never(Error::CutShort));
        }
        let attempt = Attempt { id: held.id, number: held.attempt, last };
        let limit = known.definition.time_max;
        let work = AssertUnwindSafe((known.run)(held.arguments.clone(), attempt)).catch_unwind();
        tokio::select! {
            ended = tokio::time::timeout(limit, work) => match ended {
                Ok(Ok(Ok(()))) => Ending::Done,
                Ok(Ok(Err(trouble))) => Ending::Trouble(trouble),
                Ok(Err(_panic)) => Ending::Trouble(Error::Panicked.into()),
                Err(_) => Ending::Trouble(Error::TookTooLong { seconds: limit.as_secs() }.into()),
            },
            () = self.keep(held) => Ending::Lost,
        }
    }

    /// Renews the lease until it is lost. A database that does not answer is not a loss: the lease may still be ours.
    async fn keep(&self, held: &Held) {
        let third = Duration::from_secs(limits::LEASE_SECONDS.value / 3);
        loop {
            tokio::time::sleep(third).await;
            let until = lease_end(self.clock().now());
            match self.about(held, sql::RENEW, [until.into()]).await {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(id = %held.id, error = %base::fault::chain(&error), "a lease was not renewed")
                }
            }
        }
    }

    async fn note(&self, held: &Held, known: &Known, ending: Ending) -> Result<(), Error> {
        let (job, id, attempt) = (held.name.as_str(), held.id, held.attempt);
        let now = self.clock().now();
        match ending {
            Ending::Done => {
                self.about(held, sql::FINISH, []).await?;
            }
            Ending::Lost => tracing::warn!(job, %id, "a job was taken over"),
            Ending::Trouble(trouble) => {
                let text = trouble.text();
                let over = matches!(trouble, Trouble::Never(_)) || attempt >= known.definition.attempts_max;
                if over {
                    tracing::error!(job, %id, attempt, error = text, "a job is given up");
                    // First, so that no end of this program leaves it unsaid.
                    if let Err(failure) = (known.given_up)(held.arguments.clone(), text.clone()).await {
                        let error = base::fault::chain(failure.fault());
                        tracing::error!(job, %id, error, "it stays in the queue until it can be said that it is given up");
                        return Ok(());
                    }
                    let buried = self.about(held, sql::BURY, [now.into(), text.as_str().into()]).await?;
                    if let Some(tell) = self.on_dead.as_ref().filter(|_| buried > 0) {
                        tell(job, id, &text);
                    }
                } else {
                    tracing::warn!(job, %id, attempt, error = text, "a job is tried again");
                    let next = later(now, self.jittered((known.backoff)(attempt)));
                    self.about(held, sql::AGAIN, [next.into(), text.as_str().into()]).await?;
                }
            }
        }
        Ok(())
    }

    /// Cut short by a stop: free for the next start at once.
    async fn let_go(&self, held: &Held) {
        if let Err(error) = self.about(held, sql::RELEASE, []).await {
            tracing::warn!(id = %held.id, error = %base::fault::chain(&error), "a job stays held until its lease runs out");
        }
    }

    /// Runs a statement about a job we hold: its first three parameters say which, and that we still do.
    async fn about<const N: usize>(&self, held: &Held, sql: &str, more: [Param; N]) -> Result<u64, Error> {
        let ours = [held.id.into(), self.name.as_str().into(), i32::from(held.attempt).into()];
        let params: Vec<Param> = ours.into_iter().chain(more).collect();
        let mut tx = self.jobs.pg.begin_system(Reason::Jobs).await?;
        let touched = tx.run(pg::Statement::new(sql, params)).await?.affected;
        tx.commit(()).await?.into_inner();
        Ok(touched)
    }

    /// Up to a quarter longer, so that what failed together does not come back together.
    fn jittered(&self, wait: Duration) -> Duration {
        wait + wait.mul_f64(f64::from(self.rng().below(1_000)) / 4_000.0)
    }
}

impl Held {
    fn read(row: Row<'_>) -> Result<Self, pg::Error> {
        let attempt: i32 = row.get("attempt")?;
        Ok(Held {
            id: row.get("id")?,
            name: row.get("name")?,
            arguments: row.get("arguments")?,
            attempt: u16::try_from(attempt).unwrap_or(u16::MAX),
        })
    }
}

fn lease_end(now: Timestamp) -> Timestamp {
    later(now, Duration::from_secs(limits::LEASE_SECONDS.value))
}

fn later(now: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    now.checked_add(by).unwrap_or(Timestamp::MAX)
}
