//! `palisade keys …`: keys of programs, each with as little as it needs.

use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base::setting::parse_duration;
use http::Method;
use serde_json::{Value, json};

use crate::cli::Keys;
use crate::commands::{lines, say};
use crate::config::exit::Exit;
use crate::control::{self, Error};

/// Runs one.
pub async fn run(what: &Keys) -> Result<Exit, Error> {
    match what {
        Keys::List { at } => lines(at, "/keys", key_line).await,
        Keys::Create { name, scope, from, expires, out, at } => {
            let lives = expires.as_deref().map(duration).transpose()?;
            let wanted = json!({ "name": name, "scope": scope, "addresses": from, "lives_seconds": lives });
            let made = control::ask(&at.data, Method::POST, "/keys", Some(&wanted)).await?;
            let (id, key) = (text(&made, "id"), text(&made, "key"));
            match out {
                Some(path) => {
                    keep(path, key)?;
                    say(&format!("{id} is in {}", path.display()));
                }
                None => say(&format!("{id} is this, and is not shown again:\n  {key}")),
            }
            Ok(Exit::Success)
        }
        Keys::Rotate { compromised, at } => {
            let wanted = json!({ "compromised": compromised });
            let done = control::ask(&at.data, Method::POST, "/keys/rotate", Some(&wanted)).await?;
            say("another key signs from now on");
            let names = |field: &str| {
                let all = done[field].as_array().cloned().unwrap_or_default();
                all.into_iter().filter_map(|name| name.as_str().map(str::to_owned)).collect::<Vec<_>>()
            };
            for name in names("refused") {
                say(&refused(&name));
            }
            for name in names("believed") {
                say(&format!(
                    "{name} is believed still: another program signs with it. If it is lost too, give it another value, here and there"
                ));
            }
            Ok(Exit::Success)
        }
        Keys::Revoke { id, at } => {
            control::ask(&at.data, Method::DELETE, &format!("/keys/{id}"), None).await?;
            say(&format!("{id} is refused from now on"));
            Ok(Exit::Success)
        }
    }
}

/// A shared secret is named by its setting; it does not change by itself.
fn refused(name: &str) -> String {
    match name.starts_with("auth.") {
        true => format!(
            "what {name} signed is refused, and it is not believed again: take it out of the settings, or give it another value"
        ),
        false => format!("what {name} signed is refused"),
    }
}

fn duration(given: &str) -> Result<u64, Error> {
    let what = || format!("--expires {given} is not a length of time such as 90d or 12h");
    let read = parse_duration(given).filter(|duration| !duration.is_zero());
    read.map(|duration| duration.as_secs()).ok_or_else(|| Error::Refused { message: what() })
}

/// A new file that only its owner reads; one that is there is not written over.
fn keep(path: &Path, key: &str) -> Result<(), Error> {
    let opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written =
        opened.and_then(|mut file| std::io::Write::write_all(&mut file, format!("{key}\n").as_bytes()));
    written.map_err(|error| Error::Refused { message: format!("{}: {error}", path.display()) })
}

fn key_line(key: &Value) -> String {
    let or = |name: &str, otherwise: &str| match text(key, name) {
        "" => otherwise.to_owned(),
        given => given.to_owned(),
    };
    format!(
        "{:32} {:12} {:8} {:24} {:24} {}",
        text(key, "id"),
        text(key, "kind"),
        if key["live"] == true { "live" } else { "refused" },
        or("scope", "everything"),
        or("addresses", "everywhere"),
        or("expires_at", "for ever"),
    )
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}
