//! Rows: pages with their edges, lists, single rows by key, aggregates.

use std::sync::Arc;

use data::ask::Operator;
use data::graph::ask::{Around, Edge, Info, Logic, Page, Rows, Shape, Source, Sum, Summed, Test, Value};
use gql::coerce::Given;
use gql::collect::Collected;
use gql::doc::Selection;
use gql::error::Error;
use gql::schema::Field;

use super::args::{Args, given};
use super::{Resolve, ids};
use crate::bind::{Bind, Place, Table};

impl<'a, 'd> Resolve<'a, 'd> {
    /// A connection.
    pub(super) fn connection(
        &mut self,
        field: &Collected<'d>,
        def: &'a Field<Bind>,
        table: &'a Arc<Table>,
        source: Source,
    ) -> Result<Value, Error> {
        let args = self.args(def, field)?;
        let order = self.order(def, &args, table)?;
        let page = self.cursor_page(&args, table, order.len())?;
        let filters = self.filters(def, &args, table)?;
        let on = def.of.name().clone();
        let around = self.each(&field.inside, &on, Around::Known, |this, one, def| {
            let def = def.ok_or_else(|| {
                Error::invalid(match &*one.field.name {
                    "aggregate" => "enable the aggregate directive to use aggregates",
                    _ => "unknown field in connection",
                })
            })?;
            this.check_inside(one, def)?;
            this.args(def, one)?;
            Ok(match &def.bind {
                Bind::Edges => Around::Edges(this.edges(&one.inside, def.of.name(), table)?),
                Bind::PageInfo => Around::Info(this.page_info(&one.inside, def.of.name())?),
                Bind::Total => Around::Total,
                Bind::Aggregate => Around::Aggregate(this.sums(&one.inside, def.of.name())?),
                _ => return Err(Error::invalid("unknown field in connection")),
            })
        })?;
        Ok(self.rows_of(table, source, filters, order, page, Shape::Connection(around)))
    }

    fn rows_of(
        &self,
        table: &Table,
        source: Source,
        filters: Vec<Logic>,
        order: Vec<data::graph::ask::Term>,
        page: Page,
        shape: Shape,
    ) -> Value {
        Value::Rows(Box::new(Rows { relation: table.name.clone(), source, filters, order, page, shape }))
    }

