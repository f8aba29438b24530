//! What was asked of the data, whoever asked it: the one input of `plan`, made by the REST grammar and by GraphQL alike.
//!
//! Invariant: nothing in here is text still to be parsed. Names are plain names (unquoted, not yet looked up), values are
//! the caller's values, trees are trees. Whether a name exists, and whether the caller may use it, is decided later.

mod test;

pub use test::{IsWord, Operator, Quantifier, SearchKind, Test};

use base::Repeat;
use bytes::Bytes;

/// A name in a schema. The schema is one of the exposed ones, chosen before the ask was made.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    /// The schema.
    pub schema: String,
    /// The relation or function in it.
    pub name: String,
}

impl Name {
    /// A name in a schema.
    pub fn new(schema: impl Into<String>, name: impl Into<String>) -> Self {
        Name { schema: schema.into(), name: name.into() }
    }
}

/// One step into a JSON value (or, through `to_jsonb`, into a composite or an array).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct JsonStep {
    /// Where to.
    pub to: JsonKey,
    /// `->>` instead of `->`: the result is text.
    pub as_text: bool,
}

/// What a step selects.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum JsonKey {
    /// A key of an object.
    Key(String),
    /// A position in an array; negative counts from the end. Digits as sent: the server refuses what is too large.
    Index(String),
}

/// A column (or computed field) and the way into it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Field {
    /// The column's name.
    pub name: String,
    /// Steps into its value, outermost first.
    pub path: Vec<JsonStep>,
}

impl Field {
    /// A column as it is.
    pub fn column(name: impl Into<String>) -> Self {
        Field { name: name.into(), path: Vec::new() }
    }

    /// The name a selected field gets when none was asked for: the last key that is a name, or the column's name.
    pub fn default_alias(&self) -> &str {
        let last_key = self.path.iter().rev().find_map(|step| match &step.to {
            JsonKey::Key(key) => Some(key.as_str()).filter(|key| !key.is_empty()),
            JsonKey::Index(_) => None,
        });
        last_key.unwrap_or(&self.name)
    }
}

/// A function over the rows of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Aggregate {
    /// `sum(x)`
    Sum,
    /// `avg(x)`
    Avg,
    /// `max(x)`
    Max,
    /// `min(x)`
    Min,
    /// `count(x)`, or `count(*)` when the item has no field.
    Count,
}

impl Aggregate {
    /// Its SQL name, which is also the name of the result when none was asked for.
    pub fn name(self) -> &'static str {
        match self {
            Aggregate::Sum => "sum",
            Aggregate::Avg => "avg",
            Aggregate::Max => "max",
            Aggregate::Min => "min",
            Aggregate::Count => "count",
        }
    }
}

/// One selected item.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SelectItem {
    /// `*`
    All,
    /// A column or an aggregate over one.
    Field(SelectField),
    /// Related rows.
    Embed(Embed),
}

/// A selected column, cast, aggregate, alias.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SelectField {
    /// The column; `None` only for `count()` over whole rows.
    pub field: Option<Field>,
    /// A type to cast the column to, before any aggregate. Letters, digits, `_`, `$` and inner spaces only.
    pub cast: Option<String>,
    /// The aggregate.
    pub aggregate: Option<Aggregate>,
    /// A type to cast the aggregate's result to.
    pub aggregate_cast: Option<String>,
    /// The name in the answer.
    pub alias: Option<String>,
}

/// Whether a parent without related rows stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Join {
    /// It stays, with null or an empty list.
    #[default]
    Left,
    /// It goes.
    Inner,
}

/// Related rows of each row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Embed {
    /// A related table or view, a foreign key's name or column, or a computed relationship.
    pub target: String,
    /// The name in the answer; `target` when absent.
    pub alias: Option<String>,
    /// What tells two relationships apart: a constraint, a column, a junction.
    pub hint: Option<String>,
    /// Whether parents without related rows stay.
    pub join: Join,
    /// Whether its columns are lifted into the parent.
    pub spread: bool,
    /// What of it is read.
    pub level: Level,
}

impl Embed {
    /// The name by which filters and orders refer to it, and its key in the answer.
    pub fn label(&self) -> &str {
        self.alias.as_deref().unwrap_or(&self.target)
    }
}

/// What is read of one relation, at any depth. Limits are those asked for, not yet the operator's maximum.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Level {
    /// Selected items in order. Empty at an embed means "join only, no key in the answer".
    pub select: Vec<SelectItem>,
    /// All of these must hold.
    pub filters: Vec<Logic>,
    /// Order of the rows.
    pub order: Vec<OrderTerm>,
    /// Most rows.
    pub limit: Option<i64>,
    /// Rows skipped.
    pub offset: i64,
}

