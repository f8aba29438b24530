//! Statements that our own PostgreSQL reports, into the audit log (control 56): of whoever comes with SQL themselves,
//! an administrator with psql or a login that was lent. What callers do is recorded where they are answered.
//!
//! A statement has run when it is heard of, so its entry may be late and never stops it. What could not be kept is
//! counted, and that is an entry of its own.

use std::sync::Arc;
use std::time::Duration;

use audit::{Audit, Entry, Event};
use base::Settings;
use pg::managed::{Class, Ran};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio_util::sync::CancellationToken;

use crate::settings;

/// How many are written together.
const BATCH: usize = 256;
/// Before what could not be written is tried again.
const PAUSE: Duration = Duration::from_millis(500);

/// The classes that are recorded.
pub fn classes(settings: &Settings) -> Vec<Class> {
    settings.get(&settings::AUDIT_STATEMENTS).iter().filter_map(|name| Class::named(name)).collect()
}

/// What a server reports.
pub struct Statements {
    heard: broadcast::Receiver<Arc<Ran>>,
    only: Option<String>,
}

impl Statements {
    /// Of every database of the server.
    pub fn of_all(heard: broadcast::Receiver<Arc<Ran>>) -> Self {
        Statements { heard, only: None }
    }

    /// Of one database of a server that others use too.
    pub fn of(heard: broadcast::Receiver<Arc<Ran>>, database: &str) -> Self {
        Statements { heard, only: Some(database.to_owned()) }
    }

    /// Records them until `stop`, then what is there already.
    pub async fn record(mut self, audit: Audit, stop: CancellationToken) {
        let (mut entries, mut lost) = (Vec::new(), 0);
        loop {
            match stop.run_until_cancelled(self.heard.recv()).await {
                Some(Ok(ran)) => self.keep(&ran, &mut entries),
                Some(Err(RecvError::Lagged(missed))) => lost += missed,
                Some(Err(RecvError::Closed)) | None => return self.record_rest(&audit, entries, lost).await,
            }
            self.take_more(&mut entries, &mut lost);
            while let Err(error) = write(&audit, &mut entries, &mut lost).await {
                // The server may be starting again; what comes meanwhile waits in the channel.
                tracing::warn!(error = %base::fault::chain(&error), "statements wait to be recorded");
                if stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_none() {
                    break;
                }
            }
        }
    }

    /// What is there already, a batch after the other.
    async fn record_rest(&mut self, audit: &Audit, mut entries: Vec<Entry>, mut lost: u64) {
        loop {
            self.take_more(&mut entries, &mut lost);
            if entries.is_empty() && lost == 0 {
                return;
            }
            if let Err(error) = write(audit, &mut entries, &mut lost).await {
                let waiting = self.heard.len();
                tracing::error!(error = %base::fault::chain(&error), waiting, "statements were not recorded");
                return;
            }
        }
    }

    fn take_more(&mut self, entries: &mut Vec<Entry>, lost: &mut u64) {
        while entries.len() < BATCH {
            match self.heard.try_recv() {
                Ok(ran) => self.keep(&ran, entries),
                Err(TryRecvError::Lagged(missed)) => *lost += missed,
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    fn keep(&self, ran: &Ran, entries: &mut Vec<Entry>) {
        if self.only.as_ref().is_none_or(|only| *only == ran.database) {
            entries.push(entry(ran));
        }
    }
}

async fn write(audit: &Audit, entries: &mut Vec<Entry>, lost: &mut u64) -> Result<(), audit::Error> {
    if *lost > 0 {
        entries.push(
            Entry::system(Event::DbStatementsLost).detail("count", i64::try_from(*lost).unwrap_or(i64::MAX)),
        );
        *lost = 0;
    }
    if !entries.is_empty() {
        audit.record_many(entries).await?;
        entries.clear();
    }
    Ok(())
}

fn entry(ran: &Ran) -> Entry {
    let entry = Entry::named(format!("database:{}", ran.user), Event::DbStatement)
        .detail("class", ran.class.name())
        .detail("command", ran.command.as_str())
        .detail("statement", ran.text.as_str())
        .detail("database", ran.database.as_str())
        .detail("from", ran.host.as_str())
        .detail("seen_by", ran.witness.name())
        .from_address(ran.host.parse().ok());
    match &ran.object {
        Some(object) => entry.about(format!("object:{object}")),
        None => entry,
    }
}
