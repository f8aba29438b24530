//! What listens on this machine and belongs to us: this process and its children, as the kernel lists them.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

/// TCP listeners of a process and everything it started, in whichever network each of them is.
pub fn listeners(process: u32) -> Vec<SocketAddr> {
    let family = family(process);
    let inodes: HashSet<u64> = family.iter().copied().flat_map(socket_inodes).collect();
    let mut networks = HashSet::new();
    let mut found = Vec::new();
    for member in family {
        let network = std::fs::read_link(format!("/proc/{member}/ns/net")).ok();
        if networks.insert(network) {
            let ours = of(&member.to_string()).into_iter().filter(|(_, inode)| inodes.contains(inode));
            found.extend(ours.map(|(address, _)| address));
        }
    }
    found
}

/// Everything that listens on this machine, whoever's it is.
pub fn machine() -> Vec<SocketAddr> {
    of("self").into_iter().map(|(address, _)| address).collect()
}

fn of(process: &str) -> Vec<(SocketAddr, u64)> {
    let tables = ["tcp", "tcp6"]
        .map(|name| std::fs::read_to_string(Path::new("/proc").join(process).join("net").join(name)));
    tables.iter().flatten().flat_map(|table| table.lines().skip(1)).filter_map(listener).collect()
}

/// The process and everything below it.
pub fn family(process: u32) -> Vec<u32> {
    let mut family = vec![process];
    let parents: Vec<(u32, u32)> = processes().into_iter().filter_map(|id| Some((id, parent(id)?))).collect();
    let mut seen = 0;
    while let Some(above) = family.get(seen).copied() {
        family.extend(parents.iter().filter(|(_, parent)| *parent == above).map(|(id, _)| *id));
        seen += 1;
    }
    family
}

fn processes() -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The process that started this one.
pub fn above(process: u32) -> Option<u32> {
    parent(process)
}

fn parent(process: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in parentheses may hold anything, so the fields are counted from its end.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

fn socket_inodes(process: u32) -> Vec<u64> {
    let Ok(entries) = std::fs::read_dir(format!("/proc/{process}/fd")) else { return Vec::new() };
    let links = entries.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok());
    links
        .filter_map(|link| link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok())
        .collect()
}

/// A line of `/proc/net/tcp` that is a listener, and its inode.
fn listener(line: &str) -> Option<(SocketAddr, u64)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
    const LISTEN: &str = "0A";
    if *state != LISTEN {
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
    fn a_listener_of_this_process_is_found_and_gone_when_closed() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        assert!(listeners(std::process::id()).contains(&address));
        drop(socket);
        assert!(!listeners(std::process::id()).contains(&address));
    }
}
