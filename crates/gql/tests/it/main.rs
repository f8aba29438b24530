//! The language from outside, under documents that nobody meant to write.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod fuzz;
