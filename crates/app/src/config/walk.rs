//! The settings file against the registry: which node is which setting, and which is none.

use base::setting::{Definition, Form, Origin, Shape, Value, nearest};

use super::file::{Kind, Node};
use super::given::{Found, Given};
use super::problem::{Problem, ProblemKind};
use super::{Inputs, expand, file};

/// Reads the file of `inputs`, if there is one.
pub(super) fn file(
    definitions: &[&'static Definition],
    inputs: &Inputs<'_>,
    given: &mut Vec<Given>,
    problems: &mut Vec<Problem>,
) {
    let Some((path, text)) = inputs.file else { return };
    let root = match file::parse(text) {
        Ok(root) => root,
        Err(error) => {
            let place = if error.line == 0 { path.to_owned() } else { format!("{path}:{}", error.line) };
            problems.push(
                Problem::new(
                    ProblemKind::Syntax,
                    path,
                    place,
                    format!("The settings file is not understood: {}.", error.what),
                )
                .why("A file that is understood in part could leave out what protects.")
                .fix("Correct the line; palisade config check tries it without starting anything."),
            );
            return;
        }
    };
    let mut walk = Walk { definitions, inputs, path, given, problems };
    match root.kind {
        Kind::Nothing => {}
        Kind::Map(entries) => walk.section("", &entries),
        Kind::Text(_) | Kind::List(_) => walk.problems.push(
            Problem::new(
                ProblemKind::Syntax,
                path,
                path,
                "The settings file is not a mapping of names to values.",
            )
            .why("It has the sections of docs/reference/settings.md at its top.")
            .fix("For instance:  auth: { access_token_expiry: 15m }"),
        ),
    }
}

struct Walk<'a> {
    definitions: &'a [&'static Definition],
    inputs: &'a Inputs<'a>,
    path: &'a str,
    given: &'a mut Vec<Given>,
    problems: &'a mut Vec<Problem>,
}

impl Walk<'_> {
    fn section(&mut self, above: &str, entries: &[(String, Node)]) {
        for (key, node) in entries {
            let name = if above.is_empty() { key.clone() } else { format!("{above}.{key}") };
            if let Some(found) = find(self.definitions, &name) {
                self.setting(&name, found, node);
            } else if let Some(found) =
                name.strip_suffix("_file").and_then(|name| find_secret(self.definitions, name))
            {
                self.secret_file(&name, found, node);
            } else if is_section(self.definitions, &name) {
                match &node.kind {
                    Kind::Map(entries) => self.section(&name, entries),
                    // A section whose lines are all commented out.
                    Kind::Nothing => {}
                    Kind::Text(_) | Kind::List(_) => self.not_a_section(&name, node),
                }
            } else {
                self.problems.push(unknown(self.definitions, &name, format!("{}:{}", self.path, node.line)));
            }
        }
    }

    fn setting(&mut self, name: &str, found: Found, node: &Node) {
        let origin = self.origin(name, node);
        let value = match node.value() {
            Some(value) => value,
            None => {
                self.problems.push(
                    Problem::new(ProblemKind::Value, name, origin, format!("{name} has no value."))
                        .why("A name without a value could mean its default or nothing at all.")
                        .fix("Give it one, or take the line out."),
                );
                return;
            }
        };
        match self.expand(value) {
            Ok(value) => self.give(found.read(name, value, origin)),
            Err(unexpanded) => self.problems.push(unexpanded.problem(name, origin)),
        }
    }

    fn secret_file(&mut self, name: &str, found: Found, node: &Node) {
        let origin = self.origin(name, node);
        let Kind::Text(path) = &node.kind else { return self.not_a_path(name, node) };
        match expand::expand(path, self.inputs) {
            Err(unexpanded) => self.problems.push(unexpanded.problem(name, origin)),
            Ok(path) => match expand::read_file(&path, self.inputs) {
                Ok(text) => self.give(found.read(name, Value::Scalar(text), origin)),
                Err(why) => self.problems.push(unreadable(name, &why, origin)),
            },
        }
    }

    fn expand(&self, value: Value) -> Result<Value, expand::Unexpanded> {
        Ok(match value {
            Value::Scalar(text) => Value::Scalar(expand::expand(&text, self.inputs)?),
            Value::List(items) => {
                Value::List(items.into_iter().map(|item| self.expand(item)).collect::<Result<_, _>>()?)
            }
            Value::Map(entries) => {
                let entries = entries.into_iter().map(|(name, value)| Ok((name, self.expand(value)?)));
                Value::Map(entries.collect::<Result<_, _>>()?)
            }
        })
    }

    fn give(&mut self, read: Result<Given, Problem>) {
        match read {
            Ok(given) => self.given.push(given),
            Err(problem) => self.problems.push(problem),
        }
    }

    fn origin(&self, name: &str, node: &Node) -> Origin {
        Origin::File { path: self.path.to_owned(), name: name.to_owned(), line: node.line }
    }

    fn not_a_section(&mut self, name: &str, node: &Node) {
        let place = self.origin(name, node);
        self.problems.push(
            Problem::new(ProblemKind::Value, name, place, format!("{name} is a section, not a setting."))
                .why("Its settings stand below it, one a line.")
                .fix(format!("See {name} in docs/reference/settings.md.")),
        );
    }

    fn not_a_path(&mut self, name: &str, node: &Node) {
        let place = self.origin(name, node);
        self.problems.push(
            Problem::new(ProblemKind::Value, name, place, format!("{name} must be the path of a file."))
                .why("Its content becomes the secret (control 117).")
                .fix(format!("For instance {name}: /run/secrets/name")),
        );
    }
}

/// A setting by our name or a dotted other name.
pub(super) fn find(definitions: &[&'static Definition], name: &str) -> Option<Found> {
    definitions.iter().find_map(|definition| {
        let alias = definition.also.iter().find(|alias| alias.name == name);
        let form = if definition.name == name { Some(Form::Same) } else { alias.map(|alias| alias.form) };
        form.map(|form| Found { definition, form })
    })
}

/// The same, if it is a secret: only secrets are read from files.
pub(super) fn find_secret(definitions: &[&'static Definition], name: &str) -> Option<Found> {
    find(definitions, name).filter(|found| found.definition.shape == Shape::Secret)
}

/// No such setting; perhaps another was meant.
pub(super) fn unknown(definitions: &[&'static Definition], name: &str, place: String) -> Problem {
    let names = definitions.iter().flat_map(|definition| {
        std::iter::once(definition.name)
            .chain(definition.also.iter().map(|alias| alias.name))
            .filter(|name| name.contains('.'))
    });
    let fix = match nearest(name, names) {
        Some(meant) => format!("Did you mean {meant}?"),
        None => "Take it out; docs/reference/settings.md lists every setting.".to_owned(),
    };
    Problem::new(ProblemKind::Unknown, name, place, format!("{name} is not a setting."))
        .why("A name that nothing reads would look like protection and be none (law 1 of the controls).")
        .fix(fix)
}

pub(super) fn unreadable(name: &str, why: &str, origin: Origin) -> Problem {
    Problem::new(
        ProblemKind::Unreadable,
        name,
        origin,
        format!("The file that {name} names cannot be read: {why}."),
    )
    .why("Its content is the value of a secret (control 117).")
    .fix("Make it a file that the user who runs Palisade can read and nobody else can write, or correct the path.")
}

fn is_section(definitions: &[&'static Definition], name: &str) -> bool {
    let below = |full: &str| full.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
    definitions
        .iter()
        .any(|definition| below(definition.name) || definition.also.iter().any(|alias| below(alias.name)))
}
