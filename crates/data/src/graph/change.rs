//! Changes: one statement each, which gives the number of rows touched and the JSON of what is given back.
//!
//! Values on their way into checked columns ([`crate::clean`]) are checked when the statement runs.
//! Invariant: the rows given back are those that were written; what is nested in them is read as it was before.

use std::sync::Arc;

use super::ask::{Act, Change, Given, Gives, Object, Text, Value};
use super::build::{Build, Compiled, Part, ROW, json_object, where_};
use crate::ask::Name;
use pg::Param;
use serde_json::{Map, Value as Json};

use crate::catalog::arguments::Asks;
use crate::catalog::check::Check;
use crate::catalog::{Catalog, Column, Parameter};
use crate::error::Error;
use crate::sql::ident;

/// The name of the rows written.
const WRITTEN: &str = "m";

/// A change, compiled.
#[derive(Clone, Debug)]
pub struct CompiledChange {
    /// The statement: one row of a count and a JSON value.
    pub statement: Compiled,
    /// Most rows that may be touched.
    pub at_most: Option<i64>,
    /// What is changed; nothing in particular by a function.
    pub relation: Option<Name>,
    /// The rows sent: each value's column, and which of the statement's parameters it is.
    sent: Vec<Vec<(String, usize)>>,
}

impl CompiledChange {
    /// The rows sent, for whoever says which of their values was refused.
    pub fn sent(&self, slots: &[Param]) -> Vec<Map<String, Json>> {
        let Ok(statement) = self.statement.statement(slots) else { return Vec::new() };
        let value = |(column, at): &(String, usize)| {
            let text = statement.params.get(at.checked_sub(1)?)?.0.as_deref()?;
            Some((column.clone(), Json::String(String::from_utf8_lossy(text).into_owned())))
        };
        self.sent.iter().map(|row| row.iter().filter_map(value).collect()).collect()
    }
}

/// The number of a parameter, from its place in a statement.
fn numbered(place: &str) -> Option<usize> {
    place.strip_prefix('$')?.parse().ok()
}

/// Compiles one change; or a call of a function that may write, which counts nothing.
pub fn change(change: &Change, catalog: &Catalog) -> Result<CompiledChange, Error> {
    let mut build = Build::new(catalog);
    let relation = build.relation(&change.relation)?;
    let mut written = build.level(&change.relation)?;
    let count = format!("(SELECT pg_catalog.count(*) FROM {})", ident(WRITTEN));
    let given = match &change.gives {
        Gives::Count => count.clone(),
        Gives::First(object) => build.given(&mut written, object, true)?,
        Gives::All(object) => build.given(&mut written, object, false)?,
        Gives::About(about) => {
            let mut values = Vec::new();
            for (key, one) in about {
                let value = match one {
                    Given::Known(json) => build.known(json),
                    Given::Affected => count.clone(),
                    Given::Records(object) => build.given(&mut written, object, false)?,
                };
                values.push((key, value));
            }
            json_object(&values)
        }
    };
    let mut target = build.level(&change.relation)?;
    let alias = ident(&target.alias);
    let name = format!("{}.{}", ident(&relation.schema), ident(&relation.name));
    let mut sent = Vec::new();
    let act = match &change.act {
        Act::Insert { columns, rows } => {
            let mut tuples = Vec::with_capacity(rows.len());
            for row in rows {
                let values: Vec<String> = columns
                    .iter()
                    .zip(row)
                    .map(|(column, value)| build.written(relation.column(column), value.as_ref()))
                    .collect();
                let named = columns.iter().zip(&values);
                let numbered = named.filter_map(|(column, place)| Some((column.clone(), numbered(place)?)));
                sent.push(numbered.collect());
                tuples.push(format!("({})", values.join(", ")));
            }
            for column in columns {
                target.column(column)?;
            }
            let list: Vec<String> = columns.iter().map(|column| ident(column)).collect();
            if columns.is_empty() {
                format!("INSERT INTO {name} AS {alias} DEFAULT VALUES")
            } else {
                format!("INSERT INTO {name} AS {alias} ({}) VALUES {}", list.join(", "), tuples.join(", "))
            }
        }
        Act::Update { set, filters } => {
            let (mut sets, mut row) = (Vec::new(), Vec::new());
            for (column, value) in set {
                target.column(column)?;
                let place = build.written(relation.column(column), Some(value));
                row.extend(numbered(&place).map(|at| (column.clone(), at)));
                sets.push(format!("{} = {place}", ident(column)));
            }
            sent.push(row);
            let mut conditions = Vec::new();
            for filter in filters {
                conditions.push(build.logic(filter, &mut target)?);
            }
            format!("UPDATE {name} AS {alias} SET {}{}", sets.join(", "), where_(&conditions))
        }
        Act::Delete { filters } => {
            let mut conditions = Vec::new();
            for filter in filters {
                conditions.push(build.logic(filter, &mut target)?);
            }
            format!("DELETE FROM {name} AS {alias}{}", where_(&conditions))
        }
    };
    let mut returned: Vec<String> =
        written.needs.iter().map(|column| format!("{alias}.{}", ident(column))).collect();
    if written.row {
        returned.push(format!("{alias} AS {}", ident(ROW)));
    }
    if returned.is_empty() {
        returned.push("1 AS \"~one\"".to_owned());
    }
    let sql = format!(
        "WITH {} AS ({act} RETURNING {}) SELECT {count} AS \"n\", pg_catalog.to_json({given}) AS \"v\"",
        ident(WRITTEN),
        returned.join(", ")
    );
    let statement = Compiled { sql: sql.into(), params: build.params, calls: false, baited: false };
    Ok(CompiledChange { statement, at_most: change.at_most, relation: Some(change.relation.clone()), sent })
}

