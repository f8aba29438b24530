//! Rules about keys, indexes, columns and space.

use super::Found;
use crate::facts::{Facts, Index, Relation};
use crate::{limits, text};

fn tables(facts: &Facts) -> impl Iterator<Item = &Relation> {
    let ours = |one: &&Relation| {
        one.is_table()
            && !one.extension
            && !matches!(one.schema.as_str(), "auth" | "storage" | "extensions" | "realtime")
    };
    facts.relations.iter().filter(ours)
}

fn indexes(facts: &Facts, relation: u32) -> impl Iterator<Item = &Index> {
    facts.indexes.iter().filter(move |index| index.relation == relation && index.valid)
}

fn names(facts: &Facts, relation: u32, columns: &[i16]) -> Vec<String> {
    let name = |number: &i16| facts.column(relation, *number).map(|column| column.name.clone());
    columns.iter().filter_map(name).collect()
}

fn create_index(facts: &Facts, table: &Relation, columns: &[i16]) -> String {
    let quoted: Vec<String> =
        names(facts, table.oid, columns).iter().map(|name| pg::admin::quote_name(name)).collect();
    format!("CREATE INDEX ON {} ({})", table.quoted(), quoted.join(", "))
}

/// Whether the index begins with these columns, in any order among themselves.
fn covers(index: &Index, columns: &[i16]) -> bool {
    let first = index.columns.get(..columns.len()).unwrap_or_default();
    !first.is_empty() && columns.iter().all(|column| first.contains(column))
}

pub(super) fn unindexed_foreign_keys(facts: &Facts) -> Vec<Found> {
    let mut found = Vec::new();
    for table in tables(facts) {
        for key in facts.constraints_of(table.oid, "f") {
            if !indexes(facts, table.oid).any(|index| covers(index, &key.columns) && !index.partial) {
                found.push(
                    Found::new(table.title(), format!("the foreign key {} has no index", key.name))
                        .fix(create_index(facts, table, &key.columns)),
                );
            }
        }
    }
    found
}

pub(super) fn no_primary_key(facts: &Facts) -> Vec<Found> {
    let without = |table: &&Relation| table.exposed && !indexes(facts, table.oid).any(|index| index.primary);
    tables(facts).filter(without).map(|table| Found::new(table.title(), "has no primary key")).collect()
}

pub(super) fn unused_index(facts: &Facts) -> Vec<Found> {
    let mut found = Vec::new();
    for table in tables(facts) {
        let unused =
            |index: &&Index| index.scans == 0 && !index.unique && !index.primary && !index.of_constraint;
        for index in indexes(facts, table.oid).filter(unused) {
            let schema = pg::admin::quote_name(&table.schema);
            let name = pg::admin::quote_name(&index.name);
            found.push(
                Found::new(table.title(), format!("the index {} was never used", index.name))
                    .fix(format!("DROP INDEX {schema}.{name}")),
            );
        }
    }
    found
}

pub(super) fn duplicate_index(facts: &Facts) -> Vec<Found> {
    let mut found = Vec::new();
    for table in tables(facts) {
        let all: Vec<&Index> = indexes(facts, table.oid).collect();
        for (at, index) in all.iter().enumerate() {
            let same = |other: &&&Index| other.shape == index.shape && other.unique == index.unique;
            if let Some(twin) = all.get(at + 1..).unwrap_or_default().iter().find(same) {
                found.push(Found::new(
                    table.title(),
                    format!("{} and {} are the same index", index.name, twin.name),
                ));
            }
        }
    }
    found
}

/// `regclass`, `regrole` and `regtype` survive an upgrade; these do not.
const REG_TYPES: &[&str] = &[
    "regcollation",
    "regconfig",
    "regdictionary",
    "regnamespace",
    "regoper",
    "regoperator",
    "regproc",
    "regprocedure",
];

pub(super) fn unsupported_reg_types(facts: &Facts) -> Vec<Found> {
    let mut found = Vec::new();
    for table in tables(facts) {
        for column in facts.columns_of(table.oid) {
            let plain = column.type_name.trim_start_matches('_');
            if column.type_schema == "pg_catalog" && REG_TYPES.contains(&plain) {
                found.push(Found::new(
                    table.title(),
                    format!("column {} is of type {}", column.name, column.r#type),
                ));
            }
        }
    }
    found
}

pub(super) fn table_bloat(facts: &Facts) -> Vec<Found> {
    let bloated = tables(facts).filter_map(|table| {
        let (all, dead) = (table.live + table.dead, table.dead);
        let percent = (dead * 100).checked_div(all)?;
        let bytes = table.pages * 8192 / 100 * percent;
        let much = percent > i64::try_from(limits::BLOAT_PERCENT_MAX.value).ok()?
            && bytes > i64::try_from(limits::BLOAT_BYTES_MAX.value).ok()?;
        let detail = format!("{percent} % of its rows are gone and still take {} MiB", bytes / 1_048_576);
        much.then(|| Found::new(table.title(), detail).fix(format!("VACUUM FULL {}", table.quoted())))
    });
    bloated.collect()
}

/// A column that a policy compares with something that does not come from the row.
pub(super) fn policy_column(facts: &Facts) -> Vec<Found> {
    let mut found = Vec::new();
    for policy in facts.policies.iter().filter(|policy| policy.command != "a") {
        let Some(table) = tables(facts).find(|table| table.oid == policy.relation) else { continue };
        let Some(using) = &policy.using else { continue };
        for number in &policy.columns {
            let Some(column) = facts.column(table.oid, *number) else { continue };
            let leads = |index: &Index| index.columns.first() == Some(number);
            if column.type_name == "bool"
                || indexes(facts, table.oid).any(leads)
                || !compared(using, &column.name)
            {
                continue;
            }
            let detail =
                format!("policy {} compares {}, which no index begins with", policy.name, column.name);
            found.push(Found::new(table.title(), detail).fix(create_index(facts, table, &[*number])));
        }
    }
    found
}

/// Whether the column stands beside `=` or before `IN`.
fn compared(expression: &str, column: &str) -> bool {
    let tokens = text::tokens(expression);
    let near = |at: usize| {
        let after = tokens.get(at + 1);
        let before = at.checked_sub(1).and_then(|at| tokens.get(at));
        after.is_some_and(|token| token.sign('=') || token.is("in"))
            || before.is_some_and(|token| token.sign('='))
    };
    tokens.iter().enumerate().any(|(at, token)| token.is(column) && near(at))
}
