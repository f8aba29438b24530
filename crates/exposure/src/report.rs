//! What of this machine is reachable, by whom, and what to do about it (controls 67 and 69).

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::docker::{self, Published};
use crate::listeners::{Listener, listeners};
use crate::outside::Reached;
use crate::plan::said;
use crate::ssh;

/// What is known before anything is looked at.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Processes of the running server.
    pub ours: BTreeSet<u32>,
    /// `SSH_CONNECTION` of whoever asks.
    pub connection: Option<String>,
    /// Ports that the operator means to be open, besides the server's own, 80, 443 and SSH.
    pub meant: BTreeSet<u16>,
}

/// What a listener off loopback comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is this server, SSH, or meant.
    Meant,
    /// Others reach it, or nothing is known to keep them from it.
    Exposed,
    /// A firewall keeps others from it.
    Kept,
}

/// One line of the report.
#[derive(Clone, Debug, Serialize)]
pub struct Exposure {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it is called.
    pub program: Option<String>,
    /// Whether it is this server's.
    pub is_ours: bool,
    /// The container that it is published for.
    pub container: Option<String>,
    /// What a second host saw, if one looked.
    pub reached: Option<Reached>,
    /// What it comes to.
    pub verdict: Verdict,
}

/// What keeps strangers out.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Firewall {
    /// Whether incoming connections are dropped unless a rule lets them in; unknown without root.
    pub drops_by_default: Option<bool>,
    /// How that is known.
    pub evidence: String,
}

/// Docker's socket.
const DOCKER: &str = "/var/run/docker.sock";

/// Looks at everything on this machine; `reach` tries addresses from outside, where that was asked for.
pub fn look<E>(
    facts: &Facts,
    reach: impl FnOnce(&[SocketAddr]) -> Result<Option<Vec<(SocketAddr, Reached)>>, E>,
) -> Result<(Vec<Exposure>, Firewall, BTreeSet<u16>), E> {
    let all = listeners();
    let ssh = ssh::ports(&all, facts.connection.as_deref(), Path::new("/"));
    let published = docker::published(Path::new(DOCKER), &all);
    let off_loopback: Vec<&Listener> = all.iter().filter(|listener| !listener.is_loopback()).collect();
    let mut targets: Vec<SocketAddr> = off_loopback.iter().map(|listener| listener.address).collect();
    targets.extend(published.iter().map(|one| SocketAddr::new(one.address, one.port)));
    targets.sort();
    targets.dedup();
    let firewall = firewall();
    let reached: Option<BTreeMap<SocketAddr, Reached>> =
        reach(&targets)?.map(|seen| seen.into_iter().collect());
    let exposures = targets.iter().map(|address| {
        let listener = off_loopback.iter().find(|listener| listener.address == *address).copied();
        judge(
            facts,
            &ssh,
            *address,
            listener,
            container_of(&published, *address),
            reached.as_ref(),
            &firewall,
        )
    });
    Ok((exposures.collect(), firewall, ssh))
}

fn container_of(published: &[Published], address: SocketAddr) -> Option<String> {
    let found = published.iter().find(|one| one.port == address.port() && one.address == address.ip());
    found.map(|one| one.container.clone())
}

fn judge(
    facts: &Facts,
    ssh: &BTreeSet<u16>,
    address: SocketAddr,
    listener: Option<&Listener>,
    container: Option<String>,
    reached: Option<&BTreeMap<SocketAddr, Reached>>,
    firewall: &Firewall,
) -> Exposure {
    let program = listener.and_then(|listener| listener.program.clone());
    let is_ours =
        listener.and_then(|listener| listener.process).is_some_and(|process| facts.ours.contains(&process));
    let port = address.port();
    let is_meant = is_ours || ssh.contains(&port) || facts.meant.contains(&port);
    let seen = reached.and_then(|seen| seen.get(&address).copied());
    let verdict = match (is_meant, seen, &container) {
        (true, _, _) => Verdict::Meant,
        (false, Some(Reached::Open), _) => Verdict::Exposed,
        (false, Some(Reached::Refused | Reached::Silent), _) => Verdict::Kept,
        // Docker's own rules come first: a policy of dropping says nothing about what it publishes.
        (false, None, Some(_)) => Verdict::Exposed,
        (false, None, None) if firewall.drops_by_default == Some(true) => Verdict::Kept,
        (false, None, None) => Verdict::Exposed,
    };
    Exposure { address, program, is_ours, container, reached: seen, verdict }
}

