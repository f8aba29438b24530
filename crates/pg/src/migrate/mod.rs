//! Applies the migrations of our own schemas: once, in order, each in a transaction of its own, under one lock.
//!
//! They run as `palisade_system`, so that it owns what they make, and those of the audit log as `palisade_audit`, whom
//! nobody else can become, and those of channels as `palisade_owner`, whose migrations write policies there: nothing of it is read or
//! called as anybody but a caller. No migration has an administrator's rights. What was
//! applied is remembered with a checksum: an edited migration, and a database that a newer Palisade has been at, stop
//! the start, because nobody knows what the tables are then.
//!
//! Invariant: up from empty equals up from each earlier version. [`schema_fingerprint`] is how a test sees it.

pub mod sql;

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::{Client, error::SqlState};

use crate::admin::quote_name;
use crate::bootstrap::{AUDITOR, OWNER, SYSTEM};
use crate::{Error, Migration, SetupError, limits};

/// "migrate!" in ASCII: one node at a time.
const ADVISORY_KEY: i64 = 0x6d69_6772_6174_6521;

/// Applies what is missing and returns it. `client` is the administrator's, in the database itself.
pub async fn run(client: &mut Client, migrations: &[Migration]) -> Result<Vec<Migration>, Error> {
    check_list(migrations)?;
    take_lock(client).await?;
    let applied = run_locked(client, migrations).await;
    // On a broken connection the lock went with it, and `applied` tells why.
    let unlocked = client.execute("SELECT pg_advisory_unlock($1)", &[&ADVISORY_KEY]).await;
    let applied = applied?;
    unlocked?;
    Ok(applied)
}

async fn take_lock(client: &Client) -> Result<(), Error> {
    let bound = limits::MIGRATION_LOCK_MS_MAX.value;
    client.batch_execute(&format!("SET statement_timeout = 0; SET lock_timeout = {bound}")).await?;
    match client.execute("SELECT pg_advisory_lock($1)", &[&ADVISORY_KEY]).await {
        Ok(_) => Ok(()),
        Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => Err(SetupError::new(
            "pg.migrate.locked",
            "The database was not migrated",
            format!("another node has been migrating it for {bound} ms"),
            "Look at that node, then start this one again",
        )
        .into()),
        Err(error) => Err(error.into()),
    }
}

async fn run_locked(client: &mut Client, migrations: &[Migration]) -> Result<Vec<Migration>, Error> {
    let system = quote_name(SYSTEM);
    client.batch_execute(&format!("SET ROLE {system}; {}; RESET ROLE", sql::BOOK)).await?;
    let book = read_book(client).await?;
    let missing = compare(migrations, &book)?;
    for migration in &missing {
        let transaction = client.transaction().await?;
        transaction.batch_execute(&format!("SET LOCAL ROLE {}", quote_name(role_of(migration)))).await?;
        transaction.batch_execute(migration.sql).await.map_err(|error| failed(migration, error))?;
        // A migration may have set a role or a path of its own.
        transaction.batch_execute(&format!("SET LOCAL ROLE {system}; RESET search_path")).await?;
        let version = version_number(migration)?;
        let row: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
            [&migration.owner, &version, &migration.name, &checksum(migration)];
        transaction.execute(sql::RECORD, &row).await?;
        transaction.commit().await?;
        // Of an empty database the sum says enough; what an upgrade changes is told one by one.
        if !book.is_empty() {
            tracing::info!(owner = migration.owner, version, name = migration.name, "migrated");
        }
    }
    if book.is_empty() {
        tracing::info!(migrations = missing.len(), "schemas made");
    }
    Ok(missing)
}

fn role_of(migration: &Migration) -> &'static str {
    match migration.owner {
        "audit" => AUDITOR,
        "realtime" => OWNER,
        _ => SYSTEM,
    }
}

type Book = BTreeMap<(String, i32), (String, String)>;

