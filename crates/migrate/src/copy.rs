//! A copy of the database, to try a migration on before anybody's rows meet it.
//!
//! Made with `pg_dump` and `pg_restore` of the server's own version, on the same server, under a name of its own, and
//! dropped again whatever happens. Nobody but the administrator may connect to it, and a login of its own ([`trial`]).
//!
//! Invariant: no code of the application runs as a superuser. What it owns is made by the copy's own login, and so are the rows put
//! in ([`crate::restore`]); what is kept of a query is asked for again, which runs as its owner, who can become nobody then.

use std::ffi::OsStr;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use pg::admin::{EVENT_TRIGGERS_OFF, Target, quote_name};
use pg::binaries;
use pg::bootstrap::OWNER;
use pg::{Server, Tls};
use serde::Serialize;
use tokio::process::Command;
use tokio::sync::oneshot;

use crate::apply::{self, Ask, Done};
use crate::book;
use crate::error::Error;
use crate::files::{self, Step};
use crate::restore::Dump;
use crate::{Migrations, Parts, limits, sql, trial};

/// What a rehearsal showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rehearsal {
    /// What was applied to the copy.
    pub applied: Vec<Done>,
    /// What was then taken back again on the copy, newest first.
    pub taken_back: Vec<Done>,
    /// Those without a way back.
    pub one_way: Vec<i64>,
    /// Whether, after the ways back, the copy was what it had been before.
    pub ways_back_lead_home: bool,
    /// How long making the copy took.
    pub copying_ms: u64,
}

impl Migrations {
    /// Applies what is pending to a copy, and takes it back there, too.
    pub async fn rehearse(&self, ask: &Ask) -> Result<Rehearsal, Error> {
        let steps = files::read(&ask.files)?;
        let parts = &self.parts;
        let lines = {
            let client = parts.admin.connect().await?;
            book::compare(&steps, &book::read(&client).await?)
        };
        book::refuse_drift(&lines, ask.out_of_order)?;
        let begun = std::time::Instant::now();
        let (schema_only, to, allow) = (ask.schema_only, ask.to, ask.allow.clone());
        self.apart(async move |parts, copy| {
            make(&parts, &copy, schema_only).await?;
            let copying_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            let rehearsed = on_copy(&parts, &copy, &steps, to, &allow).await?;
            Ok(Rehearsal { copying_ms, ..rehearsed })
        })
        .await
    }

