//! Comparisons beyond the table, each a claim of ours and the ratio that was measured for it in this run.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, bail};

use super::load::{self, Case, Until, Verb};
use super::{Bench, CASES, CONNECTIONS, Row, database, process};

/// A comparison.
pub struct Section {
    /// The word that chooses it.
    pub name: &'static str,
    /// What it compares.
    pub what: &'static str,
    pub run: fn(&Bench<'_>) -> Result<()>,
}

/// What a figure should be.
#[derive(Clone, Copy)]
pub enum Aim {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
}

impl Aim {
    fn holds(self, figure: f64) -> bool {
        match self {
            Aim::AtLeast(least) => figure >= least,
            Aim::AtMost(most) => figure <= most,
        }
    }
}

/// Says a figure, what it should be, and whether it is.
pub(super) fn verdict(what: &str, figure: f64, aim: Aim) {
    let wanted = match aim {
        Aim::AtLeast(least) => format!("{least} or more"),
        Aim::AtMost(most) => format!("{most} or less"),
    };
    println!("   {what}: {figure:.2}   aim {wanted}   {}", if aim.holds(figure) { "held" } else { "MISSED" });
}

/// What the data API is measured by, as one word.
const REST: [&str; 9] = ["row", "pipeline", "trips", "slow", "page", "stream", "linear", "prover", "growth"];

/// Of a comparison of costs.
pub(super) const ROUNDS: usize = 3;

/// All of them.
pub const SECTIONS: &[Section] = &[
    Section {
        name: "row",
        what: "CPU of a row by key, under row level security, with a token seen before",
        run: row,
    },
    Section {
        name: "pipeline",
        what: "Requests against pgbench's transactions of the same statements",
        run: pipeline,
    },
    Section { name: "trips", what: "One round trip against four, in the same server", run: trips },
    Section { name: "page", what: "JSON written by us against json_agg, in the same server", run: page },
    Section { name: "slow", what: "Fast requests beside a slow one", run: slow },
    Section {
        name: "stream",
        what: "Memory of 50,000 rows against 5,000, as JSON and as CSV, in a server of their own",
        run: super::stream::run,
    },
    Section {
        name: "linear",
        what: "CPU of ten times the rows, of both sides together",
        run: super::stream::linear,
    },
    Section {
        name: "prover",
        what: "How long each schema of the prover's corpus takes",
        run: super::prover::run,
    },
    Section {
        name: "graphql",
        what: "GraphQL against the same SQL by hand, a statement for each row, and its attacks",
        run: super::graphql::run,
    },
    Section {
        name: "logins",
        what: "Sign-ins a second against what hashing permits",
        run: super::accounts::logins,
    },
    Section { name: "tokens", what: "Knowing again who sends a token", run: super::accounts::tokens },
    Section { name: "storm", what: "Reads beside a storm of sign-ins", run: super::accounts::storm },
    Section {
        name: "timing",
        what: "Whether the time of an answer tells who has an account (Welch's t-test)",
        run: super::accounts::timing,
    },
    Section {
        name: "edge",
        what: "The edge against hyper alone, at rest, in handshakes, and with one who asks too much",
        run: super::edge::run,
    },
    Section { name: "growth", what: "Memory over a million requests", run: growth },
];

/// Those with one of the names; all for `all`, none without names.
pub fn chosen(names: &[&str]) -> Result<Vec<&'static Section>> {
    let group = |name: &str| ["all", "rest"].contains(&name);
    if let Some(odd) =
        names.iter().find(|name| !group(name) && !SECTIONS.iter().any(|one| one.name == **name))
    {
        let known: Vec<&str> = SECTIONS.iter().map(|section| section.name).collect();
        bail!(
            "bench has no section {odd}; there are {}, rest ({}) and all",
            known.join(", "),
            REST.join(", ")
        );
    }
    let wanted = |one: &&Section| {
        names.contains(&"all")
            || names.contains(&one.name)
            || names.contains(&"rest") && REST.contains(&one.name)
    };
    Ok(SECTIONS.iter().filter(wanted).collect())
}

fn row_case() -> Result<&'static Case> {
    CASES.first().ok_or_else(|| anyhow::anyhow!("no cases"))
}

/// A share of something, and what it should be.
pub(super) fn share(what: &str, got: f64, of: f64, aim: Aim) {
    verdict(what, got / of.max(f64::MIN_POSITIVE), aim);
}

/// PostgreSQL's CPU for the bare query, with two clients, on the machine that the 20 µs of [`row`] were set on: a machine of another
/// speed is told from a server that got slower by what both of them take in one run.
const BARE_QUERY_US: f64 = 9.7;

/// Both sides in turns; the cheapest round of each counts, since whatever else the machine does only adds to it.
fn row(bench: &Bench<'_>) -> Result<()> {
    let (mut bare, mut palisade, mut postgres) = (f64::MAX, f64::MAX, f64::MAX);
    for _ in 0..ROUNDS {
        bare = bare.min(bench.pgbench("pgbench: the bare prepared query", database::BARE, 1.0)?.postgres_us);
        let ours = bench.palisade(row_case()?)?;
        let of_server =
            ours.palisade_us.ok_or_else(|| anyhow::anyhow!("nothing was measured of the server"))?;
        (palisade, postgres) = (palisade.min(of_server), postgres.min(ours.postgres_us));
    }
    println!(
        "   the best of {ROUNDS} rounds each; {postgres:.1} µs of PostgreSQL, {bare:.1} for the bare query"
    );
    verdict("µs of CPU of the server, for each request", palisade, Aim::AtMost(20.0));
    share(
        "times what PostgreSQL takes for the bare query (20 µs where that takes 9.7)",
        palisade,
        bare,
        Aim::AtMost(20.0 / BARE_QUERY_US),
    );
    share("times the CPU of PostgreSQL for the bare query", postgres, bare, Aim::AtMost(1.4));
    Ok(())
}

