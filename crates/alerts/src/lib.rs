//! Who is told when something happens: rules over the audit log, and the ways that lead to people.
//!
//! The rules read the chain from where they stand, on one node at a time, in one transaction with what they raise: an entry
//! is judged exactly once, whoever stops when. What is raised is told by mail, webhook, chat and the system's log, the
//! first at once, what follows within `alerts.digest` together. What one caller does too much of is no entry of the log;
//! [`activity`] counts that in memory and writes one.
//!
//! Contacts (`contacts.yaml` of the guide) are read here too: they are who is told, and what `security.txt` shows.
//!
//! Invariant: what the probes do, from addresses that nobody else has, is told to their own mailbox and nobody else.

mod activity;
mod contacts;
mod error;
mod keep;
pub mod limits;
mod raise;
mod rules;
pub mod settings;
pub mod sql;
mod tell;

pub use contacts::{Contact, Contacts};
pub use error::Error;
pub use keep::{Alerts, Keeper, Parts, Raised, Silence};
pub use rules::{Action, By, Rule};
pub use settings::SETTINGS;
pub use tell::{CallHook, Hooks, PROBES_MAILBOX, Recipients};

/// Other nodes' slowed callers are told here.
pub const CHANNEL: &str = "palisade_slowed";

/// The schema `alerts`.
pub const MIGRATIONS: &[pg::Migration] = &[pg::Migration {
    owner: "alerts",
    version: 1,
    name: "schema",
    sql: include_str!("../migrations/0001_schema.sql"),
}];

/// This crate's jobs.
pub const JOBS: &[jobs::Definition] = &[jobs::Definition::of::<CallHook>()];
