//! Steps with names and times, so that a slow or failed one is seen at a glance.
//!
//! Every step runs even when an earlier one failed: one run of CI tells everything there is to fix.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// What ran, how long it took, and whether it held.
pub struct Steps {
    began: Instant,
    done: Vec<(&'static str, Duration, bool)>,
}

impl Steps {
    pub fn begin() -> Self {
        Steps { began: Instant::now(), done: Vec::new() }
    }

    /// Runs one step and says how it went.
    pub fn step(&mut self, name: &'static str, work: impl FnOnce() -> Result<()>) {
        println!("\n── {name}");
        let began = Instant::now();
        let outcome = work();
        let took = began.elapsed();
        match &outcome {
            Ok(()) => println!("── {name}: {}", seconds(took)),
            Err(error) => println!("── {name}: FAILED after {}: {error:#}", seconds(took)),
        }
        self.done.push((name, took, outcome.is_ok()));
    }

    /// Prints the table of times, and fails if a step did.
    pub fn finish(self) -> Result<()> {
        println!();
        for (name, took, held) in &self.done {
            println!("{:>9}  {} {name}", seconds(*took), if *held { "✓" } else { "✗" });
        }
        println!("{:>9}  in all", seconds(self.began.elapsed()));
        let failed: Vec<&str> =
            self.done.iter().filter(|(_, _, held)| !held).map(|(name, _, _)| *name).collect();
        if !failed.is_empty() {
            bail!("failed: {}", failed.join(", "));
        }
        Ok(())
    }
}

/// `1.2 s`, or minutes when it was long.
pub fn seconds(took: Duration) -> String {
    let all = took.as_secs_f64();
    if all < 90.0 { format!("{all:.1} s") } else { format!("{:.1} min", all / 60.0) }
}
