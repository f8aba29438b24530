//! What there is in the database: one immutable snapshot of relations, links between them, functions and types.
//!
//! Invariant: a snapshot is built whole from one transaction and swapped in one step; nobody sees half a change. Names
//! that reach SQL text come from here, never from an ask.

pub mod arguments;
pub mod before;
pub mod bounds;
pub mod check;
mod effects;
pub mod function;
pub mod links;
mod load;
pub mod relation;
mod roles;
mod ruled;
pub mod sql;
pub mod types;
mod view;

pub use before::Before;
pub use bounds::Bound;
pub use function::{Function, Handler, HandlerTarget, Parameter, Returns, Volatility};
pub use links::{Columns, Link, LinkKind};
pub use load::{Raw, build, fingerprint, read, rights, roles};
pub use relation::{Bait, Column, Relation, RelationId, RelationKind, Served};
pub use roles::{RoleSettings, Roles};
pub use types::{Type, TypeKind, Types};

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use base::Caller;
use pg::Setup;

use crate::ask::Name;

/// Where the catalog looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Schemas whose relations and functions are served, the default one first.
    pub exposed: Vec<String>,
    /// Schemas that names in SQL may also come from.
    pub extra: Vec<String>,
    /// Whether relations without forced row level security are refused (control 40). Off in the conformance profile only.
    pub gate: bool,
    /// The function that every request calls first.
    pub pre_request: Option<Name>,
}

impl Scope {
    /// Every schema looked into, each once.
    pub fn schemas(&self) -> Vec<String> {
        let mut all = self.exposed.clone();
        all.extend(self.extra.iter().filter(|name| !self.exposed.contains(name)).cloned());
        all
    }

    /// Whether relations and functions of `schema` are served.
    pub fn exposes(&self, schema: &str) -> bool {
        self.exposed.iter().any(|name| name == schema)
    }
}

/// CHECKs of domains by type: the name of each, and what it says of the value.
pub type DomainChecks = HashMap<u32, Vec<(Arc<str>, Vec<Bound>)>>;

/// What rows of a table must obey.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Constraint {
    /// Columns by number.
    pub columns: Vec<i16>,
    /// What a CHECK of a single column says, as far as it is understood.
    pub bounds: Vec<Bound>,
}

/// The snapshot.
#[derive(Debug, Default)]
pub struct Catalog {
    /// Counts up with each reload of one process.
    pub version: u64,
    /// Every relation known, served or not.
    pub relations: Vec<Relation>,
    /// Links between served relations, by origin.
    pub links: HashMap<RelationId, Vec<Link>>,
    /// Functions by schema and name, fewest parameters first.
    pub functions: BTreeMap<(Arc<str>, Arc<str>), Vec<Function>>,
    /// Types by oid and name.
    pub types: Types,
    /// Fields of composite types, in order, with their types: by `pg_class.oid`.
    pub composites: HashMap<u32, Vec<(Arc<str>, u32)>>,
    /// Functions that show or read a domain's values, by source and target type.
    pub representations: HashMap<(u32, u32), (Arc<str>, Arc<str>)>,
    /// Functions that make a media type.
    pub handlers: Vec<Handler>,
    /// What every request calls first.
    pub before: Before,
    /// Settings of the roles that callers become.
    pub roles: Roles,
    /// Who passes by policies, and who is whose member.
    pub rights: String,
    /// Functions that are not served.
    pub closed: Vec<crate::gate::Refusal>,
    /// The same, by schema and name.
    pub(crate) closed_functions: crate::gate::Closed,
    /// Whether what is not known to be served is refused: [`Scope::gate`].
    pub(crate) gate: bool,
    /// Names under which PostgreSQL would call such a function as a field of a row.
    pub(crate) closed_fields: HashSet<Arc<str>>,
    /// CHECK, unique and foreign keys, by `pg_class.oid` and name.
    pub constraints: HashMap<(u32, Arc<str>), Constraint>,
    /// CHECKs of domains, by type.
    pub domain_checks: DomainChecks,
    /// Comments of schemas.
    pub comments: HashMap<Arc<str>, Arc<str>>,
    /// Comments of foreign keys, by `pg_class.oid` and name.
    pub key_comments: HashMap<(u32, Arc<str>), Arc<str>>,
    /// Whether any function could set `response.headers` or `response.status`.
    pub functions_answer: bool,
    /// Whether code that a read reaches may leave something in the session: then the session is cleaned behind it.
    pub reads_leave: bool,
    /// Whether any code looks at the request's method, path, headers or cookies: otherwise they are not sent.
    pub request_is_read: bool,
    /// Whether code that a read reaches looks at more of the caller's claims than `auth.uid()`: otherwise a read brings
    /// the subject alone.
    pub claims_are_read: bool,
    /// Whether a trigger tells of changes of a row that nobody has a reason to touch: then a write says whose it is.
    pub writes_are_watched: bool,
    /// Whether any code may prepare a statement, which would stay in the session.
    pub code_prepares: bool,
    /// Whether a change of the schema is announced by itself. Where it is not (no superuser, no event trigger), code that
    /// nobody knows of yet may look at anything and leave anything, so reads bring everything and are cleaned behind.
    pub is_heard: bool,
    /// What the schema was, as one word; empty where changes are announced.
    pub fingerprint: String,
    by_name: HashMap<(Arc<str>, Arc<str>), RelationId>,
    by_row_type: HashMap<u32, RelationId>,
    exposed: Vec<Arc<str>>,
}

