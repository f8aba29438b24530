//! Settings on the command line: `--section.key value` or `--section.key=value`.
//!
//! They are taken out before the commands' own arguments are read, because their names come from the registry.
//!
//! Invariant: no secret is read from here. Everybody on the machine sees the command line of every process.

use base::setting::{Definition, Origin, Shape, Value};

use super::given::Given;
use super::problem::{Problem, ProblemKind};
use super::walk::{find, find_secret, unknown, unreadable};
use super::{Inputs, expand, explain, file};

/// One setting flag.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Flag {
    /// Without the dashes, hyphens as underscores.
    pub name: String,
    /// `None` when the command line ended before it.
    pub value: Option<String>,
}

/// Separates the settings from the commands' own arguments, which keep their order.
///
/// A setting is an argument whose name has a dot, or is that of a setting at the top of the file. What follows `--` is left alone.
pub fn split(
    definitions: &[&'static Definition],
    arguments: impl IntoIterator<Item = String>,
) -> (Vec<String>, Vec<Flag>) {
    let (mut rest, mut flags) = (Vec::new(), Vec::new());
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        if argument == "--" {
            rest.push(argument);
            rest.extend(arguments);
            break;
        }
        let Some(flag) = argument.strip_prefix("--") else {
            rest.push(argument);
            continue;
        };
        let (name, value) =
            flag.split_once('=').map_or((flag, None), |(name, value)| (name, Some(value.to_owned())));
        let name = name.replace('-', "_");
        if name.contains('.') || find(definitions, &name).is_some() {
            let value = value.or_else(|| arguments.next());
            flags.push(Flag { name, value });
        } else {
            rest.push(argument);
        }
    }
    (rest, flags)
}

/// Reads the flags of `inputs`.
pub(super) fn read(
    definitions: &[&'static Definition],
    inputs: &Inputs<'_>,
    given: &mut Vec<Given>,
    problems: &mut Vec<Problem>,
) {
    for flag in inputs.flags {
        match one(definitions, inputs, flag) {
            Ok(read) => given.push(read),
            Err(problem) => problems.push(problem),
        }
    }
}

fn one(definitions: &[&'static Definition], inputs: &Inputs<'_>, flag: &Flag) -> Result<Given, Problem> {
    let name = flag.name.as_str();
    let place = format!("flag --{name}");
    let origin = Origin::Flag { name: name.to_owned() };
    let text = || {
        flag.value.clone().ok_or_else(|| {
            Problem::new(ProblemKind::Value, name, &place, format!("--{name} has no value."))
                .why("Every setting flag takes one.")
                .fix(format!("Write --{name}=VALUE."))
        })
    };
    if let Some(found) = find(definitions, name) {
        let text = text()?;
        let value = match found.definition.shape {
            Shape::Object => {
                file::parse(&text).ok().and_then(|node| node.value()).unwrap_or(Value::Scalar(text))
            }
            Shape::Bool
            | Shape::Integer
            | Shape::Duration
            | Shape::Text
            | Shape::Secret
            | Shape::Path
            | Shape::List => Value::Scalar(text),
        };
        if found.definition.shape == Shape::Secret || holds_secret(&value) {
            return Err(seen_by_all(found.definition, name, place));
        }
        return found.read(name, value, origin);
    }
    if let Some(found) = name.strip_suffix("_file").and_then(|name| find_secret(definitions, name)) {
        let read =
            expand::read_file(&text()?, inputs).map_err(|why| unreadable(name, &why, origin.clone()))?;
        return found.read(name, Value::Scalar(read), origin);
    }
    Err(unknown(definitions, name, place))
}

/// Whether an object has a secret among its fields.
fn holds_secret(value: &Value) -> bool {
    match value {
        Value::Scalar(_) => false,
        Value::List(items) => items.iter().any(holds_secret),
        Value::Map(fields) => {
            fields.iter().any(|(name, value)| explain::is_secret_field(name) || holds_secret(value))
        }
    }
}

fn seen_by_all(definition: &Definition, name: &str, place: String) -> Problem {
    let variable = definition.variable();
    let fix = match definition.shape {
        Shape::Secret => format!(
            "Set it in palisade.yaml or as {variable}, or name a file that holds it: {variable}_FILE, --{name}_file."
        ),
        _ => format!(
            "Set it in palisade.yaml, where ${{NAME}} stands for a secret of the environment, or as {variable}."
        ),
    };
    Problem::new(ProblemKind::Refused, name, place, format!("{name} holds a secret and is no flag."))
        .why("The command line of a process is seen by everybody on the machine (`ps`), and kept by shells (control 101).")
        .fix(fix)
}

#[cfg(test)]
mod tests {
    use base::Setting;

    use super::*;

    static STRICT: Setting<bool> = Setting::new("strict_env", "false");
    static LIFE: Setting<String> = Setting::new("auth.life", "15m");

    #[test]
    fn settings_are_taken_out_and_the_rest_keeps_its_order() {
        let arguments = [
            "serve",
            "--data",
            "d",
            "--auth.life=1h",
            "--strict-env",
            "true",
            "--listen=:1",
            "--",
            "--auth.life",
            "x",
        ];
        let (rest, flags) = split(&[&STRICT.definition, &LIFE.definition], arguments.map(str::to_owned));
        assert_eq!(rest, ["serve", "--data", "d", "--listen=:1", "--", "--auth.life", "x"]);
        let flag = |name: &str, value: &str| Flag { name: name.to_owned(), value: Some(value.to_owned()) };
        assert_eq!(flags, [flag("auth.life", "1h"), flag("strict_env", "true")]);
    }

    #[test]
    fn a_flag_at_the_end_has_no_value() {
        let (_, flags) = split(&[&LIFE.definition], ["--auth.life".to_owned()]);
        assert_eq!(flags[0].value, None);
    }
}
