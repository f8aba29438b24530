//! The two logins and their passwords. PostgreSQL gets a scram verifier, never the password itself.

use std::path::Path;

use base::Rng;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::admin::{Target, quote_name, quote_text, scram_verifier};
use crate::managed::load_or_create_secret;
use crate::{Error, Login, SetupError};

use super::step::{Change, Plan, Scope};
use super::{AUTHENTICATOR, SYSTEM, Wanted};

/// The two roles of ours that can log in.
#[derive(Clone)]
pub struct Logins {
    /// Callers' transactions.
    pub authenticator: Login,
    /// The system door.
    pub system: Login,
}

impl Logins {
    /// Reads the passwords from `dir`, or makes them there (0600).
    pub fn load_or_create(dir: &Path, rng: &Rng) -> Result<Logins, Error> {
        let load = |name: &str| {
            let password = load_or_create_secret(&dir.join(format!("{name}.password")), rng)?;
            Ok::<_, Error>(Login { name: name.to_owned(), password: Some(password) })
        };
        Ok(Logins { authenticator: load(AUTHENTICATOR)?, system: load(SYSTEM)? })
    }
}

/// Tries each login; one that is refused for its password gets a new verifier.
pub(super) async fn plan(
    client: &Client,
    admin: &Target,
    wanted: &Wanted,
    plan: &mut Plan,
) -> Result<(), Error> {
    for login in [&wanted.logins.authenticator, &wanted.logins.system] {
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
