//! Secret keys that live for one round of probes: an id, and so a budget, of their own, gone when the round is over.
//!
//! The operator's own key must not be slowed down by what looks after it.

use audit::{Entry, Event};
use base::Secret;
use jiff::SignedDuration;
use pg::Reason;
use seal::sha256;

use crate::keys::{KeyKind, text_from};
use crate::{Auth, Error, sql};

/// A round that is killed leaves its key behind; this ends it.
const LIVES_MINUTES: i64 = 30;
/// What ids of lent keys begin with.
const PREFIX: &str = "probe_";

fn entry(event: Event, id: &str) -> Entry {
    Entry::system(event).about(format!("key:{id}")).because("one round of probes")
}

impl Auth {
    /// Makes one, and removes those that earlier rounds left behind. Gives its id and its text.
    pub async fn lend_key(&self) -> Result<(String, Secret), Error> {
        let now = self.0.clock.now();
        let until = now.checked_add(SignedDuration::from_mins(LIVES_MINUTES)).unwrap_or(now);
        let id = format!("{PREFIX}{}", hex::encode(self.0.rng.bytes::<8>()));
        let text = text_from(KeyKind::Secret, &self.0.rng.bytes());
        let hash = sha256(text.expose().as_bytes());
        let mut tx = self.0.pg.begin_system(Reason::Posture).await?;
        tx.execute(sql::DROP_LENT_KEYS, [now.into()]).await?;
        let scope: Vec<String> = Vec::new();
        let row = [
            id.as_str().into(),
            KeyKind::Secret.name().into(),
            "one round of probes".into(),
            hash.into(),
            scope.into(),
            now.into(),
            until.into(),
        ];
        tx.execute(sql::INSERT_API_KEY, row).await?;
        self.0.audit.record(&mut tx, entry(Event::KeyCreated, &id)).await?;
        self.commit_keys(tx).await?.into_inner();
        Ok((id, text))
    }

    /// Ends one.
    pub async fn take_back_key(&self, id: &str) -> Result<(), Error> {
        let mut tx = self.0.pg.begin_system(Reason::Posture).await?;
        tx.execute(sql::DROP_LENT_KEY, [id.into()]).await?;
        self.0.audit.record(&mut tx, entry(Event::KeyRevoked, id)).await?;
        self.commit_keys(tx).await?.into_inner();
        Ok(())
    }
}
