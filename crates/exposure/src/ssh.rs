//! The port that SSH is really on: a firewall that closes it locks its operator out.

use std::collections::BTreeSet;
use std::path::Path;

use crate::listeners::{Listener, connected, is_named};

/// Every port that SSH is on, by whatever sign: a listener or a connection of `sshd`, the connection of whoever asks
/// (`SSH_CONNECTION`), the configuration. Without any sign, 22.
pub fn ports(listeners: &[Listener], connection: Option<&str>, root: &Path) -> BTreeSet<u16> {
    let named = |listener: &&Listener| listener.program.as_deref().is_some_and(|name| is_named(name, "sshd"));
    let mut ports: BTreeSet<u16> = listeners
        .iter()
        .filter(named)
        .filter(|listener| !listener.is_loopback())
        .map(|listener| listener.address.port())
        .collect();
    ports.extend(connected("sshd"));
    // "client-address client-port server-address server-port"
    ports.extend(connection.and_then(|text| text.split_whitespace().nth(3)?.parse::<u16>().ok()));
    ports.extend(configured(&root.join("etc/ssh/sshd_config")));
    let further = std::fs::read_dir(root.join("etc/ssh/sshd_config.d")).into_iter().flatten().flatten();
    further.for_each(|entry| ports.extend(configured(&entry.path())));
    if ports.is_empty() {
        ports.insert(22);
    }
    ports
}

/// `Port 2222` and `ListenAddress 0.0.0.0:2222`.
fn configured(path: &Path) -> Vec<u16> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let port = |line: &str| {
        let mut words = line.split('#').next()?.split_whitespace();
        let (name, value) = (words.next()?, words.next()?);
        if name.eq_ignore_ascii_case("port") {
            return value.parse().ok();
        }
        let (address, port) =
            value.rsplit_once(':').filter(|_| name.eq_ignore_ascii_case("listenaddress"))?;
        // A bare IPv6 address has colons and no port.
        (address.ends_with(']') || !address.contains(':')).then(|| port.parse().ok()).flatten()
    };
    text.lines().filter_map(port).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(config: &str, connection: Option<&str>) -> Vec<u16> {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("etc/ssh/sshd_config.d")).unwrap();
        std::fs::write(root.path().join("etc/ssh/sshd_config.d/own.conf"), config).unwrap();
        ports(&[], connection, root.path()).into_iter().collect()
    }

    #[test]
    fn the_live_port_is_kept_wherever_it_is_written() {
        let connected: Vec<u16> = connected("sshd");
        let without =
            |ports: Vec<u16>| ports.into_iter().filter(|port| !connected.contains(port)).collect::<Vec<_>>();
        assert_eq!(
            without(of("Port 2222 # moved\n#Port 23\nListenAddress 0.0.0.0:2200\nListenAddress ::1\n", None)),
            [2200, 2222]
        );
        assert_eq!(without(of("", Some("203.0.113.9 50000 198.51.100.7 22022"))), [22022]);
        if connected.is_empty() {
            assert_eq!(of("", None), [22]);
        }
    }
}
