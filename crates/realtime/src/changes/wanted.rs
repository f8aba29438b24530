//! Which changes somebody wants, and the tables they may want them of.

use std::sync::Arc;

use serde::Deserialize;

/// What happened to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// It is new.
    Insert,
    /// It is another.
    Update,
    /// It is gone.
    Delete,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 3] = [Kind::Insert, Kind::Update, Kind::Delete];

    /// As PostgreSQL calls it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Insert => "INSERT",
            Kind::Update => "UPDATE",
            Kind::Delete => "DELETE",
        }
    }

    /// By its name.
    pub fn named(name: &str) -> Option<Self> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// How a column is compared with what was given.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Test {
    /// An operator, and the value on its right.
    Compare(Operator, Arc<str>),
    /// One of these.
    In(Arc<[String]>),
    /// `IS NULL`, `IS TRUE`, …
    Is(Is),
}

/// What stands between a column and a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `=`
    Eq,
    /// `<>`
    Neq,
    /// `<`
    Lt,
    /// `<=`
    Lte,
    /// `>`
    Gt,
    /// `>=`
    Gte,
    /// `LIKE`
    Like,
    /// `ILIKE`
    Ilike,
    /// `~`
    Match,
    /// `~*`
    Imatch,
    /// `IS DISTINCT FROM`
    Distinct,
}

impl Operator {
    /// Whether its value is a pattern, which may be a broken one.
    pub(super) fn is_pattern(self) -> bool {
        match self {
            Operator::Like | Operator::Ilike | Operator::Match | Operator::Imatch => true,
            Operator::Eq
            | Operator::Neq
            | Operator::Lt
            | Operator::Lte
            | Operator::Gt
            | Operator::Gte
            | Operator::Distinct => false,
        }
    }

    /// In SQL.
    pub(super) fn sql(self) -> &'static str {
        match self {
            Operator::Eq => "=",
            Operator::Neq => "<>",
            Operator::Lt => "<",
            Operator::Lte => "<=",
            Operator::Gt => ">",
            Operator::Gte => ">=",
            Operator::Like => "LIKE",
            Operator::Ilike => "ILIKE",
            Operator::Match => "~",
            Operator::Imatch => "~*",
            Operator::Distinct => "IS DISTINCT FROM",
        }
    }
}

/// What a value can be without being one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Is {
    /// NULL.
    Null,
    /// True.
    True,
    /// False.
    False,
    /// NULL, of a truth.
    Unknown,
}

impl Is {
    pub(super) fn sql(self) -> &'static str {
        match self {
            Is::Null => "NULL",
            Is::True => "TRUE",
            Is::False => "FALSE",
            Is::Unknown => "UNKNOWN",
        }
    }
}

/// What a row must be like.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Condition {
    /// Which column.
    pub column: Arc<str>,
    /// Whether the opposite is meant.
    pub not: bool,
    /// What of it.
    pub test: Test,
}

/// Changes that somebody wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Of which kind; of every one where none is named.
    pub kind: Option<Kind>,
    /// In which schema; in every one where none is named.
    pub schema: Option<Arc<str>>,
    /// Of which table; of every one where none is named.
    pub table: Option<Arc<str>>,
    /// Of which rows: all of these must hold of the new row, of a removed one of the old.
    pub conditions: Vec<Condition>,
}

impl Wanted {
    /// Whether changes of this table are meant.
    pub(super) fn means(&self, schema: &str, table: &str) -> bool {
        self.schema.as_deref().is_none_or(|wanted| wanted == schema)
            && self.table.as_deref().is_none_or(|wanted| wanted == table)
    }
}

/// A published table, as it is when its changes are told.
#[derive(Debug, Deserialize)]
pub(super) struct Table {
    pub(super) oid: u32,
    pub(super) schema: Arc<str>,
    pub(super) name: Arc<str>,
    /// `pg_class.relreplident`
    pub(super) identity: String,
    /// Which rows are published.
    pub(super) condition: Option<String>,
    inserts: bool,
    updates: bool,
    deletes: bool,
    pub(super) columns: Vec<Column>,
    pub(super) policies: Vec<Policy>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Column {
    pub(super) name: Arc<str>,
    pub(super) r#type: Arc<str>,
    /// Of what names a row that is gone.
    pub(super) of_key: bool,
    pub(super) published: bool,
    /// Has no value until somebody reads it: a trigger does not see it.
    pub(super) computed: bool,
}

/// A policy that decides who sees a row.
#[derive(Debug, Deserialize)]
pub(super) struct Policy {
    pub(super) permissive: bool,
    /// `pg_roles.oid`; 0 is everybody.
    pub(super) roles: Vec<u32>,
    pub(super) using: String,
}

impl Table {
    /// Whether changes of this kind are published.
    pub(super) fn publishes(&self, kind: Kind) -> bool {
        match kind {
            Kind::Insert => self.inserts,
            Kind::Update => self.updates,
            Kind::Delete => self.deletes,
        }
    }

    /// What a trigger cannot show cannot be judged.
    pub(super) fn can_be_judged(&self) -> bool {
        !self.columns.iter().any(|column| column.computed)
    }
}
