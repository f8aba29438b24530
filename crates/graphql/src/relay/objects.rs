//! Objects of a relation: the row itself, its edge, its connection, its aggregates.

use std::collections::HashSet;
use std::sync::Arc;

use data::ask::Aggregate;
use gql::TypeRef;
use gql::schema::{Field, Kind, Type};

use super::inputs::page_arguments;
use crate::bind::{Bind, Column, Gives, Place};
use crate::names;
use crate::world::{Entry, Field as Known, Key, World};

/// An object.
pub(super) fn object(
    name: &str,
    description: Option<&str>,
    group: Option<&Arc<str>>,
    fields: Vec<Field<Bind>>,
) -> Type<Bind> {
    Type {
        name: name.into(),
        description: description.map(Arc::from),
        group: group.cloned(),
        kind: Kind::Object { fields, interfaces: Vec::new() },
    }
}

fn named(name: &str) -> TypeRef {
    TypeRef::named(name)
}

/// Objects that every schema has.
pub(super) fn constant() -> Vec<Type<Bind>> {
    let info = |name: &str, of: TypeRef, place| Field::new(name, of, Bind::Info(place));
    let page = vec![
        info("endCursor", named("String"), Place::End),
        info("hasNextPage", named("Boolean").required(), Place::HasNext),
        info("hasPreviousPage", named("Boolean").required(), Place::HasPrevious),
        info("startCursor", named("String"), Place::Start),
    ];
    let node =
        vec![Field::new("nodeId", named("ID").required(), Bind::NodeId).about("Retrieves a record by `ID`")];
    vec![
        object("PageInfo", None, None, page),
        Type { name: "Node".into(), description: None, group: None, kind: Kind::Interface { fields: node } },
    ]
}

/// All objects of one relation.
pub(super) fn add(world: &World<'_>, entry: &Entry<'_>, types: &mut Vec<Type<Bind>>) {
    let name = &*entry.table.type_name;
    let group = Some(&entry.relation.schema);
    let about = names::said(&entry.directives, "description");
    let mut node = object(name, about.as_deref(), group, node_fields(world, entry));
    if let Kind::Object { interfaces, .. } = &mut node.kind {
        interfaces.push("Node".into());
    }
    types.push(node);
    types.push(object(
        &format!("{name}Edge"),
        None,
        group,
        vec![
            Field::new("cursor", named("String").required(), Bind::Cursor),
            Field::new("node", named(name).required(), Bind::EdgeNode),
        ],
    ));
    types.push(object(&format!("{name}Connection"), None, group, connection_fields(entry)));
    let response = |kind: &str| {
        let fields = vec![
            Field::new("affectedCount", named("Int").required(), Bind::Affected)
                .about("Count of the records impacted by the mutation"),
            Field::new("records", named(name).required().list().required(), Bind::Records)
                .about("Array of records impacted by the mutation"),
        ];
        object(&format!("{name}{kind}Response"), None, group, fields)
    };
    if entry.inserts() {
        types.push(response("Insert"));
    }
    if entry.updates() {
        types.push(response("Update"));
    }
    if world.deletes(entry) {
        types.push(response("Delete"));
    }
    if entry.table.aggregates {
        aggregates(entry, types);
    }
}

fn connection_fields(entry: &Entry<'_>) -> Vec<Field<Bind>> {
    let name = &*entry.table.type_name;
    let edge = named(&format!("{name}Edge"));
    let mut fields = vec![
        Field::new("edges", edge.required().list().required(), Bind::Edges),
        Field::new("pageInfo", named("PageInfo").required(), Bind::PageInfo),
    ];
    if names::enabled(&entry.directives, "totalCount") {
        fields.push(
            Field::new("totalCount", named("Int").required(), Bind::Total)
                .about("The total number of records matching the `filter` criteria"),
        );
    }
    if entry.table.aggregates {
        fields.push(
            Field::new("aggregate", named(&format!("{name}Aggregate")), Bind::Aggregate)
                .about(format!("Aggregate functions calculated on the collection of `{name}`")),
        );
    }
    fields
}

