//! The refusal lane: a bounded queue, transactions of its own, and one entry for many identical refusals, and for what one address is
//! refused in ever other words.
//!
//! Invariant: whatever does not become an entry is counted in one that says so.

use std::collections::HashMap;
use std::collections::hash_map;
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use base::address::customer;
use jiff::Timestamp;
use pg::Param;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::entry::{Entry, Outcome};
use crate::event::Event;
use crate::record::{Audit, Sealed};
use crate::{Error, limits};

/// How long a refusal waits for company before it is written.
const TICK: Duration = Duration::from_millis(100);

pub(crate) enum Message {
    Entry(Box<Entry>, Timestamp),
    Flush(oneshot::Sender<()>),
}

/// What makes two refusals identical.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    event: Event,
    outcome: Outcome,
    actor: String,
    acting: Option<Uuid>,
    subject: Option<String>,
    address: Option<IpAddr>,
    reason: Option<String>,
}

struct Counted {
    entry: Entry,
    /// Beyond the first, which was written at once.
    more: u64,
    last: Timestamp,
}

/// Writes refusals.
pub struct Lane {
    audit: Audit,
    queue: mpsc::Receiver<Message>,
    window_began: Timestamp,
    seen: HashMap<Key, Counted>,
    /// How many were told apart, of each address that was refused.
    of: HashMap<(Event, IpAddr), u64>,
    /// Refusals beyond those told apart, per event: of one address, or of too many.
    crowd: HashMap<(Event, Option<IpAddr>), u64>,
    kept: Vec<Sealed>,
    lost: u64,
}

impl Lane {
    pub(crate) fn new(audit: Audit, queue: mpsc::Receiver<Message>) -> Self {
        let window_began = audit.0.clock.now();
        let (seen, of, crowd) = (HashMap::new(), HashMap::new(), HashMap::new());
        Lane { audit, queue, window_began, seen, of, crowd, kept: Vec::new(), lost: 0 }
    }

