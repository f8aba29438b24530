//! How long the prover takes for each schema of its corpus: its own tests, built as a release, one after the other.

use anyhow::{Context, Result, bail};

use super::Bench;
use super::sections::{Aim, verdict};
use crate::setup;
use crate::shell;
use crate::workspace::Workspace;

/// What a schema may take.
const SECONDS: f64 = 2.0;
/// How many are shown.
const SHOWN: usize = 5;
/// Flawed and right.
const CORPUS: usize = 120;

/// The section.
pub fn run(_: &Bench<'_>) -> Result<()> {
    let workspace = Workspace::find()?;
    let tools = setup::for_running(&workspace)?;
    let words = ["test", "--release", "--package", "policies", "--test", "it", "prove::", "--"];
    let mut command = workspace.cargo(&words);
    command.args(["--nocapture", "--test-threads=1"]);
    let output = tools.equip(&mut command)?.output().context("cannot run cargo")?;
    let printed = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("`{}`:\n{printed}\n{}", shell::line(&command), String::from_utf8_lossy(&output.stderr));
    }
    let mut taken = read(&printed);
    if taken.len() < CORPUS {
        bail!("only {} schemas said how long they took", taken.len());
    }
    taken.sort_by_key(|(milliseconds, _)| std::cmp::Reverse(*milliseconds));
    for (milliseconds, name) in taken.iter().take(SHOWN) {
        println!("   {milliseconds:>6} ms  {name}");
    }
    let all: u64 = taken.iter().map(|(milliseconds, _)| milliseconds).sum();
    println!("   {:>6} ms  on average of {}", all / taken.len().max(1) as u64, taken.len());
    let slowest = taken.first().map_or(0, |(milliseconds, _)| *milliseconds);
    verdict("seconds for the slowest", slowest as f64 / 1000.0, Aim::AtMost(SECONDS));
    Ok(())
}

/// Lines `prover: 12 ms NAME`.
fn read(printed: &str) -> Vec<(u64, String)> {
    let line = |line: &str| {
        let (milliseconds, name) = line.split_once("prover: ")?.1.split_once(" ms ")?;
        Some((milliseconds.parse().ok()?, name.to_owned()))
    };
    printed.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn each_schema_says_how_long_it_took() {
        let printed =
            "running 2 tests\ntest prove::x ... prover: 12 ms a name\nprover: 1900 ms another\nok\n";
        assert_eq!(super::read(printed), [(12, "a name".to_owned()), (1900, "another".to_owned())]);
    }
}
