//! Why the edge does not start.

use std::net::SocketAddr;

/// A listener or setting that is refused before anything is served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Plain HTTP off loopback.
    #[error(
        "refusing to listen on {address} without TLS: everything sent there, passwords too, could be read on the way (controls 2, 65). \
         Name a certificate: server.tls.domains gets one by itself, server.tls.cert_file and key_file bring your own; or listen on \
         127.0.0.1 behind a TLS proxy that server.trusted_proxies names"
    )]
    PlainOffLoopback {
        /// What was asked for.
        address: SocketAddr,
    },
    /// The port is taken, or not ours to take.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// What was asked for.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// A setting that cannot be.
    #[error("{setting}: {what}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// What is wrong and how to fix it.
        what: String,
    },
    /// Two routes at one path.
    #[error("two routes claim {path}: {why}")]
    Route {
        /// The path.
        path: String,
        /// The router's reason.
        why: String,
    },
}
