//! Applying and taking back.

use audit::{Entry, Event};
use serde::{Deserialize, Serialize};
use tokio_postgres::Client;
use tokio_postgres::error::{ErrorPosition, SqlState};

use crate::book::{self, State};
use crate::error::Error;
use crate::files::{self, File, Step};
use crate::{Finding, Migrations, Parts, confined, limits, split, sql};

/// "migrates" in ASCII: one application migration at a time.
const ADVISORY_KEY: i64 = 0x6d69_6772_6174_6573;

/// What is asked for, besides the files.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ask {
    /// The files.
    pub files: Vec<File>,
    /// Up to and with this one; back to, and without, this one.
    pub to: Option<i64>,
    /// Apply those, too, that a later one has overtaken.
    pub out_of_order: bool,
    /// Findings of the linter that are taken on.
    pub allow: Vec<String>,
    /// In a rehearsal: copy the tables without their rows.
    pub schema_only: bool,
}

/// What was done with one migration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Done {
    /// Its number.
    pub version: i64,
    /// Its name.
    pub name: String,
    /// How long it took.
    pub took_ms: u64,
    /// What the linter says of what it brought, without being in its way.
    pub remarks: Vec<String>,
}

impl Migrations {
    /// Applies what is pending and returns it.
    pub async fn up(&self, ask: &Ask) -> Result<Vec<Done>, Error> {
        let steps = files::read(&ask.files)?;
        let client = self.parts.admin.connect().await?;
        take_turn(&client).await?;
        let done = self.up_in_turn(&client, &steps, ask).await;
        give_turn(&client).await?;
        done
    }

    async fn up_in_turn(&self, client: &Client, steps: &[Step], ask: &Ask) -> Result<Vec<Done>, Error> {
        let mut all = Vec::new();
        for step in pending(client, steps, ask).await? {
            let about = format!("migration:{}", step.version);
            self.record(Event::DbMigrationStarted, &about, step).await?;
            match apply(client, &self.parts, step, &ask.allow).await {
                Ok(done) => {
                    self.record(Event::DbMigrated, &about, step).await?;
                    all.push(done);
                }
                Err(error) => {
                    let code = base::Fault::code(&error);
                    let entry = Entry::named("operator", Event::DbMigrationFailed).about(about).failed(code);
                    self.parts.audit.record_alone(entry).await?;
                    return Err(error);
                }
            }
        }
        Ok(all)
    }

    async fn record(&self, event: Event, about: &str, step: &Step) -> Result<(), Error> {
        let entry = Entry::named("operator", event)
            .about(about)
            .detail("name", step.name.as_str())
            .detail("checksum", step.checksum());
        Ok(self.parts.audit.record_alone(entry).await?)
    }

    /// Takes back the last one, or every one after `to`, newest first.
    pub async fn down(&self, ask: &Ask) -> Result<Vec<Done>, Error> {
        let steps = files::read(&ask.files)?;
        let client = self.parts.admin.connect().await?;
        take_turn(&client).await?;
        let done = self.down_in_turn(&client, &steps, ask.to).await;
        give_turn(&client).await?;
        done
    }

    async fn down_in_turn(
        &self,
        client: &Client,
        steps: &[Step],
        to: Option<i64>,
    ) -> Result<Vec<Done>, Error> {
        let book = book::read(client).await?;
        let wanted = |version: &i64| to.is_none_or(|to| *version > to);
        let count = if to.is_some() { usize::MAX } else { 1 };
        let mut ways = Vec::new();
        // All of them are looked for before the first is taken.
        for (version, entry) in book.iter().rev().filter(|(version, _)| wanted(version)).take(count) {
            let file = steps.iter().find(|step| step.version == *version).and_then(|step| step.down.clone());
            let down = file.or_else(|| entry.down.clone()).ok_or(Error::NoWayBack { version: *version })?;
            ways.push((*version, entry.name.clone(), down));
        }
        let mut all = Vec::new();
        for (version, name, down) in ways {
            let about = format!("migration:{version}");
            let entry = Entry::named("operator", Event::DbMigrationReverted).about(about);
            self.parts.audit.record_alone(entry.detail("name", name.as_str())).await?;
            let begun = std::time::Instant::now();
            let file = format!("{version}_{name}.down.sql");
            in_transaction(client, &file, &down, async |client| {
                client.execute(sql::FORGET, &[&version]).await?;
                Ok(())
            })
            .await?;
            all.push(Done { version, name, took_ms: millis(begun), remarks: Vec::new() });
        }
        Ok(all)
    }
}

/// What is to be applied, in order.
async fn pending<'a>(client: &Client, steps: &'a [Step], ask: &Ask) -> Result<Vec<&'a Step>, Error> {
    let lines = book::compare(steps, &book::read(client).await?);
    book::refuse_drift(&lines, ask.out_of_order)?;
    let wanted = |step: &&Step| {
        let state = lines.iter().find(|line| line.version == step.version).map(|line| line.state);
        matches!(state, Some(State::Pending | State::Overtaken)) && ask.to.is_none_or(|to| step.version <= to)
    };
    Ok(steps.iter().filter(wanted).collect())
}

