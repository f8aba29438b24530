//! `cargo xtask soak`: runs that are too long for every change.
//!
//! CI runs a slice of each with a fixed seed, as ordinary tests; here the same tests run with fresh seeds and many more
//! cases. The report always says which ran, so that a slice is never taken for the whole.

use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::setup;
use crate::shell;
use crate::steps::seconds;
use crate::workspace::Workspace;

/// One long run: the property tests of a crate whose names have a word.
struct LongRun {
    name: &'static str,
    what: &'static str,
    package: &'static str,
    word: &'static str,
    /// Cases per property when run in full; CI's slice takes proptest's own number.
    cases: u32,
}

/// Every long run there is. A property test that is not reached by one of these is found by `tidy`.
const RUNS: &[LongRun] = &[];

pub fn run(words: &[&str]) -> Result<()> {
    let [name] = words else {
        report();
        return Ok(());
    };
    let chosen: Vec<&LongRun> = RUNS.iter().filter(|run| run.name == *name || *name == "all").collect();
    if chosen.is_empty() {
        bail!("no long run `{name}`: `cargo xtask soak` lists them");
    }
    let workspace = Workspace::find()?;
    let tools = setup::for_testing(&workspace)?;
    for run in chosen {
        let began = Instant::now();
        let mut command = workspace.cargo(&["test", "--package", run.package, "--", run.word]);
        command.env("PROPTEST_CASES", run.cases.to_string());
        shell::show(tools.equip(&mut command)?).with_context(|| format!("{}: {}", run.name, run.what))?;
        println!("{}: {} cases each, {}", run.name, run.cases, seconds(began.elapsed()));
    }
    Ok(())
}

/// Says what exists and how much of it ran.
pub fn report() {
    println!("\nLong runs (`cargo xtask soak NAME`, or `all`); CI ran the slice of each:");
    if RUNS.is_empty() {
        println!("   none yet");
    }
    for run in RUNS {
        println!("   {:<14} {} ({} cases in full)", run.name, run.what, run.cases);
    }
}
