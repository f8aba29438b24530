//! Statements that proved too slow for a shared connection. For a minute they run on one of their own.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::limits;

/// How long a statement stays away from the shared connections.
const EXILE: Duration = Duration::from_secs(60);

/// What is known of one statement.
#[derive(Clone, Copy)]
enum Known {
    /// It was slow once: a busy machine does that to any statement.
    Once(Instant),
    /// It was slow again, and stays away until then.
    Exiled(Instant),
}

impl Known {
    fn is_past(self, now: Instant) -> bool {
        match self {
            Known::Once(until) | Known::Exiled(until) => until <= now,
        }
    }
}

/// The statements, by text.
#[derive(Default)]
pub(crate) struct Slow {
    any: AtomicBool,
    known: Mutex<HashMap<Arc<str>, Known>>,
}

impl Slow {
    /// Notes a statement. When there are too many, the room of the expired is taken; with none, it is not noted.
    pub(crate) fn note(&self, sql: &Arc<str>, now: Instant) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= limits::SLOW_SHAPES.size() {
            known.retain(|_, known| !known.is_past(now));
        }
        let until = now + EXILE;
        match known.get(sql) {
            Some(before) if !before.is_past(now) => {
                known.insert(Arc::clone(sql), Known::Exiled(until));
                self.any.store(true, Ordering::Relaxed);
            }
            _ if known.len() < limits::SLOW_SHAPES.size() => {
                known.insert(Arc::clone(sql), Known::Once(until));
            }
            _ => {}
        }
    }

    /// Whether a statement should not share a connection.
    pub(crate) fn has(&self, sql: &str) -> bool {
        if !self.any.load(Ordering::Relaxed) {
            return false;
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match known.get(sql).copied() {
            Some(Known::Exiled(until)) if until > Instant::now() => true,
            Some(Known::Exiled(_)) => {
                known.remove(sql);
                self.any
                    .store(known.values().any(|known| matches!(known, Known::Exiled(_))), Ordering::Relaxed);
                false
            }
            Some(Known::Once(_)) | None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_exiled_when_it_is_slow_twice_within_the_time() {
        let (slow, sql): (Slow, Arc<str>) = (Slow::default(), "select 1".into());
        let long_ago = Instant::now().checked_sub(EXILE * 2).unwrap();
        slow.note(&sql, long_ago);
        slow.note(&sql, Instant::now());
        assert!(!slow.has("select 1"));
        slow.note(&sql, Instant::now());
        assert!(slow.has("select 1") && !slow.has("select 2"));
    }
}
