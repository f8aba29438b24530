//! `palisade firewall …` and `palisade doctor`: what of this machine others reach, and the rules that leave only what is meant.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;

use clap::{Args, Subcommand};
use exposure::{Error, Exposure, Facts, Firewall, Plan, Reached, Tool, Verdict};
use ipnet::IpNet;
use serde_json::json;
use tokio::net::UnixStream;

use crate::cli::Report;
use crate::commands::say;
use crate::config::exit::Exit;
use crate::control::socket_path;
use crate::welcome;

/// `palisade firewall …`
#[derive(Subcommand)]
pub enum Rules {
    /// Print the rules: nothing in but what this server listens on and SSH, wherever that is; everything out.
    Print(Wanted),
    /// Set them, all or nothing. Needs root. SSH stays open on the port that it is really on.
    Apply(Wanted),
}

/// Which rules.
#[derive(Args)]
pub struct Wanted {
    /// As ufw's commands.
    #[arg(long, group = "tool")]
    pub ufw: bool,
    /// As a file for nft; the default.
    #[arg(long, group = "tool")]
    pub nftables: bool,
    /// As iptables' and ip6tables' rules.
    #[arg(long, group = "tool")]
    pub iptables: bool,
    /// A port to open besides those the running server listens on; alone where none runs.
    #[arg(long)]
    pub port: Vec<u16>,
    /// A port that SSH is on, besides those that are found.
    #[arg(long)]
    pub ssh_port: Vec<u16>,
    /// The network that may reach a database beside this server (10.0.0.0/8). Ours has no port.
    #[arg(long)]
    pub database_from: Option<IpNet>,
    /// That database's port.
    #[arg(long, default_value_t = 5432)]
    pub database_port: u16,
    /// The running server's data folder.
    #[arg(long, default_value = "data")]
    pub data: std::path::PathBuf,
}

/// `palisade doctor`
#[derive(Args)]
pub struct Doctor {
    /// Try each port from a second host: a network namespace that is made for it. Needs root.
    #[arg(long)]
    pub outside_in: bool,
    /// A port that you mean to be open, besides this server's and SSH's.
    #[arg(long)]
    pub meant: Vec<u16>,
    /// Where the server is.
    #[command(flatten)]
    pub report: Report,
}

/// Processes of the server of `data`, by its control socket; none where none runs.
async fn ours(data: &Path) -> BTreeSet<u32> {
    let Ok(stream) = UnixStream::connect(socket_path(data)).await else { return BTreeSet::new() };
    let process = stream.peer_cred().ok().and_then(|peer| peer.pid()).and_then(|id| u32::try_from(id).ok());
    process.map(processes::family).unwrap_or_default()
}

async fn facts(data: &Path, variables: &BTreeMap<String, String>, meant: &[u16]) -> Facts {
    Facts {
        ours: ours(data).await,
        connection: variables.get("SSH_CONNECTION").cloned(),
        meant: meant.iter().copied().collect(),
    }
}

/// Prints or sets rules.
pub async fn firewall(rules: &Rules, variables: &BTreeMap<String, String>) -> Exit {
    let (Rules::Print(wanted) | Rules::Apply(wanted)) = rules;
    let tool = match (wanted.ufw, wanted.iptables) {
        (true, _) => Tool::Ufw,
        (_, true) => Tool::Iptables,
        (false, false) => Tool::Nftables,
    };
    let done = plan(wanted, variables).await.and_then(|plan| {
        match rules {
            Rules::Print(_) => say(exposure::print(&plan, tool).trim_end()),
            Rules::Apply(_) => {
                exposure::apply(&plan, tool)?;
                let list =
                    |ports: &BTreeSet<u16>| ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
                say(&format!("let in: {}, and SSH at {}; nothing else", list(&plan.public), list(&plan.ssh)));
            }
        }
        Ok(())
    });
    ended(done.map(|()| Exit::Success))
}