/// Its fields by name. Of several with one name the last has it, as upstream has it: a function shadows a column. Of
/// several ways to other rows, as from two keys between the same tables, the others say which column they go by, so that
/// they can be asked for too.
fn node_fields(world: &World<'_>, entry: &Entry<'_>) -> Vec<Field<Bind>> {
    let mut fields = all_node_fields(world, entry);
    fields.reverse();
    let mut taken: HashSet<Arc<str>> = HashSet::new();
    fields.retain_mut(|field| {
        if taken.insert(field.name.clone()) {
            return true;
        }
        let Some(by) = held(&field.bind, entry) else { return false };
        let longer = match entry.inflects {
            true => format!("{}By{}", field.name, names::type_name(by, true)),
            false => format!("{}_by_{by}", field.name),
        };
        field.name = longer.into();
        taken.insert(field.name.clone())
    });
    fields.reverse();
    fields
}

/// The column that holds the key of a way to other rows: on this side of it or on the other.
fn held<'b>(bind: &'b Bind, entry: &Entry<'_>) -> Option<&'b str> {
    let (Bind::One(hop) | Bind::Many(hop)) = bind else { return None };
    let (there, here) = hop.pairs.first()?;
    let pointed = matches!(bind, Bind::Many(_)) || entry.table.key.contains(here);
    Some(if pointed { there } else { here })
}

fn all_node_fields(world: &World<'_>, entry: &Entry<'_>) -> Vec<Field<Bind>> {
    let mut fields = vec![
        Field::new("nodeId", named("ID").required(), Bind::NodeId).about("Globally Unique Record Identifier"),
    ];
    for known in entry.columns.iter().filter(|known| known.sees) {
        let column = Column { name: known.column.name.clone(), shown: known.known.shown.clone() };
        let mut field = Field::new(&*known.name, known.of(), Bind::Column(column));
        field.description = known.description.as_deref().map(Arc::from);
        fields.push(field);
    }
    let here = |at: usize| world.entries.get(at).is_some_and(|other| other.relation.id == entry.relation.id);
    fields
        .extend(world.keys.iter().filter(|key| here(key.local)).filter_map(|key| forward(world, entry, key)));
    fields.extend(world.keys.iter().filter(|key| here(key.foreign)).filter_map(|key| backward(world, key)));
    for (function, of, callable) in world.row_functions(entry) {
        let said = names::directives(function.comment.as_deref());
        let trimmed = function.name.strip_prefix('_').unwrap_or(&function.name);
        let inflects = crate::values::inflects(world.catalog, &function.schema);
        let name =
            names::said(&said, "name").unwrap_or_else(|| names::small(&names::type_name(trimmed, inflects)));
        if !names::is_valid(&name) {
            continue;
        }
        let args = match &callable.gives {
            Gives::Many(table) => page_arguments(&table.type_name),
            Gives::One(_) | Gives::Value(_) => Vec::new(),
        };
        let mut field = Field::new(name, of, Bind::Computed(callable)).with(args);
        field.description = names::said(&said, "description").map(Arc::from);
        fields.push(field);
    }
    fields
}

/// The row a key points at.
fn forward(world: &World<'_>, entry: &Entry<'_>, key: &Key) -> Option<Field<Bind>> {
    let target = world.entries.get(key.foreign)?;
    let name = key.foreign_name.clone().unwrap_or_else(|| {
        let held: Vec<&str> = key.columns.iter().map(|(held, _)| &**held).collect();
        singular(target, &held)
    });
    let of = named(&target.table.type_name);
    let required =
        key.columns.iter().any(|(held, _)| entry.relation.column(held).is_some_and(|column| column.required));
    // Row level security may hide the row.
    let of = if required && !target.relation.row_security { of.required() } else { of };
    let hop = Arc::new(world.hop(key, false)?);
    names::is_valid(&name).then(|| Field::new(name, of, Bind::One(hop)))
}

