//! Getting to the database: our own server, or somebody's by URL; prepared, migrated, and entered by the three logins.

use std::path::PathBuf;
use std::sync::Arc;

use base::{Rng, Secret, Settings};
use pg::admin::Target;
use pg::bootstrap::{self, Logins, Plan, Wanted};
use pg::managed::{Durability, ManagedConfig, Server};
use pg::{Config, Pg};

use crate::error::StartError;
use crate::statements::Statements;
use crate::{database_url, lists, settings};

/// Where the database comes from.
pub enum From {
    /// A server of our own in the data folder, from the binaries found (or in this folder).
    Managed {
        /// `PALISADE_PG_BIN`.
        pg_bin: Option<PathBuf>,
        /// Whether it must survive a power cut; only tests say no.
        durability: Durability,
    },
    /// A server that stands already, and an administrator's way in.
    Given {
        /// The administrator's way in.
        admin: Target,
        /// Whether its changes are agreed to.
        consent: Consent,
    },
    /// A database that is prepared and migrated already: a clone of a test's template.
    Prepared {
        /// The administrator's way in.
        admin: Target,
        /// The three logins.
        logins: Logins,
        /// What its server reports of it.
        statements: Option<Statements>,
    },
}

/// Whether the changes to somebody else's server are agreed to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    /// `database.consent: true`, or the operator said yes.
    Given,
    /// Not yet: the changes are listed and the start is refused.
    Missing,
}

/// An open database.
pub struct Database {
    /// The door.
    pub pg: Pg,
    /// The administrator's way in: bootstrap and migrations.
    pub admin: Target,
    /// The system login's way in, to listen.
    pub listen: Target,
    /// How it was prepared, and how another like it would be.
    pub wanted: Wanted,
    /// What the server did not let us set up.
    pub plan: Plan,
    /// What its server reports of those who come with SQL themselves; none from somebody else's server.
    pub statements: Option<Statements>,
    /// Our own server, to stop at the end.
    pub server: Option<Server>,
    /// The administrator's URL, for the ready file.
    pub admin_url: Secret,
}

/// Name of the database on a server of ours.
pub const NAME: &str = "palisade";

/// Opens it: starts our server if it is ours, makes what is missing, migrates, and connects the logins.
pub async fn open(
    from: From,
    data: &std::path::Path,
    settings: &Settings,
    rng: &Rng,
    clock: &base::Clock,
) -> Result<Database, StartError> {
    match from {
        From::Managed { pg_bin, durability } => {
            let mut config = ManagedConfig::new(data.join("postgres"), rng.clone());
            config.pg_bin = pg_bin;
            config.durability = durability;
            config.initdb_args = settings.get(&settings::INITDB_ARGS);
            config.listen = crate::database_tls::listen(settings, data, clock)?;
            config.reported = crate::statements::classes(settings);
            let server = Server::start(config).await?;
            let statements = Some(Statements::of_all(server.statements()));
            let logins = Logins::load_or_create(&data.join("keys"), rng)?;
            let mut wanted = Wanted::embedded(logins.clone());
            wanted.timeouts = settings::timeouts(settings);
            wanted.exposed = exposed(settings);
            let plan = bootstrap::run(&server.admin("postgres"), &wanted).await?;
            let admin = server.admin(NAME);
            migrate(&admin).await?;
            let pg = connect(&admin, &logins, settings)?;
            let (listen, admin_url) = (admin.login(&logins.system), server.admin_url(NAME));
            Ok(Database { pg, admin, listen, wanted, plan, statements, server: Some(server), admin_url })
        }
        From::Given { admin, consent } => given(admin, consent, data, settings, rng).await,
        From::Prepared { admin, logins, statements } => {
            let pg = connect(&admin, &logins, settings)?;
            let (listen, admin_url) = (admin.login(&logins.system), database_url::text(&admin));
            let mut wanted = Wanted::embedded(logins);
            wanted.exposed = exposed(settings);
            Ok(Database {
                pg,
                admin,
                listen,
                wanted,
                plan: Plan::default(),
                statements,
                server: None,
                admin_url,
            })
        }
    }
}

/// Somebody else's server: every change is shown before it is made, and made only with consent.
async fn given(
    admin: Target,
    consent: Consent,
    data: &std::path::Path,
    settings: &Settings,
    rng: &Rng,
) -> Result<Database, StartError> {
    let logins = Logins::load_or_create(&data.join("keys"), rng)?;
    let mut wanted = Wanted::embedded(logins.clone());
    wanted.embedded = false;
    wanted.database = admin.database.clone();
    wanted.timeouts = settings::timeouts(settings);
    wanted.exposed = exposed(settings);
    let plan = bootstrap::preview(&admin, &wanted).await?;
    if !plan.changes.is_empty() && consent == Consent::Missing {
        let changes = plan.changes.iter().map(|change| change.what.clone()).collect();
        return Err(StartError::Consent { changes });
    }
    bootstrap::apply(&admin, &wanted, &plan).await?;
    migrate(&admin).await?;
    let pg = connect(&admin, &logins, settings)?;
    let (listen, admin_url) = (admin.login(&logins.system), database_url::text(&admin));
    Ok(Database { pg, admin, listen, wanted, plan, statements: None, server: None, admin_url })
}

/// The schemas of `data.schemas`, guarded: new tables in them are closed from their first moment (controls 40, 41).
fn exposed(settings: &Settings) -> Vec<bootstrap::Exposed> {
    settings.get(&data::settings::SCHEMAS).into_iter().map(bootstrap::Exposed::guarded).collect()
}

async fn migrate(admin: &Target) -> Result<(), StartError> {
    let mut client = admin.connect().await?;
    pg::migrate::run(&mut client, &lists::migrations()).await?;
    Ok(())
}

fn connect(admin: &Target, logins: &Logins, settings: &Settings) -> Result<Pg, StartError> {
    let mut config = Config::new(
        admin.server.clone(),
        &admin.database,
        logins.authenticator.clone(),
        Some(logins.system.clone()),
    );
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    config.caps = pg::Caps::split(settings.get(&settings::MAX_CONNECTIONS) as usize, cores);
    config.hooks = Some(logins.hooks.clone());
    config.timeouts = settings::timeouts(settings);
    config.search_path = Arc::from(r#""public", "extensions""#);
    Ok(Pg::connect(config)?)
}
