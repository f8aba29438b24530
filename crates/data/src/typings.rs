//! Types for those who write against the API, from the snapshot: TypeScript as supabase-js takes them, and zod schemas.
//!
//! Invariant: pure, and only what is served is named. What a client may leave out is optional, what may be null says so.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::catalog::types::{Json, TypeKind, json_of};
use crate::catalog::{Bound, Catalog, Column, Function, LinkKind, Relation, RelationKind, Returns};

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// `export type Database = …`
    TypeScript,
    /// `export const publicTasksRow = z.object(…)`
    Zod,
}

/// The types of every exposed schema.
pub fn write(catalog: &Catalog, language: Language) -> String {
    let mut out = String::new();
    match language {
        Language::TypeScript => typescript(&mut out, catalog),
        Language::Zod => zod(&mut out, catalog),
    }
    out
}

/// One of the three shapes of a row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Row,
    Insert,
    Update,
}

const SHAPES: [(Shape, &str); 3] =
    [(Shape::Row, "Row"), (Shape::Insert, "Insert"), (Shape::Update, "Update")];

impl Shape {
    fn may_leave_out(self, column: &Column) -> bool {
        match self {
            Shape::Row => false,
            Shape::Insert => !column.required || column.default.is_some() || column.generated,
            Shape::Update => true,
        }
    }

    /// A generated column is read, never written.
    fn has(self, column: &Column) -> bool {
        self == Shape::Row || !column.generated
    }
}

fn shapes(relation: &Relation) -> impl Iterator<Item = (Shape, &'static str)> {
    let writable = relation.insertable || relation.updatable || !relation.kind.is_view();
    SHAPES.into_iter().filter(move |(shape, _)| *shape == Shape::Row || writable)
}

/// A property's name, quoted where it has to be.
fn key(name: &str) -> String {
    let mut letters = name.chars();
    let plain = letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    if plain { name.to_owned() } else { text(name) }
}

fn text(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}

fn typescript(out: &mut String, catalog: &Catalog) {
    out.push_str(
        "export type Json = string | number | boolean | null | { [key: string]: Json | undefined } | Json[]\n\nexport type Database = {\n",
    );
    for schema in catalog.exposed() {
        let _ = writeln!(out, "  {}: {{", key(schema));
        for (title, views) in [("Tables", false), ("Views", true)] {
            let _ = writeln!(out, "    {title}: {{");
            let mut relations: Vec<&Relation> =
                catalog.served(schema).filter(|one| (one.kind == RelationKind::View) == views).collect();
            relations.sort_by(|a, b| a.name.cmp(&b.name));
            for relation in relations {
                table(out, catalog, relation);
            }
            out.push_str("    }\n");
        }
        out.push_str("    Functions: {\n");
        for ((_, name), all) in catalog.functions.iter().filter(|((of, _), _)| of == schema) {
            if let Some(first) = all.first() {
                function(out, catalog, name, first);
            }
        }
        out.push_str("    }\n    Enums: {\n");
        for (name, labels) in enums(catalog, schema) {
            let _ = writeln!(out, "      {}: {}", key(&name), union(&labels));
        }
        out.push_str("    }\n    CompositeTypes: { [_ in never]: never }\n  }\n");
    }
    out.push_str("}\n");
}

fn table(out: &mut String, catalog: &Catalog, relation: &Relation) {
    let _ = writeln!(out, "      {}: {{", key(&relation.name));
    for (shape, title) in shapes(relation) {
        let _ = writeln!(out, "        {title}: {{");
        for column in relation.columns.iter().filter(|column| shape.has(column)) {
            let optional = if shape.may_leave_out(column) { "?" } else { "" };
            let null = if column.required { "" } else { " | null" };
            let _ = writeln!(
                out,
                "          {}{optional}: {}{null}",
                key(&column.name),
                ts(catalog, column.type_oid)
            );
        }
        out.push_str("        }\n");
    }
    out.push_str("        Relationships: [\n");
    for link in catalog.links_of(relation.id) {
        let (constraint, columns, one) = match &link.kind {
            LinkKind::ManyToOne { constraint, columns } => (constraint, columns, false),
            LinkKind::OneToOne { constraint, columns, parent: false } => (constraint, columns, true),
            _ => continue,
        };
        let Some(target) = catalog.relation(link.target) else { continue };
        let list = |names: Vec<&str>| names.iter().map(|name| text(name)).collect::<Vec<_>>().join(", ");
        let _ = writeln!(
            out,
            "          {{ foreignKeyName: {}, columns: [{}], isOneToOne: {one}, referencedRelation: {}, referencedColumns: [{}] }},",
            text(constraint),
            list(columns.iter().map(|(here, _)| &**here).collect()),
            text(&target.name),
            list(columns.iter().map(|(_, there)| &**there).collect())
        );
    }
    out.push_str("        ]\n      }\n");
}

