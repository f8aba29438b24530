//! Accounts, sessions and keys against a real PostgreSQL.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy knows the tests of this binary, not their helpers"
)]

mod accounts;
mod admin;
mod flow;
mod fuzz;
mod hooks;
mod identify;
mod keys;
mod lockout;
mod mfa;
mod passwords;
mod refresh;
mod schema;
mod sessions;
mod world;
