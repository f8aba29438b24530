//! Everything built once, top to bottom, and taken down in the opposite order.
//!
//! [`start`] is what `serve`, `dev` and the tests all call; they differ in [`Start`] only. There are no setters and no
//! half-built state: a [`Running`] answers on every listener, or there is none.

use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use audit::{Entry, Event};
use auth::DefaultKeys;
use base::{Clock, Profile, Rng, Secret, Settings};
use edge::{Edge, EdgeConfig, Hosts, Listening};
use limits::Limiter;
use seal::RootKey;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::explain;
use crate::database::{self, Database};
use crate::error::StartError;
use crate::later::Later;
use crate::logging::Log;
pub use crate::services::Services;
use crate::services::{self, Basics};
use crate::{administration, control, lists, memory, monitoring, mounts, preflight, refusals, sentry, watch};

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
    /// The program's own log, for the operator.
    pub log: Option<Log>,
    /// Whether the probes run now and every hour, or only when asked.
    pub probe_hourly: bool,
    /// The time.
    pub clock: Clock,
    /// Randomness.
    pub rng: Rng,
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
    /// Where its metrics are, and at which path.
    pub metrics: Option<(SocketAddr, String)>,
    /// Where they should be, and somebody else is.
    pub metrics_taken: Option<(SocketAddr, String)>,
    /// Where administrators are answered, if that is elsewhere.
    pub admin_address: Option<SocketAddr>,
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

/// Makes what lies on disk before everything else, and sees to it that what is in memory does not come to lie there. Says where
/// that is from anywhere: probes start this program in a folder of their own.
fn folders(data: PathBuf) -> Result<PathBuf, StartError> {
    memory::keep_private();
    let data = std::path::absolute(&data).map_err(|source| StartError::File { path: data, source })?;
    folder(&data, if nix::unistd::geteuid().is_root() { ENTERED } else { PRIVATE })?;
    folder(&data.join("keys"), PRIVATE)?;
    Ok(data)
}

/// Counts in memory, or in the store that several nodes share.
fn limiter(settings: &Settings, root: &RootKey, clock: &Clock) -> Result<Limiter, StartError> {
    Ok(match limits::Store::configured(settings, pseudonym(root))? {
        Some(store) => Limiter::shared(clock.clone(), store),
        None => Limiter::in_memory(clock.clone()),
    })
}

