//! The product from outside: the real binary, started as a user would start it, and the vendors' own clients.
//!
//! It knows no crate of the inside. What it says about Palisade is what anybody could see.

#![expect(clippy::expect_used, clippy::panic, reason = "test code: a failure here is the test's failure")]

pub mod clients;
pub mod program;

pub use program::{Palisade, Ready};
