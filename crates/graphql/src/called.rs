//! What each table's type is called, where its own name would be another type's: the schema's roots, its scalars, an enum, or what
//! is made of a neighbour's name (`tasks_filter` beside `tasks`).
//!
//! Invariant: no two types have one name, and a table is called the same for every role.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use data::catalog::{Catalog, Relation, RelationId, Served, TypeKind};
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

/// Names that are taken before any table comes.
fn reserved(catalog: &Catalog, style: Style) -> HashSet<String> {
    let mut types: Vec<Type<Bind>> = meta_types(&Bind::None);
    types.extend(values::scalars(style));
    types.extend(match style {
        Style::Relay => crate::relay::constant(),
        Style::Plain => crate::plain::constant(),
    });
    let mut taken: HashSet<String> = types.iter().map(|one| one.name.to_string()).collect();
    taken.extend([QUERY, MUTATION, SUBSCRIPTION].map(str::to_owned));
    let exposed = |schema: &str| catalog.exposed().iter().any(|one| &**one == schema);
    for known in catalog.types.all().filter(|one| one.kind == TypeKind::Enum && exposed(&one.schema)) {
        if let Some(one) = values::enumeration(catalog, known.oid) {
            taken.extend([one.name.to_string(), format!("{}Filter", one.name)]);
        }
    }
    taken
}

/// The name of each served relation's type; none for one whose name GraphQL does not allow, or that has no name left.
pub fn all(catalog: &Catalog, style: Style, aggregates: bool) -> HashMap<RelationId, Arc<str>> {
    let mut taken = reserved(catalog, style);
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
    all
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
