//! What a caller may do in a private channel: decided by PostgreSQL, as the caller.

use base::Fault as _;
use base::{Caller, Kind};
use pg::{Mode, Pg, Setup};

use crate::{Error, sql};

/// What somebody may do in a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// Hear what is said.
    pub hears: bool,
    /// See who is there.
    pub sees: bool,
    /// Say something.
    pub speaks: bool,
    /// Be shown to be there.
    pub appears: bool,
}

impl Rights {
    /// Everything.
    pub const ALL: Rights = Rights { hears: true, sees: true, speaks: true, appears: true };
    /// Nothing.
    pub const NONE: Rights = Rights { hears: false, sees: false, speaks: false, appears: false };
}

/// Tries all of it, in one transaction that is rolled back.
pub(crate) async fn tried(pg: &Pg, caller: &Caller, topic: &str) -> Result<Rights, Error> {
    // A key that may only read is tried like any other, since nothing of it stays; what it may not do is taken away below.
    let trying = Caller { read_only: false, ..caller.clone() };
    let mut tx = pg.begin(&trying, Mode::Write, Setup::default()).await.map_err(Error::Database)?;
    let rows = tx.query(sql::RIGHTS, [topic.into()]).await.map_err(failed)?;
    let row = rows.first();
    let is = |name| row.map_or(Ok(false), |row| row.get::<bool>(name)).map_err(Error::Database);
    let tried =
        Rights { hears: is("hears")?, sees: is("sees")?, speaks: is("speaks")?, appears: is("appears")? };
    tx.roll_back().await.map_err(Error::Database)?;
    let writes = !caller.read_only;
    Ok(Rights { speaks: tried.speaks && writes, appears: tried.appears && writes, ..tried })
}

/// A policy that fails lets nobody in; a database that cannot be asked is another thing.
fn failed(error: pg::Error) -> Error {
    match error.kind() {
        Kind::Unavailable | Kind::Timeout | Kind::Bug if error.database().is_none() => Error::Database(error),
        _ => Error::Policy(error),
    }
}
