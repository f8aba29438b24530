//! The gate: what row level security does not bind is not served (controls 40 and 41, attack rows 57 and 60).
//!
//! Decided once per snapshot. To the caller what is refused does not exist; the operator reads the reason here, and may
//! take it on: `COMMENT ON VIEW v IS '@palisade serve: why'`. That holds for what cannot have policies of its own (views
//! with their owner's rights, materialised views, foreign tables, functions with their owner's rights), never for a
//! table. Invariant: what is not known to be protected or acknowledged is refused.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::catalog::before::{Before, Wrong};
use crate::catalog::{Catalog, Function, Relation, RelationKind, Scope, Served};
use crate::sql::ident;

/// What is in an exposed schema and not served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its schema.
    pub schema: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Why.
    pub why: Why,
    /// The one statement that changes it, when there is one.
    pub fix: Option<String>,
}

/// What is served because its owner says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    /// Its schema.
    pub schema: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Why it would not be served.
    pub why: Why,
    /// What its owner says.
    pub reason: Arc<str>,
}

/// Why something is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// A relation.
    Relation(Served),
    /// A function.
    Function(Unsafe),
    /// A function that every request would call first.
    Before(Wrong),
}

/// Why a function that runs with its owner's rights is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsafe {
    /// Its names mean what its caller's search path says.
    NoSearchPath,
    /// Callers may create what its names mean.
    OpenSearchPath,
    /// Row level security does not bind its owner.
    PowerfulOwner,
    /// Anybody may call it.
    ForAnybody,
    /// An extension brought it: it was not written to be called by strangers.
    Extension,
}

impl Why {
    /// In words, for the operator.
    pub fn reason(self) -> &'static str {
        match self {
            Why::Relation(served) => served.reason(),
            Why::Function(why) => why.reason(),
            Why::Before(why) => why.reason(),
        }
    }
}

impl Unsafe {
    /// In words, for the operator.
    pub fn reason(self) -> &'static str {
        match self {
            Unsafe::NoSearchPath => {
                "it runs with its owner's rights and has no search path of its own: its caller decides what its names mean"
            }
            Unsafe::OpenSearchPath => {
                "it runs with its owner's rights and looks names up in a schema that callers may create in"
            }
            Unsafe::PowerfulOwner => {
                "it runs with the rights of an owner whom row level security does not bind, and its comment does not say `@palisade serve: why`"
            }
            Unsafe::ForAnybody => {
                "anybody may call it with its owner's rights, and its comment does not say `@palisade serve: why`"
            }
            Unsafe::Extension => {
                "an extension brought it, and its comment does not say `@palisade serve: why`; extensions belong into a schema that is not served"
            }
        }
    }
}

impl Served {
    /// The reason in words, for the operator.
    pub fn reason(self) -> &'static str {
        match self {
            Served::Yes => "served",
            Served::NotExposed => "its schema is not exposed",
            Served::Partition => "it is a partition, reached through its parent",
            Served::RowSecurityOff => "row level security is not enabled",
            Served::RowSecurityNotForced => "row level security does not bind the table's owner",
            Served::DefinerView => {
                "the view runs with its owner's rights, and row level security does not bind that owner"
            }
            Served::UnprotectedSource => "the view stands on a relation without forced row level security",
            Served::UnsafeFunction => {
                "the view calls a function that runs with the rights of an owner whom row level security does not bind, and neither's comment says `@palisade serve: why`"
            }
            Served::Materialized => "a materialised view has no row level security",
            Served::Foreign => "a foreign table has no row level security",
            Served::Extension => "an extension's view shows what the server knows, which no policy binds",
        }
    }
}

impl Refusal {
    /// Whether it is of this name.
    pub(crate) fn is(&self, schema: &str, name: &str) -> bool {
        &*self.schema == schema && &*self.name == name
    }
}

/// What is in the exposed schemas and yet not served, with the reason: for posture and `palisade gate`.
pub fn report(catalog: &Catalog) -> Vec<Refusal> {
    let refused = |relation: &&Relation| {
        !matches!(relation.served, Served::Yes | Served::NotExposed | Served::Partition)
    };
    let relations = catalog.relations.iter().filter(refused).map(|relation| Refusal {
        schema: relation.schema.clone(),
        name: relation.name.clone(),
        why: Why::Relation(relation.served),
        fix: fix(relation),
    });
    let before = match &catalog.before {
        Before::Refused(refusal) => Some((**refusal).clone()),
        Before::Nothing | Before::Calls(_) => None,
    };
    before.into_iter().chain(relations).chain(catalog.closed.iter().cloned()).collect()
}

