//! Who may do what in the database: schemas, tables, columns and functions, role by role, as PostgreSQL itself answers it.
//!
//! Of a table the verbs are told that a role has on all of it, and the columns where it has a verb on some. Which rows is
//! another question: that is what policies say. Invariant: what a role has through another, or as everybody has it, is told
//! like its own.

use std::collections::BTreeMap;

use pg::{Pg, Reason, Statement};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Error, sql};

/// A role and what it may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// Whether it can log in.
    pub logs_in: bool,
    /// Whether policies do not bind it.
    pub passes_policies: bool,
    /// Whether nothing binds it.
    pub superuser: bool,
    /// Whether it makes roles.
    pub makes_roles: bool,
    /// Whether it makes databases.
    pub makes_databases: bool,
    /// Roles whose rights it has, or may take on.
    pub member_of: Vec<String>,
    /// `CREATE`, `TEMPORARY` of this database.
    pub database: Vec<String>,
    /// Schemas it reaches.
    pub schemas: Vec<Schema>,
    /// Tables and views it may do something with.
    pub relations: Vec<Relation>,
    /// Functions it may call.
    pub functions: Vec<Function>,
    /// What it has and no request needs.
    #[serde(default)]
    pub beyond: Vec<String>,
}

/// A schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// Its name.
    pub name: String,
    /// Whether new things may be made in it.
    pub create: bool,
}

/// A table or a view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relation {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// `table`, `view`, `materialised view`, `foreign table`
    pub kind: String,
    /// Whether row level security is enabled, and binds its owner too.
    pub row_security: bool,
    /// Verbs on all of it.
    pub may: Vec<String>,
    /// Verbs on some columns, and which.
    pub columns: BTreeMap<String, Vec<String>>,
}

/// A function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    /// Its schema.
    pub schema: String,
    /// Its name with its parameters' types.
    pub signature: String,
    /// Whether it runs with its owner's rights.
    pub definer: bool,
    /// Whether everybody may call it.
    pub public: bool,
}

/// Verbs that no request of ours makes.
const UNNEEDED: [&str; 3] = ["TRUNCATE", "REFERENCES", "TRIGGER"];

impl Role {
    /// What nothing that comes by the API needs.
    fn beyond(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut say = |is: bool, what: String| found.extend(is.then_some(what));
        say(self.superuser, "it is a superuser: nothing binds it".to_owned());
        say(self.makes_roles, "it makes roles (CREATEROLE)".to_owned());
        say(self.makes_databases, "it makes databases (CREATEDB)".to_owned());
        let may_pass = ["service_role", "readonly"].contains(&self.name.as_str());
        say(
            self.passes_policies && !may_pass && !self.superuser,
            "policies do not bind it (BYPASSRLS)".to_owned(),
        );
        // Functions of the application may use tables of a moment's, where somebody is signed in.
        let may_keep = ["authenticated", "service_role"].contains(&self.name.as_str());
        for right in &self.database {
            say(!may_keep || right != "TEMPORARY", format!("{right} in the database"));
        }
        for schema in self.schemas.iter().filter(|schema| schema.create) {
            say(true, format!("CREATE in schema {}", schema.name));
        }
        for relation in &self.relations {
            let unneeded: Vec<&str> =
                relation.may.iter().map(String::as_str).filter(|verb| UNNEEDED.contains(verb)).collect();
            say(
                !unneeded.is_empty(),
                format!("{} on {}.{}", unneeded.join(", "), relation.schema, relation.name),
            );
            let bound = relation.row_security || relation.kind != "table" || self.passes_policies;
            let any = !relation.may.is_empty() || !relation.columns.is_empty();
            say(
                any && !bound,
                format!("all rows of {}.{}: it has no row level security", relation.schema, relation.name),
            );
        }
        found
    }
}

/// Every role that a caller of the API can be, the login that becomes them, and whoever has been lent a way in; one alone when
/// it is named.
pub async fn read(pg: &Pg, only: Option<&str>) -> Result<Vec<Role>, Error> {
    let mut tx = pg.begin_system(Reason::Catalog).await?;
    tx.run(Statement::rare(sql::SURROUNDINGS, [])).await?;
    let rows = tx.run(Statement::rare(sql::GRANTS, [only.map(str::to_owned).into()])).await?;
    let answer = rows.first().ok_or(Error::Shape("no grants"))?.at::<Value>(0)?;
    tx.roll_back().await?;
    let mut roles: Vec<Role> = serde_json::from_value(answer)?;
    for role in &mut roles {
        role.beyond = role.beyond();
    }
    Ok(roles)
}
