//! Looking from outside: connections from a second host, which is a network namespace with a cable to this machine. Its
//! packets come in over an interface and meet every rule that a stranger's meet.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::plan::{is_root, said};
use crate::{Error, limits};

/// What became of a connection attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reached {
    /// Somebody took it.
    Open,
    /// The machine said no: nothing listens, or a rule rejects.
    Refused,
    /// Nobody answered: a rule drops.
    Silent,
}

/// Tries each address from where we are.
pub async fn scan(targets: &[SocketAddr]) -> Vec<(SocketAddr, Reached)> {
    let at_once = Arc::new(Semaphore::new(limits::AT_ONCE.size()));
    let tries = targets.iter().take(limits::PORTS.size()).copied().map(|target| {
        let at_once = at_once.clone();
        tokio::spawn(async move {
            let _permit = at_once.acquire_owned().await;
            let bound = Duration::from_millis(limits::CONNECT_MS.value);
            let reached = match timeout(bound, TcpStream::connect(target)).await {
                Ok(Ok(_)) => Reached::Open,
                Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => Reached::Refused,
                Ok(Err(_)) | Err(_) => Reached::Silent,
            };
            (target, reached)
        })
    });
    let tries: Vec<_> = tries.collect();
    let mut seen = Vec::new();
    for one in tries {
        seen.extend(one.await);
    }
    seen
}

/// The cable's two ends, in the range that is set aside for tests of networks (RFC 2544).
const HERE: &str = "198.18.255.1";
const THERE: &str = "198.18.255.2";

/// Tries ports of this machine from a second host that is made for it and gone afterwards. `program` is this program, which
/// scans when told `scan`.
pub fn scan_from_outside(
    program: &Path,
    targets: &[SocketAddr],
) -> Result<Vec<(SocketAddr, Reached)>, Error> {
    if !is_root() {
        return Err(Error::NotRoot { what: "a second host to look from (a network namespace)" });
    }
    let host = SecondHost::make()?;
    // What listens everywhere is tried at the cable; what listens at one address, there.
    let seen_at = |target: &SocketAddr| match target.ip().to_canonical() {
        ip if ip.is_unspecified() => {
            HERE.parse().map(|here: IpAddr| SocketAddr::new(here, target.port())).unwrap_or(*target)
        }
        ip => SocketAddr::new(ip, target.port()),
    };
    let tried: Vec<(SocketAddr, SocketAddr)> =
        targets.iter().map(|target| (*target, seen_at(target))).collect();
    let asked: Vec<String> = tried.iter().map(|(_, at)| at.to_string()).collect();
    let program = program.display().to_string();
    let mut words = vec!["netns", "exec", &host.name, &program, "scan"];
    words.extend(asked.iter().map(String::as_str));
    let answer = said("ip", &words, None)?;
    let seen: Vec<(SocketAddr, Reached)> =
        serde_json::from_str(answer.trim()).map_err(|error| Error::Program {
            command: "palisade scan".to_owned(),
            what: format!("said something else than JSON: {error}"),
        })?;
    let reached = |at: &SocketAddr| {
        seen.iter().find(|(seen, _)| seen == at).map_or(Reached::Silent, |(_, reached)| *reached)
    };
    Ok(tried.iter().map(|(target, at)| (*target, reached(at))).collect())
}

struct SecondHost {
    name: String,
}

impl SecondHost {
    fn make() -> Result<Self, Error> {
        let id = std::process::id();
        let host = SecondHost { name: format!("palisade-{id}") };
        let (here, there) = (format!("pal{}a", id % 1_000_000), format!("pal{}b", id % 1_000_000));
        let ip = |words: &str| said("ip", &words.split(' ').collect::<Vec<_>>(), None).map(drop);
        ip(&format!("netns add {}", host.name))?;
        // From here on dropping the host takes away the namespace, and with it both ends of the cable.
        ip(&format!("link add {here} type veth peer name {there} netns {}", host.name))?;
        ip(&format!("addr add {HERE}/30 dev {here}"))?;
        ip(&format!("link set {here} up"))?;
        ip(&format!("-n {} addr add {THERE}/30 dev {there}", host.name))?;
        ip(&format!("-n {} link set {there} up", host.name))?;
        ip(&format!("-n {} route add default via {HERE}", host.name))?;
        Ok(host)
    }
}

impl Drop for SecondHost {
    fn drop(&mut self) {
        // Nobody to tell: a namespace that stays is named after a process that is gone.
        let _ = said("ip", &["netns", "del", &self.name], None);
    }
}
