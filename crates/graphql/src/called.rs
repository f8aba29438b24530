//! What the type of each table and each enum is called, where its own name would be another type's: the schema's roots, its scalars,
//! an enum, or what is made of a neighbour's name (`tasks_filter` beside `tasks`).
//!
//! Invariant: no two types have one name, and a table or an enum is called the same for every role.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use data::catalog::{self, Catalog, Relation, RelationId, Served, TypeKind};
use gql::introspect::meta_types;
use gql::schema::{MUTATION, QUERY, Type};

use crate::bind::Bind;
use crate::names;
use crate::values::{self, Style};

/// A type that is nobody's table.
const SUBSCRIPTION: &str = "Subscription";

/// What is behind a table's name in the names of the types made of it; its own has nothing there.
const EVERYWHERE: &[&str] = &["", "Filter", "OrderBy", "InsertInput", "UpdateInput"];

/// The same in a style, and where rows may be summed up.
fn made_of(style: Style, aggregates: bool) -> Vec<&'static str> {
    let (own, sums): (&[&str], &[&str]) = match style {
        Style::Plain => (&[], &["Aggregate", "Sum", "Avg", "Min", "Max"]),
        Style::Relay => (
            &["Edge", "Connection", "InsertResponse", "UpdateResponse", "DeleteResponse"],
            &[
                "Aggregate",
                "SumAggregateResult",
                "AvgAggregateResult",
                "MinAggregateResult",
                "MaxAggregateResult",
            ],
        ),
    };
    [EVERYWHERE, own, if aggregates { sums } else { &[] }].concat()
}

/// What everything is called that the database names.
pub struct Called {
    /// Served relations, but those whose name GraphQL does not allow, or that have no name left.
    pub relations: HashMap<RelationId, Arc<str>>,
    /// Enums of exposed schemas, but those; they are opaque texts then.
    pub enums: HashMap<u32, Arc<str>>,
}

/// Names that are taken before anything of the database comes.
fn reserved(style: Style) -> HashSet<String> {
    let mut types: Vec<Type<Bind>> = meta_types(&Bind::None);
    types.extend(values::scalars(style));
    types.extend(match style {
        Style::Relay => crate::relay::constant(),
        Style::Plain => crate::plain::constant(),
    });
    let mut taken: HashSet<String> = types.iter().map(|one| one.name.to_string()).collect();
    taken.extend([QUERY, MUTATION, SUBSCRIPTION].map(str::to_owned));
    taken
}

/// The names of enums, which come before those of tables.
fn enums(catalog: &Catalog, taken: &mut HashSet<String>) -> HashMap<u32, Arc<str>> {
    let mut all = HashMap::new();
    for schema in catalog.exposed() {
        let is_here = |one: &&catalog::Type| one.kind == TypeKind::Enum && one.schema == *schema;
        let mut here: Vec<&catalog::Type> = catalog.types.all().filter(is_here).collect();
        here.sort_unstable_by_key(|one| one.oid);
        for one in here {
            let wanted = values::enum_name(catalog, one.oid);
            let inflects = values::inflects(catalog, schema);
            let qualified = names::type_name(&format!("{schema}_{}", one.name), inflects);
            let wishes =
                [wanted.clone(), format!("{wanted}Enum"), qualified.clone(), format!("{qualified}Enum")];
            let is_free = |name: &&String| {
                names::is_valid(name) && !taken.contains(*name) && !taken.contains(&format!("{name}Filter"))
            };
            let Some(name) = wishes.iter().find(is_free) else { continue };
            let name: Arc<str> = name.as_str().into();
            if values::enumeration(catalog, one.oid, &name).is_some() {
                taken.extend([name.to_string(), format!("{name}Filter")]);
                all.insert(one.oid, name);
            }
        }
    }
    all
}

/// The name of the type of each served relation and each enum.
pub fn all(catalog: &Catalog, style: Style, aggregates: bool) -> Called {
    let mut taken = reserved(style);
    let enums = enums(catalog, &mut taken);
    let mut all = HashMap::new();
    for schema in catalog.exposed() {
        for relation in catalog.relations.iter().filter(|one| one.schema == *schema) {
            if relation.served != Served::Yes {
                continue;
            }
            let (wanted, qualified, sums) = wishes(catalog, relation, style, aggregates);
            let wishes =
                [wanted.clone(), format!("{wanted}Row"), qualified.clone(), format!("{qualified}Row")];
            let made = made_of(style, sums);
            let is_free = |name: &&String| {
                names::is_valid(name) && made.iter().all(|end| !taken.contains(&format!("{name}{end}")))
            };
            let Some(name) = wishes.iter().find(is_free) else {
                if names::is_valid(&wanted) {
                    tracing::warn!(
                        schema = &**schema,
                        relation = &*relation.name,
                        "GraphQL has no name left for it: name it in a comment, @graphql({{\"name\": \"…\"}})"
                    );
                }
                continue;
            };
            taken.extend(made.iter().map(|end| format!("{name}{end}")));
            if *name != wanted {
                tracing::info!(schema = &**schema, relation = &*relation.name, %wanted, %name, "GraphQL calls it otherwise: its own name is another type's");
            }
            all.insert(relation.id, name.as_str().into());
        }
    }
    Called { relations: all, enums }
}

/// What a relation wants to be called, the same with its schema's name in front, and whether its rows may be summed up.
fn wishes(catalog: &Catalog, relation: &Relation, style: Style, aggregates: bool) -> (String, String, bool) {
    let directives = names::directives(relation.comment.as_deref());
    let inflects = style == Style::Plain || values::inflects(catalog, &relation.schema);
    let wanted =
        names::said(&directives, "name").unwrap_or_else(|| names::type_name(&relation.name, inflects));
    let qualified = names::type_name(&format!("{}_{}", relation.schema, relation.name), inflects);
    (wanted, qualified, names::switched(&directives, "aggregate").unwrap_or(aggregates))
}
