//! Bans that the kernel keeps too: a set of nftables in which they stand until they end, for those ports only that this
//! program serves. A packet of somebody who is kept out costs nothing then, not even an accepted connection.
//!
//! Invariant: the table is this instance's alone and is replaced whole, in one transaction of nft's; nobody who is never kept
//! out is in it; and it only ever adds to what is refused here: without it, or with an older one, the same people are kept out.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Stdio;
use std::sync::Mutex;
use std::time::Duration;

use base::Settings;
use ipnet::IpNet;
use jiff::Timestamp;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::{Error, limits, settings};

/// What is told to nft.
pub(crate) struct Nft {
    table: String,
    ports: String,
    exempt: Vec<IpNet>,
    /// What it was told last.
    said: Mutex<BTreeMap<IpNet, Timestamp>>,
}

impl Nft {
    /// From the settings, where ports are named. Whether it can be done is tried at once.
    pub async fn open(given: &Settings, exempt: &[IpNet]) -> Result<Option<Self>, Error> {
        let refuse = |what: String| Error::Setting { setting: settings::NFTABLES.definition.name, what };
        let mut ports = Vec::new();
        for text in given.get(&settings::NFTABLES) {
            let port = text.parse::<u16>().ok().filter(|port| *port > 0);
            ports.push(port.ok_or_else(|| refuse(format!("`{text}` is no port")))?);
        }
        if ports.is_empty() {
            return Ok(None);
        }
        ports.sort_unstable();
        ports.dedup();
        let join = |with: &str| ports.iter().map(u16::to_string).collect::<Vec<_>>().join(with);
        let nft = Nft {
            table: format!("palisade_bans_{}", join("_")),
            ports: join(", "),
            exempt: IpNet::aggregate(&exempt.to_vec()),
            said: Mutex::default(),
        };
        let tried = run(&nft.text(&BTreeMap::new(), Timestamp::UNIX_EPOCH)).await;
        tried.map_err(|what| {
            refuse(format!(
                "the set cannot be made: {what}. It needs nft (Debian: nftables) and CAP_NET_ADMIN"
            ))
        })?;
        Ok(Some(nft))
    }

    /// Makes these the bans that the kernel keeps.
    pub async fn keep(&self, bans: impl Iterator<Item = (IpNet, Timestamp)>, now: Timestamp) {
        let bans: BTreeMap<IpNet, Timestamp> = bans.filter(|(_, until)| *until > now).collect();
        if *self.said.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) == bans {
            return;
        }
        match run(&self.text(&bans, now)).await {
            Ok(()) => *self.said.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = bans,
            Err(what) => {
                tracing::error!(
                    what,
                    "nftables does not have the newest bans; they are in force here all the same"
                );
            }
        }
    }

    /// Takes the table away: a stopped program keeps nobody out.
    pub async fn end(&self) {
        if let Err(what) = run(&format!("delete table inet {}\n", self.table)).await {
            tracing::warn!(what, "the table of bans is still there; what is in it ends by itself");
        }
    }

    fn text(&self, bans: &BTreeMap<IpNet, Timestamp>, now: Timestamp) -> String {
        let Nft { table, ports, exempt, .. } = self;
        // An address whose network is in the set too is in it once: elements must not overlap. What is within a network
        // comes right behind it in their order.
        let mut outer: Vec<(&IpNet, &Timestamp)> = Vec::with_capacity(bans.len());
        for (network, until) in bans {
            if !outer.last().is_some_and(|(last, _)| last.contains(network)) {
                outer.push((network, until));
            }
        }
        let mut text = format!("table inet {table} {{}}\ndelete table inet {table}\ntable inet {table} {{\n");
        let mut rules = String::new();
        for (name, kind, word, v4) in [("4", "ipv4_addr", "ip", true), ("6", "ipv6_addr", "ip6", false)] {
            let is_of = |network: &IpNet| matches!(network, IpNet::V4(_)) == v4;
            let free: Vec<String> =
                exempt.iter().filter(|network| is_of(network)).map(ToString::to_string).collect();
            let kept: Vec<String> = outer
                .iter()
                .filter(|(network, _)| is_of(network))
                .map(|(network, until)| {
                    format!("{network} timeout {}s", until.duration_since(now).as_secs().max(1))
                })
                .collect();
            // Writing into text cannot fail.
            let _ = write!(
                text,
                " set free{name} {{ type {kind}; flags interval;{} }}\n set kept{name} {{ type {kind}; flags interval, timeout;{} }}\n",
                elements(&free),
                elements(&kept)
            );
            let _ = write!(
                rules,
                "  {word} saddr @free{name} return\n  {word} saddr @kept{name} tcp dport {{ {ports} }} drop\n"
            );
        }
        // Before a firewall's own chain, which still decides about everybody else.
        let _ = write!(
            text,
            " chain input {{\n  type filter hook input priority -10; policy accept;\n  iif lo return\n{rules} }}\n}}\n"
        );
        text
    }
}

