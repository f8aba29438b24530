//! Answering what is asked of the schema itself: `__schema`, `__type`, and the types that describe types.
//!
//! Invariant: whether the caller may ask is decided before; here only what was asked is looked up, within bounds already
//! measured.

mod meta;

use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use crate::coerce::Seen;
use crate::collect::{Collect, Collected};
use crate::doc::{Selection, Value};
use crate::error::Error;
use crate::schema::{EnumValue, Field, Input, Kind, MUTATION, QUERY, Scalar, Schema, Type, TypeRef};

/// What may be seen of a schema, and the request that asks.
pub struct Introspect<'a, 'd, 'v, B> {
    /// The schema.
    pub schema: &'a Schema<B>,
    /// The request.
    pub collect: &'a Collect<'d, 'v>,
    /// Whether types of a group are shown.
    pub shows: &'a dyn Fn(&str) -> bool,
}

/// Something that describes.
enum Thing<'a, B> {
    Schema,
    Type(Shown<'a, B>),
    Field(&'a Field<B>),
    Input(&'a Input<B>),
    EnumValue(&'a EnumValue),
    Directive(&'static Directive),
    DirectiveInput(&'static str),
}

/// A type with its lists and marks.
enum Shown<'a, B> {
    Type(&'a Type<B>),
    Wrapped(&'a TypeRef),
}

struct Directive {
    name: &'static str,
    description: &'static str,
    input: &'static str,
}

const DIRECTIVES: &[Directive] = &[
    Directive {
        name: "include",
        description: "This field or fragment will be included only when the `if` argument is true.",
        input: "Included when true",
    },
    Directive {
        name: "skip",
        description: "This field or fragment will be skipped when the `if` argument is true.",
        input: "Skipped when true",
    },
];

impl<'a, 'd, B> Introspect<'a, 'd, '_, B> {
    /// Answers one root field, `__schema` or `__type`.
    pub fn root(&self, field: &Collected<'d>, seen: &mut Seen) -> Result<Json, Error> {
        if &*field.field.name == "__schema" {
            return self.thing(&Thing::Schema, &field.inside, seen);
        }
        let name = match field.field.argument("name") {
            Some(Value::String(name)) => Some(Arc::clone(name)),
            Some(Value::Variable(variable)) => {
                seen.looked_at(variable);
                let given = self.collect.variables.given.get(&**variable);
                given.and_then(Json::as_str).map(Arc::from)
            }
            _ => None,
        };
        let found = name.and_then(|name| self.schema.get(&name)).filter(|found| self.is_shown(found));
        match found {
            None => Ok(Json::Null),
            Some(found) => self.thing(&Thing::Type(Shown::Type(found)), &field.inside, seen),
        }
    }

    fn is_shown(&self, found: &Type<B>) -> bool {
        found.group.as_deref().is_none_or(self.shows)
    }

    fn type_is_shown(&self, of: &TypeRef) -> bool {
        self.schema.get(of.name()).is_none_or(|found| self.is_shown(found))
    }

    fn thing(&self, thing: &Thing<'a, B>, sets: &[&'d [Selection]], seen: &mut Seen) -> Result<Json, Error> {
        let name = thing.type_name();
        let mut answer = Map::new();
        for field in self.collect.fields(sets, name, &|on| on == name, seen)? {
            let value = if &*field.field.name == "__typename" {
                json!(name)
            } else {
                self.value(thing, &field, seen)?.ok_or_else(|| {
                    Error::invalid(format!("Unknown field \"{}\" on type {name}", field.field.name))
                })?
            };
            answer.insert(field.key().to_string(), value);
        }
        Ok(Json::Object(answer))
    }

    fn things(
        &self,
        all: impl IntoIterator<Item = Thing<'a, B>>,
        field: &Collected<'d>,
        seen: &mut Seen,
    ) -> Result<Json, Error> {
        let one = |thing| self.thing(&thing, &field.inside, seen);
        Ok(Json::Array(all.into_iter().map(one).collect::<Result<_, Error>>()?))
    }

    fn value(
        &self,
        thing: &Thing<'a, B>,
        field: &Collected<'d>,
        seen: &mut Seen,
    ) -> Result<Option<Json>, Error> {
        let asked = &*field.field.name;
        Ok(Some(match (thing, asked) {
            (Thing::Schema, _) => return self.schema_value(field, seen),
            (Thing::Type(shown), _) => return self.type_value(shown, field, seen),
            (Thing::Field(found), "name") => json!(found.name),
            (Thing::Field(found), "description") => json!(found.description),
            (Thing::Field(found), "args") => self.things(found.args.iter().map(Thing::Input), field, seen)?,
            (Thing::Field(found), "type") => self.type_of(&found.of, field, seen)?,
            (Thing::Input(found), "name") => json!(found.name),
            (Thing::Input(found), "description") => json!(found.description),
            (Thing::Input(found), "type") => self.type_of(&found.of, field, seen)?,
            (Thing::Input(found), "defaultValue") => json!(found.default),
            (Thing::EnumValue(found), "name") => json!(found.name),
            (Thing::EnumValue(found), "description") => json!(found.description),
            (Thing::Directive(found), "name") => json!(found.name),
            (Thing::Directive(found), "description") => json!(found.description),
            (Thing::Directive(_), "locations") => json!(["FIELD", "FRAGMENT_SPREAD", "INLINE_FRAGMENT"]),
            (Thing::Directive(found), "args") => {
                self.things([Thing::DirectiveInput(found.input)], field, seen)?
            }
            (Thing::Directive(_), "isRepeatable") => json!(false),
            (Thing::DirectiveInput(_), "name") => json!("if"),
            (Thing::DirectiveInput(about), "description") => json!(about),
            (Thing::DirectiveInput(_), "type") => self.boolean(field, seen)?,
            (Thing::DirectiveInput(_), "defaultValue") => Json::Null,
            (
                Thing::Field(_) | Thing::Input(_) | Thing::EnumValue(_) | Thing::DirectiveInput(_),
                "isDeprecated",
            ) => {
                json!(false)
            }
            (
                Thing::Field(_) | Thing::Input(_) | Thing::EnumValue(_) | Thing::DirectiveInput(_),
                "deprecationReason",
            ) => Json::Null,
            _ => return Ok(None),
        }))
    }

    /// `Boolean!`, which a directive's argument is.
    fn boolean(&self, field: &Collected<'d>, seen: &mut Seen) -> Result<Json, Error> {
        let mut answer = Map::new();
        for one in self.collect.fields(&field.inside, "__Type", &|on| on == "__Type", seen)? {
            let value = match &*one.field.name {
                "kind" => json!("NON_NULL"),
                "__typename" => json!("__Type"),
                "ofType" => match self.schema.get("Boolean") {
                    Some(found) => self.thing(&Thing::Type(Shown::Type(found)), &one.inside, seen)?,
                    None => Json::Null,
                },
                _ => Json::Null,
            };
            answer.insert(one.key().to_string(), value);
        }
        Ok(Json::Object(answer))
    }

    fn schema_value(&self, field: &Collected<'d>, seen: &mut Seen) -> Result<Option<Json>, Error> {
        let root = |name: &str| self.schema.get(name).map(|found| Thing::Type(Shown::Type(found)));
        let one = |thing: Option<Thing<'a, B>>, seen: &mut Seen| match thing {
            Some(thing) => self.thing(&thing, &field.inside, seen),
            None => Ok(Json::Null),
        };
        Ok(Some(match &*field.field.name {
            "types" => {
                let shown = self.schema.types().iter().filter(|found| self.is_shown(found));
                self.things(shown.map(|found| Thing::Type(Shown::Type(found))), field, seen)?
            }
            "queryType" => one(root(QUERY), seen)?,
            "mutationType" => {
                let any = self
                    .schema
                    .get(MUTATION)
                    .is_some_and(|found| found.fields().iter().any(|one| self.type_is_shown(&one.of)));
                one(root(MUTATION).filter(|_| any), seen)?
            }
            "subscriptionType" | "description" => Json::Null,
            "directives" => self.things(DIRECTIVES.iter().map(Thing::Directive), field, seen)?,
            _ => return Ok(None),
        }))
    }

    fn type_of(&self, of: &'a TypeRef, field: &Collected<'d>, seen: &mut Seen) -> Result<Json, Error> {
        match of {
            TypeRef::Named(name) => match self.schema.get(name) {
                Some(found) => self.thing(&Thing::Type(Shown::Type(found)), &field.inside, seen),
                None => Ok(Json::Null),
            },
            wrapped => self.thing(&Thing::Type(Shown::Wrapped(wrapped)), &field.inside, seen),
        }
    }

    fn type_value(
        &self,
        shown: &Shown<'a, B>,
        field: &Collected<'d>,
        seen: &mut Seen,
    ) -> Result<Option<Json>, Error> {
        const KNOWN: [&str; 12] = [
            "kind",
            "name",
            "description",
            "fields",
            "interfaces",
            "possibleTypes",
            "enumValues",
            "inputFields",
            "ofType",
            "specifiedByURL",
            "specifiedByUrl",
            "isOneOf",
        ];
        let asked = &*field.field.name;
        let found = match shown {
            Shown::Wrapped(wrapped) => {
                return Ok(Some(match (asked, wrapped) {
                    ("kind", TypeRef::List(_)) => json!("LIST"),
                    ("kind", _) => json!("NON_NULL"),
                    ("ofType", TypeRef::List(inner) | TypeRef::NonNull(inner)) => {
                        self.type_of(inner, field, seen)?
                    }
                    _ if KNOWN.contains(&asked) => Json::Null,
                    _ => return Ok(None),
                }));
            }
            Shown::Type(found) => *found,
        };
        Ok(Some(match (asked, &found.kind) {
            ("kind", kind) => json!(kind.word()),
            ("name", _) => json!(found.name),
            ("description", _) => json!(found.description),
            ("fields", Kind::Object { .. } | Kind::Interface { .. }) => {
                let fields = found.fields().iter().filter(|one| self.type_is_shown(&one.of));
                self.things(fields.map(Thing::Field), field, seen)?
            }
            ("interfaces", Kind::Object { interfaces, .. }) => {
                let all = interfaces.iter().filter_map(|name| self.schema.get(name));
                self.things(all.map(|one| Thing::Type(Shown::Type(one))), field, seen)?
            }
            ("interfaces", Kind::Interface { .. }) => json!([]),
            ("possibleTypes", Kind::Interface { .. }) => {
                let all = self.schema.having(&found.name).filter(|one| self.is_shown(one));
                self.things(all.map(|one| Thing::Type(Shown::Type(one))), field, seen)?
            }
            ("enumValues", Kind::Enum(values)) => {
                self.things(values.iter().map(Thing::EnumValue), field, seen)?
            }
            ("inputFields", Kind::Input(inputs)) => {
                self.things(inputs.iter().map(Thing::Input), field, seen)?
            }
            ("isOneOf", Kind::Input(_)) => json!(false),
            _ if KNOWN.contains(&asked) => Json::Null,
            _ => return Ok(None),
        }))
    }
}

impl<B> Thing<'_, B> {
    fn type_name(&self) -> &'static str {
        match self {
            Thing::Schema => "__Schema",
            Thing::Type(_) => "__Type",
            Thing::Field(_) => "__Field",
            Thing::Input(_) | Thing::DirectiveInput(_) => "__InputValue",
            Thing::EnumValue(_) => "__EnumValue",
            Thing::Directive(_) => "__Directive",
        }
    }
}

impl<B> Kind<B> {
    /// As introspection names it.
    fn word(&self) -> &'static str {
        match self {
            Kind::Scalar(_) => "SCALAR",
            Kind::Enum(_) => "ENUM",
            Kind::Object { .. } => "OBJECT",
            Kind::Interface { .. } => "INTERFACE",
            Kind::Input(_) => "INPUT_OBJECT",
        }
    }
}

/// The types that describe types. They are in every schema, so that clients find what they ask with; fields of them are
/// answered here, never bound to anything.
pub fn meta_types<B: Clone>(nothing: &B) -> Vec<Type<B>> {
    let mut all = meta::objects(nothing);
    all.push(meta::words(
        "__TypeKind",
        "An enum describing what kind of type a given `__Type` is.",
        &["SCALAR", "OBJECT", "INTERFACE", "UNION", "ENUM", "INPUT_OBJECT", "LIST", "NON_NULL"],
    ));
    all.push(meta::words(
        "__DirectiveLocation",
        "A Directive can be adjacent to many parts of the GraphQL language, a __DirectiveLocation describes one such possible adjacencies.",
        &["FIELD", "FRAGMENT_SPREAD", "INLINE_FRAGMENT"],
    ));
    all
}

/// A scalar type.
pub fn scalar<B>(name: &str, kind: Scalar, description: &str) -> Type<B> {
    Type { name: name.into(), description: Some(description.into()), group: None, kind: Kind::Scalar(kind) }
}
