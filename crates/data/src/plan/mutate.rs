//! Writing rows, and what of them is given back.

use std::collections::BTreeSet;

use crate::ask::{self, Logic, MutateAsk, Operator, Payload, Resolution, Returning, Rules, Test};
use crate::catalog::check::Check;
use crate::catalog::types::oid;
use crate::catalog::{Catalog, Relation};
use crate::clean;
use crate::error::Error;

use super::level::{Columns, Planner};
use super::{
    Act, BodyShape, Change, Item, Mutation, Node, Plan, Returned, Rows, Source, Value, Written, body,
};

pub(super) fn plan(ask: &MutateAsk, catalog: &Catalog, rules: &Rules) -> Result<Plan, Error> {
    let relation = super::relation(catalog, &ask.relation.schema, &ask.relation.name)?;
    // Writes are not capped, and neither is what they give back.
    let mut planner = Planner::new(catalog, rules, &ask.relation.schema, None);
    let columns = Columns::of(relation);
    let mut root = planner.root(Source::Act, columns.clone(), &ask.level)?;
    // A page of what was written is no page of the table.
    root.limit = None;
    root.offset = 0;
    root.conditions.clear();
    let conditions = planner.conditions(&columns, &ask.filters)?;
    let mut returning = returned(ask, relation, &root);
    let put = matches!(ask.change, ask::Change::Put { .. });
    let mut resolved = false;
    let (change, conditions) = match &ask.change {
        ask::Change::Insert { payload, resolution, on_conflict, missing_as_default } => {
            let rows = rows(catalog, relation, payload, *missing_as_default)?;
            let keys: Vec<String> = match on_conflict {
                Some(columns) => columns.clone(),
                None => relation.primary_key.iter().map(ToString::to_string).collect(),
            };
            let conflict =
                resolution.filter(|_| !keys.is_empty()).map(|how| (keys, how == Resolution::Merge));
            resolved = conflict.is_some();
            (Change::Insert { rows, conflict, only: Vec::new() }, Vec::new())
        }
        ask::Change::Put { payload } => {
            check_put(relation, &ask.filters)?;
            let rows = rows(catalog, relation, payload, false)?;
            let keys = relation.primary_key.iter().map(ToString::to_string).collect();
            (Change::Insert { rows, conflict: Some((keys, true)), only: conditions }, Vec::new())
        }
        ask::Change::Update { payload, missing_as_default } => {
            (Change::Update { rows: rows(catalog, relation, payload, *missing_as_default)? }, conditions)
        }
        ask::Change::Delete => (Change::Delete, conditions),
    };
    let row_type = Some((relation.schema.clone(), relation.name.clone()));
    let body = match ask.returning {
        Returning::Rows => body(&ask.terms.shape, catalog, row_type.clone()),
        Returning::Minimal | Returning::Key => BodyShape::Nothing,
    };
    // A whole-body shape is made of all the rows at once.
    if let (Returned::Items, BodyShape::GeoJson | BodyShape::Handler { .. } | BodyShape::Raw) =
        (&returning, &body)
    {
        returning = Returned::Columns(needed(relation, &root));
    }
    Ok(Plan {
        act: Act::Mutate(Mutation {
            relation: (relation.schema.clone(), relation.name.clone()),
            change,
            conditions,
            returning,
            put,
        }),
        root,
        body,
        terms: ask.terms.clone(),
        max_rows: None,
        writes: true,
        settings: Vec::new(),
        void: false,
        resolved,
    })
}

fn returned(ask: &MutateAsk, relation: &Relation, root: &Node) -> Returned {
    match ask.returning {
        Returning::Minimal => Returned::Nothing,
        Returning::Key if relation.primary_key.is_empty() => Returned::Nothing,
        Returning::Key => Returned::Key(relation.primary_key.clone()),
        Returning::Rows => {
            let aggregated = |item: &Item| matches!(item, Item::Value(output) if output.aggregate.is_some());
            let flat = root.embeds.is_empty() && root.order.is_empty() && !root.items.iter().any(aggregated);
            if flat { Returned::Items } else { Returned::Columns(needed(relation, root)) }
        }
    }
}

/// The columns that reading the written rows needs; all of them when an embed takes the whole row.
fn needed(relation: &Relation, root: &Node) -> Option<Vec<String>> {
    if root.embeds.iter().any(|embed| embed.needs_row)
        || root.items.iter().any(|item| matches!(item, Item::Star))
    {
        return None;
    }
    let mut names: BTreeSet<&str> = relation.primary_key.iter().map(|name| &**name).collect();
    for item in &root.items {
        if let Item::Value(output) = item
            && let Value::Column(column) = &output.value
        {
            names.insert(&column.name);
        }
    }
    names.extend(root.embeds.iter().flat_map(|embed| embed.needs.iter().map(|name| &**name)));
    names.extend(
        root.order.iter().filter(|order| order.embed.is_none()).map(|order| order.value.name.as_str()),
    );
    Some(names.into_iter().map(str::to_owned).collect())
}

fn rows(
    catalog: &Catalog,
    relation: &Relation,
    payload: &Payload,
    missing_as_default: bool,
) -> Result<Rows, Error> {
    let written = |name: &String| {
        let column = relation
            .column(name)
            .ok_or_else(|| Error::NoColumn { relation: relation.name.to_string(), column: name.clone() })?;
        let read_by = catalog.representations.get(&(oid::JSON, column.type_oid)).cloned();
        let read_as = if read_by.is_some() { oid::JSON } else { column.type_oid };
        let read_as = catalog.types.sql(read_as).ok_or(Error::Bug("a column of no known type"))?;
        Ok(Written { name: column.name.clone(), read_as, read_by, default: column.default.clone() })
    };
    let columns = payload.columns.iter().map(written).collect::<Result<Vec<_>, Error>>()?;
    let checks: Vec<(&str, &Check)> = relation
        .columns
        .iter()
        .filter(|column| columns.iter().any(|written| written.name == column.name))
        .filter_map(|column| Some((&*column.name, &**column.check.as_ref()?)))
        .collect();
    let json = clean::rows(&payload.json, payload.many, &checks)?;
    Ok(Rows { json, many: payload.many, columns, missing_as_default })
}

/// The filters of a put are its primary key, all of it and nothing else, by plain equality.
fn check_put(relation: &Relation, filters: &[Logic]) -> Result<(), Error> {
    let key: BTreeSet<&str> = relation.primary_key.iter().map(|name| &**name).collect();
    let mut named: BTreeSet<&str> = BTreeSet::new();
    for logic in filters {
        let Logic::Filter(filter) = logic else { return Err(Error::PutFilters) };
        let plain = matches!(&filter.test, Test::Compare { operator: Operator::Equal, quantifier: None, .. });
        if !plain || filter.negated || !filter.field.path.is_empty() {
            return Err(Error::PutFilters);
        }
        named.insert(&filter.field.name);
    }
    if key.is_empty() || key != named { Err(Error::PutFilters) } else { Ok(()) }
}
