//! A schema: types with their fields and inputs, each with what it is bound to on the other side (`B`).
//!
//! Invariant: types are sorted by name and each name is there once; a reference to a type is its name.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// A type as it is referred to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TypeRef {
    /// By its name.
    Named(Arc<str>),
    /// A list of it.
    List(Box<TypeRef>),
    /// Never null.
    NonNull(Box<TypeRef>),
}

impl TypeRef {
    /// A type by name.
    pub fn named(name: impl Into<Arc<str>>) -> Self {
        TypeRef::Named(name.into())
    }

    /// A list of this.
    pub fn list(self) -> Self {
        TypeRef::List(Box::new(self))
    }

    /// This, never null.
    pub fn required(self) -> Self {
        match self {
            TypeRef::NonNull(_) => self,
            other => TypeRef::NonNull(Box::new(other)),
        }
    }

    /// This, or null.
    pub fn nullable(self) -> Self {
        match self {
            TypeRef::NonNull(inner) => *inner,
            other => other,
        }
    }

    /// The name under all lists and marks.
    pub fn name(&self) -> &Arc<str> {
        match self {
            TypeRef::Named(name) => name,
            TypeRef::List(inner) | TypeRef::NonNull(inner) => inner.name(),
        }
    }

    /// Whether there is a list in it.
    pub fn is_list(&self) -> bool {
        match self {
            TypeRef::Named(_) => false,
            TypeRef::List(_) => true,
            TypeRef::NonNull(inner) => inner.is_list(),
        }
    }
}

impl fmt::Display for TypeRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TypeRef::Named(name) => f.write_str(name),
            TypeRef::List(inner) => write!(f, "[{inner}]"),
            TypeRef::NonNull(inner) => write!(f, "{inner}!"),
        }
    }
}

/// What values of a scalar look like when they are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// `true` or `false`.
    Boolean,
    /// A text.
    Text,
    /// A whole number, or a text of its digits.
    BigInt,
    /// A number as text.
    TextNumber,
    /// A JSON value as it is, objects and lists included.
    Json,
    /// Any single value.
    Any,
}

/// An enum's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnumValue {
    /// Its name here.
    pub name: Arc<str>,
    /// What it is on the other side.
    pub means: Arc<str>,
    /// What it is for.
    pub description: Option<Arc<str>>,
}

/// What kind of type it is.
#[derive(Clone, Debug)]
pub enum Kind<B> {
    /// A value.
    Scalar(Scalar),
    /// One of some values.
    Enum(Vec<EnumValue>),
    /// Fields, and the interfaces it has.
    Object {
        /// In order.
        fields: Vec<Field<B>>,
        /// By name.
        interfaces: Vec<Arc<str>>,
    },
    /// Fields that several objects have.
    Interface {
        /// In order.
        fields: Vec<Field<B>>,
    },
    /// Fields of what is given.
    Input(Vec<Input<B>>),
}

/// A type.
#[derive(Clone, Debug)]
pub struct Type<B> {
    /// Its name.
    pub name: Arc<str>,
    /// What it is for.
    pub description: Option<Arc<str>>,
    /// The group it belongs to, when introspection is allowed by group.
    pub group: Option<Arc<str>>,
    /// Its kind.
    pub kind: Kind<B>,
}

/// A field of an object.
#[derive(Clone, Debug)]
pub struct Field<B> {
    /// Its name.
    pub name: Arc<str>,
    /// What it is for.
    pub description: Option<Arc<str>>,
    /// What can be given.
    pub args: Vec<Input<B>>,
    /// Its type.
    pub of: TypeRef,
    /// What it is on the other side.
    pub bind: B,
}

/// An argument, or a field of an input object.
#[derive(Clone, Debug)]
pub struct Input<B> {
    /// Its name.
    pub name: Arc<str>,
    /// What it is for.
    pub description: Option<Arc<str>>,
    /// Its type.
    pub of: TypeRef,
    /// What it is when nothing is given, as GraphQL text.
    pub default: Option<Arc<str>>,
    /// Longest text allowed.
    pub longest: Option<Longest>,
    /// What it is on the other side.
    pub bind: B,
}