/// Starts an instance, or says why not, leaving nothing half up.
pub async fn start(start: Start) -> Result<Running, StartError> {
    let Start { settings, profile, data, listen, database, not_effective, log, probe_hourly, clock, rng } =
        start;
    preflight::check_all(&settings, profile)?;
    let data = folders(data)?;
    let secure = tls::Tls::check(&settings)?;
    let bound = edge::bind(listen, secure).await?;
    let for_admins = administration::bind(&settings, secure).await?;
    let address = bound.local_addr().unwrap_or(listen);
    let url = public_url(&settings, address, secure);
    let root = Arc::new(RootKey::load_or_create(&data.join("keys/root.key"))?);
    let mut database = database::open(database, &data, &settings, &rng, &clock).await?;
    if let Some(log) = &log {
        log.write_to(log_files(&settings, &data)?);
    }
    let tasks = Tasks { edges: Group::default(), behind: Group::default(), audit: Group::default() };
    let limiter = limiter(&settings, &root, &clock)?;
    let monitoring = monitoring::Bound::open(&settings).await?;
    let (metrics, taken, admins) =
        (monitoring.place(), monitoring.taken(), administration::place(for_admins.as_ref()));
    let basics =
        Basics { settings, profile, data, address, url, admins, metrics, taken, root, limiter, clock, rng };

    let (audit, audit_tasks) = services::audit(&basics, &database.pg).await?;
    audit_tasks.spawn(&tasks.audit.tracker, tasks.audit.stop.clone());
    audit.record_alone(Entry::system(Event::ServerStarted).detail("profile", profile.name())).await?;
    record_settings(&audit, &basics.settings).await?;
    let (detection, keeper) = sentry::open(&basics, &database.pg, &audit).await?;
    let services::Opened { services, keys, alerts } =
        services::open(&basics, &database, audit, detection).await?;

    let behind = &tasks.behind;
    if let Some(statements) = database.statements.take() {
        behind.tracker.spawn(statements.record(services.audit.clone(), behind.stop.clone()));
    }
    let listener = watch::spawn(&database.listen, &services, &basics.clock, &behind.tracker, &behind.stop);
    behind.tracker.spawn(keeper.run(listener.clone(), behind.stop.clone()));
    shipping(&basics, &services)?.spawn(&behind.tracker, &behind.stop);
    behind.tracker.spawn(alerts.run(listener.clone(), behind.stop.clone()));
    let later = Later {
        pg: services.pg.clone(),
        jobs: services.jobs.clone(),
        outbox: services.outbox.clone(),
        sso: services.sso.clone(),
        auth: services.auth.clone(),
        audit: services.audit.clone(),
        clock: basics.clock.clone(),
        settings: basics.settings.clone(),
        tls: services.tls.iter().chain([&services.probed]).cloned().collect(),
        guests: services.guests.clone(),
        hooks: alerts::Hooks::from(&basics.settings, services.outbound.clone(), basics.clock.clone())?,
        database_certificate: crate::database_tls::keeping(
            &basics.settings,
            &basics.data,
            database.server.as_ref(),
            &services.audit,
            &basics.clock,
        )?,
    };
    later.spawn(&listener, &behind.tracker, &behind.stop);
    let (edges, routes) = edges(&basics, &services, &database, not_effective, log)?;
    let control = control::socket_path(&basics.data);
    let control_socket = control_socket(&control)?;
    let answering = &tasks.edges;
    let listening = match &services.tls {
        Some(tls) => {
            plain_port(tls, &basics, &services, &routes, answering).await?;
            Listening::tls(bound, tls.config())
        }
        None => Listening::Tcp(bound),
    };
    let (pg, clock, edge) = (services.pg.clone(), basics.clock.clone(), edges.public.counts());
    let counted = monitoring::Counted { edge, pg, clock };
    metrics_page(monitoring, counted, &basics, services.tls.as_ref(), answering)?;
    let public = Arc::new(edges.public);
    probes_sockets(&basics, &services, &routes, &public, answering)?;
    let admin_address = door(for_admins, &basics, services.tls.as_ref(), &public, answering)?;
    answering.tracker.spawn(edge::serve(public, listening, answering.stop.clone()));
    answering.tracker.spawn(edge::serve(Arc::new(edges.operator), control_socket, answering.stop.clone()));
    if probe_hourly {
        behind.tracker.spawn(services.posture.clone().hourly(behind.stop.clone()));
    }
    let Basics { url, metrics, taken: metrics_taken, .. } = basics;
    Ok(Running {
        url,
        address,
        metrics,
        metrics_taken,
        admin_address,
        keys,
        admin_url: database.admin_url.clone(),
        services,
        database,
        routes,
        tasks,
        control,
    })
}

/// Serves the page of metrics, where its port could be had.
fn metrics_page(
    monitoring: monitoring::Bound,
    counted: monitoring::Counted,
    basics: &Basics,
    certificate: Option<&tls::Tls>,
    answering: &Group,
) -> Result<(), StartError> {
    let Some((page, listener)) = monitoring.serving(counted) else { return Ok(()) };
    let known = monitoring::known(&basics.settings, certificate)?;
    if known.is_some() {
        // The probes have no certificate: they read it where only the operator can.
        let aside = socket(&basics.data.join(services::METRICS_SOCKET), |path| Listening::aside(path, None))?;
        answering.tracker.spawn(page.clone().serve_at(aside, answering.stop.clone()));
    }
    answering.tracker.spawn(page.serve(listener, known, answering.stop.clone()));
    Ok(())
}

/// Answers administrators at their own listener, if they have one, and the probes at a socket that only the operator reaches.
fn door(
    bound: Option<tokio::net::TcpListener>,
    basics: &Basics,
    certificate: Option<&tls::Tls>,
    public: &Arc<Edge>,
    answering: &Group,
) -> Result<Option<SocketAddr>, StartError> {
    let Some(bound) = bound else { return Ok(None) };
    let address = bound.local_addr().ok();
    let listening = administration::listening(bound, &basics.settings, certificate)?;
    let aside = socket(&basics.data.join(services::ADMIN_SOCKET), |path| Listening::aside(path, None))?;
    for listening in [listening, aside] {
        let serving = edge::serve_admins(public.clone(), listening, answering.stop.clone());
        answering.tracker.spawn(serving);
    }
    Ok(address)
}

/// The log's two files, in the folder that is now known to be nobody else's.
fn log_files(settings: &Settings, data: &Path) -> Result<logs::Streams, StartError> {
    let path = data.join("logs");
    logs::Streams::open(settings, &path).map_err(|source| StartError::File { path, source })
}

/// Logs on their way elsewhere.
fn shipping(basics: &Basics, services: &Services) -> Result<logs::Shipping, StartError> {
    Ok(logs::Shipping::open(logs::Parts {
        settings: basics.settings.clone(),
        data: basics.data.clone(),
        pg: services.pg.clone(),
        audit: services.audit.clone(),
        outbound: services.outbound.clone(),
        clock: basics.clock.clone(),
        rng: basics.rng.clone(),
    })?)
}

