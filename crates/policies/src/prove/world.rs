//! The small databases: for each table the rows that can be told apart, and every set of up to three of them.
//!
//! Keys that stand for nothing are interchangeable, so the first row has the first key, and so on; that leaves out
//! only databases that differ in names.

use std::collections::{BTreeSet, HashMap};

use super::domain;
use super::scope::Scope;
use crate::facts::{Column, Relation};
use crate::limits;

/// A value, or NULL.
pub(crate) type Value = Option<String>;

/// A table with the rows it can have.
pub(crate) struct Model<'a> {
    pub table: &'a Relation,
    /// Whether a policy takes its rows as a whole.
    pub whole: bool,
    /// A name that none of its columns has, for the column that numbers rows on the stage.
    pub number: String,
    /// Columns that make a difference.
    pub columns: Vec<&'a Column>,
    /// Columns that only need a value.
    pub fillers: Vec<&'a Column>,
    /// What those have whose usual value the checks refuse.
    pub filled: Vec<Option<String>>,
    /// Rows that can be told apart.
    pub rows: Vec<Vec<Value>>,
    /// Sets of places of columns that are unique.
    unique: Vec<Vec<usize>>,
    /// The table that a foreign key points at, and its columns: the place here, the column there.
    points: Vec<(u32, Vec<(usize, i16)>)>,
    /// The place of a key whose values are interchangeable.
    key: Option<usize>,
}

impl<'a> Model<'a> {
    pub fn new(scope: &Scope<'a>, table: &'a Relation, doubts: &mut BTreeSet<String>) -> Self {
        let facts = scope.facts;
        let (mut columns, mut domains, mut fillers) = (Vec::new(), Vec::new(), Vec::new());
        for column in facts.columns_of(table.oid) {
            let given = !column.generated || column.default.is_none();
            if scope.matters(table, column) && given {
                let (values, doubt) = domain::of(scope, table, column);
                doubts.extend(doubt);
                if !values.is_empty() {
                    columns.push(column);
                    domains.push(values);
                    continue;
                }
            } else if scope.matters(table, column) {
                doubts.insert(format!("{} is generated", column.name));
            }
            // A domain may refuse NULL by itself.
            let wants = column.required || column.type_kind == "d";
            if wants && (column.default.is_none() || column.generated) && given {
                fillers.push(column);
            }
        }
        let place = |number: &i16| columns.iter().position(|column| column.number == *number);
        let keys = facts
            .constraints
            .iter()
            .filter(|one| one.relation == table.oid && matches!(one.kind.as_str(), "p" | "u"));
        let unique =
            keys.filter_map(|key| key.columns.iter().map(place).collect::<Option<Vec<_>>>()).collect();
        let points: Vec<(u32, Vec<(usize, i16)>)> = facts
            .constraints_of(table.oid, "f")
            .map(|key| {
                let pairs = key.columns.iter().zip(&key.target_columns);
                (key.target, pairs.filter_map(|(here, there)| Some((place(here)?, *there))).collect())
            })
            .collect();
        let primary = facts.constraints_of(table.oid, "p").find_map(|key| match key.columns.as_slice() {
            [only] => place(only),
            _ => None,
        });
        let key = primary.filter(|place| {
            !points.iter().flat_map(|(_, pairs)| pairs).any(|(from, _)| from == place)
                && domains.get(*place).is_some_and(|values| !values.contains(&Some(domain::A.to_owned())))
        });
        let rows = product(&domains, limits::PROOF_CANDIDATES.size(), doubts, table);
        let filled = vec![None; fillers.len()];
        let whole = scope.whole.contains(&table.oid);
        let mut number = "palisade_n".to_owned();
        while facts.columns_of(table.oid).any(|column| column.name == number) {
            number.push('_');
        }
        Model { table, whole, number, columns, fillers, filled, rows, unique, points, key }
    }

    /// The value of a column, by its name.
    pub fn value<'r>(&self, row: &'r [Value], column: &str) -> Option<&'r Value> {
        row.get(self.columns.iter().position(|one| one.name == column)?)
    }

    /// The values of several, when none of them is NULL.
    pub fn values<'r>(&self, row: &'r [Value], columns: &[String]) -> Option<Vec<&'r String>> {
        columns.iter().map(|column| self.value(row, column)?.as_ref()).collect()
    }

    /// Every set of up to `most` rows that its keys allow.
    pub fn contents(&self, most: usize) -> (Vec<Vec<usize>>, bool) {
        let small = match self.rows.len() {
            0..=48 => most,
            49..=160 => most.min(2),
            _ => most.min(1),
        };
        let mut all = vec![Vec::new()];
        let mut from = 0;
        for _ in 0..small {
            let until = all.len();
            for at in from..until {
                let Some(set) = all.get(at).cloned() else { continue };
                let first: usize = set.last().map_or(0, |last: &usize| last + 1);
                for row in first..self.rows.len() {
                    let mut larger = set.clone();
                    larger.push(row);
                    if self.allowed(&larger) {
                        all.push(larger);
                    }
                }
            }
            from = until;
        }
        all.retain(|set| self.first_keys(set));
        (all, small == most)
    }

    fn allowed(&self, set: &[usize]) -> bool {
        self.unique.iter().all(|places| {
            let mut seen = Vec::new();
            set.iter().all(|row| {
                let row = self.rows.get(*row).map(Vec::as_slice).unwrap_or_default();
                let values: Option<Vec<&String>> =
                    places.iter().map(|place| row.get(*place)?.as_ref()).collect();
                let Some(values) = values else { return true };
                let is_new = !seen.contains(&values);
                seen.push(values);
                is_new
            })
        })
    }

    /// Whether the keys in use are the first ones.
    fn first_keys(&self, set: &[usize]) -> bool {
        let Some(place) = self.key else { return true };
        let value = |row: &usize| self.rows.get(*row)?.get(place).cloned();
        let mut used: Vec<Value> = set.iter().filter_map(value).collect();
        used.sort();
        let mut all: Vec<Value> = self.rows.iter().filter_map(|row| row.get(place).cloned()).collect();
        all.sort();
        all.dedup();
        all.starts_with(&used)
    }
}

