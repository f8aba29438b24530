//! The gate: a relation that row level security does not bind is not served (controls 40 and 41).
//!
//! Decided once per snapshot. To the caller a refused relation does not exist; the operator reads the reason here.
//! Invariant: what is not known to be protected is refused.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::catalog::{Catalog, Relation, RelationKind, Scope, Served};

/// A relation in an exposed schema that is not served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its schema.
    pub schema: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Why.
    pub why: Served,
    /// The one statement that changes it, when there is one.
    pub fix: Option<String>,
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
            Served::Materialized => "a materialised view has no row level security",
            Served::Foreign => "a foreign table has no row level security",
        }
    }
}

/// What is in the exposed schemas and yet not served, with the reason: for posture and `palisade doctor`.
pub fn report(catalog: &Catalog) -> Vec<Refusal> {
    let refused = |relation: &&Relation| {
        !matches!(relation.served, Served::Yes | Served::NotExposed | Served::Partition)
    };
    catalog
        .relations
        .iter()
        .filter(refused)
        .map(|relation| Refusal {
            schema: relation.schema.clone(),
            name: relation.name.clone(),
            why: relation.served,
            fix: fix(relation),
        })
        .collect()
}

fn fix(relation: &Relation) -> Option<String> {
    let name = format!("{}.{}", crate::sql::ident(&relation.schema), crate::sql::ident(&relation.name));
    match relation.served {
        Served::RowSecurityOff | Served::RowSecurityNotForced => {
            Some(format!("ALTER TABLE {name} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"))
        }
        Served::DefinerView => Some(format!("ALTER VIEW {name} SET (security_invoker = true)")),
        _ => None,
    }
}

/// Marks each relation. `sources` is what each view stands on.
pub(crate) fn decide(relations: &mut [Relation], sources: &HashMap<u32, Vec<u32>>, scope: &Scope) {
    let by_oid: HashMap<u32, usize> = relations.iter().enumerate().map(|(at, one)| (one.oid, at)).collect();
    let judge = Judge { relations, by_oid: &by_oid, sources };
    let decided: Vec<Served> = relations
        .iter()
        .map(|relation| match relation.served {
            Served::Partition => Served::Partition,
            _ if !scope.exposes(&relation.schema) => Served::NotExposed,
            _ if !scope.gate => Served::Yes,
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
    sources: &'a HashMap<u32, Vec<u32>>,
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
            RelationKind::View if !relation.security_invoker && relation.owner_bypasses => {
                Served::DefinerView
            }
            RelationKind::View => self.view(relation, seen),
        }
    }

    /// A view is as safe as everything it stands on. The system's own catalogs are not user data and are not in the list.
    fn view(&self, view: &Relation, seen: &mut HashSet<u32>) -> Served {
        if !seen.insert(view.oid) {
            return Served::Yes;
        }
        let sources = self.sources.get(&view.oid).into_iter().flatten();
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
        let scope = Scope { exposed: vec!["api".into()], extra: vec![], gate };
        let sources = sources.iter().map(|(view, on)| (*view, on.to_vec())).collect();
        decide(&mut relations, &sources, &scope);
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
        ];
        let sources: &[(u32, &[u32])] = &[(2, &[1]), (3, &[1]), (4, &[3]), (5, &[1])];
        let expected =
            [Served::Yes, Served::Yes, Served::DefinerView, Served::UnprotectedSource, Served::Yes];
        assert_eq!(decided(relations, sources, true), expected);
    }
}
