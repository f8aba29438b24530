//! `palisade migrate …`: reads the files, asks the running server, prints what it says.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use crate::cli::At;
use crate::commands::say;
use crate::config::exit::Exit;
use crate::control::{self, Error};

/// `palisade migrate …`
#[derive(Subcommand)]
pub enum Migrate {
    /// Make an empty pair of files for a new migration.
    New {
        /// What it does, in a few words.
        name: String,
        /// Where the files are.
        #[arg(long, default_value = "migrations")]
        dir: PathBuf,
    },
    /// Say how each migration stands.
    Status(Files),
    /// Apply what is pending, each in a transaction of its own.
    Up {
        /// Which.
        #[command(flatten)]
        which: Which,
    },
    /// Take the last one back, or all after a number, newest first.
    Down {
        /// Back to, and without, this one; 0 takes back all.
        #[arg(long)]
        to: Option<i64>,
        /// Where the files and the server are.
        #[command(flatten)]
        files: Files,
    },
    /// Apply what is pending to a copy of the database, take it back there, and say what happened.
    Rehearse {
        /// Which.
        #[command(flatten)]
        which: Which,
        /// Copy the tables without their rows: quicker, and blind to what only rows can show.
        #[arg(long)]
        schema_only: bool,
    },
    /// Say what was changed by hand, as SQL for a new migration. Exit 1 when there is any.
    Diff {
        /// Write the SQL into a new migration of this name.
        #[arg(long)]
        write: Option<String>,
        /// Where the files and the server are.
        #[command(flatten)]
        files: Files,
    },
}

/// Where the files and the server are.
#[derive(Args, Clone)]
pub struct Files {
    /// The folder with NNNN_name.sql and NNNN_name.down.sql.
    #[arg(long, default_value = "migrations")]
    pub dir: PathBuf,
    /// Where the server is.
    #[command(flatten)]
    pub at: At,
}

/// Which of the pending ones.
#[derive(Args, Clone)]
pub struct Which {
    /// Up to and with this one.
    #[arg(long)]
    pub to: Option<i64>,
    /// Those, too, that a later one has overtaken.
    #[arg(long)]
    pub out_of_order: bool,
    /// Findings of `palisade lint` that are taken on, by id, separated by commas.
    #[arg(long, value_delimiter = ',')]
    pub allow: Vec<String>,
    /// Where the files and the server are.
    #[command(flatten)]
    pub files: Files,
}

/// Runs one.
pub async fn run(what: &Migrate) -> Result<Exit, Error> {
    match what {
        Migrate::New { name, dir } => new(dir, name, "").map(|_| Exit::Success),
        Migrate::Status(files) => status(files).await,
        Migrate::Up { which } => up(which).await,
        Migrate::Down { to, files } => down(*to, files).await,
        Migrate::Rehearse { which, schema_only } => rehearse(which, *schema_only).await,
        Migrate::Diff { write, files } => diff(write.as_deref(), files).await,
    }
}

async fn ask(files: &Files, path: &str, mut wanted: Value) -> Result<Value, Error> {
    wanted["files"] = json!(read(&files.dir)?);
    control::ask(&files.at.data, Method::POST, &format!("/migrations/{path}"), Some(&wanted)).await
}

fn trouble(path: &Path, error: &std::io::Error) -> Error {
    Error::Refused { message: format!("{}: {error}", path.display()) }
}

/// Every .sql file of the folder.
fn read(dir: &Path) -> Result<Vec<migrate::File>, Error> {
    let entries = std::fs::read_dir(dir).map_err(|error| trouble(dir, &error))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| trouble(dir, &error))?.path();
        let Some(name) =
            path.file_name().and_then(|name| name.to_str()).filter(|name| name.ends_with(".sql"))
        else {
            continue;
        };
        let sql = std::fs::read_to_string(&path).map_err(|error| trouble(&path, &error))?;
        files.push(migrate::File { file: name.to_owned(), sql });
    }
    files.sort_by(|one, other| one.file.cmp(&other.file));
    Ok(files)
}

