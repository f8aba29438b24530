//! The pipe from an ask to rows: [`ask`] (what was asked) → plan → SQL → run. Knows neither HTTP nor any dialect.
//!
//! Invariant: everything before the run is pure, and only the run touches the database, as the caller.

pub mod ask;
pub mod catalog;
pub mod clean;
mod encode;
pub mod error;
pub mod fields;
pub mod gate;
pub mod graph;
mod held;
pub mod javascript;
pub mod limits;
pub mod permitted;
mod pipe;
pub mod plan;
pub mod query;
pub mod repeat;
mod run;
pub mod settings;
pub mod sql;
pub mod stored;
pub mod typings;

pub use catalog::Scope;
pub use error::{Called, Candidate, Error};
pub use pipe::{Data, OnBait, Prepared};
pub use repeat::ForgetAnswers;
pub use run::{Begun, Stream};
pub use settings::SETTINGS;

/// The schema `idempotency`: answers to writes that may come again.
pub const MIGRATIONS: &[pg::Migration] = &[
    pg::Migration {
        owner: "data",
        version: 1,
        name: "idempotency",
        sql: include_str!("../migrations/0001_idempotency.sql"),
    },
    pg::Migration {
        owner: "data",
        version: 2,
        name: "callers",
        sql: include_str!("../migrations/0002_callers.sql"),
    },
    pg::Migration {
        owner: "data",
        version: 3,
        name: "names",
        sql: include_str!("../migrations/0003_names.sql"),
    },
    pg::Migration {
        owner: "data",
        version: 4,
        name: "rules",
        sql: include_str!("../migrations/0004_rules.sql"),
    },
    pg::Migration {
        owner: "data",
        version: 5,
        name: "bodies",
        sql: include_str!("../migrations/0005_bodies.sql"),
    },
    pg::Migration {
        owner: "data",
        version: 6,
        name: "members",
        sql: include_str!("../migrations/0006_members.sql"),
    },
];

/// This crate's reconcilers.
pub const RECONCILERS: &[jobs::Kept] = &[jobs::Kept::of::<ForgetAnswers>()];
