//! What a field or an input of a schema is on the side of the data. Both conventions bind to the same things; what differs
//! between them is how their schemas are spelled.
//!
//! Invariant: names in here come from the catalog's snapshot that the schema was made of.

use std::sync::Arc;

use data::ask::{Aggregate, Name, Operator};
use data::graph::ask::Shown;

/// A relation of the schema.
#[derive(Debug)]
pub struct Table {
    /// Where it is.
    pub name: Name,
    /// What its objects are called.
    pub type_name: Arc<str>,
    /// The columns that name a row, in order.
    pub key: Vec<Arc<str>>,
    /// Most rows of one page.
    pub max_rows: i64,
    /// Whether it has aggregates, for the refusal that says how to get them.
    pub aggregates: bool,
}

/// A column of a relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name in the database.
    pub name: Arc<str>,
    /// How its values become JSON.
    pub shown: Shown,
}

/// A way from one relation to another.
#[derive(Debug)]
pub struct Hop {
    /// Where to.
    pub table: Arc<Table>,
    /// Columns there that equal columns here.
    pub pairs: Vec<(Arc<str>, Arc<str>)>,
}

/// A function.
#[derive(Clone, Debug)]
pub struct Callable {
    /// Which.
    pub name: Name,
    /// What it gives.
    pub gives: Gives,
}

/// What a function gives.
#[derive(Clone, Debug)]
pub enum Gives {
    /// A value.
    Value(Shown),
    /// A row.
    One(Arc<Table>),
    /// Rows.
    Many(Arc<Table>),
}

/// A test by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// A binary operator.
    Compare(Operator),
    /// The beginning of a text.
    StartsWith,
    /// One of several.
    In,
    /// `NULL` or `NOT_NULL`.
    Is,
    /// `true` for null, `false` for not null.
    IsNull,
}

/// What a field, an argument or an input's field is bound to.
#[derive(Clone, Debug)]
pub enum Bind {
    /// Nothing of its own.
    None,
    /// Pages of a relation.
    Collection(Arc<Table>),
    /// Rows of a relation as a list.
    List(Arc<Table>),
    /// A row by its key.
    ByKey(Arc<Table>),
    /// A row by what names it among all rows.
    Node,
    /// A function at the root.
    Call(Callable),
    /// Aggregates of a relation at the root.
    Aggregates(Arc<Table>),
    /// That the API answers.
    Health,

    /// A column.
    Column(Column),
    /// What names the row among all rows.
    NodeId,
    /// One related row.
    One(Arc<Hop>),
    /// Pages of related rows.
    Many(Arc<Hop>),
    /// Related rows as a list.
    ManyList(Arc<Hop>),
    /// Aggregates of related rows.
    ManyAggregates(Arc<Hop>),
    /// A function of the row.
    Computed(Callable),

    /// The rows of a page.
    Edges,
    /// Where a page lies.
    PageInfo,
    /// How many rows there are.
    Total,
    /// Aggregates of all pages.
    Aggregate,
    /// A row's place.
    Cursor,
    /// A row of a page.
    EdgeNode,
    /// One thing about where a page lies.
    Info(Place),
    /// How many rows were aggregated.
    Count,
    /// One aggregate of several columns.
    Sum(Aggregate),
    /// An aggregated column.
    Summed(Arc<str>),

    /// New rows.
    Insert(Arc<Table>, Many),
    /// New values.
    Update(Arc<Table>, Many),
    /// Rows gone.
    Delete(Arc<Table>, Many),
    /// How many rows were touched.
    Affected,
    /// The rows touched.
    Records,

    /// A column that is given or tested.
    Given(Arc<str>),
    /// A test of a column, with its name in the name of the input.
    Tested(Arc<str>, Op),
    /// A test inside a column's input.
    Test(Op),
    /// All hold.
    And,
    /// At least one holds.
    Or,
    /// It does not hold.
    Not,
    /// What names a row, tested.
    TestedNodeId,
}

/// How a change is spelled and what it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Many {
    /// An object about the change, with the rows in it.
    About,
    /// One row by its key, or one new row.
    One,
    /// The rows as a list.
    List,
    /// Their number.
    Number,
}

/// One thing about where a page lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Its first place.
    Start,
    /// Its last place.
    End,
    /// Whether there are rows behind it.
    HasNext,
    /// Whether there are rows before it.
    HasPrevious,
}
