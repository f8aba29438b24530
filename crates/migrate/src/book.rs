//! What has been applied, beside what the files say.

use std::collections::BTreeMap;

use serde::Serialize;
use tokio_postgres::Client;

use crate::error::Error;
use crate::files::{self, File, Step};
use crate::{Migrations, sql};

/// How a migration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Applied, and the file is as it was then.
    Applied,
    /// Still to be applied.
    Pending,
    /// Still to be applied, though a later one has been.
    Overtaken,
    /// Applied, and edited since.
    Edited,
    /// Applied, and its file is gone.
    FileGone,
}

/// One migration in a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Its number.
    pub version: i64,
    /// Its name.
    pub name: String,
    /// How it stands.
    pub state: State,
    /// When it was applied.
    pub applied_at: Option<String>,
    /// Whether there is a way back.
    pub reversible: bool,
}

/// What the database remembers of one.
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) checksum: String,
    pub(crate) down: Option<String>,
    pub(crate) applied_at: String,
}

pub(crate) type Book = BTreeMap<i64, Entry>;

pub(crate) async fn read(client: &Client) -> Result<Book, Error> {
    let mut book = Book::new();
    for row in client.query(sql::APPLIED, &[]).await? {
        let entry = Entry {
            name: row.try_get(1)?,
            checksum: row.try_get(2)?,
            down: row.try_get(3)?,
            applied_at: row.try_get(4)?,
        };
        book.insert(row.try_get(0)?, entry);
    }
    Ok(book)
}

/// Both together, in the order of their numbers.
pub(crate) fn compare(steps: &[Step], book: &Book) -> Vec<Line> {
    let newest = book.keys().next_back().copied().unwrap_or(0);
    let mut lines: BTreeMap<i64, Line> = BTreeMap::new();
    for step in steps {
        let entry = book.get(&step.version);
        let state = match entry {
            Some(entry) if entry.checksum == step.checksum() => State::Applied,
            Some(_) => State::Edited,
            None if step.version < newest => State::Overtaken,
            None => State::Pending,
        };
        let line = Line {
            version: step.version,
            name: step.name.clone(),
            state,
            applied_at: entry.map(|entry| entry.applied_at.clone()),
            reversible: step.down.is_some() || entry.is_some_and(|entry| entry.down.is_some()),
        };
        lines.insert(step.version, line);
    }
    for (version, entry) in book {
        lines.entry(*version).or_insert_with(|| Line {
            version: *version,
            name: entry.name.clone(),
            state: State::FileGone,
            applied_at: Some(entry.applied_at.clone()),
            reversible: entry.down.is_some(),
        });
    }
    lines.into_values().collect()
}

/// Refuses to go on where nobody knows what the tables are.
pub(crate) fn refuse_drift(lines: &[Line], out_of_order: bool) -> Result<(), Error> {
    let complaint = |line: &Line| {
        let (version, name) = (line.version, &line.name);
        match line.state {
            State::Edited => Some(format!(
                "  {version}_{name} was edited after it had been applied: put it back as it was, and write a new migration"
            )),
            State::FileGone => Some(format!(
                "  {version}_{name} has been applied and its file is gone: bring it back, or take it back with `palisade migrate down`"
            )),
            State::Overtaken if !out_of_order => Some(format!(
                "  {version}_{name} comes before one that has been applied: give it a new number, or apply it with --out-of-order"
            )),
            State::Overtaken | State::Applied | State::Pending => None,
        }
    };
    let complaints: Vec<String> = lines.iter().filter_map(complaint).collect();
    if complaints.is_empty() { Ok(()) } else { Err(Error::Drift { complaints }) }
}

impl Migrations {
    /// How each migration stands.
    pub async fn status(&self, files: &[File]) -> Result<Vec<Line>, Error> {
        let steps = files::read(files)?;
        let client = self.parts.admin.connect().await?;
        Ok(compare(&steps, &read(&client).await?))
    }
}
