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
use super::{Resolve, ids, json_text};
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
        let mut around = Vec::new();
        for one in self.fields(&field.inside, &on)? {
            let key = one.key().to_string();
            let name = &*one.field.name;
            if name == "__typename" {
                around.push((key, Around::Known(json_text(&on))));
                continue;
            }
            let Some(def) = self.schema.field(&on, name) else {
                return Err(Error::invalid(match name {
                    "aggregate" => "enable the aggregate directive to use aggregates".to_owned(),
                    _ => "unknown field in connection".to_owned(),
                }));
            };
            self.check_inside(&one, def)?;
            self.args(def, &one)?;
            let value = match &def.bind {
                Bind::Edges => Around::Edges(self.edges(&one.inside, def.of.name(), table)?),
                Bind::PageInfo => Around::Info(self.page_info(&one.inside, def.of.name())?),
                Bind::Total => Around::Total,
                Bind::Aggregate => Around::Aggregate(self.sums(&one.inside, def.of.name())?),
                _ => return Err(Error::invalid("unknown field in connection")),
            };
            around.push((key, value));
        }
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
        let mut edges = Vec::new();
        for one in self.fields(sets, on)? {
            let name = &*one.field.name;
            let edge = match self.schema.field(on, name).map(|def| &def.bind) {
                _ if name == "__typename" => Edge::Known(json_text(on)),
                Some(Bind::Cursor) => Edge::Cursor,
                Some(Bind::EdgeNode) => {
                    if !one.has_inside() {
                        return Err(Error::invalid("Field \"node\" must have a selection of subfields"));
                    }
                    Edge::Node(self.object(&one.inside, table)?)
                }
                _ => return Err(Error::invalid("unknown field in edge")),
            };
            edges.push((one.key().to_string(), edge));
        }
        Ok(edges)
    }

    fn page_info(&mut self, sets: &[&'d [Selection]], on: &str) -> Result<Vec<(String, Info)>, Error> {
        let mut infos = Vec::new();
        for one in self.fields(sets, on)? {
            let name = &*one.field.name;
            let info = match self.schema.field(on, name).map(|def| &def.bind) {
                _ if name == "__typename" => Info::Known(json_text(on)),
                Some(Bind::Info(place)) => match place {
                    Place::Start => Info::Start,
                    Place::End => Info::End,
                    Place::HasNext => Info::HasNext,
                    Place::HasPrevious => Info::HasPrevious,
                },
                _ => return Err(Error::invalid("unknown field in pageInfo")),
            };
            infos.push((one.key().to_string(), info));
        }
        Ok(infos)
    }

    fn sums(&mut self, sets: &[&'d [Selection]], on: &str) -> Result<Vec<(String, Sum)>, Error> {
        let mut sums = Vec::new();
        for one in self.fields(sets, on)? {
            let name = &*one.field.name;
            let def = self.schema.field(on, name);
            let sum = match def.map(|def| (&def.bind, def.of.name())) {
                _ if name == "__typename" => Sum::Known(json_text(on)),
                Some((Bind::Count, _)) => Sum::Count,
                Some((Bind::Sum(how), inner)) => Sum::Of(*how, self.summed(&one.inside, inner)?),
                _ => return Err(unknown_sum(name, on)),
            };
            sums.push((one.key().to_string(), sum));
        }
        Ok(sums)
    }

    fn summed(&mut self, sets: &[&'d [Selection]], on: &str) -> Result<Vec<(String, Summed)>, Error> {
        let mut columns = Vec::new();
        for one in self.fields(sets, on)? {
            let name = &*one.field.name;
            let column = match self.schema.field(on, name).map(|def| &def.bind) {
                _ if name == "__typename" => Summed::Known(json_text(on)),
                Some(Bind::Summed(column)) => Summed::Column(column.to_string()),
                _ => return Err(unknown_sum(name, on)),
            };
            columns.push((one.key().to_string(), column));
        }
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
