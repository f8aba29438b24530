//! How long a proof may take, and when that is over.
//!
//! Invariant: whatever was not tried for want of time is a reason why the answer is no proof.

use std::time::{Duration, Instant};

use crate::{Error, limits};

/// How long is waited.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For one table, and each way around it.
    pub each: Duration,
    /// For all of them.
    pub all: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience {
            each: Duration::from_millis(limits::PROOF_MS_MAX.value),
            all: Duration::from_millis(limits::PROOFS_MS_MAX.value),
        }
    }
}

/// When something has to have come to its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    at: Instant,
    limit: &'static base::Limit,
}

impl Patience {
    /// The end of what begins now, among all that began `begun`.
    pub(crate) fn end(self, begun: Instant) -> End {
        let (each, all) = (Instant::now() + self.each, begun + self.all);
        match each < all {
            true => End { at: each, limit: &limits::PROOF_MS_MAX },
            false => End { at: all, limit: &limits::PROOFS_MS_MAX },
        }
    }
}

impl End {
    /// Whether there is no time left.
    pub fn is_over(self) -> bool {
        self.at <= Instant::now()
    }

    /// Why the answer is no proof then.
    pub fn because(self) -> String {
        format!("it was stopped after {} s ({})", self.limit.value / 1000, self.limit.name)
    }

    /// Bounds the statements that follow in a transaction by what time is left.
    pub fn bound(self) -> String {
        let left = self.at.saturating_duration_since(Instant::now()).as_millis().max(1);
        format!("SET LOCAL statement_timeout = {left}")
    }

    /// Whether a statement was stopped for it.
    pub fn stopped(self, error: &Error) -> bool {
        matches!(error, Error::Administrator(said) if said.is("57014")) && self.is_over()
    }
}
