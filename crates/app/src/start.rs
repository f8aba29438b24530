//! Everything built once, top to bottom, and taken down in the opposite order.
//!
//! [`start`] is what `serve`, `dev` and the tests all call; they differ in [`Start`] only. There are no setters and no
//! half-built state: a [`Running`] answers on every listener, or there is none.

use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use audit::{Audit, Entry, Event};
use auth::{Auth, DefaultKeys};
use base::{Clock, Profile, Rng, Secret, Settings};
use edge::{Connections, Edge, EdgeConfig, Listening};
use limits::Limiter;
use posture::{Place, Posture};
use seal::RootKey;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::database::{self, Database};
use crate::error::StartError;
use crate::later::Later;
use crate::{control, mounts, preflight, refusals, watch};

/// How an instance is started.
pub struct Start {
    /// The merged settings.
    pub settings: Settings,
    /// How it is run.
    pub profile: Profile,
    /// Everything it keeps.
    pub data: PathBuf,
    /// Where it listens; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Where its database comes from.
    pub database: database::From,
    /// Variables of other products that change nothing here, for the posture report.
    pub not_effective: Vec<String>,
    /// Whether the probes run now and every hour, or only when asked.
    pub probe_hourly: bool,
    /// The time.
    pub clock: Clock,
    /// Randomness.
    pub rng: Rng,
}

/// The parts of a running instance that commands, tests and the demo use.
#[derive(Clone)]
pub struct Services {
    /// The door to the data.
    pub pg: pg::Pg,
    /// The audit log.
    pub audit: Audit,
    /// People, sessions, keys.
    pub auth: Auth,
    /// The data API's core.
    pub data: data::Data,
    /// Mail.
    pub outbox: mail::Outbox,
    /// What happens later.
    pub jobs: jobs::Jobs,
    /// The controls and their probes.
    pub posture: Posture,
    /// Sessions with something open.
    pub connections: Connections,
}

/// An instance that answers.
pub struct Running {
    /// Where.
    pub url: String,
    /// The socket's address.
    pub address: SocketAddr,
    /// The keys every instance has.
    pub keys: DefaultKeys,
    /// The administrator's way into the database.
    pub admin_url: Secret,
    /// Its parts.
    pub services: Services,
    /// Its database.
    pub database: Database,
    /// What is served.
    pub routes: Vec<web::Bound>,
    tasks: Tasks,
    control: PathBuf,
}

/// Three groups of tasks, ended in this order: what answers, what works behind it, what records.
struct Tasks {
    edges: Group,
    behind: Group,
    audit: Group,
}

#[derive(Default)]
struct Group {
    stop: CancellationToken,
    tracker: TaskTracker,
}

