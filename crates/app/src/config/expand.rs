//! `${NAME}` in the settings file (control 115): the variable's value, else the content of the file that `NAME_FILE` names.
//!
//! Invariant: an undefined name is an error, never an empty text. `$$` writes a dollar sign.

use super::Inputs;
use super::problem::{Problem, ProblemKind};

/// Why a text could not be expanded.
pub(super) enum Unexpanded {
    /// No such variable, and no such file.
    Undefined(String),
    /// `NAME_FILE` is set, and its file cannot be read.
    Unreadable { name: String, why: String },
    /// `${` without an end, or with something that is no name.
    Malformed,
}

impl Unexpanded {
    pub fn problem(self, setting: &str, place: impl std::fmt::Display) -> Problem {
        let new = |kind, what: String| Problem::new(kind, setting, &place, what);
        match self {
            Unexpanded::Undefined(name) => new(ProblemKind::Undefined, format!("{setting} refers to ${{{name}}}, which is not set."))
                .why("An undefined reference would leave the setting empty without anybody noticing (control 115).")
                .fix(format!("Set {name}, or {name}_FILE to a file that holds it.")),
            Unexpanded::Unreadable { name, why } => {
                new(ProblemKind::Unreadable, format!("{setting} refers to ${{{name}}}, and the file in {name}_FILE cannot be read: {why}."))
                    .why("The value is needed before anything starts (control 117).")
                    .fix(format!("Make it a file that the user who runs Palisade can read and nobody else can write, or correct {name}_FILE."))
            }
            Unexpanded::Malformed => new(ProblemKind::Syntax, format!("{setting} has a ${{ that is not a reference."))
                .why("References are written ${NAME}, with letters, digits and underscores.")
                .fix("Close the reference, or write $$ for a dollar sign."),
        }
    }
}

/// Replaces every reference in `text`.
pub(super) fn expand(text: &str, inputs: &Inputs<'_>) -> Result<String, Unexpanded> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        expanded.push_str(before);
        if let Some(after) = from.strip_prefix("$$") {
            expanded.push('$');
            rest = after;
        } else if let Some(after) = from.strip_prefix("${") {
            let (name, after) = after.split_once('}').ok_or(Unexpanded::Malformed)?;
            expanded.push_str(&look_up(name, inputs)?);
            rest = after;
        } else {
            expanded.push('$');
            rest = from.strip_prefix('$').unwrap_or_default();
        }
    }
    expanded.push_str(rest);
    Ok(expanded)
}

fn look_up(name: &str, inputs: &Inputs<'_>) -> Result<String, Unexpanded> {
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !is_name {
        return Err(Unexpanded::Malformed);
    }
    if let Some(value) = inputs.variables.get(name).filter(|value| !value.is_empty()) {
        return Ok(value.clone());
    }
    let file = inputs.variables.get(&format!("{name}_FILE")).filter(|path| !path.is_empty());
    let Some(path) = file else { return Err(Unexpanded::Undefined(name.to_owned())) };
    read_file(path, inputs).map_err(|why| Unexpanded::Unreadable { name: name.to_owned(), why })
}

/// The content of a file that holds one value.
pub(super) fn read_file(path: &str, inputs: &Inputs<'_>) -> Result<String, String> {
    let text = (inputs.read)(std::path::Path::new(path))?;
    let text = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    if text.is_empty() { Err("it is empty".to_owned()) } else { Ok(text.to_owned()) }
}
