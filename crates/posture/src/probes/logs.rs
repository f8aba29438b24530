//! Control 100: what the log's two files say of a request and of a failure. Control 102: the level of the program's own log,
//! changed as the operator would and seen in what the log then says.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::audit::entry;
use crate::Finding;
use crate::bench::{Bench, Trouble};

/// A line of this level and text appears when a client breaks off.
const LINE: &str = "a connection ended early";
/// How long a line that must not appear is waited for.
const SECONDS_OF_SILENCE: u64 = 1;
/// How much of the end of each file is looked at.
const TAIL_BYTES_MAX: u64 = 4 << 20;
/// How long a line of the log may be on its way.
const SECONDS_TO_FILE: u64 = 5;
/// How often the level is changed before it is put back.
const CHANGES: u64 = 3;

/// 102: silent at the quieter level, heard at `debug` at once, silent again, and each change is recorded. Never quieter
/// than `info` or than the operator set it: nothing that would have been logged is lost to this.
pub async fn the_level_is_obeyed_changed_and_recorded(bench: &Bench) -> Result<Finding, Trouble> {
    let mode =
        std::fs::metadata(bench.control_socket()).map_or(0, |found| found.permissions().mode() & 0o777);
    let mut lines =
        vec![(mode == 0o600, format!("the socket that changes it is open to its owner only: {mode:o}"))];
    let before = log(bench, 0).await?.0;
    let tried = changes(bench, &before).await;
    // Whatever was seen, the operator's level is put back.
    let back = set(bench, &before).await?;
    lines.extend(tried?);
    let now = log(bench, 0).await?.0;
    lines.push((back == 200 && now == before, format!("the level is {now} again")));
    Ok(Finding::all(lines))
}

async fn changes(bench: &Bench, before: &str) -> Result<Vec<(bool, String)>, Trouble> {
    let sql = bench.sql().await?;
    let newest = "SELECT coalesce(max(seq), 0) FROM audit.log";
    let began = sql.value(newest).await?;
    let mut lines = Vec::new();
    let quiet = if matches!(before, "debug" | "trace") { "info" } else { before };
    for (level, heard) in [(quiet, false), ("debug", true), (quiet, false)] {
        let answered = set(bench, level).await?;
        let is_heard = hears(bench).await?;
        let said = if is_heard { "is" } else { "is not" };
        lines.push((
            answered == 200 && is_heard == heard,
            format!("at {level} a line of level debug {said} in the log ({answered})"),
        ));
    }
    let unknown = set(bench, "silent").await?;
    lines.push((unknown == 400, format!("a level that does not exist is answered {unknown}")));
    // Awaits the sequencer, then looks at those of this probe only.
    let recorded = entry(bench, &sql, "config.log_level_changed", "debug").await?;
    let count = format!(
        "SELECT count(*) FROM audit.log WHERE event = 'config.log_level_changed' AND actor = 'operator' AND seq > {began}"
    );
    let all = async || Ok(sql.value(&count).await?.parse::<u64>().is_ok_and(|found| found >= CHANGES));
    let counted = bench.within(5, "the entries", all).await.is_ok();
    lines.push((
        recorded.is_some() && counted,
        format!(
            "{} changes recorded as config.log_level_changed, of {CHANGES} made here",
            sql.value(&count).await?
        ),
    ));
    Ok(lines)
}

/// Whether a client that breaks off is heard of.
async fn hears(bench: &Bench) -> Result<bool, Trouble> {
    let (_, written, _) = log(bench, u64::MAX).await?;
    bench.hang_up().await?;
    let heard = async || Ok(log(bench, written).await?.2.iter().any(|line| line.contains(LINE)));
    Ok(bench.within(SECONDS_OF_SILENCE, "a line", heard).await.is_ok())
}

async fn set(bench: &Bench, level: &str) -> Result<u16, Trouble> {
    Ok(bench.operator("PUT", "/log-level").json(&json!({ "level": level })).send().await?.status)
}

/// The level in force, how many lines were ever written, and those after the first `after`.
async fn log(bench: &Bench, after: u64) -> Result<(String, u64, Vec<String>), Trouble> {
    let answer = bench.operator("GET", &format!("/log?after={after}")).send().await?;
    let level = answer.field("/level")?;
    let said = answer.json();
    let written = said.pointer("/written").and_then(Value::as_u64).unwrap_or(0);
    let lines = said.pointer("/lines").and_then(Value::as_array).into_iter().flatten();
    Ok((level, written, lines.filter_map(Value::as_str).map(str::to_owned).collect()))
}

