//! `cargo xtask bench [seconds] [sections]`: what a request costs, beside what the database alone costs, in one run.
//!
//! The sections ([`sections::SECTIONS`], `rest` for those of the data API, or `all`) compare more, each as a ratio, with what
//! it should be and whether it was.
//!
//! The load generator is this process and its CPU is not counted. What is counted is the server's, and that of
//! PostgreSQL over its whole process tree. Both sides ask the same rows of the same server on the same machine.

mod accounts;
mod connection;
mod database;
mod edge;
mod graphql;
mod load;
mod process;
mod prover;
mod sections;
mod server;
mod stream;
mod welch;

use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::setup;
use crate::workspace::Workspace;
use database::Database;
use load::{Case, Outcome, Verb};
use process::Usage;
use server::Server;

/// Connections of the load generator.
const CONNECTIONS: usize = 64;
/// Clients of pgbench: as many as Palisade's shared connections on two cores.
const PGBENCH_CLIENTS: usize = 4;
/// How many of the 10,000 users are signed in and take turns.
const SIGNED_IN: usize = 100;
/// Requests one after the other when round trips are counted.
const IN_TURN: u64 = 500;

pub fn run(words: &[&str]) -> Result<()> {
    let (numbers, names): (Vec<&str>, Vec<&str>) =
        words.iter().partition(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
    let seconds: u64 = match numbers.as_slice() {
        [] => 5,
        [number] => number.parse().context("too many seconds")?,
        _ => bail!("bench takes one number, of seconds per measurement"),
    };
    let sections = sections::chosen(&names)?;
    let workspace = Workspace::find()?;
    let tools = setup::for_running(&workspace)?;
    let server = Server::start(&workspace, &tools)?;
    println!("raised for this run:\n{}", server::RAISED);
    let database = Database::of(&server, &tools)?;
    database.seed()?;
    let tokens = server.sign_in(SIGNED_IN)?;
    let bench =
        Bench { server: &server, database: &database, tokens: &tokens, length: Duration::from_secs(seconds) };
    let rows = bench.measure()?;
    bench.print(&rows)?;
    for section in sections {
        println!("\n{}", section.what);
        (section.run)(&bench)?;
    }
    server.stop()
}

/// What is measured with.
struct Bench<'a> {
    server: &'a Server,
    database: &'a Database,
    tokens: &'a [String],
    length: Duration,
}

/// One line of the table.
struct Row {
    what: String,
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    palisade_us: Option<f64>,
    postgres_us: f64,
    round_trips: f64,
}

