//! What can be asked at the root, and what can be changed.

use std::collections::HashMap;
use std::sync::Arc;

use data::ask::Name;
use data::catalog::{Function, TypeKind, Volatility};
use gql::TypeRef;
use gql::schema::{Field, Input};

use super::inputs::page_arguments;
use crate::bind::{Bind, Callable, Gives, Many};
use crate::names;
use crate::values::inflects;
use crate::world::{Entry, World};

fn named(name: &str) -> TypeRef {
    TypeRef::named(name)
}

/// Fields of the root of queries.
pub(super) fn query(world: &World<'_>) -> Vec<Field<Bind>> {
    let mut fields = vec![
        Field::new("node", named("Node"), Bind::Node)
            .about("Retrieve a record by its `ID`")
            .with(vec![Input::new("nodeId", named("ID").required(), Bind::None).about("The record's `ID`")]),
    ];
    for entry in &world.entries {
        let name = &*entry.table.type_name;
        let small = names::small(name);
        fields.push(
            Field::new(
                format!("{small}Collection"),
                named(&format!("{name}Connection")).required(),
                Bind::Collection(entry.table.clone()),
            )
            .about(format!("A pagable collection of type `{name}`"))
            .with(page_arguments(name)),
        );
        if let Some(args) = key_arguments(entry) {
            fields.push(
                Field::new(format!("{small}ByPk"), named(name), Bind::ByKey(entry.table.clone()))
                    .about(format!("Retrieve a record of type `{name}` by its primary key"))
                    .with(args),
            );
        }
    }
    add_functions(world, &mut fields, false);
    sorted(fields)
}

/// An argument for each column of the key, when all are of types that keys are made of.
fn key_arguments(entry: &Entry<'_>) -> Option<Vec<Input<Bind>>> {
    const KEYS: [&str; 4] = ["Int", "BigInt", "String", "UUID"];
    let argument = |name: &Arc<str>| {
        let known = entry.columns.iter().find(|known| known.column.name == *name && known.sees)?;
        KEYS.contains(&&**known.known.of.name()).then(|| {
            Input::new(
                &*known.name,
                known.known.of.clone().required(),
                Bind::Given(known.column.name.clone()),
            )
            .about(&format!("The record's `{name}` value"))
        })
    };
    entry.table.key.iter().map(argument).collect()
}

/// Fields of the root of mutations.
pub(super) fn mutation(world: &World<'_>) -> Vec<Field<Bind>> {
    let mut fields = Vec::new();
    for entry in &world.entries {
        let name = &*entry.table.type_name;
        let at_most = || {
            let mut input = Input::new("atMost", named("Int").required(), Bind::None)
                .about("The maximum number of records in the collection permitted to be affected");
            input.default = Some("1".into());
            input
        };
        let filter = || {
            Input::new("filter", named(&format!("{name}Filter")), Bind::None)
                .about("Restricts the mutation's impact to records matching the criteria")
        };
        if entry.inserts() {
            let objects = named(&format!("{name}InsertInput")).required().list().required();
            fields.push(
                Field::new(
                    format!("insertInto{name}Collection"),
                    named(&format!("{name}InsertResponse")),
                    Bind::Insert(entry.table.clone(), Many::About),
                )
                .about(format!("Adds one or more `{name}` records to the collection"))
                .with(vec![Input::new("objects", objects, Bind::None)]),
            );
        }
        if entry.updates() {
            let set = Input::new("set", named(&format!("{name}UpdateInput")).required(), Bind::None)
                .about("Fields that are set will be updated for all records matching the `filter`");
            fields.push(
                Field::new(
                    format!("update{name}Collection"),
                    named(&format!("{name}UpdateResponse")).required(),
                    Bind::Update(entry.table.clone(), Many::About),
                )
                .about(format!("Updates zero or more records in the `{name}` collection"))
                .with(vec![set, filter(), at_most()]),
            );
        }
        if world.deletes(entry) {
            fields.push(
                Field::new(
                    format!("deleteFrom{name}Collection"),
                    named(&format!("{name}DeleteResponse")).required(),
                    Bind::Delete(entry.table.clone(), Many::About),
                )
                .about(format!("Deletes zero or more records from the `{name}` collection"))
                .with(vec![filter(), at_most()]),
            );
        }
    }
    add_functions(world, &mut fields, true);
    sorted(fields)
}

fn sorted(mut fields: Vec<Field<Bind>>) -> Vec<Field<Bind>> {
    fields.retain(|field| names::is_valid(&field.name));
    fields.sort_by(|one, other| one.name.cmp(&other.name));
    fields
}