impl Level {
    /// The embeds of this level in order.
    pub fn embeds(&self) -> impl Iterator<Item = &Embed> {
        self.select.iter().filter_map(|item| match item {
            SelectItem::Embed(embed) => Some(embed),
            SelectItem::All | SelectItem::Field(_) => None,
        })
    }

    /// Whether whole rows are asked for and nothing else: what handlers of media types take.
    pub fn is_whole_row(&self) -> bool {
        matches!(self.select.as_slice(), [SelectItem::All])
    }
}

/// A condition on a row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Logic {
    /// A test of one field.
    Filter(Filter),
    /// Several conditions.
    Group {
        /// Whether the group's outcome is turned around.
        negated: bool,
        /// How they combine.
        how: Connective,
        /// The conditions; never empty when it comes from the REST grammar.
        parts: Vec<Logic>,
    },
}

/// How conditions combine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Connective {
    /// All hold.
    And,
    /// At least one holds.
    Or,
}

/// A test of one field. A field that names an embed of the same level, tested with [`Test::Is`] null or not null,
/// tests whether there are related rows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Filter {
    /// What is tested.
    pub field: Field,
    /// Whether the outcome is turned around.
    pub negated: bool,
    /// The test.
    pub test: Test,
}

/// One term of an order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OrderTerm {
    /// An embedded to-one relation whose field it is, by its label.
    pub relation: Option<String>,
    /// The field.
    pub field: Field,
    /// Up or down, when said.
    pub direction: Option<Direction>,
    /// Where nulls go, when said.
    pub nulls: Option<Nulls>,
}

/// Up or down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

/// Where nulls go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Nulls {
    /// Before everything.
    First,
    /// After everything.
    Last,
}

/// How the total is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Count {
    /// Counted.
    Exact,
    /// The planner's guess.
    Planned,
    /// Counted up to the operator's maximum, guessed beyond.
    Estimated,
}

/// What the answer's body is made of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// No body: `HEAD`, or a write that returns nothing.
    Nothing,
    /// A JSON array of rows; for a function that returns one value, that value.
    Json {
        /// Whether keys with null are left out.
        strip_nulls: bool,
    },
    /// One JSON object. Anything but one row is refused and rolled back: see [`Terms::singular`].
    Object {
        /// Whether keys with null are left out.
        strip_nulls: bool,
    },
    /// Comma-separated values with a header line.
    Csv,
    /// A `FeatureCollection`.
    GeoJson,
    /// The bytes of one scalar that already is of the media type: a function's result, as it is.
    Raw,
    /// What an aggregate function over the rows makes of them, as bytes.
    Handler(Name),
}

/// What surrounds any ask: the same for reads, writes and calls.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Terms {
    /// The body.
    pub shape: Shape,
    /// Whether exactly one row must come out (checked before the commit), whatever the body is.
    pub singular: bool,
    /// The total wanted.
    pub count: Option<Count>,
    /// More rows than this are refused before the commit.
    pub max_affected: Option<i64>,
    /// The plan instead of the rows.
    pub explain: Option<Explain>,
    /// Whether the transaction is thrown away after the answer is known (the conformance profile and dry runs).
    pub roll_back: bool,
    /// What makes a write that comes again the same write.
    pub repeat: Option<Repeat>,
}

impl Default for Terms {
    fn default() -> Self {
        Terms {
            shape: Shape::Json { strip_nulls: false },
            singular: false,
            count: None,
            max_affected: None,
            explain: None,
            roll_back: false,
            repeat: None,
        }
    }
}

/// `EXPLAIN` and its options.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Explain {
    /// JSON instead of text.
    pub json: bool,
    /// Runs it.
    pub analyze: bool,
    /// `VERBOSE`
    pub verbose: bool,
    /// `SETTINGS`
    pub settings: bool,
    /// `BUFFERS`
    pub buffers: bool,
    /// `WAL`
    pub wal: bool,
}

/// Reading rows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReadAsk {
    /// Of what.
    pub relation: Name,
    /// Which rows and columns.
    pub level: Level,
    /// The rest.
    pub terms: Terms,
}

/// Rows to be written: one JSON text. CSV and forms were made JSON before.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Payload {
    /// An object, or an array of objects. When `checked` is false it may be anything, even no JSON at all.
    pub json: Bytes,
    /// Whether it is an array.
    pub many: bool,
    /// The columns written: the objects' keys, or those named by the caller.
    pub columns: Vec<String>,
    /// Whether it is known to be JSON whose objects all have exactly these keys.
    pub checked: bool,
}

