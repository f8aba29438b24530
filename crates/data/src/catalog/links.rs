//! How relations hang together: foreign keys seen from both ends, through junctions, through views, and written as
//! functions.
//!
//! Invariant: both ends of a link, and its junction, are served. What is not served cannot be reached by embedding.

use std::collections::HashMap;
use std::sync::Arc;

use super::load::RawKey;
use super::view::Source;
use super::{Function, Relation, RelationId, Returns, Served};

/// Pairs of columns that are equal: this side, that side.
pub type Columns = Vec<(Arc<str>, Arc<str>)>;

/// A way from the rows of one relation to rows of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Where to.
    pub target: RelationId,
    /// Whether both ends are the same relation.
    pub to_self: bool,
    /// How.
    pub kind: LinkKind,
}

/// How two relations hang together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// The other side holds the key.
    OneToMany {
        /// The foreign key.
        constraint: Arc<str>,
        /// Columns here and there.
        columns: Columns,
    },
    /// This side holds the key.
    ManyToOne {
        /// The foreign key.
        constraint: Arc<str>,
        /// Columns here and there.
        columns: Columns,
    },
    /// The key is unique: at most one row on either side.
    OneToOne {
        /// The foreign key.
        constraint: Arc<str>,
        /// Columns here and there.
        columns: Columns,
        /// Whether the other side holds the key.
        parent: bool,
    },
    /// A table between them holds two keys, both part of its primary key.
    ManyToMany {
        /// The table between.
        junction: RelationId,
        /// Its key to this side.
        constraint: Arc<str>,
        /// Columns here and there in the junction.
        source: Columns,
        /// Its key to the other side.
        target_constraint: Arc<str>,
        /// Columns on the other side and in the junction.
        target: Columns,
    },
    /// A function of a row of this side.
    Computed {
        /// The function's schema.
        schema: Arc<str>,
        /// The function's name.
        name: Arc<str>,
        /// Whether it gives at most one row.
        to_one: bool,
    },
}

impl Link {
    /// Whether at most one row is at the other end.
    pub fn to_one(&self) -> bool {
        match self.kind {
            LinkKind::ManyToOne { .. } | LinkKind::OneToOne { .. } => true,
            LinkKind::Computed { to_one, .. } => to_one,
            LinkKind::OneToMany { .. } | LinkKind::ManyToMany { .. } => false,
        }
    }
}

/// A foreign key between relations by number, before it is known who may see it.
#[derive(Clone)]
struct Key {
    constraint: Arc<str>,
    source: usize,
    target: usize,
    columns: Vec<(i16, i16)>,
    unique: bool,
}

/// What a view shows: for each column of a table, the view's columns that show it.
type Shown = HashMap<(u32, i16), Vec<i16>>;

/// Derives every link, and fills in the primary keys that views show.
pub(super) fn derive(
    relations: &mut [Relation],
    keys: &[RawKey],
    views: &HashMap<u32, Vec<Source>>,
    computed: &[&Function],
) -> HashMap<RelationId, Vec<Link>> {
    let by_oid: HashMap<u32, usize> = relations.iter().enumerate().map(|(at, one)| (one.oid, at)).collect();
    let shown: Vec<(usize, Shown)> = relations
        .iter()
        .enumerate()
        .filter(|(_, relation)| relation.served != Served::NotExposed)
        .filter(|(_, relation)| views.contains_key(&relation.oid))
        .map(|(at, relation)| (at, trace(relation.oid, views)))
        .collect();
    fill_primary_keys(relations, keys, &by_oid, &shown);
    let mut one_way = foreign_keys(keys, &by_oid);
    add_views(&mut one_way, relations, &shown);

    let mut links: HashMap<RelationId, Vec<Link>> = HashMap::new();
    // Whatever has a key has an entry, even when nothing at its ends may be named.
    for end in one_way.iter().flat_map(|key| [key.source, key.target]) {
        links.entry(RelationId(end)).or_default();
    }
    let mut add = |source: usize, link: Link| links.entry(RelationId(source)).or_default().push(link);
    for key in &one_way {
        let Some(columns) = named(relations, key.source, key.target, &key.columns) else { continue };
        let back: Columns = columns.iter().map(|(here, there)| (there.clone(), here.clone())).collect();
        let to_self = key.source == key.target;
        let constraint = &key.constraint;
        let link = |target, kind| Link { target: RelationId(target), to_self, kind };
        if key.unique {
            let kind = LinkKind::OneToOne { constraint: constraint.clone(), columns, parent: false };
            add(key.source, link(key.target, kind));
            let kind = LinkKind::OneToOne { constraint: constraint.clone(), columns: back, parent: true };
            add(key.target, link(key.source, kind));
        } else {
            add(
                key.source,
                link(key.target, LinkKind::ManyToOne { constraint: constraint.clone(), columns }),
            );
            add(
                key.target,
                link(key.source, LinkKind::OneToMany { constraint: constraint.clone(), columns: back }),
            );
        }
    }
    for (source, link) in junctions(relations, &one_way) {
        add(source, link);
    }
    add_computed(&mut links, relations, computed);
    keep_served(&mut links, relations);
    links
}

