//! TCP sockets as the kernel lists them, with the programs that hold them where we may see those.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use serde::Serialize;

/// Something that listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listener {
    /// Where.
    pub address: SocketAddr,
    /// Its process, if we may see whose it is.
    pub process: Option<u32>,
    /// What its program is called.
    pub program: Option<String>,
}

impl Listener {
    /// Whether only this machine reaches it.
    pub fn is_loopback(&self) -> bool {
        self.address.ip().to_canonical().is_loopback()
    }
}

/// The state of a socket, as `/proc/net/tcp` writes it.
const LISTEN: &str = "0A";
const ESTABLISHED: &str = "01";

/// Everything that listens on this machine, by address.
pub fn listeners() -> Vec<Listener> {
    let owners = owners();
    let mut found: Vec<Listener> = sockets(LISTEN)
        .into_iter()
        .map(|(address, inode)| {
            let process = owners.get(&inode).copied();
            Listener { address, process, program: process.and_then(name_of) }
        })
        .collect();
    found.sort_by_key(|listener| (listener.address.port(), listener.address.ip()));
    found.dedup();
    found
}

/// Local ports of connections that a program of this name holds.
pub(crate) fn connected(program: &str) -> Vec<u16> {
    let owners = owners();
    let is_its = |inode: &u64| {
        owners.get(inode).copied().and_then(name_of).is_some_and(|name| is_named(&name, program))
    };
    sockets(ESTABLISHED)
        .into_iter()
        .filter(|(_, inode)| is_its(inode))
        .map(|(address, _)| address.port())
        .collect()
}

/// `sshd` and what it calls its children since it was split (`sshd-session`).
pub(crate) fn is_named(name: &str, program: &str) -> bool {
    name == program || name.strip_prefix(program).is_some_and(|rest| rest.starts_with(['-', ':', '.']))
}

/// A process and everything it started.
pub fn family(process: u32) -> HashSet<u32> {
    let parents: Vec<(u32, u32)> = processes().into_iter().filter_map(|id| Some((id, parent(id)?))).collect();
    let mut family = HashSet::from([process]);
    loop {
        let more: Vec<u32> = parents
            .iter()
            .filter(|(id, parent)| family.contains(parent) && !family.contains(id))
            .map(|(id, _)| *id)
            .collect();
        if more.is_empty() {
            return family;
        }
        family.extend(more);
    }
}

fn processes() -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn parent(process: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in parentheses may hold anything, so the fields are counted from its end.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

fn name_of(process: u32) -> Option<String> {
    std::fs::read_to_string(format!("/proc/{process}/comm")).ok().map(|name| name.trim().to_owned())
}

/// Which process holds which socket.
fn owners() -> HashMap<u64, u32> {
    let mut owners = HashMap::new();
    for process in processes() {
        let Ok(entries) = std::fs::read_dir(format!("/proc/{process}/fd")) else { continue };
        let links = entries.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok());
        let inode = |link: std::path::PathBuf| {
            link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse::<u64>().ok()
        };
        for inode in links.filter_map(inode) {
            owners.entry(inode).or_insert(process);
        }
    }
    owners
}

fn sockets(state: &str) -> Vec<(SocketAddr, u64)> {
    let tables = ["tcp", "tcp6"].map(|name| std::fs::read_to_string(format!("/proc/self/net/{name}")));
    let lines = tables.iter().flatten().flat_map(|table| table.lines().skip(1));
    lines.filter_map(|line| socket(line, state)).collect()
}

fn socket(line: &str, wanted: &str) -> Option<(SocketAddr, u64)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
    if *state != wanted {
        return None;
    }
    let (address, port) = local.split_once(':')?;
    Some((SocketAddr::new(ip(address)?, u16::from_str_radix(port, 16).ok()?), inode.parse().ok()?))
}

/// The kernel writes addresses as 32-bit words in the machine's byte order.
fn ip(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| u32::from_str_radix(hex.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    match hex.len() {
        8 => word(0).map(|bytes| IpAddr::V4(Ipv4Addr::from(bytes))),
        32 => {
            let bytes = [word(0)?, word(8)?, word(16)?, word(24)?].concat();
            <[u8; 16]>::try_from(bytes).ok().map(|bytes| IpAddr::V6(Ipv6Addr::from(bytes)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_of_this_process_is_found_with_its_program() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let found = listeners().into_iter().find(|listener| listener.address == address).unwrap();
        assert_eq!(found.process, Some(std::process::id()));
        assert!(found.is_loopback() && found.program.is_some());
        assert!(family(std::process::id()).contains(&std::process::id()));
    }

    #[test]
    fn sshd_is_known_by_the_names_of_its_children_too() {
        assert!(is_named("sshd", "sshd") && is_named("sshd-session", "sshd"));
        assert!(!is_named("sshdx", "sshd"));
    }
}