/// What to do about a row that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resolution {
    /// Update it.
    Merge,
    /// Leave it.
    Ignore,
}

/// What is written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// New rows.
    Insert {
        /// The rows.
        payload: Payload,
        /// What to do about conflicts. Without a primary key and `on_conflict` it has no effect.
        resolution: Option<Resolution>,
        /// The columns that conflict; the primary key when absent.
        on_conflict: Option<Vec<String>>,
        /// Whether a key that is missing means the column's default instead of null.
        missing_as_default: bool,
    },
    /// The one row that the filters name by its primary key, made or replaced.
    Put {
        /// The row.
        payload: Payload,
    },
    /// Changed rows.
    Update {
        /// The new values.
        payload: Payload,
        /// Whether a key that is missing means the column's default instead of null.
        missing_as_default: bool,
    },
    /// Rows gone.
    Delete,
}

/// What a write gives back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Returning {
    /// Nothing but the number of rows.
    #[default]
    Minimal,
    /// The key of a single new row.
    Key,
    /// The rows, shaped by the level.
    Rows,
}

/// Writing rows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MutateAsk {
    /// Where.
    pub relation: Name,
    /// What.
    pub change: Change,
    /// Which rows: all of these must hold. For [`Change::Put`], exactly the primary key's columns with plain equality.
    pub filters: Vec<Logic>,
    /// What it gives back.
    pub returning: Returning,
    /// How the rows given back are shaped; its own filters are those on embeds only.
    pub level: Level,
    /// The rest.
    pub terms: Terms,
}

/// What a function is called with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Arguments {
    /// Texts by name, in order. A name may repeat: all of them for a variadic parameter, else the last one counts.
    Texts(Vec<(String, String)>),
    /// A JSON object, or an array whose first object counts. A function with one unnamed json parameter takes all of it.
    Json {
        /// As sent.
        raw: Bytes,
        /// The keys that are arguments.
        keys: Vec<String>,
        /// Whether it is an array.
        many: bool,
        /// Whether all of it may go to a single unnamed json parameter: only what was sent as JSON may.
        whole: bool,
    },
    /// A body for a single unnamed parameter.
    Body {
        /// As sent.
        raw: Bytes,
        /// The parameter's type.
        kind: BodyKind,
    },
}

impl Arguments {
    /// The names the function must have parameters for, in order, each once.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        let all: Box<dyn Iterator<Item = &str>> = match self {
            Arguments::Texts(pairs) => Box::new(pairs.iter().map(|(name, _)| name.as_str())),
            Arguments::Json { keys, .. } => Box::new(keys.iter().map(String::as_str)),
            Arguments::Body { .. } => Box::new(std::iter::empty()),
        };
        for name in all {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

/// The type of a single unnamed parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BodyKind {
    /// `text`
    Text,
    /// `xml`
    Xml,
    /// `bytea`
    Bytes,
}

/// Calling a function.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CallAsk {
    /// Which.
    pub function: Name,
    /// With what.
    pub arguments: Arguments,
    /// Whether the caller promised a read (`GET`, `HEAD`): the transaction is read only whatever the function is, and
    /// arguments came one by one.
    pub read_only: bool,
    /// What of its rows is wanted.
    pub level: Level,
    /// The rest.
    pub terms: Terms,
}

/// What came of an ask, ready for a dialect to word. Made once per ask, after every check that may still roll back.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Outcome {
    /// The body in the shape that was asked for; empty for [`Shape::Nothing`]. With [`Explain`], the plan.
    pub body: Bytes,
    /// Rows in this page, or rows written.
    pub rows: i64,
    /// Rows in all, when counted or guessed.
    pub total: Option<i64>,
    /// Rows that were new, for inserts and puts; `None` when that was not tracked.
    pub inserted: Option<i64>,
    /// Column and value of the single new row's key, for [`Returning::Key`]; a view may show a key that is null.
    pub key: Vec<(String, Option<String>)>,
    /// Whether a resolution of conflicts had a target and so took effect.
    pub resolved: bool,
    /// Whether the function called returns nothing at all.
    pub void: bool,
    /// `response.headers` as user code left it.
    pub response_headers: Option<String>,
    /// `response.status` as user code left it.
    pub response_status: Option<String>,
    /// Whether it is what came of the same write before; nothing was done this time.
    pub replayed: bool,
    /// The names of honey rows that were read for it, with commas between them.
    pub touched: Option<String>,
}

/// What the operator allows of any ask.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Rules {
    /// Most rows read at any level; writes are not capped.
    pub max_rows: Option<i64>,
    /// Whether aggregates may be selected.
    pub aggregates: bool,
}
