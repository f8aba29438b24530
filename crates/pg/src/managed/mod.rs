//! The embedded PostgreSQL: made, started, watched and stopped as a child of this process.
//!
//! It listens on a Unix socket only, asks everybody for a scram password, writes data checksums, and runs as an
//! unprivileged user even when Palisade does not. A thread of its own ([`supervise`]) starts it and starts it again
//! when it dies. When *we* are killed, the kernel tells it to stop (`setpriv --pdeathsig`, where that exists; setting
//! it ourselves would need `unsafe`); where it does not, the next start stops what it finds ([`orphans`]).
//!
//! Invariant: one Palisade per data directory (a lock file held by the supervising thread for as long as its server
//! may be writing), and nothing PostgreSQL's user can write is ever written by us as root.

mod account;
mod cluster;
mod config;
mod files;
mod heard;
mod layout;
mod listen;
mod orphans;
mod ran;
mod supervise;

pub use config::{Durability, ManagedConfig};
pub use files::load_or_create_secret;
pub use heard::witness;
pub use listen::{Certificate, Listen, Shown};
pub use ran::{Class, Ran, Witness};
pub use supervise::State;

use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use base::Secret;
use tokio::sync::{broadcast, oneshot, watch};

use crate::admin::Target;
use crate::binaries::{self, Binaries};
use crate::{Error, Login, SetupError, limits};
use layout::Layout;
use supervise::{Command, Supervisor};

/// The name of the embedded server's superuser.
pub const SUPERUSER: &str = "postgres";
/// The part of the socket's name PostgreSQL insists on; a TCP port is opened only where one is asked for.
pub const PORT: u16 = 5432;

/// A running server. Dropped without [`Server::stop`], it is stopped all the same, unobserved.
pub struct Server {
    layout: Layout,
    binaries: Binaries,
    password: Secret,
    port: u16,
    commands: mpsc::Sender<Command>,
    state: watch::Receiver<State>,
    ran: broadcast::Sender<Arc<Ran>>,
}

impl Server {
    /// Makes the cluster if there is none, recovers what a crash left, starts it and waits until it answers.
    pub async fn start(config: ManagedConfig) -> Result<Server, Error> {
        let starting = tokio::task::spawn_blocking(move || Server::start_blocking(config));
        starting.await.map_err(|error| Error::Bug(format!("starting the server ended early: {error}")))?
    }

    /// [`Server::start`] for callers without a runtime.
    pub fn start_blocking(config: ManagedConfig) -> Result<Server, Error> {
        config.check()?;
        let binaries = binaries::find(config.pg_bin.as_deref())?;
        let lock = layout::lock(&config.data_dir)?;
        let layout = Layout::prepare(&config, &binaries)?;
        orphans::stop(&layout.cluster)?;
        let password = load_or_create_secret(&layout.home.join("superuser.password"), &config.rng)?;
        cluster::create_if_absent(&config, &layout, &binaries, &password)?;
        cluster::write_settings(&config, &layout, heard::witness(&binaries.dir))?;
        let (ran, _) = broadcast::channel(limits::STATEMENTS_HEARD.size());
        let (commands, state) = Supervisor::start(&config, &layout, &binaries, lock, ran.clone())?;
        Ok(Server { layout, binaries, password, port: config.port(), commands, state, ran })
    }

    /// Statements that the server reports, from now on: of those who come with SQL themselves. Who is slower than they
    /// come misses some, and is told how many.
    pub fn statements(&self) -> broadcast::Receiver<Arc<Ran>> {
        self.ran.subscribe()
    }

    /// How we enter `database` as its administrator: what we do there we record ourselves, so the server does not report it.
    pub fn admin(&self, database: &str) -> Target {
        let login = Login { name: SUPERUSER.to_owned(), password: Some(self.password.clone()) };
        Target { server: self.address(), database: database.to_owned(), login, unreported: true }
    }

    /// Where it is, for [`crate::Config`].
    pub fn address(&self) -> crate::Server {
        crate::Server::Socket { dir: self.layout.sockets.clone(), port: self.port }
    }

    /// `postgresql://…`, with the password, for the administrator's own tools.
    pub fn admin_url(&self, database: &str) -> Secret {
        let host = percent_encode(&self.layout.sockets.to_string_lossy());
        let database = percent_encode(database);
        let (password, port) = (self.password.expose(), self.port);
        Secret::new(format!("postgresql://{SUPERUSER}:{password}@{host}:{port}/{database}"))
    }

    /// What its listener shows, to be replaced while it runs.
    pub fn shown(&self) -> Shown {
        Shown { layout: self.layout.clone(), state: self.state.clone() }
    }

    /// The directory of the Unix socket.
    pub fn socket_dir(&self) -> &Path {
        &self.layout.sockets
    }

    /// Where PostgreSQL keeps its data.
    pub fn cluster_dir(&self) -> &Path {
        &self.layout.cluster
    }

    /// Where PostgreSQL writes its log.
    pub fn log_file(&self) -> PathBuf {
        self.layout.log()
    }

    /// The programs it runs from: backups and restores want the same.
    pub fn binaries(&self) -> &Binaries {
        &self.binaries
    }

    /// What the supervisor sees, as it changes.
    pub fn watch(&self) -> watch::Receiver<State> {
        self.state.clone()
    }

    /// What the supervisor sees now.
    pub fn state(&self) -> State {
        *self.state.borrow()
    }

    /// Stops it: open transactions are rolled back, buffers written. Returns when the process is gone.
    pub async fn stop(self) -> Result<(), Error> {
        let (done, stopped) = oneshot::channel();
        let gone = || Error::Bug("the server's supervisor is gone".to_owned());
        self.commands.send(Command::Stop(done)).map_err(|_| gone())?;
        let bound =
            Duration::from_millis(limits::FAST_STOP_MS_MAX.value + 2 * limits::IMMEDIATE_STOP_MS_MAX.value);
        match tokio::time::timeout(bound, stopped).await {
            Ok(answer) => answer.map_err(|_| gone())?,
            Err(_) => Err(SetupError::new(
                "pg.server.stop",
                "PostgreSQL did not stop",
                "it did not end even when killed; its disk may be hanging",
                format!("Look at {} and at the kernel's log", self.layout.log().display()),
            )
            .into()),
        }
    }
}

/// Between two looks of a bounded wait. Waking early is harmless.
fn look_again() {
    std::thread::park_timeout(Duration::from_millis(limits::POLL_MS.value));
}

/// Everything but letters and digits, as a connection URL wants a host path and a database name.
fn percent_encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
        encoded
    })
}
