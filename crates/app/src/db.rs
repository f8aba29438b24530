//! `palisade db …`: the database for people and programs that come with SQL.

use std::time::Duration;

use clap::Subcommand;
use http::Method;
use serde_json::{Value, json};

use crate::cli::{At, Report};
use crate::commands::{lines, say};
use crate::config::exit::Exit;
use crate::control::{self, Error};

/// `palisade db …`
#[derive(Subcommand)]
pub enum Db {
    /// Read-only logins that are lent for a while.
    Readonly {
        /// What to do.
        #[command(subcommand)]
        what: Readonly,
    },
}

/// `palisade db readonly …`
#[derive(Subcommand)]
pub enum Readonly {
    /// Print every login that is lent.
    List {
        /// Where the server is.
        #[command(flatten)]
        at: At,
    },
    /// Lend a login and print its way in, once.
    Create {
        /// Its name; one is made up where none is given.
        name: Option<String>,
        /// What it is for.
        #[arg(long)]
        purpose: String,
        /// For how long: 15m, 8h, 7d.
        #[arg(long, default_value = "24h", value_parser = lifetime)]
        expires: Duration,
        /// Where the server is.
        #[command(flatten)]
        report: Report,
    },
    /// End a login at once, with its sessions.
    Revoke {
        /// Its name.
        name: String,
        /// Where the server is.
        #[command(flatten)]
        at: At,
    },
}

fn lifetime(text: &str) -> Result<Duration, String> {
    base::setting::parse_duration(text).ok_or_else(|| format!("{text} is no time: write 15m, 8h or 7d"))
}

/// Runs one.
pub async fn run(what: &Db) -> Result<Exit, Error> {
    const PATH: &str = "/admin/v1/database/readonly";
    let Db::Readonly { what } = what;
    match what {
        Readonly::List { at } => return lines(at, PATH, line).await,
        Readonly::Create { name, purpose, expires, report } => {
            let asked = json!({ "name": name, "purpose": purpose, "expires_in_seconds": expires.as_secs() });
            let lent = control::ask(&report.at.data, Method::POST, PATH, Some(&asked)).await?;
            if report.json {
                say(&lent.to_string());
            } else {
                say(&format!(
                    "{} may read until {}. Its way in, shown this once:\n  {}",
                    text(&lent["name"]),
                    text(&lent["expires_at"]),
                    text(&lent["url"])
                ));
            }
        }
        Readonly::Revoke { name, at } => {
            control::ask(&at.data, Method::DELETE, &format!("{PATH}/{name}"), None).await?;
            say(&format!("{name} is gone, and so are its sessions"));
        }
    }
    Ok(Exit::Success)
}

fn line(guest: &Value) -> String {
    format!(
        "{}: {}; lent by {} until {}, {} of {} connections open",
        text(&guest["name"]),
        text(&guest["purpose"]),
        text(&guest["lent_by"]),
        text(&guest["expires_at"]),
        guest["sessions"],
        guest["connections"]
    )
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
