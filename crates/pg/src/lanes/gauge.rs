//! How busy one connection is, for whoever chooses among several.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Shared by a connection's task and those who use it.
pub(crate) struct Gauge {
    epoch: Instant,
    load: AtomicU32,
    /// Microseconds after `epoch` at which the batch now being answered became the first; 0 when there is none.
    first_since_us: AtomicU64,
}

/// What a connection that has not answered for a while counts as holding: more than any queue.
const STUCK: u32 = 1 << 20;

impl Gauge {
    pub(crate) fn new() -> Self {
        Gauge { epoch: Instant::now(), load: AtomicU32::new(0), first_since_us: AtomicU64::new(0) }
    }

    /// A batch was given to the connection.
    pub(crate) fn take_on(&self) {
        self.load.fetch_add(1, Ordering::Relaxed);
    }

    /// A batch was answered.
    pub(crate) fn put_down(&self) {
        self.load.fetch_sub(1, Ordering::Relaxed);
    }

    /// Batches given and not answered.
    pub(crate) fn load(&self) -> u32 {
        self.load.load(Ordering::Relaxed)
    }

    fn us(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.epoch).as_micros() as u64
    }

    /// Another batch is being answered from now on, or none. Says how long the one before took.
    pub(crate) fn turn(&self, at: Instant, busy: bool) -> Duration {
        let now = self.us(at).max(1);
        let since = self.first_since_us.swap(if busy { now } else { 0 }, Ordering::Relaxed);
        Duration::from_micros(if since == 0 { 0 } else { now.saturating_sub(since) })
    }

    /// How long a batch given now may have to wait, as a number to compare.
    pub(crate) fn weight(&self, at: Instant, patience: Duration) -> u32 {
        let since = self.first_since_us.load(Ordering::Relaxed);
        let stuck = since != 0 && self.us(at).saturating_sub(since) > patience.as_micros() as u64;
        self.load() + if stuck { STUCK } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_does_not_answer_counts_as_full() {
        let (gauge, patience) = (Gauge::new(), Duration::from_millis(5));
        let begin = gauge.epoch + Duration::from_millis(1);
        gauge.take_on();
        assert_eq!(gauge.turn(begin, true), Duration::ZERO);
        assert_eq!(gauge.weight(begin + Duration::from_millis(4), patience), 1);
        assert_eq!(gauge.weight(begin + Duration::from_millis(6), patience), 1 + STUCK);
        gauge.put_down();
        assert_eq!(gauge.turn(begin + Duration::from_millis(7), false), Duration::from_millis(7));
        assert_eq!(gauge.weight(begin + Duration::from_secs(1), patience), 0);
    }
}