impl Bench<'_> {
    fn measure(&self) -> Result<Vec<Row>> {
        let mut rows = vec![
            self.pgbench("pgbench: the bare prepared query", database::BARE, 1.0)?,
            self.pgbench("pgbench: BEGIN, set_config, query, COMMIT", database::SEQUENCE, 4.0)?,
        ];
        for case in CASES {
            rows.push(self.palisade(case)?);
        }
        Ok(rows)
    }

    /// Its round trips are known: one per line of the script.
    fn pgbench(&self, what: &str, script: &str, round_trips: f64) -> Result<Row> {
        let before = self.usage()?;
        let outcome = self.database.pgbench(script, PGBENCH_CLIENTS, self.length.as_secs())?;
        let spent = self.usage()?.since(&before);
        Ok(row(what, &outcome, None, spent.postgres_us, round_trips))
    }

    fn palisade(&self, case: &Case) -> Result<Row> {
        let address = self.server.address();
        // Caches are warm and statements prepared before anything is counted.
        load::run(address, case, self.tokens, CONNECTIONS, load::Until::Elapsed(Duration::from_secs(1)))?;
        let waits = self.database.waits();
        load::run(address, case, self.tokens, 1, load::Until::Requests(IN_TURN))?;
        let round_trips = self.database.waits().saturating_sub(waits) as f64 / IN_TURN as f64;
        let before = self.usage()?;
        let outcome = load::run(address, case, self.tokens, CONNECTIONS, load::Until::Elapsed(self.length))?;
        let spent = self.usage()?.since(&before);
        if outcome.refused > 0 {
            bail!(
                "{}: {} of {} requests were refused: {}",
                case.what,
                outcome.refused,
                outcome.requests,
                outcome.first_refusal
            );
        }
        Ok(row(case.what, &outcome, Some(spent.palisade_us), spent.postgres_us, round_trips))
    }

    fn usage(&self) -> Result<Usage> {
        Usage::now(self.server.pid(), self.database.postmaster())
    }

    fn print(&self, rows: &[Row]) -> Result<()> {
        let bare = rows.first().map_or(1.0, |row| row.postgres_us);
        println!(
            "\n{:<44}{:>10}{:>9}{:>9}{:>13}{:>13}{:>9}{:>8}",
            "", "per s", "p50 ms", "p99 ms", "palisade µs", "postgres µs", "× bare", "trips"
        );
        for row in rows {
            let palisade = row.palisade_us.map_or_else(|| "-".to_owned(), |us| format!("{us:.1}"));
            println!(
                "{:<44}{:>10.0}{:>9.2}{:>9.2}{palisade:>13}{:>13.1}{:>9.2}{:>8.2}",
                row.what,
                row.per_second,
                row.p50_ms,
                row.p99_ms,
                row.postgres_us,
                row.postgres_us / bare,
                row.round_trips
            );
        }
        println!(
            "\nCPU is per request, user and system, of the server and of all of PostgreSQL's processes; the load generator's is"
        );
        println!(
            "left out. Trips: how often a backend waited, per request, with one request at a time: for its client, on a write also for the disk."
        );
        println!(
            "pgbench runs {PGBENCH_CLIENTS} clients, the load generator {CONNECTIONS} connections of {SIGNED_IN} signed-in users."
        );
        let idle = self.server.idle_kib() as f64 / 1024.0;
        let now = process::resident_kib(self.server.pid())? as f64 / 1024.0;
        println!(
            "\nmemory of palisade: {idle:.1} MiB idle, {now:.1} MiB after the load; of PostgreSQL: {:.1} MiB",
            self.database.proportional_mib()
        );
        Ok(())
    }
}

fn row(what: &str, outcome: &Outcome, palisade_us: Option<u64>, postgres_us: u64, round_trips: f64) -> Row {
    let each = |us: u64| us as f64 / outcome.requests.max(1) as f64;
    Row {
        what: what.to_owned(),
        per_second: outcome.per_second(),
        p50_ms: outcome.percentile_ms(0.50),
        p99_ms: outcome.percentile_ms(0.99),
        palisade_us: palisade_us.map(each),
        postgres_us: each(postgres_us),
        round_trips,
    }
}

/// Rows 90,001 to 100,000 belong to the first hundred users, a hundred each; the others have nine each.
const CASES: &[Case] = &[
    Case {
        what: "palisade: a row by key",
        verb: Verb::Get,
        path: |user, turn| {
            format!(
                "/rest/v1/todos?select=id,title,done,priority,tags,details,created_at&id=eq.{}",
                1 + user + turn % 9 * 10_000
            )
        },
    },
    Case {
        what: "palisade: a page of 100 rows",
        verb: Verb::Get,
        path: |_, _| {
            "/rest/v1/todos?select=id,title,done,priority,tags,details,created_at&order=id.desc&limit=100"
                .to_owned()
        },
    },
    Case {
        what: "palisade: a row with its list embedded",
        verb: Verb::Get,
        path: |user, turn| {
            format!("/rest/v1/todos?select=id,title,lists(name)&id=eq.{}", 1 + user + turn % 9 * 10_000)
        },
    },
    Case { what: "palisade: an insert", verb: Verb::Insert, path: |_, _| "/rest/v1/todos".to_owned() },
];
