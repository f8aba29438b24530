//! What somebody changed by hand: the database beside one that is made from the files alone.

use pg::admin::Target;
use pg::bootstrap::{self, Wanted};
use serde::Serialize;

use crate::apply;
use crate::copy::create_database;
use crate::error::Error;
use crate::files::{self, File, Step};
use crate::snapshot::{self, Object, Snapshot};
use crate::{Migrations, Parts, limits};

/// One object that is not as the files say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// `added`, `changed` or `removed`, in the database.
    pub how: How,
    /// `table`, `column`, `policy`, …
    pub kind: String,
    /// Which.
    pub name: String,
    /// The SQL that does to a database made from the files what was done to this one.
    pub sql: String,
}

/// What was done by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// The files do not know it.
    Added,
    /// The files say it differently.
    Changed,
    /// The files make it, and it is not there.
    Removed,
}

impl Migrations {
    /// Makes a database from the files alone, compares, and drops it.
    pub async fn diff(&self, files: &[File]) -> Result<Vec<Difference>, Error> {
        let steps = files::read(files)?;
        let parts = &self.parts;
        let here = snapshot::take(&parts.admin.connect().await?).await?;
        self.apart(async move |parts, target| Ok(compare(&make(&parts, &target, &steps).await?, &here))).await
    }
}

async fn make(parts: &Parts, target: &Target, steps: &[Step]) -> Result<Snapshot, Error> {
    create_database(&parts.admin, &target.database).await?;
    let wanted = Wanted { database: target.database.clone(), ..parts.wanted.clone() };
    // The cluster's own part (roles, passwords) is there already and nothing of it is touched.
    let plan = bootstrap::plan(target, &wanted, bootstrap::Scope::Database).await?;
    bootstrap::apply(target, &wanted, &plan).await?;
    let mut client = target.connect().await?;
    pg::migrate::run(&mut client, &parts.ours).await?;
    for step in steps {
        let allowed: Vec<String> = vec!["*".to_owned()];
        apply::apply(&client, parts, step, &allowed).await?;
    }
    snapshot::take(&client).await
}

/// What leads from one to the other, in an order in which it can be run: what goes first, from its dependents to what
/// they stand on, then what comes, the other way round.
pub(crate) fn compare(from: &Snapshot, to: &Snapshot) -> Vec<Difference> {
    let mut removals: Vec<(&Object, Difference)> = Vec::new();
    let mut additions: Vec<(&Object, Difference)> = Vec::new();
    let difference = |how, kind: &str, name: &str, sql: String| Difference {
        how,
        kind: kind.to_owned(),
        name: name.to_owned(),
        sql,
    };
    for ((kind, name), object) in from {
        if !to.contains_key(&(kind.clone(), name.clone())) && !goes_with_its_table(kind, name, from, to) {
            removals.push((object, difference(How::Removed, kind, name, object.removed.clone())));
        }
    }
    for ((kind, name), object) in to {
        match from.get(&(kind.clone(), name.clone())) {
            None if comes_with_its_enum(kind, name, from) => {}
            None => additions.push((object, difference(How::Added, kind, name, object.made.clone()))),
            Some(old) if old.compared != object.compared => {
                // What is made anew goes first and comes last, like what is removed and added, so that what it stands on can
                // be changed between.
                if object.changed.is_none() {
                    removals.push((old, difference(How::Changed, kind, name, old.removed.clone())));
                }
                let sql = object.changed.as_ref().unwrap_or(&object.made);
                additions.push((object, difference(How::Changed, kind, name, sql.clone())));
            }
            Some(_) => {}
        }
    }
    removals.sort_by_key(|(object, _)| std::cmp::Reverse((object.rank, object.place)));
    additions.sort_by_key(|(object, _)| (object.rank, object.place));
    let all = removals.into_iter().chain(additions).map(|(_, difference)| difference);
    all.take(limits::DIFFERENCES_MAX.size()).collect()
}

/// A label of an enum that is made with all of them.
fn comes_with_its_enum(kind: &str, name: &str, from: &Snapshot) -> bool {
    let is_there = |one: &str| from.contains_key(&("enum".to_owned(), one.to_owned()));
    kind == "enum value" && cut(name, ' ').next().is_some_and(|(enumeration, _)| !is_there(enumeration))
}

/// What is dropped by dropping its table needs no statement of its own.
fn goes_with_its_table(kind: &str, name: &str, from: &Snapshot, to: &Snapshot) -> bool {
    let gone = |kind: &str, name: &str| {
        let key = (kind.to_owned(), name.to_owned());
        from.contains_key(&key) && !to.contains_key(&key)
    };
    let under_table = matches!(
        kind,
        "column"
            | "identity"
            | "default"
            | "not null"
            | "constraint"
            | "trigger"
            | "policy"
            | "row level security"
    );
    if under_table {
        let cut = if matches!(kind, "constraint" | "trigger" | "policy") {
            cut(name, ' ').next()
        } else {
            cut(name, '.').last()
        };
        let table = if kind == "row level security" { name } else { cut.map_or(name, |(table, _)| table) };
        let column_gone = matches!(kind, "identity" | "default" | "not null") && gone("column", name);
        return gone("table", table) || column_gone;
    }
    match kind {
        "enum value" => cut(name, ' ').next().is_some_and(|(enumeration, _)| gone("enum", enumeration)),
        "grant" | "comment" => {
            // `TABLE public."a b" to anon`, `MATERIALIZED VIEW public.m`.
            let object = match kind {
                "grant" => cut(name, ' ').nth_back(1).map_or(name, |(object, _)| object),
                _ => name,
            };
            let object = object.strip_prefix("MATERIALIZED ").unwrap_or(object);
            let object = object.split_once(' ').map_or(object, |(_, object)| object);
            let known = [
                "table",
                "view",
                "materialized view",
                "sequence",
                "function",
                "enum",
                "domain",
                "schema",
                "column",
                "index",
            ];
            known.into_iter().any(|kind| gone(kind, object))
                || cut(object, '.').last().is_some_and(|(table, _)| gone("table", table))
        }
        _ => false,
    }
}

/// The ways to cut a name in two at a sign that stands in no quotes.
fn cut(name: &str, sign: char) -> impl DoubleEndedIterator<Item = (&str, &str)> {
    let mut quoted = false;
    let places: Vec<usize> = name
        .char_indices()
        .filter(|(_, one)| {
            quoted ^= *one == '"';
            !quoted && *one == sign
        })
        .map(|(at, _)| at)
        .collect();
    places.into_iter().filter_map(move |at| Some((name.get(..at)?, name.get(at + sign.len_utf8()..)?)))
}
