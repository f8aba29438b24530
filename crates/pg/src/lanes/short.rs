//! The short lane: a few connections that everybody's short reads share.
//!
//! A batch here is atomic (one Sync, an implicit transaction), so batches of different callers may queue on one
//! connection. A slow statement delays those behind it on the same connection, so: the least loaded connection is
//! chosen, one that has not answered for a while counts as full, and a shape that was slow goes to the own lane.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::batch::Batch;
use super::counters::LaneCounters;
use super::driver::{Driver, Inbox};
use super::gauge::Gauge;
use super::slow::Slow;
use crate::connect::Connector;
use crate::{Error, limits};

/// One shared connection, as those who use it see it.
struct Slot {
    inbox: mpsc::Sender<Batch>,
    gauge: Arc<Gauge>,
}

/// The short lane.
pub(crate) struct Short {
    slots: Vec<Slot>,
    pub(crate) counters: Arc<LaneCounters>,
    slow: Arc<Slow>,
}

impl Short {
    pub(crate) fn new(size: usize, connector: &Arc<Connector>) -> Self {
        let (counters, slow) = (Arc::new(LaneCounters::default()), Arc::new(Slow::default()));
        let slots = (0..size).map(|_| {
            let (inbox, outbox) = mpsc::channel(limits::SHORT_QUEUE.size());
            let gauge = Arc::new(Gauge::new());
            let keeper = Keeper {
                inbox: Inbox::Shared(outbox),
                gauge: Arc::clone(&gauge),
                slow: Arc::clone(&slow),
                counters: Arc::clone(&counters),
                connector: Arc::clone(connector),
            };
            tokio::spawn(keeper.keep());
            Slot { inbox, gauge }
        });
        Short { slots: slots.collect(), counters, slow }
    }

    /// Whether a statement may share a connection.
    pub(crate) fn takes(&self, sql: &str) -> bool {
        !self.slots.is_empty() && !self.slow.has(sql)
    }

    /// Gives a batch to the connection that will answer first; refuses when even that one is full.
    pub(crate) fn send(&self, batch: Batch) -> Result<(), Error> {
        let (now, patience) = (std::time::Instant::now(), limits::millis(&limits::SHORT_STUCK_MS));
        let first = self.slots.iter().min_by_key(|slot| slot.gauge.weight(now, patience));
        let Some(slot) = first else { return Err(Error::Bug("no short lane".into())) };
        slot.gauge.take_on();
        slot.inbox.try_send(batch).map_err(|_| {
            slot.gauge.put_down();
            self.counters.refused.add(1);
            Error::Busy { waited_ms: 0 }
        })
    }
}

/// Keeps one slot connected.
struct Keeper {
    inbox: Inbox,
    gauge: Arc<Gauge>,
    slow: Arc<Slow>,
    counters: Arc<LaneCounters>,
    connector: Arc<Connector>,
}

impl Keeper {
    async fn keep(mut self) {
        let mut pause = Duration::ZERO;
        // What waited behind something that broke the last connection.
        let mut backlog = Vec::new();
        loop {
            let retried = !backlog.is_empty();
            if !retried {
                match self.inbox.take().await {
                    Some(batch) => backlog.push(batch),
                    None => return,
                }
            }
            match self.connector.connect().await {
                Ok(session) => {
                    pause = Duration::ZERO;
                    self.counters.connects.add(1);
                    self.counters.connections.fetch_add(1, Ordering::Relaxed);
                    let (gauge, counters) = (Arc::clone(&self.gauge), Arc::clone(&self.counters));
                    let driver = Driver::new(session, gauge, counters, Some(Arc::clone(&self.slow)));
                    backlog = driver.run(&mut self.inbox, backlog, retried).await;
                    self.counters.connections.fetch_sub(1, Ordering::Relaxed);
                }
                Err(error) => {
                    backlog.drain(..).for_each(|batch| self.refuse(batch, &error));
                    pause =
                        (pause * 2).clamp(Duration::from_millis(20), limits::millis(&limits::BACK_OFF_MS));
                    self.refuse_for(pause, &error).await;
                }
            }
        }
    }

    fn refuse(&self, mut batch: Batch, error: &Error) {
        batch.answer(Err(error.again()));
        self.gauge.put_down();
    }

    /// Until the next attempt, everybody hears at once that the server is not there.
    async fn refuse_for(&mut self, pause: Duration, error: &Error) {
        let until = Instant::now() + pause;
        while let Ok(Some(batch)) = tokio::time::timeout_at(until, self.inbox.take()).await {
            self.refuse(batch, error);
        }
    }
}