/// How long a text may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Longest {
    /// In characters.
    pub most: u32,
    /// What it is for, for whoever is told that it is too long.
    pub of: Arc<str>,
}

impl<B> Input<B> {
    /// An argument without more.
    pub fn new(name: impl Into<Arc<str>>, of: TypeRef, bind: B) -> Self {
        Input { name: name.into(), description: None, of, default: None, longest: None, bind }
    }

    /// With what it is for.
    pub fn about(mut self, description: &str) -> Self {
        self.description = Some(description.into());
        self
    }
}

impl<B> Field<B> {
    /// A field without arguments.
    pub fn new(name: impl Into<Arc<str>>, of: TypeRef, bind: B) -> Self {
        Field { name: name.into(), description: None, args: Vec::new(), of, bind }
    }

    /// With what it is for.
    pub fn about(mut self, description: impl Into<Arc<str>>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// With arguments.
    pub fn with(mut self, args: Vec<Input<B>>) -> Self {
        self.args = args;
        self
    }

    /// An argument by name.
    pub fn arg(&self, name: &str) -> Option<&Input<B>> {
        self.args.iter().find(|arg| &*arg.name == name)
    }
}

/// A schema.
#[derive(Debug)]
pub struct Schema<B> {
    types: Vec<Type<B>>,
    by_name: HashMap<Arc<str>, usize>,
    /// Fields by type and name: objects can have hundreds.
    fields: HashMap<(usize, Arc<str>), usize>,
    /// Whether there is something to mutate.
    pub mutates: bool,
}

/// The name of the root of queries.
pub const QUERY: &str = "Query";
/// The name of the root of mutations.
pub const MUTATION: &str = "Mutation";

impl<B> Schema<B> {
    /// Of these types; of two with one name the first counts.
    pub fn new(types: Vec<Type<B>>) -> Self {
        let mut schema =
            Schema { types: Vec::new(), by_name: HashMap::new(), fields: HashMap::new(), mutates: false };
        let mut types = types;
        types.sort_by(|one, other| one.name.cmp(&other.name));
        types.dedup_by(|later, first| later.name == first.name);
        for (at, one) in types.iter().enumerate() {
            schema.by_name.insert(one.name.clone(), at);
            for (place, field) in one.fields().iter().enumerate() {
                // Of two fields with one name the later counts: a function shadows a column.
                schema.fields.insert((at, field.name.clone()), place);
            }
        }
        schema.mutates = types.iter().any(|one| &*one.name == MUTATION);
        schema.types = types;
        schema
    }

    /// All types, by name.
    pub fn types(&self) -> &[Type<B>] {
        &self.types
    }

    /// A type.
    pub fn get(&self, name: &str) -> Option<&Type<B>> {
        self.by_name.get(name).and_then(|at| self.types.get(*at))
    }

    /// A field of a type.
    pub fn field(&self, of: &str, name: &str) -> Option<&Field<B>> {
        let at = *self.by_name.get(of)?;
        let place = *self.fields.get(&(at, Arc::from(name)))?;
        self.types.get(at)?.fields().get(place)
    }

    /// Objects that have an interface.
    pub fn having<'a>(&'a self, interface: &'a str) -> impl Iterator<Item = &'a Type<B>> {
        self.types.iter().filter(move |one| match &one.kind {
            Kind::Object { interfaces, .. } => interfaces.iter().any(|name| &**name == interface),
            _ => false,
        })
    }
}

impl<B> Type<B> {
    /// Its fields; none when it is neither object nor interface.
    pub fn fields(&self) -> &[Field<B>] {
        match &self.kind {
            Kind::Object { fields, .. } | Kind::Interface { fields } => fields,
            Kind::Scalar(_) | Kind::Enum(_) | Kind::Input(_) => &[],
        }
    }

    /// Whether something must be selected of it.
    pub fn is_composite(&self) -> bool {
        matches!(self.kind, Kind::Object { .. } | Kind::Interface { .. })
    }
}
