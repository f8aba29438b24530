//! Rules about policies.

use super::Found;
use crate::facts::{Facts, Function, Policy, Relation};
use crate::text;

/// Policies of tables, with their table.
fn all<'a>(facts: &'a Facts) -> impl Iterator<Item = (&'a Relation, &'a Policy)> {
    let with_table = |policy: &'a Policy| Some((facts.relation(policy.relation)?, policy));
    facts.policies.iter().filter_map(with_table).filter(|(table, _)| table.schema != "auth")
}

fn object(table: &Relation, policy: &Policy) -> String {
    format!("{}: policy {}", table.title(), policy.name)
}

fn of_callers(policy: &Policy) -> bool {
    policy.concerns("anon") || policy.concerns("authenticated")
}

/// Functions of the schema `auth` and settings: the same for every row of a statement.
const WHO: &[&str] =
    &["auth.uid", "auth.jwt", "auth.role", "auth.email", "current_setting", "pg_catalog.current_setting"];

pub(super) fn auth_rls_initplan(facts: &Facts) -> Vec<Found> {
    let bare = |policy: &Policy| {
        let mut calls: Vec<String> = policy
            .texts()
            .flat_map(text::calls)
            .filter(|(name, once)| !once && WHO.contains(&name.as_str()))
            .map(|(name, _)| format!("{name}()"))
            .collect();
        calls.sort();
        calls.dedup();
        calls
    };
    all(facts)
        .filter_map(|(table, policy)| {
            let calls = bare(policy);
            let detail =
                || format!("calls {} for each row; `(select …)` around it calls it once", calls.join(", "));
            (!calls.is_empty()).then(|| Found::new(object(table, policy), detail()))
        })
        .collect()
}

/// Functions of users that a policy calls bare although no column stands in their parentheses.
pub(super) fn calls_for_each_row(facts: &Facts) -> Vec<Found> {
    let mut found = Vec::new();
    for (table, policy) in all(facts) {
        let called: Vec<&Function> = policy.functions.iter().filter_map(|oid| facts.function(*oid)).collect();
        for function in called {
            let full = format!("{}.{}", function.schema, function.name);
            if function.volatility == "v" || !function.arguments.is_empty() || WHO.contains(&full.as_str()) {
                continue;
            }
            let bare = |text: &str| text::calls(text).iter().any(|(name, once)| *name == full && !once);
            if policy.texts().any(bare) {
                let detail = format!("calls {full}() for each row; `(select {full}())` calls it once");
                found.push(Found::new(object(table, policy), detail));
            }
        }
    }
    found
}

pub(super) fn multiple_permissive(facts: &Facts) -> Vec<Found> {
    let mut found = Vec::new();
    for table in facts.relations.iter().filter(|one| one.exposed && one.is_table()) {
        for role in ["anon", "authenticated"] {
            for (command, verb) in [("r", "SELECT"), ("a", "INSERT"), ("w", "UPDATE"), ("d", "DELETE")] {
                let several = facts
                    .policies_of(table.oid)
                    .filter(|policy| policy.permissive && policy.rules(command) && policy.concerns(role));
                let names: Vec<&str> = several.map(|policy| policy.name.as_str()).collect();
                if names.len() > 1 {
                    let detail = format!("{verb} by {role} tries each of: {}", names.join(", "));
                    found.push(Found::new(table.title(), detail));
                }
            }
        }
    }
    found
}

pub(super) fn anonymous_sign_ins(facts: &Facts) -> Vec<Found> {
    if !facts.anonymous_sign_ins {
        return Vec::new();
    }
    let lets_in = |policy: &Policy| {
        policy.permissive
            && policy.concerns("authenticated")
            && !policy.texts().any(|text| text::mentions(text, "is_anonymous"))
    };
    let guarded = |table: &Relation| {
        facts.policies_of(table.oid).any(|policy| {
            !policy.permissive
                && policy.concerns("authenticated")
                && policy.texts().any(|text| text::mentions(text, "is_anonymous"))
        })
    };
    all(facts)
        .filter(|(table, policy)| lets_in(policy) && !guarded(table))
        .map(|(table, policy)| {
            Found::new(
                object(table, policy),
                "lets in anonymous accounts, which have the role authenticated too",
            )
        })
        .collect()
}

fn reads_metadata(text: &str) -> bool {
    text::mentions(text, "user_metadata") || text::mentions(text, "raw_user_meta_data")
}

const METADATA: &str =
    "believes user_metadata, which every user writes themselves; app_metadata is the server's";

