//! From an ask and the catalog to a plan: every name looked up, every link found, every cast resolved. Pure.
//!
//! Invariant: a plan holds names of the catalog and values of the caller, each in its own place; what the catalog does
//! not know (a computed field, a column added since) stays a quoted name for PostgreSQL to judge.

mod call;
mod function;
mod json;
mod level;
mod link;
mod mutate;
mod suggest;

use std::sync::Arc;

use bytes::Bytes;

use crate::ask::{
    Aggregate, CallAsk, Connective, Direction, JsonStep, MutateAsk, Nulls, ReadAsk, Rules, Shape, Terms, Test,
};
use crate::catalog::{Bait, Catalog, Function, Relation};
use crate::error::Error;

pub(crate) use call::SCALAR;
pub use suggest::nearest;

/// A qualified name from the catalog.
pub type Qualified = (Arc<str>, Arc<str>);

/// Two columns that are equal, each with the alias it is of.
pub type Pair = ((String, Arc<str>), (String, Arc<str>));

/// What will be done.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What comes before the rows are read.
    pub act: Act,
    /// What is read.
    pub root: Node,
    /// What the rows are made into.
    pub body: BodyShape,
    /// What surrounds it.
    pub terms: Terms,
    /// The operator's bound on rows, for totals.
    pub max_rows: Option<i64>,
    /// Whether it may write.
    pub writes: bool,
    /// Settings of the function called, for the whole transaction.
    pub settings: Vec<(Arc<str>, Arc<str>)>,
    /// Whether the function called returns nothing.
    pub void: bool,
    /// Whether a resolution of conflicts had a target.
    pub resolved: bool,
}

/// What a plan does besides reading.
#[derive(Clone, Debug)]
pub enum Act {
    /// Nothing.
    Read,
    /// Writes rows.
    Mutate(Mutation),
    /// Calls a function.
    Call(Call),
}

/// What the rows are made into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyShape {
    /// Only counted.
    Nothing,
    /// A JSON array of objects.
    Rows {
        /// Without keys that are null.
        strip_nulls: bool,
    },
    /// The first row as a JSON object; `null` when there is none.
    Object {
        /// Without keys that are null.
        strip_nulls: bool,
    },
    /// A JSON array of bare values.
    Values,
    /// One bare JSON value.
    Value,
    /// Comma-separated values.
    Csv {
        /// Whether a row is one value of a function, not a record.
        scalar: bool,
    },
    /// A `FeatureCollection`.
    GeoJson,
    /// The bytes of one value.
    Raw,
    /// What an aggregate makes of the rows.
    Handler {
        /// The aggregate.
        function: Qualified,
        /// The row type it takes, when it takes only one.
        row_type: Option<Qualified>,
    },
}

/// What is read of one relation.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where rows come from.
    pub source: Source,
    /// The name it goes by in the statement.
    pub alias: String,
    /// What is selected.
    pub items: Vec<Item>,
    /// What is embedded.
    pub embeds: Vec<Embedded>,
    /// All must hold.
    pub conditions: Vec<Condition>,
    /// Order.
    pub order: Vec<Order>,
    /// Most rows.
    pub limit: Option<i64>,
    /// Rows skipped.
    pub offset: i64,
    /// Whether the conditions leave one row at most.
    pub is_one_row: bool,
    /// Rows among them that nobody has a reason to read.
    pub baits: Arc<[Bait]>,
}

/// Where the rows of a node come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A relation.
    Relation(Qualified),
    /// What the statement's act gave back.
    Act,
    /// A function of a row of the parent.
    Computed {
        /// The function.
        function: Qualified,
        /// The parent's alias.
        parent: String,
        /// The type of the parent's rows.
        row_type: Qualified,
    },
}

/// Related rows of each row of a node.
#[derive(Clone, Debug)]
pub struct Embedded {
    /// The name of the join.
    pub alias: String,
    /// The key in the answer.
    pub label: String,
    /// Whether at most one row is related.
    pub to_one: bool,
    /// Columns lifted into the parent, when it is spread.
    pub spread: Option<Vec<Lifted>>,
    /// Parents without related rows go.
    pub inner: bool,
    /// It only joins: no key in the answer.
    pub silent: bool,
    /// Columns that are equal: alias and column, twice.
    pub pairs: Vec<Pair>,
    /// A table between, and its alias.
    pub junction: Option<(Qualified, String)>,
    /// Columns of the parent that the join needs.
    pub needs: Vec<Arc<str>>,
    /// Whether the join needs the parent's whole row.
    pub needs_row: bool,
    /// The rows.
    pub node: Node,
}

