//! Functions: what they take, what they give, and how a call finds one.

use std::sync::Arc;

use super::arguments::Asks;
use super::{Relation, RelationId, TypeKind, Types};

/// `pg_proc.provolatile`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Volatility {
    /// Depends on nothing.
    Immutable,
    /// Reads.
    Stable,
    /// May write.
    Volatile,
}

/// A parameter that a caller gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name; empty when it has none.
    pub name: Arc<str>,
    /// Its type.
    pub type_oid: u32,
    /// Whether it has no default.
    pub required: bool,
    /// Whether it takes all that is left.
    pub variadic: bool,
    /// What its type asks of its values beyond what PostgreSQL checks.
    pub asks: Option<Arc<Asks>>,
}

/// What a function returns, once or (when [`Function::set`]) many times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Returns {
    /// Nothing at all.
    Void,
    /// One value.
    Scalar {
        /// Its type.
        type_oid: u32,
    },
    /// Rows of a table, a view or a composite type.
    Row {
        /// The relation in the snapshot, when it is one.
        relation: Option<RelationId>,
        /// Its name, which embeds refer to.
        name: Arc<str>,
        /// Columns in order, with their types.
        columns: Vec<(Arc<str>, u32)>,
        /// Whether the type returned is a domain over the row type.
        domain: bool,
    },
    /// Rows nobody described.
    Record,
}

/// A function that can be called.
#[derive(Clone, Debug)]
pub struct Function {
    /// `pg_proc.oid`
    pub oid: u32,
    /// Its schema.
    pub schema: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Its parameters in order.
    pub parameters: Vec<Parameter>,
    /// What it returns.
    pub returns: Returns,
    /// The type it returns.
    pub return_type: u32,
    /// Whether it returns that many times.
    pub set: bool,
    /// Whether the planner was told to expect one row.
    pub one_row: bool,
    /// Whether it may write.
    pub volatility: Volatility,
    /// Whether it runs with its owner's rights.
    pub security_definer: bool,
    /// Whether its owner passes by row level security.
    pub owner_bypasses: bool,
    /// Settings it runs under.
    pub settings: Vec<(Arc<str>, Arc<str>)>,
    /// Whether `anon` may call it.
    pub anybody: bool,
    /// Whether its search path has a schema that callers may create in.
    pub open_path: bool,
    /// Whether an extension brought it.
    pub of_extension: bool,
    /// Why its owner wants it served although it runs with their rights.
    pub acknowledged: Option<Arc<str>>,
    /// What its comment says.
    pub comment: Option<Arc<str>>,
    /// The defaults of its last parameters, as SQL with commas between.
    pub defaults: Option<Arc<str>>,
    /// Whether each parameter has a name, or the only one can take a whole body.
    pub callable: bool,
}

impl Function {
    /// Whether it is one value, not a set and not a row.
    pub fn is_single_scalar(&self) -> bool {
        !self.set && !matches!(self.returns, Returns::Row { .. })
    }

    /// Whether it is a computed field: one value of one row of the relation.
    pub(super) fn is_field_of(&self, relation: &Relation) -> bool {
        matches!(self.parameters.as_slice(), [only] if only.type_oid == relation.row_type) && !self.set
    }

    /// Whether it is one value of one row, of whatever relation.
    pub(super) fn takes_a_row(&self, types: &Types) -> bool {
        let is_row = |kind: TypeKind| matches!(kind, TypeKind::Composite | TypeKind::Pseudo);
        match self.parameters.as_slice() {
            [only] => !self.set && types.get(only.type_oid).is_some_and(|found| is_row(found.kind)),
            _ => false,
        }
    }

    /// Whether at most one row comes out.
    pub fn is_single(&self) -> bool {
        !self.set
    }
}

/// What a media type handler is made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandlerTarget {
    /// Rows of any relation.
    Anything,
    /// Rows of one relation.
    Relation(RelationId),
    /// The result of the function itself.
    Itself,
}

/// A function or aggregate whose result is a media type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handler {
    /// Its schema.
    pub schema: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// What it is made for.
    pub target: HandlerTarget,
    /// The media type, lower case; `*/*` for any.
    pub media: Arc<str>,
}