/// 100: one line of JSON for a request, with who, whence and when; a failure in both files; no secret in either.
pub async fn requests_and_failures_stand_in_their_files(bench: &Bench) -> Result<Finding, Trouble> {
    let folder = bench.place.data.join("logs");
    let mut lines = vec![private(&folder, 0o700)];
    lines.extend(["combined.log", "error.log"].map(|name| private(&folder.join(name), 0o600)));
    let (person, session) = bench.guest().await?;
    let (agent, canary) = (bench.random_name("agent-"), bench.random_name("canary-"));
    let target = format!("/auth/v1/user?token={canary}");
    let asked =
        bench.client("GET", &target).replace("user-agent", &agent).bearer(&session.access).send().await?;
    let id = asked.header("x-request-id").unwrap_or("nothing").to_owned();
    let line = written(bench, &folder, "combined", &id).await;
    lines.push((line.is_some(), format!("combined.log has a line of JSON for request {id}")));
    let line = line.unwrap_or(Value::Null);
    let now = bench.place.clock.now();
    let is_now = |text: &str| {
        text.parse::<jiff::Timestamp>().is_ok_and(|at| at.duration_until(now).abs().as_secs() < 60)
    };
    let (status, user) = (asked.status.to_string(), person.id.as_str());
    for (field, expected) in [
        ("level", "INFO"),
        ("method", "GET"),
        ("path", "/auth/v1/user"),
        ("status", &status),
        ("user_id", user),
        ("user_agent", &agent),
    ] {
        let said = word(&line, field);
        lines.push((said == expected, format!("its {field} is {said}")));
    }
    let (ip, at) = (word(&line, "ip"), word(&line, "timestamp"));
    lines.push((ip.parse::<std::net::IpAddr>().is_ok(), format!("its ip is {ip}")));
    lines.push((is_now(&at), format!("its timestamp is {at}")));

    let failed = bench.tenant().await?.call(bench, "fail").send().await?;
    let failed = failed.header("x-request-id").unwrap_or("nothing").to_owned();
    for name in ["error", "combined"] {
        let found = error_of(bench, &folder, name, &failed).await;
        let said = found.as_ref().map_or("nothing".to_owned(), |line| word(line, "code"));
        lines.push((found.is_some(), format!("{name}.log says of the failed request {failed}: {said}")));
    }
    let quiet = tail(&folder, "error").lines().any(|line| line.contains(&id));
    lines.push((!quiet, format!("error.log has nothing of request {id}, which did not fail")));
    let secrets = [canary.as_str(), person.password.as_str(), &session.access, &session.refresh];
    let all = tail(&folder, "combined") + &tail(&folder, "error");
    let told = secrets.iter().filter(|secret| all.contains(**secret)).count();
    lines.push((told == 0, format!("{told} of 4 secrets that were sent stand in the files")));
    Ok(Finding::all(lines))
}

fn private(path: &Path, mode: u32) -> (bool, String) {
    let found = std::fs::symlink_metadata(path).map_or(0, |found| found.permissions().mode() & 0o777);
    let name = path.file_name().unwrap_or_default().display();
    (found == mode, format!("{name} is open to its owner only: {found:o}"))
}

/// A field as text.
fn word(line: &Value, field: &str) -> String {
    match line.get(field) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => "not there".to_owned(),
    }
}

/// The line of a request, once it is there.
async fn written(bench: &Bench, folder: &Path, name: &str, id: &str) -> Option<Value> {
    awaited(bench, folder, name, |line| word(line, "request_id") == id && line.get("status").is_some()).await
}

/// The line of a request's failure, once it is there.
async fn error_of(bench: &Bench, folder: &Path, name: &str, id: &str) -> Option<Value> {
    awaited(bench, folder, name, |line| word(line, "request_id") == id && word(line, "level") == "ERROR")
        .await
}

async fn awaited(bench: &Bench, folder: &Path, name: &str, is_it: impl Fn(&Value) -> bool) -> Option<Value> {
    let look = || {
        let tail = tail(folder, name);
        tail.lines().rev().filter_map(|line| serde_json::from_str(line).ok()).find(|line| is_it(line))
    };
    let there = async || Ok(look().is_some());
    // What is not there in time is reported as missing.
    let _late = bench.within(SECONDS_TO_FILE, "a line in a file", there).await;
    look()
}

/// The end of a stream: of the file that was put aside last, and of the one being written.
fn tail(folder: &Path, name: &str) -> String {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            let file = path.file_name().and_then(|file| file.to_str()).unwrap_or_default();
            file.starts_with(&format!("{name}.")) && file.ends_with(".log")
        })
        .collect();
    // `combined.000001.log` comes before `combined.log`.
    files.sort();
    let newest = files.iter().rev().take(2).rev();
    newest.map(|path| end_of(path).unwrap_or_default()).collect()
}

fn end_of(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES_MAX)))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