    /// Runs until `stop`, then writes what it holds, and says so through `done`.
    pub(crate) async fn run(mut self, stop: CancellationToken, done: CancellationToken) {
        let _done = done.drop_guard();
        loop {
            let idle = self.kept.is_empty() && self.seen.is_empty() && self.crowd.is_empty();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                message = self.queue.recv() => match message {
                    Some(message) => self.take_all(message).await,
                    None => break,
                },
                () = tokio::time::sleep(TICK), if !idle => self.tick().await,
            }
        }
        self.drain().await;
    }

    /// Takes a message and what else is there, then writes if there is a batch.
    async fn take_all(&mut self, first: Message) {
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                Message::Entry(entry, at) => self.count(*entry, at),
                Message::Flush(done) => {
                    self.close_window();
                    self.write_or_keep().await;
                    // Whoever asked may have stopped waiting.
                    let _ = done.send(());
                }
            }
            next =
                if self.kept.len() < limits::LANE_BATCH.size() { self.queue.try_recv().ok() } else { None };
        }
        if self.kept.len() >= limits::LANE_BATCH.size() {
            self.write_or_keep().await;
        }
    }

    async fn tick(&mut self) {
        let now = self.audit.0.clock.now();
        let window = i64::try_from(limits::LANE_WINDOW_SECONDS.value).unwrap_or(i64::MAX);
        if now.as_second().saturating_sub(self.window_began.as_second()) >= window {
            self.close_window();
        }
        self.write_or_keep().await;
    }

    /// The first of its kind is kept as it is; the next ones only count.
    fn count(&mut self, entry: Entry, at: Timestamp) {
        if self.seen.is_empty() && self.crowd.is_empty() {
            self.window_began = at;
        }
        let key = Key {
            event: entry.event,
            outcome: entry.outcome,
            actor: entry.actor.clone(),
            acting: entry.acting,
            subject: entry.subject.clone(),
            address: entry.address,
            reason: entry.reason.clone(),
        };
        // Whoever is refused chooses what many of these say: each time something else would be an entry, and an alert, each time.
        let of =
            entry.address.filter(|_| entry.outcome == Outcome::Refused).map(|of| (entry.event, customer(of)));
        let many =
            of.and_then(|of| self.of.get(&of)).is_some_and(|many| *many >= limits::LANE_ADDRESS_KEYS.value);
        let full = self.seen.len() >= limits::LANE_KEYS.size();
        let crowd = (entry.event, of.filter(|_| !full).map(|(_, address)| address));
        match self.seen.entry(key) {
            hash_map::Entry::Occupied(mut known) => {
                let known = known.get_mut();
                known.more += 1;
                known.last = at;
            }
            hash_map::Entry::Vacant(_) if full || many => *self.crowd.entry(crowd).or_default() += 1,
            hash_map::Entry::Vacant(new) => {
                of.into_iter().for_each(|of| *self.of.entry(of).or_default() += 1);
                let sealed = self.audit.seal_at(&entry, 1, at);
                new.insert(Counted { entry, more: 0, last: at });
                self.kept.push(sealed);
            }
        }
    }

    /// Turns the counts of this window into entries.
    fn close_window(&mut self) {
        let began = self.window_began;
        for counted in std::mem::take(&mut self.seen).into_values().filter(|counted| counted.more > 0) {
            let entry = counted.entry.detail("counted_from", began).detail("counted_to", counted.last);
            self.kept.push(self.audit.seal(&entry, counted.more));
        }
        self.of.clear();
        for ((event, address), count) in std::mem::take(&mut self.crowd) {
            let entry = Entry::named("many", event).refused("flood").from_address(address);
            self.kept.push(self.audit.seal(&entry.detail("counted_from", began), count));
        }
        self.window_began = self.audit.0.clock.now();
    }

    /// Writes what is kept; while the database does not answer it stays, up to a limit.
    async fn write_or_keep(&mut self) {
        self.lost += self.audit.0.lost.swap(0, Ordering::Relaxed);
        while self.lost > 0 || !self.kept.is_empty() {
            if let Err(error) = self.write().await {
                tracing::error!(error = %base::fault::chain(&error), kept = self.kept.len(), "audit refusals are waiting");
                let room = limits::LANE_KEPT.size();
                self.lost += self.kept.len().saturating_sub(room) as u64;
                self.kept.truncate(room);
                return;
            }
        }
    }

    async fn write(&mut self) -> Result<(), Error> {
        let count = self.kept.len().min(limits::LANE_BATCH.size());
        let mut batch = self.kept.get(..count).unwrap_or_default().to_vec();
        if self.lost > 0 {
            let entry = Entry::system(Event::EntriesLost).failed("audit.lane_full");
            batch.push(self.audit.seal(&entry, self.lost));
        }
        self.audit.append_many(&batch).await?;
        self.kept.drain(..count);
        self.lost = 0;
        Ok(())
    }

    /// Everything that is still here goes out, for as long as a stop may take.
    async fn drain(&mut self) {
        self.queue.close();
        while let Some(message) = self.queue.recv().await {
            self.take_all(message).await;
        }
        self.close_window();
        let limit = Duration::from_secs(limits::DRAIN_SECONDS.value);
        let all = async {
            loop {
                self.write_or_keep().await;
                if self.kept.is_empty() && self.lost == 0 {
                    break;
                }
                tokio::time::sleep(TICK).await;
            }
        };
        if tokio::time::timeout(limit, all).await.is_err() {
            tracing::error!(lost = self.kept.len(), "the database does not answer: audit refusals are lost");
        }
    }
}

/// A `bytea[]` literal.
pub(crate) fn bytea_array<'a>(items: impl Iterator<Item = &'a [u8]>) -> Param {
    items.map(|item| format!("\\x{}", hex::encode(item))).collect::<Vec<_>>().into()
}
