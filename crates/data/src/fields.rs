//! Which field a refused write is about, and what is expected of it: from what PostgreSQL says and what the catalog knows
//! (control 121).
//!
//! Invariant: only columns of the relation that was asked for are named, by the names it gives them. A refusal that comes from
//! anywhere else (a table that a trigger writes to, a key that points here) is known to be that, and names nothing.

use std::collections::HashSet;

use pg::DbError;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::ask::{Change, MutateAsk};
use crate::catalog::types::TypeKind;
use crate::catalog::{Catalog, Column, Relation, Served};
use crate::error::Error;

/// One thing that is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldFault {
    /// The column, as the relation asked for calls it.
    pub column: String,
    /// `required`, `check`, `length`, `choice`, `type`, `schema`, `unique`, `reference`.
    pub rule: &'static str,
    /// What is wrong, in words that follow the column's name.
    pub says: String,
    /// The constraint, when one refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub constraint: Option<String>,
    /// Which of several rows, from 0, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<usize>,
}

impl FieldFault {
    fn new(column: &str, rule: &'static str, says: impl Into<String>) -> Self {
        FieldFault { column: column.to_owned(), rule, says: says.into(), constraint: None, row: None }
    }

    /// A text of more characters than its column takes.
    pub fn too_long(column: &str, most: u32) -> Self {
        FieldFault::new(column, "length", format!("must have at most {most} characters"))
    }

    /// A value of another kind than its place takes.
    pub(crate) fn kind(column: &str, says: &str) -> Self {
        FieldFault::new(column, "type", says)
    }

    pub(crate) fn schema(column: &str, place: &str, says: &str) -> Self {
        let says = if place.is_empty() { says.to_owned() } else { format!("at {place}: {says}") };
        FieldFault::new(column, "schema", says)
    }
}

/// What is known of a refusal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What is wrong, field by field; empty when no field is to blame, or none is known to be.
    pub fields: Vec<FieldFault>,
    /// Whether what refused is not served, so that not even its name may be told.
    pub elsewhere: bool,
    /// The relation that was asked for, and after it the table that refused, where that is another one and served.
    pub(crate) about: Vec<u32>,
}

impl Report {
    /// Whether anything is named in it, or by the database's own words, that its caller may not know.
    pub(crate) fn names(&self) -> bool {
        self.about.len() > usize::from(self.fields.is_empty())
    }

    /// Without what its caller may use nothing of: of `may`, columns by the table and their number.
    pub(crate) fn within(mut self, catalog: &Catalog, may: &HashSet<(u32, i16)>) -> Report {
        let uses = |oid: u32| may.iter().any(|(of, _)| *of == oid);
        let asked = self.about.first().and_then(|oid| catalog.relations.iter().find(|one| one.oid == *oid));
        let knows = |fault: &FieldFault| {
            let column = asked.and_then(|asked| Some((asked.oid, asked.column(&fault.column)?.number)));
            column.is_some_and(|column| may.contains(&column))
        };
        if !self.fields.iter().all(knows) {
            // What is not known whole is not named at all.
            self.fields.clear();
            self.elsewhere = true;
        }
        // The database's words name the table that refused.
        self.elsewhere |= !self.about.iter().skip(1).all(|oid| uses(*oid));
        self.named_as_asked()
    }

    /// Where the table that refused may not be named, neither may its rules.
    fn named_as_asked(mut self) -> Report {
        for fault in self.fields.iter_mut().filter(|_| self.elsewhere) {
            if fault.constraint.take().is_some_and(|name| fault.says == broken(&name)) {
                "breaks a rule".clone_into(&mut fault.says);
            }
        }
        self
    }
}

/// Of a constraint that is not understood.
fn broken(name: &str) -> String {
    format!("breaks the rule {name}")
}

