//! The three logins and their passwords. PostgreSQL gets a scram verifier, never the password itself.

use std::path::Path;

use base::{Rng, Secret};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::admin::{Target, quote_name, quote_text, scram_verifier};
use crate::managed::load_or_create_secret;
use crate::{Error, Login, SetupError};

use super::step::{Change, Plan, Scope};
use super::{AUTHENTICATOR, HOOKS, SYSTEM, Wanted};

/// The roles of ours that can log in.
#[derive(Clone)]
pub struct Logins {
    /// Callers' transactions.
    pub authenticator: Login,
    /// The system door.
    pub system: Login,
    /// The operator's functions that auth asks.
    pub hooks: Login,
}

impl Logins {
    /// Reads the passwords from `dir`, or makes them there (0600). That of hooks follows from the system's, so that nodes that share
    /// two files share all three.
    pub fn load_or_create(dir: &Path, rng: &Rng) -> Result<Logins, Error> {
        let load = |name: &str| load_or_create_secret(&dir.join(format!("{name}.password")), rng);
        let login = |name: &str, password| Login { name: name.to_owned(), password: Some(password) };
        let (authenticator, system) = (load(AUTHENTICATOR)?, load(SYSTEM)?);
        let of_hooks = seal::keyed_mac(system.expose().as_bytes(), HOOKS.as_bytes());
        Ok(Logins {
            authenticator: login(AUTHENTICATOR, authenticator),
            hooks: login(HOOKS, Secret::new(hex::encode(of_hooks))),
            system: login(SYSTEM, system),
        })
    }
}

/// Tries each login; one that is refused for its password gets a new verifier.
pub(super) async fn plan(
    client: &Client,
    admin: &Target,
    wanted: &Wanted,
    plan: &mut Plan,
) -> Result<(), Error> {
    let Logins { authenticator, system, hooks } = &wanted.logins;
    for login in [authenticator, system, hooks] {
        // Without the role (a first start), or its right to connect, a try says nothing about the password.
        let Some(password) = &login.password else { continue };
        let known = client.query_opt(super::roles::HAS_PASSWORD, &[&login.name]).await?.is_some();
        if known && enters(admin, wanted, login).await? {
            continue;
        }
        let verifier = scram_verifier(password);
        plan.changes.push(Change {
            what: format!("Set the password of `{}` (its scram verifier)", login.name),
            scope: Scope::Cluster,
            sql: format!("ALTER ROLE {} PASSWORD {}", quote_name(&login.name), quote_text(&verifier)),
        });
    }
    Ok(())
}

async fn enters(admin: &Target, wanted: &Wanted, login: &Login) -> Result<bool, Error> {
    let target = admin.database(&wanted.database).login(login);
    match target.connect().await {
        Ok(_) => Ok(true),
        Err(error) if error.is(SqlState::INVALID_PASSWORD.code()) => Ok(false),
        // The password was right; the database is not there, or not open to it, yet.
        Err(error) if error.is("3D000") || error.is("42501") => Ok(true),
        Err(error) if error.is(SqlState::INVALID_AUTHORIZATION_SPECIFICATION.code()) => Err(SetupError::new(
            "pg.bootstrap.access",
            format!("`{}` may not log in", login.name),
            error.to_string(),
            "Add a line for it to the server's pg_hba.conf, with method scram-sha-256",
        )
        .into()),
        Err(error) => Err(error),
    }
}
