//! What a probe is handed: ways of looking at the running instance from outside.
//!
//! Invariant: nothing here can ask the product what it is set to. There is HTTP as any client speaks it, the
//! operator's commands, SQL as the
//! database's administrator, the files of the data directory, the processes of the machine, and the program itself.

pub mod certificate;
mod channel;
pub mod company;
pub mod h2;
pub mod hello;
pub mod http;
pub mod issuer;
pub mod program;
pub mod redis;
pub mod second;
pub mod sql;
pub mod staple;
pub mod tenant;
pub mod tls;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use base::{Clock, Rng, Secret};
use tokio::sync::{Mutex, OnceCell};

pub use company::Company;
pub use http::{Answer, Ask};
pub use tenant::{Person, Session, Tenant};

/// Where the instance is: what its ready file says, and where it keeps things.
#[derive(Clone)]
pub struct Place {
    /// The listener, as a client connects to it.
    pub address: SocketAddr,
    /// Where its metrics are said to be, and at which path: control 110 looks there.
    pub metrics: Option<(SocketAddr, String)>,
    /// Where they should be, and somebody else is.
    pub metrics_taken: Option<(SocketAddr, String)>,
    /// A socket with the same page, where that place is said to be only for those who show a certificate.
    pub metrics_aside: Option<PathBuf>,
    /// A socket where administrators are answered, where the listener does not answer them.
    pub admin_aside: Option<PathBuf>,
    /// Where administrators are said to be answered and nowhere else, if that is so: control 25 tries it.
    pub admins: Option<SocketAddr>,
    /// Whether only those are let in there who show a certificate.
    pub admins_asked: bool,
    /// Whether the kernel is said to keep out whom the instance keeps out: control 106 looks there.
    pub nftables: bool,
    /// How long lines are gathered before they are put into a store: that much may be missing there.
    pub logs_gathered: Duration,
    /// What a browser would know.
    pub publishable_key: Secret<String>,
    /// What a server of the operator would know.
    pub secret_key: Secret<String>,
    /// The administrator's way into the database.
    pub database: pg::admin::Target,
    /// Whether Palisade created that database server itself.
    pub embedded: bool,
    /// The data directory.
    pub data: PathBuf,
    /// The program, to see what it refuses to start with.
    pub program: PathBuf,
    /// An origin the operator lets call the API, if there is one: control 74 is tried with it.
    pub origin: Option<String>,
    /// Whether it speaks TLS there.
    pub secure: bool,
    /// Where it speaks TLS, and where it refuses plain HTTP.
    pub encryption: Encryption,
    /// Files of authorities that the operator named, by the setting that names each: control 3 looks how long they hold.
    pub authorities: Vec<(String, PathBuf)>,
    /// The store that several nodes share, if there is one.
    pub redis: Option<redis::RedisPlace>,
    /// The file the operator has audit entries copied to, if there is one: control 94 looks into it.
    pub audit_file: Option<PathBuf>,
    /// The audit log, to verify it.
    pub audit: Option<audit::Audit>,
    /// The time.
    pub clock: Clock,
    /// Randomness.
    pub rng: Rng,
}

/// Where encryption is looked at: the instance's own ports, or sockets in its data folder that show the same to nobody else.
#[derive(Clone)]
pub struct Encryption {
    /// Where TLS is spoken.
    pub tls: Seat,
    /// Where plain HTTP is refused.
    pub plain: Seat,
    /// Where TLS is spoken with a certificate that the probes may exchange: in `tls/probes` of the data folder.
    pub own_tls: Seat,
    /// The name clients ask for.
    pub name: String,
    /// The operator's own key, if they brought one.
    pub key_file: Option<PathBuf>,
    /// Authorities that clients trust besides everybody's.
    pub roots: Option<PathBuf>,
}

/// A place to connect to.
#[derive(Clone, Debug)]
pub enum Seat {
    /// A port.
    Tcp(SocketAddr),
    /// A socket in a folder.
    Socket(PathBuf),
}

impl std::fmt::Display for Seat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Seat::Tcp(address) => write!(f, "{address}"),
            Seat::Socket(path) => match path.file_name() {
                Some(name) => write!(f, "the probes' own {}", name.display()),
                None => f.write_str("a socket of the probes"),
            },
        }
    }
}

