//! Makes the roles, rights and guards that everything else relies on; says first what it would change.
//!
//! A bootstrap is a list of [`Step`]s, each a sentence, a check and the SQL that makes the check true. [`plan`] runs the
//! checks, [`apply`] the SQL of those that failed. So it is idempotent, an operator can be asked first, and a plan
//! that is not empty on a running system *is* the drift (controls 50, 51).
//!
//! On a server where the administrator is no superuser some steps cannot be taken. Those that others rest on are
//! refused; the rest become [`Degraded`] facts that the posture shows.
//!
//! Invariant: nothing here widens a right that an earlier step narrowed, whatever state a run finds.

mod gate;
mod logins;
mod roles;
mod schemas;
mod step;

pub use gate::{CATALOG_CHANNEL, GATE_CHANNEL};
pub use logins::Logins;
pub use roles::is_our_time;
pub use schemas::entry_sql;
pub use step::{Change, Degraded, Plan, Scope};

use tokio_postgres::Client;

use crate::admin::Target;
use crate::{Error, SetupError, Timeouts};
use step::Rights;

/// The login of callers' transactions.
pub const AUTHENTICATOR: &str = "authenticator";
/// The login of the system door.
pub const SYSTEM: &str = "palisade_system";
/// The login that asks the operator's functions for hooks: has no rights of its own, and becomes what has theirs.
pub const HOOKS: &str = "palisade_hooks";
/// The owner of user tables.
pub const OWNER: &str = "palisade_owner";
/// The owner of the audit log, which nobody can become.
pub const AUDITOR: &str = "palisade_audit";
/// Who puts the triggers on user tables that tell of their changes: may what their owner may, who cannot become it.
pub const FOLLOWER: &str = "palisade_follower";
/// The roles a caller's transaction may become.
pub const CALLER_ROLES: [&str; 4] = ["anon", "authenticated", "service_role", "readonly"];

/// What a bootstrap should arrive at.
#[derive(Clone)]
pub struct Wanted {
    /// The database with the user's tables and our schemas.
    pub database: String,
    /// Whether the server is ours alone: then the database is made, and the others are closed.
    pub embedded: bool,
    /// Schemas served to callers; the first is the default one.
    pub exposed: Vec<Exposed>,
    /// Passwords of the three logins.
    pub logins: Logins,
    /// How long statements may run (control 55): the same limits that [`crate::Config`] gives the lanes.
    pub timeouts: Timeouts,
}

impl Wanted {
    /// `public` exposed and guarded in the database `palisade` of an embedded server.
    pub fn embedded(logins: Logins) -> Self {
        Wanted {
            database: "palisade".to_owned(),
            embedded: true,
            exposed: vec![Exposed::guarded("public")],
            logins,
            timeouts: Timeouts::default(),
        }
    }
}

/// A schema served to callers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposed {
    /// Its name.
    pub name: String,
    /// Whether new tables in it get row level security. Off is for suites that bring a schema of their own.
    pub guarded: bool,
}

impl Exposed {
    /// The safe form.
    pub fn guarded(name: impl Into<String>) -> Self {
        Exposed { name: name.into(), guarded: true }
    }
}

/// Everything at once, for the embedded server and for tests: plans and applies, and returns what was done.
pub async fn run(admin: &Target, wanted: &Wanted) -> Result<Plan, Error> {
    let mut done = Plan::default();
    for scope in [Scope::Cluster, Scope::Database] {
        let plan = plan(admin, wanted, scope).await?;
        apply(admin, wanted, &plan).await?;
        done.extend(plan);
    }
    Ok(done)
}

/// Everything [`run`] would do, for an operator to agree to before an existing server is touched.
pub async fn preview(admin: &Target, wanted: &Wanted) -> Result<Plan, Error> {
    let mut plan = plan(admin, wanted, Scope::Cluster).await?;
    plan.extend(self::plan(admin, wanted, Scope::Database).await?);
    Ok(plan)
}

/// What is missing in one scope: empty on a system without drift.
pub async fn plan(admin: &Target, wanted: &Wanted, scope: Scope) -> Result<Plan, Error> {
    let client = connect(admin, wanted, scope).await?;
    look(&client, admin, wanted, scope).await
}

async fn look(client: &Client, admin: &Target, wanted: &Wanted, scope: Scope) -> Result<Plan, Error> {
    let rights = Rights::read(client).await?;
    if wanted.exposed.is_empty() {
        return Err(Error::Bug("a bootstrap without an exposed schema".to_owned()));
    }
    if rights.version < 150_000 {
        let why = format!("it is version {}", rights.version / 10_000);
        let fix = "Upgrade it to PostgreSQL 15 or newer: views that ask as their caller came with it";
        return Err(SetupError::new("pg.bootstrap.version", "The server was not prepared", why, fix).into());
    }
    let steps = match scope {
        Scope::Cluster => roles::steps(wanted, &rights),
        Scope::Database => schemas::steps(wanted, &rights).into_iter().chain(gate::steps(wanted)).collect(),
    };
    let mut plan = Plan::default();
    for mut step in steps {
        if !step.holds(client).await? {
            step.say(client).await?;
            plan.add(step, &rights)?;
        }
    }
    if scope == Scope::Cluster {
        logins::plan(client, admin, wanted, &mut plan).await?;
    }
    Ok(plan)
}

/// Makes the changes of `agreed`, in order, except those that another node has made meanwhile. What is inside the
/// database happens together or not at all.
pub async fn apply(admin: &Target, wanted: &Wanted, agreed: &Plan) -> Result<(), Error> {
    for scope in [Scope::Cluster, Scope::Database] {
        if agreed.changes.iter().all(|change| change.scope != scope) {
            continue;
        }
        let client = connect(admin, wanted, scope).await?;
        client.execute("SELECT pg_advisory_lock($1)", &[&ADVISORY_KEY]).await?;
        let missing = look(&client, admin, wanted, scope).await?.changes;
        let (begin, commit) = if scope == Scope::Database { ("BEGIN", "COMMIT") } else { ("", "") };
        client.batch_execute(begin).await?;
        for change in missing.iter().filter(|change| agreed.has(change)) {
            client.batch_execute(&change.sql).await.map_err(|error| change.failed(error))?;
        }
        client.batch_execute(commit).await?;
    }
    Ok(())
}

/// Roles of an embedded server are made before the database is there.
async fn connect(admin: &Target, wanted: &Wanted, scope: Scope) -> Result<Client, Error> {
    let target = match scope {
        Scope::Cluster if wanted.embedded => admin.database("postgres"),
        Scope::Cluster | Scope::Database => admin.database(&wanted.database),
    };
    let client = target.connect().await?;
    // Who may enter outlasts a kill, also where a server loses its last moments otherwise.
    let settings = "SET lock_timeout = '30s'; SET statement_timeout = 0; SET synchronous_commit = on";
    client.batch_execute(settings).await?;
    Ok(client)
}

/// "palisade" in ASCII, folded: two nodes starting at once prepare one after the other.
const ADVISORY_KEY: i64 = 0x7061_6c69_7361_6465;
