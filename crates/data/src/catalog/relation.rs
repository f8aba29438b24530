//! Tables, views and their like.
//!
//! Invariant: [`Served`] is decided when the snapshot is built, so that no request can forget to ask.

use std::sync::Arc;

use super::bounds::Bound;
use super::check::Check;

/// A relation's place in its snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelationId(pub usize);

/// What kind of relation it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum RelationKind {
    /// An ordinary table.
    #[default]
    Table,
    /// A table whose rows lie in partitions.
    Partitioned,
    /// A view.
    View,
    /// A materialised view.
    Materialized,
    /// A foreign table.
    Foreign,
}

impl RelationKind {
    /// From `pg_class.relkind`.
    pub fn from_relkind(kind: &str) -> Option<Self> {
        match kind {
            "r" => Some(RelationKind::Table),
            "p" => Some(RelationKind::Partitioned),
            "v" => Some(RelationKind::View),
            "m" => Some(RelationKind::Materialized),
            "f" => Some(RelationKind::Foreign),
            _ => None,
        }
    }

    /// Whether its rows come from a query.
    pub fn is_view(self) -> bool {
        matches!(self, RelationKind::View | RelationKind::Materialized)
    }
}

/// Whether a relation is served, and if not, why: for the operator, never for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Served {
    /// It is.
    Yes,
    /// Its schema is not exposed.
    #[default]
    NotExposed,
    /// It is a partition; its parent may be served.
    Partition,
    /// Row level security is not enabled.
    RowSecurityOff,
    /// Row level security does not bind the owner.
    RowSecurityNotForced,
    /// The view runs with the rights of an owner whom row level security does not bind.
    DefinerView,
    /// The view stands on a relation that is not protected itself.
    UnprotectedSource,
    /// The view calls a function that runs with the rights of an owner whom row level security does not bind.
    UnsafeFunction,
    /// Materialised views have no row level security.
    Materialized,
    /// Foreign tables have no row level security.
    Foreign,
    /// An extension's view shows what the server knows, not rows that policies bind.
    Extension,
}

/// A column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: Arc<str>,
    /// `pg_attribute.attnum`.
    pub number: i16,
    /// Its type, which may be a domain.
    pub type_oid: u32,
    /// Its type with modifiers, as PostgreSQL prints it.
    pub type_text: Arc<str>,
    /// Longest text allowed, for `varchar(n)` and `char(n)`.
    pub max_length: Option<u32>,
    /// `NOT NULL`
    pub required: bool,
    /// Its default, as an expression.
    pub default: Option<Arc<str>>,
    /// Whether values come only from the database (`GENERATED ALWAYS`).
    pub generated: bool,
    /// What its comment says.
    pub comment: Option<Arc<str>>,
    /// The table and column it is, or shows: of a view, the one at the end of all views.
    pub origin: (u32, i16),
    /// What is asked of its values beyond what PostgreSQL checks.
    pub check: Option<Arc<Check>>,
    /// What CHECKs of its table and its domains say of it alone.
    pub bounds: Vec<Bound>,
}

/// A honey row, as the trigger on its table knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bait {
    /// What the canary is called.
    pub name: Arc<str>,
    /// What stands in the row and nowhere else.
    pub mark: Arc<str>,
}

impl Bait {
    /// From the arguments of triggers, each ended by a NUL as PostgreSQL escapes it.
    pub(super) fn read(arguments: &str) -> Arc<[Bait]> {
        let one = |text: &str| {
            let mut parts = text.split("\\000").filter(|part| !part.is_empty());
            Some(Bait { name: parts.next()?.into(), mark: parts.next()?.into() })
        };
        arguments.split(' ').filter_map(one).collect()
    }
}

/// A table, view or foreign table.
#[derive(Clone, Debug, Default)]
pub struct Relation {
    /// Its place.
    pub id: RelationId,
    /// `pg_class.oid`
    pub oid: u32,
    /// Its schema.
    pub schema: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Its kind.
    pub kind: RelationKind,
    /// The type of its rows.
    pub row_type: u32,
    /// Columns in order; empty for relations outside the schemas looked into.
    pub columns: Vec<Column>,
    /// The primary key's columns; of a view, the columns that show one.
    pub primary_key: Vec<Arc<str>>,
    /// The same in the key's own order; empty for views.
    pub key_order: Vec<Arc<str>>,
    /// Row level security is enabled.
    pub row_security: bool,
    /// It binds the owner too.
    pub row_security_forced: bool,
    /// How many policies there are.
    pub policies: u32,
    /// The owner passes by row level security.
    pub owner_bypasses: bool,
    /// Its owner.
    pub owner: Arc<str>,
    /// The view runs with the rights of whoever asks.
    pub security_invoker: bool,
    /// Rows can be inserted.
    pub insertable: bool,
    /// Rows can be updated.
    pub updatable: bool,
    /// Rows can be deleted.
    pub deletable: bool,
    /// Whether an extension brought it.
    pub of_extension: bool,
    /// Why its owner wants it served although policies do not bind it.
    pub acknowledged: Option<Arc<str>>,
    /// What its comment says.
    pub comment: Option<Arc<str>>,
    /// Rows in it that nobody has a reason to read. None are known where some caller may read some columns only: to look for
    /// the mark, all of a row is read.
    pub baits: Arc<[Bait]>,
    /// Whether it is served.
    pub served: Served,
}

impl Default for RelationId {
    fn default() -> Self {
        RelationId(usize::MAX)
    }
}

impl Relation {
    /// A column by name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| &*column.name == name)
    }

    /// Whether every row has a column of this name that nobody made.
    pub(crate) fn has_system_column(&self, name: &str) -> bool {
        let of_tables = matches!(self.kind, RelationKind::Table | RelationKind::Partitioned);
        of_tables && ["tableoid", "ctid", "xmin", "cmin", "xmax", "cmax"].contains(&name)
    }

    /// A column's name by its number.
    pub fn column_name(&self, number: i16) -> Option<&Arc<str>> {
        self.columns.iter().find(|column| column.number == number).map(|column| &column.name)
    }
}
