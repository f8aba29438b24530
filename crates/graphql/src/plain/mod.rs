//! The guide's plain convention: lists of rows by the table's own name, filters by suffix, relations in both directions.
//!
//! Invariant: names are the table's in camel case, so that `{ users { posts { comments { author { name } } } } }` is what
//! it says; a name that is taken is given a suffix, always the same one.

mod inputs;

use std::collections::HashSet;
use std::sync::Arc;

use data::ask::Aggregate;
use data::catalog::Volatility;
use gql::introspect::meta_types;
use gql::schema::{Field, Input, Kind, MUTATION, QUERY, Type};
use gql::{Schema, TypeRef};

use crate::bind::{Bind, Column, Many};
use crate::names;
use crate::values::{Style, scalars};
use crate::world::{Entry, Key, World};

pub(super) fn named(name: &str) -> TypeRef {
    TypeRef::named(name)
}

fn object(name: &str, about: &str, fields: Vec<Field<Bind>>) -> Type<Bind> {
    Type {
        name: name.into(),
        description: Some(about.into()),
        group: None,
        kind: Kind::Object { fields, interfaces: Vec::new() },
    }
}

/// Types that are there whatever tables are.
pub fn constant() -> Vec<Type<Bind>> {
    vec![inputs::directions()]
}

/// The schema for a role.
pub fn schema(world: &World<'_>) -> Schema<Bind> {
    let mut types = meta_types(&Bind::None);
    types.extend(scalars(Style::Plain));
    types.extend(constant());
    types.extend(world.enums().into_iter().map(|(_, one)| one));
    for entry in &world.entries {
        row(world, entry, &mut types);
        inputs::add(entry, &mut types);
        if entry.table.aggregates {
            aggregates(entry, &mut types);
        }
    }
    types.push(object(QUERY, "What can be read", query(world)));
    let mutations = mutation(world);
    if !mutations.is_empty() {
        types.push(object(MUTATION, "What can be changed", mutations));
    }
    Schema::new(types)
}

/// The name of a table's rows as a list: the table's own, in camel case.
fn many(entry: &Entry<'_>) -> String {
    names::small(&entry.table.type_name)
}

/// The name of one of them.
fn one(entry: &Entry<'_>) -> String {
    let (many, one) = (many(entry), names::singular(&many(entry)));
    if one == many { format!("{many}ByPk") } else { one }
}

/// The arguments of a list.
fn list_arguments(type_name: &str) -> Vec<Input<Bind>> {
    let plain = |name: &str, of: TypeRef, about: &str| Input::new(name, of, Bind::None).about(about);
    vec![
        plain("filter", named(&format!("{type_name}Filter")), "Which rows"),
        plain("orderBy", named(&format!("{type_name}OrderBy")).required().list(), "In which order"),
        plain("limit", named("Int"), "How many at most"),
        plain("offset", named("Int"), "How many to skip"),
    ]
}

fn filter_argument(type_name: &str) -> Vec<Input<Bind>> {
    vec![Input::new("filter", named(&format!("{type_name}Filter")), Bind::None).about("Which rows")]
}

fn key_arguments(entry: &Entry<'_>) -> Option<Vec<Input<Bind>>> {
    if entry.table.key.is_empty() {
        return None;
    }
    let argument = |name: &Arc<str>| {
        let known = entry.columns.iter().find(|known| known.column.name == *name && known.sees)?;
        let bind = Bind::Given(known.column.name.clone());
        Some(Input::new(&*known.name, known.known.of.clone().required(), bind))
    };
    entry.table.key.iter().map(argument).collect()
}

/// Takes a name; when it is taken already, with the suffix.
fn take(taken: &mut HashSet<String>, name: String, suffix: &str) -> Option<String> {
    [name.clone(), format!("{name}{suffix}")]
        .into_iter()
        .find(|name| names::is_valid(name) && taken.insert(name.clone()))
}

