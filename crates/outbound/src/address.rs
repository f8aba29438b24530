//! Which addresses are not the public internet, by the registries of IANA (RFC 6890 and what followed it).
//!
//! An address that carries another one inside (mapped, 6to4, NAT64, Teredo) is refused whatever it carries: a public
//! host has an address of its own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address is not reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// `0.0.0.0/8`, `::`: ends up at this machine.
    Unspecified,
    /// This machine.
    Loopback,
    /// `10/8`, `172.16/12`, `192.168/16`, `100.64/10`, `fc00::/7`, `fec0::/10`.
    Private,
    /// `169.254/16`, `fe80::/10`.
    LinkLocal,
    /// Where a cloud hands credentials to its machines.
    Metadata,
    /// One address inside another: mapped, compatible, 6to4, NAT64, Teredo.
    Translated,
    /// Many machines.
    Multicast,
    /// For documentation, benchmarks, or nobody yet.
    Reserved,
}

impl Class {
    /// As errors and entries spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Class::Unspecified => "unspecified",
            Class::Loopback => "loopback",
            Class::Private => "private",
            Class::LinkLocal => "link-local",
            Class::Metadata => "metadata",
            Class::Translated => "translated",
            Class::Multicast => "multicast",
            Class::Reserved => "reserved",
        }
    }
}

/// What an address is, if it is not a public one.
pub fn class(address: IpAddr) -> Option<Class> {
    match address {
        IpAddr::V4(address) => class_v4(address),
        IpAddr::V6(address) => class_v6(address),
    }
}

/// Azure's, Alibaba's and Oracle's answer outside the link-local network where all others do.
const METADATA: [Ipv4Addr; 4] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
];

fn class_v4(address: Ipv4Addr) -> Option<Class> {
    if METADATA.contains(&address) {
        return Some(Class::Metadata);
    }
    match address.octets() {
        [0, ..] => Some(Class::Unspecified),
        [127, ..] => Some(Class::Loopback),
        [10, ..] | [192, 168, ..] | [172, 16..=31, ..] | [100, 64..=127, ..] => Some(Class::Private),
        [169, 254, ..] => Some(Class::LinkLocal),
        [224..=239, ..] => Some(Class::Multicast),
        // The relays of 6to4.
        [192, 88, 99, _] => Some(Class::Translated),
        [192, 0, 0 | 2, _] | [198, 18..=19, ..] | [198, 51, 100, _] | [203, 0, 113, _] | [240..=255, ..] => {
            Some(Class::Reserved)
        }
        _ => None,
    }
}

fn class_v6(address: Ipv6Addr) -> Option<Class> {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some(Class::Unspecified),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some(Class::Loopback),
        // Compatible, mapped, translated (RFC 2765), NAT64 (both prefixes), 6to4, Teredo.
        [0, 0, 0, 0, ..] | [0x64, 0xff9b, ..] | [0x2002, ..] | [0x2001, 0, ..] => Some(Class::Translated),
        [0xfd00, 0x0ec2, ..] => Some(Class::Metadata),
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => Some(Class::Private),
        [0xfe80..=0xfebf, ..] => Some(Class::LinkLocal),
        [0xff00..=0xffff, ..] => Some(Class::Multicast),
        [0x2001, 0..=0x01ff, ..] | [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => Some(Class::Reserved),
        // Only 2000::/3 is given out.
        [0x2000..=0x3fff, ..] => None,
        _ => Some(Class::Reserved),
    }
}