async fn plan(wanted: &Wanted, variables: &BTreeMap<String, String>) -> Result<Plan, Error> {
    let facts = facts(&wanted.data, variables, &[]).await;
    let all = exposure::listeners();
    let is_ours = |listener: &&exposure::Listener| {
        listener.process.is_some_and(|process| facts.ours.contains(&process))
    };
    let served = all.iter().filter(is_ours).filter(|listener| !listener.is_loopback());
    let public: BTreeSet<u16> =
        served.map(|listener| listener.address.port()).chain(wanted.port.iter().copied()).collect();
    if public.is_empty() {
        return Err(Error::NoPorts);
    }
    let mut ssh = exposure::ssh_ports(&all, facts.connection.as_deref(), Path::new("/"));
    ssh.extend(&wanted.ssh_port);
    let database = wanted.database_from.map(|network| (network.trunc(), wanted.database_port));
    Ok(Plan { public, ssh, database })
}

/// Looks at the machine. Exit 1 when something is reachable that nobody meant.
pub async fn doctor(asked: &Doctor, variables: &BTreeMap<String, String>) -> Exit {
    let facts = facts(&asked.report.at.data, variables, &asked.meant).await;
    let outside = asked.outside_in;
    let looked = exposure::look(&facts, |targets| {
        if !outside {
            return Ok(None);
        }
        let program = std::env::current_exe().unwrap_or_else(|_| "palisade".into());
        exposure::scan_from_outside(&program, targets).map(Some)
    });
    ended(looked.map(|(found, firewall, ssh)| {
        let is_exposed = found.iter().any(|one| one.verdict == Verdict::Exposed);
        if asked.report.json {
            let answer = json!({ "exposures": found, "firewall": firewall, "ssh": ssh, "looked_from_outside": outside });
            say(&answer.to_string());
        } else {
            print(&found, &firewall, outside);
        }
        if is_exposed { Exit::Failed } else { Exit::Success }
    }))
}

fn print(found: &[Exposure], firewall: &Firewall, outside: bool) {
    let mark = match firewall.drops_by_default {
        Some(true) => '✓',
        Some(false) | None => '!',
    };
    say(&format!("{mark} firewall  {}", firewall.evidence));
    if found.is_empty() {
        say("✓ nothing on this machine listens off loopback");
    }
    for one in found {
        let (mark, verdict) = match one.verdict {
            Verdict::Meant => ('✓', "meant to be reachable"),
            Verdict::Kept => ('✓', "kept from others"),
            Verdict::Exposed => ('!', "reachable, and nobody said that it should be"),
        };
        let seen = match one.reached {
            Some(Reached::Open) => "; a second host was let in",
            Some(Reached::Refused) => "; a second host was refused",
            Some(Reached::Silent) => "; a second host got no answer",
            None => "",
        };
        let docker = one.container.as_ref().map_or(String::new(), |name| {
            format!("; published by Docker for {name}: its rules come before ufw's. Publish 127.0.0.1:{0}:{0} instead", one.address.port())
        });
        let program = one.program.as_deref().unwrap_or("(whose cannot be seen)");
        say(&format!("{mark} {:24} {program:16} {verdict}{seen}{docker}", one.address.to_string()));
    }
    if found.iter().any(|one| one.verdict == Verdict::Exposed) {
        say(
            "  close what is not meant, let `palisade firewall apply` keep it from others, or say --meant PORT",
        );
    }
    if !outside {
        say("  not tried from outside: palisade doctor --outside-in");
    }
}

/// What a second host runs: tries addresses and prints what became of each, as JSON.
pub async fn scan(targets: &[SocketAddr]) -> Exit {
    let seen = exposure::scan(targets).await;
    say(&json!(seen).to_string());
    Exit::Success
}

fn ended(done: Result<Exit, Error>) -> Exit {
    match done {
        Ok(exit) => exit,
        Err(error) => {
            welcome::complain(&error.to_string());
            match error {
                Error::NotRoot { .. } => Exit::System,
                Error::NoPorts => Exit::Usage,
                Error::Program { .. } => Exit::Failed,
            }
        }
    }
}