/// The rows that hold a key.
fn backward(world: &World<'_>, key: &Key) -> Option<Field<Bind>> {
    let source = world.entries.get(key.local)?;
    let type_name = &source.table.type_name;
    let hop = Arc::new(world.hop(key, true)?);
    if key.unique {
        let pointed: Vec<&str> = key.columns.iter().map(|(_, pointed)| &**pointed).collect();
        let name = key.local_name.clone().unwrap_or_else(|| singular(source, &pointed));
        return names::is_valid(&name).then(|| Field::new(name, named(type_name), Bind::One(hop)));
    }
    let name = key.local_name.clone().unwrap_or_else(|| format!("{}Collection", names::small(type_name)));
    let field = Field::new(name, named(&format!("{type_name}Connection")), Bind::Many(hop));
    names::is_valid(&field.name).then(|| field.with(page_arguments(type_name)))
}

/// `owner_id` is the owner; what has no such name is called like its type.
fn singular(target: &Entry<'_>, columns: &[&str]) -> String {
    let by_type = || names::small(&target.table.type_name);
    match columns {
        [only] => {
            let suffix = if target.inflects { "_id" } else { "Id" };
            match only.strip_suffix(suffix) {
                Some(stem) => names::small(&names::type_name(stem, target.inflects)),
                None => by_type(),
            }
        }
        _ => by_type(),
    }
}

const NUMBERS: [u32; 7] = [20, 21, 23, 700, 701, 1700, 790];
const WHOLE: [u32; 3] = [20, 21, 23];

fn is_text(known: &Known<'_>) -> bool {
    &**known.known.of.name() == "String" && !known.known.of.is_list()
}

fn is_ordered(known: &Known<'_>) -> bool {
    const TIMES_AND_TRUTH: [u32; 6] = [1082, 1083, 1266, 1114, 1184, 16];
    let oid = known.column.type_oid;
    NUMBERS.contains(&oid) || TIMES_AND_TRUTH.contains(&oid) || is_text(known)
}

fn aggregates(entry: &Entry<'_>, types: &mut Vec<Type<Bind>>) {
    let name = &*entry.table.type_name;
    let group = Some(&entry.relation.schema);
    let mut fields = vec![
        Field::new("count", named("Int").required(), Bind::Count)
            .about("The number of records matching the query"),
    ];
    let groups = [
        (Aggregate::Sum, "Sum", "summation", "Summation aggregates for numeric fields"),
        (Aggregate::Avg, "Avg", "average", "Average aggregates for numeric fields"),
        (Aggregate::Min, "Min", "minimum", "Minimum aggregates for comparable fields"),
        (Aggregate::Max, "Max", "maximum", "Maximum aggregates for comparable fields"),
    ];
    for (how, word, described, about) in groups {
        let applies = |known: &&Known<'_>| match how {
            Aggregate::Sum | Aggregate::Avg => NUMBERS.contains(&known.column.type_oid),
            Aggregate::Min | Aggregate::Max | Aggregate::Count => is_ordered(known),
        };
        let result = |known: &Known<'_>| match how {
            Aggregate::Sum if WHOLE.contains(&known.column.type_oid) => named("BigInt"),
            Aggregate::Sum | Aggregate::Avg => named("BigFloat"),
            Aggregate::Min | Aggregate::Max | Aggregate::Count => match known.column.type_oid {
                700 | 701 | 1700 => named("BigFloat"),
                790 => named("Opaque"),
                _ => known.known.of.clone(),
            },
        };
        let capital = names::type_name(described, true);
        let described_field = if capital == "Summation" { "Sum" } else { &capital };
        let columns: Vec<Field<Bind>> = entry
            .columns
            .iter()
            .filter(|known| known.sees)
            .filter(applies)
            .map(|known| {
                let bind = Bind::Summed(known.column.name.clone());
                Field::new(&*known.name, result(known), bind)
                    .about(format!("{described_field} of {} across all matching records", known.name))
            })
            .collect();
        if columns.is_empty() {
            continue;
        }
        let type_name = format!("{name}{word}AggregateResult");
        let about_type = format!("Result of {described} aggregation for `{name}`");
        types.push(object(&type_name, Some(&about_type), group, columns));
        fields.push(Field::new(how.name(), named(&type_name), Bind::Sum(how)).about(about));
    }
    let about = format!("Aggregate results for `{name}`");
    types.push(object(&format!("{name}Aggregate"), Some(&about), group, fields));
}
