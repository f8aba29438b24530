//! The audit log: who did what, in a chain that shows every later change (controls 92-98).
//!
//! Two lanes lead in. [`Audit::record`] appends in the caller's or the system's own transaction, so an action that
//! cannot be recorded does not happen. [`Audit::refused`] never waits: refusals go through a bounded queue into
//! transactions of their own, identical ones counted. One sequencer chains what was committed within a second and
//! keeps the signed head outside the database too.
//!
//! What is deliberately absent: a way to change or remove an entry, and a way to set the file sink by any API.
//!
//! Invariant: with the database alone, superuser or not, nobody can make, change or remove an entry so that
//! [`Audit::verify`] does not name it. What is not yet chained (a second) can be removed, not made or changed.

mod chain;
mod entry;
mod error;
mod event;
mod heads;
mod keys;
mod lane;
pub mod limits;
mod query;
mod record;
pub mod settings;
mod sink;
pub mod sql;
mod verify;

pub use chain::Sequencer;
pub use entry::{Entry, Fact, Outcome};
pub use error::Error;
pub use event::{Event, Need, Severity};
pub use heads::Head;
pub use keys::{Hash, Keys};
pub use lane::Lane;
pub use query::{Filter, Recorded};
pub use record::{Audit, Parts, Status, Tasks};
pub use settings::SETTINGS;
pub use verify::{Bad, Tampering, Verdict};

/// The schema `audit`. Applied by the administrator of the database, since its tables belong to a role of their own.
pub const MIGRATIONS: &[pg::Migration] = &[pg::Migration {
    owner: "audit",
    version: 1,
    name: "schema",
    sql: include_str!("../migrations/0001_schema.sql"),
}];
