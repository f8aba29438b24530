//! A parsed document: operations, fragments and what is in them, without positions or comments.
//!
//! Invariant: names are GraphQL names and texts are unescaped; whether anything means something is decided later.

use std::sync::Arc;

use crate::schema::TypeRef;

/// Everything in one request text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    /// Operations in order.
    pub operations: Vec<Operation>,
    /// Fragments in order.
    pub fragments: Vec<Fragment>,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OperationKind {
    /// Reads.
    Query,
    /// May write.
    Mutation,
    /// Waits for changes.
    Subscription,
}

impl OperationKind {
    /// Its keyword.
    pub fn word(self) -> &'static str {
        match self {
            OperationKind::Query => "query",
            OperationKind::Mutation => "mutation",
            OperationKind::Subscription => "subscription",
        }
    }
}

/// An operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// What it does.
    pub kind: OperationKind,
    /// Its name.
    pub name: Option<Arc<str>>,
    /// Its variables.
    pub variables: Vec<Variable>,
    /// Its directives.
    pub directives: Vec<Directive>,
    /// What is selected.
    pub selections: Vec<Selection>,
}

/// A variable of an operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Variable {
    /// Its name, without the dollar.
    pub name: Arc<str>,
    /// Its type as written.
    pub of: TypeRef,
    /// What it is when nothing is given.
    pub default: Option<Value>,
}

/// A named fragment.
#[derive(Clone, Debug, PartialEq)]
pub struct Fragment {
    /// Its name.
    pub name: Arc<str>,
    /// The type it is for.
    pub on: Arc<str>,
    /// Its directives.
    pub directives: Vec<Directive>,
    /// What is selected.
    pub selections: Vec<Selection>,
}

/// One selected thing.
#[derive(Clone, Debug, PartialEq)]
pub enum Selection {
    /// A field.
    Field(Field),
    /// A named fragment.
    Spread {
        /// Its name.
        name: Arc<str>,
        /// Directives.
        directives: Vec<Directive>,
    },
    /// A fragment without a name.
    Inline {
        /// The type it is for.
        on: Option<Arc<str>>,
        /// Directives.
        directives: Vec<Directive>,
        /// What is selected.
        selections: Vec<Selection>,
    },
}

impl Selection {
    /// Its directives.
    pub fn directives(&self) -> &[Directive] {
        match self {
            Selection::Field(field) => &field.directives,
            Selection::Spread { directives, .. } | Selection::Inline { directives, .. } => directives,
        }
    }
}

/// A selected field.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// The name in the answer, when it differs.
    pub alias: Option<Arc<str>>,
    /// Its name.
    pub name: Arc<str>,
    /// Arguments in order.
    pub arguments: Vec<(Arc<str>, Value)>,
    /// Directives.
    pub directives: Vec<Directive>,
    /// What is selected of it.
    pub selections: Vec<Selection>,
}

impl Field {
    /// The name in the answer.
    pub fn key(&self) -> &Arc<str> {
        self.alias.as_ref().unwrap_or(&self.name)
    }

    /// An argument by name.
    pub fn argument(&self, name: &str) -> Option<&Value> {
        self.arguments.iter().find(|(known, _)| &**known == name).map(|(_, value)| value)
    }
}

/// A directive.
#[derive(Clone, Debug, PartialEq)]
pub struct Directive {
    /// Its name, without the at sign.
    pub name: Arc<str>,
    /// Arguments in order.
    pub arguments: Vec<(Arc<str>, Value)>,
}

/// A value as written.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A variable, by name.
    Variable(Arc<str>),
    /// A whole number, as its digits.
    Int(Arc<str>),
    /// Any other number, as written.
    Float(Arc<str>),
    /// A text, unescaped.
    String(Arc<str>),
    /// `true` or `false`.
    Boolean(bool),
    /// `null`
    Null,
    /// A bare word.
    Enum(Arc<str>),
    /// A list.
    List(Vec<Value>),
    /// An object; a key may repeat, which is refused later.
    Object(Vec<(Arc<str>, Value)>),
}

impl Document {
    /// The fragment of a name.
    pub fn fragment(&self, name: &str) -> Option<&Fragment> {
        self.fragments.iter().find(|fragment| &*fragment.name == name)
    }
}
