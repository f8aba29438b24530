//! `cargo xtask`: the only tool of this repository, the same for people and for CI.
//!
//! Every command is safe to repeat: it looks first and does only what is missing. What a command does to the machine
//! it prints before doing it.
#![expect(clippy::print_stdout, reason = "a tool talks to its user on standard output")]

mod audit;
mod bench;
mod ci;
mod dev;
mod docs;
mod reference;
mod setup;
mod shell;
mod soak;
mod steps;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask <command>

  run [flags]    set up what is missing, build, and start Palisade with the demo application
                 (flags go to `palisade dev`; data lies in ./data unless --data says otherwise)
  test [words]   set up what is missing and run every test, or those whose name has one of the words
  ci             everything that must hold before a change lands; what .ci/run calls
  bench [s]      what a request costs beside what the database alone costs, s seconds per measurement
  tidy           the rules of the house that a compiler does not know
  docs [--check] write the generated pages below docs/, or say which are out of date
  audit          licences, bans and sources of what we depend on; advisories when a database is on this machine
  soak [words]   the long runs with one of the words, or `all`; without a word, lists them
";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["run", flags @ ..] => dev::run(flags),
        ["test", words @ ..] => test::run(words),
        ["ci"] => ci::run(),
        ["bench", words @ ..] => bench::run(words),
        ["tidy"] => tidy::run(),
        ["docs"] => docs::write(),
        ["docs", "--check"] => docs::check(),
        ["audit"] => audit::run(),
        ["soak", rest @ ..] => soak::run(rest),
        [] | ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        other => Err(anyhow::anyhow!("no command `{}`\n\n{USAGE}", other.join(" "))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("\n✗ {error:#}");
            ExitCode::FAILURE
        }
    }
}
