//! TCP sockets as the kernel lists them, with the programs that hold them where we may see those.

use std::net::SocketAddr;

use processes::{Holders, Socket, State};
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

/// Everything that listens on this machine, by address.
pub fn listeners() -> Vec<Listener> {
    let holders = Holders::look();
    let mut found: Vec<Listener> = processes::sockets(State::Listening)
        .iter()
        .map(|socket| {
            let process = holders.of(socket);
            Listener { address: socket.address, process, program: process.and_then(processes::name) }
        })
        .collect();
    found.sort_by_key(|listener| (listener.address.port(), listener.address.ip()));
    found.dedup();
    found
}

/// Local ports of connections that a program of this name holds.
pub(crate) fn connected(program: &str) -> Vec<u16> {
    let holders = Holders::look();
    let is_its = |socket: &Socket| {
        holders.of(socket).and_then(processes::name).is_some_and(|name| is_named(&name, program))
    };
    let ends = processes::sockets(State::Connected);
    ends.iter().filter(|socket| is_its(socket)).map(|socket| socket.address.port()).collect()
}

/// `sshd` and what it calls its children since it was split (`sshd-session`).
pub(crate) fn is_named(name: &str, program: &str) -> bool {
    name == program || name.strip_prefix(program).is_some_and(|rest| rest.starts_with(['-', ':', '.']))
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
    }

    #[test]
    fn sshd_is_known_by_the_names_of_its_children_too() {
        assert!(is_named("sshd", "sshd") && is_named("sshd-session", "sshd"));
        assert!(!is_named("sshdx", "sshd"));
    }
}
