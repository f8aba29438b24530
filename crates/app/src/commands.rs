//! Commands that ask a running server over its control socket, and print the answer for people or as JSON.

use std::io::Write;
use std::path::Path;

use http::Method;
use serde_json::{Value, json};

use crate::cli::{Admin, At, Audit, Command, Keys, Report};
use crate::config::exit::Exit;
use crate::control::{self, Error};

type Done = Result<Exit, Error>;

/// Runs a command that needs a running server; `None` when it is not one of those.
pub async fn run(command: &Command) -> Option<Done> {
    Some(match command {
        Command::Posture(report) => posture(report).await,
        Command::Check { control, report } => check(*control, report).await,
        Command::Audit { what: Audit::Verify(report) } => audit_verify(report).await,
        Command::Audit { what: Audit::List { event, actor, limit, at } } => {
            audit_list(event.as_deref(), actor.as_deref(), *limit, at).await
        }
        Command::Admin { what: Admin::Create { email, at } } => admin_create(email, at).await,
        Command::Keys { what: Keys::List { at } } => lines(at, "/keys", key_line).await,
        Command::Gate { at } => lines(at, "/gate", gate_line).await,
        Command::Serve(_)
        | Command::Dev(_)
        | Command::Config { .. }
        | Command::Explain { .. }
        | Command::Docs { .. } => return None,
    })
}

async fn get(data: &Path, path: &str) -> Result<Value, Error> {
    control::ask(data, Method::GET, path, None).await
}

async fn posture(report: &Report) -> Done {
    proofs(report, "/posture").await
}

async fn check(number: u16, report: &Report) -> Done {
    proofs(report, &format!("/posture/{number}")).await
}

async fn proofs(report: &Report, path: &str) -> Done {
    let answer = get(&report.at.data, path).await?;
    say(&if report.json { answer["report"].to_string() } else { text(&answer["text"]).to_owned() });
    Ok(if answer["failing"] == true { Exit::ControlFailing } else { Exit::Success })
}

async fn audit_verify(report: &Report) -> Done {
    let verdict = get(&report.at.data, "/audit/verify").await?;
    let holds = verdict["holds"] == true;
    let entries = &verdict["entries"];
    if report.json {
        say(&verdict.to_string());
    } else if holds {
        say(&format!(
            "the chain holds: {entries} entries, compared with {} heads kept outside the database",
            verdict["heads_outside"]
        ));
    } else {
        let bad = &verdict["first_bad"];
        say(&format!(
            "the chain is broken: the first bad entry is #{} ({})",
            bad["seq"],
            text(&bad["tampering"])
        ));
    }
    Ok(if holds { Exit::Success } else { Exit::Failed })
}

async fn audit_list(event: Option<&str>, actor: Option<&str>, limit: u32, at: &At) -> Done {
    let mut query = format!("/audit?limit={limit}");
    for (name, value) in [("event", event), ("actor", actor)] {
        if let Some(value) = value {
            let value = percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
            query.push_str(&format!("&{name}={value}"));
        }
    }
    lines(at, &query, |line| line.to_string()).await
}

async fn admin_create(email: &str, at: &At) -> Done {
    let answer = control::ask(&at.data, Method::POST, "/admins", Some(&json!({ "email": email }))).await?;
    say(&format!(
        "{email} becomes an administrator with this link, once, within {} minutes:\n  {}",
        answer["minutes"],
        text(&answer["link"])
    ));
    Ok(Exit::Success)
}

async fn lines(at: &At, path: &str, line: impl Fn(&Value) -> String) -> Done {
    let answer = get(&at.data, path).await?;
    let items = answer.as_array().map(Vec::as_slice).unwrap_or_default();
    if items.is_empty() {
        say("none");
    }
    items.iter().for_each(|item| say(&line(item)));
    Ok(Exit::Success)
}

fn key_line(key: &Value) -> String {
    format!(
        "{:24} {:12} {}",
        text(&key["id"]),
        text(&key["kind"]),
        if key["live"] == true { "live" } else { "refused" }
    )
}

fn gate_line(closed: &Value) -> String {
    format!("{}.{}: {}", text(&closed["schema"]), text(&closed["name"]), text(&closed["reason"]))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

/// Prints a line; a reader that went away is no error of ours.
pub fn say(line: &str) {
    let _reader_may_be_gone = writeln!(std::io::stdout().lock(), "{line}");
}
