//! `palisade alerts …`: what was raised, who is told, and what is silent for now.

use std::time::Duration;

use base::setting::parse_duration;
use clap::Subcommand;
use http::Method;
use serde_json::{Value, json};

use crate::cli::{At, Report};
use crate::commands::say;
use crate::config::exit::Exit;
use crate::control::{self, Error};

/// `palisade alerts …`
#[derive(Subcommand)]
pub enum Alerts {
    /// Print the newest alerts and how people were told of each.
    List(Report),
    /// Print the rules, who is told, and what is silent. Exit 1 when nobody can be told.
    Rules(Report),
    /// Make a rule tell nobody for a while. What it finds is listed and recorded all the same.
    Silence {
        /// Which rule.
        rule: String,
        /// For how long: 30m, 2h, 1d.
        #[arg(long = "for", default_value = "2h", value_parser = duration)]
        lasts: Duration,
        /// Why, for whoever reads the audit log.
        #[arg(long, default_value = "")]
        reason: String,
        /// Where the server is.
        #[command(flatten)]
        at: At,
    },
    /// Make a rule tell again.
    Speak {
        /// Which rule.
        rule: String,
        /// Where the server is.
        #[command(flatten)]
        at: At,
    },
    /// Print the contacts as they were read from contacts.file. Exit 1 when they cannot be read.
    Contacts(Report),
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "a duration such as 30m, 2h or 1d".to_owned())
}

/// Runs one.
pub async fn run(what: &Alerts) -> Result<Exit, Error> {
    let get =
        async |report: &Report, path: &str| control::ask(&report.at.data, Method::GET, path, None).await;
    match what {
        Alerts::List(report) => {
            let answer = get(report, "/admin/v1/alerts").await?;
            if report.json {
                say(&answer["alerts"].to_string());
            } else {
                answer["alerts"].as_array().into_iter().flatten().for_each(|alert| say(&line(alert)));
            }
        }
        Alerts::Rules(report) => return Ok(rules(report, &get(report, "/admin/v1/alerts").await?)),
        Alerts::Silence { rule, lasts, reason, at } => {
            let body = json!({ "lasts_seconds": lasts.as_secs(), "reason": reason });
            let done = control::ask(&at.data, Method::PUT, &path_of(rule), Some(&body)).await?;
            say(&format!("{rule} tells nobody until {}", text(&done["until"])));
        }
        Alerts::Speak { rule, at } => {
            control::ask(&at.data, Method::DELETE, &path_of(rule), None).await?;
            say(&format!("{rule} tells again"));
        }
        Alerts::Contacts(report) => return Ok(contacts(report, &get(report, "/admin/v1/contacts").await?)),
    }
    Ok(Exit::Success)
}

fn path_of(rule: &str) -> String {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    format!(
        "/admin/v1/alerts/silences/{}",
        utf8_percent_encode(rule, NON_ALPHANUMERIC).to_string().replace("%5F", "_").replace("%2D", "-")
    )
}

fn rules(report: &Report, answer: &Value) -> Exit {
    let told = &answer["recipients"];
    let mails: Vec<&str> = told["mail"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let ways = ["webhook", "chat", "syslog"].into_iter().filter(|way| told[way] == true);
    let ways: Vec<String> =
        ways.map(str::to_owned).chain(mails.iter().map(|mail| format!("mail to {mail}"))).collect();
    if report.json {
        say(&answer.to_string());
    } else {
        for rule in answer["rules"].as_array().into_iter().flatten() {
            let events: Vec<&str> =
                rule["events"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            say(&format!(
                "{:24} {} within {} s → {}   {}",
                text(&rule["name"]),
                rule["threshold"],
                rule["window_seconds"],
                text(&rule["action"]),
                events.join(" ")
            ));
        }
        for silence in answer["silences"].as_array().into_iter().flatten() {
            say(&format!(
                "silent: {} until {} ({})",
                text(&silence["rule"]),
                text(&silence["until"]),
                text(&silence["reason"])
            ));
        }
        match ways.is_empty() {
            true if told["mail_leaves"] == true => say(
                "! nobody is told: set alerts.email, contacts.file, alerts.webhook_url or alerts.slack_url",
            ),
            true => say(
                "! nobody is told: no mail can leave (email.smtp_host), and neither alerts.webhook_url nor alerts.slack_url is set",
            ),
            false => say(&format!("told: {}", ways.join(", "))),
        }
    }
    if ways.is_empty() { Exit::Failed } else { Exit::Success }
}

fn contacts(report: &Report, answer: &Value) -> Exit {
    if report.json {
        say(&answer.to_string());
    } else {
        for group in ["security_team", "external_contacts"] {
            for contact in answer["contacts"][group].as_array().into_iter().flatten() {
                say(&format!(
                    "{group:18} {:24} {:32} {}",
                    text(&contact["name"]),
                    text(&contact["email"]),
                    text(&contact["phone"])
                ));
            }
        }
        if let Some(problem) = answer["problem"].as_str() {
            say(&format!("! contacts.file: {problem}; what was read before is in force"));
        }
    }
    if answer["problem"].is_null() { Exit::Success } else { Exit::Failed }
}

fn line(alert: &Value) -> String {
    format!(
        "{}  {:22} {}   [{}; told: {}]",
        text(&alert["at"]),
        text(&alert["rule"]),
        text(&alert["what"]),
        text(&alert["action"]),
        alert["told"].as_str().unwrap_or("not yet")
    )
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