/// What is served only because its owner says so.
pub fn acknowledged(catalog: &Catalog) -> Vec<Acknowledged> {
    let relations =
        catalog.relations.iter().filter(|relation| relation.served == Served::Yes).filter_map(|one| {
            let (reason, why) = (one.acknowledged.clone()?, unbound(one)?);
            Some(Acknowledged {
                schema: one.schema.clone(),
                name: one.name.clone(),
                why: Why::Relation(why),
                reason,
            })
        });
    let functions = catalog.functions.values().flatten().filter_map(|one| {
        let (reason, why) = (one.acknowledged.clone()?, acknowledgeable(one)?);
        Some(Acknowledged {
            schema: one.schema.clone(),
            name: one.name.clone(),
            why: Why::Function(why),
            reason,
        })
    });
    relations.chain(functions).collect()
}

fn fix(relation: &Relation) -> Option<String> {
    let name = format!("{}.{}", ident(&relation.schema), ident(&relation.name));
    match relation.served {
        Served::RowSecurityOff | Served::RowSecurityNotForced => {
            Some(format!("ALTER TABLE {name} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"))
        }
        Served::DefinerView => Some(format!("ALTER VIEW {name} SET (security_invoker = true)")),
        _ => None,
    }
}

/// What begins a line of a comment that is meant for us.
const TAG: &str = "@palisade ";

/// The owner's word in a comment, and the comment without the lines that are meant for us: it may be shown to callers.
pub(crate) fn read_comment(comment: Option<Arc<str>>) -> (Option<Arc<str>>, Option<Arc<str>>) {
    let Some(comment) = comment else { return (None, None) };
    if !comment.contains(TAG) {
        return (None, Some(comment));
    }
    let ours = |line: &&str| line.trim_start().starts_with(TAG);
    let said = comment.lines().filter_map(word).find(|reason| !reason.is_empty()).map(Arc::from);
    let rest: Vec<&str> = comment.lines().filter(|line| !ours(line)).collect();
    let rest = rest.join("\n");
    (said, (!rest.trim().is_empty()).then(|| rest.trim_end().into()))
}

fn word(line: &str) -> Option<&str> {
    line.trim_start().strip_prefix(TAG)?.strip_prefix("serve:").map(str::trim)
}

/// Takes out the functions that are not served, wherever they are: a relationship may be a function of any schema.
pub(crate) fn decide_functions(all: Vec<Function>, scope: &Scope) -> Decided {
    let mut decided = Decided {
        served: Vec::with_capacity(all.len()),
        closed: Vec::new(),
        beside: HashMap::new(),
        fields: HashSet::new(),
    };
    for function in all {
        let Some(why) = unsafe_to_serve(&function).filter(|_| scope.gate) else {
            decided.served.push(function);
            continue;
        };
        // PostgreSQL takes `notes.total` for `total(notes)`, of a parent's row type and of `anyelement` too.
        if !function.parameters.is_empty() {
            decided.fields.insert(function.name.clone());
        }
        if scope.exposes(&function.schema) {
            let (schema, name) = (function.schema.clone(), function.name.clone());
            decided.beside.entry((schema.clone(), name.clone())).or_default().push(function);
            decided.closed.push(Refusal { schema, name, why: Why::Function(why), fix: None });
        }
    }
    decided
}

/// Functions, judged.
pub(crate) struct Decided {
    /// Those that are served.
    pub served: Vec<Function>,
    /// Those of exposed schemas that are not.
    pub closed: Vec<Refusal>,
    /// The same, by schema and name.
    pub beside: Closed,
    /// Names under which those that are not would be fields of a row.
    pub fields: HashSet<Arc<str>>,
}

/// Functions that are not served, by schema and name.
pub(crate) type Closed = HashMap<(Arc<str>, Arc<str>), Vec<Function>>;

/// Whether PostgreSQL could take a call of `function` with these of its parameters for one of a function that is not served. It goes
/// by the types that are given: who gives all that `function` has means it alone, and who leaves some out may mean another.
pub(crate) fn is_taken_for_closed(closed: &Closed, function: &Function, given: &[&str]) -> bool {
    if given.len() >= function.parameters.len() || closed.is_empty() {
        return false;
    }
    let type_in = |of: &Function, name: &str| {
        of.parameters.iter().find(|one| &*one.name == name).map(|one| one.type_oid)
    };
    let could_be = |other: &Function| {
        let all_given =
            other.parameters.iter().filter(|one| one.required).all(|one| given.contains(&&*one.name));
        all_given
            && given.iter().all(|name| {
                let type_oid = type_in(other, name);
                type_oid.is_some() && type_oid == type_in(function, name)
            })
    };
    closed.get(&(function.schema.clone(), function.name.clone())).into_iter().flatten().any(could_be)
}