fn function(out: &mut String, catalog: &Catalog, name: &str, function: &Function) {
    let arguments: Vec<String> = function
        .parameters
        .iter()
        .filter(|parameter| !parameter.name.is_empty())
        .map(|one| {
            let optional = if one.required { "" } else { "?" };
            format!("{}{optional}: {}", key(&one.name), ts(catalog, one.type_oid))
        })
        .collect();
    let arguments = if arguments.is_empty() {
        "Record<PropertyKey, never>".to_owned()
    } else {
        format!("{{ {} }}", arguments.join("; "))
    };
    let one = match &function.returns {
        Returns::Void => "undefined".to_owned(),
        Returns::Scalar { type_oid } => ts(catalog, *type_oid),
        Returns::Record => "Record<string, unknown>".to_owned(),
        Returns::Row { columns, .. } => {
            let fields = columns
                .iter()
                .map(|(name, type_oid)| format!("{}: {} | null", key(name), ts(catalog, *type_oid)));
            format!("{{ {} }}", fields.collect::<Vec<_>>().join("; "))
        }
    };
    let many = if function.set { "[]" } else { "" };
    let _ = writeln!(out, "      {}: {{ Args: {arguments}; Returns: {one}{many} }}", key(name));
}

fn enums(catalog: &Catalog, schema: &str) -> BTreeMap<String, Vec<String>> {
    let of = catalog.types.all().filter(|one| one.kind == TypeKind::Enum && &*one.schema == schema);
    of.map(|one| (one.name.to_string(), one.labels.iter().map(ToString::to_string).collect())).collect()
}

fn union(labels: &[String]) -> String {
    if labels.is_empty() {
        return "never".to_owned();
    }
    labels.iter().map(|label| text(label)).collect::<Vec<_>>().join(" | ")
}

/// A type's name in TypeScript.
fn ts(catalog: &Catalog, type_oid: u32) -> String {
    let base = catalog.types.base(type_oid);
    let Some(found) = catalog.types.get(base) else { return "unknown".to_owned() };
    match (found.kind, found.element) {
        (TypeKind::Array, Some(element)) => match ts(catalog, element) {
            one if one.contains(' ') => format!("({one})[]"),
            one => format!("{one}[]"),
        },
        (TypeKind::Array | TypeKind::Composite | TypeKind::Pseudo, _) => "unknown".to_owned(),
        (TypeKind::Enum, _) => union(&found.labels.iter().map(ToString::to_string).collect::<Vec<_>>()),
        (TypeKind::Base | TypeKind::Domain | TypeKind::Range, _) => match json_of(base) {
            Json::Bool => "boolean",
            Json::Integer | Json::Number => "number",
            Json::Verbatim => "Json",
            Json::Timestamp | Json::Text => "string",
        }
        .to_owned(),
    }
}

fn zod(out: &mut String, catalog: &Catalog) {
    out.push_str("import { z } from 'zod'\n");
    for schema in catalog.exposed() {
        let mut relations: Vec<&Relation> = catalog.served(schema).collect();
        relations.sort_by(|a, b| a.name.cmp(&b.name));
        for relation in relations {
            for (shape, title) in shapes(relation) {
                let name = camel(&[schema, &relation.name, title]);
                let _ = writeln!(out, "\nexport const {name} = z.object({{");
                for column in relation.columns.iter().filter(|column| shape.has(column)) {
                    let mut checked = one_zod(catalog, column.type_oid);
                    // What is stored may be older than its rules: they are for what is sent.
                    if shape != Shape::Row {
                        checked = bounded(checked, column);
                    }
                    if !column.required {
                        checked.push_str(".nullable()");
                    }
                    if shape.may_leave_out(column) {
                        checked.push_str(".optional()");
                    }
                    let _ = writeln!(out, "  {}: {checked},", key(&column.name));
                }
                out.push_str("})\n");
                let _ = writeln!(out, "export type {}Of = z.infer<typeof {name}>", camel_up(&name));
            }
        }
    }
}