/// Compiles a call of a function that may write.
pub fn call(value: &Value, catalog: &Catalog) -> Result<CompiledChange, Error> {
    let mut statement = super::read(std::slice::from_ref(value), catalog)?;
    statement.sql =
        format!("SELECT 0::bigint AS \"n\", \"x\".\"c0\" AS \"v\" FROM ({}) AS \"x\"", statement.sql).into();
    Ok(CompiledChange { statement, at_most: None, relation: None, sent: Vec::new() })
}

impl<'a> Build<'a> {
    /// A value for a parameter of a function, of which its type may ask something.
    pub(super) fn argument(&mut self, parameter: &Parameter, value: &Text) -> Result<String, Error> {
        let place = self.text(value);
        match parameter.asks.as_deref() {
            None => {}
            Some(Asks::Value(check)) => self.checked(&parameter.name, check),
            Some(Asks::Row(_) | Asks::Rows(_)) => {
                let why = "something is asked of a field of its type, and rows come as text here".to_owned();
                return Err(Error::BrokenRule { column: parameter.name.to_string(), why });
            }
        }
        Ok(place)
    }

    /// Has the last parameter checked when the statement runs.
    fn checked(&mut self, column: &Arc<str>, check: &Arc<Check>) {
        if let Some(last) = self.params.last_mut() {
            let part = Box::new(std::mem::replace(last, Part::Fixed(Param::NULL)));
            *last = Part::Checked { part, column: Arc::clone(column), check: Arc::clone(check) };
        }
    }

    /// A value for a column: a parameter that PostgreSQL reads as the column's type.
    fn written(&mut self, column: Option<&Column>, value: Option<&Option<Text>>) -> String {
        let text = match value {
            None => return "DEFAULT".to_owned(),
            Some(None) => return "NULL".to_owned(),
            Some(Some(text)) => text,
        };
        let place = self.text(text);
        if let Some((column, check)) = column.and_then(|column| Some((&column.name, column.check.as_ref()?)))
        {
            self.checked(column, check);
        }
        place
    }

    /// The rows written, as objects.
    fn given(
        &mut self,
        level: &mut super::build::Level<'a>,
        object: &Object,
        first: bool,
    ) -> Result<String, Error> {
        let joins = std::mem::take(&mut level.joins);
        let listed = self.list(level, object)?;
        let joined = std::mem::replace(&mut level.joins, joins);
        let from = format!("{} AS {}{joined}", ident(WRITTEN), ident(&level.alias));
        Ok(if first {
            format!(
                "(SELECT {} FROM (SELECT {} FROM {from} LIMIT 1) AS \"r\")",
                listed.object("r"),
                listed.text
            )
        } else {
            format!("(SELECT {} FROM (SELECT {} FROM {from}) AS \"r\")", listed.objects("r"), listed.text)
        })
    }
}
