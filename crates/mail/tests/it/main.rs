//! Mail against a real PostgreSQL and a mail server that does what a test asks.

#![expect(clippy::expect_used, reason = "a helper of a test may fail the test")]

mod server;
mod smtp;
