//! Whose rows are whose: said by the owner in a table's comment, or read from its foreign keys.
//!
//! ```text
//! COMMENT ON TABLE posts IS 'Posts.
//! @palisade owner: user_id
//! @palisade shared: is_public';
//! ```
//!
//! `owner: a, b` (any of them may see the row), `writer: a` (who a written row must belong to, when that is not any
//! owner), `tenant: org via members(org, person)`, `tenant: org via jwt app_metadata.org`, `through: parent via
//! parents(id)`, `shared: condition` (rows that everybody may see), `joinable: why` (writing here is how people join).
//! A key of several columns is written as a list: `tenant: org, team via members(org, team, person)`.

use serde::Serialize;

use crate::facts::{Facts, Relation};
use crate::generate::{self, Belongs};

/// One way a row belongs to somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Owner {
    /// The column names them.
    Column(String),
    /// They are a member of what the columns name.
    Tenant {
        /// The columns of the row.
        columns: Vec<String>,
        /// The table of memberships.
        members: u32,
        /// Its columns that name the tenant, in the same order.
        tenants: Vec<String>,
        /// Its column that names the person.
        person: String,
    },
    /// Their token names what the column names.
    Token {
        /// The column of the row.
        column: String,
        /// `app_metadata`, `user_metadata` or nothing.
        scope: String,
        /// The claim.
        key: String,
    },
    /// What the columns point at belongs to them.
    Through {
        /// The columns of the row.
        columns: Vec<String>,
        /// The table they point at.
        parent: u32,
        /// The columns there, in the same order.
        keys: Vec<String>,
    },
}

/// Whose the rows of a table are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Claim {
    /// The table.
    pub table: u32,
    /// Whoever is one of these may see the row.
    pub owners: Vec<Owner>,
    /// Whoever is one of these may have written it; empty is the same as `owners`.
    pub writers: Vec<Owner>,
    /// A condition on rows that everybody may see.
    pub shared: Option<String>,
}

/// The lines of a comment that are meant for us, by their first word.
pub(crate) fn tags<'a>(relation: &'a Relation, name: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = relation.comment.as_deref().unwrap_or_default().lines();
    lines.filter_map(move |line| {
        line.trim_start().strip_prefix("@palisade ")?.strip_prefix(name)?.strip_prefix(':').map(str::trim)
    })
}

/// The claims of every served table whose rows belong to somebody.
pub fn claims(facts: &Facts) -> Vec<Claim> {
    let tables = facts.relations.iter().filter(|one| one.exposed && one.is_table() && !one.partition);
    tables.filter_map(|table| of(facts, table)).collect()
}

/// The claim of one table.
pub(crate) fn of(facts: &Facts, table: &Relation) -> Option<Claim> {
    let said: Vec<Owner> = tags(table, "owner")
        .flat_map(|names| names.split(',').map(|name| Owner::Column(name.trim().to_owned())))
        .chain(tags(table, "tenant").filter_map(|text| tenant(facts, text)))
        .chain(tags(table, "through").filter_map(|text| through(facts, text)))
        .collect();
    let owners = if said.is_empty() { inferred(facts, table) } else { said };
    let writers = tags(table, "writer")
        .flat_map(|names| names.split(',').map(|name| Owner::Column(name.trim().to_owned())));
    let claim = Claim {
        table: table.oid,
        owners,
        writers: writers.collect(),
        shared: tags(table, "shared").next().map(str::to_owned),
    };
    (!claim.owners.is_empty()).then_some(claim)
}

/// `org via members(org, person)` or `org via jwt app_metadata.org`.
fn tenant(facts: &Facts, text: &str) -> Option<Owner> {
    let (columns, way) = text.split_once(" via ")?;
    if let Some(path) = way.trim().strip_prefix("jwt ") {
        let (scope, key) = path.trim().split_once('.').unwrap_or(("", path.trim()));
        let column = columns.trim().to_owned();
        return Some(Owner::Token { column, scope: scope.to_owned(), key: key.to_owned() });
    }
    let (table, there) = way.trim().split_once('(')?;
    let (columns, mut tenants) = (listed(columns), listed(there.trim_end_matches(')')));
    let person = tenants.pop()?;
    let members = facts.named(table.trim())?.oid;
    (columns.len() == tenants.len()).then_some(Owner::Tenant { columns, members, tenants, person })
}

/// `parent via parents(id)`.
fn through(facts: &Facts, text: &str) -> Option<Owner> {
    let (columns, way) = text.split_once(" via ")?;
    let (table, keys) = way.trim().split_once('(')?;
    let parent = facts.named(table.trim())?.oid;
    let (columns, keys) = (listed(columns), listed(keys.trim_end_matches(')')));
    (columns.len() == keys.len()).then_some(Owner::Through { columns, parent, keys })
}

fn listed(text: &str) -> Vec<String> {
    text.split(',').map(|name| name.trim().to_owned()).collect()
}

fn inferred(facts: &Facts, table: &Relation) -> Vec<Owner> {
    let oid = |quoted: &str| facts.relations.iter().find(|one| one.quoted() == quoted).map(|one| one.oid);
    let found = match generate::belongs(facts, table, 0) {
        Some(Belongs::Owner(column) | Belongs::Membership { user: column }) => Some(Owner::Column(column)),
        Some(Belongs::Members { columns, table, tenants, user }) => {
            oid(&table).map(|members| Owner::Tenant { columns, members, tenants, person: user })
        }
        Some(Belongs::Through { columns, table, keys, .. }) => {
            oid(&table).map(|parent| Owner::Through { columns, parent, keys })
        }
        None => None,
    };
    found.into_iter().collect()
}

impl Claim {
    /// For people.
    pub(crate) fn words(&self, facts: &Facts) -> String {
        let title = |oid: u32| facts.relation(oid).map_or_else(String::new, Relation::title);
        let verb = |columns: &[String], one: &str, several: &str| {
            format!("{} {}", columns.join(" and "), if columns.len() == 1 { one } else { several })
        };
        let one = |owner: &Owner| match owner {
            Owner::Column(column) => format!("{column} names its owner"),
            Owner::Tenant { columns, members, .. } => {
                format!("{} what {} says who belongs to", verb(columns, "names", "name"), title(*members))
            }
            Owner::Token { column, scope, key } => format!("{column} is the token's {scope}.{key}"),
            Owner::Through { columns, parent, .. } => {
                format!("{} at its owner's {}", verb(columns, "points", "point"), title(*parent))
            }
        };
        let owners: Vec<String> = self.owners.iter().map(one).collect();
        let writers: Vec<String> = self.writers.iter().map(one).collect();
        let mut words = owners.join(" or ");
        if !writers.is_empty() {
            words.push_str(&format!("; written by whom {}", writers.join(" or ")));
        }
        if let Some(shared) = &self.shared {
            words.push_str(&format!("; everybody may see where {shared}"));
        }
        words
    }

    /// The columns of its own table that it reads.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &str> {
        self.owners.iter().chain(&self.writers).flat_map(Owner::columns).map(String::as_str)
    }
}

impl Owner {
    /// The columns of the row that it reads.
    pub(crate) fn columns(&self) -> &[String] {
        match self {
            Owner::Column(column) | Owner::Token { column, .. } => std::slice::from_ref(column),
            Owner::Tenant { columns, .. } | Owner::Through { columns, .. } => columns,
        }
    }
}
