//! The types that describe types, as every schema has them.

use crate::schema::{EnumValue, Field, Input, Kind, Type, TypeRef};

fn text() -> TypeRef {
    TypeRef::named("String")
}

fn list(name: &str) -> TypeRef {
    TypeRef::named(name).required().list()
}

/// An enum of words.
pub(super) fn words<B>(name: &str, description: &str, all: &[&str]) -> Type<B> {
    let value = |word: &&str| EnumValue { name: (*word).into(), means: (*word).into(), description: None };
    Type {
        name: name.into(),
        description: Some(description.into()),
        group: None,
        kind: Kind::Enum(all.iter().map(value).collect()),
    }
}

fn object<B>(name: &str, description: &str, fields: Vec<Field<B>>) -> Type<B> {
    Type {
        name: name.into(),
        description: Some(description.into()),
        group: None,
        kind: Kind::Object { fields, interfaces: Vec::new() },
    }
}

/// The objects.
pub(super) fn objects<B: Clone>(nothing: &B) -> Vec<Type<B>> {
    let field = |name: &str, of: TypeRef| Field::new(name, of, nothing.clone());
    let with_deprecated = |found: Field<B>| {
        let mut input = Input::new("includeDeprecated", TypeRef::named("Boolean"), nothing.clone());
        input.default = Some("false".into());
        found.with(vec![input])
    };
    // What has a name also says whether it will go.
    let described = |more: Vec<Field<B>>| {
        let mut fields = vec![field("name", text().required()), field("description", text())];
        fields.extend(more);
        fields.push(field("isDeprecated", TypeRef::named("Boolean").required()));
        fields.push(field("deprecationReason", text()));
        fields
    };
    let of_type = || TypeRef::named("__Type");
    vec![
        object(
            "__Schema",
            "A GraphQL Schema defines the capabilities of a GraphQL server. It exposes all available types and directives on the server, as well as the entry points for query, mutation, and subscription operations.",
            vec![
                field("types", list("__Type").required()).about("A list of all types supported by this server."),
                field("queryType", of_type().required())
                    .about("The type that query operations will be rooted at."),
                field("mutationType", of_type()).about(
                    "If this server supports mutation, the type that mutation operations will be rooted at.",
                ),
                field("subscriptionType", of_type()).about(
                    "If this server support subscription, the type that subscription operations will be rooted at.",
                ),
                field("directives", list("__Directive").required())
                    .about("A list of all directives supported by this server."),
                field("description", text()),
            ],
        ),
        object(
            "__Type",
            "The fundamental unit of any GraphQL Schema is the type. There are many kinds of types in GraphQL as represented by the `__TypeKind` enum.",
            vec![
                field("name", text()),
                field("description", text()),
                field("kind", TypeRef::named("__TypeKind").required()),
                with_deprecated(field("inputFields", list("__InputValue"))),
                field("interfaces", list("__Type")),
                field("possibleTypes", list("__Type")),
                with_deprecated(field("enumValues", list("__EnumValue"))),
                with_deprecated(field("fields", list("__Field"))),
                field("ofType", of_type()),
                field("specifiedByURL", text()),
            ],
        ),
        object(
            "__Field",
            "Object and Interface types are described by a list of Fields, each of which has a name, potentially a list of arguments, and a return type.",
            described(vec![
                with_deprecated(field("args", list("__InputValue").required())),
                field("type", of_type().required()),
            ]),
        ),
        object(
            "__InputValue",
            "Arguments provided to Fields or Directives and the input fields of an InputObject are represented as Input Values which describe their type and optionally a default value.",
            described(vec![
                field("type", of_type().required()),
                field("defaultValue", text())
                    .about("A GraphQL-formatted string representing the default value for this input value."),
            ]),
        ),
        object(
            "__EnumValue",
            "One possible value for a given Enum. Enum values are unique values, not a placeholder for a string or numeric value. However an Enum value is returned in a JSON response as a string.",
            described(Vec::new()),
        ),
        object(
            "__Directive",
            "A Directive provides a way to describe alternate runtime execution and type validation behavior in a GraphQL document.",
            vec![
                field("name", text().required()),
                field("description", text()),
                field("isRepeatable", TypeRef::named("Boolean").required()),
                field("locations", list("__DirectiveLocation").required()),
                with_deprecated(field("args", list("__InputValue").required())),
            ],
        ),
    ]
}
