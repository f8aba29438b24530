//! Which GraphQL type a type of the database is, and how its values go in and out.
//!
//! Invariant: what is not known is opaque: a text that can be compared for equality and no more.

use std::sync::Arc;

use data::catalog::{Catalog, TypeKind};
use data::graph::ask::Shown;
use gql::TypeRef;
use gql::schema::{EnumValue, Kind, Scalar, Type};
use serde_json::Value as Json;

use crate::bind::Bind;
use crate::names;

/// What a convention calls its scalars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// pg_graphql: JSON is a text, big numbers are texts.
    Relay,
    /// The guide's: JSON is JSON.
    Plain,
}

/// A type of values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its GraphQL type, nullable.
    pub of: TypeRef,
    /// How values of it become JSON.
    pub shown: Shown,
    /// The enum it is, or is a list of.
    pub enumeration: Option<u32>,
}

fn of(name: &str, shown: Shown) -> Known {
    Known { of: TypeRef::named(name), shown, enumeration: None }
}

/// The GraphQL type of a type that is not a row. `called` says what an enum is called that is a type of the schema.
pub fn known(
    catalog: &Catalog,
    oid: u32,
    style: Style,
    called: &dyn Fn(u32) -> Option<Arc<str>>,
) -> Option<Known> {
    let found = catalog.types.get(oid)?;
    match found.kind {
        TypeKind::Array => {
            let inner = known(catalog, found.element?, style, called)?;
            let shown = match inner.shown {
                Shown::Text => Shown::Texts,
                Shown::Mapped(_) => Shown::Json,
                other => other,
            };
            if inner.of.is_list() {
                return None;
            }
            Some(Known { of: inner.of.list(), shown, enumeration: inner.enumeration })
        }
        TypeKind::Composite | TypeKind::Pseudo => None,
        TypeKind::Enum => {
            let Some(name) = called(oid) else { return Some(of("Opaque", Shown::Json)) };
            let shown = match mapped(&names::directives(found.comment.as_deref())) {
                pairs if pairs.is_empty() => Shown::Json,
                pairs => Shown::Mapped(pairs),
            };
            Some(Known { of: TypeRef::named(name), shown, enumeration: Some(oid) })
        }
        TypeKind::Range => Some(of("Opaque", Shown::Json)),
        TypeKind::Domain if style == Style::Plain => known(catalog, catalog.types.base(oid), style, called),
        TypeKind::Domain => Some(of("Opaque", Shown::Json)),
        TypeKind::Base => Some(base(oid, &found.name, style)),
    }
}

fn base(oid: u32, name: &str, style: Style) -> Known {
    let plain = style == Style::Plain;
    match oid {
        20 => of("BigInt", Shown::Text),
        16 => of("Boolean", Shown::Json),
        1082 => of("Date", Shown::Json),
        1114 | 1184 => of(if plain { "DateTime" } else { "Datetime" }, Shown::Json),
        1083 => of("Time", Shown::Json),
        1266 if plain => of("Time", Shown::Json),
        700 | 701 => of("Float", Shown::Json),
        21 | 23 => of("Int", Shown::Json),
        1700 => of("BigFloat", Shown::Text),
        114 | 3802 if plain => of("JSON", Shown::Json),
        114 | 3802 => of("JSON", Shown::Text),
        25 | 1042 | 1043 | 18 => of("String", Shown::Json),
        2950 => of("UUID", Shown::Json),
        _ if name == "citext" || name == "name" => of("String", Shown::Json),
        _ => of("Opaque", Shown::Json),
    }
}

/// What an enum's own name would be called.
pub fn enum_name(catalog: &Catalog, oid: u32) -> String {
    let Some(found) = catalog.types.get(oid) else { return String::new() };
    let directives = names::directives(found.comment.as_deref());
    names::said(&directives, "name")
        .unwrap_or_else(|| names::type_name(&found.name, inflects(catalog, &found.schema)))
}

/// Whether names of a schema are inflected.
pub fn inflects(catalog: &Catalog, schema: &str) -> bool {
    let said = names::directives(catalog.comments.get(schema).map(|comment| &**comment));
    said.get("inflect_names").and_then(Json::as_bool).unwrap_or(false)
}

/// An enum as a type; nothing where GraphQL allows all its values no name: those are texts that nobody looks into.
pub fn enumeration(catalog: &Catalog, oid: u32, name: &Arc<str>) -> Option<Type<Bind>> {
    let found = catalog.types.get(oid)?;
    let pairs = mapped(&names::directives(found.comment.as_deref()));
    let name_of = |label: &str| {
        pairs.iter().find(|(known, _)| known == label).map_or(label.to_owned(), |(_, name)| name.clone())
    };
    let values = found.labels.iter().map(|label| EnumValue {
        name: name_of(label).into(),
        means: Arc::clone(label),
        description: None,
    });
    let values: Vec<EnumValue> = values.filter(|value| names::is_value(&value.name)).collect();
    (!values.is_empty()).then(|| Type {
        name: Arc::clone(name),
        description: None,
        group: Some(Arc::clone(&found.schema)),
        kind: Kind::Enum(values),
    })
}

fn mapped(directives: &Json) -> Vec<(String, String)> {
    let pairs = directives.get("mappings").and_then(Json::as_object);
    pairs
        .into_iter()
        .flatten()
        .filter_map(|(label, name)| Some((label.clone(), name.as_str()?.to_owned())))
        .collect()
}

/// Scalars of a convention, with what values of each look like when they are given.
pub fn scalars(style: Style) -> Vec<Type<Bind>> {
    let datetime = if style == Style::Plain { "DateTime" } else { "Datetime" };
    let json = if style == Style::Plain {
        (Scalar::Json, "Any JSON value")
    } else {
        (Scalar::Text, "A Javascript Object Notation value serialized as a string")
    };
    let mut all = vec![
        ("ID", Scalar::Text, "A globally unique identifier for a given record"),
        ("Int", Scalar::Int, "A scalar integer up to 32 bits"),
        ("Float", Scalar::Float, "A scalar floating point value up to 32 bits"),
        ("String", Scalar::Text, "A string"),
        ("Boolean", Scalar::Boolean, "A value that is true or false"),
        ("Date", Scalar::Text, "A date without time information"),
        ("Time", Scalar::Text, "A time without date information"),
        (datetime, Scalar::Text, "A date and time"),
        ("BigInt", Scalar::BigInt, "An arbitrary size integer represented as a string"),
        ("UUID", Scalar::Text, "A universally unique identifier"),
        ("JSON", json.0, json.1),
        ("BigFloat", Scalar::TextNumber, "A high precision floating point value represented as a string"),
        ("Opaque", Scalar::Any, "Any type not handled by the type system"),
    ];
    if style == Style::Relay {
        all.push((
            "Cursor",
            Scalar::Text,
            "An opaque string using for tracking a position in results during pagination",
        ));
    } else if let Some(number) = all.iter_mut().find(|(name, _, _)| *name == "BigFloat") {
        number.1 = Scalar::Any;
    }
    all.into_iter().map(|(name, kind, about)| gql::introspect::scalar(name, kind, about)).collect()
}
