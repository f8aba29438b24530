//! What operators ask of the log: who did what to whom, and when.

use jiff::Timestamp;
use pg::{Param, Reason, Row, Rows, Statement};

use crate::keys::{Hash, read_hash};
use crate::record::Audit;
use crate::{Error, limits, sql};

/// Which entries. Everything left out matches.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// An event's name, or its group: `auth.login`, `auth`.
    pub event: Option<String>,
    /// Who did it: `user:…`, `key:…`, `operator`, `system`.
    pub actor: Option<String>,
    /// To whom or what.
    pub subject: Option<String>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
}

/// A chained entry.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Its place.
    pub seq: i64,
    /// When it got it.
    pub chained_at: Timestamp,
    /// The chain up to it.
    pub hash: Hash,
    /// The entry itself: one JSON object.
    pub body: String,
}

impl Recorded {
    pub(crate) fn read(row: Row<'_>) -> Result<Self, pg::Error> {
        let hash: Vec<u8> = row.get("hash")?;
        let hash =
            read_hash(&hash).ok_or(pg::Error::Shape { column: "hash".to_owned(), expected: "hash" })?;
        Ok(Recorded {
            seq: row.get("seq")?,
            chained_at: row.get("chained_at")?,
            hash,
            body: row.get("body")?,
        })
    }

    /// As one line of JSON: its place, then the entry's own members.
    pub fn line(&self) -> String {
        let rest = self.body.strip_prefix('{').unwrap_or("}");
        format!(
            r#"{{"seq":{},"chained_at":"{}","hash":"{}",{rest}"#,
            self.seq,
            self.chained_at,
            hex::encode(self.hash)
        )
    }
}

impl Audit {
    /// A page of entries, newest first: at most `limit` of those before `before`.
    pub async fn find(
        &self,
        filter: &Filter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Recorded>, Error> {
        let limit = u64::from(limit).min(limits::PAGE.value);
        let rows = self.ask(sql::FIND, filter, before.into(), limit).await?;
        Ok(rows.iter().map(Recorded::read).collect::<Result<_, _>>()?)
    }

    /// A stretch of entries after `after`, oldest first. Call again with the last one's place until none comes.
    pub async fn export(&self, filter: &Filter, after: i64) -> Result<Vec<Recorded>, Error> {
        let rows = self.ask(sql::EXPORT, filter, after.into(), limits::READ_CHUNK.value).await?;
        Ok(rows.iter().map(Recorded::read).collect::<Result<_, _>>()?)
    }

    async fn ask(&self, sql: &str, filter: &Filter, place: Param, limit: u64) -> Result<Rows, Error> {
        let Filter { event, actor, subject, from, to } = filter.clone();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let params =
            [event.into(), actor.into(), subject.into(), from.into(), to.into(), place, limit.into()];
        let mut tx = self.0.pg.begin_system(Reason::AuditRead).await?;
        let rows = tx.run(Statement::rare(sql, params)).await?;
        tx.roll_back().await?;
        Ok(rows)
    }
}
