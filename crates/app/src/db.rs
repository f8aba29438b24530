//! `palisade db …`: the database for people and programs that come with SQL.

use std::time::Duration;

use clap::Subcommand;
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
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
    /// Print what each role that a caller can be may do: schemas, tables, columns, functions; and what of it no request needs.
    /// Which rows is what policies say.
    Grants {
        /// One role: anon, authenticated, service_role, readonly, authenticator, or one of yours.
        #[arg(long)]
        role: Option<String>,
        /// Where the server is.
        #[command(flatten)]
        report: Report,
    },
    /// Clean HTML that stands in columns with `@palisade html: sanitize` already, as what is written there today is cleaned.
    CleanHtml {
        /// One table, as `schema.table`; all of them where none is named.
        #[arg(long)]
        table: Option<String>,
        /// Only count what would be changed.
        #[arg(long)]
        dry_run: bool,
        /// Where the server is.
        #[command(flatten)]
        report: Report,
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
    let what = match what {
        Db::Readonly { what } => what,
        Db::Grants { role, report } => return grants(role.as_deref(), report).await,
        Db::CleanHtml { table, dry_run, report } => {
            return clean_html(table.as_deref(), *dry_run, report).await;
        }
    };
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

/// `palisade db grants`
async fn grants(role: Option<&str>, report: &Report) -> Result<Exit, Error> {
    let path = match role {
        Some(role) => format!("/database/grants?role={}", utf8_percent_encode(role, NON_ALPHANUMERIC)),
        None => "/database/grants".to_owned(),
    };
    let answer = control::ask(&report.at.data, Method::GET, &path, None).await?;
    if report.json {
        say(&answer.to_string());
        return Ok(Exit::Success);
    }
    let roles = list(&answer["roles"]);
    if roles.is_empty() {
        say(&format!("no caller can be {}", role.unwrap_or("anybody")));
    }
    for role in roles {
        say(&described(role));
    }
    Ok(Exit::Success)
}

/// `palisade db clean-html`
async fn clean_html(table: Option<&str>, dry_run: bool, report: &Report) -> Result<Exit, Error> {
    let asked = json!({ "table": table, "dry_run": dry_run });
    let answer = control::ask(&report.at.data, Method::POST, "/database/html", Some(&asked)).await?;
    let columns = list(&answer["columns"]);
    if report.json {
        say(&answer.to_string());
    } else if columns.is_empty() {
        say("no column is tagged `@palisade html: sanitize`");
    } else {
        columns.iter().for_each(|column| say(&cleaned(column, dry_run)));
    }
    let left = columns.iter().any(|column| column["refused"] != 0);
    Ok(if left { Exit::Failed } else { Exit::Success })
}

/// What was found in a column, in a line.
fn cleaned(column: &Value, dry_run: bool) -> String {
    let place = format!("{}.{}", text(&column["table"]), text(&column["column"]));
    let (looked_at, unclean) = (&column["looked_at"], &column["unclean"]);
    if dry_run {
        return format!("{place}: {unclean} of {looked_at} values would be changed");
    }
    let mut line = format!("{place}: {} of {looked_at} values were changed", column["cleaned"]);
    if column["refused"] != 0 {
        line.push_str(&format!(", {} refused: {}", column["refused"], text(&column["why"])));
    }
    line
}

/// A role in lines.
fn described(role: &Value) -> String {
    let is = |name: &str, says: &'static str| (role[name] == true).then_some(says);
    let facts =
        [is("logs_in", "logs in"), is("passes_policies", "passes by policies"), is("superuser", "superuser")];
    let facts: Vec<&str> = facts.into_iter().flatten().collect();
    let member = words(&role["member_of"]);
    let member = if member.is_empty() { member } else { format!(", is {member} too") };
    let mut lines = vec![format!(
        "{} ({}{member})",
        text(&role["name"]),
        if facts.is_empty() { "policies bind it".to_owned() } else { facts.join(", ") }
    )];
    let schemas: Vec<&str> = list(&role["schemas"]).iter().map(|schema| text(&schema["name"])).collect();
    lines.push(format!(
        "  reaches {}",
        if schemas.is_empty() { "no schema".to_owned() } else { schemas.join(", ") }
    ));
    for relation in list(&role["relations"]) {
        let columns = relation["columns"].as_object().into_iter().flatten();
        let columns = columns.map(|(verb, names)| format!("{verb} of {}", words(names)));
        let whole = Some(words(&relation["may"])).filter(|may| !may.is_empty());
        let rights: Vec<String> = whole.into_iter().chain(columns).collect();
        let bare = relation["kind"] == "table" && relation["row_security"] == false;
        lines.push(format!(
            "  {} {}.{}: {}{}",
            text(&relation["kind"]),
            text(&relation["schema"]),
            text(&relation["name"]),
            rights.join("; "),
            if bare { " (no row level security)" } else { "" }
        ));
    }
    for function in list(&role["functions"]) {
        let says = |name: &str, says: &'static str| if function[name] == true { says } else { "" };
        lines.push(format!(
            "  calls {}.{}{}{}",
            text(&function["schema"]),
            text(&function["signature"]),
            says("definer", ", with its owner's rights"),
            says("public", ", as everybody may"),
        ));
    }
    lines.extend(list(&role["beyond"]).iter().map(|what| format!("  no request needs: {}", text(what))));
    lines.join("\n")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn words(value: &Value) -> String {
    list(value).iter().map(text).collect::<Vec<_>>().join(", ")
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
