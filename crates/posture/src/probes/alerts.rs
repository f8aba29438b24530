//! Controls 107 to 109, 144 and 149: what is raised, who is told, and whom a stranger can tell.
//!
//! What the probes do comes from addresses of their own, so their alerts go into a mailbox of their own: nobody is woken.

use serde_json::{Value, json};

use crate::bench::sql::Sql;
use crate::bench::{Bench, Trouble};
use crate::{Finding, limits};

const MAILBOX: &str = "alerts@probe.palisade.invalid";
/// How many failed logins the guide alerts on.
const FAILED_LOGINS: usize = 10;
/// How long an alert may take, in seconds.
const SOON: u64 = 10;

/// 107: ten failed logins tell an administrator.
pub async fn failed_logins_are_told(bench: &Bench) -> Result<Finding, Trouble> {
    let sql = bench.sql().await?;
    let began = newest(&sql).await?;
    for _ in 0..FAILED_LOGINS {
        let name = bench.random_name("nobody-");
        bench.try_sign_in(&format!("{name}@probe.palisade.invalid"), "wrong").await?;
    }
    told(bench, &sql, began, "failed_logins", &format!("{FAILED_LOGINS} failed logins")).await
}

/// 108: whoever asks far more than anybody does is slowed down.
pub async fn unusual_activity_is_slowed_down(bench: &Bench) -> Result<Finding, Trouble> {
    let none = || {
        Trouble::Unexpected("this listener cannot be reached from an address of the probe's own".to_owned())
    };
    let who = bench.own_address().ok_or_else(none)?;
    let sql = bench.sql().await?;
    let began = newest(&sql).await?;
    let mut slowed = None;
    for count in 1..=limits::RATE_REQUESTS_MAX.value {
        let answer = bench.client("GET", "/rest/v1/").from(Some(who)).send().await?;
        if answer.status == 429 && answer.text().contains("far more than anybody") {
            slowed = Some((count, answer));
            break;
        }
    }
    let Some((count, answer)) = slowed else {
        return Ok(Finding::failing(format!(
            "{} requests in a row from {who} were no reason to slow it down",
            limits::RATE_REQUESTS_MAX.value
        )));
    };
    let wait = answer.header("retry-after").and_then(|wait| wait.parse::<u64>().ok()).unwrap_or(0);
    let other = bench.client("GET", "/rest/v1/").send().await?.status;
    let raised = raised(bench, &sql, began, "unusual_api_activity").await?;
    Ok(Finding::all([
        (true, format!("request {count} within a minute from {who} was too many: 429")),
        (wait > 60, format!("it stays so for {wait} s, longer than the minute of any limit")),
        (other != 429, format!("another address is still answered ({other})")),
        (raised.is_some(), format!("it is raised and recorded: {}", raised.as_deref().unwrap_or("no"))),
    ]))
}

/// 109: what an administrator changes is told, each time.
pub async fn administrators_actions_are_told(bench: &Bench) -> Result<Finding, Trouble> {
    let sql = bench.sql().await?;
    let began = newest(&sql).await?;
    bench.guest_with(json!({})).await?;
    told(bench, &sql, began, "admin_actions", "an account that an administrator made").await
}

