//! `cargo xtask test [words]`: set-up, then every test, or those whose name has one of the words.
//!
//! The last line is the count, whatever happened: a run that tells nothing tells the wrong thing.

use std::io::{BufRead, BufReader, IsTerminal};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::setup::{self, Tools};
use crate::shell;
use crate::steps::{Steps, seconds};
use crate::workspace::Workspace;

pub fn run(words: &[&str]) -> Result<()> {
    let workspace = Workspace::find()?;
    let mut steps = Steps::begin();
    let mut tools = None;
    steps.step("set-up", || {
        tools = Some(setup::for_testing(&workspace)?);
        Ok(())
    });
    let Some(tools) = tools else { return steps.finish() };
    steps.step("build", || build(&workspace));
    let mut count = Count::default();
    steps.step("tests", || execute(&workspace, &tools, words, &mut count));
    let outcome = steps.finish();
    println!("{}", count.line());
    outcome
}

/// Builds every test and the program, in the one profile there is.
pub fn build(workspace: &Workspace) -> Result<()> {
    shell::show(&mut workspace.cargo(&["build", "--workspace", "--all-targets"]))
}

/// Where generated cases begin.
const SEED: &str = "20260115";

/// Runs the tests and counts them. Doc examples are prose and are not run.
pub fn execute(workspace: &Workspace, tools: &Tools, words: &[&str], count: &mut Count) -> Result<()> {
    let mut command = workspace.cargo(&["test", "--workspace", "--all-targets", "--no-fail-fast", "--"]);
    command.args(words);
    // The same cases every time: new ones are looked for by `cargo xtask soak`, not by whoever lands next.
    command.env("PROPTEST_RNG_SEED", SEED);
    tools.equip(&mut command)?;
    println!("   $ {}", shell::line(&command));
    let ended_well = follow(&mut command, count)?;
    if !ended_well && count.failed == 0 {
        bail!("`cargo test` failed before or beside the tests");
    }
    if count.failed > 0 {
        bail!("{} failed:\n{}", count.failed, count.broken.join("\n"));
    }
    if count.passed == 0 {
        bail!("no test has one of these words in its name: {}", words.join(" "));
    }
    Ok(())
}

/// Shows the output as it comes, and counts.
fn follow(command: &mut Command, count: &mut Count) -> Result<bool> {
    let quiet_successes = !std::io::stdout().is_terminal();
    let mut child = command.stdout(Stdio::piped()).spawn().context("cannot run cargo")?;
    let output = child.stdout.take().context("no output")?;
    let mut binary_began = Instant::now();
    for line in BufReader::new(output).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        let ends_a_binary = count.read(&line);
        let is_noise = quiet_successes && line.starts_with("test ") && line.ends_with(" ... ok");
        if !is_noise {
            println!("{line}");
        }
        if ends_a_binary {
            println!("   ({})", seconds(binary_began.elapsed()));
            binary_began = Instant::now();
        }
    }
    Ok(child.wait()?.success())
}

/// What the test binaries reported.
#[derive(Default)]
pub struct Count {
    passed: u64,
    failed: u64,
    skipped: u64,
    broken: Vec<String>,
}

impl Count {
    /// Takes a line of libtest's output; tells whether it was a binary's last one.
    fn read(&mut self, line: &str) -> bool {
        if let Some(name) = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED")) {
            self.broken.push(format!("   {name}"));
        }
        let Some(result) = line.strip_prefix("test result: ") else { return false };
        let mut words = result.split([' ', ';', '.']).filter(|word| !word.is_empty()).peekable();
        while let Some(word) = words.next() {
            let (Ok(number), Some(what)) = (word.parse::<u64>(), words.peek()) else { continue };
            match *what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.skipped += number,
                _ => {}
            }
        }
        true
    }

    /// `412 passed, 0 failed, 0 skipped`.
    pub fn line(&self) -> String {
        format!("{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::Count;

    #[test]
    fn counts_of_all_binaries_are_added() {
        let mut count = Count::default();
        assert!(count.read(
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.05s"
        ));
        assert!(!count.read("test a::b ... FAILED"));
        assert!(count.read(
            "test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1s"
        ));
        assert_eq!(count.line(), "14 passed, 1 failed, 1 skipped");
        assert_eq!(count.broken, ["   a::b"]);
    }
}