/// What is known of PostgreSQL's refusal of a write; nothing of any other trouble.
pub fn of(catalog: &Catalog, ask: &MutateAsk, error: &Error) -> Option<Report> {
    let Error::Database(error) = error else { return None };
    let error = error
        .database()
        .filter(|error| ["22", "23"].contains(&error.sqlstate.get(..2).unwrap_or_default()))?;
    let relation = catalog.find(&ask.relation.schema, &ask.relation.name)?;
    let payload = match &ask.change {
        Change::Insert { payload, .. } | Change::Put { payload } | Change::Update { payload, .. } => {
            Some(payload)
        }
        Change::Delete => None,
    };
    let rows: Vec<Map<String, Value>> = match payload {
        Some(payload) if payload.many => serde_json::from_slice(&payload.json).unwrap_or_default(),
        Some(payload) => serde_json::from_slice(&payload.json).into_iter().collect(),
        None => Vec::new(),
    };
    Some(report(catalog, relation, error, &rows))
}

/// What PostgreSQL's refusal of a write to `relation` is about; `rows` are those that were sent.
pub fn report(
    catalog: &Catalog,
    relation: &Relation,
    error: &DbError,
    rows: &[Map<String, Value>],
) -> Report {
    let site = Site { catalog, relation, error };
    let known = error
        .table
        .as_deref()
        .and_then(|table| catalog.find_known(error.schema.as_deref().unwrap_or_default(), table));
    // A partition is a part of what is served.
    let is_served = known.is_some_and(|one| matches!(one.served, Served::Yes | Served::Partition));
    let elsewhere = error.table.is_some() && !is_served;
    let refused = known.filter(|one| one.served == Served::Yes && one.oid != relation.oid);
    let about = std::iter::once(relation.oid).chain(refused.map(|one| one.oid)).collect();
    if !site.here() {
        return Report { fields: Vec::new(), elsewhere, about };
    }
    let fields = match error.sqlstate.as_str() {
        "23502" => site.required(),
        "23514" => match error.data_type {
            Some(_) if error.table.is_none() => site.domain(rows),
            _ => site.constraint("check"),
        },
        "23505" | "23P01" => site.constraint("unique"),
        "23001" | "23503" => site.constraint("reference"),
        "22001" => site.values(rows, too_long),
        "22P02" | "22003" | "22007" | "22008" | "22023" => site.values(rows, not_of_its_type),
        _ => Vec::new(),
    };
    // By an index of which nobody knows what it looks at: its name may be about what the caller may not know.
    let is_unknown = fields.is_empty() && ["23505", "23P01"].contains(&&*error.sqlstate);
    Report { fields, elsewhere: elsewhere || is_unknown, about }.named_as_asked()
}

/// What is said instead of PostgreSQL's words where they name what is not served: a table that only the body of a function or a policy
/// asks, a schema that nobody may look into.
pub fn unnamed(catalog: &Catalog, error: &DbError) -> Option<&'static str> {
    let instead = match error.sqlstate.as_str() {
        "42501" => "permission denied",
        // The role of the caller is gone from the server.
        "22023" if error.message.starts_with("role \"") => return Some("permission denied"),
        "42P01" | "3F000" | "42883" => "The database cannot do what is asked",
        _ => return None,
    };
    let (kinds, name) = named(&error.message)?;
    let (schema, bare) = match name.split_once('.') {
        Some((schema, bare)) => (Some(schema), bare),
        None => (None, name),
    };
    let is_exposed = |name: &str| catalog.exposed().iter().any(|exposed| **exposed == *name);
    let is_here = |of: &str| schema.map_or_else(|| is_exposed(of), |schema| schema == of && is_exposed(of));
    let relation = |name: &str| {
        catalog
            .relations
            .iter()
            .any(|one| *one.name == *name && one.served == Served::Yes && is_here(&one.schema))
    };
    let known = match kinds {
        Named::Schema => is_exposed(name),
        Named::Function => catalog.functions.keys().any(|(of, one)| **one == *bare && is_here(of)),
        // A sequence is a part of its table.
        Named::Relation => {
            relation(bare)
                || bare.strip_suffix("_seq").is_some_and(|name| {
                    catalog.relations.iter().any(|one| {
                        name.strip_prefix(&*one.name).is_some_and(|rest| rest.starts_with('_'))
                            && relation(&one.name)
                    })
                })
        }
    };
    (!known).then_some(instead)
}

