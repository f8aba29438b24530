//! Time as a parameter. Nothing in the product asks the operating system for the time but [`Clock::system`].

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Where the time comes from. Cheap to clone; tests hold the other end of a [`MockClock`].
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    System,
    Mock(MockClock),
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Clock(Source::System)
    }

    /// Now, in UTC.
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the machine for the time")]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => Timestamp::now(),
            Source::Mock(mock) => mock.now(),
        }
    }

    /// Whole seconds since 1970, as tokens carry them.
    pub fn unix_seconds(&self) -> i64 {
        self.now().as_second()
    }
}

/// A clock that moves only when told. Clones share the same hands.
#[derive(Clone)]
pub struct MockClock(Arc<Mutex<Timestamp>>);

impl MockClock {
    /// A stopped clock showing `at`.
    pub fn at(at: Timestamp) -> Self {
        MockClock(Arc::new(Mutex::new(at)))
    }

    /// The clock to hand to the code under test.
    pub fn clock(&self) -> Clock {
        Clock(Source::Mock(self.clone()))
    }

    /// What it shows.
    pub fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Moves it forward.
    pub fn advance(&self, by: Duration) {
        let mut hands = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
        *hands = hands.checked_add(by).unwrap_or(Timestamp::MAX);
    }
}
