//! `palisade bans …`: who is kept out.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base::setting::parse_duration;
use clap::Subcommand;
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::cli::{At, Report};
use crate::commands::{lines, say};
use crate::config::exit::Exit;
use crate::control::{self, Error};
use crate::welcome;

const PATH: &str = "/admin/v1/bans";

/// `palisade bans …`
#[derive(Subcommand)]
pub enum Bans {
    /// Print every address and network that is kept out, by which jail, and until when.
    List(Report),
    /// Keep an address or a network out.
    Add {
        /// 198.51.100.7, 198.51.100.0/24, 2001:db8:1:2::/64.
        network: String,
        /// For how long: 10m, 12h, 30d.
        #[arg(long = "for", default_value = "1h", value_parser = duration)]
        lasts: Duration,
        /// Why, for whoever reads the list and the audit log.
        #[arg(long, default_value = "")]
        reason: String,
        /// Where the server is.
        #[command(flatten)]
        at: At,
    },
    /// Read fail2ban's jail.local and print the same for palisade.yaml; what of it has no effect here is named on standard
    /// error. Exit 1 when there is any.
    Import {
        /// The file.
        file: PathBuf,
    },
    /// Let an address or a network in again, and forget what was counted against it.
    Remove {
        /// As the list shows it.
        network: String,
        /// Where the server is.
        #[command(flatten)]
        at: At,
    },
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "a duration such as 10m, 12h or 30d".to_owned())
}

/// Runs one.
pub async fn run(what: &Bans) -> Result<Exit, Error> {
    match what {
        Bans::List(report) if report.json => {
            say(&control::ask(&report.at.data, Method::GET, PATH, None).await?.to_string());
        }
        Bans::List(report) => return lines(&report.at, PATH, line).await,
        Bans::Add { network, lasts, reason, at } => {
            let body = json!({ "network": network, "lasts_seconds": lasts.as_secs(), "reason": reason });
            let done = control::ask(&at.data, Method::POST, PATH, Some(&body)).await?;
            say(&format!("{} is kept out for {} s", text(&done["network"]), lasts.as_secs()));
        }
        Bans::Import { file } => return import(file),
        Bans::Remove { network, at } => {
            let asked = utf8_percent_encode(network, NON_ALPHANUMERIC);
            let done =
                control::ask(&at.data, Method::DELETE, &format!("{PATH}?network={asked}"), None).await?;
            say(&match done["known"] == json!(false) {
                false => format!("{network} is let in again"),
                true => format!(
                    "{network} was not kept out here; what another node is about to write of it is lifted"
                ),
            });
            for ban in done["still_in"].as_array().into_iter().flatten() {
                say(&format!(
                    "! it lies in {}, which is still kept out: {}",
                    text(&ban["network"]),
                    line(ban)
                ));
            }
        }
    }
    Ok(Exit::Success)
}

/// Nothing is changed: the operator decides where the settings go.
fn import(file: &Path) -> Result<Exit, Error> {
    let unread = |error| Error::Refused { message: format!("{}: {error}", file.display()) };
    let imported = detection::import::jail_local(&std::fs::read_to_string(file).map_err(unread)?);
    say(imported.yaml.trim_end());
    imported.effective.iter().for_each(|line| welcome::complain(&format!("✓ {line}")));
    imported.refused.iter().for_each(|line| welcome::complain(&format!("✗ {line}")));
    Ok(if imported.refused.is_empty() { Exit::Success } else { Exit::Failed })
}

fn line(ban: &Value) -> String {
    format!(
        "{:24} {:16} until {}  {} time(s), since {}, by {}: {}",
        text(&ban["network"]),
        text(&ban["jail"]),
        text(&ban["until"]),
        ban["times"],
        text(&ban["at"]),
        text(&ban["by"]),
        text(&ban["reason"])
    )
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