/// The next number, as wide as the others.
fn new(dir: &Path, name: &str, sql: &str) -> Result<PathBuf, Error> {
    std::fs::create_dir_all(dir).map_err(|error| trouble(dir, &error))?;
    let number = |file: &migrate::File| file.file.split_once('_').map(|(number, _)| number.to_owned());
    let numbers: Vec<String> = read(dir)?.iter().filter_map(number).collect();
    let width = numbers.iter().map(String::len).max().unwrap_or(4);
    let last = numbers.iter().filter_map(|number| number.parse::<u64>().ok()).max().unwrap_or(0);
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let stem = format!("{:0width$}_{}", last + 1, name.chars().map(plain).collect::<String>());
    let up = dir.join(format!("{stem}.sql"));
    for (path, text) in [(&up, sql), (&dir.join(format!("{stem}.down.sql")), "")] {
        // An empty way back would be one that leads nowhere: it is made only for a person to fill in.
        if path == &up || sql.is_empty() {
            std::fs::write(path, text).map_err(|error| trouble(path, &error))?;
            say(&format!("{}", path.display()));
        }
    }
    Ok(up)
}

async fn status(files: &Files) -> Result<Exit, Error> {
    let lines = ask(files, "status", json!({})).await?;
    let lines = lines.as_array().map(Vec::as_slice).unwrap_or_default();
    if lines.is_empty() {
        say("none");
    }
    for line in lines {
        let at = line["applied_at"].as_str().unwrap_or("");
        let way = if line["reversible"] == true { "" } else { "  one way" };
        say(&format!(
            "{:>6} {:32} {:10} {at}{way}",
            line["version"],
            text(line, "name"),
            text(line, "state")
        ));
    }
    let well = lines.iter().all(|line| matches!(text(line, "state"), "applied" | "pending"));
    Ok(if well { Exit::Success } else { Exit::Failed })
}

async fn up(which: &Which) -> Result<Exit, Error> {
    say_done("applied", &ask(&which.files, "up", wanted(which)).await?);
    Ok(Exit::Success)
}

fn wanted(which: &Which) -> Value {
    json!({ "to": which.to, "out_of_order": which.out_of_order, "allow": which.allow })
}

async fn down(to: Option<i64>, files: &Files) -> Result<Exit, Error> {
    say_done("taken back", &ask(files, "down", json!({ "to": to })).await?);
    Ok(Exit::Success)
}

fn say_done(how: &str, done: &Value) {
    let done = done.as_array().map(Vec::as_slice).unwrap_or_default();
    if done.is_empty() {
        say("there was nothing to do");
    }
    for one in done {
        say(&format!("{how} {}_{} in {} ms", one["version"], text(one, "name"), one["took_ms"]));
        for remark in one["remarks"].as_array().into_iter().flatten() {
            say(&format!("  {}", remark.as_str().unwrap_or_default()));
        }
    }
}

async fn rehearse(which: &Which, schema_only: bool) -> Result<Exit, Error> {
    let mut asked = wanted(which);
    asked["schema_only"] = json!(schema_only);
    let shown = ask(&which.files, "rehearse", asked).await?;
    say(&format!("on a copy that was made in {} ms and is gone again:", shown["copying_ms"]));
    say_done("applied", &shown["applied"]);
    if shown["applied"].as_array().is_none_or(Vec::is_empty) {
        return Ok(Exit::Success);
    }
    say_done("taken back", &shown["taken_back"]);
    let one_way = shown["one_way"].as_array().map(Vec::as_slice).unwrap_or_default();
    for version in one_way {
        say(&format!("{version} has no way back"));
    }
    if one_way.is_empty() && shown["ways_back_lead_home"] != true {
        say("the ways back do not lead home: afterwards the copy was not what it had been");
        return Ok(Exit::Failed);
    }
    Ok(Exit::Success)
}

async fn diff(write: Option<&str>, files: &Files) -> Result<Exit, Error> {
    let found = ask(files, "diff", json!({})).await?;
    let found = found.as_array().map(Vec::as_slice).unwrap_or_default();
    if found.is_empty() {
        say("the database is what the files make");
        return Ok(Exit::Success);
    }
    let line = |one: &Value| {
        format!(
            "-- {} {} {}\n{};\n",
            text(one, "how"),
            text(one, "kind"),
            text(one, "name"),
            text(one, "sql")
        )
    };
    let sql: String = found.iter().map(line).collect();
    match write {
        Some(name) => new(&files.dir, name, &sql).map(|_| Exit::Success),
        None => {
            say(&sql);
            Ok(Exit::Failed)
        }
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}
