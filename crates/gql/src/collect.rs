//! Which fields of an object are asked for: fragments opened, directives obeyed, equal fields merged.
//!
//! Invariant: called only on operations that were measured; linear in the selections.

use std::collections::HashMap;
use std::sync::Arc;

use crate::coerce::{Seen, Variables};
use crate::doc::{Directive, Document, Field, Selection, Value};
use crate::error::Error;

/// A field with everything that was selected of it, in however many places.
#[derive(Clone, Debug)]
pub struct Collected<'d> {
    /// Its first mention.
    pub field: &'d Field,
    /// What is selected of it, from each mention.
    pub inside: Vec<&'d [Selection]>,
}

impl Collected<'_> {
    /// The name in the answer.
    pub fn key(&self) -> &Arc<str> {
        self.field.key()
    }

    /// Whether anything is selected of it.
    pub fn has_inside(&self) -> bool {
        self.inside.iter().any(|set| !set.is_empty())
    }
}

/// What collecting needs to know.
pub struct Collect<'d, 'v> {
    /// The document.
    pub document: &'d Document,
    /// Its variables.
    pub variables: &'v Variables<'v>,
}

impl<'d> Collect<'d, '_> {
    /// The fields of an object of a type. `is` says whether a type condition holds for it.
    pub fn fields(
        &self,
        sets: &[&'d [Selection]],
        on: &str,
        is: &dyn Fn(&str) -> bool,
        seen: &mut Seen,
    ) -> Result<Vec<Collected<'d>>, Error> {
        let mut found = Found { all: Vec::new(), places: HashMap::new() };
        for set in sets {
            self.walk(set, on, is, seen, &mut found)?;
        }
        Ok(found.all)
    }

    fn walk(
        &self,
        set: &'d [Selection],
        on: &str,
        is: &dyn Fn(&str) -> bool,
        seen: &mut Seen,
        found: &mut Found<'d>,
    ) -> Result<(), Error> {
        for selection in set {
            if self.is_left_out(selection.directives(), seen)? {
                continue;
            }
            match selection {
                Selection::Field(field) => found.add(field)?,
                Selection::Inline { on: condition, selections, .. } => {
                    if condition.as_deref().is_none_or(is) {
                        self.walk(selections, on, is, seen, found)?;
                    }
                }
                Selection::Spread { name, .. } => {
                    let fragment = self
                        .document
                        .fragment(name)
                        .ok_or_else(|| Error::invalid(format!("no fragment named {name} on type {on}")))?;
                    if is(&fragment.on) {
                        self.walk(&fragment.selections, on, is, seen, found)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// `@skip` and `@include`; there are no others.
    fn is_left_out(&self, directives: &[Directive], seen: &mut Seen) -> Result<bool, Error> {
        for directive in directives {
            let name = &*directive.name;
            let leaves_out = match name {
                "skip" => true,
                "include" => false,
                _ => return Err(Error::invalid(format!("Unknown directive {name}"))),
            };
            let value = match directive.arguments.as_slice() {
                [(argument, value)] if &**argument == "if" => value,
                [(argument, _)] => {
                    return Err(Error::invalid(format!("Unknown argument to @{name}: {argument}")));
                }
                _ => return Err(Error::invalid(format!("Incorrect arguments to directive @{name}"))),
            };
            let holds = match value {
                Value::Boolean(word) => *word,
                Value::Variable(variable) => {
                    seen.looked_at(variable);
                    self.variables.boolean(variable).ok_or_else(|| {
                        Error::invalid(format!("Value for \"if\" in @{name} directive is required"))
                    })?
                }
                _ => {
                    return Err(Error::invalid(format!("Value for \"if\" in @{name} directive is required")));
                }
            };
            if holds == leaves_out {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

struct Found<'d> {
    all: Vec<Collected<'d>>,
    places: HashMap<&'d str, usize>,
}

impl<'d> Found<'d> {
    fn add(&mut self, field: &'d Field) -> Result<(), Error> {
        let key: &'d str = field.key();
        let known = self.places.get(key).and_then(|at| self.all.get_mut(*at));
        let Some(known) = known else {
            self.places.insert(key, self.all.len());
            self.all.push(Collected { field, inside: vec![&field.selections] });
            return Ok(());
        };
        if known.field.name != field.name {
            return Err(Error::invalid(format!(
                "Fields `{}` and `{}` are different",
                field.name, known.field.name
            )));
        }
        if !same(&known.field.arguments, &field.arguments) {
            return Err(Error::invalid(format!(
                "Two fields named `{}` have different arguments",
                field.name
            )));
        }
        known.inside.push(&field.selections);
        Ok(())
    }
}

fn same(one: &[(Arc<str>, Value)], other: &[(Arc<str>, Value)]) -> bool {
    one.len() == other.len()
        && one.iter().all(|(name, value)| other.iter().any(|(also, given)| also == name && given == value))
}
