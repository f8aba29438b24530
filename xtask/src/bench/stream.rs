//! What many rows cost: memory while they are made and sent, and CPU beside a tenth of them.
//!
//! Memory is measured in a server that has answered nothing else: what another section once needed is kept by the allocator, and
//! growth inside that is not seen. The same instrument measures an answer that is held whole, and has to see it.

use std::time::Duration;

use anyhow::{Result, bail};

use super::database::Database;
use super::load::Connection;
use super::sections::{Aim, share, verdict};
use super::server::{RAISED, Server};
use super::{Bench, process};
use crate::setup;
use crate::workspace::Workspace;

const FEW: u64 = 5_000;
const MANY: u64 = 50_000;
/// The rows of `/rest/v1/todos?order=id`, whole: by `json_agg`, in one field of one row.
const WHOLE: &str = "
create function public.whole(most int) returns text language sql stable as $$
  select json_agg(t)::text from (select * from public.todos order by id limit most) t $$;
grant execute on function public.whole(int) to service_role;
notify pgrst;";

/// The memory that counts is the most there ever was while an answer was made and sent.
pub fn run(_: &Bench<'_>) -> Result<()> {
    let workspace = Workspace::find()?;
    let tools = setup::for_running(&workspace)?;
    let server = Server::started(&workspace, &tools, RAISED, &[])?;
    let database = Database::of(&server, &tools)?;
    database.seed()?;
    database.ask(WHOLE)?;
    served(&server, "/rest/v1/rpc/whole?most=1")?;
    // What everything takes once: connections, statements, the allocator's first pages.
    for _ in 0..20 {
        grown(&server, "/rest/v1/todos?order=id&limit=100", "application/json", 100)?;
        grown(&server, "/rest/v1/rpc/whole?most=100", "application/json", 1)?;
    }
    for accept in ["application/json", "text/csv"] {
        let mut peaks = Vec::new();
        for rows in [FEW, MANY] {
            let path = format!("/rest/v1/todos?order=id&limit={rows}");
            let (grew, size) = grown(&server, &path, accept, rows)?;
            println!("   {rows} rows, {size} KiB of {accept}: {grew} KiB more at most");
            peaks.push((grew, size));
        }
        if let [.., (grew, size)] = peaks.as_slice() {
            share("memory, of the answer's size", *grew as f64, *size as f64, Aim::AtMost(0.3));
        }
    }
    let (grew, size) = grown(&server, &format!("/rest/v1/rpc/whole?most={MANY}"), "application/json", 1)?;
    println!("   {MANY} rows, {size} KiB in one field by json_agg: {grew} KiB more at most");
    share(
        "memory of an answer that is held whole, of its size (so growth is seen here)",
        grew as f64,
        size as f64,
        Aim::AtLeast(0.7),
    );
    server.stop()
}

/// Waits until the catalog was read again.
fn served(server: &Server, path: &str) -> Result<()> {
    let mut last = 0;
    for _ in 0..100 {
        last = Connection::open(server.address())?.send("GET", path, server.secret_key(), &[], "")?.status;
        if last == 200 {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    bail!("{path}: {last} after ten seconds")
}

/// KiB more than before while one answer was made and sent, and the KiB it has.
fn grown(server: &Server, path: &str, accept: &str, rows: u64) -> Result<(u64, usize)> {
    let pid = server.pid();
    process::forget_peak(pid)?;
    let before = process::resident_kib(pid)?;
    let wish = format!("Accept: {accept}");
    let answer = Connection::open(server.address())?.send("GET", path, server.secret_key(), &[&wish], "")?;
    let lines = answer.body.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
    if answer.status != 200 || lines < rows {
        bail!("{path} as {accept}: {} with {lines} lines", answer.status);
    }
    Ok((process::peak_kib(pid)?.saturating_sub(before), answer.body.len() / 1024))
}

/// How often each number of rows is asked for.
const TIMES: u64 = 20;

/// What a request itself costs is in both, so that more than ten times can only come from the rows.
pub fn linear(bench: &Bench<'_>) -> Result<()> {
    let spent = |rows: u64, times: u64| -> Result<[f64; 2]> {
        let path = format!("/rest/v1/todos?order=id&limit={rows}");
        let mut connection = Connection::open(bench.server.address())?;
        let mut ask = |times: u64| -> Result<()> {
            for _ in 0..times {
                let answer = connection.send("GET", &path, bench.server.secret_key(), &[], "")?;
                if answer.status != 200 {
                    bail!("{path}: {}", answer.status);
                }
            }
            Ok(())
        };
        ask(5)?;
        let before = bench.usage()?;
        ask(times)?;
        let spent = bench.usage()?.since(&before);
        Ok([spent.palisade_us, spent.postgres_us].map(|us| us as f64 / times as f64))
    };
    // The kernel counts in hundredths of a second: the fewer rows, the more requests.
    let steps = [(100, TIMES * 100), (1_000, TIMES * 10), (10_000, TIMES)];
    let mut costs = Vec::new();
    for (rows, times) in steps {
        costs.push((rows, spent(rows, times)?));
    }
    for pair in costs.windows(2) {
        if let [(few, [ours, its]), (many, [our_more, its_more])] = pair {
            let (less, more) = (ours + its, our_more + its_more);
            println!(
                "   {few} rows {less:.0} µs of CPU ({ours:.0} of them Palisade's), {many} rows {more:.0} µs ({our_more:.0})"
            );
            verdict(
                &format!("times the CPU of {few} rows for {many}"),
                more / less.max(1.0),
                Aim::AtMost(10.0),
            );
        }
    }
    Ok(())
}
