//! The page of metrics: what the edge, the lanes to the database and the process itself have counted (control 110).
//!
//! Invariant: nothing on it names a person, a row or a secret; every label is one of a few known when the program was built.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use base::setting::{Definition, Value};
use base::{Clock, Setting, Settings};
use meters::{Kind, Page, SpreadNow};
use procfs::WithCurrentSystemInfo as _;
use procfs::process::Process;
use rustls::ServerConfig;
use tokio::net::TcpListener;

use crate::error::StartError;

/// Whether metrics are served.
pub static ENABLED: Setting<bool> = Setting::new("monitoring.enabled", "true")
    .changes("whether metrics are served, on loopback")
    .proven_by(&[110]);

/// Their port.
pub static PORT: Setting<u16> = Setting::new("monitoring.port", "9090")
    .changes("the loopback port that metrics are served on; 0 takes any that is free")
    .proven_by(&[110]);

/// Their path.
pub static PATH: Setting<String> = Setting::new("monitoring.path", "/metrics")
    .changes("the path that metrics are served on")
    .proven_by(&[110]);

/// Who may read them.
pub static CLIENT_CA_FILE: Setting<Option<PathBuf>> = Setting::unset("monitoring.client_ca_file")
    .changes(
        "a PEM file with authorities: metrics are then served over TLS, with the server's certificate, and only to clients that show \
         a certificate of theirs; unset: in the clear, on loopback",
    )
    .proven_by(&[110]);

/// Which of the guide's names, or all three of the above.
pub static METRICS: Setting<Option<Value>> = Setting::unset("metrics")
    .changes("which of the guide's six metrics are served, as a list; or enabled, port and path as a mapping")
    .proven_by(&[110]);

/// All of them.
pub const SETTINGS: &[&Definition] = &[
    &ENABLED.definition,
    &PORT.definition,
    &PATH.definition,
    &CLIENT_CA_FILE.definition,
    &METRICS.definition,
];

/// The guide's names. Each has a twin by the name that is usual elsewhere, which is always there.
const NAMES: [&str; 6] = [
    "request_duration",
    "request_count",
    "error_rate",
    "active_connections",
    "database_query_time",
    "cache_hit_rate",
];

/// How TLS is spoken with those who may read them, where that is set.
pub fn known(settings: &Settings, tls: Option<&tls::Tls>) -> Result<Option<Arc<ServerConfig>>, StartError> {
    let Some(authorities) = settings.get(&CLIENT_CA_FILE) else { return Ok(None) };
    let why = "the server has no certificate to show: set server.tls.cert_file, server.tls.domains or server.tls.local_ca";
    let tls = tls.ok_or_else(|| refuse("monitoring.client_ca_file", why))?;
    Ok(Some(tls.config_for_known(&authorities)?))
}

/// Whether the settings can be honoured.
pub fn check(settings: &Settings) -> Result<(), edge::Error> {
    read(settings).map(drop)
}

/// Where and what.
struct Wanted {
    enabled: bool,
    port: u16,
    path: String,
    names: Vec<String>,
}

fn refuse(setting: &'static str, what: impl Into<String>) -> edge::Error {
    edge::Error::Setting { setting, what: what.into() }
}

/// One of the guide's names.
fn named(name: &str) -> Result<String, edge::Error> {
    let known = NAMES.contains(&name).then(|| name.to_owned());
    known.ok_or_else(|| {
        refuse("metrics", format!("unknown name `{name}`: the names are {}", NAMES.join(", ")))
    })
}

fn read(settings: &Settings) -> Result<Wanted, edge::Error> {
    let all = NAMES.map(str::to_owned).to_vec();
    let (enabled, port, path) = (settings.get(&ENABLED), settings.get(&PORT), settings.get(&PATH));
    let mut wanted = Wanted { enabled, port, path, names: all };
    match settings.get(&METRICS) {
        None => {}
        // A variable or a flag has no lists: names with commas between them.
        Some(Value::Scalar(text)) => {
            wanted.names = text.split(',').map(|item| named(item.trim())).collect::<Result<_, _>>()?;
        }
        Some(Value::List(items)) => {
            let name =
                |item: &Value| named(item.scalar().map_err(|_| refuse("metrics", "each item is a name"))?);
            wanted.names = items.iter().map(name).collect::<Result<_, _>>()?;
        }
        Some(Value::Map(fields)) => {
            for (name, value) in &fields {
                let text = value.scalar().map_err(|_| refuse("metrics", format!("`{name}` is one value")))?;
                match name.as_str() {
                    "enabled" => {
                        wanted.enabled =
                            text.parse().map_err(|_| refuse("metrics", "`enabled` is true or false"))?;
                    }
                    "port" => {
                        wanted.port = text.parse().map_err(|_| refuse("metrics", "`port` is a port"))?
                    }
                    "path" => text.clone_into(&mut wanted.path),
                    other => {
                        return Err(refuse(
                            "metrics",
                            format!("unknown field `{other}`: a mapping has enabled, port and path"),
                        ));
                    }
                }
            }
        }
    }
    if !wanted.path.starts_with('/') {
        return Err(refuse("monitoring.path", "expected a path that begins with /"));
    }
    Ok(wanted)
}

/// The bound port, before anything is there to be counted.
pub struct Bound {
    wanted: Wanted,
    listener: Option<TcpListener>,
}

