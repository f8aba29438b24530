//! `cargo xtask soak [words]`: runs that are too long for every change.
//!
//! Two kinds, both found in the sources, so that no list can forget one: a test marked `#[ignore = "long: …"]`, beside
//! which an ordinary test runs a slice with a fixed seed; and property tests, which CI runs with proptest's own number of
//! cases. The report says what CI ran of each, so that a slice is never taken for the whole.

use anyhow::{Result, bail};

use crate::setup;
use crate::shell;
use crate::tidy::text::{self, File};
use crate::workspace::Workspace;

/// Cases of each property in a full run; proptest itself tries 256.
const CASES: u32 = 50_000;

/// One long run.
#[derive(Debug, PartialEq, Eq)]
enum LongRun {
    /// A test that is marked as long.
    Test { package: String, name: String, what: String },
    /// The property tests of a crate.
    Properties { package: String },
}

impl LongRun {
    fn line(&self) -> String {
        match self {
            LongRun::Test { package, name, what } => format!("{package:<10} {name}: {what}"),
            LongRun::Properties { package } => format!("{package:<10} properties: {CASES} cases each"),
        }
    }

    fn matches(&self, words: &[&str]) -> bool {
        words.iter().any(|word| *word == "all" || self.line().contains(word))
    }

    fn arguments(&self) -> Vec<&str> {
        match self {
            LongRun::Test { package, name, .. } => {
                vec!["test", "--package", package, "--", "--ignored", name]
            }
            LongRun::Properties { package } => vec!["test", "--package", package, "--all-targets"],
        }
    }
}

pub fn run(words: &[&str]) -> Result<()> {
    let workspace = Workspace::find()?;
    if words.is_empty() {
        return report(&workspace);
    }
    let runs = find(&text::read(&workspace)?);
    let chosen: Vec<&LongRun> = runs.iter().filter(|run| run.matches(words)).collect();
    if chosen.is_empty() {
        bail!("no long run has one of these words: {}; `cargo xtask soak` lists them", words.join(" "));
    }
    let tools = setup::for_testing(&workspace)?;
    for run in chosen {
        println!("\n── {}", run.line());
        let mut command = workspace.cargo(&run.arguments());
        command.env("PROPTEST_CASES", CASES.to_string());
        shell::show(tools.equip(&mut command)?)?;
    }
    Ok(())
}

/// Says what exists, and that only a slice of it ran.
pub fn report(workspace: &Workspace) -> Result<()> {
    println!(
        "\nLong runs; `cargo xtask test` and CI run the fixed-seed slice of each, `cargo xtask soak WORD` (or `all`) the whole:"
    );
    for run in find(&text::read(workspace)?) {
        println!("   {}", run.line());
    }
    Ok(())
}

fn find(files: &[File]) -> Vec<LongRun> {
    let mut runs = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let Some(package) = file.path.strip_prefix("crates/").and_then(|rest| rest.split('/').next()) else {
            continue;
        };
        runs.extend(marked(package, &file.text));
        let properties = LongRun::Properties { package: package.to_owned() };
        if file.text.lines().any(|line| line.trim_start().starts_with("proptest! {"))
            && !runs.contains(&properties)
        {
            runs.push(properties);
        }
    }
    runs
}

/// Tests marked as long, each with the name of the function that follows.
fn marked(package: &str, text: &str) -> Vec<LongRun> {
    let mut runs = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(what) = line.trim_start().strip_prefix("#[ignore = \"long: ") else { continue };
        let what = what.trim_end_matches("\"]").to_owned();
        let named = |line: &str| Some(line.split("fn ").nth(1)?.split('(').next()?.to_owned());
        if let Some(name) = lines.by_ref().find_map(named) {
            runs.push(LongRun::Test { package: package.to_owned(), name, what });
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_runs_are_found_where_they_are_written() {
        let text =
            "//! A.\n#[tokio::test]\n#[ignore = \"long: 100,000 rounds\"]\nasync fn soak_rounds() {}\n";
        let file = File { path: "crates/pg/tests/it/bleed.rs".to_owned(), text: text.to_owned() };
        let properties =
            File { path: "crates/data/src/query.rs".to_owned(), text: "proptest! {\n}\n".to_owned() };
        let runs = find(&[file, properties]);
        let lines: Vec<String> = runs.iter().map(LongRun::line).collect();
        assert_eq!(
            lines,
            ["pg         soak_rounds: 100,000 rounds", "data       properties: 50000 cases each"]
        );
        assert!(runs.first().is_some_and(|run| run.matches(&["rounds"]) && !run.matches(&["mail"])));
    }
}