/// Applies one to the database that `client` is in.
pub(crate) async fn apply(
    client: &Client,
    parts: &Parts,
    step: &Step,
    allow: &[String],
) -> Result<Done, Error> {
    let begun = std::time::Instant::now();
    let before = (parts.lint)(client).await?;
    if files::wants_no_transaction(&step.up) {
        without_transaction(client, step).await?;
        client.execute(sql::RECORD, &[&step.version, &step.name, &step.checksum(), &step.down]).await?;
        let remarks = new_findings(&before, (parts.lint)(client).await?);
        let remarks = remarks.into_iter().map(|found| format!("{}: {}", found.id, found.what)).collect();
        return Ok(done(step, begun, remarks));
    }
    let mut remarks = Vec::new();
    in_transaction(client, &step.file, &step.up, async |client| {
        let found = new_findings(&before, (parts.lint)(client).await?);
        remarks = judge(found, allow)?;
        client.execute(sql::RECORD, &[&step.version, &step.name, &step.checksum(), &step.down]).await?;
        Ok(())
    })
    .await?;
    Ok(done(step, begun, remarks))
}

fn done(step: &Step, begun: std::time::Instant, remarks: Vec<String>) -> Done {
    Done { version: step.version, name: step.name.clone(), took_ms: millis(begun), remarks }
}

fn millis(begun: std::time::Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn new_findings(before: &[Finding], after: Vec<Finding>) -> Vec<Finding> {
    after.into_iter().filter(|found| !before.contains(found)).collect()
}

/// What is only remarked upon; refuses what is in the way and not allowed.
fn judge(found: Vec<Finding>, allow: &[String]) -> Result<Vec<String>, Error> {
    let blocks = |found: &&Finding| found.blocks && !allow.iter().any(|id| id == "*" || *id == found.id);
    let line = |found: &Finding| format!("{}: {}", found.id, found.what);
    let mut ids: Vec<String> = found.iter().filter(blocks).map(|found| found.id.clone()).collect();
    ids.sort();
    ids.dedup();
    if ids.is_empty() {
        return Ok(found.iter().map(line).collect());
    }
    Err(Error::Lint { findings: found.iter().filter(blocks).map(line).collect(), ids })
}

/// Runs a file confined to the rights of the owner of the application's tables, and `after` as ourselves; all of it or nothing.
async fn in_transaction(
    client: &Client,
    file: &str,
    text: &str,
    after: impl AsyncFnOnce(&Client) -> Result<(), Error>,
) -> Result<(), Error> {
    client.batch_execute("BEGIN").await?;
    let ran = async {
        confined::run(client, text).await.map_err(|error| refused(file, text, &error, 0, false))?;
        after(client).await
    };
    match ran.await {
        Ok(()) => Ok(client.batch_execute("COMMIT").await?),
        Err(error) => {
            // The connection may be what broke; then there is nothing left to take back.
            let _taken_back = client.batch_execute("ROLLBACK").await;
            Err(error)
        }
    }
}

async fn without_transaction(client: &Client, step: &Step) -> Result<(), Error> {
    for (place, statement) in split::statements(&step.up).iter().enumerate() {
        let refused = |error| refused(&step.file, statement.text, &error, statement.line - 1, place > 0);
        confined::run_alone(client, statement).await.map_err(refused)?;
    }
    Ok(())
}

/// PostgreSQL's refusal, with the line it is about.
fn refused(file: &str, text: &str, error: &tokio_postgres::Error, lines_before: usize, kept: bool) -> Error {
    let Some(said) = error.as_db_error() else {
        return Error::Statement {
            file: file.to_owned(),
            line: lines_before + 1,
            message: error.to_string(),
            detail: None,
            hint: None,
            kept,
        };
    };
    let at = match said.position() {
        Some(ErrorPosition::Original(at)) => usize::try_from(*at).unwrap_or(0),
        // Of the file, and not of a function that it calls.
        Some(ErrorPosition::Internal { position, query }) if query == text => {
            usize::try_from(*position).unwrap_or(0)
        }
        Some(ErrorPosition::Internal { .. }) | None => 0,
    };
    let line = text.chars().take(at.saturating_sub(1)).filter(|c| *c == '\n').count() + 1;
    let lock = said.code() == &SqlState::LOCK_NOT_AVAILABLE;
    let patience = format!(
        "A request holds the table; it was waited for {} s. Try again",
        limits::LOCK_WAIT_MS.value / 1000
    );
    Error::Statement {
        file: file.to_owned(),
        line: line + lines_before,
        message: said.message().to_owned(),
        detail: said.detail().map(str::to_owned),
        hint: if lock { Some(patience) } else { said.hint().map(str::to_owned) },
        kept,
    }
}

async fn take_turn(client: &Client) -> Result<(), Error> {
    client.batch_execute(&format!("SET lock_timeout = {}", limits::TURN_WAIT_MS.value)).await?;
    match client.execute(sql::TAKE_TURN, &[&ADVISORY_KEY]).await {
        Ok(_) => Ok(client.batch_execute("RESET lock_timeout").await?),
        Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => Err(Error::Turn),
        Err(error) => Err(error.into()),
    }
}

async fn give_turn(client: &Client) -> Result<(), Error> {
    client.execute(sql::GIVE_TURN, &[&ADVISORY_KEY]).await?;
    Ok(())
}

/// Takes one back on a copy, by its file.
pub(crate) async fn take_back(client: &Client, step: &Step) -> Result<Done, Error> {
    let begun = std::time::Instant::now();
    let down = step.down.as_ref().ok_or(Error::NoWayBack { version: step.version })?;
    in_transaction(client, &format!("{}_{}.down.sql", step.version, step.name), down, async |client| {
        client.execute(sql::FORGET, &[&step.version]).await?;
        Ok(())
    })
    .await?;
    Ok(done(step, begun, Vec::new()))
}
