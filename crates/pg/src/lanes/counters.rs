//! What the lanes have done, for tests, the bench and metrics. Counting costs one relaxed increment each.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::Reason;

/// A number that only grows.
#[derive(Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One lane's counts, and what its connections have to know together.
#[derive(Default)]
pub(crate) struct LaneCounters {
    /// Whether no code in the database can prepare a statement ([`crate::Pg::nothing_prepares`]).
    pub(crate) nothing_prepares: AtomicBool,
    pub(crate) syncs: Count,
    pub(crate) parsed: Count,
    pub(crate) hits: Count,
    pub(crate) retried: Count,
    pub(crate) waits: Count,
    pub(crate) refused: Count,
    pub(crate) connects: Count,
    pub(crate) connections: AtomicU64,
    pub(crate) in_flight: AtomicU64,
    pub(crate) cancels: Count,
    pub(crate) took: meters::Spread,
}

impl LaneCounters {
    pub(crate) fn stats(&self) -> LaneStats {
        LaneStats {
            round_trips: self.syncs.get(),
            parsed: self.parsed.get(),
            cache_hits: self.hits.get(),
            retried: self.retried.get(),
            waits: self.waits.get(),
            refused: self.refused.get(),
            connects: self.connects.get(),
            connections: self.connections.load(Ordering::Relaxed),
            in_flight: self.in_flight.load(Ordering::Relaxed),
            cancels: self.cancels.get(),
        }
    }
}

/// What one lane has done since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct LaneStats {
    /// Syncs sent on somebody's behalf: one is one network round trip. Cleaning between two owners is not counted.
    pub round_trips: u64,
    /// Statements parsed.
    pub parsed: u64,
    /// Statements found prepared.
    pub cache_hits: u64,
    /// Batches sent again because a plan had gone stale.
    pub retried: u64,
    /// Transactions that had to wait for a connection.
    pub waits: u64,
    /// Transactions refused because the wait or the queue was too long.
    pub refused: u64,
    /// Connections made.
    pub connects: u64,
    /// Connections open now.
    pub connections: u64,
    /// Batches sent and not answered.
    pub in_flight: u64,
    /// Statements stopped because their caller was gone.
    pub cancels: u64,
}

/// What all lanes have done since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Stats {
    /// Shared connections.
    pub short: LaneStats,
    /// Exclusive connections of callers.
    pub own: LaneStats,
    /// Connections of the system door.
    pub system: LaneStats,
    /// Connections of the operator's functions that auth asks.
    pub hooks: LaneStats,
    /// System transactions by reason, those that happened at least once.
    pub reasons: Vec<(Reason, u64)>,
}
