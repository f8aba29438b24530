//! Commands that ask a running server over its control socket, and print the answer for people or as JSON.

use std::borrow::Cow;
use std::io::Write;
use std::path::Path;

use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::cli::{Admin, At, Audit, Command, Described, Graphql, GuideName, Report, Which};
use crate::config::exit::Exit;
use crate::control::{self, Error};

type Done = Result<Exit, Error>;

/// Runs a command that needs a running server; `None` when it is not one of those.
pub async fn run(command: &Command) -> Option<Done> {
    Some(match command {
        Command::Posture { guide, report } => posture(*guide, report).await,
        Command::Check { control, report } => check(*control, report).await,
        Command::Audit { what: Audit::Verify(report) } => audit_verify(report).await,
        Command::Audit { what: Audit::List { which, limit, at } } => {
            lines(at, &format!("/audit?limit={limit}{}", which_query(which)), Value::to_string).await
        }
        Command::Audit { what: Audit::Export { which, at } } => audit_export(which, at).await,
        Command::Admin { what: Admin::Create { email, at } } => admin_create(email, at).await,
        Command::Keys { what } => crate::keys::run(what).await,
        Command::Admin { what: Admin::ResetFactors { email, at } } => reset_factors(email, at).await,
        Command::Graphql { what: Graphql::Sdl(which) } => described("sdl", which).await,
        Command::Graphql { what: Graphql::Types(which) } => described("types", which).await,
        Command::Gate { at } => lines(at, "/gate", gate_line).await,
        Command::Types { zod, at } => types(*zod, at).await,
        Command::Lint { report } => crate::policies::lint(report).await,
        Command::Policies { what } => crate::policies::run(what).await,
        Command::Mails { what } => crate::mails::run(what).await,
        Command::Roles { what } => crate::roles::run(what).await,
        Command::ExplainAccess(asked) => crate::policies::explain_access(asked).await,
        Command::Migrate { what } => crate::migrate::run(what).await,
        Command::Alerts { what } => crate::alerts::run(what).await,
        Command::Bans { what } => crate::bans::run(what).await,
        Command::Canaries { what } => crate::canaries::run(what).await,
        Command::Db { what } => crate::db::run(what).await,
        Command::Log { at } => log(at).await,
        Command::LogLevel { level, at } => log_level(level, at).await,
        Command::Tls { what } => crate::certificate::run(what).await,
        Command::Serve(_)
        | Command::Up(_)
        | Command::Firewall { .. }
        | Command::Doctor(_)
        | Command::Scan { .. }
        | Command::Dev(_)
        | Command::Config { .. }
        | Command::Explain { .. }
        | Command::Docs { .. } => return None,
    })
}

async fn get(data: &Path, path: &str) -> Result<Value, Error> {
    control::ask(data, Method::GET, path, None).await
}

async fn types(zod: bool, at: &At) -> Done {
    let answer =
        get(&at.data, if zod { "/admin/v1/types?probes=no&as=zod" } else { "/admin/v1/types?probes=no" })
            .await?;
    say(answer["types"].as_str().unwrap_or_default().trim_end());
    Ok(Exit::Success)
}

async fn described(form: &str, which: &Described) -> Done {
    let quoted = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let path =
        format!("/graphql/{form}?convention={}&role={}", quoted(&which.convention), quoted(&which.role));
    let answer = get(&which.at.data, &path).await?;
    say(text(&answer["text"]).trim_end());
    Ok(Exit::Success)
}

async fn posture(guide: Option<GuideName>, report: &Report) -> Done {
    let Some(guide) = guide else { return proofs(report, "/posture", "text").await };
    let page = match guide {
        GuideName::Af => "appflowy",
        GuideName::Fx => "fluxbase",
    };
    proofs(report, "/posture", page).await
}

async fn check(number: u16, report: &Report) -> Done {
    proofs(report, &format!("/posture/{number}"), "text").await
}