/// Follows a view's columns down to every relation they come from.
fn trace(view: u32, views: &HashMap<u32, Vec<Source>>) -> Shown {
    let mut shown = Shown::new();
    let mut open: Vec<(i16, u32, i16, Vec<u32>)> = views
        .get(&view)
        .into_iter()
        .flatten()
        .map(|source| (source.column, source.relation, source.origin, vec![view]))
        .collect();
    while let Some((column, relation, origin, path)) = open.pop() {
        let columns = shown.entry((relation, origin)).or_default();
        if !columns.contains(&column) {
            columns.push(column);
            columns.sort_unstable();
        }
        // A recursive view stands on itself.
        if path.contains(&relation) {
            continue;
        }
        for source in views.get(&relation).into_iter().flatten().filter(|source| source.column == origin) {
            let mut path = path.clone();
            path.push(relation);
            open.push((column, source.relation, source.origin, path));
        }
    }
    shown
}

fn fill_primary_keys(
    relations: &mut [Relation],
    keys: &[RawKey],
    by_oid: &HashMap<u32, usize>,
    shown: &[(usize, Shown)],
) {
    for key in keys.iter().filter(|key| key.kind == 'p') {
        let Some(relation) = by_oid.get(&key.relation).and_then(|at| relations.get_mut(*at)) else {
            continue;
        };
        let mut names: Vec<Arc<str>> =
            key.columns.iter().filter_map(|number| relation.column_name(*number).cloned()).collect();
        relation.key_order.clone_from(&names);
        names.sort();
        relation.primary_key = names;
    }
    for (at, shown) in shown {
        let Some(view) = relations.get_mut(*at) else { continue };
        for key in keys.iter().filter(|key| key.kind == 'p') {
            let first = |number: &i16| {
                shown.get(&(key.relation, *number)).and_then(|columns| columns.first()).copied()
            };
            let Some(numbers) = key.columns.iter().map(first).collect::<Option<Vec<i16>>>() else { continue };
            let names: Vec<Arc<str>> =
                numbers.iter().filter_map(|number| view.column_name(*number).cloned()).collect();
            view.primary_key.extend(names);
        }
        view.primary_key.sort();
    }
}

fn foreign_keys(keys: &[RawKey], by_oid: &HashMap<u32, usize>) -> Vec<Key> {
    let sorted = |columns: &[i16]| {
        let mut columns = columns.to_vec();
        columns.sort_unstable();
        columns
    };
    let mut unique: HashMap<u32, Vec<Vec<i16>>> = HashMap::new();
    for key in keys.iter().filter(|key| key.kind != 'f') {
        unique.entry(key.relation).or_default().push(sorted(&key.columns));
    }
    let foreign = |key: &RawKey| {
        let columns = sorted(&key.columns);
        Some(Key {
            constraint: key.name.clone(),
            source: *by_oid.get(&key.relation)?,
            target: *by_oid.get(&key.referenced_relation)?,
            columns: key.columns.iter().copied().zip(key.referenced.iter().copied()).collect(),
            unique: unique.get(&key.relation).is_some_and(|all| all.contains(&columns)),
        })
    };
    keys.iter().filter(|key| key.kind == 'f').filter_map(foreign).collect()
}

/// A view that shows all columns of one end of a key stands for that end, once for each way of showing them.
fn add_views(keys: &mut Vec<Key>, relations: &[Relation], shown: &[(usize, Shown)]) {
    let mut more = Vec::new();
    for key in keys.iter() {
        let end = |oid: Option<u32>, numbers: Vec<i16>| -> Vec<(usize, Vec<i16>)> {
            let Some(oid) = oid else { return Vec::new() };
            shown
                .iter()
                .flat_map(|(view, shown)| ways(shown, oid, &numbers).into_iter().map(|way| (*view, way)))
                .collect()
        };
        let oid = |at: usize| relations.get(at).map(|relation| relation.oid);
        let sources = end(oid(key.source), key.columns.iter().map(|(here, _)| *here).collect());
        let targets = end(oid(key.target), key.columns.iter().map(|(_, there)| *there).collect());
        let there = || key.columns.iter().map(|(_, there)| *there);
        let here = || key.columns.iter().map(|(here, _)| *here);
        for (source, columns) in &sources {
            more.push(Key {
                source: *source,
                columns: columns.iter().copied().zip(there()).collect(),
                ..key.clone()
            });
        }
        for (target, columns) in &targets {
            more.push(Key {
                target: *target,
                columns: here().zip(columns.iter().copied()).collect(),
                ..key.clone()
            });
        }
        for (source, source_columns) in &sources {
            for (target, target_columns) in &targets {
                let columns = source_columns.iter().copied().zip(target_columns.iter().copied()).collect();
                more.push(Key { source: *source, target: *target, columns, ..key.clone() });
            }
        }
    }
    keys.extend(more);
}

