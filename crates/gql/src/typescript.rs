//! A schema as TypeScript: a type for each object, input and enum, for programs that build queries.
//!
//! Invariant: what may be null may be null here too, and what need not be given need not be here.

use std::fmt::Write;

use crate::schema::{Kind, Scalar, Schema, Type, TypeRef};

/// Writes a whole schema.
pub fn print<B>(schema: &Schema<B>) -> String {
    let mut text = String::new();
    for one in schema.types() {
        if !one.name.starts_with("__") {
            print_type(&mut text, one);
        }
    }
    text
}

/// Words of TypeScript that no type of a program may be called by, and the one that is used here.
const TAKEN: &str = " any Array as asserts async await bigint boolean break case catch class const continue debugger default delete do else \
    enum export extends false finally for function if implements import in instanceof interface let never new null number object \
    package private protected public return static string super switch symbol this throw true try type typeof undefined unknown \
    var void while with yield ";

/// A type's name there.
fn called(name: &str) -> String {
    let is_taken = TAKEN.contains(&format!(" {name} "));
    if is_taken { format!("{name}_") } else { name.to_owned() }
}

fn print_type<B>(text: &mut String, one: &Type<B>) {
    let name = called(&one.name);
    match &one.kind {
        Kind::Scalar(kind) => {
            let known = matches!(&*name, "String" | "Boolean");
            if !known {
                add(text, format_args!("export type {name} = {}\n\n", scalar(*kind)));
            }
        }
        Kind::Enum(values) => {
            let words: Vec<String> = values.iter().map(|value| format!("'{}'", value.name)).collect();
            add(text, format_args!("export type {name} = {}\n\n", words.join(" | ")));
        }
        Kind::Object { .. } | Kind::Interface { .. } => {
            add(text, format_args!("export interface {name} {{\n  __typename?: '{}'\n", one.name));
            for field in one.fields() {
                add(text, format_args!("  {}: {}\n", field.name, of(&field.of)));
            }
            text.push_str("}\n\n");
        }
        Kind::Input(inputs) => {
            add(text, format_args!("export interface {name} {{\n"));
            for input in inputs {
                let optional = if matches!(input.of, TypeRef::NonNull(_)) { "" } else { "?" };
                add(text, format_args!("  {}{optional}: {}\n", input.name, of(&input.of)));
            }
            text.push_str("}\n\n");
        }
    }
}

fn scalar(kind: Scalar) -> &'static str {
    match kind {
        Scalar::Int | Scalar::Float => "number",
        Scalar::Boolean => "boolean",
        Scalar::Text | Scalar::BigInt | Scalar::TextNumber => "string",
        Scalar::Json | Scalar::Any => "unknown",
    }
}

fn of(type_ref: &TypeRef) -> String {
    match type_ref {
        TypeRef::NonNull(inner) => bare(inner),
        other => format!("{} | null", bare(other)),
    }
}

fn bare(type_ref: &TypeRef) -> String {
    match type_ref {
        TypeRef::Named(name) if &**name == "String" => "string".to_owned(),
        TypeRef::Named(name) if &**name == "Boolean" => "boolean".to_owned(),
        TypeRef::Named(name) => called(name),
        TypeRef::List(inner) => format!("Array<{}>", of(inner)),
        TypeRef::NonNull(inner) => bare(inner),
    }
}

fn add(text: &mut String, words: std::fmt::Arguments<'_>) {
    let _a_string_takes_everything = text.write_fmt(words);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Field, Input};

    fn schema() -> Schema<()> {
        let object = |name: &str, fields| Type {
            name: name.into(),
            description: Some("What it \"is\"".into()),
            group: None,
            kind: Kind::Object { fields, interfaces: Vec::new() },
        };
        let filter = Input::new("filter", TypeRef::named("PostFilter"), ());
        let posts = TypeRef::named("Post").required().list().required();
        Schema::new(vec![
            object("Query", vec![Field::new("posts", posts, ()).with(vec![filter])]),
            object(
                "Post",
                vec![
                    Field::new("id", TypeRef::named("Int").required(), ()),
                    Field::new("title", TypeRef::named("String"), ()),
                ],
            ),
            Type {
                name: "PostFilter".into(),
                description: None,
                group: None,
                kind: Kind::Input(vec![Input::new("id_eq", TypeRef::named("Int"), ())]),
            },
            crate::introspect::scalar("Int", Scalar::Int, "A number"),
        ])
    }

    #[test]
    fn what_may_be_null_may_be_null() {
        let text = print(&schema());
        assert!(
            text.contains(
                "export interface Post {\n  __typename?: 'Post'\n  id: Int\n  title: string | null\n}"
            ),
            "{text}"
        );
        assert!(text.contains("posts: Array<Post>") && text.contains("id_eq?: Int | null"), "{text}");
    }

    #[test]
    fn a_word_of_typescript_is_no_name_of_a_type() {
        assert_eq!(
            ["default", "string", "Array", "Post"].map(super::called),
            ["default_", "string_", "Array_", "Post"]
        );
    }

    #[test]
    fn the_schema_language_is_graphql() {
        let text = crate::sdl::print(&schema());
        assert!(
            text.contains("posts(filter: PostFilter): [Post!]!") && text.contains("\"What it \\\"is\\\"\""),
            "{text}"
        );
        assert!(apollo_parser::Parser::new(&text).parse().errors().next().is_none(), "{text}");
    }
}
