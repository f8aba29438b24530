//! `palisade canaries …`: baits that nobody has a reason to touch.

use clap::{Subcommand, ValueEnum};
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::cli::{At, Report};
use crate::commands::{lines, say};
use crate::config::exit::Exit;
use crate::control::{self, Error};

const PATH: &str = "/admin/v1/canaries";

/// `palisade canaries …`
#[derive(Subcommand)]
pub enum Canaries {
    /// Make a bait. A touch of it is an alert at once.
    Make {
        /// key: a secret key that opens nothing, to be left where a thief would look. row: a row that nobody needs, known
        /// by a mark that stands in it and nowhere else.
        kind: Kind,
        /// What it is called: small letters, digits and underscores.
        name: String,
        /// Of a row: what stands in it, such as its id or an address of nobody. Without it one is made, to be written into the row.
        #[arg(long)]
        mark: Option<String>,
        /// Of a row: the table it stands or will stand in, such as public.customers. It then tells of every change of the row,
        /// whether an answer shows it or not, also by SQL that does not come through the API.
        #[arg(long)]
        table: Option<String>,
        /// Where the server is.
        #[command(flatten)]
        at: At,
    },
    /// Print every bait: keys, marks of rows, and paths.
    List(Report),
    /// Take a bait away.
    Remove {
        /// The name or id that the list shows.
        name: String,
        /// Where the server is.
        #[command(flatten)]
        at: At,
    },
}

/// What a bait is.
#[derive(Clone, Copy, ValueEnum)]
pub enum Kind {
    /// A key that opens nothing.
    Key,
    /// A row that nobody needs.
    Row,
}

/// Runs one.
pub async fn run(what: &Canaries) -> Result<Exit, Error> {
    match what {
        Canaries::Make { kind, name, mark, table, at } => {
            let kind = match kind {
                Kind::Key => "key",
                Kind::Row => "row",
            };
            let mut body = json!({ "kind": kind, "name": name });
            if let Some(mark) = mark {
                body["mark"] = mark.as_str().into();
            }
            if let Some(table) = table {
                body["table"] = table.as_str().into();
            }
            let made = control::ask(&at.data, Method::POST, PATH, Some(&body)).await?;
            match made["key"].as_str() {
                Some(key) => say(&format!(
                    "{} opens nothing, and is not shown again. Leave it where a thief would look:\n  {key}",
                    text(&made["name"])
                )),
                None => say(&format!(
                    "{} is known by this mark, which has to stand in its row and nowhere else:\n  {}",
                    text(&made["name"]),
                    text(&made["mark"])
                )),
            }
        }
        Canaries::List(report) if report.json => {
            say(&control::ask(&report.at.data, Method::GET, PATH, None).await?.to_string());
        }
        Canaries::List(report) => return lines(&report.at, PATH, line).await,
        Canaries::Remove { name, at } => {
            let name = utf8_percent_encode(name, NON_ALPHANUMERIC)
                .to_string()
                .replace("%5F", "_")
                .replace("%2D", "-");
            control::ask(&at.data, Method::DELETE, &format!("{PATH}/{name}"), None).await?;
            say(&format!("{name} is no canary any more"));
        }
    }
    Ok(Exit::Success)
}

fn line(canary: &Value) -> String {
    let (kind, name) = (text(&canary["kind"]), text(&canary["name"]));
    format!("{kind:5} {name:40} {} {}", text(&canary["mark"]), text(&canary["table"])).trim_end().to_owned()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
