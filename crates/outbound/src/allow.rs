//! The operator's list of private places that may be reached.

use std::net::{IpAddr, SocketAddr};

use base::setting::{SettingType, Shape, Value, ValueError};
use ipnet::IpNet;

/// Networks, addresses and host names, each for every port or for one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allow(Vec<Place>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    at: At,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum At {
    Network(IpNet),
    Host(String),
    /// With its leading dot.
    Below(String),
}

impl Allow {
    /// Whether this address may be reached although it is not public, or without TLS.
    pub fn address(&self, address: SocketAddr) -> bool {
        self.0.iter().any(|place| {
            let inside = matches!(&place.at, At::Network(network) if network.contains(&address.ip()));
            inside && place.port.is_none_or(|port| port == address.port())
        })
    }

    /// Whether this name may mean any address.
    pub fn host(&self, host: &str, port: u16) -> bool {
        self.0.iter().any(|place| {
            let named = match &place.at {
                At::Network(_) => false,
                At::Host(name) => host == name,
                At::Below(suffix) => host.ends_with(suffix.as_str()),
            };
            named && place.port.is_none_or(|only| only == port)
        })
    }

    fn place(text: &str) -> Result<Place, ValueError> {
        let refused = || {
            ValueError::expected(format!(
                "a network, an address or a host name, each with an optional :port, not `{text}`"
            ))
        };
        if let Some(network) = network(text) {
            return Ok(Place { at: At::Network(network), port: None });
        }
        let (at, port) = match text.rsplit_once(':') {
            Some((at, port)) => (at, Some(port.parse().map_err(|_| refused())?)),
            None => (text, None),
        };
        if let Some(network) = network(at.trim_start_matches('[').trim_end_matches(']')) {
            return Ok(Place { at: At::Network(network), port });
        }
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let label = |label: &str| !label.is_empty() && label.bytes().all(letter);
        let name = at.strip_prefix('.').unwrap_or(at);
        let digits = name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        if digits || !name.split('.').all(label) {
            return Err(refused());
        }
        let at = at.to_ascii_lowercase();
        Ok(Place { at: if at.starts_with('.') { At::Below(at) } else { At::Host(at) }, port })
    }
}

fn network(text: &str) -> Option<IpNet> {
    text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

impl SettingType for Allow {
    const SHAPE: Shape = Shape::List;
    fn read(value: &Value) -> Result<Self, ValueError> {
        Vec::<String>::read(value)?.iter().map(|text| Allow::place(text)).collect::<Result<_, _>>().map(Allow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allow(text: &str) -> Result<Allow, ValueError> {
        Allow::read(&Value::Scalar(text.to_owned()))
    }

    #[track_caller]
    fn reaches(list: &str, address: &str, expected: bool) {
        assert_eq!(allow(list).unwrap().address(address.parse().unwrap()), expected, "{list} {address}");
    }

    #[test]
    fn networks_and_addresses_hold_for_every_port_or_for_one() {
        reaches("10.1.0.0/16", "10.1.2.3:80", true);
        reaches("10.1.0.0/16", "10.2.2.3:80", false);
        reaches("127.0.0.1:9000", "127.0.0.1:9000", true);
        reaches("127.0.0.1:9000", "127.0.0.1:9001", false);
        reaches("[::1]:9000", "[::1]:9000", true);
        reaches("::1", "[::1]:1", true);
        reaches("", "127.0.0.1:80", false);
    }

    #[test]
    fn a_name_holds_for_itself_and_a_suffix_for_what_is_below() {
        let list = allow("idp.internal,.corp.example:8443").unwrap();
        assert!(list.host("idp.internal", 443));
        assert!(!list.host("evil-idp.internal", 443));
        assert!(list.host("sso.corp.example", 8443));
        assert!(!list.host("sso.corp.example", 443));
        assert!(!list.host("corp.example", 8443));
    }

    #[test]
    fn what_is_neither_is_refused_at_start() {
        for wrong in ["10.0.0.0/33", "http://idp", "a b", "host:port", "300.1.1.1", "..", "*"] {
            assert!(allow(wrong).is_err(), "{wrong}");
        }
    }
}
