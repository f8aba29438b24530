//! The door to PostgreSQL, and the house around it, against a real one.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "clippy knows the tests of this binary, not their helpers"
)]

mod bleed;
mod bootstrap;
mod encrypted;
mod external;
mod flow;
mod gate;
mod lanes;
mod managed;
mod migrate;
mod notify;
mod once;
mod scene;
mod statements;
mod tx;
