//! A step, a plan of steps, and what the administrator may do.

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::{Error, SetupError};

/// Where a change happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// Roles and databases.
    Cluster,
    /// Inside the one database.
    Database,
}

/// What a step needs the administrator to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Needs {
    /// Anybody who may change the objects.
    Ownership,
    /// `CREATEROLE` or superuser.
    CreateRole,
    /// Superuser, or a role that has BYPASSRLS and may hand it on.
    BypassRls,
    /// The owner of the database, or superuser.
    DatabaseOwner,
    /// Superuser.
    Superuser,
}

impl Needs {
    fn in_words(self) -> &'static str {
        match self {
            Needs::Ownership => "the owner of what is changed",
            Needs::CreateRole => "allowed to create roles (CREATEROLE)",
            Needs::BypassRls => "allowed to hand on BYPASSRLS",
            Needs::DatabaseOwner => "the owner of the database",
            Needs::Superuser => "a superuser",
        }
    }
}

/// What should be true, how to see it, how to make it so.
pub(super) struct Step {
    pub scope: Scope,
    /// A sentence an operator can agree to.
    pub what: String,
    /// One boolean.
    pub check: String,
    pub sql: String,
    /// A query for the names of what is touched, for the sentence.
    pub touches: Option<String>,
    pub needs: Needs,
    /// What is lost where the right is missing: control and sentence. `None` means that nothing works without it.
    pub without: Option<(u16, &'static str)>,
}

impl Step {
    /// Whether there is nothing to do. A check that names what an earlier step has yet to make does not hold.
    pub async fn holds(&self, client: &Client) -> Result<bool, Error> {
        const NOT_THERE: [SqlState; 4] = [
            SqlState::UNDEFINED_TABLE,
            SqlState::UNDEFINED_OBJECT,
            SqlState::UNDEFINED_FUNCTION,
            SqlState::INVALID_SCHEMA_NAME,
        ];
        match client.query_opt(self.check.as_str(), &[]).await {
            Ok(Some(row)) => Ok(row.try_get::<_, Option<bool>>(0)?.unwrap_or(false)),
            Ok(None) => Ok(false),
            Err(error) if error.code().is_some_and(|code| NOT_THERE.contains(code)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

impl Step {
    /// The sentence, with the names of what is touched.
    pub async fn say(&mut self, client: &Client) -> Result<(), Error> {
        let Some(query) = &self.touches else { return Ok(()) };
        let rows = client.query(query.as_str(), &[]).await?;
        let names: Vec<String> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        if !names.is_empty() {
            self.what = format!("{}: {}", self.what, names.join(", "));
        }
        Ok(())
    }
}

/// One thing a bootstrap would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// A sentence an operator can agree to.
    pub what: String,
    /// Where it happens.
    pub scope: Scope,
    /// What is run. A password is in it only as its scram verifier.
    pub sql: String,
}

impl Change {
    pub(super) fn failed(&self, error: tokio_postgres::Error) -> Error {
        let why = error.as_db_error().map_or_else(|| error.to_string(), |said| said.message().to_owned());
        let what = format!("The database was not prepared: \"{}\" failed", self.what);
        let fix = "Give Palisade an administrator that may do this, or do it by hand and start again";
        SetupError::new("pg.bootstrap.failed", what, why, fix).into()
    }
}

/// A protection that this server does not let us set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Degraded {
    /// The control that rests on it.
    pub control: u16,
    /// The step that was not taken.
    pub step: String,
    /// What that means.
    pub effect: &'static str,
}

/// What a bootstrap would do, and what it cannot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// In order.
    pub changes: Vec<Change>,
    /// For the posture.
    pub degraded: Vec<Degraded>,
}

impl Plan {
    /// Whether this was agreed to. By its sentence: a verifier's text differs each time it is made.
    pub(super) fn has(&self, change: &Change) -> bool {
        self.changes.iter().any(|agreed| agreed.scope == change.scope && agreed.what == change.what)
    }

    pub(super) fn extend(&mut self, more: Plan) {
        self.changes.extend(more.changes);
        self.degraded.extend(more.degraded);
    }

    pub(super) fn add(&mut self, step: Step, rights: &Rights) -> Result<(), Error> {
        let allowed = match step.needs {
            Needs::Ownership => true,
            Needs::CreateRole => rights.superuser || rights.create_role,
            Needs::BypassRls => rights.superuser || (rights.version >= 160_000 && rights.bypass_rls),
            Needs::DatabaseOwner => rights.superuser || rights.owns_database,
            Needs::Superuser => rights.superuser,
        };
        match (allowed, step.without) {
            (true, _) => self.changes.push(Change { what: step.what, scope: step.scope, sql: step.sql }),
            (false, Some((control, effect))) => {
                self.degraded.push(Degraded { control, step: step.what, effect });
            }
            (false, None) => {
                let what = format!("The database was not prepared: \"{}\" is not possible", step.what);
                let why = format!("`{}` is not {}", rights.user, step.needs.in_words());
                let fix = format!("Have an administrator run: {}", step.sql);
                return Err(SetupError::new("pg.bootstrap.rights", what, why, fix).into());
            }
        }
        Ok(())
    }
}

/// What the administrator is and may do.
pub(super) struct Rights {
    pub user: String,
    pub superuser: bool,
    pub create_role: bool,
    pub bypass_rls: bool,
    pub owns_database: bool,
    pub version: i32,
}

impl Rights {
    pub async fn read(client: &Client) -> Result<Rights, Error> {
        let row = client.query_one(super::roles::RIGHTS, &[]).await?;
        Ok(Rights {
            user: row.try_get(0)?,
            superuser: row.try_get(1)?,
            create_role: row.try_get(2)?,
            bypass_rls: row.try_get(3)?,
            owns_database: row.try_get(4)?,
            version: row.try_get(5)?,
        })
    }
}
