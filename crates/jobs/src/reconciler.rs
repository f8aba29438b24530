//! Keeping the world as it should be: tasks without input, on a timer and on a signal.
//!
//! Each reconciler runs at start, when its time has come, and when it is signalled; never twice at once in this
//! process. Other nodes run theirs: one that must be alone takes a lock of its own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::{Clock, Failure};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How often the timers are looked at.
const TICK: Duration = Duration::from_secs(1);

/// "The world should look like this": looks, mends, and can be stopped at any point and run again.
pub trait Reconciler: Send + Sync + 'static {
    /// Its name, for lists.
    const NAME: &'static str;
    /// What it keeps, for lists.
    const WHAT: &'static str;
    /// How often it looks.
    const EVERY: Duration;

    /// Looks and mends.
    fn reconcile(&self) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// A reconciler without its type: what lists hold.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    /// Its name.
    pub name: &'static str,
    /// What it keeps.
    pub what: &'static str,
    /// How often it looks.
    pub every: Duration,
}

impl Kept {
    /// The entry of `R`.
    pub const fn of<R: Reconciler>() -> Self {
        Kept { name: R::NAME, what: R::WHAT, every: R::EVERY }
    }
}

/// How a reconciler is doing.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What it keeps.
    pub what: &'static str,
    /// How often it ran.
    pub runs: u64,
    /// When it last began.
    pub last_began: Option<Timestamp>,
    /// When it last ended well.
    pub last_good: Option<Timestamp>,
    /// Why it last failed, if the last run did.
    pub error: Option<String>,
}

/// Makes a reconciler run soon.
#[derive(Clone)]
pub struct Signal(Arc<Notify>);

impl Signal {
    /// Soon; several signals before it runs are one.
    pub fn now(&self) {
        self.0.notify_one();
    }
}

struct Entry {
    name: &'static str,
    every: Duration,
    signal: Arc<Notify>,
    run: Box<dyn Fn() -> BoxFuture<'static, Result<(), Failure>> + Send + Sync>,
}

/// Every reconciler of this node.
pub struct Reconcilers {
    clock: Clock,
    entries: Vec<Entry>,
    reports: Arc<Mutex<BTreeMap<&'static str, Report>>>,
}

impl Reconcilers {
    /// None yet.
    pub fn new(clock: Clock) -> Self {
        Reconcilers { clock, entries: Vec::new(), reports: Arc::default() }
    }

    /// Adds one; the signal makes it run before its time.
    pub fn add<R: Reconciler>(&mut self, reconciler: R) -> Signal {
        let (reconciler, signal) = (Arc::new(reconciler), Arc::new(Notify::new()));
        let run = move || {
            let reconciler = reconciler.clone();
            async move { reconciler.reconcile().await }.boxed()
        };
        let entry = Entry { name: R::NAME, every: R::EVERY, signal: signal.clone(), run: Box::new(run) };
        self.entries.push(entry);
        change(&self.reports, R::NAME, |report| report.what = R::WHAT);
        Signal(signal)
    }

    /// How each is doing, live.
    pub fn reports(&self) -> impl Fn() -> Vec<(&'static str, Report)> + Send + Sync + 'static {
        let reports = self.reports.clone();
        move || {
            let reports = reports.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            reports.iter().map(|(name, report)| (*name, report.clone())).collect()
        }
    }

    /// Runs them all until `stop`; one that is running then is dropped where it stands, which it must survive.
    pub async fn run(self, stop: CancellationToken) {
        let Reconcilers { clock, entries, reports } = self;
        let all = entries.iter().map(|entry| keep(entry, &clock, &reports));
        stop.run_until_cancelled(futures_util::future::join_all(all)).await;
    }
}

async fn keep(entry: &Entry, clock: &Clock, reports: &Mutex<BTreeMap<&'static str, Report>>) {
    loop {
        let began = clock.now();
        change(reports, entry.name, |report| {
            report.runs += 1;
            report.last_began = Some(began);
        });
        // A panic is a bug of one reconciler; the others go on, and it is tried again in its time.
        let outcome = std::panic::AssertUnwindSafe((entry.run)()).catch_unwind().await;
        let error = match outcome {
            Ok(Ok(())) => None,
            Ok(Err(failure)) => Some(base::fault::chain(failure.fault())),
            Err(_panic) => Some("it panicked".to_owned()),
        };
        if let Some(error) = &error {
            tracing::error!(reconciler = entry.name, error, "a reconciler failed");
        }
        change(reports, entry.name, |report| {
            report.error = error;
            if report.error.is_none() {
                report.last_good = Some(clock.now());
            }
        });
        wait(entry, clock, began).await;
    }
}

/// Until the next time or a signal. The clock is asked each tick, so that a moved clock is noticed.
async fn wait(entry: &Entry, clock: &Clock, began: Timestamp) {
    let every = SignedDuration::try_from(entry.every).unwrap_or(SignedDuration::MAX);
    while began.duration_until(clock.now()) < every {
        tokio::select! {
            () = entry.signal.notified() => return,
            () = tokio::time::sleep(TICK.min(entry.every)) => {}
        }
    }
}

fn change(
    reports: &Mutex<BTreeMap<&'static str, Report>>,
    name: &'static str,
    with: impl FnOnce(&mut Report),
) {
    with(reports.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).entry(name).or_default());
}
