//! Where PostgreSQL is, as whom we come, and how many connections that may take.
//!
//! Invariant: a [`Config`] that would send a password or a row in plaintext to another machine is refused before the
//! first byte is sent (control 53).

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base::{DbRole, Secret};

use crate::{Error, limits};

/// How the server is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Server {
    /// A unix socket: the directory and the port in the socket's name.
    Socket {
        /// The directory, as in `unix_socket_directories`.
        dir: PathBuf,
        /// The port, which is part of the socket's name.
        port: u16,
    },
    /// A TCP address.
    Tcp {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
        /// What protects the way.
        tls: Tls,
    },
}

/// What protects a TCP connection, in libpq's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Plaintext: to this machine only.
    Disable,
    /// Encrypted, to whoever answers.
    Require,
    /// Encrypted, to a server whose certificate comes from this authority.
    VerifyCa {
        /// PEM file of the authority.
        root: PathBuf,
    },
    /// The same, and the certificate bears the host's name.
    VerifyFull {
        /// PEM file of the authority.
        root: PathBuf,
    },
}

/// A name to log in with.
#[derive(Clone)]
pub struct Login {
    /// The role.
    pub name: String,
    /// Its password; none where the server trusts the socket.
    pub password: Option<Secret>,
}

/// How many connections, and how long to wait for one (control 55).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caps {
    /// All connections together.
    pub connections_max: usize,
    /// Connections shared by short reads; 0 sends those to the own lane too.
    pub short: usize,
    /// Connections for our own tables, out of `connections_max`.
    pub system: usize,
    /// Connections for the operator's functions that auth asks, out of `connections_max`.
    pub hooks: usize,
    /// How long a transaction may wait for a connection.
    pub wait_max: Duration,
}

impl Caps {
    /// Splits `connections_max` for a machine with `cores` cores. A few stay free for LISTEN and migrations. One shared
    /// connection per core: with two, less travels in one packet and PostgreSQL's CPU per request rose by a quarter.
    pub fn split(connections_max: usize, cores: usize) -> Self {
        let short = cores.clamp(2, 16).min(connections_max / 4);
        let system = (connections_max / 5).max(1);
        let hooks = (connections_max / 12).clamp(1, limits::HOOK_CONNECTIONS.size());
        Caps { connections_max, short, system, hooks, wait_max: Duration::from_secs(5) }
    }

    /// Exclusive connections for callers: what the others leave.
    pub fn own(&self) -> usize {
        let others = self.short + self.system + self.hooks + limits::RESERVED.size();
        self.connections_max.saturating_sub(others).max(1)
    }
}

/// How long a statement of each role may run, and an open transaction may idle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Statements as `anon`.
    pub anon: Duration,
    /// Statements as `authenticated` and any role without a line of its own. Every session starts with this one, so
    /// it costs nothing per request.
    pub authenticated: Duration,
    /// Statements as `service_role`.
    pub service: Duration,
    /// Statements of our own.
    pub system: Duration,
    /// An open transaction without a statement.
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            anon: Duration::from_secs(3),
            authenticated: Duration::from_secs(8),
            service: Duration::from_secs(30),
            system: Duration::from_secs(30),
            idle: Duration::from_secs(30),
        }
    }
}

impl Timeouts {
    /// The limit for `role`.
    pub(crate) fn of(&self, role: &DbRole) -> Duration {
        match role.name() {
            "anon" => self.anon,
            "service_role" => self.service,
            _ => self.authenticated,
        }
    }
}

/// Everything [`crate::Pg::connect`] needs to know.
#[derive(Clone)]
pub struct Config {
    /// How the server is reached.
    pub server: Server,
    /// The database.
    pub database: String,
    /// The login of all caller transactions: NOINHERIT, owns nothing, reads nothing (`authenticator`).
    pub login: Login,
    /// The login of system transactions; none uses `login` (the conformance fixture has no other).
    pub system: Option<Login>,
    /// The login that asks the operator's functions; none uses `login`, which may not be what they run as.
    pub hooks: Option<Login>,
    /// How many connections.
    pub caps: Caps,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// The callers' `search_path` when a statement brings none.
    pub search_path: Arc<str>,
}

