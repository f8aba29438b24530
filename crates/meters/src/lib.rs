//! Counting and timing, and the page of text that Prometheus reads.
//!
//! Written here, because the libraries for it take a lock or a look-up by labels for each observation, and a request has no
//! time for either. What deliberately is not here: a registry, labels that come from callers, a listener.
//!
//! Invariant: observing takes no lock, allocates nothing and never waits; a page that is read meanwhile may be a moment old
//! in some of its numbers.

mod page;
mod recent;
mod spread;

pub use page::{Kind, Page};
pub use recent::Recent;
pub use spread::{BOUNDS_US, Spread, SpreadNow};

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// One more.
    pub fn up(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// How many so far.
    pub fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How many there are at the moment.
#[derive(Debug, Default)]
pub struct Level(AtomicU64);

/// One of them; gone when dropped.
#[derive(Debug)]
pub struct Held<'a>(&'a Level);

impl Level {
    /// One more, until what is given back is dropped.
    pub fn hold(&self) -> Held<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Held(self)
    }

    /// How many now.
    pub fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
