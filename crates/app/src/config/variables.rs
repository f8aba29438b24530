//! The environment against the registry: ours (`PALISADE_*`), the guides' names, and what other products' names do here.
//!
//! An empty variable counts as unset: compose files pass every optional variable, set or not.

use base::setting::{Definition, Form, Origin, Shape, Value, nearest};

use super::given::{Found, Given};
use super::problem::{Problem, ProblemKind};
use super::walk::unreadable;
use super::{Inputs, expand, file, gotrue};

/// Names the settings file.
pub(super) const CONFIG: &str = "PALISADE_CONFIG";

/// Variables of ours that are no settings: they say where things are before settings are read.
const NOT_SETTINGS: &[&str] = &[CONFIG];

/// Prefixes of other products. Their names are common enough that an unknown one is listed instead of refused.
const FOREIGN: &[&str] = &["GOTRUE_", "FLUXBASE_", "S3_", "MINIO_", "POSTGRES_", "REDIS_"];

/// A variable that another product would read, and that changes nothing here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotEffective {
    /// Its name. The value is not kept: it may be a secret.
    pub variable: String,
    /// The nearest name that would change something.
    pub nearest: Option<&'static str>,
    /// What is so instead, where that is known.
    pub instead: Option<&'static str>,
}

/// Reads the environment of `inputs` and returns what is not effective.
pub(super) fn read(
    definitions: &[&'static Definition],
    inputs: &Inputs<'_>,
    given: &mut Vec<Given>,
    problems: &mut Vec<Problem>,
) -> Vec<NotEffective> {
    let mut not_effective = Vec::new();
    for (name, text) in inputs.variables.iter().filter(|(_, text)| !text.is_empty()) {
        let origin = Origin::Environment { name: name.clone() };
        if let Some(found) = find(definitions, name) {
            match value(found, name, text).and_then(|value| found.read(name, value, origin)) {
                Ok(read) => given.push(read),
                Err(problem) => problems.push(problem),
            }
        } else if let Some(found) = name.strip_suffix("_FILE").and_then(|name| find(definitions, name)) {
            if found.definition.shape == Shape::Secret {
                match expand::read_file(text, inputs).map_err(|why| unreadable(name, &why, origin.clone())) {
                    Ok(text) => match found.read(name, Value::Scalar(text), origin) {
                        Ok(read) => given.push(read),
                        Err(problem) => problems.push(problem),
                    },
                    Err(problem) => problems.push(problem),
                }
            } else {
                problems.push(only_secrets(name, found.definition));
            }
        } else if name.starts_with("PALISADE_") && !NOT_SETTINGS.contains(&name.as_str()) {
            problems.push(unknown(definitions, name));
        } else if let Some(problem) = gotrue::refusal(name, text, Origin::Environment { name: name.clone() })
        {
            problems.push(problem);
        } else if FOREIGN.iter().any(|prefix| name.starts_with(prefix)) {
            let instead = gotrue::instead(name);
            let nearest = suggestion(definitions, name).filter(|_| instead.is_none());
            not_effective.push(NotEffective { variable: name.clone(), nearest, instead });
        }
    }
    not_effective
}

/// A variable has one text; a setting that holds objects takes them as JSON or YAML.
fn value(found: Found, name: &str, text: &str) -> Result<Value, Problem> {
    if found.definition.shape != Shape::Object {
        return Ok(Value::Scalar(text.to_owned()));
    }
    let parsed = file::parse(text).ok().and_then(|node| node.value());
    parsed.ok_or_else(|| {
        Problem::new(
            ProblemKind::Value,
            name,
            format!("environment {name}"),
            format!("{name} is not JSON or YAML."),
        )
        .why(format!("It sets {}.", found.definition.changes))
        .fix("Write a list of objects, or use the settings file.")
    })
}

fn find(definitions: &[&'static Definition], name: &str) -> Option<Found> {
    definitions.iter().find_map(|definition| {
        let alias = definition.also.iter().find(|alias| alias.name == name);
        let form =
            if definition.variable() == name { Some(Form::Same) } else { alias.map(|alias| alias.form) };
        form.map(|form| Found { definition, form })
    })
}

fn unknown(definitions: &[&'static Definition], name: &str) -> Problem {
    let known: Vec<String> = definitions.iter().map(|definition| definition.variable()).collect();
    let fix = match nearest(name, known.iter().map(String::as_str)) {
        Some(meant) => format!("Did you mean {meant}?"),
        None => "Unset it; docs/reference/settings.md lists every setting.".to_owned(),
    };
    Problem::new(
        ProblemKind::Unknown,
        name,
        format!("environment {name}"),
        format!("{name} is not a setting."),
    )
    .why("A name that nothing reads would look like protection and be none (law 1 of the controls).")
    .fix(fix)
}

fn only_secrets(name: &str, definition: &Definition) -> Problem {
    let what = format!("{name} is not a setting: {} is not a secret.", definition.name);
    Problem::new(ProblemKind::Unknown, name, format!("environment {name}"), what)
        .why("Only secrets are read from files, so that each value has one place to look for it (control 117).")
        .fix(format!("Set {} to the value itself.", definition.variable()))
}

fn suggestion(definitions: &[&'static Definition], name: &str) -> Option<&'static str> {
    nearest(name, definitions.iter().flat_map(|definition| definition.also).map(|alias| alias.name))
}
