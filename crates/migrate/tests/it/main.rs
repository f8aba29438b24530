//! Migrating a real database.

#![expect(clippy::unwrap_used, reason = "test code: a failure here is the test's failure")]

mod claims;
mod differences;
mod rights;
mod world;