    /// Does `work` on a copy of the database without its rows, with a login that can fill and empty its tables and no more. Both are
    /// gone when this ends, or is given up.
    pub async fn on_schema<T, E, F>(&self, work: impl FnOnce(Target) -> F + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: Future<Output = Result<T, E>> + Send,
    {
        self.apart(async move |parts, copy| {
            let login = make(&parts, &copy, true).await?;
            let off =
                async { Ok::<_, Error>(copy.connect().await?.batch_execute(EVENT_TRIGGERS_OFF).await?) };
            off.await?;
            if copy.login.name != login.login.name {
                trial::let_fill(&copy).await?;
            }
            work(login).await
        })
        .await
    }

    /// Does `work` with a database of a new name, which is dropped whatever becomes of it. Where whoever asked goes away the work stops
    /// where it is: everybody's rows may be in there. Who asks for one more than there may be is told so at once.
    pub(crate) async fn apart<T, E, F>(
        &self,
        work: impl FnOnce(Arc<Parts>, Target) -> F + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: Future<Output = Result<T, E>> + Send,
    {
        let place = self.room.clone().try_acquire_owned().map_err(|_| Error::Crowded)?;
        let (asks, gone) = oneshot::channel::<()>();
        let parts = self.parts.clone();
        let doing = tokio::spawn(async move {
            let copy = name(&parts).await?;
            let done = tokio::select! {
                done = work(parts.clone(), copy.clone()) => done,
                _ = gone => Err(Error::Stopped.into()),
            };
            drop_database(&parts.admin, &copy.database).await?;
            drop(place);
            done
        });
        let done = doing.await.map_err(|_| Error::Stopped)?;
        drop(asks);
        done
    }
}

async fn on_copy(
    parts: &Parts,
    copy: &Target,
    steps: &[Step],
    to: Option<i64>,
    allow: &[String],
) -> Result<Rehearsal, Error> {
    let client = copy.connect().await?;
    let before = crate::snapshot::take(&client).await?;
    let applied_before = book::read(&client).await?;
    let mut applied = Vec::new();
    let mut one_way = Vec::new();
    for step in steps.iter().filter(|step| !applied_before.contains_key(&step.version)) {
        if to.is_some_and(|to| step.version > to) {
            continue;
        }
        applied.push(apply::apply(&client, parts, step, allow).await?);
        one_way.extend(step.down.is_none().then_some(step.version));
    }
    let mut taken_back = Vec::new();
    for done in applied.iter().rev().take_while(|done| !one_way.contains(&done.version)) {
        let Some(step) = steps.iter().find(|step| step.version == done.version) else { continue };
        taken_back.push(apply::take_back(&client, step).await?);
    }
    let home = taken_back.len() == applied.len() && crate::snapshot::take(&client).await? == before;
    Ok(Rehearsal { applied, taken_back, one_way, ways_back_lead_home: home, copying_ms: 0 })
}

/// Makes a copy and says how to enter it as its own login.
async fn make(parts: &Parts, copy: &Target, schema_only: bool) -> Result<Target, Error> {
    sweep(&parts.admin).await?;
    let programs = programs(parts)?;
    let place = tempfile::tempdir().map_err(|error| said(&error))?;
    // Rows are in it: only we may look.
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o700))
        .map_err(|error| said(&error))?;
    let way = Way::to(&parts.admin, place.path())?;
    let file = place.path().join("copy");
    let mut dump = way.command(&programs.join("pg_dump"));
    dump.arg("--format=custom").arg("--compress=0").arg("--file").arg(&file);
    if schema_only {
        dump.arg("--schema-only");
    }
    dump.arg(&parts.admin.database);
    run(dump).await?;
    create_database(&parts.admin, &copy.database).await?;
    let program = &programs.join("pg_restore");
    if !trial::is_superuser(copy).await? {
        let mut restore = way.command(program);
        restore.args(["--exit-on-error", "--no-password", "--dbname"]).arg(&copy.database).arg(&file);
        run(restore).await?;
        if schema_only {
            carry_book(&parts.admin, copy).await?;
        }
        return Ok(copy.clone());
    }
    let dump = Dump { program, file: &file, place: place.path(), way: &way };
    let login = dump.objects(parts, copy).await?;
    if schema_only {
        carry_book(&parts.admin, copy).await?;
    } else {
        trial::let_fill(copy).await?;
        dump.rows(&login).await?;
        trial::ask_again(copy).await?;
    }
    Ok(login)
}

/// A database of its own: when it was made, and of which.
async fn name(parts: &Parts) -> Result<Target, Error> {
    let now: i64 = parts.admin.connect().await?.query_one(sql::NOW, &[]).await?.try_get(0)?;
    let source: String = parts.admin.database.chars().filter(char::is_ascii_alphanumeric).take(20).collect();
    let random = hex::encode(parts.rng.bytes::<6>());
    Ok(parts.admin.database(&format!("palisade_copy_{now}_{random}_{source}")))
}

/// A copy without rows still knows what has been applied.
async fn carry_book(from: &Target, to: &Target) -> Result<(), Error> {
    let book = book::read(&from.connect().await?).await?;
    let client = to.connect().await?;
    for (version, entry) in book {
        client.execute(sql::RECORD, &[&version, &entry.name, &entry.checksum, &entry.down]).await?;
    }
    Ok(())
}

fn programs(parts: &Parts) -> Result<PathBuf, Error> {
    let has = |dir: &Path| dir.join("pg_dump").is_file() && dir.join("pg_restore").is_file();
    if let Some(dir) = parts.programs.as_deref().filter(|dir| has(dir)) {
        return Ok(dir.to_owned());
    }
    match binaries::find(None) {
        Ok(found) if has(&found.dir) => Ok(found.dir),
        Ok(found) => Err(Error::Copy {
            why: format!(
                "there is no pg_dump in {}: install the client programs of PostgreSQL",
                found.dir.display()
            ),
        }),
        Err(error) => Err(Error::Copy { why: error.to_string() }),
    }
}