/// What zod checks of a value.
fn one_zod(catalog: &Catalog, type_oid: u32) -> String {
    const UUID: u32 = 2950;
    let base = catalog.types.base(type_oid);
    let Some(found) = catalog.types.get(base) else { return "z.unknown()".to_owned() };
    let plain = |what: &str| what.to_owned();
    match (found.kind, found.element) {
        (TypeKind::Array, Some(element)) => format!("z.array({})", one_zod(catalog, element)),
        (TypeKind::Array | TypeKind::Composite | TypeKind::Pseudo, _) => plain("z.unknown()"),
        (TypeKind::Enum, _) => {
            let labels: Vec<String> = found.labels.iter().map(|label| text(label)).collect();
            format!("z.enum([{}])", labels.join(", "))
        }
        (TypeKind::Base | TypeKind::Domain | TypeKind::Range, _) => match (base, json_of(base)) {
            (UUID, _) => plain("z.string().uuid()"),
            (_, Json::Integer) => plain("z.number().int()"),
            (_, Json::Bool) => plain("z.boolean()"),
            (_, Json::Number) => plain("z.number()"),
            (_, Json::Verbatim) => plain("z.unknown()"),
            (_, Json::Text | Json::Timestamp) => plain("z.string()"),
        },
    }
}

/// With what the column's length and its CHECKs say, as far as both sides mean the same by it. Nothing here refuses what the
/// server would take: characters are counted, not UTF-16 units.
fn bounded(mut checked: String, column: &Column) -> String {
    let is_text = checked == "z.string()";
    let is_number = checked.starts_with("z.number()");
    let most = column.max_length.map(Bound::MaxLength);
    for bound in most.iter().chain(&column.bounds) {
        match bound {
            Bound::OneOf(all) if is_text => {
                let all: Vec<String> = all.iter().map(|one| text(one)).collect();
                return format!("z.enum([{}])", all.join(", "));
            }
            Bound::MinLength(least) if is_text => {
                let _ = write!(checked, ".min({least})");
            }
            Bound::MaxLength(most) if is_text => {
                let _ = write!(
                    checked,
                    ".refine((value) => [...value].length <= {most}, {{ message: {} }})",
                    text(&bound.says())
                );
            }
            Bound::Pattern { text: pattern, any_case } if is_text => {
                if let Some(pattern) = pattern_for_javascript(pattern) {
                    let flags = if *any_case { "isu" } else { "su" };
                    let _ = write!(checked, ".regex(new RegExp({}, \"{flags}\"))", text(&pattern));
                }
            }
            Bound::Min(least) if is_number => {
                let _ = write!(checked, ".gte({least})");
            }
            Bound::Above(least) if is_number => {
                let _ = write!(checked, ".gt({least})");
            }
            Bound::Max(most) if is_number => {
                let _ = write!(checked, ".lte({most})");
            }
            Bound::Below(most) if is_number => {
                let _ = write!(checked, ".lt({most})");
            }
            _ => {}
        }
    }
    checked
}

/// A regular expression of PostgreSQL's that JavaScript reads alike; nothing when it might not.
pub fn pattern_for_javascript(pattern: &str) -> Option<String> {
    let plain = pattern.replace("[:space:]", "\\s").replace("[:digit:]", "\\d");
    // Classes by name, directors, and groups that only one side knows. `[.]` is a dot; `[.x.]` would be an element by name.
    let odd = ["[:", "[=", "(?", "***", ".]]"].iter().any(|odd| plain.contains(odd));
    if odd {
        return None;
    }
    let mut letters = plain.chars();
    while let Some(letter) = letters.next() {
        if letter == '\\' && !letters.next().is_some_and(|escaped| "dDsS^$\\.*+?()[]{}|/".contains(escaped)) {
            return None;
        }
    }
    Some(plain)
}

/// `publicTasksRow`: letters and digits of the words, each word but the first with a capital.
fn camel(words: &[&str]) -> String {
    let mut name = String::new();
    for word in words.iter().flat_map(|word| word.split(|letter: char| !letter.is_alphanumeric())) {
        if name.is_empty() {
            name.push_str(&word.to_lowercase());
        } else {
            name.push_str(&camel_up(word));
        }
    }
    if name.starts_with(|first: char| first.is_numeric()) {
        name.insert(0, '_');
    }
    name
}

fn camel_up(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
