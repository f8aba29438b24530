//! The row that is asked about: found by its key, or what a write would make of it.

use std::sync::Arc;

use base::{Caller, DbRole};
use pg::admin::quote_name;
use pg::{Mode, Param, Pg, Setup, Statement};
use serde_json::{Map, Value};

use crate::facts::{Column, Facts, Relation};
use crate::{Error, sql, text};

/// A table and the key of a row in it.
pub struct Target<'a> {
    pub(crate) table: &'a Relation,
    /// Columns of the primary key, with the wanted values.
    pub(crate) key: Vec<(&'a Column, String)>,
}

impl<'a> Target<'a> {
    /// Reads `public.notes:17`; a key of several columns has its values after each other, with commas.
    pub fn read(facts: &'a Facts, text: &str) -> Result<Self, Error> {
        let (name, values) = text::split_outside_quotes(text, ':')
            .ok_or_else(|| Error::Asked(format!("{text} is not `table:key`, as in public.notes:17")))?;
        let table = Self::table(facts, name)?;
        let keys: Vec<&Column> = facts
            .constraints_of(table.oid, "p")
            .flat_map(|key| key.columns.iter().filter_map(|number| facts.column(table.oid, *number)))
            .collect();
        if keys.is_empty() {
            let why = match table.partition {
                true => "is a partition: its rows are named by the table it is a part of",
                false => "has no primary key, so none of its rows has a name",
            };
            return Err(Error::Asked(format!("{} {why}", table.title())));
        }
        let values = if keys.len() == 1 { vec![values.to_owned()] } else { key_values(values) };
        if keys.len() != values.len() {
            let wanted = keys.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(",");
            return Err(Error::Asked(format!(
                "a row of {} is named by its primary key ({wanted})",
                table.title()
            )));
        }
        Ok(Target { table, key: keys.into_iter().zip(values).collect() })
    }

