//! Posture: the 150 controls, a probe for each that is built, the evidence they leave, and the report.
//!
//! A control is proven only because a probe saw its effect on the running instance, from outside: over HTTP from an
//! address of its own, over SQL, in files and processes. A probe never reads the setting it proves, nor a hook made
//! for it (law 4 of the controls), and what it does happens in a tenant that can ban, lock or alert nobody.
//!
//! Invariant: `needs you` and `not applicable` are possible only for the controls that [`excused`] lists, each with its
//! reason, and never count as proven.

pub mod controls;
pub mod excused;
pub mod state;

pub mod bench;
pub mod limits;
pub mod minors;
pub mod probes;
pub mod run;

mod error;
pub mod guides;
pub mod report;
pub mod sql;

pub use bench::{Bench, Encryption, Place, Seat};
pub use controls::{Control, Group};
pub use error::Error;
pub use run::{Keys, Posture, Proof};
pub use state::{Finding, State};

/// The schema `posture`: what the probes saw.
pub const MIGRATIONS: &[pg::Migration] = &[pg::Migration {
    owner: "posture",
    version: 1,
    name: "evidence",
    sql: include_str!("../migrations/0001_evidence.sql"),
}];
