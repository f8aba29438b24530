//! What a field is tested for.
//!
//! Invariant: every operator a caller can name is in this list, and nothing else reaches SQL.

/// What a field is tested for. Values are text that PostgreSQL reads as the field's type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Test {
    /// A binary operator. With a quantifier the value is an array literal.
    Compare {
        /// The operator.
        operator: Operator,
        /// `ANY` or `ALL` of the value's elements.
        quantifier: Option<Quantifier>,
        /// The right-hand side. Patterns have PostgreSQL's `%`, never `*`.
        value: String,
    },
    /// One of these. An empty list, or one empty text, matches nothing.
    In(Vec<String>),
    /// `IS …`
    Is(IsWord),
    /// `IS DISTINCT FROM`
    IsDistinctFrom(String),
    /// Full text search.
    Search {
        /// How the query is read.
        kind: SearchKind,
        /// The text search configuration.
        config: Option<String>,
        /// The query.
        query: String,
    },
}

/// A binary operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `LIKE`
    Like,
    /// `ILIKE`
    ILike,
    /// `~`
    Match,
    /// `~*`
    IMatch,
    /// `@>`
    Contains,
    /// `<@`
    ContainedBy,
    /// `&&`
    Overlaps,
    /// `<<`
    StrictlyLeft,
    /// `>>`
    StrictlyRight,
    /// `&<`
    NotExtendsRight,
    /// `&>`
    NotExtendsLeft,
    /// `-|-`
    Adjacent,
}

impl Operator {
    /// The operator in SQL.
    pub fn sql(self) -> &'static str {
        match self {
            Operator::Equal => "=",
            Operator::NotEqual => "<>",
            Operator::Greater => ">",
            Operator::GreaterOrEqual => ">=",
            Operator::Less => "<",
            Operator::LessOrEqual => "<=",
            Operator::Like => "like",
            Operator::ILike => "ilike",
            Operator::Match => "~",
            Operator::IMatch => "~*",
            Operator::Contains => "@>",
            Operator::ContainedBy => "<@",
            Operator::Overlaps => "&&",
            Operator::StrictlyLeft => "<<",
            Operator::StrictlyRight => ">>",
            Operator::NotExtendsRight => "&<",
            Operator::NotExtendsLeft => "&>",
            Operator::Adjacent => "-|-",
        }
    }
}

/// `ANY` or `ALL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quantifier {
    /// At least one element.
    Any,
    /// Every element.
    All,
}

/// The right-hand side of `IS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IsWord {
    /// `NULL`
    Null,
    /// `NOT NULL`
    NotNull,
    /// `TRUE`
    True,
    /// `FALSE`
    False,
    /// `UNKNOWN`
    Unknown,
}

/// How a text search query is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SearchKind {
    /// `to_tsquery`
    Plain,
    /// `plainto_tsquery`
    Words,
    /// `phraseto_tsquery`
    Phrase,
    /// `websearch_to_tsquery`
    Web,
}
