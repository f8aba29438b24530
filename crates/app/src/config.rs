//! Settings: defaults < file < environment < flags, merged once, checked whole, passed down.
//!
//! Every name is defined once, where it is used ([`base::Setting`]); [`registry`] joins the lists. [`load`] is a pure function
//! over the text of the file, the variables and the flags, so that nothing but the binary's first lines touches the
//! process. It reports every problem at once.
//!
//! Invariant: nothing that was written is ignored. It is in force, or refused by name, or, under a foreign product's
//! prefix, listed as not effective.

pub mod registry;

mod declared;
pub mod docs;
pub mod exit;
mod expand;
pub mod explain;
pub mod file;
pub mod flags;
mod given;
mod gotrue;
pub mod limits;
mod problem;
mod rules;
mod variables;
mod walk;
pub mod whose;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use base::Settings;
use base::setting::{Definition, Origin, State, Value};

pub use declared::{LOGGING_LEVEL, STRICT_ENV};
pub use flags::Flag;
pub use problem::{Problem, ProblemKind, Problems};
pub use variables::NotEffective;

use given::Given;

/// Everything that settings are made from. Tests write it down; the binary reads it from the process.
pub struct Inputs<'a> {
    /// Path (for messages) and text of the settings file, if there is one.
    pub file: Option<(&'a str, &'a str)>,
    /// The environment.
    pub variables: &'a BTreeMap<String, String>,
    /// Flags with dotted names, as [`flags::split`] takes them from the command line.
    pub flags: &'a [Flag],
    /// Reads a file that a `*_FILE` name points to: [`read_secret_file`], or what a test has.
    pub read: &'a dyn Fn(&Path) -> Result<String, String>,
}

/// Settings that may be started with.
#[derive(Clone)]
pub struct Loaded {
    /// The merged values.
    pub settings: Settings,
    /// Variables under foreign prefixes that change nothing: printed at start and in the posture report.
    pub not_effective: Vec<NotEffective>,
    /// Files with secrets that everybody on this machine may read: printed at start and by `config check`.
    pub read_by_all: Vec<String>,
}

/// Merges and checks all of it, or says everything that is wrong.
pub fn load(definitions: &[&'static Definition], inputs: &Inputs<'_>) -> Result<Loaded, Problems> {
    let mut problems = Vec::new();
    let mut given = Vec::new();
    walk::file(definitions, inputs, &mut given, &mut problems);
    let not_effective = variables::read(definitions, inputs, &mut given, &mut problems);
    flags::read(definitions, inputs, &mut given, &mut problems);

    let merged = merge(&given, &mut problems);
    check(definitions, &merged, &mut problems);
    let settings = Settings::from_checked(merged);
    if problems.is_empty() {
        rules::check(&settings, &not_effective, &mut problems);
    }
    match problems.is_empty() {
        // Whoever reads the files knows.
        true => Ok(Loaded { settings, not_effective, read_by_all: Vec::new() }),
        false => Err(Problems { all: problems }),
    }
}

/// What `--config FILE`, else `PALISADE_CONFIG`, names. Without either, `palisade.yaml` in the working directory is read if it is there.
pub fn file_path(flag: Option<&str>, variables: &BTreeMap<String, String>) -> Option<String> {
    flag.or_else(|| variables.get(variables::CONFIG).map(String::as_str)).map(str::to_owned)
}

/// Reads the file behind a `*_FILE` name: bounded, UTF-8, written by nobody else.
pub fn read_secret_file(path: &Path) -> Result<String, String> {
    whose::read_secret(path).map(|read| read.text)
}

/// The highest origin wins; at one height, two names must agree.
fn merge(given: &[Given], problems: &mut Vec<Problem>) -> HashMap<&'static str, (Value, Origin)> {
    let mut merged: HashMap<&'static str, &Given> = HashMap::new();
    for next in given {
        let Some(held) = merged.get(next.definition.name) else {
            merged.insert(next.definition.name, next);
            continue;
        };
        if held.rank() == next.rank() && !next.definition.same(&held.value, &next.value) {
            let what = format!(
                "{} and {} are two names of {} with different values.",
                held.name, next.name, next.definition.name
            );
            let problem = Problem::new(ProblemKind::Conflict, &next.name, &next.origin, what)
                .why(format!("Only one of them could be in force (the other stands at {}), and nobody could see which.", held.origin))
                .fix("Remove one of them.");
            problems.push(problem);
        } else if held.rank() <= next.rank() {
            merged.insert(next.definition.name, next);
        }
    }
    merged.into_iter().map(|(name, given)| (name, (given.value.clone(), given.origin.clone()))).collect()
}

/// What each merged value must be on its own.
fn check(
    definitions: &[&'static Definition],
    merged: &HashMap<&'static str, (Value, Origin)>,
    problems: &mut Vec<Problem>,
) {
    for definition in definitions {
        let Some((value, origin)) = merged.get(definition.name) else { continue };
        let name = given::written(origin, definition);
        let new = |kind, what: String| Problem::new(kind, name, origin, what);
        if let State::NotYet { issue } = definition.state {
            problems.push(
                new(ProblemKind::NotYet, format!("{name} is not yet effective."))
                    .why(format!("Its capability belongs to the issue \"{issue}\"; taking the value today would protect nothing."))
                    .fix("Take it out; docs/reference/not-yet-effective.md lists all of these."),
            );
        } else if let Err(error) = definition.accept(value) {
            problems.push(
                new(ProblemKind::Value, format!("{name} has a value that it cannot have: {error}."))
                    .why(format!("It sets {}.", definition.changes))
                    .fix(given::example(definition)),
            );
        } else if let Some(refused) = definition.refusal(value) {
            problems.push(
                new(ProblemKind::Refused, format!("{name}: {} is refused.", refused.value))
                    .why(format!("{} (control {}).", refused.why, refused.control))
                    .fix("Take it out; what it would switch off is always on."),
            );
        }
    }
}

#[cfg(test)]
mod tests;
