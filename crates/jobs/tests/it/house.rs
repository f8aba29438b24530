//! A queue of its own for each test, and jobs that tell what they did.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use base::{Fault, Kind, MockClock, Rng, Settings};
use jobs::{Attempt, Job, Jobs, Registry, Trouble, Urgency, Worker};
use pg::Reason;
use serde::{Deserialize, Serialize};
use testkit::Database;
use tokio::sync::Notify;
use uuid::Uuid;

pub struct House {
    pub db: Database,
    pub clock: MockClock,
    pub jobs: Jobs,
    pub told: Told,
}

/// What the jobs of a test tell.
#[derive(Clone, Default)]
pub struct Told(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// How often each job ran to its end.
    done: Mutex<HashMap<u32, u32>>,
    /// In which order.
    order: Mutex<Vec<u32>>,
    /// Who runs right now.
    running: Mutex<HashMap<Uuid, u32>>,
    overlaps: Mutex<u32>,
    pub began: Notify,
    pub go_on: Notify,
}

impl Told {
    pub fn done(&self, number: u32) -> u32 {
        self.0.done.lock().expect("told").get(&number).copied().unwrap_or(0)
    }
    pub fn order(&self) -> Vec<u32> {
        self.0.order.lock().expect("told").clone()
    }
    pub fn total(&self) -> u32 {
        self.0.done.lock().expect("told").values().sum()
    }
    pub fn overlaps(&self) -> u32 {
        *self.0.overlaps.lock().expect("told")
    }
    pub async fn began(&self) {
        self.0.began.notified().await;
    }
    pub fn go_on(&self) {
        self.0.go_on.notify_one();
    }
    fn enter(&self, id: Uuid) {
        let mut running = self.0.running.lock().expect("told");
        let count = running.entry(id).or_default();
        *count += 1;
        *self.0.overlaps.lock().expect("told") += u32::from(*count > 1);
    }
    fn leave(&self, id: Uuid, number: u32) {
        *self.0.running.lock().expect("told").entry(id).or_default() -= 1;
        *self.0.done.lock().expect("told").entry(number).or_default() += 1;
        self.0.order.lock().expect("told").push(number);
    }
}

/// Counts itself, after letting others run.
#[derive(Serialize, Deserialize)]
pub struct Count {
    pub number: u32,
}

impl Job for Count {
    const NAME: &'static str = "test.count";
    const WHAT: &'static str = "counts";
    type Context = Told;
    async fn run(&self, told: &Told, attempt: Attempt) -> Result<(), Trouble> {
        told.enter(attempt.id);
        tokio::task::yield_now().await;
        told.leave(attempt.id, self.number);
        Ok(())
    }
}

/// The same, as urgent as an alert.
#[derive(Serialize, Deserialize)]
pub struct Urgent {
    pub number: u32,
}

impl Job for Urgent {
    const NAME: &'static str = "test.urgent";
    const WHAT: &'static str = "counts at once";
    const URGENCY: Urgency = Urgency::Alert;
    const ATTEMPTS_MAX: u16 = 1;
    type Context = Told;
    async fn run(&self, told: &Told, attempt: Attempt) -> Result<(), Trouble> {
        told.enter(attempt.id);
        told.leave(attempt.id, self.number);
        Ok(())
    }
}

/// Waits in the middle until it is told to go on.
#[derive(Serialize, Deserialize)]
pub struct Wait {
    pub number: u32,
}

impl Job for Wait {
    const NAME: &'static str = "test.wait";
    const WHAT: &'static str = "waits";
    type Context = Told;
    async fn run(&self, told: &Told, attempt: Attempt) -> Result<(), Trouble> {
        told.0.began.notify_one();
        told.0.go_on.notified().await;
        told.enter(attempt.id);
        told.leave(attempt.id, self.number);
        Ok(())
    }
}

/// Fails until its try `good`; panics on its try `panics`.
#[derive(Serialize, Deserialize)]
pub struct Fail {
    pub good: u16,
    pub panics: u16,
    pub never: bool,
}

#[derive(Debug, thiserror::Error)]
#[error("not today")]
pub struct NotToday;

impl Fault for NotToday {
    fn kind(&self) -> Kind {
        Kind::Unavailable
    }
    fn code(&self) -> &'static str {
        "test.not_today"
    }
}

impl Job for Fail {
    const NAME: &'static str = "test.fail";
    const WHAT: &'static str = "fails";
    const ATTEMPTS_MAX: u16 = 3;
    type Context = Told;
    async fn run(&self, told: &Told, attempt: Attempt) -> Result<(), Trouble> {
        assert!(attempt.number != self.panics, "as asked");
        if self.never {
            return Err(Trouble::never(NotToday));
        }
        if attempt.number < self.good {
            Err(NotToday)?;
        }
        told.enter(attempt.id);
        told.leave(attempt.id, 0);
        Ok(())
    }
}

impl House {
    pub async fn new() -> Self {
        let db = Database::new(&[jobs::MIGRATIONS, mail::MIGRATIONS].concat()).await;
        let clock = testkit::mock_clock();
        let jobs = Jobs::new(db.pg(), clock.clock(), Rng::seeded(1));
        House { db, clock, jobs, told: Told::default() }
    }

    pub fn worker(&self) -> Worker {
        self.worker_with(&Settings::default())
    }

    pub fn worker_with(&self, settings: &Settings) -> Worker {
        let registry = Registry::new()
            .with::<Count>(self.told.clone())
            .with::<Urgent>(self.told.clone())
            .with::<Wait>(self.told.clone())
            .with::<Fail>(self.told.clone());
        // Each worker has its own name, as on another node.
        let jobs = Jobs::new(self.db.pg(), self.clock.clock(), Rng::system());
        Worker::new(jobs, registry, settings, "test")
    }

    pub async fn enqueue<J: Job>(&self, job: J) {
        let mut tx = self.db.pg().begin_system(Reason::Jobs).await.expect("begun");
        self.jobs.enqueue(&mut tx, &job).await.expect("enqueued");
        tx.commit(()).await.expect("committed").into_inner();
    }

    pub fn advance(&self, seconds: u64) {
        self.clock.advance(std::time::Duration::from_secs(seconds));
    }
}
