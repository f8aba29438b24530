//! The bans in force, in the form that is asked at every connection: one look-up per length of prefix in use.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use jiff::Timestamp;

/// Which networks are kept out, and until when.
#[derive(Clone, Default)]
pub(crate) struct Table {
    until: HashMap<IpNet, Timestamp>,
    lengths: Vec<(bool, u8)>,
}

impl Table {
    pub fn new(bans: impl IntoIterator<Item = (IpNet, Timestamp)>) -> Self {
        let mut until: HashMap<IpNet, Timestamp> = HashMap::new();
        for (network, ends) in bans {
            until.entry(network).and_modify(|known| *known = ends.max(*known)).or_insert(ends);
        }
        let mut lengths: Vec<(bool, u8)> =
            until.keys().map(|network| (matches!(network, IpNet::V4(_)), network.prefix_len())).collect();
        lengths.sort_unstable();
        lengths.dedup();
        Table { until, lengths }
    }

    /// The same with one more. Of two bans of one network the longer one counts.
    pub fn with(&self, network: IpNet, until: Timestamp) -> Self {
        Table::new(self.iter().chain([(network, until)]))
    }

    /// Every network with the end of its ban.
    pub fn iter(&self) -> impl Iterator<Item = (IpNet, Timestamp)> {
        self.until.iter().map(|(network, until)| (*network, *until))
    }

    /// Until when an address is kept out.
    pub fn until(&self, address: IpAddr, now: Timestamp) -> Option<Timestamp> {
        if self.until.is_empty() {
            return None;
        }
        let is_v4 = address.is_ipv4();
        let networks = self.lengths.iter().filter(|(v4, _)| *v4 == is_v4);
        let found = networks.filter_map(|(_, length)| self.until.get(&masked(address, *length)?).copied());
        found.filter(|until| *until > now).max()
    }
}

fn masked(address: IpAddr, length: u8) -> Option<IpNet> {
    Some(match address {
        IpAddr::V4(address) => IpNet::V4(Ipv4Net::new(address, length).ok()?.trunc()),
        IpAddr::V6(address) => IpNet::V6(Ipv6Net::new(address, length).ok()?.trunc()),
    })
}

/// What is counted and banned for an address: itself, or the /64 that one customer has.
pub(crate) fn subject(address: IpAddr) -> Option<IpNet> {
    masked(address, if address.is_ipv4() { 32 } else { 64 })
}

/// What is banned when many of it are: a /24, or the /48 that one organisation has.
pub(crate) fn neighbourhood(network: IpNet) -> Option<IpNet> {
    let length = if matches!(network, IpNet::V4(_)) { 24 } else { 48 };
    (network.prefix_len() > length).then(|| masked(network.network(), length)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_is_out_with_its_network_until_the_ban_ends() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let table = Table::new([
            (net("198.51.100.0/24"), at(10)),
            (net("203.0.113.9/32"), at(20)),
            (net("2001:db8:1:2::/64"), at(10)),
        ]);
        let out = |text: &str, now| table.until(text.parse().unwrap(), at(now)).is_some();
        assert!(out("198.51.100.77", 9) && !out("198.51.100.77", 10));
        assert!(out("203.0.113.9", 15) && !out("203.0.113.10", 15));
        assert!(out("2001:db8:1:2:ffff::1", 5) && !out("2001:db8:1:3::1", 5));
        assert!(
            table
                .with(net("203.0.113.10/32"), at(20))
                .until("203.0.113.10".parse().unwrap(), at(1))
                .is_some()
        );
    }

    #[test]
    fn a_customer_is_counted_as_one_and_neighbours_are_a_24_or_48() {
        let of = |text: &str| subject(text.parse().unwrap()).unwrap();
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:9::"));
        assert_ne!(of("198.51.100.7"), of("198.51.100.8"));
        assert_eq!(neighbourhood(of("198.51.100.7")), Some(net("198.51.100.0/24")));
        assert_eq!(neighbourhood(of("2001:db8:1:2::1")), Some(net("2001:db8:1::/48")));
        assert_eq!(neighbourhood(net("198.51.100.0/24")), None);
    }
}