/// As whom somebody is known in a store that others may read: the same on every node that has our root key, and nobody
/// else can say who it is.
fn pseudonym(root: &RootKey) -> limits::Pseudonym {
    let key = root.derive("limits: pseudonyms in a shared store");
    Arc::new(move |subject| {
        let digest = seal::keyed_mac(key.expose(), subject.as_bytes());
        digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    })
}

/// Where clients find it: the first name of its certificate, else its address.
fn public_url(settings: &Settings, address: SocketAddr, secure: bool) -> String {
    if !secure {
        return format!("http://{address}");
    }
    let port = if address.port() == 443 { String::new() } else { format!(":{}", address.port()) };
    match settings.get(&tls::settings::DOMAINS).first() {
        Some(name) if name.contains(':') => format!("https://[{name}]{port}"),
        Some(name) => format!("https://{name}{port}"),
        None if address.ip().is_loopback() || address.ip().is_unspecified() => {
            format!("https://localhost{port}")
        }
        None => format!("https://{address}"),
    }
}

/// The port of plain HTTP, where the port of HTTPS is not alone on this machine. An authority that comes there has to
/// find it; for anybody else it is a courtesy.
async fn plain_port(
    tls: &tls::Tls,
    basics: &Basics,
    services: &Services,
    routes: &[web::Bound],
    answering: &Group,
) -> Result<(), StartError> {
    let port = basics.settings.get(&tls::settings::HTTP_PORT);
    if port == 0 {
        return Ok(());
    }
    let plain = plain(tls, basics, services, routes)?;
    let address = SocketAddr::new(basics.address.ip(), port);
    match plain.serve(address, answering.stop.clone()).await {
        Ok(serving) => {
            answering.tracker.spawn(serving);
            Ok(())
        }
        Err(error) if tls.needs_plain_port() => Err(error.into()),
        Err(error) => {
            tracing::warn!(%error, "plain HTTP is not sent on to HTTPS: set server.http_port to 0, or to a port that can be had");
            Ok(())
        }
    }
}

/// What answers where plain HTTP is not served.
fn plain(
    tls: &tls::Tls,
    basics: &Basics,
    services: &Services,
    routes: &[web::Bound],
) -> Result<edge::Plain, StartError> {
    let prefixes: std::collections::BTreeSet<String> =
        routes.iter().map(|route| route.prefix.to_string()).collect();
    let certificate = tls.clone();
    Ok(edge::Plain {
        challenge: Arc::new(move |token| certificate.challenge(token)),
        hosts: tls.names(),
        https_port: basics.address.port(),
        sentry: sentry::of(&services.detection, &services.alerts, &basics.settings),
        api_prefixes: prefixes.into_iter().filter(|prefix| !prefix.is_empty()).collect(),
        on_exposed: refusals::exposed(services.audit.clone()),
        front: edge::Front::from(&basics.settings)?,
    })
}

/// Sockets in the data folder where the probes see the same edge speak TLS, and refuse plain HTTP, whatever this instance
/// shows on its ports.
fn probes_sockets(
    basics: &Basics,
    services: &Services,
    routes: &[web::Bound],
    public: &Arc<Edge>,
    answering: &Group,
) -> Result<(), StartError> {
    let tls = socket(&basics.data.join(services::TLS_SOCKET), |path| {
        Listening::aside(path, Some(services.probed.config()))
    })?;
    answering.tracker.spawn(edge::serve(public.clone(), tls, answering.stop.clone()));
    let http = socket(&basics.data.join(services::PLAIN_SOCKET), |path| Listening::aside(path, None))?;
    let plain = plain(&services.probed, basics, services, routes)?;
    answering.tracker.spawn(plain.serve_at(http, answering.stop.clone()));
    Ok(())
}

/// The names that are ours besides what `server.hosts` lists: of the certificate, and of the URL people are sent to.
fn hosts(basics: &Basics, services: &Services) -> Result<Hosts, StartError> {
    let Basics { settings, profile, address, .. } = basics;
    if *profile == Profile::Conformance {
        return Ok(Hosts::any());
    }
    let mut more = settings.get(&tls::settings::DOMAINS);
    let external = settings.get(&auth::settings::EXTERNAL_URL);
    let authority = external.as_deref().and_then(|url| url.split("://").nth(1)?.split('/').next());
    more.extend(authority.map(str::to_owned));
    if !address.ip().is_unspecified() {
        more.push(address.ip().to_string());
    }
    let for_admins = settings.get(&administration::LISTEN).map(|address| address.ip());
    more.extend(for_admins.filter(|ip| !ip.is_unspecified()).map(|ip| ip.to_string()));
    let names = services.tls.clone().map(|tls| {
        let names: edge::CertificateNames =
            Arc::new(move || tls.facts().map(|facts| facts.names).unwrap_or_default());
        names
    });
    Ok(Hosts::from(settings, more, names)?)
}

