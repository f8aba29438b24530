//! Keys that open nothing: left where somebody who should not be there would find one, and told of when they try it.
//!
//! In [`Auth::list_api_keys`] they are keys like any other. Whoever shows one gets the answer of a revoked key.

use jiff::Timestamp;
use pg::{Param, Reason, Reply};
use seal::sha256;

use crate::events::{self, Happening};
use crate::keys::{KeyKind, text_from};
use crate::new_key::{MadeKey, NewKey};
use crate::{Auth, Error, Visit, sql};

/// A bait as its maker may see it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Bait {
    /// Its id, as the audit log names it.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Auth {
    /// Makes one. Its id and its look are a secret key's.
    pub async fn make_bait(&self, name: &str, visit: &Visit) -> Result<Reply<MadeKey>, Error> {
        self.require_admin_step_up(visit)?;
        NewKey { name: name.to_owned(), ..NewKey::default() }.check(&[])?;
        let id = format!("{name}_{}", hex::encode(self.0.rng.bytes::<4>()));
        let text = text_from(KeyKind::Secret, &self.0.rng.bytes());
        let mut tx = self.0.pg.begin_system(Reason::Keys).await?;
        let row = [
            id.as_str().into(),
            KeyKind::Secret.name().into(),
            name.into(),
            sha256(text.expose().as_bytes()).into(),
            Vec::<String>::new().into(),
            self.0.clock.now().into(),
            Param::NULL,
        ];
        tx.execute(sql::INSERT_API_KEY, row).await?;
        tx.execute(sql::BAIT_API_KEY, [id.as_str().into()]).await?;
        events::record(&mut tx, self, visit, Happening::BaitMade { id: &id }).await?;
        Ok(self.commit_keys(tx).await?.map(|()| MadeKey { id, text }))
    }

    /// Every one, oldest first.
    pub async fn list_baits(&self) -> Result<Vec<Bait>, Error> {
        let mut tx = self.0.pg.begin_system(Reason::Keys).await?;
        let rows = tx.query(sql::LIST_BAITS, []).await?;
        let read = |row: pg::Row<'_>| -> Result<Bait, pg::Error> {
            Ok(Bait { id: row.get("id")?, name: row.get("name")?, created_at: row.get("created_at")? })
        };
        let baits = rows.iter().map(read).collect::<Result<_, _>>()?;
        tx.commit(()).await?.into_inner();
        Ok(baits)
    }

    /// Takes one away; `None` when there is none of that id.
    pub async fn remove_bait(&self, id: &str, visit: &Visit) -> Result<Option<Reply<()>>, Error> {
        self.require_admin_step_up(visit)?;
        let mut tx = self.0.pg.begin_system(Reason::Keys).await?;
        if tx.execute(sql::DROP_BAIT, [id.into()]).await? == 0 {
            tx.roll_back().await?;
            return Ok(None);
        }
        events::record(&mut tx, self, visit, Happening::BaitRemoved { id }).await?;
        self.commit_keys(tx).await.map(Some)
    }
}
