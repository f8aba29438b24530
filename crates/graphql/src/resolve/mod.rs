//! From a document's fields to what is asked of the data, through what the schema binds them to.
//!
//! Invariant: a field that the role's schema does not have is refused here, by the name the caller wrote and no other.

mod args;
mod change;
mod ids;
mod rows;

use std::collections::HashMap;
use std::sync::Arc;

use data::graph::ask::{Call, Change, Object, Rows, Shape, Source, Value};
use gql::Schema;
use gql::coerce::{Given, Leaf, Reading, Seen};
use gql::collect::{Collect, Collected};
use gql::doc::Selection;
use gql::error::Error;
use gql::schema::{Field, QUERY};

use crate::bind::{Bind, Callable, Gives, Table};

/// Tables by schema and name.
pub type Tables = HashMap<(String, String), Arc<Table>>;

/// What one root field asks.
#[derive(Debug)]
pub enum Root {
    /// A value that is read.
    Read(Value),
    /// A change.
    Change(Change),
    /// A call of a function that may write.
    Call(Value),
}

/// What resolving needs and remembers.
pub struct Resolve<'a, 'd> {
    /// The schema.
    pub schema: &'a Schema<Bind>,
    /// Tables that a node's id may name.
    pub tables: &'a Tables,
    /// The document.
    pub collect: &'a Collect<'d, 'a>,
    /// Reads arguments.
    pub reading: Reading<'a, Bind>,
    /// Most rows of a list, by the operator.
    pub max_rows: i64,
    /// Variables that shaped what came out.
    pub seen: Seen,
    /// Values that are put in when it runs.
    pub slots: Vec<Leaf>,
}