fn row(world: &World<'_>, entry: &Entry<'_>, types: &mut Vec<Type<Bind>>) {
    let mut taken: HashSet<String> = HashSet::new();
    let mut fields = Vec::new();
    for known in entry.columns.iter().filter(|known| known.sees) {
        if !taken.insert(known.name.clone()) {
            continue;
        }
        let column = Column { name: known.column.name.clone(), shown: known.known.shown.clone() };
        let mut field = Field::new(&*known.name, known.of(), Bind::Column(column));
        field.description = known.description.as_deref().map(Arc::from);
        fields.push(field);
    }
    let here = |at: usize| world.entries.get(at).is_some_and(|other| other.relation.id == entry.relation.id);
    for key in world.keys.iter().filter(|key| here(key.local)) {
        fields.extend(forward(world, key, &mut taken));
    }
    for key in world.keys.iter().filter(|key| here(key.foreign)) {
        backward(world, key, &mut taken, &mut fields);
    }
    for (function, of, callable) in world.row_functions(entry) {
        let name = names::small(&names::type_name(function.name.trim_start_matches('_'), true));
        if let Some(name) = take(&mut taken, name, "Computed") {
            let args = if of.is_list() { list_arguments(of.name()) } else { Vec::new() };
            fields.push(Field::new(name, of, Bind::Computed(callable)).with(args));
        }
    }
    let said = names::said(&entry.directives, "description");
    let about = said.unwrap_or_else(|| format!("A row of {}", entry.relation.name));
    types.push(object(&entry.table.type_name, &about, fields));
}

/// The row that a key points at: `author_id` is the author.
fn forward(world: &World<'_>, key: &Key, taken: &mut HashSet<String>) -> Option<Field<Bind>> {
    let target = world.entries.get(key.foreign)?;
    let name = match key.columns.as_slice() {
        [(held, _)] => held.strip_suffix("_id").map(|stem| names::field_name(stem, true)),
        _ => None,
    };
    let name = key.foreign_name.clone().or(name).unwrap_or_else(|| names::singular(&many(target)));
    let suffix = key.columns.first().map(|(held, _)| names::type_name(held, true)).unwrap_or_default();
    let name = take(taken, name, &format!("By{suffix}"))?;
    // Row level security may hide the row, so it may be null whatever the column says.
    Some(Field::new(name, named(&target.table.type_name), Bind::One(Arc::new(world.hop(key, false)?))))
}

/// The rows that hold a key, by their table's name; and their aggregates.
fn backward(world: &World<'_>, key: &Key, taken: &mut HashSet<String>, fields: &mut Vec<Field<Bind>>) {
    let (Some(source), Some(hop)) = (world.entries.get(key.local), world.hop(key, true)) else { return };
    let hop = Arc::new(hop);
    let type_name = &source.table.type_name;
    let suffix = key.columns.first().map(|(held, _)| names::type_name(held, true)).unwrap_or_default();
    let suffix = format!("By{suffix}");
    if key.unique {
        let name = key.local_name.clone().unwrap_or_else(|| names::singular(&many(source)));
        if let Some(name) = take(taken, name, &suffix) {
            fields.push(Field::new(name, named(type_name), Bind::One(hop)));
        }
        return;
    }
    let name = key.local_name.clone().unwrap_or_else(|| many(source));
    let Some(name) = take(taken, name, &suffix) else { return };
    let list = named(type_name).required().list().required();
    fields.push(Field::new(name.clone(), list, Bind::ManyList(hop.clone())).with(list_arguments(type_name)));
    if source.table.aggregates
        && let Some(name) = take(taken, format!("{name}Aggregate"), &suffix)
    {
        let of = named(&format!("{type_name}Aggregate")).required();
        fields.push(Field::new(name, of, Bind::ManyAggregates(hop)).with(filter_argument(type_name)));
    }
}

fn query(world: &World<'_>) -> Vec<Field<Bind>> {
    let mut taken = HashSet::new();
    let health =
        Field::new("_health", named("String").required(), Bind::Health).about("That the API answers");
    let mut fields = vec![health];
    for entry in &world.entries {
        let (type_name, table) = (&*entry.table.type_name, &entry.table);
        let Some(list) = take(&mut taken, many(entry), "Rows") else { continue };
        fields.push(
            Field::new(
                list.clone(),
                named(type_name).required().list().required(),
                Bind::List(table.clone()),
            )
            .about(format!("Rows of {}", entry.relation.name))
            .with(list_arguments(type_name)),
        );
        if table.aggregates
            && let Some(name) = take(&mut taken, format!("{list}Aggregate"), "Of")
        {
            fields.push(
                Field::new(
                    name,
                    named(&format!("{type_name}Aggregate")).required(),
                    Bind::Aggregates(table.clone()),
                )
                .with(filter_argument(type_name)),
            );
        }
        if let Some(args) = key_arguments(entry)
            && let Some(name) = take(&mut taken, one(entry), "ByPk")
        {
            fields.push(Field::new(name, named(type_name), Bind::ByKey(table.clone())).with(args));
        }
    }
    functions(world, &mut taken, &mut fields, false);
    fields
}