/// What kind of thing a message names.
enum Named {
    Schema,
    Function,
    Relation,
}

/// The thing that PostgreSQL's message is about, as it writes it: `permission denied for table NAME`, `relation "S.NAME" does not
/// exist`, `function S.NAME(integer) does not exist`. Messages about operators and about nothing name none.
fn named(message: &str) -> Option<(Named, &str)> {
    if let Some(call) = message.strip_prefix("function ") {
        return Some((Named::Function, call.split('(').next().unwrap_or_default()));
    }
    if message.starts_with("operator ") {
        return None;
    }
    let name = match message.split('"').collect::<Vec<_>>().as_slice() {
        // The last of what is quoted: before it may stand a policy.
        [.., name, _] => name,
        _ => message.strip_prefix("permission denied for ")?.rsplit(' ').next().unwrap_or_default(),
    };
    Some(match message.split(' ').any(|word| word == "schema") {
        true => (Named::Schema, name),
        false if message.starts_with("permission denied for function ") => (Named::Function, name),
        false => (Named::Relation, name),
    })
}

struct Site<'a> {
    catalog: &'a Catalog,
    relation: &'a Relation,
    error: &'a DbError,
}

impl Site<'_> {
    /// Whether what refused is the relation asked for, what it shows, or no table at all.
    fn here(&self) -> bool {
        let Some(table) = &self.error.table else { return true };
        let schema = self.error.schema.as_deref().unwrap_or_default();
        let is = |relation: &Relation| *relation.name == **table && &*relation.schema == schema;
        if is(self.relation) {
            return true;
        }
        let Some(found) = self.catalog.find_known(schema, table) else { return false };
        let shown = self.relation.columns.iter().any(|column| column.origin.0 == found.oid);
        // A partition's constraints are its parent's, by the same names.
        shown || (found.served == Served::Partition && found.columns.len() == self.relation.columns.len())
    }

    /// The column that shows this one of the table that refused.
    fn shown(&self, table: u32, number: i16) -> Option<&Column> {
        self.relation.columns.iter().find(|column| column.origin == (table, number))
    }

    /// The table that refused, as the relation asked for knows it: itself, or what its columns come from.
    fn table(&self) -> u32 {
        let name = self.error.table.as_deref().unwrap_or_default();
        let known = self.catalog.find_known(self.error.schema.as_deref().unwrap_or_default(), name);
        match known {
            Some(found) if found.served != Served::Partition => found.oid,
            Some(_) | None => self.relation.oid,
        }
    }

    fn required(&self) -> Vec<FieldFault> {
        let Some(name) = self.error.column.as_deref() else { return Vec::new() };
        let table = self.table();
        let number = match table == self.relation.oid {
            true => self.relation.column(name).map(|column| column.number),
            false => {
                let base = self.catalog.relations.iter().find(|one| one.oid == table);
                base.and_then(|base| base.column(name)).map(|column| column.number)
            }
        };
        let column = number.and_then(|number| self.shown(table, number));
        column.map(|column| FieldFault::new(&column.name, "required", "is required")).into_iter().collect()
    }

    fn constraint(&self, rule: &'static str) -> Vec<FieldFault> {
        let Some(name) = self.error.constraint.as_deref() else { return Vec::new() };
        let table = self.table();
        let Some(constraint) = self.catalog.constraints.get(&(table, name.into())) else { return Vec::new() };
        let says = match rule {
            "unique" => "is taken already".to_owned(),
            "reference" => "names a row that is not there".to_owned(),
            _ if constraint.bounds.is_empty() => broken(name),
            _ => constraint.bounds.iter().map(|bound| bound.says()).collect::<Vec<_>>().join(" and "),
        };
        // One that is not shown whole is not named at all.
        let columns: Option<Vec<&Column>> =
            constraint.columns.iter().map(|number| self.shown(table, *number)).collect();
        let fault = |column: &Column| FieldFault {
            constraint: Some(name.to_owned()),
            ..FieldFault::new(&column.name, rule, says.clone())
        };
        columns.unwrap_or_default().into_iter().map(fault).collect()
    }

    /// A domain refused: the written columns of that domain.
    fn domain(&self, rows: &[Map<String, Value>]) -> Vec<FieldFault> {
        let types = &self.catalog.types;
        let (schema, name) = (self.error.schema.as_deref(), self.error.data_type.as_deref());
        let is = |oid: u32| {
            let mut at = Some(oid);
            while let Some(found) = at.and_then(|oid| types.get(oid)) {
                if schema == Some(&*found.schema) && name == Some(&*found.name) {
                    return Some(found);
                }
                at = found.base;
            }
            None
        };
        let constraint = self.error.constraint.as_deref();
        let written = self
            .relation
            .columns
            .iter()
            .filter(|column| rows.iter().any(|row| row.contains_key(&*column.name)));
        written
            .filter_map(|column| {
                let domain = is(column.type_oid)?;
                let checks = self.catalog.domain_checks.get(&domain.oid).map_or(&[][..], Vec::as_slice);
                let bounds =
                    checks.iter().find(|(name, _)| Some(&**name) == constraint).map(|(_, bounds)| bounds);
                let says = match bounds.filter(|bounds| !bounds.is_empty()) {
                    Some(bounds) => bounds.iter().map(|bound| bound.says()).collect::<Vec<_>>().join(" and "),
                    None => broken(constraint.unwrap_or(&domain.name)),
                };
                Some(FieldFault {
                    constraint: constraint.map(str::to_owned),
                    ..FieldFault::new(&column.name, "check", says)
                })
            })
            .collect()
    }

    /// PostgreSQL does not say which column; the values tell.
    fn values(
        &self,
        rows: &[Map<String, Value>],
        wrong: fn(&Site<'_>, &Column, &Value) -> Option<FieldFault>,
    ) -> Vec<FieldFault> {
        let several = rows.len() > 1;
        let mut faults = Vec::new();
        for (at, row) in rows.iter().enumerate() {
            for (name, value) in row {
                let fault = self.relation.column(name).and_then(|column| wrong(self, column, value));
                faults.extend(fault.map(|fault| FieldFault { row: several.then_some(at), ..fault }));
            }
            // The first row that is wrong is the one that was refused.
            if !faults.is_empty() {
                break;
            }
        }
        faults
    }
}