impl Group {
    async fn end(self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

/// Starts an instance, or says why not, leaving nothing half up.
pub async fn start(start: Start) -> Result<Running, StartError> {
    let Start { settings, profile, data, listen, database, not_effective, probe_hourly, clock, rng } = start;
    preflight::check(&settings)?;
    folder(&data, if nix::unistd::geteuid().is_root() { ENTERED } else { PRIVATE })?;
    folder(&data.join("keys"), PRIVATE)?;
    let listening = edge::listen(listen).await?;
    let address = listening.address().unwrap_or(listen);
    let url = format!("http://{address}");
    let root = Arc::new(RootKey::load_or_create(&data.join("keys/root.key"))?);
    let database = database::open(database, &data, &settings, &rng).await?;
    let tasks = Tasks { edges: Group::default(), behind: Group::default(), audit: Group::default() };

    let pg = database.pg.clone();
    let (audit, audit_tasks) = Audit::open(audit::Parts {
        pg: pg.clone(),
        settings: settings.clone(),
        data_dir: data.clone(),
        node: node_name(&rng).into(),
        keys: audit::Keys::from_root(&root),
        clock: clock.clone(),
        rng: rng.clone(),
    })
    .await?;
    audit_tasks.spawn(&tasks.audit.tracker, tasks.audit.stop.clone());
    audit.record_alone(Entry::system(Event::ServerStarted).detail("profile", profile.name())).await?;

    let sender = match profile {
        Profile::Dev => mail::Sender::Catch,
        Profile::Serve | Profile::Conformance => mail::Sender::configured(&settings)?,
    };
    let outbox = mail::Outbox::open(mail::Parts {
        pg: pg.clone(),
        root: root.clone(),
        settings: settings.clone(),
        sender,
        clock: clock.clone(),
        rng: rng.clone(),
    })?;
    let auth = Auth::open(auth::Parts {
        pg: pg.clone(),
        audit: audit.clone(),
        root: root.clone(),
        settings: settings.clone(),
        profile,
        public_url: url.clone(),
        can_mail: outbox.takes_mail(),
        clock: clock.clone(),
        rng: rng.clone(),
    })
    .await?;
    let keys = auth.default_keys()?;
    let data_core = data::Data::open(pg.clone(), data::Scope::from_settings(&settings)).await?;
    let connections = Connections::default();
    let posture = Posture::new(
        pg.clone(),
        Place {
            address,
            publishable_key: Secret::from(keys.publishable.as_str()),
            secret_key: keys.secret.clone(),
            database: database.admin.clone(),
            embedded: database.server.is_some(),
            data: data.clone(),
            program: std::env::current_exe().unwrap_or_default(),
            origin: settings.get(&edge::settings::CORS_ORIGINS).first().cloned(),
            audit: Some(audit.clone()),
            clock: clock.clone(),
            rng: rng.clone(),
        },
    );
    let jobs = jobs::Jobs::new(pg.clone(), clock.clone(), rng.clone());
    let services = Services { pg, audit, auth, data: data_core, outbox, jobs, posture, connections };
    let listener = watch::spawn(&database.listen, &services, &tasks.behind.tracker, &tasks.behind.stop);
    let later = Later {
        jobs: services.jobs.clone(),
        outbox: services.outbox.clone(),
        audit: services.audit.clone(),
        clock: clock.clone(),
        settings: settings.clone(),
    };
    later.spawn(&listener, &tasks.behind.tracker, &tasks.behind.stop);

    let limiter = match settings.get(&edge::settings::LIMITS_URL) {
        Some(url) => Limiter::shared(clock.clone(), url.expose()).map_err(StartError::limits)?,
        None => Limiter::in_memory(clock.clone()),
    };
    let config = |mounts, identify| EdgeConfig {
        mounts,
        identify,
        on_refusal: refusals::to(services.audit.clone()),
        pg: services.pg.clone(),
        clock: clock.clone(),
        rng: rng.clone(),
        limiter: limiter.clone(),
        connections: services.connections.clone(),
        profile,
    };
    let native = Arc::new(native::State {
        auth: services.auth.clone(),
        audit: services.audit.clone(),
        data: services.data.clone(),
        outbox: services.outbox.clone(),
        posture: services.posture.clone(),
        not_effective,
        url: url.clone(),
    });
    let public = mounts::public(&services, &native, profile, &settings, &clock);
    let routes = public.iter().flat_map(|mount| mount.routes.clone()).collect();
    let public = Edge::new(&settings, config(public, mounts::identify(services.auth.clone())))?;
    let operator = Edge::new(&settings, config(mounts::operator(&native), mounts::operator_only()))?;

    let control = control::socket_path(&data);
    let control_socket = control_socket(&control)?;
    let group = &tasks.edges;
    group.tracker.spawn(edge::serve(Arc::new(public), listening, group.stop.clone()));
    group.tracker.spawn(edge::serve(Arc::new(operator), control_socket, group.stop.clone()));
    if probe_hourly {
        tasks.behind.tracker.spawn(services.posture.clone().hourly(tasks.behind.stop.clone()));
    }
    let admin_url = database.admin_url.clone();
    Ok(Running { url, address, keys, admin_url, services, database, routes, tasks, control })
}

impl Running {
    /// Answers what is under way, finishes what is queued, records that, and stops our own PostgreSQL.
    pub async fn stop(self) -> Result<(), StartError> {
        self.tasks.edges.end().await;
        self.tasks.behind.end().await;
        if let Err(error) = self.services.audit.record_alone(Entry::system(Event::ServerStopped)).await {
            tracing::warn!(%error, "the stop could not be recorded");
        }
        self.tasks.audit.end().await;
        if let Err(error) = std::fs::remove_file(&self.control) {
            tracing::debug!(%error, "the control socket was gone already");
        }
        if let Some(server) = self.database.server {
            server.stop().await?;
        }
        Ok(())
    }
}

/// Only its owner may list, read and enter.
const PRIVATE: u32 = 0o700;
/// Only its owner may list and read; others may pass through. Started as root, PostgreSQL runs as another user and has
/// to reach its own folder below.
const ENTERED: u32 = 0o711;

/// A folder of ours. One that others can read is narrowed, not refused.
fn folder(path: &Path, mode: u32) -> Result<(), StartError> {
    let refused = |source| StartError::File { path: path.to_owned(), source };
    std::fs::DirBuilder::new().recursive(true).mode(mode).create(path).map_err(refused)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(refused)
}

/// Binds the control socket with mode 0600. One that a crash left behind is removed: the data folder's lock says that
/// no other instance lives here.
fn control_socket(path: &Path) -> Result<Listening, StartError> {
    let refused = |source| StartError::File { path: path.to_owned(), source };
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(refused(error)),
        Ok(()) | Err(_) => {}
    }
    let listening = Listening::control(path).map_err(refused)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(refused)?;
    Ok(listening)
}

/// Told apart in the audit and in logs; new at every start.
fn node_name(rng: &Rng) -> String {
    format!("node-{}", hex::encode(rng.bytes::<4>()))
}
