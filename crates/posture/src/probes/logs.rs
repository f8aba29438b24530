//! Control 102: the level of the program's own log, changed as the operator would and seen in what the log then says.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use super::audit::entry;
use crate::Finding;
use crate::bench::{Bench, Trouble};

/// A line of this level and text appears when a client breaks off.
const LINE: &str = "a connection ended early";
/// How long a line that must not appear is waited for.
const SECONDS_OF_SILENCE: u64 = 1;
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
