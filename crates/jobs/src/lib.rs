//! Everything that happens later.
//!
//! *Something happened, do this once* is a [`Job`]: its arguments are enqueued in the transaction that wants it, so a
//! rolled-back request has done nothing anywhere. *The world should look like this* is a [`Reconciler`]: no input,
//! on a timer and on a signal.
//!
//! Invariant: a job of a committed transaction runs to its end at least once or lies with the dead letters, and never
//! twice at the same time. So a job must have the same result when it runs twice.

mod error;
mod job;
pub mod limits;
mod mailing;
mod queue;
mod reconciler;
pub mod settings;
pub mod sql;
mod worker;

pub use error::Error;
pub use job::{Attempt, Definition, Job, Trouble, Urgency};
pub use mailing::{DeliverMail, ForgetMail};
pub use queue::{CHANNEL, Counts, Dead, ForgetDead, Jobs, Waiting};
pub use reconciler::{Kept, Reconciler, Reconcilers, Report, Signal};
pub use settings::SETTINGS;
pub use worker::{Registry, Worker};

/// The schema `jobs`.
pub const MIGRATIONS: &[pg::Migration] = &[
    pg::Migration {
        owner: "jobs",
        version: 1,
        name: "schema",
        sql: include_str!("../migrations/0001_schema.sql"),
    },
    pg::Migration {
        owner: "jobs",
        version: 2,
        name: "urgency",
        sql: include_str!("../migrations/0002_urgency.sql"),
    },
];

/// This crate's jobs.
pub const JOBS: &[Definition] = &[Definition::of::<DeliverMail>()];

/// This crate's reconcilers.
pub const RECONCILERS: &[Kept] = &[Kept::of::<ForgetMail>(), Kept::of::<ForgetDead>()];
