//! The program's log in files, and everything that is logged sent elsewhere.
//!
//! `combined.log` has every line, `error.log` its errors (control 100). Both kinds of logs, lines and entries of the audit log, go to
//! a syslog receiver, an OpenTelemetry collector and an S3 store, where one is set (control 99).
//!
//! What deliberately is not here: what a line says (the program's own logging does that), and a queue: what waits to be sent
//! waits in the files and in the chain.
//!
//! Invariant: a stream's files hold whole lines in the order they were written, are its owner's only, and never take
//! more room than they were given.

mod error;
mod files;
pub mod limits;
mod otlp;
mod record;
mod s3;
pub mod settings;
mod ship;
pub mod sql;
mod streams;
mod syslog;

pub use error::Error;
pub use files::{Chunk, Place, Stream, read_after};
pub use settings::SETTINGS;
pub use ship::{PROBES_SOCKET, Parts, Shipping};
pub use streams::Streams;

/// Every line.
pub const COMBINED: &str = "combined";
/// Lines of level error.
pub const ERROR: &str = "error";

/// The schema `logs`.
pub const MIGRATIONS: &[pg::Migration] = &[pg::Migration {
    owner: "logs",
    version: 1,
    name: "schema",
    sql: include_str!("../migrations/0001_schema.sql"),
}];

/// What this machine calls itself, for those who receive from several; nothing where Linux does not say.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}