fn mutation(world: &World<'_>) -> Vec<Field<Bind>> {
    let mut taken = HashSet::new();
    let mut fields = Vec::new();
    let mut add = |name: String, of: TypeRef, bind: Bind, args: Vec<Input<Bind>>| {
        if let Some(name) = take(&mut taken, name, "Row") {
            fields.push(Field::new(name, of, bind).with(args));
        }
    };
    for entry in &world.entries {
        let (name, table) = (&*entry.table.type_name, &entry.table);
        let row = || named(name);
        let rows = || named(name).required().list().required();
        let data = |kind: &str| Input::new("data", named(&format!("{name}{kind}")).required(), Bind::None);
        let filter = || Input::new("filter", named(&format!("{name}Filter")).required(), Bind::None);
        if entry.inserts() {
            let several = named(&format!("{name}InsertInput")).required().list().required();
            let several = Input::new("data", several, Bind::None);
            let bind = |how| Bind::Insert(table.clone(), how);
            add(format!("insert{name}"), row(), bind(Many::One), vec![data("InsertInput")]);
            add(format!("insertMany{name}"), rows(), bind(Many::List), vec![several]);
        }
        if entry.updates() {
            let bind = |how| Bind::Update(table.clone(), how);
            if let Some(mut args) = key_arguments(entry) {
                args.push(data("UpdateInput"));
                add(format!("update{name}"), row(), bind(Many::One), args);
            }
            let args = vec![filter(), data("UpdateInput")];
            add(format!("updateMany{name}"), rows(), bind(Many::List), args);
        }
        if world.deletes(entry) {
            let bind = |how| Bind::Delete(table.clone(), how);
            if let Some(args) = key_arguments(entry) {
                add(format!("delete{name}"), row(), bind(Many::One), args);
            }
            add(format!("deleteMany{name}"), named("Int").required(), bind(Many::Number), vec![filter()]);
        }
    }
    functions(world, &mut taken, &mut fields, true);
    fields
}

/// Functions that read, or those that may write; of several with one name none.
fn functions(world: &World<'_>, taken: &mut HashSet<String>, fields: &mut Vec<Field<Bind>>, writes: bool) {
    for overloads in world.catalog.functions.values() {
        let [function] = overloads.as_slice() else { continue };
        if (function.volatility == Volatility::Volatile) != writes {
            continue;
        }
        if let Some(field) = crate::relay::function_field(world, function)
            && taken.insert(field.name.to_string())
        {
            fields.push(field);
        }
    }
}

fn aggregates(entry: &Entry<'_>, types: &mut Vec<Type<Bind>>) {
    let name = &*entry.table.type_name;
    let mut fields = vec![Field::new("count", named("Int").required(), Bind::Count).about("How many rows")];
    for (how, word) in
        [(Aggregate::Sum, "Sum"), (Aggregate::Avg, "Avg"), (Aggregate::Min, "Min"), (Aggregate::Max, "Max")]
    {
        const NUMBERS: [&str; 4] = ["Int", "Float", "BigInt", "BigFloat"];
        const ORDERED: [&str; 5] = ["String", "Date", "Time", "DateTime", "Boolean"];
        let applies = |of: &str| match how {
            Aggregate::Sum | Aggregate::Avg => NUMBERS.contains(&of),
            Aggregate::Min | Aggregate::Max | Aggregate::Count => {
                NUMBERS.contains(&of) || ORDERED.contains(&of)
            }
        };
        let columns: Vec<Field<Bind>> = entry
            .columns
            .iter()
            .filter(|known| known.sees && !known.known.of.is_list() && applies(known.known.of.name()))
            .map(|known| {
                let of = match how {
                    Aggregate::Sum | Aggregate::Avg => named("BigFloat"),
                    Aggregate::Min | Aggregate::Max | Aggregate::Count => known.known.of.clone(),
                };
                Field::new(&*known.name, of, Bind::Summed(known.column.name.clone()))
            })
            .collect();
        if !columns.is_empty() {
            let type_name = format!("{name}{word}");
            types.push(object(&type_name, &format!("The {} of columns of {name}", how.name()), columns));
            fields.push(Field::new(how.name(), named(&type_name), Bind::Sum(how)));
        }
    }
    types.push(object(&format!("{name}Aggregate"), &format!("Aggregates of {name}"), fields));
}
