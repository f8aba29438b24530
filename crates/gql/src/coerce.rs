//! What is given: arguments and variables read as the types they are for.
//!
//! A variable that stands for one value keeps its name ([`Leaf::from`]), so that a plan can be used again with another
//! value. Any other use of a variable shapes the plan, and is remembered in [`Seen`].
//!
//! Invariant: what comes out fits its type; a refusal names only what the caller wrote.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::doc::{Value, Variable};
use crate::error::Error;
use crate::limits::LIST_ITEMS_MAX;
use crate::schema::{Input, Kind, Longest, Scalar, Schema, TypeRef};

/// Variables whose value a plan depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen(BTreeSet<Arc<str>>);

impl Seen {
    /// The plan depends on this one.
    pub fn looked_at(&mut self, variable: &Arc<str>) {
        if !self.0.contains(variable) {
            self.0.insert(Arc::clone(variable));
        }
    }

    /// All of them, in order.
    pub fn all(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.iter()
    }

    /// Together with others; says whether there were new ones.
    pub fn join(&mut self, other: Seen) -> bool {
        let before = self.0.len();
        self.0.extend(other.0);
        self.0.len() > before
    }
}

/// What was sent for an operation's variables.
#[derive(Clone, Copy, Debug)]
pub struct Variables<'v> {
    /// As the operation declares them.
    pub declared: &'v [Variable],
    /// As sent.
    pub given: &'v Map<String, Json>,
}

impl<'v> Variables<'v> {
    /// A variable that must be true or false.
    pub fn boolean(&self, name: &str) -> Option<bool> {
        match self.raw(name) {
            Raw::Boolean(word) => Some(word),
            _ => None,
        }
    }

    /// A variable's value, or its default.
    fn raw(&self, name: &str) -> Raw<'v> {
        if let Some(json) = self.given.get(name) {
            return Raw::sent(json);
        }
        let declared = self.declared.iter().find(|variable| &*variable.name == name);
        match declared.and_then(|variable| variable.default.as_ref()) {
            // A default cannot hold variables.
            Some(default) => Raw::of(default, self, false),
            None => Raw::Absent,
        }
    }

    /// Whether a variable is nothing, null or something: a plan for one is none for the others.
    pub fn presence(&self, name: &str) -> char {
        match self.raw(name) {
            Raw::Absent => 'a',
            Raw::Null => 'n',
            _ => 'v',
        }
    }

    /// Everything about a variable, as text to compare.
    pub fn exactly(&self, name: &str) -> String {
        match self.given.get(name) {
            Some(json) => json.to_string(),
            None => "-".to_owned(),
        }
    }

    /// Reads a variable for the place where another plan found it.
    pub fn leaf(&self, leaf: &Leaf) -> Result<Plain, Error> {
        let Some(name) = &leaf.from else { return Ok(leaf.plain.clone()) };
        scalar(leaf.kind, &leaf.type_name, leaf.longest.as_ref(), self.raw(name))
    }
}

