//! Reconcilers: at start, in their time, on a signal; and a failure is not the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use base::Failure;
use jobs::{Reconciler, Reconcilers};
use testkit::eventually;
use tokio_util::sync::CancellationToken;

use crate::house::NotToday;

struct Tidy(Arc<AtomicU32>);

impl Reconciler for Tidy {
    const NAME: &'static str = "test.tidy";
    const WHAT: &'static str = "keeps the test tidy";
    const EVERY: Duration = Duration::from_secs(3_600);
    async fn reconcile(&self) -> Result<(), Failure> {
        match self.0.fetch_add(1, Ordering::SeqCst) {
            1 => Err(NotToday.into()),
            2 => unreachable!("as asked"),
            _ => Ok(()),
        }
    }
}

#[tokio::test]
async fn it_runs_at_start_on_a_signal_and_in_its_time_whatever_happened_before() {
    let clock = testkit::mock_clock();
    let ran = Arc::new(AtomicU32::new(0));
    let mut all = Reconcilers::new(clock.clock());
    let signal = all.add(Tidy(ran.clone()));
    let reports = all.reports();
    let stop = CancellationToken::new();
    let task = tokio::spawn(all.run(stop.clone()));
    let until = async |count| eventually(async || (ran.load(Ordering::SeqCst) == count).then_some(())).await;
    let error = async |wanted: Option<&str>| {
        eventually(async || (reports()[0].1.error.as_deref() == wanted).then_some(())).await;
    };
    until(1).await;
    error(None).await;
    signal.now();
    until(2).await;
    error(Some("not today")).await;
    signal.now();
    until(3).await;
    error(Some("it panicked")).await;
    clock.advance(Duration::from_secs(3_600));
    until(4).await;
    error(None).await;
    assert_eq!(reports()[0].1.runs, 4);
    stop.cancel();
    task.await.expect("stopped");
}