impl Catalog {
    /// What every request of a role begins with: its settings, and the function that is called first.
    pub(crate) fn surround(&self, setup: &mut Setup, caller: &Caller) -> Result<(), crate::Error> {
        if let Some(settings) = self.roles.get(caller.role.name()) {
            settings.surround(setup);
        }
        self.before.surround(setup)
    }

    /// A relation that is served under this name.
    pub fn find(&self, schema: &str, name: &str) -> Option<&Relation> {
        self.find_known(schema, name).filter(|relation| relation.served == Served::Yes)
    }

    /// A relation of this name, served or not.
    pub fn find_known(&self, schema: &str, name: &str) -> Option<&Relation> {
        self.by_name.get(&(schema.into(), name.into())).and_then(|id| self.relation(*id))
    }

    /// A relation by its place in the snapshot.
    pub fn relation(&self, id: RelationId) -> Option<&Relation> {
        self.relations.get(id.0)
    }

    /// The relation whose row type this is.
    pub fn by_row_type(&self, type_oid: u32) -> Option<&Relation> {
        self.by_row_type.get(&type_oid).and_then(|id| self.relation(*id))
    }

    /// Served relations of a schema, by name.
    pub fn served<'a>(&'a self, schema: &'a str) -> impl Iterator<Item = &'a Relation> {
        self.relations
            .iter()
            .filter(move |relation| &*relation.schema == schema && relation.served == Served::Yes)
    }

    /// Links that start at a relation.
    pub fn links_of(&self, id: RelationId) -> &[Link] {
        self.links.get(&id).map_or(&[], Vec::as_slice)
    }

    /// Every function of this name.
    pub fn functions(&self, schema: &str, name: &str) -> &[Function] {
        self.functions.get(&(schema.into(), name.into())).map_or(&[], Vec::as_slice)
    }

    /// The result type of a function of one row of `relation`, when there is one by this name.
    pub fn computed_field(&self, relation: &Relation, name: &str) -> Option<&Function> {
        self.functions
            .iter()
            .filter(|((_, found), _)| &**found == name)
            .flat_map(|(_, all)| all)
            .find(|function| function.is_field_of(relation))
    }

    /// Whether a name that is no column may be passed on. PostgreSQL takes it for a call with the row, of whatever can be called so:
    /// its own functions (`json_agg` makes one value of all rows, whatever their bound), aggregates, functions whose other
    /// parameters have defaults, and any that was made since this snapshot. So only a field that is known to be served is: a
    /// function of the relation's rows beside it, where PostgreSQL looks first, or one of any rows whose name no other has that is
    /// closed. And the number of rows, as programs for Supabase ask for it: `select=name,films(count)`.
    pub(crate) fn is_open_field(&self, relation: Option<&Relation>, name: &str) -> bool {
        let is_beside = |relation: &Relation| {
            self.functions(&relation.schema, name).iter().any(|function| function.is_field_of(relation))
        };
        let takes_rows = || {
            let named = self.functions.iter().filter(|((_, found), _)| &**found == name);
            named.flat_map(|(_, all)| all).any(|function| function.takes_a_row(&self.types))
        };
        !self.gate
            || relation.is_some_and(|relation| is_beside(relation) || relation.has_system_column(name))
            || (!self.closed_fields.contains(name) && (name == "count" || takes_rows()))
    }

    /// The schemas that are served, the default one first.
    pub fn exposed(&self) -> &[Arc<str>] {
        &self.exposed
    }
}