/// What differs from the defaults is part of the record: names and where they were set, never values.
async fn record_settings(audit: &audit::Audit, settings: &Settings) -> Result<(), StartError> {
    for definition in explain::loosened(&lists::settings(), settings) {
        let origin = settings.origin(definition.name).to_string();
        let entry = Entry::system(Event::ConfigChanged).about(definition.name).detail("origin", origin);
        audit.record_alone(entry).await?;
    }
    Ok(())
}

/// What answers: the public API, and the operator's control socket.
struct Edges {
    public: Edge,
    operator: Edge,
}

fn edges(
    basics: &Basics,
    services: &Services,
    database: &Database,
    not_effective: Vec<String>,
    log: Option<Log>,
) -> Result<(Edges, Vec<web::Bound>), StartError> {
    let Basics { settings, profile, clock, .. } = basics;
    let config = |mounts, identify, hosts, sentry| EdgeConfig {
        hosts,
        on_exposed: refusals::exposed(services.audit.clone()),
        mounts,
        identify,
        recognise: mounts::recognise(services.auth.clone()),
        on_refusal: refusals::to(services.audit.clone()),
        on_use: refusals::uses(services.audit.clone()),
        pg: services.pg.clone(),
        clock: clock.clone(),
        rng: basics.rng.clone(),
        limiter: basics.limiter.clone(),
        connections: services.connections.clone(),
        sentry,
        profile: *profile,
        admin_elsewhere: settings.get(&administration::LISTEN).is_some(),
    };
    let native = Arc::new(native::State {
        auth: services.auth.clone(),
        audit: services.audit.clone(),
        data: services.data.clone(),
        migrations: services.migrations.clone(),
        admin: database.admin.clone(),
        tls: services.tls.clone(),
        guests: services.guests.clone(),
        policies: services.policies.clone(),
        detection: services.detection.clone(),
        alerts: services.alerts.clone(),
        outbox: services.outbox.clone(),
        posture: services.posture.clone(),
        not_effective,
        log: log.map(|log| Arc::new(log) as Arc<dyn native::Log>),
        url: basics.url.clone(),
    });
    let mut public = mounts::public(services, &native, *profile, settings, clock);
    public.extend(compared_with(database, services));
    let routes = public.iter().flat_map(|mount| mount.routes.clone()).collect();
    let identify = mounts::identify(services.auth.clone());
    let sentry = sentry::of(&services.detection, &services.alerts, settings);
    let public = Edge::new(settings, config(public, identify, hosts(basics, services)?, sentry))?;
    let operator = mounts::operator(services, &native, settings);
    let operator = config(operator, mounts::operator_only(), Hosts::any(), edge::Sentry::none());
    let operator = Edge::new(settings, EdgeConfig { admin_elsewhere: false, ..operator })?;
    Ok((Edges { public, operator }, routes))
}

/// What the bench compares us with.
#[cfg(feature = "bench")]
fn compared_with(database: &Database, services: &Services) -> Option<web::Mount> {
    let login = database.admin.login(&database.wanted.logins.authenticator);
    Some(crate::bench::mount(login, services.auth.clone()))
}

/// Nothing: this is no build for the bench.
#[cfg(not(feature = "bench"))]
fn compared_with(_: &Database, _: &Services) -> Option<web::Mount> {
    None
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

/// A folder that is nobody else's to look into.
pub(crate) fn private_folder(path: &Path) -> Result<(), StartError> {
    folder(path, PRIVATE)
}

/// A folder of ours. One that others can read is narrowed, not refused.
fn folder(path: &Path, mode: u32) -> Result<(), StartError> {
    let refused = |source| StartError::File { path: path.to_owned(), source };
    std::fs::DirBuilder::new().recursive(true).mode(mode).create(path).map_err(refused)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(refused)
}

fn control_socket(path: &Path) -> Result<Listening, StartError> {
    socket(path, Listening::control)
}

/// Binds a socket with mode 0600. One that a crash left behind is removed: the data folder's lock says that no other
/// instance lives here.
fn socket(
    path: &Path,
    bind: impl FnOnce(&Path) -> std::io::Result<Listening>,
) -> Result<Listening, StartError> {
    let refused = |source| StartError::File { path: path.to_owned(), source };
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(refused(error)),
        Ok(()) | Err(_) => {}
    }
    let listening = bind(path).map_err(refused)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(refused)?;
    Ok(listening)
}
