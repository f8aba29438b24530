//! Whose an address is.

use std::net::{IpAddr, Ipv6Addr};

/// An IPv4 address, or the first of the /64 that an IPv6 address lies in: one customer has all of that.
pub fn customer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_is_one_customers_and_an_ipv4_address_is() {
        for (address, of) in [
            ("198.51.100.7", "198.51.100.7"),
            ("::ffff:198.51.100.7", "198.51.100.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ] {
            assert_eq!(customer(address.parse().unwrap()), of.parse::<IpAddr>().unwrap());
        }
    }
}
