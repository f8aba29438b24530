//! One limiter for everything that may happen only so often: requests, sign-ins, lockout, guesses at a code.
//!
//! A [`Budget`] is a name with one or more windows ("5 a minute and 20 an hour"). [`Limiter::hit`] counts one try of a
//! subject against it and says whether it is within.
//!
//! How it counts is the budget's [`Algorithm`]: a window that slides in twelve steps and counts the oldest step whole, so that
//! in *any* 60 seconds at most `per_minute` tries pass (controls 71, 72), or GCRA for requests where an operator wants that.
//! Guesses are always counted in sliding windows.
//!
//! On one node the counts live in memory; on several in Redis or Valkey, by one script and so one round trip. When that
//! store does not answer, each node goes on with its own memory: limits get looser by the number of nodes, never off.

mod window;

mod gcra;
mod sliding;

mod memory;
mod shared;
mod store;

pub use store::{CA_FILE, Pseudonym, REDIS_URL, SETTINGS, Store, StoreError, TLS_ENABLED};
pub use window::{Algorithm, Budget, Verdict, Window, tightest};

use std::sync::Arc;

use base::Clock;

/// The limiter. Cheap to clone.
#[derive(Clone)]
pub struct Limiter(Arc<Inner>);

struct Inner {
    clock: Clock,
    memory: memory::Memory,
    shared: Option<shared::Shared>,
}

impl Limiter {
    /// Counts in this process.
    pub fn in_memory(clock: Clock) -> Self {
        Limiter(Arc::new(Inner { clock, memory: memory::Memory::new(), shared: None }))
    }

    /// Counts in Redis or Valkey, so that several nodes share one budget. Connects when first used.
    pub fn shared(clock: Clock, store: Store) -> Self {
        let shared = Some(shared::Shared::open(store));
        Limiter(Arc::new(Inner { clock, memory: memory::Memory::new(), shared }))
    }

    /// Counts one try of `subject` against `budget`.
    pub async fn hit(&self, budget: &Budget, subject: &str) -> Verdict {
        self.weigh(budget, subject, 1).await
    }

    /// Counts `tries` of `subject` at once; they pass together or not at all.
    pub async fn hit_many(&self, budget: &Budget, subject: &str, tries: u32) -> Verdict {
        self.weigh(budget, subject, tries).await
    }

    /// Says where `subject` stands without counting a try.
    pub async fn peek(&self, budget: &Budget, subject: &str) -> Verdict {
        self.weigh(budget, subject, 0).await
    }

    /// Forgets `subject`'s tries against `budget`, as after a right password.
    pub async fn forgive(&self, budget: &Budget, subject: &str) {
        self.0.memory.forget(budget.name, subject);
        if let Some(shared) = &self.0.shared {
            shared.forget(budget, subject).await;
        }
    }

    /// Takes back one try of `subject` that turned out not to count, as a right password among wrong ones. The others stay.
    pub async fn give_back(&self, budget: &Budget, subject: &str) {
        self.0.memory.give_back(budget, subject);
        if let Some(shared) = &self.0.shared {
            shared.give_back(budget, subject).await;
        }
    }

    async fn weigh(&self, budget: &Budget, subject: &str, tries: u32) -> Verdict {
        let now_ms = u64::try_from(self.0.clock.now().as_millisecond()).unwrap_or(0);
        if let Some(shared) = &self.0.shared
            // On the heap: otherwise whoever counts, which is every request, is larger by all that this needs.
            && let Some(verdict) = Box::pin(shared.weigh(budget, subject, tries, now_ms)).await
        {
            return verdict;
        }
        self.0.memory.weigh(budget, subject, tries, now_ms)
    }
}
