//! Everything an application consists of, object by object, as the catalog tells it.

use std::collections::BTreeMap;

use tokio_postgres::Client;

use crate::error::Error;
use crate::sql;

/// One object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) place: usize,
    pub(crate) rank: i32,
    pub(crate) compared: String,
    pub(crate) made: String,
    pub(crate) changed: Option<String>,
    pub(crate) removed: String,
}

/// All of them, by kind and name.
pub(crate) type Snapshot = BTreeMap<(String, String), Object>;

/// Looks at the database that `client` is in. The search path is emptied for it, so that every name says its schema.
pub(crate) async fn take(client: &Client) -> Result<Snapshot, Error> {
    client.batch_execute("SET search_path = pg_catalog").await?;
    let rows = client.query(sql::SNAPSHOT, &[]).await;
    client.batch_execute("RESET search_path").await?;
    let mut snapshot = Snapshot::new();
    for (place, row) in rows?.iter().enumerate() {
        let (kind, name): (String, String) = (row.try_get(1)?, row.try_get(2)?);
        // What a probe of a control made is gone in a moment: nobody writes it down.
        if pg::names_a_probe(&name) {
            continue;
        }
        let object = Object {
            place,
            rank: row.try_get(0)?,
            compared: row.try_get(3)?,
            made: row.try_get(4)?,
            changed: row.try_get(5)?,
            removed: row.try_get(6)?,
        };
        snapshot.insert((kind, name), object);
    }
    Ok(snapshot)
}
