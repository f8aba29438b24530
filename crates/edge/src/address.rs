//! Where a request really comes from.
//!
//! `X-Forwarded-For` is a claim. It is read only when the peer is a trusted proxy, from the right: each trusted hop
//! vouches for the one before it, and the first that is not trusted is the caller. Everything left of it is hearsay.

use std::net::{IpAddr, SocketAddr};

use base::Settings;
use base::address::customer;
use http::HeaderMap;
use ipnet::IpNet;

use crate::names::{X_FORWARDED_FOR, X_FORWARDED_PROTO};
use crate::{Error, settings};

/// Networks whose forwarding is believed.
#[derive(Clone, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// From the settings: addresses or networks.
    pub fn from(given: &Settings) -> Result<Self, Error> {
        let parse = |text: &String| {
            let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
            network.ok_or_else(|| Error::Setting {
                setting: settings::TRUSTED_PROXIES.definition.name,
                what: format!("`{text}` is neither an address nor a network such as 10.0.0.0/8"),
            })
        };
        given.get(&settings::TRUSTED_PROXIES).iter().map(parse).collect::<Result<_, _>>().map(TrustedProxies)
    }

    /// The networks themselves.
    pub fn networks(&self) -> &[IpNet] {
        &self.0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Whether a trusted proxy says that the caller reached it over HTTPS, or over plain HTTP. Anybody else's word is
    /// nothing.
    pub(crate) fn says_https(&self, peer: IpAddr, headers: &HeaderMap) -> Option<bool> {
        if self.0.is_empty() || !self.trusts(peer.to_canonical()) {
            return None;
        }
        // The last hop's word, as with addresses: what a client wrote stands before it.
        let said = headers.get_all(&X_FORWARDED_PROTO).iter().next_back()?;
        let nearest = said.as_bytes().rsplit(|byte| *byte == b',').next().unwrap_or_default().trim_ascii();
        // Some name what a WebSocket is spoken over.
        Some([&b"https"[..], b"wss"].iter().any(|scheme| nearest.eq_ignore_ascii_case(scheme)))
    }

    /// The caller's address, given the peer of the socket and what it forwarded.
    pub(crate) fn caller(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return peer;
        }
        // Hop by hop and not line by line: proxies write behind whatever bytes a client sent, and those must hide nobody.
        let lines = headers.get_all(&X_FORWARDED_FOR).iter().rev().map(|line| line.as_bytes());
        let mut nearest = peer;
        for hop in lines.flat_map(|line| line.rsplit(|byte| *byte == b',')) {
            let Some(address) = read(hop) else { return nearest };
            nearest = address.to_canonical();
            if !self.trusts(nearest) {
                return nearest;
            }
        }
        nearest
    }
}

/// One hop: an address, with a port where a proxy adds that.
fn read(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim();
    let bare = || text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    text.parse::<SocketAddr>().map(|address| address.ip()).or_else(|_| bare().parse()).ok()
}

/// An address as text: what its `Display` says, without what that goes through. Every request needs it, twice.
pub(crate) fn text(address: IpAddr) -> String {
    let mut text = String::new();
    write(address, &mut text);
    text
}

fn write(address: IpAddr, to: &mut String) {
    match address {
        IpAddr::V4(address) => {
            to.reserve("255.255.255.255".len());
            for (at, octet) in address.octets().into_iter().enumerate() {
                if at > 0 {
                    to.push('.');
                }
                to.push_str(itoa::Buffer::new().format(octet));
            }
        }
        IpAddr::V6(address) => to.push_str(&address.to_string()),
    }
}

