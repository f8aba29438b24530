//! Who wants to know of which changes, on this node.
//!
//! Invariant: a feed is somebody's from its beginning to its end. Another token makes another feed, and what was on the way for the old
//! one is nobody's.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base::Caller;
use tokio::sync::Notify;

use super::wanted::{Table, Wanted};
use super::{Change, Surroundings};
use crate::hub::{Event, Made, What};
use crate::queue::Outbox;

/// What somebody wants, each under its number.
pub(super) type Wants = Arc<[(u64, Wanted)]>;

/// One who listens.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) caller: Arc<Caller>,
    /// When their token is over, in seconds.
    pub(super) expires: Option<i64>,
    /// What they want, each under its number.
    pub(super) wants: Wants,
    pub(super) topic: Arc<str>,
    pub(super) outbox: Outbox,
}

/// All who listen.
#[derive(Default)]
pub(super) struct Feeds {
    all: Mutex<HashMap<u64, Entry>>,
    next: AtomicU64,
    /// Somebody came or went.
    pub(super) changed: Notify,
}

/// Callers of whom policies think the same.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Alike {
    role: Arc<str>,
    claims: Arc<str>,
    claimed_role: Arc<str>,
    subject: Arc<str>,
    email: Arc<str>,
}

/// Those who are alike, and what they want of the tables at hand.
pub(super) struct Group {
    pub(super) caller: Arc<Caller>,
    pub(super) feeds: Vec<(u64, Wants)>,
}

impl Feeds {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Entry>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn enter(&self, feed: u64, entry: Entry) {
        self.lock().insert(feed, entry);
        self.changed.notify_one();
    }

    pub(super) fn leave(&self, feed: u64) {
        self.lock().remove(&feed);
        self.changed.notify_one();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    pub(super) fn has(&self, feed: u64) -> bool {
        self.lock().contains_key(&feed)
    }

    /// Whether anybody wants changes of a table.
    pub(super) fn want(&self, schema: &str, table: &str) -> bool {
        self.lock().values().any(|entry| entry.wants.iter().any(|(_, wanted)| wanted.means(schema, table)))
    }

    /// Who is to be asked for, of these tables.
    pub(super) fn groups<'a>(
        &self,
        tables: impl Iterator<Item = &'a Table> + Clone,
        around: &Surroundings,
    ) -> Vec<Group> {
        let mut groups: HashMap<Alike, Group> = HashMap::new();
        for (feed, entry) in self.lock().iter() {
            let wants =
                |table: &Table| entry.wants.iter().any(|(_, one)| one.means(&table.schema, &table.name));
            if !tables.clone().any(wants) || !entry.is_good(around) {
                continue;
            }
            let caller = &entry.caller;
            let alike = Alike {
                role: caller.role.shared(),
                claims: caller.claims.clone(),
                claimed_role: caller.claimed_role.clone(),
                subject: caller.subject.clone(),
                email: caller.email.clone(),
            };
            let group =
                groups.entry(alike).or_insert_with(|| Group { caller: caller.clone(), feeds: Vec::new() });
            group.feeds.push((*feed, entry.wants.clone()));
        }
        groups.into_values().collect()
    }

    /// Tells a feed of a change, if it is still there and whose it is may still hear.
    pub(super) fn tell(&self, feed: u64, ids: Vec<u64>, change: &Arc<Change>, around: &Surroundings) {
        let all = self.lock();
        if let Some(entry) = all.get(&feed).filter(|entry| entry.is_good(around)) {
            entry.put(What::Row { feed, ids, change: change.clone() });
        }
    }

    /// Ends feeds that missed something: whoever has one comes back, and reads again.
    pub(super) fn lose(&self, feeds: Option<Vec<u64>>, why: &'static str) {
        let mut all = self.lock();
        let lost: Vec<u64> = feeds.unwrap_or_else(|| all.keys().copied().collect());
        for feed in lost {
            if let Some(entry) = all.remove(&feed) {
                entry.put(What::Lost { feed, why });
            }
        }
    }
}

impl Entry {
    fn is_good(&self, around: &Surroundings) -> bool {
        self.expires.is_none_or(|second| (around.unix_seconds)() < second) && (around.stands)(&self.caller)
    }

    fn put(&self, what: What) {
        self.outbox.put(&Arc::new(Event { topic: self.topic.clone(), what, made: Made::default() }));
    }
}