/// How pg_dump enters: the password goes through a file that only we can read, never through arguments.
pub(crate) struct Way {
    host: String,
    port: String,
    user: String,
    passwords: PathBuf,
    tls: Option<(&'static str, Option<PathBuf>)>,
}

impl Way {
    pub(crate) fn to(admin: &Target, place: &Path) -> Result<Way, Error> {
        let (host, port, tls) = match &admin.server {
            Server::Socket { dir, port } => (dir.to_string_lossy().into_owned(), *port, None),
            Server::Tcp { host, port, tls } => (host.clone(), *port, Some(libpq(tls))),
        };
        let passwords = place.join("passwords");
        let escape = |text: &str| text.replace('\\', "\\\\").replace(':', "\\:");
        let password = admin.login.password.as_ref().map(|password| escape(password.expose()));
        let line = format!("*:*:*:{}:{}\n", escape(&admin.login.name), password.unwrap_or_default());
        let mut options = std::fs::OpenOptions::new();
        let written = options.write(true).create_new(true).mode(0o600).open(&passwords);
        written
            .and_then(|mut file| std::io::Write::write_all(&mut file, line.as_bytes()))
            .map_err(|error| said(&error))?;
        Ok(Way { host, port: port.to_string(), user: admin.login.name.clone(), passwords, tls })
    }

    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("PGPASSFILE", &self.passwords).env("LC_ALL", "C.UTF-8");
        if let Some((mode, ca)) = &self.tls {
            command.env("PGSSLMODE", mode);
            command.envs(ca.as_ref().map(|ca| (OsStr::new("PGSSLROOTCERT"), ca.as_os_str())));
        }
        command.args(["--host", &self.host, "--port", &self.port, "--username", &self.user]);
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }
}

fn libpq(tls: &Tls) -> (&'static str, Option<PathBuf>) {
    match tls {
        Tls::Disable => ("disable", None),
        Tls::Require => ("require", None),
        Tls::VerifyCa { root } => ("verify-ca", Some(root.clone())),
        Tls::VerifyFull { root } => ("verify-full", Some(root.clone())),
    }
}

/// Runs a program to its end and returns what it wrote.
pub(crate) async fn run(mut command: Command) -> Result<String, Error> {
    let bound = Duration::from_secs(limits::COPY_SECONDS_MAX.value);
    let output = tokio::time::timeout(bound, command.output()).await;
    let output = output.map_err(|_| Error::Copy {
        why: format!(
            "it took more than {} s ({})",
            limits::COPY_SECONDS_MAX.value,
            limits::COPY_SECONDS_MAX.name
        ),
    })?;
    let output = output.map_err(|error| said(&error))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(Error::Copy { why: text.lines().take(5).collect::<Vec<_>>().join("; ") })
}

pub(crate) fn said(error: &std::io::Error) -> Error {
    Error::Copy { why: error.to_string() }
}

/// Drops what a crash left behind.
async fn sweep(admin: &Target) -> Result<(), Error> {
    let client = admin.connect().await?;
    let now: i64 = client.query_one(sql::NOW, &[]).await?.try_get(0)?;
    let oldest = now - 2 * i64::try_from(limits::COPY_SECONDS_MAX.value).unwrap_or(i64::MAX / 2);
    for row in client.query(sql::STALE_COPIES, &[&oldest]).await? {
        drop_database(admin, row.try_get(0)?).await?;
    }
    Ok(())
}

pub(crate) async fn create_database(admin: &Target, name: &str) -> Result<(), Error> {
    let client = admin.connect().await?;
    let name = quote_name(name);
    client.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE template0")).await?;
    client.batch_execute(&format!("REVOKE ALL ON DATABASE {name} FROM PUBLIC")).await?;
    // A file may make schemas and temporary tables there as it may in the database itself.
    client.batch_execute(&format!("GRANT CREATE, TEMPORARY ON DATABASE {name} TO {OWNER}")).await?;
    Ok(())
}

async fn drop_database(admin: &Target, name: &str) -> Result<(), Error> {
    let client = admin.connect().await?;
    client.batch_execute(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quote_name(name))).await?;
    trial::dismiss(admin, name).await
}
