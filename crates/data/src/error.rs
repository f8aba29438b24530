//! Why an ask could not be planned or was not carried out, with everything a dialect needs to word it.
//!
//! Invariant: names of things the caller did not name themselves stand only in fields called `suggestion` or
//! `candidates`; a dialect shows those only where the operator allows it.

use std::borrow::Cow;

use base::{Fault, Kind};

use crate::fields::FieldFault;

/// One of several relationships an embed could mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// `many-to-one`, `one-to-many`, `one-to-one`, `many-to-many`.
    pub cardinality: &'static str,
    /// The relation embedded in.
    pub source: String,
    /// The relation embedded.
    pub target: String,
    /// The constraint and columns, in words.
    pub relationship: String,
    /// What tells it apart as a hint: a constraint or a junction.
    pub hint: String,
    /// `pg_class.oid` of everything that this names.
    pub relations: Vec<u32>,
}

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database refused or could not be reached.
    #[error(transparent)]
    Database(#[from] pg::Error),
    /// No such relation is served.
    #[error("Could not find the table '{schema}.{name}' in the schema cache")]
    NoRelation {
        /// The schema looked in.
        schema: String,
        /// The name asked for.
        name: String,
        /// A relation with a similar name.
        suggestion: Option<String>,
    },
    /// A column named for writing does not exist.
    #[error("Could not find the '{column}' column of '{relation}' in the schema cache")]
    NoColumn {
        /// The relation.
        relation: String,
        /// The column asked for.
        column: String,
    },
    /// Nothing links the two.
    #[error("Could not find a relationship between '{source_name}' and '{target}' in the schema cache")]
    NoRelationship {
        /// The schema.
        schema: Box<str>,
        /// The relation embedded in.
        source_name: Box<str>,
        /// What was to be embedded.
        target: Box<str>,
        /// The hint given.
        hint: Option<String>,
        /// The wrong name and a similar right one.
        suggestion: Option<(String, String)>,
    },
    /// More than one link.
    #[error(
        "Could not embed because more than one relationship was found for '{source_name}' and '{target}'"
    )]
    AmbiguousRelationship {
        /// The relation embedded in.
        source_name: String,
        /// What was to be embedded.
        target: String,
        /// The links.
        candidates: Vec<Candidate>,
    },
    /// No function takes these arguments.
    #[error("Could not find the function {schema}.{name} with these arguments in the schema cache")]
    NoFunction {
        /// The schema.
        schema: String,
        /// The name asked for.
        name: String,
        /// Names of the arguments, sorted.
        arguments: Vec<String>,
        /// How it was called.
        called: Called,
        /// `name` or `name(arguments)` of a similar function.
        suggestion: Option<String>,
    },
    /// Several functions take these arguments.
    #[error("Could not choose the best candidate function between: {}", candidates.join(", "))]
    AmbiguousFunction {
        /// `schema.name(parameter => type, …)`
        candidates: Vec<String>,
    },
    /// A cast names no type.
    #[error("type \"{name}\" does not exist")]
    NoType {
        /// The words of the cast.
        name: String,
    },
    /// Exactly one row was wanted.
    #[error("Cannot coerce the result to a single JSON object")]
    NotSingular {
        /// How many there were.
        rows: i64,
    },
    /// More rows than the caller wanted to touch.
    #[error("Query result exceeds max-affected preference constraint")]
    MaxAffected {
        /// How many there were.
        rows: i64,
    },
    /// A limit on rows makes sense only for a function that returns a set.
    #[error("Function must return SETOF or TABLE when max-affected preference is used with handling=strict")]
    MaxAffectedSingle,
    /// An order by a relation that is not to-one.
    #[error("A related order on '{target}' is not possible")]
    OrderNotToOne {
        /// The relation ordered.
        source_name: String,
        /// The relation ordered by.
        target: String,
    },
    /// An order by a relation that is not embedded.
    #[error("'{name}' is not an embedded resource in this request")]
    NotEmbedded {
        /// Its label.
        name: String,
    },
    /// Aggregates are switched off.
    #[error("Use of aggregate functions is not allowed")]
    AggregatesOff,
    /// Understood and not offered.
    #[error("{what}")]
    NotImplemented {
        /// What is not.
        what: &'static str,
    },
    /// The filters of a put are not exactly its primary key.
    #[error("Filters must include all and only primary key columns with 'eq' operators")]
    PutFilters,
    /// The row of a put has another key than its filters.
    #[error("Payload values do not match URL in primary key column(s)")]
    PutMismatch,
    /// Past a bound of this crate's `limits.rs`.
    #[error("The request asks for more than {limit} allows ({value})")]
    TooMuch {
        /// The limit's name.
        limit: &'static str,
        /// Its value.
        value: u64,
    },
    /// Rows to be written are no JSON, or none that can be looked into.
    #[error("Empty or invalid json")]
    NotJson,
    /// A value breaks a rule of its column that is kept here.
    #[error("the value of column \"{}\" breaks its rule: {}", .0.column, .0.says)]
    Field(Box<FieldFault>),
    /// A rule in the comment of a column cannot be read, so nothing is written to it.
    #[error("a rule of column {column} cannot be read, so nothing is written to it: {why}")]
    BrokenRule {
        /// The column.
        column: String,
        /// Why.
        why: String,
    },
    /// The same write is being carried out right now.
    #[error("A request with this Idempotency-Key is being carried out right now")]
    RepeatRunning,
    /// Its key came with another request.
    #[error("This Idempotency-Key came with another request before")]
    RepeatOther,
    /// The same write was committed before, and what its answer tells may no longer be for this caller.
    #[error("The same write was committed before, and the rules of who may see what changed since")]
    RepeatRules,
    /// As many answers as anybody may have are kept for this caller.
    #[error("{most} answers are kept for this caller already (kept_answers_max)")]
    RepeatsTooMany {
        /// How many.
        most: u64,
    },
    /// Its answer is too large to be kept.
    #[error("The answer to a request with an Idempotency-Key may have {most} bytes (kept_answer_bytes_max)")]
    RepeatTooLarge {
        /// How many.
        most: u64,
    },
    /// The function that every request calls first may not be called.
    #[error("What every request has to pass first is not in order")]
    PreRequest(Box<crate::gate::Refusal>),
    /// Too many large answers are being sent.
    #[error("Too many large answers are being sent at the moment (answers_held_bytes_max)")]
    Full,
    /// The catalog was never read.
    #[error("The catalog has not been read yet")]
    NoCatalog,
    /// The server answered in a shape this crate did not ask for.
    #[error("the answer has an unexpected shape: {0}")]
    Bug(&'static str),
}