fn unsafe_to_serve(function: &Function) -> Option<Unsafe> {
    if !function.security_definer {
        return acknowledgeable(function).filter(|_| function.acknowledged.is_none());
    }
    match function.settings.iter().find(|(name, _)| &**name == "search_path") {
        None => Some(Unsafe::NoSearchPath),
        Some((_, path)) if function.open_path || path.contains("$user") => Some(Unsafe::OpenSearchPath),
        Some(_) => acknowledgeable(function).filter(|_| function.acknowledged.is_none()),
    }
}

/// What the owner of a function with a safe search path may take on.
fn acknowledgeable(function: &Function) -> Option<Unsafe> {
    if function.of_extension {
        return Some(Unsafe::Extension);
    }
    match (function.security_definer, function.owner_bypasses, function.anybody) {
        (true, true, _) => Some(Unsafe::PowerfulOwner),
        (true, false, true) => Some(Unsafe::ForAnybody),
        _ => None,
    }
}

/// What is not bound by policies and cannot have any of its own.
fn unbound(relation: &Relation) -> Option<Served> {
    match relation.kind {
        RelationKind::Materialized => Some(Served::Materialized),
        RelationKind::Foreign => Some(Served::Foreign),
        RelationKind::View if relation.of_extension => Some(Served::Extension),
        RelationKind::View if !relation.security_invoker && relation.owner_bypasses => {
            Some(Served::DefinerView)
        }
        RelationKind::View => Some(Served::UnprotectedSource),
        RelationKind::Table | RelationKind::Partitioned => None,
    }
}

/// What views are made of.
#[derive(Clone, Debug, Default)]
pub struct Made {
    /// The relations that each stands on.
    pub sources: HashMap<u32, Vec<u32>>,
    /// Those that call a function past the policies.
    pub calls_past: HashSet<u32>,
}

/// Marks each relation.
pub(crate) fn decide(relations: &mut [Relation], made: &Made, scope: &Scope) {
    let by_oid: HashMap<u32, usize> = relations.iter().enumerate().map(|(at, one)| (one.oid, at)).collect();
    let judge = Judge { relations, by_oid: &by_oid, made };
    let decided: Vec<Served> = relations
        .iter()
        .map(|relation| match relation.served {
            Served::Partition => Served::Partition,
            _ if !scope.exposes(&relation.schema) => Served::NotExposed,
            _ if !scope.gate => Served::Yes,
            _ if relation.acknowledged.is_some() && unbound(relation).is_some() => Served::Yes,
            _ => judge.relation(relation, &mut HashSet::new()),
        })
        .collect();
    for (relation, served) in relations.iter_mut().zip(decided) {
        relation.served = served;
    }
}

struct Judge<'a> {
    relations: &'a [Relation],
    by_oid: &'a HashMap<u32, usize>,
    made: &'a Made,
}

