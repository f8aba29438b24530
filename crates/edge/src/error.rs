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
    #[error("cannot listen on {address}: {source}{}", remedy(source, *address))]
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

/// What to do about it, where that is known.
fn remedy(source: &std::io::Error, address: SocketAddr) -> String {
    let port = address.port();
    match source.kind() {
        std::io::ErrorKind::AddrInUse => format!(
            ". Another program has port {port}, and `ss -ltnp 'sport = :{port}'` names it: stop that one, or let this one listen elsewhere"
        ),
        std::io::ErrorKind::PermissionDenied => format!(
            ". Port {port} is for root and for programs with CAP_NET_BIND_SERVICE: `setcap cap_net_bind_service=+ep` on the program, or \
             AmbientCapabilities=CAP_NET_BIND_SERVICE in the systemd unit"
        ),
        std::io::ErrorKind::AddrNotAvailable => format!(". This machine has no address {}", address.ip()),
        _ => String::new(),
    }
}
