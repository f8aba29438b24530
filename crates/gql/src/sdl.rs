//! A schema as text, in the schema definition language: what code generators read.
//!
//! Invariant: the text parses as GraphQL; the types that describe types are left out, as the language says.

use std::fmt::Write;

use crate::schema::{Input, Kind, Schema, Type};

const BUILT_IN: [&str; 5] = ["Int", "Float", "String", "Boolean", "ID"];

/// Writes a whole schema.
pub fn print<B>(schema: &Schema<B>) -> String {
    let mut text = String::new();
    for one in schema.types() {
        if !one.name.starts_with("__") && !BUILT_IN.contains(&&*one.name) {
            print_type(&mut text, one);
        }
    }
    text
}

fn print_type<B>(text: &mut String, one: &Type<B>) {
    describe(text, "", one.description.as_deref());
    let name = &one.name;
    let fields = |text: &mut String| {
        for field in one.fields() {
            describe(text, "  ", field.description.as_deref());
            add(text, format_args!("  {}{}: {}\n", field.name, arguments(&field.args), field.of));
        }
        text.push_str("}\n\n");
    };
    match &one.kind {
        Kind::Scalar(_) => add(text, format_args!("scalar {name}\n\n")),
        Kind::Enum(values) => {
            add(text, format_args!("enum {name} {{\n"));
            for value in values {
                describe(text, "  ", value.description.as_deref());
                add(text, format_args!("  {}\n", value.name));
            }
            text.push_str("}\n\n");
        }
        Kind::Object { interfaces, .. } => {
            let also = if interfaces.is_empty() {
                String::new()
            } else {
                format!(" implements {}", interfaces.join(" & "))
            };
            add(text, format_args!("type {name}{also} {{\n"));
            fields(text);
        }
        Kind::Interface { .. } => {
            add(text, format_args!("interface {name} {{\n"));
            fields(text);
        }
        Kind::Input(inputs) => {
            add(text, format_args!("input {name} {{\n"));
            for one in inputs {
                describe(text, "  ", one.description.as_deref());
                add(text, format_args!("  {}\n", input(one)));
            }
            text.push_str("}\n\n");
        }
    }
}

fn arguments<B>(all: &[Input<B>]) -> String {
    if all.is_empty() {
        return String::new();
    }
    let described = |one: &Input<B>| match one.description.as_deref() {
        Some(description) => format!("{} {}", text_of(description), input(one)),
        None => input(one),
    };
    format!("({})", all.iter().map(described).collect::<Vec<_>>().join(", "))
}

fn input<B>(one: &Input<B>) -> String {
    match &one.default {
        Some(default) => format!("{}: {} = {default}", one.name, one.of),
        None => format!("{}: {}", one.name, one.of),
    }
}

fn describe(text: &mut String, indent: &str, description: Option<&str>) {
    if let Some(description) = description {
        add(text, format_args!("{indent}{}\n", text_of(description)));
    }
}

/// A JSON string is a GraphQL string.
fn text_of(description: &str) -> serde_json::Value {
    description.into()
}

fn add(text: &mut String, words: std::fmt::Arguments<'_>) {
    let _a_string_takes_everything = text.write_fmt(words);
}
