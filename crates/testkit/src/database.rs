//! A database of its own for each test, cloned from a template with everything in it.

use std::collections::HashMap;
use std::sync::mpsc;
use std::sync::{Arc, OnceLock};

use base::Rng;
use pg::admin::Target;
use pg::bootstrap::{self, Exposed, Wanted};
use pg::{Caps, Config, Migration, Pg, migrate};
use tokio::sync::{Mutex, OnceCell};
use tokio_postgres::Client;

use crate::cluster::{Cluster, hex};
use crate::sure;

/// Of one [`Database::pg`]: many tests run at once on one server.
const CONNECTIONS: usize = 16;

/// Ready when [`Database::new`] returns, gone some time after it is dropped.
pub struct Database {
    cluster: &'static Cluster,
    name: String,
}

impl Database {
    /// A database with Palisade's bootstrap and `migrations`.
    pub async fn new(migrations: &[Migration]) -> Database {
        Self::exposing(&[Exposed::guarded("public")], migrations).await
    }

    /// The same with other exposed schemas.
    pub async fn exposing(exposed: &[Exposed], migrations: &[Migration]) -> Database {
        let cluster = Cluster::shared().await;
        let template = template(cluster, exposed, migrations).await;
        let name = format!("test_{}", hex(&Rng::system().bytes::<6>()));
        sure(clone(cluster, &template, &name).await, "cloning the template");
        Database { cluster, name }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A connection URL of the superuser, for outside programs.
    pub fn url(&self) -> String {
        self.cluster.server.admin_url(&self.name).expose().clone()
    }

    /// How to enter as the superuser.
    pub fn target(&self) -> Target {
        self.cluster.server.admin(&self.name)
    }

    /// The directory of the server's socket.
    pub fn socket_dir(&self) -> &std::path::Path {
        self.cluster.server.socket_dir()
    }

    /// What the server reports of everybody's statements, in every test's database.
    pub fn statements(&self) -> tokio::sync::broadcast::Receiver<Arc<pg::managed::Ran>> {
        self.cluster.server.statements()
    }

    /// The passwords of the three logins.
    pub fn logins(&self) -> &bootstrap::Logins {
        &self.cluster.logins
    }

    /// The door the product uses, with the real logins and few connections. Each call opens lanes of its own.
    pub fn pg(&self) -> Pg {
        sure(Pg::connect(self.config()), "opening the lanes")
    }

    /// What [`Database::pg`] opens, for a test that wants other limits.
    pub fn config(&self) -> Config {
        let logins = self.logins();
        let (login, system) = (logins.authenticator.clone(), Some(logins.system.clone()));
        let mut config = Config::new(self.cluster.server.address(), &self.name, login, system);
        config.hooks = Some(logins.hooks.clone());
        config.caps = Caps::split(CONNECTIONS, 1);
        config
    }

    /// A superuser's connection.
    pub async fn admin(&self) -> Client {
        as_psql(sure(self.target().connect().await, "connecting as the administrator")).await
    }

    /// A connection as `palisade_owner`: how migrations of user tables run.
    pub async fn owner(&self) -> Client {
        self.acting(bootstrap::OWNER).await
    }

    /// A connection that is `role` and cannot become anything else.
    pub async fn acting(&self, role: &str) -> Client {
        let client = self.admin().await;
        let sql = format!("SET SESSION AUTHORIZATION {}", pg::admin::quote_name(role));
        sure(client.batch_execute(&sql).await, "becoming a role");
        client
    }

    /// A connection with one of the two real logins.
    pub async fn login(&self, login: &pg::Login) -> Client {
        let target = self.target().login(login);
        as_psql(sure(target.connect().await, "logging in")).await
    }
}

/// Names are looked up as they are in `psql`.
async fn as_psql(client: Client) -> Client {
    sure(client.batch_execute("SET search_path = public, extensions").await, "setting the path");
    client
}

impl Drop for Database {
    fn drop(&mut self) {
        // The janitor is gone only when the process is going, and the cluster with it.
        let _ = janitor(self.cluster).send(std::mem::take(&mut self.name));
    }
}

type Templates = Mutex<HashMap<String, Arc<OnceCell<()>>>>;

/// One template per list of migrations, made by the first test that needs it.
async fn template(cluster: &Cluster, exposed: &[Exposed], migrations: &[Migration]) -> String {
    static TEMPLATES: OnceLock<Templates> = OnceLock::new();
    let name = template_name(exposed, migrations);
    let cell =
        Arc::clone(TEMPLATES.get_or_init(Templates::default).lock().await.entry(name.clone()).or_default());
    let make =
        || async { sure(make_template(cluster, &name, exposed, migrations).await, "making a template") };
    cell.get_or_init(make).await;
    name
}

fn template_name(exposed: &[Exposed], migrations: &[Migration]) -> String {
    let mut text = format!("{exposed:?}");
    for migration in migrations {
        text.push_str(&format!(
            "{} {} {}\n",
            migration.owner,
            migration.version,
            migrate::checksum(migration)
        ));
    }
    format!("template_{}", hex(seal::sha256(text.as_bytes()).get(..8).unwrap_or_default()))
}

async fn make_template(
    cluster: &Cluster,
    name: &str,
    exposed: &[Exposed],
    migrations: &[Migration],
) -> Result<(), pg::Error> {
    let admin = cluster.server.admin(name);
    let wanted = Wanted {
        database: name.to_owned(),
        exposed: exposed.to_vec(),
        ..Wanted::embedded(cluster.logins.clone())
    };
    bootstrap::run(&admin, &wanted).await?;
    let mut client = admin.connect().await?;
    migrate::run(&mut client, migrations).await?;
    // A template is copied only while nobody is in it.
    let (_, mut closed) = (drop(client), cluster.server.admin("postgres").connect().await?);
    wait_until_empty(&mut closed, name).await
}

async fn wait_until_empty(client: &mut Client, name: &str) -> Result<(), pg::Error> {
    crate::eventually(async || {
        let asked = client.query("SELECT 1 FROM pg_stat_activity WHERE datname = $1", &[&name]).await;
        sure(asked, "looking for connections").is_empty().then_some(())
    })
    .await;
    Ok(())
}

async fn clone(cluster: &Cluster, template: &str, name: &str) -> Result<(), pg::Error> {
    let client = cluster.server.admin("postgres").connect().await?;
    let (name_sql, template) = (pg::admin::quote_name(name), pg::admin::quote_name(template));
    client.batch_execute(&format!("CREATE DATABASE {name_sql} TEMPLATE {template}")).await?;
    client.batch_execute(&bootstrap::entry_sql(name)).await?;
    Ok(())
}

/// A thread that drops databases, because a test's runtime may end before its last statement does.
fn janitor(cluster: &'static Cluster) -> &'static mpsc::Sender<String> {
    static JANITOR: OnceLock<mpsc::Sender<String>> = OnceLock::new();
    JANITOR.get_or_init(|| {
        let (sender, names) = mpsc::channel::<String>();
        std::thread::spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
                return;
            };
            for name in names {
                let dropped = runtime.block_on(async {
                    let client = cluster.server.admin("postgres").connect().await?;
                    let sql =
                        format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", pg::admin::quote_name(&name));
                    Ok::<_, pg::Error>(client.batch_execute(&sql).await?)
                });
                // The cluster goes with the process in any case.
                drop(dropped);
            }
        });
        sender
    })
}