    fn edges(
        &mut self,
        sets: &[&'d [Selection]],
        on: &str,
        table: &Table,
    ) -> Result<Vec<(String, Edge)>, Error> {
        self.each(sets, on, Edge::Known, |this, one, def| match def.map(|def| &def.bind) {
            Some(Bind::Cursor) => Ok(Edge::Cursor),
            Some(Bind::EdgeNode) if one.has_inside() => Ok(Edge::Node(this.object(&one.inside, table)?)),
            Some(Bind::EdgeNode) => Err(Error::invalid("Field \"node\" must have a selection of subfields")),
            _ => Err(Error::invalid("unknown field in edge")),
        })
    }

    fn page_info(&mut self, sets: &[&'d [Selection]], on: &str) -> Result<Vec<(String, Info)>, Error> {
        self.each(sets, on, Info::Known, |_, _, def| match def.map(|def| &def.bind) {
            Some(Bind::Info(place)) => Ok(match place {
                Place::Start => Info::Start,
                Place::End => Info::End,
                Place::HasNext => Info::HasNext,
                Place::HasPrevious => Info::HasPrevious,
            }),
            _ => Err(Error::invalid("unknown field in pageInfo")),
        })
    }

    fn sums(&mut self, sets: &[&'d [Selection]], on: &str) -> Result<Vec<(String, Sum)>, Error> {
        self.each(sets, on, Sum::Known, |this, one, def| match def.map(|def| (&def.bind, def.of.name())) {
            Some((Bind::Count, _)) => Ok(Sum::Count),
            Some((Bind::Sum(how), inner)) => Ok(Sum::Of(*how, this.summed(&one.inside, inner)?)),
            _ => Err(unknown_sum(&one.field.name, on)),
        })
    }

    fn summed(&mut self, sets: &[&'d [Selection]], on: &str) -> Result<Vec<(String, Summed)>, Error> {
        let columns = self.each(sets, on, Summed::Known, |_, one, def| match def.map(|def| &def.bind) {
            Some(Bind::Summed(column)) => Ok(Summed::Column(column.to_string())),
            _ => Err(unknown_sum(&one.field.name, on)),
        })?;
        if columns.is_empty() {
            return Err(Error::invalid("Selection set must not be empty"));
        }
        Ok(columns)
    }

    /// A plain list.
    pub(super) fn list(
        &mut self,
        field: &Collected<'d>,
        def: &'a Field<Bind>,
        table: &'a Arc<Table>,
        source: Source,
    ) -> Result<Value, Error> {
        let args = self.args(def, field)?;
        let order = self.order(def, &args, table)?;
        let page = self.plain_page(&args, table)?;
        let filters = self.filters(def, &args, table)?;
        let object = self.object(&field.inside, table)?;
        Ok(self.rows_of(table, source, filters, order, page, Shape::List(object)))
    }

    /// Aggregates of rows.
    pub(super) fn aggregates(
        &mut self,
        field: &Collected<'d>,
        def: &'a Field<Bind>,
        table: &'a Arc<Table>,
        source: Source,
    ) -> Result<Value, Error> {
        let args = self.args(def, field)?;
        let filters = self.filters(def, &args, table)?;
        let sums = self.sums(&field.inside, def.of.name())?;
        Ok(self.rows_of(table, source, filters, Vec::new(), Page::default(), Shape::Aggregate(sums)))
    }

    /// The row whose key is given.
    pub(super) fn by_key(
        &mut self,
        field: &Collected<'d>,
        def: &'a Field<Bind>,
        table: &'a Arc<Table>,
    ) -> Result<Value, Error> {
        let missing: Vec<&str> = def
            .args
            .iter()
            .filter(|arg| field.field.argument(&arg.name).is_none())
            .filter_map(|arg| match &arg.bind {
                Bind::Given(column) => Some(&**column),
                _ => None,
            })
            .collect();
        if !missing.is_empty() {
            return Err(Error::invalid(format!("Missing primary key column(s): {}", missing.join(", "))));
        }
        let args = self.args(def, field)?;
        let filters = self.key_filters(def, &args);
        let object = self.object(&field.inside, table)?;
        Ok(self.rows_of(table, Source::Relation, filters, Vec::new(), Page::default(), Shape::One(object)))
    }

    /// Each argument that is a column of the key must be equal.
    pub(super) fn key_filters(&mut self, def: &Field<Bind>, args: &Args<'_>) -> Vec<Logic> {
        let mut filters = Vec::new();
        for (name, value) in args {
            if let Some(Bind::Given(column)) = def.arg(name).map(|arg| &arg.bind)
                && let Some(text) = self.text(value)
            {
                let test = Test::Compare(Operator::Equal, text);
                filters.push(Logic::Test { column: column.to_string(), test });
            }
        }
        filters
    }

    /// The row that an id names; of which type it is, the id says.
    pub(super) fn node(&mut self, field: &Collected<'d>, def: &'a Field<Bind>) -> Result<Value, Error> {
        let args = self.args(def, field)?;
        let Given::Leaf(leaf) = given(&args, "nodeId") else {
            return Err(Error::invalid("Invalid input for NonNull type"));
        };
        let text = leaf.look(&mut self.seen).text();
        let (schema, name, key) = ids::node(&text)?;
        let table = self.tables.get(&(schema, name)).cloned();
        let table =
            table.ok_or_else(|| Error::invalid("Invalid value passed to nodeId argument. Error 11"))?;
        let filters = ids::is_row(&table, key)?;
        let object = self.object(&field.inside, &table)?;
        let none = Vec::new();
        Ok(self.rows_of(&table, Source::Relation, filters, none, Page::default(), Shape::One(object)))
    }
}

fn unknown_sum(name: &str, on: &str) -> Error {
    Error::invalid(format!("Unknown or invalid field \"{name}\" selected on type \"{on}\""))
}