impl<'a, 'd> Resolve<'a, 'd> {
    /// The fields of an object of a type. Fragments on an interface of it hold too.
    pub fn fields(&mut self, sets: &[&'d [Selection]], on: &str) -> Result<Vec<Collected<'d>>, Error> {
        let schema = self.schema;
        let is = |condition: &str| condition == on || schema.having(condition).any(|one| &*one.name == on);
        self.collect.fields(sets, on, &is, &mut self.seen)
    }

    /// What is selected of a type, each under the name it is asked for by; a type's own name is `known`.
    fn each<T>(
        &mut self,
        sets: &[&'d [Selection]],
        on: &str,
        known: fn(String) -> T,
        mut read: impl FnMut(&mut Self, &Collected<'d>, Option<&'a Field<Bind>>) -> Result<T, Error>,
    ) -> Result<Vec<(String, T)>, Error> {
        let schema = self.schema;
        let mut all = Vec::new();
        for one in self.fields(sets, on)? {
            let value = match &*one.field.name {
                "__typename" => known(json_text(on)),
                name => read(self, &one, schema.field(on, name))?,
            };
            all.push((one.key().to_string(), value));
        }
        Ok(all)
    }

    /// Whether something must, or must not, be selected of a field.
    fn check_inside(&self, field: &Collected<'d>, def: &Field<Bind>) -> Result<(), Error> {
        let composite = self.schema.get(def.of.name()).is_some_and(gql::schema::Type::is_composite);
        match (composite, field.has_inside()) {
            (true, false) => {
                Err(Error::invalid(format!("Field \"{}\" must have a selection of subfields", def.name)))
            }
            (false, true) => {
                Err(Error::invalid(format!("Field \"{}\" must not have a selection of subfields", def.name)))
            }
            _ => Ok(()),
        }
    }

    /// One root field.
    pub fn root(&mut self, field: &Collected<'d>, on: &str) -> Result<Root, Error> {
        let name = &*field.field.name;
        if name == "__typename" {
            return Ok(Root::Read(known(on)));
        }
        let unknown = || Error::invalid(format!("Unknown field \"{name}\" on type {on}"));
        let def = self.schema.field(on, name).ok_or_else(unknown)?;
        self.check_inside(field, def)?;
        let value = match &def.bind {
            Bind::Collection(table) => self.connection(field, def, table, Source::Relation)?,
            Bind::List(table) => self.list(field, def, table, Source::Relation)?,
            Bind::Aggregates(table) => self.aggregates(field, def, table, Source::Relation)?,
            Bind::ByKey(table) => self.by_key(field, def, table)?,
            Bind::Node => self.node(field, def)?,
            Bind::Health => {
                self.args(def, field)?;
                Value::Known("\"ok\"".to_owned())
            }
            Bind::Call(callable) => {
                let value = self.call(field, def, callable)?;
                return Ok(if on == QUERY { Root::Read(value) } else { Root::Call(value) });
            }
            Bind::Insert(..) | Bind::Update(..) | Bind::Delete(..) => {
                return Ok(Root::Change(self.change(field, def)?));
            }
            _ => return Err(unknown()),
        };
        Ok(Root::Read(value))
    }

    /// The fields of a row.
    pub(super) fn object(&mut self, sets: &[&'d [Selection]], table: &Table) -> Result<Object, Error> {
        let on = table.type_name.clone();
        let object: Object = self.each(sets, &on, Value::Known, |this, field, def| {
            let unknown = || Error::invalid(format!("Unknown field '{}' on type '{on}'", field.field.name));
            let def = def.ok_or_else(unknown)?;
            this.check_inside(field, def)?;
            Ok(match &def.bind {
                Bind::Column(column) => {
                    this.args(def, field)?;
                    Value::Column { column: column.name.to_string(), shown: column.shown.clone() }
                }
                Bind::NodeId => Value::Key(table.key.iter().map(ToString::to_string).collect()),
                Bind::One(hop) => {
                    this.args(def, field)?;
                    this.one(field, &hop.table, link(hop))?
                }
                Bind::Many(hop) => this.connection(field, def, &hop.table, link(hop))?,
                Bind::ManyList(hop) => this.list(field, def, &hop.table, link(hop))?,
                Bind::ManyAggregates(hop) => this.aggregates(field, def, &hop.table, link(hop))?,
                Bind::Computed(callable) => this.computed(field, def, callable)?,
                _ => return Err(unknown()),
            })
        })?;
        if object.is_empty() {
            return Err(Error::invalid("Selection set must not be empty"));
        }
        Ok(object)
    }

    /// A related row, or none.
    fn one(&mut self, field: &Collected<'d>, table: &Table, source: Source) -> Result<Value, Error> {
        let object = self.object(&field.inside, table)?;
        Ok(rows(table, source, Shape::One(object)))
    }

    fn computed(
        &mut self,
        field: &Collected<'d>,
        def: &'a Field<Bind>,
        callable: &'a Callable,
    ) -> Result<Value, Error> {
        let function = callable.name.clone();
        match &callable.gives {
            Gives::Value(shown) => Ok(Value::Computed { function, shown: shown.clone() }),
            Gives::One(table) => self.one(field, table, Source::Computed(function)),
            Gives::Many(table) => self.many(field, def, table, Source::Computed(function)),
        }
    }

    /// Rows as the schema shows them: pages or a list.
    fn many(
        &mut self,
        field: &Collected<'d>,
        def: &'a Field<Bind>,
        table: &'a Arc<Table>,
        source: Source,
    ) -> Result<Value, Error> {
        if def.of.is_list() {
            self.list(field, def, table, source)
        } else {
            self.connection(field, def, table, source)
        }
    }

    fn call(
        &mut self,
        field: &Collected<'d>,
        def: &'a Field<Bind>,
        callable: &'a Callable,
    ) -> Result<Value, Error> {
        let mut arguments = Vec::new();
        for (name, given) in self.args(def, field)? {
            let Some(Bind::Given(parameter)) = def.arg(name).map(|arg| &arg.bind) else { continue };
            if given != Given::Absent {
                arguments.push((parameter.to_string(), self.text(&given)));
            }
        }
        let call = Call { function: callable.name.clone(), arguments };
        match &callable.gives {
            Gives::Value(shown) => Ok(Value::Call { call, shown: shown.clone() }),
            Gives::One(table) => self.one(field, table, Source::Call(call)),
            Gives::Many(table) => self.many(field, def, table, Source::Call(call)),
        }
    }
}

/// A name as JSON that is known already.
pub(super) fn known(name: &str) -> Value {
    Value::Known(json_text(name))
}

/// A text as JSON.
fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn link(hop: &crate::bind::Hop) -> Source {
    Source::Link(hop.pairs.iter().map(|(here, there)| (here.to_string(), there.to_string())).collect())
}

pub(super) fn rows(table: &Table, source: Source, shape: Shape) -> Value {
    Value::Rows(Box::new(Rows {
        relation: table.name.clone(),
        source,
        filters: Vec::new(),
        order: Vec::new(),
        page: data::graph::ask::Page::default(),
        shape,
    }))
}
