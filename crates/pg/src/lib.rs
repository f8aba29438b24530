//! The only door to PostgreSQL.
//!
//! User data is reached as a [`base::Caller`]: [`Pg::once`] for one statement (settings, statement and commit in one
//! buffer with one Sync), [`Pg::begin`] for several. Our own tables are reached through [`Pg::begin_system`], whose
//! [`Reason`] is one enum: the whole privileged surface on one page. A [`Reply`] can be made only by a commit.
//!
//! What is deliberately absent: a way to run SQL as nobody in particular, and a pool that hands out bare connections.

pub mod error;
pub mod reply;
pub mod rows;
pub mod statement;
pub mod system;
pub mod tx;

pub use error::{DbError, Error};
pub use reply::Reply;
pub use rows::{Column, FromText, Row, Rows};
pub use statement::{Lane, Mode, Once, Param, Setup, Statement};
pub use system::Reason;
pub use tx::{Open, SystemTx, Tx};

use base::Caller;

/// A handle to one database. Cheap to clone.
#[derive(Clone)]
pub struct Pg {}

impl Pg {
    /// Runs one statement as `caller` in a transaction of its own: one network round trip, one Sync.
    ///
    /// Everything it sets ends with the transaction. Cancelled, the statement may still have run; the connection is
    /// finished by its own task and never left in mid-protocol.
    pub async fn once(&self, caller: &Caller, ask: Once) -> Result<Reply<Rows>, Error> {
        let _ = (caller, ask);
        todo!()
    }

    /// Begins a transaction as `caller`. The role and claims travel with the first statement.
    pub async fn begin(&self, caller: &Caller, mode: Mode, setup: Setup) -> Result<Tx, Error> {
        let _ = (caller, mode, setup);
        todo!()
    }

    /// Begins a transaction on our own tables, for one named reason.
    pub async fn begin_system(&self, reason: Reason) -> Result<SystemTx, Error> {
        let _ = reason;
        todo!()
    }
}

/// One step of a schema we own. Applied once, in order, in its own transaction, and remembered with its checksum.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// The crate, and the schema of the same name.
    pub owner: &'static str,
    /// 1, 2, 3… within the owner.
    pub version: u32,
    /// What it does, in a word or two.
    pub name: &'static str,
    /// The SQL.
    pub sql: &'static str,
}