fn product(
    domains: &[Vec<Value>],
    most: usize,
    doubts: &mut BTreeSet<String>,
    table: &Relation,
) -> Vec<Vec<Value>> {
    let mut rows = vec![Vec::new()];
    for domain in domains {
        let longer = rows.iter().flat_map(|row| {
            domain.iter().map(move |value| {
                let mut row: Vec<Value> = row.clone();
                row.push(value.clone());
                row
            })
        });
        rows = longer.take(most + 1).collect();
    }
    if rows.len() > most {
        doubts.insert(format!("{} can have more rows than are tried", table.title()));
        rows.truncate(most);
    }
    rows
}

/// The databases to look at.
pub(crate) struct Worlds {
    /// Per table the sets of rows it can hold.
    pub contents: Vec<Vec<Vec<usize>>>,
    /// Each database: per table which of its sets.
    pub list: Vec<Vec<usize>>,
    /// Where a database stands in the list.
    pub places: HashMap<Vec<usize>, usize>,
}

impl Worlds {
    pub fn new(models: &[Model<'_>], doubts: &mut BTreeSet<String>) -> Self {
        let mut contents = Vec::new();
        for model in models {
            let (sets, whole) = model.contents(super::rows_max());
            if !whole {
                doubts.insert(format!("{} can hold more than is tried", model.table.title()));
            }
            contents.push(sets);
        }
        let most = limits::PROOF_WORLDS.size();
        let all: usize = contents.iter().map(Vec::len).fold(1, usize::saturating_mul);
        let mut list = Vec::new();
        let mut dice = 1_u64;
        let tries = if all <= most * 100 { all } else { most * 4 };
        for number in 0..tries {
            let chosen = match all <= most * 100 {
                true => digits(number, &contents),
                false => digits(usize::try_from(roll(&mut dice)).unwrap_or(0) % all, &contents),
            };
            if points_at_something(models, &contents, &chosen) {
                list.push(chosen);
            }
        }
        if all > most * 100 || list.len() > most {
            doubts.insert(format!("there are more than {most} databases to look at"));
        }
        if list.len() > most {
            // Every so many, so that small and large ones are among them.
            let step = list.len().div_ceil(most);
            list = list.into_iter().step_by(step).collect();
        }
        let places = list.iter().enumerate().map(|(at, world)| (world.clone(), at)).collect();
        Worlds { contents, list, places }
    }

    /// The rows of a table in a database.
    pub fn rows(&self, world: usize, table: usize) -> &[usize] {
        let set = self.list.get(world).and_then(|world| world.get(table)).copied().unwrap_or(0);
        self.contents.get(table).and_then(|sets| sets.get(set)).map(Vec::as_slice).unwrap_or_default()
    }
}

fn roll(dice: &mut u64) -> u64 {
    *dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *dice >> 16
}

fn digits(mut number: usize, contents: &[Vec<Vec<usize>>]) -> Vec<usize> {
    let digit = |sets: &Vec<Vec<usize>>| {
        let digit = number % sets.len().max(1);
        number /= sets.len().max(1);
        digit
    };
    contents.iter().map(digit).collect()
}

/// Whether every foreign key between the tables finds its row.
fn points_at_something(models: &[Model<'_>], contents: &[Vec<Vec<usize>>], world: &[usize]) -> bool {
    let held = |at: usize| contents.get(at)?.get(*world.get(at)?).map(Vec::as_slice);
    models.iter().enumerate().all(|(at, model)| {
        held(at).unwrap_or_default().iter().all(|row| {
            let row = model.rows.get(*row).map(Vec::as_slice).unwrap_or_default();
            model.finds(row, models, |table| held(table).unwrap_or_default().to_vec())
        })
    })
}

impl Model<'_> {
    /// Whether what a row points at is there.
    pub fn finds(&self, row: &[Value], models: &[Model<'_>], held: impl Fn(usize) -> Vec<usize>) -> bool {
        self.points.iter().all(|(target, pairs)| {
            let Some(at) = models.iter().position(|model| model.table.oid == *target) else { return true };
            let Some(model) = models.get(at) else { return true };
            let there = |number: i16| model.columns.iter().position(|column| column.number == number);
            let pairs: Vec<(Option<&Value>, usize)> =
                pairs.iter().filter_map(|(here, number)| Some((row.get(*here), there(*number)?))).collect();
            // A key with a NULL in it points at nothing.
            if pairs.is_empty() || pairs.iter().any(|(value, _)| value.is_none_or(Option::is_none)) {
                return true;
            }
            held(at).iter().any(|found| {
                let found = model.rows.get(*found);
                found.is_some_and(|found| pairs.iter().all(|(value, there)| found.get(*there) == *value))
            })
        })
    }
}
