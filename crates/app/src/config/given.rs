//! One value that was given, before it is known whether it counts.

use base::setting::{Definition, Form, Origin, Shape, Value, ValueError};

use super::problem::{Problem, ProblemKind};

/// A value, its setting, and where it was written.
pub(super) struct Given {
    pub definition: &'static Definition,
    pub value: Value,
    pub origin: Origin,
    /// As written: our name or one of the others.
    pub name: String,
}

impl Given {
    /// Its place in the order of precedence.
    pub fn rank(&self) -> u8 {
        match self.origin {
            Origin::Default => 0,
            Origin::File { .. } => 1,
            Origin::Environment { .. } => 2,
            Origin::Flag { .. } => 3,
        }
    }
}

/// A setting found by a name, and how a value written under that name is read.
#[derive(Clone, Copy)]
pub(super) struct Found {
    pub definition: &'static Definition,
    pub form: Form,
}

impl Found {
    /// The value in the setting's own form, or the problem.
    pub fn read(self, name: &str, value: Value, origin: Origin) -> Result<Given, Problem> {
        let converted = match (self.form, &value) {
            (Form::Same, _) => Ok(value),
            (Form::Seconds, Value::Scalar(text)) => seconds(text),
            (Form::Convert(with), Value::Scalar(text)) => {
                with(text).map(Value::Scalar).map_err(ValueError::expected)
            }
            (Form::Seconds | Form::Convert(_), Value::List(_) | Value::Map(_)) => {
                Err(ValueError::expected("one value"))
            }
        };
        match converted {
            Ok(value) => Ok(Given { definition: self.definition, value, name: name.to_owned(), origin }),
            Err(error) => {
                let what = format!("{name} has a value that it cannot have: {error}.");
                Err(Problem::new(ProblemKind::Value, name, origin, what)
                    .why(format!(
                        "It is another name of {}, which sets {}.",
                        self.definition.name, self.definition.changes
                    ))
                    .fix(example(self.definition)))
            }
        }
    }
}

fn seconds(text: &str) -> Result<Value, ValueError> {
    let seconds: u64 = text.parse().map_err(|_| ValueError::expected("a whole number of seconds"))?;
    Ok(Value::Scalar(format!("{seconds}s")))
}

/// The name a value was written under.
pub(super) fn written<'a>(origin: &'a Origin, definition: &'static Definition) -> &'a str {
    match origin {
        Origin::Default => definition.name,
        Origin::File { name, .. } | Origin::Environment { name } | Origin::Flag { name } => name,
    }
}

/// A sentence with a value that would do.
pub(super) fn example(definition: &Definition) -> String {
    let name = definition.name;
    match (definition.default, definition.choices, definition.shape) {
        (Some(default), _, _) if !default.is_empty() => {
            format!("For instance {name}: {default} (the default).")
        }
        (_, [first, ..], _) => format!("For instance {name}: {first}."),
        (_, [], Shape::Bool) => format!("Write {name}: true or {name}: false."),
        (_, [], Shape::Duration) => format!("For instance {name}: 15m."),
        (_, [], _) => format!("See {name} in docs/reference/settings.md."),
    }
}
