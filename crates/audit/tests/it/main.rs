//! The audit log against a real PostgreSQL.

#![expect(clippy::expect_used, reason = "a helper of a test may fail the test")]

mod closed;
mod house;
mod lanes;
mod outside;
mod sink;
mod tampering;