impl Config {
    /// A configuration with default limits.
    pub fn new(server: Server, database: impl Into<String>, login: Login, system: Option<Login>) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Config {
            server,
            database: database.into(),
            login,
            system,
            hooks: None,
            caps: Caps::split(50, cores),
            timeouts: Timeouts::default(),
            search_path: r#""public", "extensions""#.into(),
        }
    }

    /// Refuses what must not be tried.
    pub fn check(&self) -> Result<(), Error> {
        if let Server::Tcp { host, tls: Tls::Disable, .. } = &self.server
            && !is_loopback(host)
        {
            return Err(Error::Refused(format!(
                "sslmode=disable would send passwords and rows in plaintext to {host:?}, which is not this machine; use verify-full with a root certificate"
            )));
        }
        Ok(())
    }
}

/// The schemas of a `search_path`, each once: what differs only in spelling costs no setting per request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    text: String,
    names: Vec<String>,
}

impl Path {
    pub(crate) fn parse(text: &str) -> Self {
        let mut names: Vec<String> = Vec::new();
        for name in identifiers(text) {
            if !names.iter().any(|known| same(known, name)) {
                names.push(name.plain.map_or_else(|| name.text.to_ascii_lowercase(), str::to_owned));
            }
        }
        Path { text: text.to_owned(), names }
    }

    /// Whether `text` names the same schemas in the same order.
    pub(crate) fn is(&self, text: &str) -> bool {
        if text == self.text {
            return true;
        }
        let mut matched = 0;
        for name in identifiers(text) {
            let known = self.names.get(..matched).unwrap_or_default();
            if known.iter().any(|known| same(known, name)) {
                continue;
            }
            if !self.names.get(matched).is_some_and(|next| same(next, name)) {
                return false;
            }
            matched += 1;
        }
        matched == self.names.len()
    }
}

/// One name of a path, as written; `plain` is what stands between quotes.
#[derive(Clone, Copy)]
struct Identifier<'a> {
    text: &'a str,
    plain: Option<&'a str>,
}

/// A name with a doubled quote in it is taken as written: the worst that comes of it is a setting too many.
fn identifiers(text: &str) -> impl Iterator<Item = Identifier<'_>> {
    let mut quoted = false;
    let names = text.split(move |c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    });
    names.map(str::trim).filter(|name| !name.is_empty()).map(|text| {
        let plain = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        Identifier { text, plain }
    })
}

fn same(known: &str, name: Identifier<'_>) -> bool {
    match name.plain {
        Some(plain) => known == plain,
        None => known.eq_ignore_ascii_case(name.text),
    }
}

/// Names are resolved by somebody else, so only `localhost` counts, and where it leads is checked when it is resolved.
fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, tls: Tls) -> Result<(), Error> {
        let login = Login { name: "authenticator".into(), password: None };
        let server = Server::Tcp { host: host.into(), port: 5432, tls };
        Config::new(server, "x", login, None).check()
    }

    #[test]
    fn plaintext_to_another_machine_is_refused_by_name() {
        for host in ["db.example.com", "10.0.0.5", "0.0.0.0", "localhost.example.com"] {
            let refused = tcp(host, Tls::Disable).unwrap_err().to_string();
            assert!(refused.contains(host) && refused.contains("plaintext"), "{refused}");
            tcp(host, Tls::Require).unwrap();
        }
        for host in ["localhost", "127.0.0.1", "::1"] {
            tcp(host, Tls::Disable).unwrap();
        }
    }

    #[test]
    fn a_search_path_is_the_same_however_it_is_spelt() {
        let own = Path::parse(r#""public", "extensions""#);
        for same in [
            "public, extensions",
            r#"public,"extensions""#,
            "PUBLIC, extensions",
            "public, public, extensions, public",
        ] {
            assert!(own.is(same), "{same}");
            assert_eq!(own.names, Path::parse(same).names);
        }
        for other in [
            "public",
            "extensions, public",
            r#""PUBLIC", extensions"#,
            "public, extensions, api",
            "",
            r#""public, extensions""#,
        ] {
            assert!(!own.is(other), "{other}");
        }
    }

    #[test]
    fn the_lanes_together_stay_under_the_cap() {
        for (max, cores) in [(50, 2), (50, 64), (10, 2), (100, 16)] {
            let caps = Caps::split(max, cores);
            assert!(caps.short + caps.system + caps.hooks + caps.own() <= max, "{caps:?} {}", caps.own());
        }
    }
}