/// The quickest of some rounds of each of two, in turns.
fn quickest(one: impl Fn() -> Result<Row>, other: impl Fn() -> Result<Row>) -> Result<(Row, Row)> {
    let (mut best, mut second) = (one()?, other()?);
    for _ in 1..ROUNDS {
        let (next, beside) = (one()?, other()?);
        if next.per_second > best.per_second {
            best = next;
        }
        if beside.per_second > second.per_second {
            second = beside;
        }
    }
    Ok((best, second))
}

/// Its clients speak no HTTP and check no token.
fn pipeline(bench: &Bench<'_>) -> Result<()> {
    let (theirs, ours) = quickest(
        || bench.pgbench("pgbench: one pipeline, one Sync", database::PIPELINE, 1.0),
        || bench.palisade(row_case()?),
    )?;
    println!(
        "   the best of {ROUNDS} rounds each: {:.0} transactions/s, {:.1} µs of PostgreSQL; {:.0} requests/s, {:.1} µs of PostgreSQL",
        theirs.per_second, theirs.postgres_us, ours.per_second, ours.postgres_us
    );
    share("requests a second, of its transactions", ours.per_second, theirs.per_second, Aim::AtLeast(0.5));
    Ok(())
}

const FOUR_TRIPS: Case = Case {
    what: "four round trips of a general driver",
    verb: Verb::Get,
    path: |user, turn| format!("/bench/v1/four-trips/{}", 1 + user + turn % 9 * 10_000),
};
const JSON_AGG: Case =
    Case { what: "json_agg", verb: Verb::Get, path: |_, _| "/bench/v1/json-agg".to_owned() };

fn against(bench: &Bench<'_>, ours: &Case, theirs: &Case, aim: Aim) -> Result<()> {
    let (them, us) = quickest(|| bench.palisade(theirs), || bench.palisade(ours))?;
    println!("   the best of {ROUNDS} rounds each");
    for row in [&them, &us] {
        println!(
            "   {}: {:.0}/s, p99 {:.2} ms, palisade {:.1} µs, PostgreSQL {:.1} µs",
            row.what,
            row.per_second,
            row.p99_ms,
            row.palisade_us.unwrap_or_default(),
            row.postgres_us
        );
    }
    share("times as many requests a second", us.per_second, them.per_second, aim);
    Ok(())
}

fn trips(bench: &Bench<'_>) -> Result<()> {
    against(bench, row_case()?, &FOUR_TRIPS, Aim::AtLeast(3.0))
}

fn page(bench: &Bench<'_>) -> Result<()> {
    let Some(ours) = CASES.get(1) else { bail!("no page") };
    against(bench, ours, &JSON_AGG, Aim::AtLeast(1.8))
}

const SLEEPY: Case =
    Case { what: "a slow read", verb: Verb::Get, path: |_, _| "/rest/v1/sleepy?select=id".to_owned() };

/// Half the connections, so that what is measured is waiting for the slow one and not for a CPU.
fn slow(bench: &Bench<'_>) -> Result<()> {
    let (address, case) = (bench.server.address(), row_case()?);
    let measure = || load::run(address, case, bench.tokens, CONNECTIONS / 2, Until::Elapsed(bench.length));
    measure()?;
    let (mut alone, mut beside, mut slow) = (f64::MAX, f64::MAX, 0);
    for _ in 0..ROUNDS {
        alone = alone.min(measure()?.percentile_ms(0.99));
        let over = AtomicBool::new(false);
        let (fast, sleepy) = std::thread::scope(|scope| {
            let sleepy = scope.spawn(|| {
                let mut sent = 0;
                while !over.load(Ordering::Relaxed) {
                    sent += load::run(address, &SLEEPY, bench.tokens, 1, Until::Requests(1))?.requests;
                }
                anyhow::Ok(sent)
            });
            let fast = measure();
            over.store(true, Ordering::Relaxed);
            (fast, sleepy.join())
        });
        beside = beside.min(fast?.percentile_ms(0.99));
        slow += sleepy.map_err(|_| anyhow::anyhow!("the slow one broke"))??;
    }
    println!(
        "   p99 of a row by key, the best of {ROUNDS} rounds: {alone:.2} ms alone, {beside:.2} ms beside {slow} reads of 200 ms, one after the other"
    );
    share("times the p99", beside, alone, Aim::AtMost(2.0));
    Ok(())
}

fn growth(bench: &Bench<'_>) -> Result<()> {
    const TENTH: u64 = 100_000;
    let mut seen = Vec::new();
    for _ in 0..10 {
        load::run(bench.server.address(), row_case()?, bench.tokens, CONNECTIONS, Until::Requests(TENTH))?;
        seen.push(process::resident_kib(bench.server.pid())? as f64 / 1024.0);
    }
    let shown: Vec<String> = seen.iter().map(|mib| format!("{mib:.1}")).collect();
    println!("   MiB after each 100,000: {}", shown.join(" "));
    let (first, last) = (seen.first().copied().unwrap_or(1.0), seen.last().copied().unwrap_or(1.0));
    share("times the memory after the first tenth", last, first, Aim::AtMost(1.1));
    Ok(())
}
