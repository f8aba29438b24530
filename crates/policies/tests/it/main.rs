//! Policies against a real PostgreSQL: findings, proposals, verdicts and proofs.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod access;
mod cases;
mod generate;
mod grants;
mod lint;
mod prove;
mod refusals;