fn too_long(_: &Site<'_>, column: &Column, value: &Value) -> Option<FieldFault> {
    let most = column.max_length?;
    let length = value.as_str()?.chars().count();
    (length > most as usize).then(|| FieldFault::too_long(&column.name, most))
}

fn not_of_its_type(site: &Site<'_>, column: &Column, value: &Value) -> Option<FieldFault> {
    let types = &site.catalog.types;
    let base = types.base(column.type_oid);
    let found = types.get(base)?;
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Bool(_) | Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    if found.kind == TypeKind::Enum {
        let known = found.labels.iter().any(|label| **label == *text);
        let all = found.labels.iter().map(|label| &**label).collect::<Vec<_>>().join(", ");
        return (!known).then(|| FieldFault::new(&column.name, "choice", format!("must be one of {all}")));
    }
    let (fits, what) = match base {
        16 => (
            ["t", "f", "true", "false", "yes", "no", "on", "off", "y", "n", "1", "0"]
                .contains(&&*text.to_lowercase()),
            "true or false",
        ),
        20 => (text.parse::<i64>().is_ok(), "a whole number"),
        21 => (text.parse::<i16>().is_ok(), "a whole number from -32768 to 32767"),
        23 => (text.parse::<i32>().is_ok(), "a whole number from -2147483648 to 2147483647"),
        700 | 701 | 1700 => (text.parse::<f64>().is_ok(), "a number"),
        2950 => (uuid::Uuid::parse_str(&text).is_ok(), "a UUID"),
        1082 => (text.parse::<jiff::civil::Date>().is_ok(), "a date"),
        _ => return None,
    };
    (!fits).then(|| FieldFault::new(&column.name, "type", format!("must be {what}")))
}