async fn proofs(report: &Report, path: &str, form: &str) -> Done {
    let answer = get(&report.at.data, path).await?;
    say(&if report.json { answer["report"].to_string() } else { text(&answer[form]).to_owned() });
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

/// Stretch by stretch, so that neither side holds the whole log.
async fn audit_export(which: &Which, at: &At) -> Done {
    let mut after = 0;
    loop {
        let answer = get(&at.data, &format!("/audit/export?after={after}{}", which_query(which))).await?;
        let entries = answer.as_array().map(Vec::as_slice).unwrap_or_default();
        entries.iter().for_each(|entry| say(&entry.to_string()));
        match entries.last().and_then(|last| last["seq"].as_i64()) {
            Some(last) => after = last,
            None => return Ok(Exit::Success),
        }
    }
}

fn which_query(which: &Which) -> String {
    let Which { event, actor, subject, from, to } = which;
    let given = [("event", event), ("actor", actor), ("subject", subject), ("from", from), ("to", to)];
    let given = given.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
    given.map(|(name, value)| format!("&{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC))).collect()
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

async fn reset_factors(email: &str, at: &At) -> Done {
    let answer =
        control::ask(&at.data, Method::POST, "/factors/reset", Some(&json!({ "email": email }))).await?;
    say(&format!(
        "{email} has no second factor any more ({} removed) and is signed out everywhere",
        answer["removed"]
    ));
    Ok(Exit::Success)
}

pub(crate) async fn lines(at: &At, path: &str, line: impl Fn(&Value) -> String) -> Done {
    let answer = get(&at.data, path).await?;
    let items = answer.as_array().map(Vec::as_slice).unwrap_or_default();
    if items.is_empty() {
        say("none");
    }
    items.iter().for_each(|item| say(&line(item)));
    Ok(Exit::Success)
}

async fn log(at: &At) -> Done {
    let answer = get(&at.data, "/log").await?;
    answer["lines"].as_array().into_iter().flatten().for_each(|line| say(text(line)));
    Ok(Exit::Success)
}

async fn log_level(level: &str, at: &At) -> Done {
    let answer = control::ask(&at.data, Method::PUT, "/log-level", Some(&json!({ "level": level }))).await?;
    say(&format!(
        "the log says {} from now on; before it was {}",
        text(&answer["level"]),
        text(&answer["before"])
    ));
    Ok(Exit::Success)
}

fn gate_line(closed: &Value) -> String {
    let name = format!("{}.{}", text(&closed["schema"]), text(&closed["name"]));
    let reason = text(&closed["reason"]);
    match (closed["acknowledged"].as_str(), closed["fix"].as_str()) {
        (Some(word), _) => format!("{name}: served on its owner's word ({word}), although {reason}"),
        (None, Some(fix)) => format!("{name}: not served: {reason}. Fix: {fix};"),
        (None, None) => format!("{name}: not served: {reason}"),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

/// Prints a line; a reader that went away is no error of ours.
pub fn say(line: &str) {
    let _reader_may_be_gone = writeln!(std::io::stdout().lock(), "{}", printable(line));
}

/// Whether a terminal obeys it, or it turns text around.
pub(crate) fn is_obeyed(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Text in which nothing is left that a terminal obeys or that turns what people read around: strangers write names, paths and
/// addresses that stand in it. As JSON has it, so that JSON stays what it says.
pub fn printable(text: &str) -> Cow<'_, str> {
    let is_odd = |letter: char| is_obeyed(letter) && !matches!(letter, '\n' | '\t');
    if !text.contains(is_odd) {
        return Cow::Borrowed(text);
    }
    let shown = |letter: char| match is_odd(letter) {
        true => format!("\\u{:04x}", u32::from(letter)),
        false => letter.to_string(),
    };
    Cow::Owned(text.chars().map(shown).collect())
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn what_a_terminal_would_obey_is_shown_and_json_stays_what_it_says() {
        for plain in ["", "a line\nand\tanother", "é \u{645}\u{200f}"] {
            assert_eq!(printable(plain), plain);
        }
        let written = "\u{1b}]0;x\u{7}\r\u{9b}2J\u{202e}\u{7f}";
        assert_eq!(printable(written), r"\u001b]0;x\u0007\u000d\u009b2J\u202e\u007f");
        let json = serde_json::json!({ "subject": written }).to_string();
        let read: serde_json::Value = serde_json::from_str(&printable(&json)).unwrap();
        assert_eq!(read["subject"], written);
    }
}