impl Bound {
    /// Binds the port. One that is taken keeps nobody from being served: it is said, and control 110 is failing.
    pub async fn open(settings: &Settings) -> Result<Self, edge::Error> {
        let wanted = read(settings)?;
        if !wanted.enabled {
            return Ok(Bound { wanted, listener: None });
        }
        let listener = match edge::Monitoring::bind(wanted.port).await {
            Ok(listener) => Some(listener),
            Err(error) => {
                tracing::warn!(%error, "metrics are not served, and control 110 fails: something else has that port, as a second Palisade on this machine \
                    would. Give this one its own by monitoring.port (0 takes any that is free), or set monitoring.enabled to false");
                None
            }
        };
        Ok(Bound { wanted, listener })
    }

    /// Where the page is.
    pub fn place(&self) -> Option<(SocketAddr, String)> {
        let address = self.listener.as_ref()?.local_addr().ok()?;
        Some((address, self.wanted.path.clone()))
    }

    /// Where it should be, and somebody else is.
    pub fn taken(&self) -> Option<(SocketAddr, String)> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.wanted.port));
        (self.wanted.enabled && self.listener.is_none()).then(|| (address, self.wanted.path.clone()))
    }

    /// What serves the page of these counts.
    pub fn serving(self, counted: Counted) -> Option<(edge::Monitoring, TcpListener)> {
        let Wanted { path, names, .. } = self.wanted;
        let page = Arc::new(move |open| page(&counted, &names, open));
        Some((edge::Monitoring { path, page }, self.listener?))
    }
}

/// Whatever counts.
pub struct Counted {
    /// Requests.
    pub edge: Arc<edge::Counts>,
    /// Statements.
    pub pg: pg::Pg,
    /// The time.
    pub clock: Clock,
}

fn page(counted: &Counted, names: &[String], open: bool) -> String {
    let shows = |name: &str| names.iter().any(|wanted| wanted == name);
    let mut page = counted.edge.page(open);
    counted.edge.write(&mut page, &shows, counted.clock.now().as_second());
    database(&mut page, &counted.pg, &shows);
    process(&mut page);
    page.family("palisade_build_info", Kind::Gauge, "Always 1");
    page.number("palisade_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    page.end()
}

fn database(page: &mut Page, pg: &pg::Pg, shows: &dyn Fn(&str) -> bool) {
    let (times, stats) = (pg.times(), pg.stats());
    for (name, wanted) in [
        ("database_query_time", shows("database_query_time")),
        ("db_client_operation_duration_seconds", true),
    ] {
        if wanted {
            page.family(
                name,
                Kind::Histogram,
                "Seconds from sending a batch of statements to PostgreSQL to its last answer",
            );
            times
                .iter()
                .for_each(|(lane, now): &(&str, SpreadNow)| page.spread(name, &[("lane", lane)], now));
        }
    }
    let lanes =
        [("short", &stats.short), ("own", &stats.own), ("system", &stats.system), ("hooks", &stats.hooks)];
    let (hits, misses) =
        lanes.iter().fold((0, 0), |(hits, misses), (_, lane)| (hits + lane.cache_hits, misses + lane.parsed));
    if shows("cache_hit_rate") {
        page.family(
            "cache_hit_rate",
            Kind::Gauge,
            "The share of statements that were found prepared, since the start",
        );
        let share = if hits + misses == 0 { 0.0 } else { ratio(hits, hits + misses) };
        page.real("cache_hit_rate", &[("cache", "statements")], share);
    }
    page.family(
        "palisade_statement_cache_requests_total",
        Kind::Counter,
        "Statements, by whether they were found prepared",
    );
    for (result, count) in [("hit", hits), ("miss", misses)] {
        page.number("palisade_statement_cache_requests_total", &[("result", result)], count);
    }
    type Number = fn(&pg::LaneStats) -> u64;
    let families: [(&str, Kind, &str, Number); 5] = [
        ("palisade_db_connections", Kind::Gauge, "Connections to PostgreSQL", |lane| lane.connections),
        ("palisade_db_in_flight", Kind::Gauge, "Batches that PostgreSQL has not answered yet", |lane| {
            lane.in_flight
        }),
        ("palisade_db_round_trips_total", Kind::Counter, "Round trips to PostgreSQL", |lane| {
            lane.round_trips
        }),
        ("palisade_db_waits_total", Kind::Counter, "Transactions that waited for a connection", |lane| {
            lane.waits
        }),
        (
            "palisade_db_refused_total",
            Kind::Counter,
            "Transactions refused because the queue was full",
            |lane| lane.refused,
        ),
    ];
    for (name, kind, help, number) in families {
        page.family(name, kind, help);
        lanes.iter().for_each(|(lane, stats)| page.number(name, &[("lane", lane)], number(stats)));
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share needs no more than a few digits")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

/// What Linux says of this process, under the names that are usual for it; nothing where it says nothing.
fn process(page: &mut Page) {
    let Ok(own) = Process::myself() else { return };
    if let Ok(stat) = own.stat() {
        page.family("process_cpu_seconds_total", Kind::Counter, "CPU that was used, user and system");
        let seconds = ratio(stat.utime + stat.stime, procfs::ticks_per_second());
        page.real("process_cpu_seconds_total", &[], seconds);
        page.family("process_resident_memory_bytes", Kind::Gauge, "Memory that is used");
        page.number("process_resident_memory_bytes", &[], stat.rss_bytes().get());
    }
    if let Ok(open) = own.fd_count() {
        page.family("process_open_fds", Kind::Gauge, "Open files and sockets");
        page.number("process_open_fds", &[], open as u64);
    }
}