pub(super) fn references_user_metadata(facts: &Facts) -> Vec<Found> {
    let found = all(facts).filter(|(_, policy)| policy.texts().any(reads_metadata));
    found.map(|(table, policy)| Found::new(object(table, policy), METADATA)).collect()
}

/// The same at any distance: the policy calls a function that reads it, or one that names such a function.
pub(super) fn trusts_user_metadata(facts: &Facts) -> Vec<Found> {
    let found = all(facts).filter_map(|(table, policy)| {
        let through = reached(facts, policy).into_iter().find(|function| reads_metadata(&function.body))?;
        let detail = format!("calls {}, which {METADATA}", through.title());
        Some(Found::new(object(table, policy), detail))
    });
    found.collect()
}

/// The functions of users that a policy reaches, through what they name.
pub(crate) fn reached<'a>(facts: &'a Facts, policy: &Policy) -> Vec<&'a Function> {
    let mut open: Vec<u32> = policy.functions.clone();
    let mut seen: Vec<u32> = Vec::new();
    let mut functions = Vec::new();
    while let Some(oid) = open.pop() {
        if seen.contains(&oid) {
            continue;
        }
        seen.push(oid);
        // The functions of auth are told by their names alone.
        let Some(function) = facts.function(oid).filter(|one| one.schema != "auth") else { continue };
        functions.push(function);
        open.extend(called_by(facts, &function.body));
    }
    functions
}

/// Functions of users whose names a text calls.
pub(crate) fn called_by(facts: &Facts, body: &str) -> Vec<u32> {
    let calls = text::calls(body);
    let is_called = |function: &&Function| {
        let full = format!("{}.{}", function.schema, function.name);
        calls.iter().any(|(name, _)| *name == full || *name == function.name)
    };
    facts.functions.iter().filter(is_called).map(|function| function.oid).collect()
}

pub(super) fn writes_anything(facts: &Facts) -> Vec<Found> {
    let mut found = Vec::new();
    for (table, policy) in all(facts).filter(|(_, policy)| policy.permissive && of_callers(policy)) {
        let using = policy.using.as_deref().is_some_and(text::always_true);
        let check = policy.effective_check().is_some_and(text::always_true);
        let what = match policy.command.as_str() {
            "a" if check => "insert any row",
            "w" if using && check => "change any row into any other",
            "w" if check => "turn the rows they may change into anybody's",
            "d" if using => "delete any row",
            "*" if using => "do anything with any row",
            "*" if check => "write any row",
            _ => continue,
        };
        found.push(Found::new(object(table, policy), format!("lets {} {what}", policy.roles.join(", "))));
    }
    found
}

pub(super) fn shows_everything(facts: &Facts) -> Vec<Found> {
    let open = |policy: &Policy| {
        policy.permissive
            && of_callers(policy)
            && policy.rules("r")
            && policy.using.as_deref().is_some_and(text::always_true)
    };
    let restricted = |table: &Relation| {
        let mut restrictive =
            facts.policies_of(table.oid).filter(|policy| !policy.permissive && policy.rules("r"));
        restrictive.any(|policy| policy.using.as_deref().is_some_and(|text| !text::always_true(text)))
    };
    all(facts)
        .filter(|(table, policy)| open(policy) && !restricted(table))
        .map(|(table, policy)| {
            Found::new(object(table, policy), format!("shows every row to {}", policy.roles.join(", ")))
        })
        .collect()
}

/// PostgreSQL then takes USING for the check, so nothing is open; but it reads as if nobody had thought of writing, and
/// an edit of USING changes what may be written.
pub(super) fn without_check(facts: &Facts) -> Vec<Found> {
    let silent = |policy: &Policy| {
        policy.permissive
            && of_callers(policy)
            && matches!(policy.command.as_str(), "w" | "*")
            && policy.check.is_none()
            && policy.using.is_some()
            // One that asks nothing of the row says the same of every row.
            && !policy.columns.is_empty()
    };
    all(facts)
        .filter(|(_, policy)| silent(policy))
        .map(|(table, policy)| {
            let using = policy.using.as_deref().unwrap_or_default();
            let name = pg::admin::quote_name(&policy.name);
            Found::new(
                object(table, policy),
                "has USING and no WITH CHECK: it does not say what a row may become",
            )
            .fix(format!(
                "ALTER POLICY {name} ON {} WITH CHECK {}",
                table.quoted(),
                parenthesised(using)
            ))
        })
        .collect()
}

fn parenthesised(text: &str) -> String {
    if text.starts_with('(') && text.ends_with(')') { text.to_owned() } else { format!("({text})") }
}