/// What limits count: an IPv4 address, or the /64 an IPv6 address lies in, since one customer has all of that.
pub(crate) fn subject(address: IpAddr) -> String {
    match customer(address) {
        address @ IpAddr::V4(_) => {
            let mut subject = String::with_capacity("ip:255.255.255.255".len());
            subject.push_str("ip:");
            write(address, &mut subject);
            subject
        }
        IpAddr::V6(network) => format!("ip:{network}/64"),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[track_caller]
    fn check(trusted: &str, peer: &str, forwarded: &[&str], expected: &str) {
        let proxies = TrustedProxies(trusted.split(',').filter_map(|text| text.parse().ok()).collect());
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        assert_eq!(proxies.caller(peer.parse().unwrap(), &headers), expected.parse::<IpAddr>().unwrap());
    }

    #[test]
    fn a_stranger_cannot_choose_an_address() {
        check("", "203.0.113.9", &["1.2.3.4"], "203.0.113.9");
        check("10.0.0.0/8", "203.0.113.9", &["1.2.3.4"], "203.0.113.9");
    }

    #[test]
    fn the_right_most_untrusted_hop_is_the_caller() {
        check("10.0.0.0/8", "10.0.0.1", &["6.6.6.6, 198.51.100.7"], "198.51.100.7");
        check("10.0.0.0/8", "10.0.0.1", &["6.6.6.6, 198.51.100.7, 10.0.0.2"], "198.51.100.7");
        check("10.0.0.0/8", "10.0.0.1", &["6.6.6.6", "198.51.100.7"], "198.51.100.7");
    }

    #[test]
    fn a_hop_that_is_no_address_ends_the_chain_at_the_last_good_one() {
        check("10.0.0.0/8", "10.0.0.1", &["198.51.100.7, unknown, 10.0.0.2"], "10.0.0.2");
        check("10.0.0.0/8", "10.0.0.1", &[], "10.0.0.1");
    }

    #[test]
    fn what_a_client_wrote_before_its_hop_hides_it_from_nobody_whatever_bytes_it_has() {
        for written in ["\u{ff}", "6.6.6.6\u{ff}", "\u{9b}2J", "\t", ""] {
            check("10.0.0.0/8", "10.0.0.1", &[&format!("{written}, 198.51.100.7")], "198.51.100.7");
            check(
                "10.0.0.0/8",
                "10.0.0.1",
                &["6.6.6.6", &format!("{written}, 198.51.100.7")],
                "198.51.100.7",
            );
            check("10.0.0.0/8", "10.0.0.1", &["6.6.6.6", written], "10.0.0.1");
        }
    }

    #[test]
    fn a_hop_may_have_a_port() {
        for (hop, address) in [
            ("198.51.100.7:5555", "198.51.100.7"),
            ("[2001:db8::7]:5555", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
        ] {
            check("10.0.0.0/8", "10.0.0.1", &[&format!("6.6.6.6, {hop}")], address);
        }
        check("10.0.0.0/8", "10.0.0.1", &["198.51.100.7:x"], "10.0.0.1");
    }

    #[test]
    fn of_two_words_on_the_scheme_the_proxys_counts() {
        let proxies = TrustedProxies(vec!["10.0.0.0/8".parse().unwrap()]);
        let says = |lines: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-proto", HeaderValue::from_bytes(line).unwrap());
            }
            proxies.says_https("10.0.0.1".parse().unwrap(), &headers)
        };
        assert_eq!(says(&[]), None);
        assert_eq!(says(&[b"https"]), Some(true));
        assert_eq!(says(&[b"wss"]), Some(true));
        assert_eq!(says(&[b"https", b"http"]), Some(false));
        assert_eq!(says(&[b"\xff, http"]), Some(false));
        assert_eq!(says(&[b"http", b"\xff, HTTPS"]), Some(true));
    }

    #[test]
    fn mapped_addresses_are_the_addresses_they_map() {
        check("10.0.0.0/8", "::ffff:10.0.0.1", &["::ffff:198.51.100.7"], "198.51.100.7");
    }

    #[test]
    fn an_address_is_written_as_everybody_writes_it() {
        for address in ["0.0.0.0", "127.0.1.10", "255.255.255.255", "198.51.100.7", "::1", "2001:db8::7"] {
            assert_eq!(text(address.parse().unwrap()), address);
        }
        assert_eq!(subject("198.51.100.7".parse().unwrap()), "ip:198.51.100.7");
    }

    #[test]
    fn a_customer_with_a_whole_64_is_one_subject() {
        let of = |text: &str| subject(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
    }
}