/// 144: the guide's file is in force: its security team is told of alerts, and stands in `security.txt`.
pub async fn contacts_are_in_force(bench: &Bench) -> Result<Finding, Trouble> {
    let read = bench.operator("GET", "/admin/v1/contacts").send().await?.json();
    let team = emails(&read["contacts"]["security_team"]);
    if let Some(problem) = read["problem"].as_str() {
        return Ok(Finding::failing(format!("contacts.file cannot be read: {problem}")));
    }
    if team.is_empty() {
        return Ok(Finding::needs_you(
            "nobody is named: set contacts.file to a contacts.yaml with a security_team",
        ));
    }
    let recipients = bench.operator("GET", "/admin/v1/alerts").send().await?.json();
    let recipients = &recipients["recipients"];
    let told: Vec<&str> =
        recipients["mail"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let shown = bench.ask("GET", "/.well-known/security.txt").send().await?.text();
    let others = emails(&read["contacts"]["external_contacts"]);
    let mut lines: Vec<(bool, String)> = Vec::new();
    for email in &team {
        lines.push((shown.contains(&format!("mailto:{email}")), format!("{email} stands in security.txt")));
        lines.push((
            told.contains(&email.as_str()) || recipients["mail_leaves"] == false,
            format!("{email} is told of alerts, as far as mail leaves ({})", recipients["mail_leaves"]),
        ));
    }
    lines.push((
        others.iter().all(|email| !shown.contains(email.as_str())),
        format!("{} external contacts are known and shown to nobody", others.len()),
    ));
    Ok(Finding::all(lines))
}

/// 149: whoever finds a hole finds out whom to tell.
pub async fn holes_can_be_reported(bench: &Bench) -> Result<Finding, Trouble> {
    let answer = bench.ask("GET", "/.well-known/security.txt").send().await?;
    if answer.status == 404 {
        return Ok(Finding::needs_you(
            "/.well-known/security.txt is 404: name a security_team in contacts.file",
        ));
    }
    let text = answer.text();
    let fields: Vec<(&str, &str)> = text.lines().filter_map(|line| line.split_once(": ")).collect();
    let all = |name: &str| {
        fields
            .iter()
            .filter(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| *value)
            .collect::<Vec<_>>()
    };
    let (contacts, expires) = (all("Contact"), all("Expires"));
    let now = bench.place.clock.now();
    let until: Option<jiff::Timestamp> = expires.first().and_then(|text| text.parse().ok());
    let left = until.map_or(0, |until| now.duration_until(until).as_hours() / 24);
    let is_uri =
        |text: &&str| text.starts_with("mailto:") || text.starts_with("https://") || text.starts_with("tel:");
    let kind = answer.header("content-type").unwrap_or("(missing)").to_owned();
    Ok(Finding::all([
        (answer.status == 200, format!("GET /.well-known/security.txt, without any key: {}", answer.status)),
        (kind.starts_with("text/plain"), format!("Content-Type: {kind}")),
        (!contacts.is_empty() && contacts.iter().all(is_uri), format!("Contact: {}", contacts.join(", "))),
        (
            expires.len() == 1 && (1..=366).contains(&left),
            format!("Expires: {} ({left} days)", expires.join(", ")),
        ),
    ]))
}

fn emails(contacts: &Value) -> Vec<String> {
    let all = contacts.as_array().into_iter().flatten();
    all.filter_map(|contact| contact["email"].as_str()).map(str::to_owned).collect()
}

async fn newest(sql: &Sql) -> Result<String, Trouble> {
    sql.value("SELECT coalesce(max(seq), 0) FROM audit.log").await
}

/// What was raised of a rule since then, in its own words.
async fn raised(bench: &Bench, sql: &Sql, began: String, rule: &str) -> Result<Option<String>, Trouble> {
    // Whoever reads the log waits until everything is in it.
    let settle = async || bench.operator("GET", "/audit?limit=1").send().await.map(drop);
    settle().await?;
    let find = format!(
        "SELECT coalesce((SELECT what FROM alerts.raised WHERE sealed AND rule = '{rule}' AND seq > {began} ORDER BY seq LIMIT 1), '')"
    );
    let is_there = async || Ok(!sql.value(&find).await?.is_empty());
    let is_raised = bench.within(SOON, "the alert", is_there).await.is_ok();
    settle().await?;
    let recorded = sql
        .value(&format!(
            "SELECT count(*) FROM audit.log WHERE event = 'alert.raised' AND seq > {began} AND subject = 'rule:{rule}'"
        ))
        .await?;
    Ok(if is_raised && recorded != "0" { Some(sql.value(&find).await?) } else { None })
}

/// Raised, and put into the mailbox; where nobody else would be told, that is the operator's to change.
async fn told(bench: &Bench, sql: &Sql, began: String, rule: &str, what: &str) -> Result<Finding, Trouble> {
    let before = "SELECT coalesce(max(created_at)::text, '-infinity') FROM mail.outbox WHERE recipient = ";
    let mails = format!("{before}'{MAILBOX}' AND subject LIKE '%{rule}%'");
    let last = sql.value(&mails).await?;
    let raised = raised(bench, sql, began, rule).await?;
    let Some(raised) = raised else {
        return Ok(Finding::failing(format!("{what} raised no alert {rule}")));
    };
    let listed = bench.operator("GET", "/admin/v1/alerts").send().await?.json();
    let recipients = &listed["recipients"];
    let reached: Vec<String> = recipients["mail"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    let ways =
        ["webhook", "chat", "syslog"].into_iter().filter(|way| recipients[way] == true).map(str::to_owned);
    let reached: Vec<String> = reached.into_iter().chain(ways).collect();
    let none = format!("{what} raised {rule}: {raised}\n");
    if reached.is_empty() {
        return Ok(Finding::needs_you(format!(
            "{none}but nobody can be told: set email.smtp_host and alerts.email (or contacts.file), or alerts.webhook_url"
        )));
    }
    let count =
        format!("SELECT count(*) FROM mail.outbox WHERE recipient = '{MAILBOX}' AND subject LIKE '%{rule}%'");
    let is_told = if recipients["mail_leaves"] == true {
        let arrived = async || {
            Ok(sql.value(&mails).await? != last || last == "-infinity" && sql.value(&count).await? != "0")
        };
        bench.within(SOON, "the mail", arrived).await.is_ok()
    } else {
        // No mail leaves here: the webhook or chat is the way, and nobody is woken to prove it.
        true
    };
    Ok(Finding::all([
        (true, none.trim().to_owned()),
        (
            is_told,
            format!(
                "a mail about it was put into the probes' mailbox within {SOON} s, as it would be for {}",
                reached.join(", ")
            ),
        ),
    ]))
}
