//! Types for those who write against the API, from the snapshot: TypeScript as supabase-js takes them, and zod schemas.
//!
//! Invariant: pure, and only what is served is named. What a client may leave out is optional, what may be null says so.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::sync::Arc;

use crate::catalog::types::{Json, Type, TypeKind, json_of};
use crate::catalog::{
    Bound, Catalog, Column, Function, LinkKind, Parameter, Relation, RelationKind, Returns, Served,
};
use crate::javascript::{camel, camel_up, computed_key, key, pattern, text};

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// `export type Database = …`
    TypeScript,
    /// `export const publicTasksRow = z.object(…)`
    Zod,
}

/// The types of every exposed schema; what probes of controls make for a moment only when they are asked for.
pub fn write(catalog: &Catalog, language: Language, probes: bool) -> String {
    let mut out = String::new();
    match language {
        Language::TypeScript => typescript(&mut out, catalog, probes),
        Language::Zod => zod(&mut out, catalog, probes),
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

fn typescript(out: &mut String, catalog: &Catalog, probes: bool) {
    out.push_str(
        "export type Json = string | number | boolean | null | { [key: string]: Json | undefined } | Json[]\n\nexport type Database = {\n",
    );
    // What supabase-js may let its callers ask: spreads of many rows, `maxAffected`.
    out.push_str("  __InternalSupabase: { PostgrestVersion: \"13\" }\n");
    for schema in catalog.exposed() {
        let _ = writeln!(out, "  {}: {{", key(schema));
        for (title, views) in [("Tables", false), ("Views", true)] {
            let _ = writeln!(out, "    {title}: {{");
            for relation in
                served(catalog, schema, probes).filter(|one| (one.kind == RelationKind::View) == views)
            {
                table(out, catalog, relation);
            }
            out.push_str("    }\n");
        }
        out.push_str("    Functions: {\n");
        let lasts = |name: &str| probes || !pg::is_of_a_probe(name);
        for ((_, name), all) in catalog.functions.iter().filter(|((of, name), _)| of == schema && lasts(name))
        {
            let forms: Vec<String> = all.iter().filter_map(|one| function(catalog, one)).collect();
            match forms.as_slice() {
                [] => {}
                [only] => {
                    let _ = writeln!(out, "      {}: {only}", key(name));
                }
                many => {
                    let _ = writeln!(out, "      {}:\n        | {}", key(name), many.join("\n        | "));
                }
            }
        }
        out.push_str("    }\n    Enums: {\n");
        for (name, labels) in enums(catalog, schema) {
            let _ = writeln!(out, "      {}: {}", key(&name), union(&labels));
        }
        out.push_str("    }\n    CompositeTypes: {\n");
        let composites = composites(catalog, schema);
        for (name, fields) in &composites {
            let _ = writeln!(out, "      {}: {{", key(name));
            for (field, type_oid) in *fields {
                let _ = writeln!(out, "        {}: {} | null", key(field), ts(catalog, *type_oid));
            }
            out.push_str("      }\n");
        }
        if composites.is_empty() {
            out.push_str("      [_ in never]: never\n");
        }
        out.push_str("    }\n  }\n");
    }
    out.push_str("}\n");
    if let Some(first) = catalog.exposed().first() {
        out.push_str(&SHORT.replace("DEFAULT_SCHEMA", &text(first)));
    }
    constants(out, catalog);
}

/// Short names for what is in `Database`, as programs for Supabase say them. `DEFAULT_SCHEMA` is filled in.
const SHORT: &str = r#"
type Schemas = Omit<Database, "__InternalSupabase">
type Elsewhere = { schema: keyof Schemas }
type Shown<S extends keyof Schemas> = Schemas[S]["Tables"] & Schemas[S]["Views"]
type Named<What extends "Enums" | "CompositeTypes", At, Name> =
  At extends { schema: infer S extends keyof Schemas }
    ? Name extends keyof Schemas[S][What] ? Schemas[S][What][Name] : never
    : At extends keyof Schemas[DEFAULT_SCHEMA][What] ? Schemas[DEFAULT_SCHEMA][What][At] : never
type Shape<What extends "Row" | "Insert" | "Update", At, Name> =
  At extends { schema: infer S extends keyof Schemas }
    ? Name extends keyof Shown<S> ? Shown<S>[Name] extends { [_ in What]: infer Found } ? Found : never : never
    : At extends keyof Shown<DEFAULT_SCHEMA>
      ? Shown<DEFAULT_SCHEMA>[At] extends { [_ in What]: infer Found } ? Found : never
      : never
type In<At, Part extends "Tables" | "Enums" | "CompositeTypes"> = At extends { schema: infer S extends keyof Schemas }
  ? Part extends "Tables" ? keyof Shown<S> : keyof Schemas[S][Part]
  : never

/** A row as it is read: `Tables<"name">`, or `Tables<{ schema: "schema" }, "name">`. */
export type Tables<At extends keyof Shown<DEFAULT_SCHEMA> | Elsewhere, Name extends In<At, "Tables"> = never> = Shape<"Row", At, Name>
/** A row as it is inserted. */
export type TablesInsert<At extends keyof Shown<DEFAULT_SCHEMA> | Elsewhere, Name extends In<At, "Tables"> = never> = Shape<"Insert", At, Name>
/** What may be said of a row that is changed. */
export type TablesUpdate<At extends keyof Shown<DEFAULT_SCHEMA> | Elsewhere, Name extends In<At, "Tables"> = never> = Shape<"Update", At, Name>
/** What an enum may be. */
export type Enums<At extends keyof Schemas[DEFAULT_SCHEMA]["Enums"] | Elsewhere, Name extends In<At, "Enums"> = never> = Named<"Enums", At, Name>
/** A composite value. */
export type CompositeTypes<At extends keyof Schemas[DEFAULT_SCHEMA]["CompositeTypes"] | Elsewhere, Name extends In<At, "CompositeTypes"> = never> = Named<"CompositeTypes", At, Name>
"#;

/// The values of enums, for programs that offer them.
fn constants(out: &mut String, catalog: &Catalog) {
    out.push_str("\nexport const Constants = {\n");
    for schema in catalog.exposed() {
        let _ = writeln!(out, "  {}: {{\n    Enums: {{", computed_key(schema));
        for (name, labels) in enums(catalog, schema) {
            let labels: Vec<String> = labels.iter().map(|label| text(label)).collect();
            let _ = writeln!(out, "      {}: [{}],", computed_key(&name), labels.join(", "));
        }
        out.push_str("    },\n  },\n");
    }
    out.push_str("} as const\n");
}

/// Relations that are served, by name.
fn served<'a>(catalog: &'a Catalog, schema: &'a str, probes: bool) -> impl Iterator<Item = &'a Relation> {
    let mut relations: Vec<&Relation> =
        catalog.served(schema).filter(|one| probes || !pg::is_of_a_probe(&one.name)).collect();
    relations.sort_by(|a, b| a.name.cmp(&b.name));
    relations.into_iter()
}

fn table(out: &mut String, catalog: &Catalog, relation: &Relation) {
    let _ = writeln!(out, "      {}: {{", key(&relation.name));
    for (shape, title) in shapes(relation) {
        let _ = writeln!(out, "        {title}: {{");
        for column in &relation.columns {
            let name = key(&column.name);
            if !shape.has(column) {
                let _ = writeln!(out, "          {name}?: never");
                continue;
            }
            let optional = if shape.may_leave_out(column) { "?" } else { "" };
            let null = if column.required { "" } else { " | null" };
            let _ = writeln!(out, "          {name}{optional}: {}{null}", ts(catalog, column.type_oid));
        }
        if shape == Shape::Row {
            for (name, computed) in computed_fields(catalog, relation) {
                let _ =
                    writeln!(out, "          {}: {} | null", key(name), ts(catalog, computed.return_type));
            }
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

/// Functions of one row of a relation that give a value: they are selected like columns.
fn computed_fields<'a>(
    catalog: &'a Catalog,
    relation: &'a Relation,
) -> impl Iterator<Item = (&'a Arc<str>, &'a Function)> {
    let of = catalog.functions.iter().filter(|((schema, _), _)| *schema == relation.schema);
    of.flat_map(|((_, name), all)| all.iter().map(move |one| (name, one))).filter(|(name, one)| {
        matches!(one.parameters.as_slice(), [only] if only.type_oid == relation.row_type)
            && one.is_single_scalar()
            // The column comes first.
            && relation.column(name).is_none()
    })
}

/// `Database["public"]["Tables"]["notes"]["Row"]`
fn row_of(relation: &Relation) -> String {
    let part = if relation.kind == RelationKind::View { "Views" } else { "Tables" };
    format!("Database[{}][\"{part}\"][{}][\"Row\"]", text(&relation.schema), text(&relation.name))
}

/// A form in which a function can be called, or (as relationships are typed) embedded; nothing where it can be neither.
fn function(catalog: &Catalog, function: &Function) -> Option<String> {
    let relation = |type_oid| catalog.by_row_type(type_oid).filter(|one| one.served == Served::Yes);
    let returned = match &function.returns {
        Returns::Row { relation: Some(id), .. } => {
            catalog.relation(*id).filter(|one| one.served == Served::Yes)
        }
        _ => None,
    };
    let (arguments, from) = match function.parameters.as_slice() {
        [only] if relation(only.type_oid).is_some() => {
            let from = relation(only.type_oid)?;
            // A value of a row is one of its fields.
            returned?;
            (format!("{{ \"\": {} }}", row_of(from)), &*from.name)
        }
        _ if !function.callable => return None,
        _ => (arguments(catalog, function), "*"),
    };
    let one = match (&function.returns, returned) {
        (_, Some(relation)) => row_of(relation),
        (Returns::Void, _) => "undefined".to_owned(),
        (Returns::Scalar { type_oid }, _) => ts(catalog, *type_oid),
        (Returns::Record, _) => "Record<string, unknown>".to_owned(),
        (Returns::Row { columns, .. }, _) => {
            // Nobody can say which of these may be null; as Supabase's generator, those of OUT and TABLE never are.
            let base = catalog.types.get(catalog.types.base(function.return_type));
            let null = if base.is_some_and(|base| base.kind == TypeKind::Composite) { " | null" } else { "" };
            let field = |(name, type_oid): &(Arc<str>, u32)| {
                format!("{}: {}{null}", key(name), ts(catalog, *type_oid))
            };
            format!("{{ {} }}", columns.iter().map(field).collect::<Vec<_>>().join("; "))
        }
    };
    let many = if function.set { "[]" } else { "" };
    let options = returned.map_or_else(String::new, |to| {
        format!(
            "; SetofOptions: {{ from: {}; to: {}; isOneToOne: {}; isSetofReturn: {} }}",
            text(from),
            text(&to.name),
            !function.set || function.one_row,
            function.set
        )
    });
    Some(format!("{{ Args: {arguments}; Returns: {one}{many}{options} }}"))
}

fn arguments(catalog: &Catalog, function: &Function) -> String {
    let named = |one: &&Parameter| !one.name.is_empty();
    let arguments: Vec<String> = function
        .parameters
        .iter()
        .filter(named)
        .map(|one| {
            let optional = if one.required { "" } else { "?" };
            format!("{}{optional}: {}", key(&one.name), ts(catalog, one.type_oid))
        })
        .collect();
    match (function.parameters.is_empty(), arguments.is_empty()) {
        (true, _) => "Record<PropertyKey, never>".to_owned(),
        // The whole of what is sent is the one argument.
        (false, true) => "Record<string, unknown>".to_owned(),
        (false, false) => format!("{{ {} }}", arguments.join("; ")),
    }
}

fn enums(catalog: &Catalog, schema: &str) -> BTreeMap<String, Vec<String>> {
    let of = catalog.types.all().filter(|one| one.kind == TypeKind::Enum && &*one.schema == schema);
    of.map(|one| (one.name.to_string(), one.labels.iter().map(ToString::to_string).collect())).collect()
}

type Fields = [(Arc<str>, u32)];

fn fields<'a>(catalog: &'a Catalog, found: &Type) -> Option<&'a Fields> {
    catalog.composites.get(&found.relation?).map(Vec::as_slice)
}

fn composites<'a>(catalog: &'a Catalog, schema: &str) -> BTreeMap<&'a str, &'a Fields> {
    let of = catalog.types.all().filter(|one| one.kind == TypeKind::Composite && &*one.schema == schema);
    of.filter_map(|one| Some((&*one.name, fields(catalog, one)?))).collect()
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
            one if one.contains(" | ") => format!("({one})[]"),
            one => format!("{one}[]"),
        },
        (TypeKind::Composite, _) => composite(catalog, found),
        (TypeKind::Array | TypeKind::Pseudo, _) => "unknown".to_owned(),
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

/// A composite by its name where its schema is written down, and so is it.
fn composite(catalog: &Catalog, found: &Type) -> String {
    if let Some(relation) = catalog.by_row_type(found.oid).filter(|one| one.served == Served::Yes) {
        return row_of(relation);
    }
    if fields(catalog, found).is_some() && catalog.exposed().contains(&found.schema) {
        return format!("Database[{}][\"CompositeTypes\"][{}]", text(&found.schema), text(&found.name));
    }
    "unknown".to_owned()
}

fn zod(out: &mut String, catalog: &Catalog, probes: bool) {
    out.push_str("import { z } from 'zod'\n");
    let mut stems = HashSet::new();
    for schema in catalog.exposed() {
        for relation in served(catalog, schema, probes) {
            let stem = own(&mut stems, camel(&[schema, &relation.name]));
            for (shape, title) in shapes(relation) {
                let name = format!("{stem}{title}");
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
                    let _ = writeln!(out, "  {}: {checked},", computed_key(&column.name));
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
        // No constraint keeps NULL out of an array's elements.
        (TypeKind::Array, Some(element)) => format!("z.array({}.nullable())", one_zod(catalog, element)),
        (TypeKind::Composite, _) => match fields(catalog, found) {
            Some(fields) => {
                let field = |(name, type_oid): &(Arc<str>, u32)| {
                    format!("{}: {}.nullable()", computed_key(name), one_zod(catalog, *type_oid))
                };
                format!("z.object({{ {} }})", fields.iter().map(field).collect::<Vec<_>>().join(", "))
            }
            None => plain("z.unknown()"),
        },
        (TypeKind::Array | TypeKind::Pseudo, _) => plain("z.unknown()"),
        (TypeKind::Enum, _) if found.labels.is_empty() => plain("z.never()"),
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
            Bound::Pattern { text: written, any_case } if is_text => {
                if let Some(pattern) = pattern(written) {
                    let flags = if *any_case { "isu" } else { "su" };
                    let _ = write!(checked, ".regex(new RegExp({}, \"{flags}\"))", text(&pattern));
                }
            }
            Bound::Min(least) if is_number && is_plain(least) => {
                let _ = write!(checked, ".gte({least})");
            }
            Bound::Above(least) if is_number && is_plain(least) => {
                let _ = write!(checked, ".gt({least})");
            }
            Bound::Max(most) if is_number && is_plain(most) => {
                let _ = write!(checked, ".lte({most})");
            }
            Bound::Below(most) if is_number && is_plain(most) => {
                let _ = write!(checked, ".lt({most})");
            }
            _ => {}
        }
    }
    checked
}

/// A number as both sides write it. `NaN` is the largest number there is to PostgreSQL.
fn is_plain(number: &str) -> bool {
    serde_json::from_str::<serde_json::Number>(number).is_ok()
}

/// A name that no other table has, nor has with a capital first: `order_lines` and `order-lines` read alike.
fn own(taken: &mut HashSet<String>, name: String) -> String {
    let mut found = name.clone();
    let mut next = 2;
    while !taken.insert(camel_up(&found)) {
        found = format!("{name}{next}");
        next += 1;
    }
    found
}
