//! Changes: new rows, new values, rows gone, and what is given back of them.

use std::sync::Arc;

use data::graph::ask::{Act, Change, Given as About, Gives, Text};
use gql::coerce::Given;
use gql::collect::Collected;
use gql::doc::Selection;
use gql::error::Error;
use gql::schema::{Field, Kind};

use super::Resolve;
use super::args::{Args, given};
use crate::bind::{Bind, Many, Table};

/// A value for each column: `None` is the default, `Some(None)` null.
type Row = Vec<(Arc<str>, Option<Text>)>;

impl<'a, 'd> Resolve<'a, 'd> {
    /// A change at the root of mutations.
    pub(super) fn change(&mut self, field: &Collected<'d>, def: &'a Field<Bind>) -> Result<Change, Error> {
        let args = self.args(def, field)?;
        let (table, how, act) = match &def.bind {
            Bind::Insert(table, how) => (table, *how, self.insert(def, &args)?),
            Bind::Update(table, how) => {
                let set = match given(&args, "set") {
                    Given::Absent => given(&args, "data"),
                    set => set,
                };
                let set = self.row(def, set);
                if set.is_empty() {
                    return Err(Error::invalid("At least one mapping must be provided to set argument"));
                }
                let set = set.into_iter().map(|(column, value)| (column.to_string(), value)).collect();
                (table, *how, Act::Update { set, filters: self.which(def, &args, table, *how)? })
            }
            Bind::Delete(table, how) => {
                (table, *how, Act::Delete { filters: self.which(def, &args, table, *how)? })
            }
            _ => return Err(Error::invalid("not a change")),
        };
        let at_most = match (how, def.arg("atMost")) {
            (Many::About, Some(_)) => Some(self.number(&args, "atMost")?.unwrap_or(1)),
            _ => None,
        };
        let gives = match how {
            Many::Number => Gives::Count,
            Many::One => Gives::First(self.object(&field.inside, table)?),
            Many::List => Gives::All(self.object(&field.inside, table)?),
            Many::About => Gives::About(self.about(&field.inside, def.of.name(), table)?),
        };
        Ok(Change { relation: table.name.clone(), act, at_most, gives })
    }

    /// Which rows: by key, or by filter.
    fn which(
        &mut self,
        def: &'a Field<Bind>,
        args: &Args<'_>,
        table: &Table,
        how: Many,
    ) -> Result<Vec<data::graph::ask::Logic>, Error> {
        match how {
            Many::One => Ok(self.key_filters(def, args)),
            Many::About | Many::List | Many::Number => self.filters(def, args, table),
        }
    }

    fn insert(&mut self, def: &'a Field<Bind>, args: &Args<'_>) -> Result<Act, Error> {
        let objects = match given(args, "objects") {
            Given::Absent => given(args, "data"),
            objects => objects,
        };
        let rows: Vec<Row> = match objects {
            Given::List(items) => items.iter().map(|item| self.row(def, item)).collect(),
            single => vec![self.row(def, single)],
        };
        if rows.is_empty() {
            return Err(Error::invalid("At least one record must be provided to objects"));
        }
        let mut columns: Vec<Arc<str>> = Vec::new();
        for (column, _) in rows.iter().flatten() {
            if !columns.contains(column) {
                columns.push(column.clone());
            }
        }
        // Rows of nothing but defaults still need a column to say so.
        if columns.is_empty()
            && rows.len() > 1
            && let Some(first) = self.inputs_of(def).first().and_then(|input| column_of(&input.bind))
        {
            columns.push(first.clone());
        }
        let tuple = |row: Row| {
            let mut row: Vec<(Arc<str>, Option<Text>)> = row;
            columns
                .iter()
                .map(|column| {
                    let at = row.iter().position(|(name, _)| name == column)?;
                    Some(row.swap_remove(at).1)
                })
                .collect()
        };
        let rows = rows.into_iter().map(tuple).collect();
        Ok(Act::Insert { columns: columns.iter().map(ToString::to_string).collect(), rows })
    }

    /// The inputs of the argument that holds values.
    fn inputs_of(&self, def: &'a Field<Bind>) -> &'a [gql::schema::Input<Bind>] {
        let arg = ["objects", "set", "data"].iter().find_map(|name| def.arg(name));
        match arg.and_then(|arg| self.schema.get(arg.of.name())).map(|found| &found.kind) {
            Some(Kind::Input(inputs)) => inputs,
            _ => &[],
        }
    }

    fn row(&mut self, def: &'a Field<Bind>, object: &Given) -> Row {
        let inputs = self.inputs_of(def);
        let Given::Object(fields) = object else { return Vec::new() };
        let mut row = Vec::new();
        for (name, value) in fields {
            let bind = inputs.iter().rev().find(|input| input.name == *name).map(|input| &input.bind);
            if let Some(column) = bind.and_then(column_of) {
                row.push((column.clone(), self.text(value)));
            }
        }
        row
    }

    fn about(
        &mut self,
        sets: &[&'d [Selection]],
        on: &str,
        table: &Table,
    ) -> Result<Vec<(String, About)>, Error> {
        self.each(sets, on, About::Known, |this, one, def| match def.map(|def| &def.bind) {
            Some(Bind::Affected) => Ok(About::Affected),
            Some(Bind::Records) if one.has_inside() => Ok(About::Records(this.object(&one.inside, table)?)),
            Some(Bind::Records) => {
                Err(Error::invalid("Field \"records\" must have a selection of subfields"))
            }
            _ => Err(Error::invalid(format!("Unknown field '{}' on type '{on}'", one.field.name))),
        })
    }
}

fn column_of(bind: &Bind) -> Option<&Arc<str>> {
    match bind {
        Bind::Given(column) => Some(column),
        _ => None,
    }
}
