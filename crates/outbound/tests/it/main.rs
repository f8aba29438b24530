//! What leaves the house, against real sockets on loopback.

#![expect(clippy::expect_used, reason = "a helper of a test may fail the test")]

mod exchange;
mod properties;
mod rebinding;
mod server;
mod slow;
mod targets;
