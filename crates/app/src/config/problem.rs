//! A refused setting, in words that end the search: what, where, why, and the one change that fixes it.
//!
//! Invariant: no problem repeats the value of a secret.

use std::fmt;

/// What kind of refusal it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProblemKind {
    /// No setting has this name.
    Unknown,
    /// A guide names it and a later issue builds it.
    NotYet,
    /// Wrong type, out of range, not among the choices.
    Value,
    /// It would take away what is always there.
    Refused,
    /// Two names, one setting, two values.
    Conflict,
    /// `${NAME}` without a value.
    Undefined,
    /// The file is not YAML as we read it.
    Syntax,
    /// A file that a setting names cannot be read.
    Unreadable,
    /// Two settings that do not go together, or a value that is not safe here.
    Unsafe,
    /// A variable under a foreign prefix, with `strict_env`.
    NotEffective,
}

/// One refusal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// What kind.
    pub kind: ProblemKind,
    /// The name as it was written.
    pub name: Box<str>,
    /// Where it was written.
    pub place: Box<str>,
    /// A sentence.
    pub what: Box<str>,
    /// A sentence: the reason, with the control or law.
    pub why: Box<str>,
    /// A sentence: the one change that fixes it.
    pub fix: Box<str>,
}

impl Problem {
    pub(super) fn new(
        kind: ProblemKind,
        name: &str,
        place: impl fmt::Display,
        what: impl Into<Box<str>>,
    ) -> Self {
        let (why, fix) = (Box::default(), Box::default());
        Problem { kind, name: name.into(), place: place.to_string().into(), what: what.into(), why, fix }
    }

    pub(super) fn why(mut self, why: impl Into<Box<str>>) -> Self {
        self.why = why.into();
        self
    }

    pub(super) fn fix(mut self, fix: impl Into<Box<str>>) -> Self {
        self.fix = fix.into();
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.place, self.what)?;
        writeln!(f, "     why  {}", self.why)?;
        write!(f, "     fix  {}", self.fix)
    }
}

/// Everything that is wrong with one set of inputs: all of it, not the first.
#[derive(Debug, thiserror::Error)]
pub struct Problems {
    /// In the order file, environment, flags, then what only shows once all is merged.
    pub all: Vec<Problem>,
}

impl Problems {
    /// The settings file cannot be read.
    pub fn of_file(path: &str, why: &str) -> Self {
        let problem = Problem::new(ProblemKind::Unreadable, path, path, "The settings file cannot be read.")
            .why(why)
            .fix("Name one that can be read with --config, or leave --config out.");
        Problems { all: vec![problem] }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.all.len();
        let noun = if count == 1 { "setting is" } else { "settings are" };
        writeln!(
            f,
            "{count} {noun} refused; nothing was started (exit {}).",
            super::exit::Exit::Configuration.code()
        )?;
        for (number, problem) in self.all.iter().enumerate() {
            writeln!(f, "{:>3}. {problem}", number + 1)?;
        }
        Ok(())
    }
}
