//! A TCP listener of the embedded server, for those who come with SQL from other machines (control 54).
//!
//! Off unless asked for. Then: TLS 1.2 or newer with a certificate that the caller of this crate hands in, from listed
//! networks, with scram, and only for members of `readonly`: neither the superuser nor a login of ours comes in that way.
//!
//! Invariant: nothing is asked or answered in plain over TCP.

use std::net::SocketAddr;
use std::path::Path;

use base::Secret;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::watch;

use super::files::{self, failed};
use super::layout::Layout;
use super::{SUPERUSER, State};
use crate::Error;
use crate::bootstrap::{AUTHENTICATOR, HOOKS, SYSTEM};

/// Where it listens and whom it lets in.
#[derive(Clone)]
pub struct Listen {
    /// The address; its port is also the number in the socket's name.
    pub address: SocketAddr,
    /// From where, as `pg_hba.conf` has networks: `10.0.0.0/8`.
    pub networks: Vec<String>,
    /// What it shows.
    pub certificate: Certificate,
    /// PEM of the authority that clients have to show a certificate of, too.
    pub client_ca: Option<String>,
}

/// A certificate with its key.
#[derive(Clone)]
pub struct Certificate {
    /// PEM of the certificate and what completes its chain.
    pub chain: String,
    /// PEM of its private key.
    pub key: Secret,
}

const CHAIN: &str = "server.crt";
const KEY: &str = "server.key";
const CLIENT_CA: &str = "client-ca.crt";

/// Settings of the command line, where no `ALTER SYSTEM` reaches.
pub(super) fn settings(listen: &Listen, layout: &Layout) -> Vec<(&'static str, String)> {
    let file = |name: &str| layout.place.join(name).to_string_lossy().into_owned();
    let mut settings = vec![
        ("ssl", "on".to_owned()),
        ("ssl_cert_file", file(CHAIN)),
        ("ssl_key_file", file(KEY)),
        ("ssl_min_protocol_version", "TLSv1.2".to_owned()),
        ("ssl_ciphers", "ECDHE+AESGCM:ECDHE+CHACHA20".to_owned()),
        ("ssl_prefer_server_ciphers", "on".to_owned()),
    ];
    if listen.client_ca.is_some() {
        settings.push(("ssl_ca_file", file(CLIENT_CA)));
    }
    settings
}

/// Lines of `pg_hba.conf` behind those of the socket. The first that fits decides.
pub(super) fn access(listen: &Listen) -> String {
    let shown = if listen.client_ca.is_some() { " clientcert=verify-ca" } else { "" };
    let mut lines = format!(
        "host all {SUPERUSER},{AUTHENTICATOR},{SYSTEM},{HOOKS} all reject\nhost replication all all reject\n"
    );
    for network in &listen.networks {
        lines.push_str(&format!("hostssl all +readonly {network} scram-sha-256{shown}\n"));
    }
    lines.push_str("host all all all reject\n");
    lines
}

/// Writes what it shows. PostgreSQL wants its key readable by itself alone.
pub(super) fn write(listen: &Listen, layout: &Layout) -> Result<(), Error> {
    if let Some(authority) = &listen.client_ca {
        put(&layout.place.join(CLIENT_CA), authority, 0o644)?;
    }
    write_certificate(&listen.certificate, layout)
}

fn write_certificate(certificate: &Certificate, layout: &Layout) -> Result<(), Error> {
    put(&layout.place.join(CHAIN), &certificate.chain, 0o644)?;
    let key = layout.place.join(KEY);
    put(&key, certificate.key.expose(), 0o600)?;
    layout.account.own(&key).map_err(|error| failed(&key, &error))
}

fn put(path: &Path, text: &str, mode: u32) -> Result<(), Error> {
    files::write(path, text, mode).map_err(|error| failed(path, &error))
}

/// Changes what a running server shows. Cheap to clone.
#[derive(Clone)]
pub struct Shown {
    pub(super) layout: Layout,
    pub(super) state: watch::Receiver<State>,
}

impl Shown {
    /// From now on new connections are shown `certificate`; open ones go on.
    pub fn replace(&self, certificate: &Certificate) -> Result<(), Error> {
        write_certificate(certificate, &self.layout)?;
        let State::Running { pid, .. } = *self.state.borrow() else { return Ok(()) };
        let pid = i32::try_from(pid).map_err(|_| Error::Bug("a process id past i32".to_owned()))?;
        // One that is gone reads the new files when it starts.
        let _read_again_or_gone = kill(Pid::from_raw(pid), Signal::SIGHUP);
        Ok(())
    }
}