fn elements(all: &[String]) -> String {
    if all.is_empty() { String::new() } else { format!(" elements = {{ {} }};", all.join(", ")) }
}

/// In bounded time: whoever waits for it has bans to keep here too.
async fn run(text: &str) -> Result<(), String> {
    let limit = Duration::from_secs(limits::NFT_SECONDS.value);
    timeout(limit, told(text)).await.unwrap_or_else(|_| Err(format!("nft took more than {limit:?}")))
}

async fn told(text: &str) -> Result<(), String> {
    let mut child = spawned(processes::PATH)?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not read says why in its own words.
        let _ = stdin.write_all(text.as_bytes()).await;
    }
    let ended = child.wait_with_output().await.map_err(|error| format!("nft broke off ({error})"))?;
    let why = String::from_utf8_lossy(&ended.stderr);
    if ended.status.success() { Ok(()) } else { Err(why.lines().next().unwrap_or_default().to_owned()) }
}

/// nft, from the first folder of `path` that has it.
fn spawned(path: &str) -> Result<Child, String> {
    let mut nft = Command::new("nft");
    nft.env("PATH", path).args(["-f", "-"]);
    nft.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    nft.kill_on_drop(true).spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "nft is not installed".to_owned(),
        _ => format!("nft cannot be run ({error})"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nft_is_told_names_each_once_until_it_ends_and_our_ports_only() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let nft = Nft {
            table: "palisade_bans_80_443".to_owned(),
            ports: "80, 443".to_owned(),
            exempt: vec!["127.0.0.1/32".parse().unwrap()],
            said: Mutex::default(),
        };
        let bans = [
            ("198.51.100.0/24", 70),
            ("198.51.100.0/32", 80),
            ("198.51.100.7/32", 90),
            ("198.51.101.0/32", 16),
            ("203.0.113.9/32", 15),
            ("2001:db8:1::/48", 20),
        ];
        let bans = bans.map(|(network, until)| (network.parse().unwrap(), at(until))).into_iter().collect();
        let text = nft.text(&bans, at(10));
        for line in [
            " set free4 { type ipv4_addr; flags interval; elements = { 127.0.0.1/32 }; }",
            " set kept4 { type ipv4_addr; flags interval, timeout; elements = { 198.51.100.0/24 timeout 60s, 198.51.101.0/32 timeout 6s, 203.0.113.9/32 timeout 5s }; }",
            " set free6 { type ipv6_addr; flags interval; }",
            " set kept6 { type ipv6_addr; flags interval, timeout; elements = { 2001:db8:1::/48 timeout 10s }; }",
            "  ip saddr @kept4 tcp dport { 80, 443 } drop",
        ] {
            assert!(text.lines().any(|one| one == line), "{line}\n{text}");
        }
        assert!(
            text.starts_with("table inet palisade_bans_80_443 {}\ndelete table inet palisade_bans_80_443\n")
        );
    }

    #[tokio::test]
    async fn the_absence_of_nft_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display().to_string();
        assert_eq!(spawned(&path).map(drop).unwrap_err(), "nft is not installed");
        std::fs::write(folder.path().join("nft"), "not a program").unwrap();
        let said = spawned(&path).map(drop).unwrap_err();
        assert!(said.contains("cannot be run"), "{said}");
    }
}
