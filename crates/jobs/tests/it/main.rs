//! Later work against a real PostgreSQL.

#![expect(clippy::expect_used, reason = "a helper of a test may fail the test")]

mod house;
mod mailing;
mod queue;
mod reconcilers;
mod workers;