    /// A table alone, to insert into.
    pub fn table(facts: &'a Facts, name: &str) -> Result<&'a Relation, Error> {
        facts.named(name).filter(|one| one.is_table()).ok_or_else(|| Error::NoTable { name: name.to_owned() })
    }

    /// `"id" = $1::integer AND …`, with its parameters, numbered from `from`.
    pub(crate) fn condition(&self, from: usize) -> (String, Vec<Param>) {
        let one = |(at, (column, _)): (usize, &(&Column, String))| {
            format!("{} = ${}::{}", quote_name(&column.name), from + at, column.r#type)
        };
        let text = self.key.iter().enumerate().map(one).collect::<Vec<_>>().join(" AND ");
        (text, self.key.iter().map(|(_, value)| value.as_str().into()).collect())
    }
}

/// A row as text, and as JSON for people.
pub(crate) struct Row {
    /// As PostgreSQL writes a composite.
    pub text: String,
    /// The same.
    pub json: Value,
}

fn shown(table: &Relation) -> String {
    let alias = quote_name(&table.name);
    format!("{alias}::text, pg_catalog.to_jsonb({alias})::text")
}

/// The operator with somebody's claims: past the policies, and with the defaults that somebody would get.
fn operator_as(caller: &Caller) -> Caller {
    Caller { role: DbRole::service(), ..caller.clone() }
}

/// Runs one statement past the policies and rolls back.
async fn past(pg: &Pg, caller: &Caller, table: &Relation, statement: Statement) -> Result<Row, Error> {
    let mut tx = pg.begin(&operator_as(caller), Mode::Write, qualified()).await?;
    let rows = tx.run(statement).await?;
    tx.roll_back().await?;
    let row = rows.first().ok_or_else(|| Error::NoRow { table: table.title() })?;
    Ok(Row { text: row.at(0)?, json: serde_json::from_str(&row.at::<String>(1)?)? })
}

/// With an empty search path, as the facts were read: every name in an expression is a full one.
pub(crate) fn qualified() -> Setup {
    Setup { search_path: Some(Arc::from("\"\"")), ..Setup::default() }
}

/// The row as it is.
pub(crate) async fn present(pg: &Pg, caller: &Caller, target: &Target<'_>) -> Result<Row, Error> {
    let (condition, params) = target.condition(1);
    let (table, alias) = (target.table.quoted(), quote_name(&target.table.name));
    let text = format!("SELECT {} FROM {table} AS {alias} WHERE {condition}", shown(target.table));
    past(pg, caller, target.table, Statement::rare(text, params)).await
}

/// The row as an update would leave it.
pub(crate) async fn changed(pg: &Pg, caller: &Caller, target: &Target<'_>, set: &Set) -> Result<Row, Error> {
    past(pg, caller, target.table, set.update(target, Some(&shown(target.table)))).await
}

/// The row as an insert would make it.
pub(crate) async fn made(pg: &Pg, caller: &Caller, table: &Relation, set: &Set) -> Result<Row, Error> {
    past(pg, caller, table, set.insert(table, Some(&shown(table)))).await
}

/// Values of a key: with commas between them, and in quotes where one has a comma of its own.
fn key_values(text: &str) -> Vec<String> {
    let mut rest = Some(text);
    let mut values = Vec::new();
    while let Some(text) = rest {
        let (first, more) = match text::split_outside_quotes(text, ',') {
            Some((first, more)) => (first, Some(more)),
            None => (text, None),
        };
        values.push(text::unquoted(first).unwrap_or_else(|| first.to_owned()));
        rest = more;
    }
    values
}

/// A value for a column.
pub(crate) struct Given {
    name: String,
    text: Option<String>,
    /// What makes the column's value of the text: `::` and its type, or the table whose column it is where it comes as JSON.
    kind: String,
    as_json: bool,
}

impl Given {
    fn sql(&self, number: usize) -> String {
        match self.as_json {
            true => format!(
                "(pg_catalog.jsonb_populate_record(NULL::{}, ${number}::jsonb)).{}",
                self.kind,
                quote_name(&self.name)
            ),
            false => format!("${number}::{}", self.kind),
        }
    }
}

/// Values for columns.
pub(crate) struct Set(Vec<Given>);

impl Set {
    /// From a JSON object; every name must be a column.
    pub fn read(facts: &Facts, table: &Relation, values: &Map<String, Value>) -> Result<Self, Error> {
        let one = |(name, value): (&String, &Value)| {
            let column = facts
                .columns_of(table.oid)
                .find(|column| column.name == *name)
                .ok_or_else(|| Error::Asked(format!("{} has no column {name}", table.title())))?;
            // An array or a composite as JSON is what the API takes as well.
            let as_json = (value.is_array() || value.is_object())
                && !matches!(column.type_name.as_str(), "json" | "jsonb");
            let text = match value {
                Value::Null => None,
                Value::String(text) => Some(text.clone()),
                other if as_json => {
                    Some(Value::Object([(name.clone(), other.clone())].into_iter().collect()).to_string())
                }
                other => Some(other.to_string()),
            };
            let kind = if as_json { table.quoted() } else { column.r#type.clone() };
            Ok(Given { name: name.clone(), text, kind, as_json })
        };
        Ok(Set(values.iter().map(one).collect::<Result<_, Error>>()?))
    }

    /// Names of the columns.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|given| given.name.as_str())
    }

    fn params(&self) -> Vec<Param> {
        self.0.iter().map(|given| given.text.clone().into()).collect()
    }

    pub fn update(&self, target: &Target<'_>, returning: Option<&str>) -> Statement {
        let one =
            |(at, given): (usize, &Given)| format!("{} = {}", quote_name(&given.name), given.sql(at + 1));
        let sets = self.0.iter().enumerate().map(one).collect::<Vec<_>>().join(", ");
        let (condition, keys) = target.condition(self.0.len() + 1);
        let (table, alias) = (target.table.quoted(), quote_name(&target.table.name));
        let returning = returning.map_or_else(String::new, |shown| format!(" RETURNING {shown}"));
        let text = format!("UPDATE {table} AS {alias} SET {sets} WHERE {condition}{returning}");
        Statement::rare(text, [self.params(), keys].concat())
    }

    pub fn insert(&self, table: &Relation, returning: Option<&str>) -> Statement {
        let names: Vec<String> = self.names().map(quote_name).collect();
        let values = self.0.iter().enumerate().map(|(at, given)| given.sql(at + 1));
        let values = values.collect::<Vec<_>>().join(", ");
        let (title, alias) = (table.quoted(), quote_name(&table.name));
        let returning = returning.map_or_else(String::new, |shown| format!(" RETURNING {shown}"));
        let text = match names.is_empty() {
            true => format!("INSERT INTO {title} AS {alias} DEFAULT VALUES{returning}"),
            false => {
                format!("INSERT INTO {title} AS {alias} ({}) VALUES ({values}){returning}", names.join(", "))
            }
        };
        Statement::rare(text, self.params())
    }
}

/// Which roles' policies apply to `caller`, which of the rights are missing, and whether policies apply at all.
pub(crate) struct Standing {
    /// Roles whose policies apply.
    pub roles: Vec<String>,
    /// Whether the role passes by row level security.
    pub bypasses: bool,
}

pub(crate) async fn standing(pg: &Pg, caller: &Caller) -> Result<Standing, Error> {
    let mut tx = pg.begin(caller, Mode::Read, qualified()).await?;
    let rows = tx.run(Statement::new(sql::STANDING, [])).await?;
    tx.roll_back().await?;
    let row = rows.first().ok_or(Error::Shape("no standing"))?;
    let roles: Value = serde_json::from_str(&row.at::<String>(0)?)?;
    Ok(Standing { roles: serde_json::from_value(roles)?, bypasses: row.at(1)? })
}

/// Rights the caller lacks: `SELECT (id)`, `UPDATE (body)`, `DELETE`.
pub(crate) async fn missing(
    pg: &Pg,
    caller: &Caller,
    table: &Relation,
    wanted: &[(&str, Option<&str>)],
) -> Result<Vec<String>, Error> {
    let mut tx = pg.begin(caller, Mode::Read, qualified()).await?;
    let mut lacking = Vec::new();
    for (right, column) in wanted {
        let statement = match column {
            Some(column) => {
                Statement::new(sql::MAY_COLUMN, [table.oid.into(), (*column).into(), (*right).into()])
            }
            None => Statement::new(sql::MAY_TABLE, [table.oid.into(), (*right).into()]),
        };
        let rows = tx.run(statement).await?;
        if !rows.first().ok_or(Error::Shape("no right"))?.at::<bool>(0)? {
            lacking.push(column.map_or_else(|| (*right).to_owned(), |column| format!("{right} ({column})")));
        }
    }
    tx.roll_back().await?;
    Ok(lacking)
}
