//! The processes of this machine and the TCP sockets they hold, as Linux lists them.
//!
//! Reading `/proc` is procfs's. What deliberately is not here: anything that changes a process, and other systems than Linux.
//! Beside that it says where programs of the system are looked for ([`PATH`]).
//!
//! Invariant: what cannot be read is left out, and never guessed. Which process of another user holds a socket is such a thing.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::SocketAddr;
use std::path::Path;

use procfs::net::TcpState;
use procfs::process::{FDTarget, Process};

/// Where every program of the system that we run is looked for, instead of wherever our own `PATH` leads: we have rights that
/// whoever could set that may not have. Set as the child's `PATH`, it is also where the search for the child itself goes, and that
/// of whatever it runs. Only the administrator writes to these, and ordinary users do not look into half of them.
pub const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin";

/// The end of a TCP connection, or what waits for some.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Socket {
    /// On this machine.
    pub address: SocketAddr,
    /// Its number, by which its holders are found.
    inode: u64,
}

/// What a socket does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Waits for connections.
    Listening,
    /// Is one end of a connection.
    Connected,
}

/// Which process holds which socket, as far as this one may see it.
#[derive(Debug)]
pub struct Holders(HashMap<u64, u32>);

impl Holders {
    /// As it is now.
    pub fn look() -> Self {
        let mut holders = HashMap::new();
        for process in every() {
            for inode in inodes(&process) {
                holders.entry(inode).or_insert(number(&process));
            }
        }
        Holders(holders)
    }

    /// The process with the lowest number of those that hold it.
    pub fn of(&self, socket: &Socket) -> Option<u32> {
        self.0.get(&socket.inode).copied()
    }
}

/// The process that started this one.
pub fn parent(process: u32) -> Option<u32> {
    u32::try_from(one(process)?.stat().ok()?.ppid).ok()
}

/// What its program is called: the first 15 bytes of it.
pub fn name(process: u32) -> Option<String> {
    Some(one(process)?.stat().ok()?.comm)
}

/// A process and everything below it.
pub fn family(process: u32) -> BTreeSet<u32> {
    let parent = |process: Process| Some((number(&process), u32::try_from(process.stat().ok()?.ppid).ok()?));
    let parents: Vec<(u32, u32)> = every().filter_map(parent).collect();
    let mut family = BTreeSet::from([process]);
    let mut youngest = family.clone();
    while !youngest.is_empty() {
        let is_next = |(child, parent): &&(u32, u32)| youngest.contains(parent) && !family.contains(child);
        youngest = parents.iter().filter(is_next).map(|(child, _)| *child).collect();
        family.extend(&youngest);
    }
    family
}

/// Those whose working directory this is.
pub fn working_in(directory: &Path) -> Vec<u32> {
    every()
        .filter(|process| process.cwd().is_ok_and(|cwd| cwd == directory))
        .map(|one| number(&one))
        .collect()
}

/// All of the network that this process is in.
pub fn sockets(state: State) -> Vec<Socket> {
    Process::myself().map(|process| of_network(&process, state)).unwrap_or_default()
}

/// What a process and everything below it waits with for connections, in whichever network each of them is.
pub fn listening(process: u32) -> Vec<SocketAddr> {
    let family: Vec<Process> = family(process).into_iter().filter_map(one).collect();
    let held: HashSet<u64> = family.iter().flat_map(inodes).collect();
    let mut networks = HashSet::new();
    let mut found = Vec::new();
    for member in &family {
        let network = std::fs::read_link(format!("/proc/{}/ns/net", member.pid())).ok();
        if networks.insert(network) {
            let all = of_network(member, State::Listening);
            found.extend(all.iter().filter(|one| held.contains(&one.inode)).map(|one| one.address));
        }
    }
    found
}

fn of_network(process: &Process, state: State) -> Vec<Socket> {
    let wanted = match state {
        State::Listening => TcpState::Listen,
        State::Connected => TcpState::Established,
    };
    let tables = [process.tcp(), process.tcp6()];
    let entries = tables.into_iter().flatten().flatten().filter(|entry| entry.state == wanted);
    entries.map(|entry| Socket { address: entry.local_address, inode: entry.inode }).collect()
}

fn inodes(process: &Process) -> Vec<u64> {
    let open = process.fd().into_iter().flatten().flatten();
    open.filter_map(|file| match file.target {
        FDTarget::Socket(inode) => Some(inode),
        _ => None,
    })
    .collect()
}

fn every() -> impl Iterator<Item = Process> {
    procfs::process::all_processes().into_iter().flatten().flatten()
}

fn one(process: u32) -> Option<Process> {
    Process::new(i32::try_from(process).ok()?).ok()
}

/// Linux numbers processes from 1.
fn number(process: &Process) -> u32 {
    process.pid().unsigned_abs()
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_listener_of_this_process_is_found_with_its_holder_and_gone_when_closed() {
        for any in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(any).unwrap();
            let address = listener.local_addr().unwrap();
            let own = std::process::id();
            assert!(listening(own).contains(&address));
            let found = sockets(State::Listening).into_iter().find(|one| one.address == address).unwrap();
            assert_eq!(Holders::look().of(&found), Some(own));

            let client = TcpStream::connect(address).unwrap();
            let ends = sockets(State::Connected);
            assert!(ends.iter().any(|one| one.address == client.local_addr().unwrap()));

            drop(listener);
            assert!(!listening(own).contains(&address));
        }
    }

    #[test]
    fn a_child_belongs_to_the_family_and_works_where_it_was_told() {
        let directory = std::env::temp_dir().canonicalize().unwrap();
        let mut child = std::process::Command::new("cat")
            .current_dir(&directory)
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let (own, id) = (std::process::id(), child.id());
        assert_eq!(parent(id), Some(own));
        assert!(family(own).contains(&id) && !family(id).contains(&own));
        assert!(working_in(&directory).contains(&id));
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(!family(own).contains(&id) && name(id).is_none());
    }
}