/// How a function was called, which decides what a refusal may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Called {
    /// With arguments in the address.
    Texts,
    /// With a JSON body.
    Json,
    /// With a body for a single unnamed parameter.
    Body(crate::ask::BodyKind),
}

impl Error {
    /// The same, about one of several rows.
    pub(crate) fn in_row(mut self, at: usize, of: usize) -> Self {
        if let Error::Field(fault) = &mut self
            && of > 1
        {
            fault.row = Some(at);
        }
        self
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::Database(error) => error.kind(),
            Error::NoRelation { .. } | Error::NoFunction { .. } => Kind::NotFound,
            Error::NoColumn { .. }
            | Error::NoRelationship { .. }
            | Error::AmbiguousRelationship { .. }
            | Error::AmbiguousFunction { .. }
            | Error::NoType { .. }
            | Error::NotSingular { .. }
            | Error::MaxAffected { .. }
            | Error::MaxAffectedSingle
            | Error::OrderNotToOne { .. }
            | Error::NotEmbedded { .. }
            | Error::PutFilters
            | Error::PutMismatch
            | Error::NotJson
            | Error::Field(_)
            | Error::RepeatOther => Kind::Invalid,
            Error::RepeatRunning | Error::RepeatRules => Kind::Conflict,
            Error::RepeatsTooMany { .. } => Kind::TooMany,
            Error::RepeatTooLarge { .. } => Kind::TooLarge,
            Error::AggregatesOff | Error::NotImplemented { .. } => Kind::Unsupported,
            Error::TooMuch { .. } => Kind::TooLarge,
            Error::NoCatalog | Error::PreRequest(_) | Error::Full => Kind::Unavailable,
            Error::BrokenRule { .. } | Error::Bug(_) => Kind::Bug,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Database(error) => error.code(),
            Error::NoRelation { .. } => "data.relation.none",
            Error::NoColumn { .. } => "data.column.none",
            Error::NoRelationship { .. } => "data.relationship.none",
            Error::AmbiguousRelationship { .. } => "data.relationship.ambiguous",
            Error::NoFunction { .. } => "data.function.none",
            Error::AmbiguousFunction { .. } => "data.function.ambiguous",
            Error::NoType { .. } => "data.type.none",
            Error::NotSingular { .. } => "data.rows.not_singular",
            Error::MaxAffected { .. } => "data.rows.max_affected",
            Error::MaxAffectedSingle => "data.function.not_a_set",
            Error::OrderNotToOne { .. } => "data.order.not_to_one",
            Error::NotEmbedded { .. } => "data.embed.none",
            Error::AggregatesOff => "data.aggregates.off",
            Error::NotImplemented { .. } => "data.not_implemented",
            Error::PutFilters => "data.put.filters",
            Error::PutMismatch => "data.put.mismatch",
            Error::TooMuch { .. } => "data.too_much",
            Error::NotJson => "data.rows.not_json",
            Error::Field(_) => "data.field.refused",
            Error::BrokenRule { .. } => "data.rule.broken",
            Error::RepeatRunning => "data.idempotency.running",
            Error::RepeatOther => "data.idempotency.other_request",
            Error::RepeatRules => "data.idempotency.rules_changed",
            Error::RepeatsTooMany { .. } => "data.idempotency.too_many",
            Error::RepeatTooLarge { .. } => "data.idempotency.answer_too_large",
            Error::NoCatalog => "data.catalog.none",
            Error::PreRequest(_) => "data.pre_request.refused",
            Error::Full => "data.answers.too_large_together",
            Error::Bug(_) => "data.bug",
        }
    }

    fn message(&self) -> Cow<'_, str> {
        match self {
            Error::Database(error) => error.message(),
            Error::BrokenRule { .. } | Error::Bug(_) => "An unexpected error occurred".into(),
            Error::AmbiguousFunction { .. } => "Several functions take these arguments".into(),
            other => Cow::Owned(other.to_string()),
        }
    }

    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Error::RepeatRunning => {
                Some("Send it again in a moment: the answer will be the first one's".into())
            }
            Error::RepeatOther => {
                Some("Use a new key for every new write, and the old one only to send the same again".into())
            }
            Error::RepeatRules => Some(
                "Nothing was done again: read what is there now, and use a new key for a new write".into(),
            ),
            Error::PreRequest(_) => {
                Some("The operator finds why in the log and by `palisade gate` (data.pre_request)".into())
            }
            Error::Full => Some("Come again in a moment, or ask for fewer rows".into()),
            Error::RepeatTooLarge { .. } => Some("Ask for less, as with Prefer: return=minimal".into()),
            _ => None,
        }
    }

    fn retry_after(&self) -> Option<std::time::Duration> {
        match self {
            Error::Database(error) => error.retry_after(),
            Error::RepeatRunning | Error::Full => Some(std::time::Duration::from_secs(1)),
            _ => None,
        }
    }
}