/// A way of looking, for one round of probes.
pub struct Bench {
    /// Where the instance is.
    pub place: Place,
    tenant: OnceCell<Result<Tenant, String>>,
    guests: Mutex<Vec<Person>>,
    /// Recovery codes of the probes' people, where everybody needs a second factor.
    codes: Mutex<BTreeMap<String, Vec<String>>>,
    /// What came of exchanging the certificate of the probes' own listener: it takes a while, and proves three controls.
    pub(crate) exchanged: OnceCell<Result<crate::probes::Exchanged, String>>,
}

/// Why something could not be tried. It makes a probe fail: what cannot be seen is not proven.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// No answer over HTTP.
    #[error("{what}: {source}")]
    Network {
        /// What was asked.
        what: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The answer is not HTTP, or not what this step needs.
    #[error("{0}")]
    Unexpected(String),
    /// The database refused the administrator.
    #[error("SQL as the administrator: {0}")]
    Database(String),
    /// It took too long.
    #[error("{0} took longer than {max} s", max = crate::limits::STEP_SECONDS_MAX.value)]
    Slow(String),
}

impl Bench {
    /// For one round.
    pub fn new(place: Place) -> Self {
        Bench {
            place,
            tenant: OnceCell::new(),
            guests: Mutex::default(),
            codes: Mutex::default(),
            exchanged: OnceCell::new(),
        }
    }

    /// The sealed tenant of this round, made when first needed.
    pub async fn tenant(&self) -> Result<&Tenant, Trouble> {
        // Tried once a round: what failed for the first probe would keep every other one waiting as long.
        let made = self
            .tenant
            .get_or_init(async || Tenant::make(self).await.map_err(|trouble| trouble.to_string()))
            .await;
        made.as_ref().map_err(|why| Trouble::Unexpected(format!("the probes' tenant: {why}")))
    }

    /// Somebody new who has just signed in: a probe that signs in often must not meet the account's own limit (control 72).
    pub async fn guest(&self) -> Result<(Person, Session), Trouble> {
        let person = self.guest_with(serde_json::json!({})).await?;
        let session = self.sign_in(&person).await?;
        Ok((person, session))
    }

    /// The same with one proof only, whatever the instance asks for.
    pub async fn newcomer(&self) -> Result<(Person, Session), Trouble> {
        let person = self.guest_with(serde_json::json!({})).await?;
        let session = self.first_proof(&person).await?;
        Ok((person, session))
    }

    /// Somebody new, with what `extra` says of them.
    pub async fn guest_with(&self, extra: serde_json::Value) -> Result<Person, Trouble> {
        let person = self.person(extra).await?;
        self.guests.lock().await.push(person.clone());
        Ok(person)
    }

    /// Takes the tenant and every guest away again.
    pub async fn clear(&mut self) -> Result<(), Trouble> {
        for guest in std::mem::take(self.guests.get_mut()) {
            self.forget(&guest).await?;
        }
        match self.tenant.take() {
            Some(Ok(tenant)) => tenant.remove(self).await,
            // What was half made says so itself.
            Some(Err(_)) | None => Ok(()),
        }
    }

    /// A client address that nobody else has: any of 127/8 is ours to bind, to any of this machine's addresses.
    pub fn own_address(&self) -> Option<IpAddr> {
        http::met_at(self.place.address).is_ipv4().then(|| {
            let part = |low: u32, range: u32| u8::try_from(low + self.place.rng.below(range)).unwrap_or(1);
            IpAddr::V4(Ipv4Addr::new(127, part(64, 190), part(0, 255), part(1, 253)))
        })
    }

    /// A signing secret that nobody else has, long and mixed enough for the product to take.
    pub fn random_secret(&self) -> String {
        [self.random_name("Q-"), self.random_name("x"), self.random_name("Z")].concat()
    }

    /// A name that nothing else has.
    pub fn random_name(&self, prefix: &str) -> String {
        let bytes: [u8; 8] = self.place.rng.bytes();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{prefix}{hex}")
    }
}
