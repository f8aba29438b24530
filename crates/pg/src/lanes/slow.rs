//! Statements that proved too slow for a shared connection. For a minute they run on one of their own.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::limits;

/// How long a statement stays away from the shared connections.
const EXILE: Duration = Duration::from_secs(60);

/// The statements, by text, and until when.
#[derive(Default)]
pub(crate) struct Slow {
    any: AtomicBool,
    until: Mutex<HashMap<Arc<str>, Instant>>,
}

impl Slow {
    /// Notes a statement. When there are too many, the room of the expired is taken; with none, it is not noted.
    pub(crate) fn note(&self, sql: &Arc<str>, now: Instant) {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        if until.len() >= limits::SLOW_SHAPES.size() {
            until.retain(|_, until| *until > now);
        }
        if until.len() < limits::SLOW_SHAPES.size() {
            until.insert(Arc::clone(sql), now + EXILE);
            self.any.store(true, Ordering::Relaxed);
        }
    }

    /// Whether a statement should not share a connection.
    pub(crate) fn has(&self, sql: &str) -> bool {
        if !self.any.load(Ordering::Relaxed) {
            return false;
        }
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        let known = until.get(sql).copied();
        if known.is_some_and(|until| until <= Instant::now()) {
            until.remove(sql);
            self.any.store(!until.is_empty(), Ordering::Relaxed);
            return false;
        }
        known.is_some()
    }
}
