//! The API keys as an operator may see them: names, kinds, states; never a key.

use jiff::Timestamp;
use pg::{Reason, Reply};

use crate::{Auth, Error, sql};

/// One API key.
#[derive(Clone, Debug, serde::Serialize)]
pub struct KeyInfo {
    /// Its id, as logs and the audit name it.
    pub id: String,
    /// `publishable` or `secret`.
    pub kind: String,
    /// What it is called.
    pub name: String,
    /// What it may be used for; empty for everything.
    pub scope: String,
    /// Where it may be used from; empty for everywhere.
    pub addresses: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends, if it does.
    pub expires_at: Option<Timestamp>,
    /// Whether it opens anything now.
    pub live: bool,
}

impl Auth {
    /// Every key ever made, oldest first.
    pub async fn list_api_keys(&self) -> Result<Reply<Vec<KeyInfo>>, Error> {
        let mut tx = self.0.pg.begin_system(Reason::Keys).await?;
        let rows = tx.query(sql::LIST_API_KEYS, [self.0.clock.now().into()]).await?;
        let read = |row: pg::Row<'_>| -> Result<KeyInfo, pg::Error> {
            Ok(KeyInfo {
                id: row.get("id")?,
                kind: row.get("kind")?,
                name: row.get("name")?,
                scope: row.get("scope")?,
                addresses: row.get("addresses")?,
                created_at: row.get("created_at")?,
                expires_at: row.get("expires_at")?,
                live: row.get("live")?,
            })
        };
        let keys = rows.iter().map(read).collect::<Result<_, _>>()?;
        Ok(tx.commit(keys).await?)
    }
}