/// One selected item.
#[derive(Clone, Debug)]
pub enum Item {
    /// A value under a name.
    Value(Output),
    /// Every column there is, because the catalog does not know them.
    Star,
    /// The rows of an embed, by its place.
    Embed(usize),
    /// The columns lifted from an embed, by its place.
    Spread(usize),
}

/// A value under a name.
#[derive(Clone, Debug)]
pub struct Output {
    /// The value.
    pub value: Value,
    /// The name.
    pub name: String,
    /// An aggregate over it, and a type its result is cast to.
    pub aggregate: Option<(Aggregate, Option<String>)>,
    /// Whether only the server can make it JSON.
    pub server_json: bool,
}

/// A column lifted out of a spread embed.
#[derive(Clone, Debug)]
pub struct Lifted {
    /// Its name inside.
    pub inner: String,
    /// Its name outside.
    pub name: String,
    /// An aggregate that belongs outside.
    pub aggregate: Option<(Aggregate, Option<String>)>,
    /// Whether only the server can make it JSON.
    pub server_json: bool,
    /// Whether it is the JSON of an embed, or a list of values.
    pub is_json: bool,
}

/// A value of a row.
#[derive(Clone, Debug)]
pub enum Value {
    /// A column, or whatever PostgreSQL finds by that name.
    Column(ColumnValue),
    /// The whole row.
    Row,
}

/// A column and what is done to it.
#[derive(Clone, Debug)]
pub struct ColumnValue {
    /// Its name.
    pub name: String,
    /// Steps into it.
    pub path: Vec<JsonStep>,
    /// Whether it must become jsonb before the steps.
    pub to_jsonb: bool,
    /// A function that shows it.
    pub shown_by: Option<Qualified>,
    /// A type it is cast to, as SQL.
    pub cast: Option<String>,
}

/// A condition on a row.
#[derive(Clone, Debug)]
pub enum Condition {
    /// A test of a value.
    Test {
        /// The value.
        value: ColumnValue,
        /// Whether the outcome is turned around.
        negated: bool,
        /// The test.
        test: Test,
        /// A function that reads the operand.
        read_by: Option<Qualified>,
        /// Whether the value must become a text search vector first.
        to_vector: bool,
    },
    /// Whether an embed has rows.
    Related {
        /// The embed's place.
        embed: usize,
        /// Whether it must have.
        present: bool,
    },
    /// Several conditions.
    Group {
        /// Whether the outcome is turned around.
        negated: bool,
        /// How they combine.
        how: Connective,
        /// The conditions.
        parts: Vec<Condition>,
    },
    /// Nothing passes.
    Never,
}

/// One term of an order.
#[derive(Clone, Debug)]
pub struct Order {
    /// The alias of the embed whose value it is; the node's own when absent.
    pub embed: Option<String>,
    /// The value.
    pub value: ColumnValue,
    /// Up or down.
    pub direction: Option<Direction>,
    /// Where nulls go.
    pub nulls: Option<Nulls>,
}

/// A column that is written.
#[derive(Clone, Debug)]
pub struct Written {
    /// Its name.
    pub name: Arc<str>,
    /// The type its JSON value is read as, as SQL.
    pub read_as: String,
    /// A function that reads the JSON value.
    pub read_by: Option<Qualified>,
    /// Its default, when a missing key means that.
    pub default: Option<Arc<str>>,
}

/// Rows that are written.
#[derive(Clone, Debug)]
pub struct Rows {
    /// JSON.
    pub json: Bytes,
    /// Whether it is an array.
    pub many: bool,
    /// The columns.
    pub columns: Vec<Written>,
    /// Whether a missing key means the default.
    pub missing_as_default: bool,
}

/// What a mutation does.
#[derive(Clone, Debug)]
pub enum Change {
    /// New rows.
    Insert {
        /// The rows.
        rows: Rows,
        /// The columns that conflict, and whether conflicting rows are updated.
        conflict: Option<(Vec<String>, bool)>,
        /// Conditions on the rows given, for a put.
        only: Vec<Condition>,
    },
    /// New values.
    Update {
        /// The values.
        rows: Rows,
    },
    /// Rows gone.
    Delete,
}