/// Functions that read, or those that may write.
fn add_functions(world: &World<'_>, fields: &mut Vec<Field<Bind>>, writes: bool) {
    let mut overloads: HashMap<&str, usize> = HashMap::new();
    for function in world.catalog.functions.values().flatten() {
        *overloads.entry(&function.name).or_default() += 1;
    }
    let existing: Vec<Arc<str>> = fields.iter().map(|field| field.name.clone()).collect();
    for function in world.catalog.functions.values().flatten() {
        if (function.volatility == Volatility::Volatile) != writes
            || overloads.get(&*function.name) != Some(&1)
        {
            continue;
        }
        let field = function_field(world, function);
        fields.extend(field.filter(|field| !existing.contains(&field.name)));
    }
}

/// A function at the root, when everything about it can be said.
pub(crate) fn function_field(world: &World<'_>, function: &Function) -> Option<Field<Bind>> {
    let exposed = world.catalog.exposed().contains(&function.schema);
    let system = ["graphql", "graphql_public", "auth", "extensions"].contains(&&*function.schema);
    if !exposed || system || !world.rights.calls.contains(&function.oid) {
        return None;
    }
    let inflects = inflects(world.catalog, &function.schema) || world.style == crate::values::Style::Plain;
    let defaults = defaults(function);
    let mut args = Vec::new();
    for (at, parameter) in function.parameters.iter().enumerate() {
        if parameter.name.is_empty() || parameter.variadic || !is_plain(world, parameter.type_oid) {
            return None;
        }
        let known = world.known(parameter.type_oid)?;
        let of = if parameter.required { known.of.required() } else { known.of };
        let name = names::small(&names::type_name(&parameter.name, inflects));
        let mut input = Input::new(name, of, Bind::Given(parameter.name.clone()));
        input.default = defaults.get(at).cloned().flatten().map(Arc::from);
        args.push(input);
    }
    let (of, gives) = world.gives(function)?;
    match &gives {
        Gives::Value(_) if !is_plain(world, function.return_type) => return None,
        Gives::Many(table) if world.style == crate::values::Style::Relay => {
            let page = page_arguments(&table.type_name);
            if page.iter().any(|one| args.iter().any(|arg: &Input<Bind>| arg.name == one.name)) {
                return None;
            }
            args.extend(page);
        }
        Gives::Value(_) | Gives::One(_) | Gives::Many(_) => {}
    }
    let said = names::directives(function.comment.as_deref());
    let trimmed = function.name.strip_prefix('_').unwrap_or(&function.name);
    let name =
        names::said(&said, "name").unwrap_or_else(|| names::small(&names::type_name(trimmed, inflects)));
    let callable = Callable { name: Name::new(&*function.schema, &*function.name), gives };
    let mut field = Field::new(name, of, Bind::Call(callable)).with(args);
    field.description = names::said(&said, "description").map(Arc::from);
    names::is_valid(&field.name).then_some(field)
}

/// Neither a row nor an enum, nor a list of those.
fn is_plain(world: &World<'_>, oid: u32) -> bool {
    let Some(found) = world.catalog.types.get(oid) else { return false };
    let plain = |kind: TypeKind| matches!(kind, TypeKind::Base | TypeKind::Domain | TypeKind::Range);
    match found.kind {
        TypeKind::Array => {
            found.element.and_then(|inner| world.catalog.types.get(inner)).is_some_and(|one| plain(one.kind))
        }
        kind => plain(kind),
    }
}

/// The defaults of a function's parameters as GraphQL text, where that can be said.
fn defaults(function: &Function) -> Vec<Option<String>> {
    let mut all = vec![None; function.parameters.len()];
    let optional = function.parameters.iter().filter(|parameter| !parameter.required).count();
    let Some(text) = &function.defaults else { return all };
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    // A comma inside a default leaves nothing that could be told apart.
    if parts.len() != optional {
        return all;
    }
    let first = function.parameters.len() - optional;
    for (at, part) in parts.iter().enumerate() {
        let Some(parameter) = function.parameters.get(first + at) else { continue };
        let value = match parameter.type_oid {
            21 | 23 => part.parse::<i32>().ok().map(|number| number.to_string()),
            16 => part.parse::<bool>().ok().map(|word| word.to_string()),
            700 | 701 => part.parse::<f64>().ok().map(|number| number.to_string()),
            25 => part.strip_suffix("::text").map(|text| format!("\"{}\"", text.trim_matches('\''))),
            _ => None,
        };
        if let Some(place) = all.get_mut(first + at) {
            *place = value;
        }
    }
    all
}