/// Whether the kernel drops what no rule lets in: by the chains that see incoming packets, whoever made them.
fn firewall() -> Firewall {
    let listed =
        said("nft", &["-j", "list", "ruleset"], None).map(|text| serde_json::from_str::<Value>(&text));
    match listed {
        Ok(Ok(rules)) => of_nftables(&rules),
        Ok(Err(_)) | Err(_) => match said("iptables", &["-w", "-S", "INPUT"], None) {
            Ok(text) => Firewall {
                drops_by_default: Some(
                    text.lines().any(|line| matches!(line.trim(), "-P INPUT DROP" | "-P INPUT REJECT")),
                ),
                evidence: format!("iptables: {}", text.lines().next().unwrap_or_default()),
            },
            Err(error) => Firewall { drops_by_default: None, evidence: format!("not known: {error}") },
        },
    }
}

fn of_nftables(rules: &Value) -> Firewall {
    let chains = rules["nftables"].as_array().into_iter().flatten().filter_map(|item| item.get("chain"));
    let input: Vec<String> = chains
        .filter(|chain| chain["hook"] == "input" && chain["type"] == "filter")
        .map(|chain| {
            let text = |name: &str| chain[name].as_str().unwrap_or_default().to_owned();
            format!("{} {} {}: policy {}", text("family"), text("table"), text("name"), text("policy"))
        })
        .collect();
    let drops = input.iter().any(|line| line.ends_with("policy drop"));
    let evidence = if input.is_empty() {
        "nftables: no chain looks at what comes in".to_owned()
    } else {
        format!("nftables: {}", input.join("; "))
    };
    Firewall { drops_by_default: Some(drops), evidence }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(
        listener: &str,
        program: &str,
        container: Option<&str>,
        drops: Option<bool>,
        reached: Option<Reached>,
    ) -> Verdict {
        let address: SocketAddr = listener.parse().unwrap();
        let listener = Listener { address, process: Some(7), program: Some(program.to_owned()) };
        let facts = Facts { ours: [9].into(), ..Facts::default() };
        let firewall = Firewall { drops_by_default: drops, evidence: String::new() };
        let seen = reached.map(|reached| BTreeMap::from([(address, reached)]));
        judge(
            &facts,
            &[2222].into(),
            address,
            Some(&listener),
            container.map(str::to_owned),
            seen.as_ref(),
            &firewall,
        )
        .verdict
    }

    #[test]
    fn what_nobody_meant_is_exposed_unless_it_is_seen_or_known_to_be_kept() {
        assert_eq!(judged("0.0.0.0:5432", "postgres", None, None, None), Verdict::Exposed);
        assert_eq!(judged("0.0.0.0:5432", "postgres", None, Some(true), None), Verdict::Kept);
        assert_eq!(
            judged("0.0.0.0:5432", "postgres", None, Some(true), Some(Reached::Open)),
            Verdict::Exposed
        );
        assert_eq!(
            judged("0.0.0.0:5432", "postgres", None, Some(false), Some(Reached::Silent)),
            Verdict::Kept
        );
        assert_eq!(judged("0.0.0.0:2222", "sshd", None, None, None), Verdict::Meant);
    }

    #[test]
    fn what_docker_publishes_goes_past_a_firewall_that_drops() {
        assert_eq!(judged("0.0.0.0:6379", "docker-proxy", Some("cache"), Some(true), None), Verdict::Exposed);
    }

    #[test]
    fn a_chain_that_drops_what_comes_in_is_found_in_nftables() {
        let chain = |hook: &str, policy: &str| {
            serde_json::json!({ "nftables": [{ "metainfo": {} }, { "chain": {
            "family": "inet", "table": "palisade", "name": "input", "hook": hook, "type": "filter", "policy": policy } }] })
        };
        assert_eq!(of_nftables(&chain("input", "drop")).drops_by_default, Some(true));
        assert_eq!(of_nftables(&chain("input", "accept")).drops_by_default, Some(false));
        assert_eq!(of_nftables(&chain("output", "drop")).drops_by_default, Some(false));
    }
}
