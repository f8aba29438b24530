//! What is asked: trees of rows, and changes with what is given back of them.
//!
//! Invariant: names are the catalog's, keys are GraphQL names, values are texts that PostgreSQL reads as their column's
//! type. Nothing here is SQL.

use crate::ask::{Aggregate, Name, Operator};

/// A value that is sent as a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// This one.
    Given(String),
    /// One that is known when the statement runs, by its number.
    Slot(usize),
}

/// Named values in order: a JSON object.
pub type Object = Vec<(String, Value)>;

/// How a value becomes JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// As the server does it.
    Json,
    /// As text: numbers that JSON readers would round, and JSON itself.
    Text,
    /// A list of such texts.
    Texts,
    /// An enum's label under another name.
    Mapped(Vec<(String, String)>),
}

/// A value of a row, or of nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// JSON that is known already.
    Known(String),
    /// A column.
    Column {
        /// Its name.
        column: String,
        /// As what.
        shown: Shown,
    },
    /// What names the row among all rows: schema, relation and these columns, in base64.
    Key(Vec<String>),
    /// A function of the whole row.
    Computed {
        /// Which.
        function: Name,
        /// As what.
        shown: Shown,
    },
    /// Rows.
    Rows(Box<Rows>),
    /// A function called with arguments, for one value.
    Call {
        /// Which.
        call: Call,
        /// As what.
        shown: Shown,
    },
}

/// A call of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Which.
    pub function: Name,
    /// Arguments by parameter; those left out have defaults. `None` is null.
    pub arguments: Vec<(String, Option<Text>)>,
}

/// Where rows come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A relation.
    Relation,
    /// Those of the relation whose columns equal columns of the row above: here, there.
    Link(Vec<(String, String)>),
    /// A function of the row above, which gives rows of the relation.
    Computed(Name),
    /// A function that gives rows of the relation.
    Call(Call),
}

/// Rows and what is read of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows {
    /// What they are rows of.
    pub relation: Name,
    /// Where they come from.
    pub source: Source,
    /// All of these must hold.
    pub filters: Vec<Logic>,
    /// Their order; to page by cursor it must be total.
    pub order: Vec<Term>,
    /// Which of them.
    pub page: Page,
    /// What becomes of them.
    pub shape: Shape,
}

/// Which rows of an order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Most rows.
    pub limit: Option<i64>,
    /// From the end.
    pub backward: bool,
    /// Rows skipped.
    pub offset: i64,
    /// Only rows behind this place of the order.
    pub after: Option<Vec<Option<String>>>,
    /// Only rows before it.
    pub before: Option<Vec<Option<String>>>,
}

/// One term of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// The column.
    pub column: String,
    /// Largest first.
    pub descending: bool,
    /// Null before everything.
    pub nulls_first: bool,
}

/// What rows become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The first, or null.
    One(Object),
    /// A list.
    List(Object),
    /// A page with what surrounds it.
    Connection(Vec<(String, Around)>),
    /// Aggregates only.
    Aggregate(Vec<(String, Sum)>),
}

/// What surrounds a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Around {
    /// JSON that is known already.
    Known(String),
    /// The rows, each with its place.
    Edges(Vec<(String, Edge)>),
    /// Where the page lies.
    Info(Vec<(String, Info)>),
    /// How many rows there are on all pages.
    Total,
    /// Aggregates over all pages.
    Aggregate(Vec<(String, Sum)>),
}

/// A row with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edge {
    /// JSON that is known already.
    Known(String),
    /// Its place.
    Cursor,
    /// The row.
    Node(Object),
}

/// Where a page lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Info {
    /// JSON that is known already.
    Known(String),
    /// Its first place.
    Start,
    /// Its last place.
    End,
    /// Whether there are rows behind it.
    HasNext,
    /// Whether there are rows before it.
    HasPrevious,
}

/// Aggregates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sum {
    /// JSON that is known already.
    Known(String),
    /// How many rows.
    Count,
    /// One aggregate of several columns.
    Of(Aggregate, Vec<(String, Summed)>),
}

/// One aggregated column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Summed {
    /// JSON that is known already.
    Known(String),
    /// A column.
    Column(String),
}

/// A condition on a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Logic {
    /// A test of a column.
    Test {
        /// The column.
        column: String,
        /// The test.
        test: Test,
    },
    /// All hold.
    All(Vec<Logic>),
    /// At least one holds.
    Any(Vec<Logic>),
    /// It does not hold.
    Not(Box<Logic>),
}

/// A test of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// An operator; of a list, the value is an array literal.
    Compare(Operator, Text),
    /// The text begins so.
    StartsWith(Text),
    /// One of these.
    In(Vec<String>),
    /// Whether it is null.
    IsNull(bool),
    /// Compared with null: neither true nor false.
    Unknown,
}

/// A change of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where.
    pub relation: Name,
    /// What.
    pub act: Act,
    /// Most rows that may be touched; more are refused and rolled back.
    pub at_most: Option<i64>,
    /// What is given back.
    pub gives: Gives,
}

/// What is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// New rows.
    Insert {
        /// The columns written.
        columns: Vec<String>,
        /// A value for each column: `None` is the default, `Some(None)` null.
        rows: Vec<Vec<Option<Option<Text>>>>,
    },
    /// New values.
    Update {
        /// Columns and their values; `None` is null.
        set: Vec<(String, Option<Text>)>,
        /// Of which rows.
        filters: Vec<Logic>,
    },
    /// Rows gone.
    Delete {
        /// Which.
        filters: Vec<Logic>,
    },
}

/// What is given back of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gives {
    /// An object about it.
    About(Vec<(String, Given)>),
    /// The first row, or null.
    First(Object),
    /// The rows.
    All(Object),
    /// How many.
    Count,
}

/// One thing about a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// JSON that is known already.
    Known(String),
    /// How many rows.
    Affected,
    /// The rows.
    Records(Object),
}
