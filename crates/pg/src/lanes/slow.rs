//! Statements that proved too slow for a shared connection. For a minute they run on one of their own.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::limits;

/// How long a statement stays away from the shared connections.
const EXILE: Duration = Duration::from_secs(60);

/// Runs in time that outweigh a late one. A busy machine makes any statement late now and then.
const FAST_PER_LATE: u32 = 50;

/// How often a statement was late, and how often in time since.
#[derive(Default)]
pub(crate) struct Record {
    late: AtomicU32,
    fast: AtomicU32,
}

impl Record {
    /// Notes a run in time.
    pub(crate) fn fast(&self) {
        self.fast.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes a late run; says whether it is one of many.
    fn late(&self) -> bool {
        let late = self.late.fetch_add(1, Ordering::Relaxed) + 1;
        if self.fast.load(Ordering::Relaxed) < late.saturating_mul(FAST_PER_LATE) {
            return late > 1;
        }
        self.late.store(1, Ordering::Relaxed);
        self.fast.store(0, Ordering::Relaxed);
        false
    }
}

/// What is known of a statement that was late.
struct Known {
    record: Arc<Record>,
    seen: Instant,
    exiled_until: Option<Instant>,
}

/// The statements that were late, by text.
#[derive(Default)]
pub(crate) struct Slow {
    any: AtomicBool,
    known: Mutex<HashMap<Arc<str>, Known>>,
}

impl Slow {
    /// Notes that a statement was late; gives the record its next runs are noted in. When there are too many, the room
    /// of those not seen for long is taken; with none, nothing is noted.
    pub(crate) fn late(&self, sql: &Arc<str>, now: Instant) -> Option<Arc<Record>> {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= limits::SLOW_SHAPES.size() && !all.contains_key(sql) {
            all.retain(|_, known| known.seen + EXILE > now);
            if all.len() >= limits::SLOW_SHAPES.size() {
                return None;
            }
        }
        let fresh = || Known { record: Arc::default(), seen: now, exiled_until: None };
        let known = all.entry(Arc::clone(sql)).or_insert_with(fresh);
        known.seen = now;
        if known.record.late() {
            known.exiled_until = Some(now + EXILE);
            self.any.store(true, Ordering::Relaxed);
        }
        Some(Arc::clone(&known.record))
    }

    /// Whether a statement should not share a connection.
    pub(crate) fn has(&self, sql: &str) -> bool {
        if !self.any.load(Ordering::Relaxed) {
            return false;
        }
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get_mut(sql) {
            Some(Known { exiled_until: Some(until), .. }) if *until > Instant::now() => true,
            Some(known) if known.exiled_until.is_some() => {
                // Once late and it goes again, unless it has mended.
                known.exiled_until = None;
                self.any.store(all.values().any(|known| known.exiled_until.is_some()), Ordering::Relaxed);
                false
            }
            Some(_) | None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_stays_away_when_it_is_late_twice_in_a_while() {
        let (slow, sql): (Slow, Arc<str>) = (Slow::default(), "select 1".into());
        slow.late(&sql, Instant::now()).unwrap().fast();
        assert!(!slow.has("select 1"));
        slow.late(&sql, Instant::now());
        assert!(slow.has("select 1") && !slow.has("select 2"));
    }

    #[test]
    fn being_late_once_in_a_hundred_is_the_machine() {
        let (slow, sql): (Slow, Arc<str>) = (Slow::default(), "select 1".into());
        for _ in 0..20 {
            let record = slow.late(&sql, Instant::now()).unwrap();
            assert!(!slow.has("select 1"));
            (0..100).for_each(|_| record.fast());
        }
    }

    #[test]
    fn an_exile_ends() {
        let (slow, sql): (Slow, Arc<str>) = (Slow::default(), "select 1".into());
        let long_ago = Instant::now().checked_sub(EXILE * 2).unwrap();
        slow.late(&sql, long_ago);
        slow.late(&sql, long_ago);
        assert!(!slow.has("select 1"));
    }
}