impl Judge<'_> {
    fn relation(&self, relation: &Relation, seen: &mut HashSet<u32>) -> Served {
        match relation.kind {
            RelationKind::Table | RelationKind::Partitioned => {
                if !relation.row_security {
                    Served::RowSecurityOff
                } else if relation.row_security_forced {
                    Served::Yes
                } else {
                    Served::RowSecurityNotForced
                }
            }
            RelationKind::Materialized => Served::Materialized,
            RelationKind::Foreign => Served::Foreign,
            RelationKind::View => match unbound(relation) {
                Some(refused @ (Served::DefinerView | Served::Extension)) => refused,
                _ => self.view(relation, seen),
            },
        }
    }

    /// A view is as safe as everything it stands on. The system's own catalogs are not user data and are not in the list.
    fn view(&self, view: &Relation, seen: &mut HashSet<u32>) -> Served {
        if !seen.insert(view.oid) {
            return Served::Yes;
        }
        if self.made.calls_past.contains(&view.oid) {
            return Served::UnsafeFunction;
        }
        let sources = self.made.sources.get(&view.oid).into_iter().flatten();
        let known = sources.filter_map(|oid| self.by_oid.get(oid)).filter_map(|at| self.relations.get(*at));
        for source in known {
            if self.relation(source, seen) != Served::Yes {
                return Served::UnprotectedSource;
            }
        }
        Served::Yes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relation(oid: u32, kind: RelationKind, change: impl FnOnce(&mut Relation)) -> Relation {
        let mut relation = Relation {
            oid,
            schema: "api".into(),
            name: format!("r{oid}").into(),
            kind,
            ..Relation::default()
        };
        change(&mut relation);
        relation
    }

    fn protect(relation: &mut Relation) {
        relation.row_security = true;
        relation.row_security_forced = true;
    }

    fn decided(mut relations: Vec<Relation>, sources: &[(u32, &[u32])], gate: bool) -> Vec<Served> {
        let scope = Scope { exposed: vec!["api".into()], extra: vec![], gate, pre_request: None };
        let sources = sources.iter().map(|(view, on)| (*view, on.to_vec())).collect();
        decide(&mut relations, &Made { sources, calls_past: [6].into() }, &scope);
        relations.iter().map(|relation| relation.served).collect()
    }

    #[test]
    fn tables_without_forced_row_security_are_refused() {
        let tables = vec![
            relation(1, RelationKind::Table, |_| {}),
            relation(2, RelationKind::Table, |table| table.row_security = true),
            relation(3, RelationKind::Partitioned, protect),
        ];
        let expected = [Served::RowSecurityOff, Served::RowSecurityNotForced, Served::Yes];
        assert_eq!(decided(tables.clone(), &[], true), expected);
        assert_eq!(decided(tables, &[], false), [Served::Yes; 3]);
    }

    #[test]
    fn what_cannot_have_row_security_is_refused() {
        let kinds =
            vec![relation(1, RelationKind::Materialized, |_| {}), relation(2, RelationKind::Foreign, |_| {})];
        assert_eq!(decided(kinds, &[], true), [Served::Materialized, Served::Foreign]);
    }

    #[test]
    fn a_view_is_as_safe_as_what_it_stands_on() {
        let relations = vec![
            relation(1, RelationKind::Table, protect),
            relation(2, RelationKind::View, |view| view.security_invoker = true),
            relation(3, RelationKind::View, |view| view.owner_bypasses = true),
            relation(4, RelationKind::View, |view| view.security_invoker = true),
            relation(5, RelationKind::View, |_| {}),
            relation(6, RelationKind::View, |view| view.security_invoker = true),
            relation(7, RelationKind::View, |view| view.security_invoker = true),
        ];
        let sources: &[(u32, &[u32])] = &[(2, &[1]), (3, &[1]), (4, &[3]), (5, &[1]), (7, &[6])];
        let expected = [
            Served::Yes,
            Served::Yes,
            Served::DefinerView,
            Served::UnprotectedSource,
            Served::Yes,
            Served::UnsafeFunction,
            Served::UnprotectedSource,
        ];
        assert_eq!(decided(relations, sources, true), expected);
    }

    #[test]
    fn the_owners_word_is_taken_for_what_cannot_have_policies_and_for_nothing_else() {
        let word = |relation: &mut Relation| relation.acknowledged = Some("reviewed".into());
        let relations = vec![
            relation(1, RelationKind::Table, word),
            relation(2, RelationKind::Materialized, word),
            relation(3, RelationKind::View, |view| {
                view.owner_bypasses = true;
                word(view);
            }),
            relation(4, RelationKind::View, |view| view.security_invoker = true),
        ];
        let expected = [Served::RowSecurityOff, Served::Yes, Served::Yes, Served::UnprotectedSource];
        assert_eq!(decided(relations, &[(4, &[3])], true), expected, "and not for what stands on it");
    }

    #[test]
    fn a_word_for_us_is_not_shown_to_callers() {
        let read = |text: &str| {
            let (said, shown) = read_comment(Some(text.into()));
            (said.map(|said| said.to_string()), shown.map(|shown| shown.to_string()))
        };
        assert_eq!(read("Notes"), (None, Some("Notes".into())));
        let tagged = read("Totals\n@palisade serve: sums only");
        assert_eq!(tagged, (Some("sums only".into()), Some("Totals".into())));
        assert_eq!(read("@palisade serve:  "), (None, None), "a reason is asked for");
        assert_eq!(read("mail me@palisade serve: no"), (None, Some("mail me@palisade serve: no".into())));
    }
}