/// What is written.
#[derive(Clone, Debug)]
pub struct Mutation {
    /// Where.
    pub relation: Qualified,
    /// What.
    pub change: Change,
    /// Which rows.
    pub conditions: Vec<Condition>,
    /// What it gives back.
    pub returning: Returned,
    /// Whether it is a put: exactly one row or a mismatch.
    pub put: bool,
}

/// What a mutation gives back.
#[derive(Clone, Debug)]
pub enum Returned {
    /// The number of rows.
    Nothing,
    /// The primary key.
    Key(Vec<Arc<str>>),
    /// The root node's items at once, because nothing else is asked of the rows.
    Items,
    /// These columns for the root node to read; `None` is all.
    Columns(Option<Vec<String>>),
}

/// A function call.
#[derive(Clone, Debug)]
pub struct Call {
    /// The function.
    pub function: Qualified,
    /// Its arguments in order.
    pub arguments: Vec<Argument>,
    /// The one column of a function that does not return rows.
    pub scalar: bool,
    /// At most one row comes out.
    pub single: bool,
}

/// An argument.
#[derive(Clone, Debug)]
pub struct Argument {
    /// The parameter's name; `None` is by position.
    pub name: Option<Arc<str>>,
    /// The value.
    pub value: Given,
    /// The parameter's type, as SQL.
    pub type_sql: String,
    /// Whether it is all that is left.
    pub variadic: bool,
}

/// A value for a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// Text that PostgreSQL reads as the type; `None` is NULL.
    Text(Option<Bytes>),
    /// A JSON value that PostgreSQL turns into the type.
    Json(String),
}

/// Plans a read.
pub fn read(ask: &ReadAsk, catalog: &Catalog, rules: &Rules) -> Result<Plan, Error> {
    let relation = relation(catalog, &ask.relation.schema, &ask.relation.name)?;
    let mut planner = level::Planner::new(catalog, rules, &ask.relation.schema, rules.max_rows);
    let source = Source::Relation((relation.schema.clone(), relation.name.clone()));
    let root = planner.root(source, level::Columns::of(relation), &ask.level)?;
    let handler_row = Some((relation.schema.clone(), relation.name.clone()));
    Ok(Plan {
        act: Act::Read,
        root,
        body: body(&ask.terms.shape, catalog, handler_row),
        terms: ask.terms.clone(),
        max_rows: rules.max_rows,
        writes: false,
        settings: Vec::new(),
        void: false,
        resolved: false,
    })
}

/// Plans a write.
pub fn mutate(ask: &MutateAsk, catalog: &Catalog, rules: &Rules) -> Result<Plan, Error> {
    mutate::plan(ask, catalog, rules)
}

/// Plans a call.
pub fn call(ask: &CallAsk, catalog: &Catalog, rules: &Rules) -> Result<Plan, Error> {
    call::plan(ask, catalog, rules)
}

/// The function a call means, or why there is none.
pub fn function<'a>(ask: &CallAsk, catalog: &'a Catalog) -> Result<&'a Function, Error> {
    function::find(ask, catalog)
}

/// The relation served under a name, or why there is none.
pub fn relation<'a>(catalog: &'a Catalog, schema: &str, name: &str) -> Result<&'a Relation, Error> {
    catalog.find(schema, name).ok_or_else(|| Error::NoRelation {
        schema: schema.to_owned(),
        name: name.to_owned(),
        suggestion: suggest::relation(catalog, schema, name),
    })
}

fn body(shape: &Shape, catalog: &Catalog, row_type: Option<Qualified>) -> BodyShape {
    match shape {
        Shape::Nothing => BodyShape::Nothing,
        Shape::Json { strip_nulls } => BodyShape::Rows { strip_nulls: *strip_nulls },
        Shape::Object { strip_nulls } => BodyShape::Object { strip_nulls: *strip_nulls },
        Shape::Csv => BodyShape::Csv { scalar: false },
        Shape::GeoJson => BodyShape::GeoJson,
        Shape::Raw => BodyShape::Raw,
        Shape::Handler(name) => {
            let typed = catalog.handlers.iter().any(|handler| {
                *handler.schema == *name.schema
                    && *handler.name == *name.name
                    && matches!(handler.target, crate::catalog::HandlerTarget::Relation(_))
            });
            let function = (name.schema.as_str().into(), name.name.as_str().into());
            BodyShape::Handler { function, row_type: row_type.filter(|_| typed) }
        }
    }
}
