//! What tests share: a PostgreSQL per process, a database per test, a clock that is moved, a wait with a bound.
//!
//! [`Database::new`] clones a migrated template on a cluster of this process. The cluster is started by whichever test
//! needs it first, belongs to nobody's runtime, and dies with the process; so nothing has to be running beforehand and
//! nothing is left behind.
//!
//! This crate panics on purpose: a kit that fails is a test that fails. It is never part of the product.

#![expect(clippy::panic, clippy::expect_used, reason = "a test kit that cannot work fails the test it is in")]

mod cluster;
mod database;
mod eventually;
pub mod fuzz;
mod killed;
mod stopwatch;
mod totp;

pub use base::{Clock, MockClock};
pub use cluster::Cluster;
pub use database::Database;
pub use eventually::{eventually, eventually_within};
pub use killed::killed_after;
pub use stopwatch::Stopwatch;
pub use totp::{totp, wrong_totp};

/// A stopped clock in the middle of an unremarkable day (2026-01-15 12:00 UTC).
pub fn mock_clock() -> MockClock {
    MockClock::at(sure(base_time(), "the kit's moment"))
}

fn base_time() -> Result<jiff::Timestamp, jiff::Error> {
    "2026-01-15T12:00:00Z".parse()
}

/// The value, or a failed test that says what the kit was doing.
#[track_caller]
pub(crate) fn sure<T, E: std::error::Error>(result: Result<T, E>, doing: &str) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("testkit: {doing}: {}", base::fault::chain(&error)),
    }
}
