//! The application's own migrations: plain SQL files, applied once, in order, each in a transaction of its own.
//!
//! They run as `palisade_owner`, who owns every table of the application and never answers a request. What was applied
//! is remembered with a checksum and its way back. A change can be rehearsed on a copy first, and what somebody changed
//! by hand is found by comparing the database with one made from the files alone.
//!
//! Invariant: a file is applied wholly and remembered, or nothing of it happened; the one exception asks for it by name
//! (`-- palisade: no transaction`).

mod apply;
mod book;
mod confined;
mod copy;
mod diff;
mod error;
mod files;
pub mod limits;
mod restore;
mod snapshot;
mod split;
pub mod sql;
mod trial;

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use audit::Audit;
use base::Rng;
use pg::admin::Target;
use pg::bootstrap::Wanted;
use tokio::sync::Semaphore;

pub use apply::{Ask, Done};
pub use book::{Line, State};
pub use copy::Rehearsal;
pub use diff::Difference;
pub use error::Error;
pub use files::File;

/// Schema `migrate`.
pub const MIGRATIONS: &[pg::Migration] = &[pg::Migration {
    owner: "migrate",
    version: 1,
    name: "applied",
    sql: include_str!("../migrations/0001_applied.sql"),
}];

/// What the linter holds against a schema.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The rule's id.
    pub id: String,
    /// Which object, and what is wrong with it.
    pub what: String,
    /// Whether a migration that brings it is refused.
    pub blocks: bool,
}

/// Lints the database that a connection is in, uncommitted changes and all.
pub type Lint = Arc<
    dyn for<'a> Fn(
            &'a tokio_postgres::Client,
        ) -> Pin<Box<dyn Future<Output = Result<Vec<Finding>, pg::Error>> + Send + 'a>>
        + Send
        + Sync,
>;

/// What migrating works with.
pub struct Parts {
    /// The administrator's way into the database.
    pub admin: Target,
    /// Where it is recorded.
    pub audit: Audit,
    /// Our own schemas, for a database made from nothing.
    pub ours: Vec<pg::Migration>,
    /// How such a database is prepared.
    pub wanted: Wanted,
    /// Where `pg_dump` and `pg_restore` are, if that is known.
    pub programs: Option<PathBuf>,
    /// The linter.
    pub lint: Lint,
    /// Names for copies.
    pub rng: Rng,
}

/// The migrations of one database. Cheap to clone.
#[derive(Clone)]
pub struct Migrations {
    parts: Arc<Parts>,
    /// Room for copies.
    room: Arc<Semaphore>,
}

impl Migrations {
    /// Nothing is looked at before something is asked.
    pub fn new(parts: Parts) -> Self {
        Migrations { parts: Arc::new(parts), room: Arc::new(Semaphore::new(limits::COPIES_MAX.size())) }
    }
}