/// Every choice of one view column for each column of a table; none when one of them is not shown.
fn ways(shown: &Shown, table: u32, numbers: &[i16]) -> Vec<Vec<i16>> {
    let mut ways: Vec<Vec<i16>> = vec![Vec::new()];
    for number in numbers {
        let Some(columns) = shown.get(&(table, *number)) else { return Vec::new() };
        let extend = |way: &Vec<i16>| -> Vec<Vec<i16>> {
            columns.iter().map(|column| way.iter().copied().chain([*column]).collect()).collect()
        };
        ways = ways.iter().flat_map(extend).collect();
    }
    ways
}

fn named(relations: &[Relation], source: usize, target: usize, columns: &[(i16, i16)]) -> Option<Columns> {
    let (source, target) = (relations.get(source)?, relations.get(target)?);
    let name = |(here, there): &(i16, i16)| {
        Some((source.column_name(*here)?.clone(), target.column_name(*there)?.clone()))
    };
    columns.iter().map(name).collect()
}

/// Two keys of one table, both within its primary key, link what they point at.
fn junctions(relations: &[Relation], keys: &[Key]) -> Vec<(usize, Link)> {
    let mut by_source: HashMap<usize, Vec<&Key>> = HashMap::new();
    for key in keys.iter().filter(|key| !key.unique) {
        by_source.entry(key.source).or_default().push(key);
    }
    let mut found = Vec::new();
    for (at, keys) in by_source {
        let Some(junction) = relations.get(at) else { continue };
        for one in &keys {
            for other in keys.iter().filter(|other| other.constraint != one.constraint) {
                let (Some(to_one), Some(to_other)) = (
                    named(relations, at, one.target, &one.columns),
                    named(relations, at, other.target, &other.columns),
                ) else {
                    continue;
                };
                let in_key =
                    |columns: &Columns| columns.iter().all(|(here, _)| junction.primary_key.contains(here));
                if !in_key(&to_one) || !in_key(&to_other) {
                    continue;
                }
                let swap =
                    |columns: Columns| columns.into_iter().map(|(here, there)| (there, here)).collect();
                let kind = LinkKind::ManyToMany {
                    junction: RelationId(at),
                    constraint: one.constraint.clone(),
                    source: swap(to_one),
                    target_constraint: other.constraint.clone(),
                    target: swap(to_other),
                };
                found.push((
                    one.target,
                    Link { target: RelationId(other.target), to_self: one.target == other.target, kind },
                ));
            }
        }
    }
    found
}

/// A function of a row that gives rows is a link of its own name, and takes the place of keys to a relation so named.
fn add_computed(links: &mut HashMap<RelationId, Vec<Link>>, relations: &[Relation], functions: &[&Function]) {
    let by_row_type: HashMap<u32, usize> = relations
        .iter()
        .enumerate()
        .filter(|(_, one)| one.row_type != 0)
        .map(|(at, one)| (one.row_type, at))
        .collect();
    for function in functions {
        let ([parameter], Returns::Row { .. }) = (function.parameters.as_slice(), &function.returns) else {
            continue;
        };
        let ends = (by_row_type.get(&parameter.type_oid), by_row_type.get(&function.return_type));
        let (Some(source), Some(target)) = ends else { continue };
        let of_source = links.entry(RelationId(*source)).or_default();
        of_source.retain(|link| {
            let name = relations.get(link.target.0).map(|one| (&one.schema, &one.name));
            let is_key = !matches!(link.kind, LinkKind::Computed { .. });
            !(is_key && name == Some((&function.schema, &function.name)))
        });
        let kind = LinkKind::Computed {
            schema: function.schema.clone(),
            name: function.name.clone(),
            to_one: !function.set || function.one_row,
        };
        of_source.push(Link { target: RelationId(*target), to_self: source == target, kind });
    }
}

fn keep_served(links: &mut HashMap<RelationId, Vec<Link>>, relations: &[Relation]) {
    let served = |id: RelationId| relations.get(id.0).is_some_and(|relation| relation.served == Served::Yes);
    links.retain(|source, _| served(*source));
    for all in links.values_mut() {
        all.retain(|link| match link.kind {
            LinkKind::ManyToMany { junction, .. } => served(link.target) && served(junction),
            _ => served(link.target),
        });
        all.sort_by_cached_key(|link| order_key(link, relations));
        all.dedup();
    }
}

/// The order in which ambiguous links are listed: stable, and the same at each start.
fn order_key(link: &Link, relations: &[Relation]) -> (String, bool, u8, String) {
    let name = |id: RelationId| {
        relations.get(id.0).map_or(String::new(), |one| format!("{}.{}", one.schema, one.name))
    };
    let (rank, detail) = match &link.kind {
        LinkKind::OneToMany { constraint, columns } => (0, format!("{constraint}{columns:?}")),
        LinkKind::ManyToOne { constraint, columns } => (1, format!("{constraint}{columns:?}")),
        LinkKind::OneToOne { constraint, columns, parent } => (2, format!("{constraint}{columns:?}{parent}")),
        LinkKind::ManyToMany { junction, constraint, target_constraint, .. } => {
            (3, format!("{}.{constraint}.{target_constraint}", name(*junction)))
        }
        LinkKind::Computed { schema, name, .. } => (4, format!("{schema}.{name}")),
    };
    (name(link.target), link.to_self, rank, detail)
}
