//! Which link an embed means.

use crate::ask::Embed;
use crate::catalog::{Catalog, Columns, Link, LinkKind, Relation};
use crate::error::{Candidate, Error};

use super::suggest;

/// The one link from `origin` that `embed` means. `schema` and `shown` are the origin's names in a refusal.
pub(super) fn find<'a>(
    catalog: &'a Catalog,
    origin: Option<&'a Relation>,
    schema: &str,
    shown: &str,
    embed: &Embed,
) -> Result<&'a Link, Error> {
    let all = origin.map_or(&[][..], |origin| catalog.links_of(origin.id));
    // Only what is in the schema asked for can be named.
    let in_schema =
        |link: &&Link| catalog.relation(link.target).is_some_and(|target| &*target.schema == schema);
    let matching: Vec<&Link> = all
        .iter()
        .filter(in_schema)
        .filter(|link| means(catalog, link, &embed.target, embed.hint.as_deref()))
        .collect();
    match matching.as_slice() {
        [only] => Ok(only),
        [] => Err(Error::NoRelationship {
            schema: schema.into(),
            source_name: shown.into(),
            target: embed.target.as_str().into(),
            hint: embed.hint.clone(),
            suggestion: suggest::relationship(catalog, schema, origin, shown, &embed.target),
        }),
        several => Err(Error::AmbiguousRelationship {
            source_name: shown.to_owned(),
            target: embed.target.clone(),
            candidates: several.iter().filter_map(|link| describe(catalog, origin?, link)).collect(),
        }),
    }
}

/// Whether `target` (and `hint`) name this link. A target is the relation, or its key's name or column as long as the
/// relation is no view; a hint is a key, a column of either side or a junction.
fn means(catalog: &Catalog, link: &Link, target: &str, hint: Option<&str>) -> bool {
    let Some(relation) = catalog.relation(link.target) else { return false };
    let by_name = &*relation.name == target;
    if let LinkKind::Computed { name, .. } = &link.kind {
        return &**name == target;
    }
    let one_to_many = matches!(link.kind, LinkKind::OneToMany { .. });
    let many_to_one = matches!(link.kind, LinkKind::ManyToOne { .. });
    if link.to_self {
        return match hint {
            None => (by_name && one_to_many) || (many_to_one && column_here(link) == Some(target)),
            Some(hint) => by_name && one_to_many && column_there(link) == Some(hint),
        };
    }
    match hint {
        None => {
            let by_key = constraint(link) == Some(target) || column_here(link) == Some(target);
            by_name || (by_key && !relation.kind.is_view())
        }
        Some(hint) => {
            let by_junction = junction(catalog, link).is_some_and(|junction| &*junction.name == hint);
            let by_key = constraint(link) == Some(hint);
            by_name
                && (by_key
                    || column_here(link) == Some(hint)
                    || column_there(link) == Some(hint)
                    || by_junction)
        }
    }
}

fn keyed(link: &Link) -> Option<(&str, &Columns)> {
    match &link.kind {
        LinkKind::OneToMany { constraint, columns }
        | LinkKind::ManyToOne { constraint, columns }
        | LinkKind::OneToOne { constraint, columns, .. } => Some((constraint, columns)),
        LinkKind::ManyToMany { .. } | LinkKind::Computed { .. } => None,
    }
}

fn constraint(link: &Link) -> Option<&str> {
    keyed(link).map(|(constraint, _)| constraint)
}

fn column_here(link: &Link) -> Option<&str> {
    match keyed(link)?.1.as_slice() {
        [(here, _)] => Some(here),
        _ => None,
    }
}

fn column_there(link: &Link) -> Option<&str> {
    match keyed(link)?.1.as_slice() {
        [(_, there)] => Some(there),
        _ => None,
    }
}

fn junction<'a>(catalog: &'a Catalog, link: &Link) -> Option<&'a Relation> {
    match link.kind {
        LinkKind::ManyToMany { junction, .. } => catalog.relation(junction),
        _ => None,
    }
}

fn describe(catalog: &Catalog, origin: &Relation, link: &Link) -> Option<Candidate> {
    let target = catalog.relation(link.target)?;
    let list = |names: Vec<&str>| format!("({})", names.join(", "));
    let here = |columns: &Columns| list(columns.iter().map(|(here, _)| &**here).collect());
    let there = |columns: &Columns| list(columns.iter().map(|(_, there)| &**there).collect());
    let by_key = |constraint: &str, columns: &Columns| {
        let (here, there) = (here(columns), there(columns));
        format!("{constraint} using {}{here} and {}{there}", origin.name, target.name)
    };
    let (cardinality, relationship, hint) = match &link.kind {
        LinkKind::OneToMany { constraint, columns } => {
            ("one-to-many", by_key(constraint, columns), constraint.clone())
        }
        LinkKind::ManyToOne { constraint, columns } => {
            ("many-to-one", by_key(constraint, columns), constraint.clone())
        }
        LinkKind::OneToOne { constraint, columns, .. } => {
            ("one-to-one", by_key(constraint, columns), constraint.clone())
        }
        LinkKind::ManyToMany { junction, constraint, source, target_constraint, target } => {
            let junction = catalog.relation(*junction)?;
            let (one, other) = (there(source), there(target));
            let words = format!("{} using {constraint}{one} and {target_constraint}{other}", junction.name);
            ("many-to-many", words, junction.name.clone())
        }
        LinkKind::Computed { .. } => return None,
    };
    Some(Candidate {
        cardinality,
        source: origin.name.to_string(),
        target: target.name.to_string(),
        relationship,
        hint: hint.to_string(),
        relations: [Some(origin), Some(target), junction(catalog, link)]
            .into_iter()
            .flatten()
            .map(|one| one.oid)
            .collect(),
    })
}