async fn read_book(client: &Client) -> Result<Book, Error> {
    let rows = client.query(sql::APPLIED, &[]).await?;
    let line = |row: &tokio_postgres::Row| {
        Ok(((row.try_get(0)?, row.try_get(1)?), (row.try_get(2)?, row.try_get(3)?)))
    };
    rows.iter().map(line).collect()
}

/// What the book lacks. Pure: whether to go on is decided here, before anything is touched.
fn compare(migrations: &[Migration], book: &Book) -> Result<Vec<Migration>, Error> {
    let mut missing = Vec::new();
    let mut known = BTreeSet::new();
    for migration in migrations {
        let key = (migration.owner.to_owned(), version_number(migration)?);
        match book.get(&key) {
            None => missing.push(*migration),
            Some((_, applied)) if *applied == checksum(migration) => {}
            Some((name, _)) => return Err(edited(migration, name)),
        }
        known.insert(key);
    }
    let ours = |owner: &str| migrations.iter().any(|migration| migration.owner == owner);
    match book.keys().find(|key| ours(&key.0) && !known.contains(key)) {
        Some((owner, version)) => Err(newer(owner, *version)),
        None => Ok(missing),
    }
}

/// Versions rise within an owner, so that the list reads in the order of application. Gaps are fine: each part of a crate
/// counts in its own tens, and what is missing is found by its number, not by the last one applied.
fn check_list(migrations: &[Migration]) -> Result<(), Error> {
    let mut last: BTreeMap<&str, u32> = BTreeMap::new();
    for migration in migrations {
        let before = last.get(migration.owner).copied().unwrap_or(0);
        if migration.version <= before {
            let (owner, version) = (migration.owner, migration.version);
            return Err(Error::Bug(format!("migration {owner} {version} is listed after {before}")));
        }
        last.insert(migration.owner, migration.version);
    }
    Ok(())
}

/// The checksum that is remembered.
pub fn checksum(migration: &Migration) -> String {
    hex::encode(seal::sha256(migration.sql.as_bytes()))
}

fn version_number(migration: &Migration) -> Result<i32, Error> {
    i32::try_from(migration.version)
        .map_err(|_| Error::Bug(format!("version {} is too large", migration.version)))
}

/// A digest of everything in `schemas`: equal means that no query can tell them apart.
pub async fn schema_fingerprint(client: &Client, schemas: &[&str]) -> Result<String, Error> {
    let lines = schema_lines(client, schemas).await?;
    Ok(hex::encode(seal::sha256(lines.join("\n").as_bytes())))
}

/// What [`schema_fingerprint`] digests, for a test that wants to show the difference.
pub async fn schema_lines(client: &Client, schemas: &[&str]) -> Result<Vec<String>, Error> {
    let rows = client.query(sql::FINGERPRINT, &[&schemas]).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

fn edited(migration: &Migration, name: &str) -> Error {
    let (owner, version) = (migration.owner, migration.version);
    SetupError::new(
        "pg.migrate.edited",
        "The database was not migrated",
        format!("migration {owner} {version} ({name}) was applied with other text than this program has"),
        "Start the program that applied it, or restore a backup from before",
    )
    .into()
}

fn newer(owner: &str, version: i32) -> Error {
    SetupError::new(
        "pg.migrate.newer",
        "The database was not migrated",
        format!("it has migration {owner} {version}, which this program does not know"),
        "Start the newer Palisade that has been here, or restore a backup from before",
    )
    .into()
}

fn failed(migration: &Migration, error: tokio_postgres::Error) -> Error {
    let why = error.as_db_error().map_or_else(
        || error.to_string(),
        |said| {
            let place = said.where_().map(|place| format!(" ({})", place.lines().next().unwrap_or_default()));
            format!("{}: {}{}", said.code().code(), said.message(), place.unwrap_or_default())
        },
    );
    let (owner, version, name) = (migration.owner, migration.version, migration.name);
    SetupError::new(
        "pg.migrate.failed",
        format!("Migration {owner} {version} ({name}) was not applied"),
        why,
        "Nothing of it was kept; report this with the database's version",
    )
    .into()
}
