//! What is known of the values of each column when the snapshot is built: where it comes from, what is asked of it, what its
//! constraints say. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use super::bounds::Bound;
use super::check::{Asked, Check};
use super::load::{RawCheck, RawKey};
use super::types::TypeKind;
use super::view::Source;
use super::{Column, Constraint, DomainChecks, Relation, Types};

/// Most views on top of each other that are looked through; no more can be, since PostgreSQL's own nesting is bounded.
pub(super) const VIEWS_DEEP: usize = 64;

/// What was read.
pub(super) struct Ruling<'a> {
    /// What views' columns show.
    pub views: &'a HashMap<u32, Vec<Source>>,
    /// What comments ask.
    pub asked: &'a HashMap<(u32, i16), Asked>,
    /// CHECKs.
    pub checks: &'a [RawCheck],
    /// The fields of composite types.
    pub composites: &'a HashMap<u32, Vec<Column>>,
}

/// CHECKs of domains.
pub(super) fn domains(checks: &[RawCheck]) -> DomainChecks {
    let mut all = DomainChecks::new();
    for check in checks.iter().filter(|check| check.domain != 0) {
        all.entry(check.domain).or_default().push((check.name.clone(), check.bounds.clone()));
    }
    all
}

/// Constraints of tables.
pub(super) fn constraints(keys: &[RawKey], checks: &[RawCheck]) -> HashMap<(u32, Arc<str>), Constraint> {
    let keys = keys.iter().map(|key| {
        ((key.relation, key.name.clone()), Constraint { columns: key.columns.clone(), bounds: Vec::new() })
    });
    let checks = checks.iter().filter(|check| check.relation != 0).map(|check| {
        let constraint = Constraint { columns: check.columns.clone(), bounds: check.bounds.clone() };
        ((check.relation, check.name.clone()), constraint)
    });
    keys.chain(checks).collect()
}

/// Fills in what is known of each column.
pub(super) fn columns(
    relations: &mut [Relation],
    types: &Types,
    domains: &DomainChecks,
    ruling: &Ruling<'_>,
) {
    let mut alone: HashMap<(u32, i16), Vec<Bound>> = HashMap::new();
    for check in ruling.checks.iter().filter(|check| check.relation != 0) {
        if let [only] = check.columns.as_slice() {
            alone.entry((check.relation, *only)).or_default().extend(check.bounds.iter().cloned());
        }
    }
    for relation in relations {
        for column in &mut relation.columns {
            let mut asked = Asked::default();
            let mut at = (relation.oid, column.number);
            for _ in 0..VIEWS_DEEP {
                if let Some(here) = ruling.asked.get(&at) {
                    asked.join(here);
                }
                let shows = |sources: &Vec<Source>| {
                    let source = sources.iter().find(|source| source.column == at.1)?;
                    Some((source.relation, source.origin))
                };
                match ruling.views.get(&at.0).and_then(shows) {
                    Some(next) => at = next,
                    None => break,
                }
            }
            column.origin = at;
            column.bounds = alone.get(&at).cloned().unwrap_or_default();
            let mut domain = types.get(column.type_oid);
            while let Some(found) = domain {
                if let Some(here) = &found.asked {
                    asked.join(here);
                }
                let checks = domains.get(&found.oid).into_iter().flatten();
                column.bounds.extend(checks.flat_map(|(_, bounds)| bounds.iter().cloned()));
                domain = found.base.and_then(|base| types.get(base));
            }
            within(&mut asked, types, ruling, column.type_oid, 0);
            if asked != Asked::default() {
                let check = Check::of(asked, column.type_oid, types);
                if let Some(why) = &check.asked.broken {
                    let (relation, column) = (&relation.name, &column.name);
                    tracing::warn!(%relation, %column, %why, "a rule of a column cannot be read; nothing is written to it");
                }
                column.check = Some(Arc::new(check));
            }
        }
    }
}

/// What is asked of the elements of an array holds for each of them. What is asked of a field closes the column: nobody looks into
/// composite values.
fn within(asked: &mut Asked, types: &Types, ruling: &Ruling<'_>, type_oid: u32, deep: usize) {
    let found = types.get(types.base(type_oid)).filter(|_| deep < VIEWS_DEEP);
    if let Some(element) = found.filter(|one| one.kind == TypeKind::Array).and_then(|one| one.element) {
        let mut domain = types.get(element);
        while let Some(found) = domain {
            if let Some(here) = &found.asked {
                asked.join(here);
            }
            domain = found.base.and_then(|base| types.get(base));
        }
        within(asked, types, ruling, element, deep + 1);
    }
    let Some(row) = found.filter(|one| one.kind == TypeKind::Composite).and_then(|one| one.relation) else {
        return;
    };
    let mut fields = Asked::default();
    ruling
        .asked
        .iter()
        .filter(|((relation, _), _)| *relation == row)
        .for_each(|(_, asked)| fields.join(asked));
    for field in ruling.composites.get(&row).into_iter().flatten() {
        let mut domain = types.get(field.type_oid);
        while let Some(found) = domain {
            if let Some(here) = &found.asked {
                fields.join(here);
            }
            domain = found.base.and_then(|base| types.get(base));
        }
        within(&mut fields, types, ruling, field.type_oid, deep + 1);
    }
    if fields != Asked::default() {
        asked.broken.get_or_insert("something is asked of a field of its composite type".into());
    }
}
