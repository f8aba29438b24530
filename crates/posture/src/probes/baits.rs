//! A honey row of the probes' own, for control 104: read, changed without being shown, and removed, each by somebody at an
//! address that only a probe has, so that nobody is alarmed.

use serde_json::json;

use crate::Finding;
use crate::bench::{Bench, Trouble};

const PATH: &str = "/admin/v1/canaries";

/// How long an entry may take: the trigger is heard at once, and entries are chained within a second.
const SECONDS: u64 = 5;

/// Reading, changing and removing a row that nobody has a reason to touch stands in the audit log, with who did it.
pub async fn touches_of_a_row_are_told(bench: &Bench) -> Result<Finding, Trouble> {
    let tenant = bench.tenant().await?;
    let (name, mark) = (tenant.name.as_str(), bench.random_name("canary-"));
    let table = format!("public.{name}_rows");
    let sql = bench.sql().await?;
    sql.run(&format!("INSERT INTO {table} VALUES (99, gen_random_uuid(), '{mark}')")).await?;
    let wanted = json!({ "kind": "row", "name": name, "mark": mark, "table": table });
    let made = bench.operator("POST", PATH).json(&wanted).send().await?;
    let seen = touch(bench, name).await;
    // Whatever came of it, the bait is gone before the round goes on.
    let removed = bench.operator("DELETE", &format!("{PATH}/{name}")).send().await?.status;
    sql.run(&format!("DELETE FROM {table} WHERE id = 99")).await?;
    let ends = [
        (made.status == 200, format!("a row of the probes' own is marked ({})", made.status)),
        (removed == 200, format!("the mark is taken away again ({removed})")),
    ];
    Ok(Finding::all(ends.into_iter().chain(seen?)))
}

async fn touch(bench: &Bench, name: &str) -> Result<Vec<(bool, String)>, Trouble> {
    let none = || {
        Trouble::Unexpected("this listener cannot be reached from an address of the probe's own".to_owned())
    };
    let row = |filter: &str| format!("/rest/v1/{name}_rows?id=eq.99{filter}");
    let change = json!({ "owner": "00000000-0000-4000-8000-000000000000" });
    let ways = [
        ("read over REST", bench.server("GET", &row("&select=note")), "path"),
        ("changed over REST, without being shown", bench.server("PATCH", &row("")).json(&change), "update"),
        ("removed over REST, without being shown", bench.server("DELETE", &row("")), "delete"),
    ];
    let sql = bench.sql().await?;
    let mut lines = Vec::new();
    for (what, ask, act) in ways {
        let from = bench.own_address().ok_or_else(none)?;
        let status = ask.header("prefer", "return=minimal").from(Some(from)).send().await?.status;
        let kind = if act == "path" {
            "body::jsonb #>> '{details,path}' IS NOT NULL".to_owned()
        } else {
            format!("body::jsonb #>> '{{details,act}}' = '{act}'")
        };
        let query = format!(
            "SELECT actor FROM audit.log WHERE event = 'canary.touched' AND subject = 'canary:{name}' \
             AND body::jsonb ->> 'address' = '{from}' AND {kind}"
        );
        let told = async || Ok(!sql.rows(&query).await?.is_empty());
        let is_told = bench.within(SECONDS, "an entry", told).await.is_ok();
        let actor = sql.rows(&query).await?.into_iter().flatten().flatten().next().unwrap_or_default();
        let said = if is_told {
            format!("canary.touched by {actor} from {from}")
        } else {
            "nothing is told".to_owned()
        };
        let is_so = is_told && actor.starts_with("key:") && (200..300).contains(&status);
        lines.push((is_so, format!("a honey row {what} ({status}): {said}")));
    }
    Ok(lines)
}