/// A value before its type is known.
#[derive(Clone, Debug, PartialEq)]
enum Raw<'v> {
    Absent,
    Null,
    Boolean(bool),
    Int(Arc<str>),
    Float(Arc<str>),
    String(Arc<str>),
    Enum(Arc<str>),
    List(Vec<Raw<'v>>),
    Object(Vec<(Arc<str>, Raw<'v>)>),
    /// Within what a variable stands for, and not looked at yet: most of what is too long is refused before it is.
    Sent(&'v Json),
    /// What a variable stands for.
    Variable(Arc<str>, Box<Raw<'v>>),
}

impl<'v> Raw<'v> {
    fn of(value: &Value, variables: &Variables<'v>, may_refer: bool) -> Raw<'v> {
        match value {
            Value::Variable(name) if may_refer => {
                Raw::Variable(Arc::clone(name), Box::new(variables.raw(name)))
            }
            Value::Variable(_) => Raw::Absent,
            Value::Int(digits) => Raw::Int(Arc::clone(digits)),
            Value::Float(text) => Raw::Float(Arc::clone(text)),
            Value::String(text) => Raw::String(Arc::clone(text)),
            Value::Boolean(word) => Raw::Boolean(*word),
            Value::Null => Raw::Null,
            Value::Enum(word) => Raw::Enum(Arc::clone(word)),
            Value::List(items) => {
                Raw::List(items.iter().map(|item| Raw::of(item, variables, may_refer)).collect())
            }
            Value::Object(fields) => Raw::Object(
                fields
                    .iter()
                    .map(|(name, field)| (Arc::clone(name), Raw::of(field, variables, may_refer)))
                    .collect(),
            ),
        }
    }

    /// The outermost of what was sent.
    fn sent(json: &'v Json) -> Raw<'v> {
        match json {
            Json::Null => Raw::Null,
            Json::Bool(word) => Raw::Boolean(*word),
            Json::Number(number) if number.is_f64() => Raw::Float(number.to_string().into()),
            Json::Number(number) => Raw::Int(number.to_string().into()),
            Json::String(text) => Raw::String(text.as_str().into()),
            Json::Array(items) => Raw::List(items.iter().map(Raw::Sent).collect()),
            Json::Object(fields) => Raw::Object(
                fields.iter().map(|(name, field)| (name.as_str().into(), Raw::Sent(field))).collect(),
            ),
        }
    }

    fn into_json(self) -> Json {
        let number = |text: &str| serde_json::from_str(text).unwrap_or(Json::Null);
        match self {
            Raw::Absent | Raw::Null => Json::Null,
            Raw::Boolean(word) => Json::Bool(word),
            Raw::Int(text) | Raw::Float(text) => number(&text),
            Raw::String(text) | Raw::Enum(text) => Json::String(text.to_string()),
            Raw::List(items) => Json::Array(items.into_iter().map(Raw::into_json).collect()),
            Raw::Object(fields) => Json::Object(
                fields.into_iter().map(|(name, field)| (name.to_string(), field.into_json())).collect(),
            ),
            Raw::Sent(json) => json.clone(),
            Raw::Variable(_, inner) => inner.into_json(),
        }
    }
}

/// A single value.
#[derive(Clone, Debug, PartialEq)]
pub enum Plain {
    /// `true` or `false`.
    Boolean(bool),
    /// A number, as its text.
    Number(Arc<str>),
    /// A text.
    Text(Arc<str>),
    /// Any JSON.
    Json(Json),
}

impl Plain {
    /// As the text that a database reads.
    pub fn text(&self) -> String {
        match self {
            Plain::Boolean(word) => word.to_string(),
            Plain::Number(text) | Plain::Text(text) => text.to_string(),
            Plain::Json(json) => json.to_string(),
        }
    }
}

/// A single value, and the variable that it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Leaf {
    /// The value.
    pub plain: Plain,
    /// The variable it is, when it is one as a whole.
    pub from: Option<Arc<str>>,
    kind: Scalar,
    type_name: Arc<str>,
    longest: Option<Longest>,
}

impl Leaf {
    /// The value, on which the plan depends from now on.
    pub fn look(&self, seen: &mut Seen) -> &Plain {
        if let Some(variable) = &self.from {
            seen.looked_at(variable);
        }
        &self.plain
    }
}

/// What was given, as its type.
#[derive(Clone, Debug, PartialEq)]
pub enum Given {
    /// Nothing.
    Absent,
    /// `null`
    Null,
    /// A value.
    Leaf(Leaf),
    /// An enum's value: what it means on the other side.
    Enum(Arc<str>),
    /// A list.
    List(Vec<Given>),
    /// An object's fields in the order of the type; those that are absent are left out.
    Object(Vec<(Arc<str>, Given)>),
}

impl Given {
    /// Whether there is nothing, or null.
    pub fn is_nothing(&self) -> bool {
        matches!(self, Given::Absent | Given::Null)
    }
}

/// Reads what is given against a schema.
pub struct Reading<'a, B> {
    /// The schema.
    pub schema: &'a Schema<B>,
    /// The variables.
    pub variables: &'a Variables<'a>,
}

impl<B> Reading<'_, B> {
    /// An argument's value; without one, its default.
    pub fn argument(&self, input: &Input<B>, value: Option<&Value>, seen: &mut Seen) -> Result<Given, Error> {
        let raw = value.map_or(Raw::Absent, |value| Raw::of(value, self.variables, true));
        self.read(&input.of, input.longest.as_ref(), raw, seen)
    }

    fn read(
        &self,
        of: &TypeRef,
        longest: Option<&Longest>,
        raw: Raw<'_>,
        seen: &mut Seen,
    ) -> Result<Given, Error> {
        let raw = match raw {
            Raw::Sent(json) => Raw::sent(json),
            seen => seen,
        };
        // Of a variable that nobody declared nobody says whether it is there: the plan is for exactly this one.
        if let Raw::Variable(name, _) = &raw
            && !self.variables.declared.iter().any(|declared| declared.name == *name)
        {
            seen.looked_at(name);
        }
        // Nothing and null are other plans than a value: whoever asks for a plan says which of them there is.
        let nothing = |raw: &Raw<'_>| match raw {
            Raw::Absent => Some(Given::Absent),
            Raw::Null => Some(Given::Null),
            Raw::Variable(_, inner) => match **inner {
                Raw::Absent => Some(Given::Absent),
                Raw::Null => Some(Given::Null),
                _ => None,
            },
            _ => None,
        };
        match of {
            TypeRef::NonNull(inner) => {
                let given = self.read(inner, longest, raw, seen)?;
                if given.is_nothing() {
                    return Err(Error::invalid("Invalid input for NonNull type"));
                }
                Ok(given)
            }
            _ if nothing(&raw).is_some() => Ok(nothing(&raw).unwrap_or(Given::Null)),
            TypeRef::List(inner) => match open(raw, seen) {
                Raw::List(items) => {
                    let limit = LIST_ITEMS_MAX;
                    Error::within(limit.name, items.len() as u64, limit.value)?;
                    let read = |item| self.read(inner, longest, item, seen);
                    Ok(Given::List(items.into_iter().map(read).collect::<Result<_, Error>>()?))
                }
                // One item is a list of one.
                single => Ok(Given::List(vec![self.read(inner, longest, single, seen)?])),
            },
            TypeRef::Named(name) => self.named(name, longest, raw, seen),
        }
    }

    fn named(
        &self,
        name: &Arc<str>,
        longest: Option<&Longest>,
        raw: Raw<'_>,
        seen: &mut Seen,
    ) -> Result<Given, Error> {
        let wrong = || Error::invalid(format!("Invalid input for {name} type"));
        let found = self.schema.get(name).ok_or_else(wrong)?;
        match &found.kind {
            Kind::Scalar(kind) => {
                let (from, raw) = match raw {
                    Raw::Variable(variable, inner) => (Some(variable), *inner),
                    other => (None, other),
                };
                look_inside(&raw, seen);
                let plain = scalar(*kind, name, longest, raw)?;
                Ok(Given::Leaf(Leaf {
                    plain,
                    from,
                    kind: *kind,
                    type_name: Arc::clone(name),
                    longest: longest.cloned(),
                }))
            }
            Kind::Enum(values) => match open(raw, seen) {
                Raw::Enum(word) | Raw::String(word) => {
                    let value = values.iter().find(|value| value.name == word).ok_or_else(wrong)?;
                    Ok(Given::Enum(Arc::clone(&value.means)))
                }
                _ => Err(wrong()),
            },
            Kind::Input(inputs) => match open(raw, seen) {
                Raw::Object(fields) => self.object(name, inputs, fields, seen),
                _ => Err(wrong()),
            },
            Kind::Object { .. } | Kind::Interface { .. } => Err(wrong()),
        }
    }

    fn object(
        &self,
        name: &str,
        inputs: &[Input<B>],
        mut fields: Vec<(Arc<str>, Raw<'_>)>,
        seen: &mut Seen,
    ) -> Result<Given, Error> {
        let extra: Vec<&str> = fields
            .iter()
            .map(|(key, _)| &**key)
            .filter(|key| !inputs.iter().any(|input| *input.name == **key))
            .collect();
        if !extra.is_empty() {
            return Err(Error::invalid(format!("Input for type {name} contains extra keys {extra:?}")));
        }
        let mut read = Vec::new();
        for input in inputs {
            let at = fields.iter().position(|(key, _)| *key == input.name);
            let raw = at.map_or(Raw::Absent, |at| fields.swap_remove(at).1);
            match self.read(&input.of, input.longest.as_ref(), raw, seen)? {
                Given::Absent => {}
                given => read.push((Arc::clone(&input.name), given)),
            }
        }
        Ok(Given::Object(read))
    }
}

/// Variables inside of a value are a part of it, and no plan has places there: it depends on each of them.
fn look_inside(raw: &Raw<'_>, seen: &mut Seen) {
    match raw {
        Raw::Variable(variable, _) => seen.looked_at(variable),
        Raw::List(items) => items.iter().for_each(|item| look_inside(item, seen)),
        Raw::Object(fields) => fields.iter().for_each(|(_, field)| look_inside(field, seen)),
        Raw::Absent
        | Raw::Null
        | Raw::Boolean(_)
        | Raw::Int(_)
        | Raw::Float(_)
        | Raw::String(_)
        | Raw::Enum(_)
        | Raw::Sent(_) => {}
    }
}

/// The value itself; the plan depends on the variable it came from.
fn open<'v>(raw: Raw<'v>, seen: &mut Seen) -> Raw<'v> {
    match raw {
        Raw::Variable(variable, inner) => {
            seen.looked_at(&variable);
            *inner
        }
        other => other,
    }
}

fn scalar(kind: Scalar, name: &Arc<str>, longest: Option<&Longest>, raw: Raw<'_>) -> Result<Plain, Error> {
    let wrong = || Error::invalid(format!("Invalid input for {name} type"));
    match (kind, raw) {
        (Scalar::Json, raw) => Ok(Plain::Json(raw.into_json())),
        (Scalar::Boolean | Scalar::Any, Raw::Boolean(word)) => Ok(Plain::Boolean(word)),
        (Scalar::Int, Raw::Int(digits)) => {
            digits.parse::<i64>().map_err(|_| Error::invalid("Invalid Int input"))?;
            Ok(Plain::Number(digits))
        }
        (Scalar::BigInt | Scalar::Float | Scalar::Any, Raw::Int(digits)) => Ok(Plain::Number(digits)),
        (Scalar::Float | Scalar::Any, Raw::Float(text)) => Ok(Plain::Number(text)),
        (Scalar::Text, Raw::String(text)) => match longest {
            Some(longest) if text.chars().count() > longest.most as usize => Err(Error::TooLong {
                type_name: name.to_string(),
                most: longest.most,
                of: Arc::clone(&longest.of),
            }),
            _ => without_nul(text),
        },
        (Scalar::BigInt | Scalar::TextNumber | Scalar::Any, Raw::String(text)) => without_nul(text),
        (Scalar::Any, Raw::Enum(text)) => Ok(Plain::Text(text)),
        (Scalar::TextNumber, _) => {
            Err(Error::invalid(format!("Invalid input for {name} type. String required")))
        }
        _ => Err(wrong()),
    }
}

/// A NUL ends a text on its way to the database.
fn without_nul(text: Arc<str>) -> Result<Plain, Error> {
    if text.contains('\0') { Err(Error::invalid("A text cannot hold NUL")) } else { Ok(Plain::Text(text)) }
}
