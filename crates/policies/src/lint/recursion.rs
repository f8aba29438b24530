//! Policies that ask each other for ever.
//!
//! A statement on a table applies the table's policies; a subquery in one of them applies the SELECT policies of what it
//! reads, and so on. A way round ends in `42P17 infinite recursion`, or (through functions) in an exhausted stack.

use super::Found;
use super::policies::reached;
use crate::facts::{Facts, Policy, Relation};
use crate::text;

pub(super) fn recursion(facts: &Facts) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    for table in facts.relations.iter().filter(|one| one.is_table() && one.secured) {
        for role in ["anon", "authenticated"] {
            let Some(path) = round(facts, table.oid, role) else { continue };
            let way: Vec<String> =
                path.iter().filter_map(|oid| facts.relation(*oid)).map(Relation::title).collect();
            let detail = format!("reading it as {role} asks its own policies again: {}", way.join(" → "));
            if !found.iter().any(|one| one.object == table.title()) {
                found.push(Found::new(table.title(), detail));
            }
        }
    }
    found
}

/// A way from a table's SELECT policies back to it.
pub(crate) fn round(facts: &Facts, from: u32, role: &str) -> Option<Vec<u32>> {
    let mut open = vec![vec![from]];
    let mut seen: Vec<u32> = Vec::new();
    while let Some(path) = open.pop() {
        let last = *path.last()?;
        for next in asked(facts, last, role) {
            let mut longer = path.clone();
            longer.push(next);
            if next == from {
                return Some(longer);
            }
            if !seen.contains(&next) {
                seen.push(next);
                open.push(longer);
            }
        }
    }
    None
}

/// Tables whose SELECT policies are applied while those of `table` are.
fn asked(facts: &Facts, table: u32, role: &str) -> Vec<u32> {
    let policies = facts.policies_of(table).filter(|policy| policy.rules("r") && policy.concerns(role));
    let mut next: Vec<u32> = policies.flat_map(|policy| read_by(facts, policy)).collect();
    next.retain(|oid| facts.relation(*oid).is_some_and(|relation| relation.secured));
    next.sort_unstable();
    next.dedup();
    next
}

fn read_by(facts: &Facts, policy: &Policy) -> Vec<u32> {
    let mut read: Vec<u32> = policy.relations.iter().flat_map(|oid| beneath(facts, *oid)).collect();
    // A subquery on the table itself: its name stands after FROM or JOIN.
    if let Some(own) = facts.relation(policy.relation)
        && policy.texts().any(|text| selects_from(text, own))
    {
        read.push(own.oid);
    }
    for function in reached(facts, policy).into_iter().filter(|one| !one.definer || !one.owner_bypasses) {
        read.extend(read_in(facts, &function.body).into_iter().flat_map(|one| beneath(facts, one.oid)));
    }
    read
}

/// The tables a view that asks as its caller stands on; a table itself.
fn beneath(facts: &Facts, oid: u32) -> Vec<u32> {
    match facts.relation(oid) {
        Some(view) if view.kind == "v" && view.invoker => {
            view.stands_on.iter().flatten().flat_map(|oid| beneath(facts, *oid)).collect()
        }
        Some(table) if table.is_table() => vec![oid],
        _ => Vec::new(),
    }
}

/// Whether `text` reads or writes the relation, by its name with or without its schema.
pub(crate) fn selects_from(text: &str, relation: &Relation) -> bool {
    is_among(&text::sources(text), relation)
}

/// The relations that `text` reads or writes.
pub(crate) fn read_in<'a>(facts: &'a Facts, text: &str) -> Vec<&'a Relation> {
    let sources = text::sources(text);
    if sources.is_empty() {
        return Vec::new();
    }
    facts.relations.iter().filter(|one| is_among(&sources, one)).collect()
}

fn is_among(sources: &[(Option<String>, String)], relation: &Relation) -> bool {
    sources.iter().any(|(schema, name)| {
        *name == relation.name && schema.as_ref().is_none_or(|schema| *schema == relation.schema)
    })
}
