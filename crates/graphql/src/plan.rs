//! A plan of one operation for one role: what is sent to the database, and how the answer is put together.
//!
//! Invariant: made only of an operation that was measured; its limits were checked before anything was looked up.

use data::graph::{self, Compiled, CompiledChange};
use gql::coerce::{Leaf, Reading, Seen, Variables};
use gql::collect::Collect;
use gql::cost::{Weight, cost};
use gql::doc::{Document, Field, Operation, OperationKind, Value as Written};
use gql::error::Error;
use gql::introspect::Introspect;
use gql::measure::{Measured, reads_schema};
use gql::schema::{MUTATION, QUERY};
use serde_json::Value as Json;

use crate::answer::Problem;
use crate::bind::Bind;
use crate::engine::RoleSchema;
use crate::resolve::{Resolve, Root};

/// What an operation weighs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weighed {
    /// Its size.
    pub measured: Measured,
    /// Its cost (control 44).
    pub complexity: u64,
}

/// Where a root field's answer comes from.
#[derive(Clone, Debug)]
pub enum Answer {
    /// It is known.
    Known(String),
    /// A column of the statement that reads.
    Read(usize),
    /// One of the changes.
    Changed(usize),
}

/// A plan.
#[derive(Debug)]
pub struct Plan {
    /// Variables that shaped it.
    pub seen: Seen,
    /// What is put in when it runs.
    pub slots: Vec<Leaf>,
    /// Keys of the answer, in order.
    pub answers: Vec<(String, Answer)>,
    /// What was wrong with single root fields.
    pub errors: Vec<Json>,
    /// The statement that reads.
    pub read: Option<Compiled>,
    /// The statements that change, each with the word for too many rows.
    pub changes: Vec<(CompiledChange, &'static str)>,
    /// What it weighs.
    pub weighed: Weighed,
    /// Whether it asks about the schema, and is not told.
    pub hides_schema: bool,
}

/// What planning needs.
pub struct Planning<'a> {
    /// The role's schema.
    pub role: &'a RoleSchema,
    /// The document.
    pub document: &'a Document,
    /// The operation.
    pub operation: &'a Operation,
    /// Its variables.
    pub variables: Variables<'a>,
    /// Which groups of types may be read about; `None` is no introspection.
    pub shows: Option<&'a dyn Fn(&str) -> bool>,
    /// Most rows of one list.
    pub max_rows: i64,
}

/// Why there is no plan.
#[derive(Debug)]
pub enum Unplanned {
    /// The document is wrong.
    Document(Error),
    /// The data does not know what the schema knew.
    Data(data::Error),
}

impl From<Error> for Unplanned {
    fn from(error: Error) -> Self {
        Unplanned::Document(error)
    }
}

impl Planning<'_> {
    fn root(&self) -> &'static str {
        match self.operation.kind {
            OperationKind::Mutation => MUTATION,
            OperationKind::Query | OperationKind::Subscription => QUERY,
        }
    }

    /// The cost by the guide's formula. A connection is the list; its edges and rows are fields.
    pub fn complexity(&self, seen: &mut Seen) -> u64 {
        let looked = std::cell::RefCell::new(Vec::new());
        let weigh = |parent: &str, field: &Field| {
            let def = self.role.schema.field(parent, &field.name)?;
            let asked = ["first", "last", "limit"].iter().find_map(|name| field.argument(name));
            let limit = match asked {
                Some(Written::Int(digits)) => digits.parse().ok(),
                Some(Written::Variable(name)) => {
                    looked.borrow_mut().push(std::sync::Arc::clone(name));
                    let given = self.variables.given.get(&**name);
                    given.and_then(serde_json::Value::as_u64)
                }
                _ => None,
            };
            let is_list = match &def.bind {
                Bind::Edges | Bind::Records => false,
                Bind::Collection(_) | Bind::Many(_) => true,
                Bind::Call(callable) | Bind::Computed(callable) => {
                    matches!(callable.gives, crate::bind::Gives::Many(_))
                }
                _ => def.of.is_list() && !field.selections.is_empty(),
            };
            Some(Weight { of: def.of.name().clone(), list: is_list.then_some(limit) })
        };
        let cost = cost(self.document, self.operation, self.root(), &weigh);
        looked.borrow().iter().for_each(|name| seen.looked_at(name));
        cost
    }

    /// Plans; what is wrong with one root field does not keep the others of a query from being read.
    pub fn plan(&self, weighed: Weighed, seen: Seen) -> Result<Plan, Unplanned> {
        let collect = Collect { document: self.document, variables: &self.variables };
        let reading = Reading { schema: &self.role.schema, variables: &self.variables };
        let mut resolve = Resolve {
            schema: &self.role.schema,
            tables: &self.role.tables,
            collect: &collect,
            reading,
            max_rows: self.max_rows,
            seen,
            slots: Vec::new(),
        };
        let root = self.root();
        let mutation = self.operation.kind == OperationKind::Mutation;
        let fields = resolve.fields(&[&self.operation.selections], root)?;
        if fields.is_empty() {
            return Err(Error::invalid("Selection set must not be empty").into());
        }
        let (mut answers, mut errors) = (Vec::new(), Vec::new());
        let (mut reads, mut changes, mut hides_schema) = (Vec::new(), Vec::new(), false);
        for field in &fields {
            let key = field.key().to_string();
            if !mutation && reads_schema(&field.field.name) {
                hides_schema |= self.shows.is_none();
                match self.introspect(field, &collect, &mut resolve.seen) {
                    Ok(json) => answers.push((key, Answer::Known(json))),
                    Err(error) => errors.push(Problem::from(error).shown()),
                }
                continue;
            }
            match resolve.root(field, root) {
                Err(error @ Error::Limit { .. }) => return Err(error.into()),
                Err(error) => errors.push(Problem::from(error).shown()),
                Ok(Root::Read(graph::ask::Value::Known(json))) => answers.push((key, Answer::Known(json))),
                Ok(Root::Read(value)) => {
                    answers.push((key, Answer::Read(reads.len())));
                    reads.push(value);
                }
                Ok(Root::Change(change)) => {
                    answers.push((key, Answer::Changed(changes.len())));
                    let word = match &change.act {
                        graph::ask::Act::Delete { .. } => "delete",
                        graph::ask::Act::Update { .. } | graph::ask::Act::Insert { .. } => "update",
                    };
                    let compiled = graph::change(&change, &self.role.catalog).map_err(Unplanned::Data)?;
                    changes.push((compiled, word));
                }
                Ok(Root::Call(value)) => {
                    answers.push((key, Answer::Changed(changes.len())));
                    let compiled = graph::call(&value, &self.role.catalog).map_err(Unplanned::Data)?;
                    changes.push((compiled, "call"));
                }
            }
        }
        if mutation && !errors.is_empty() {
            // All or nothing, and the first thing wrong is what is wrong.
            errors.truncate(1);
            (answers, changes, reads) = (Vec::new(), Vec::new(), Vec::new());
        }
        let read = if reads.is_empty() {
            None
        } else {
            Some(graph::read(&reads, &self.role.catalog).map_err(Unplanned::Data)?)
        };
        let (seen, slots) = (resolve.seen, resolve.slots);
        Ok(Plan { seen, slots, answers, errors, read, changes, weighed, hides_schema })
    }

    fn introspect(
        &self,
        field: &gql::collect::Collected<'_>,
        collect: &Collect<'_, '_>,
        seen: &mut Seen,
    ) -> Result<String, Error> {
        // What may not be read about does not exist.
        let Some(shows) = self.shows else {
            return Err(Error::invalid(format!("Unknown field \"{}\" on type Query", field.field.name)));
        };
        let introspect = Introspect { schema: &self.role.schema, collect, shows };
        Ok(introspect.root(field, seen)?.to_string())
    }
}
