//! The rules: nothing in but what this server serves and SSH, everything out, the database for one network only (controls 66
//! to 68). Printed for whoever wants to read first, or set at once, all or nothing.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use ipnet::IpNet;

use crate::Error;

/// What may come in.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Ports that everybody may reach.
    pub public: BTreeSet<u16>,
    /// Where SSH is.
    pub ssh: BTreeSet<u16>,
    /// Networks that may reach the database, and its port. Ours has no port; this is for one beside it.
    pub database: Option<(IpNet, u16)>,
}

/// What keeps the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// Ubuntu's.
    Ufw,
    /// The kernel's own.
    Nftables,
    /// Its older front.
    Iptables,
}

impl Plan {
    fn open(&self) -> Vec<u16> {
        self.ssh.union(&self.public).copied().collect()
    }
}

/// The rules as text: commands for ufw and iptables, a file for `nft -f`.
pub fn print(plan: &Plan, tool: Tool) -> String {
    match tool {
        Tool::Ufw => ufw(plan).iter().map(|words| format!("ufw {}\n", words.join(" "))).collect(),
        Tool::Nftables => nftables(plan),
        Tool::Iptables => {
            let mut text = String::new();
            for (program, is_v4) in [("iptables", true), ("ip6tables", false)] {
                text.push_str(&format!(
                    "{program} -D INPUT -j PALISADE 2>/dev/null || true\n{program}-restore --noflush <<'EOF'\n{}EOF\n",
                    iptables(plan, is_v4)
                ));
            }
            text
        }
    }
}

/// Sets them. What was there before and is not ours stays, beside the policy.
pub fn apply(plan: &Plan, tool: Tool) -> Result<(), Error> {
    if !is_root() {
        return Err(Error::NotRoot { what: "setting firewall rules" });
    }
    match tool {
        // Allowed first, switched on last: whoever is connected stays so.
        Tool::Ufw => ufw(plan).iter().try_for_each(|words| {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            run("ufw", &words, None)
        }),
        Tool::Nftables => run("nft", &["-f", "-"], Some(&nftables(plan))),
        Tool::Iptables => {
            for (program, is_v4) in [("iptables", true), ("ip6tables", false)] {
                // Not there the first time.
                let _ = run(program, &["-w", "-D", "INPUT", "-j", "PALISADE"], None);
                let restore = format!("{program}-restore");
                run(&restore, &["-w", "--noflush"], Some(&iptables(plan, is_v4)))?;
            }
            Ok(())
        }
    }
}

fn ufw(plan: &Plan) -> Vec<Vec<String>> {
    let words = |text: String| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let mut commands =
        vec![words("default deny incoming".to_owned()), words("default allow outgoing".to_owned())];
    commands.extend(plan.open().into_iter().map(|port| words(format!("allow {port}/tcp"))));
    if let Some((network, port)) = plan.database {
        commands.push(words(format!("allow from {network} to any port {port} proto tcp")));
    }
    commands.push(words("--force enable".to_owned()));
    commands
}

/// A table of our own: setting it again replaces it in one step, and nobody else's rules are touched.
fn nftables(plan: &Plan) -> String {
    let ports = plan.open().iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    let database = plan.database.map_or(String::new(), |(network, port)| {
        let family = if matches!(network, IpNet::V4(_)) { "ip" } else { "ip6" };
        format!("    {family} saddr {network} tcp dport {port} accept\n")
    });
    format!(
        "table inet palisade\ndelete table inet palisade\ntable inet palisade {{\n  chain input {{\n    \
         type filter hook input priority filter; policy drop;\n    ct state established,related accept\n    \
         ct state invalid drop\n    iif \"lo\" accept\n    \
         icmp type {{ echo-request, destination-unreachable, time-exceeded, parameter-problem }} accept\n    \
         meta l4proto ipv6-icmp accept\n    udp sport 67 udp dport 68 accept\n    udp sport 547 udp dport 546 accept\n    \
         tcp dport {{ {ports} }} accept\n{database}  }}\n  chain output {{\n    \
         type filter hook output priority filter; policy accept;\n  }}\n}}\n"
    )
}

/// A chain of our own, and the policy; as `iptables-restore --noflush` reads it, in one step.
fn iptables(plan: &Plan, is_v4: bool) -> String {
    let icmp = if is_v4 { "icmp" } else { "ipv6-icmp" };
    let mut rules = vec![
        "-m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT".to_owned(),
        "-m conntrack --ctstate INVALID -j DROP".to_owned(),
        "-i lo -j ACCEPT".to_owned(),
        format!("-p {icmp} -j ACCEPT"),
        if is_v4 {
            "-p udp --sport 67 --dport 68 -j ACCEPT"
        } else {
            "-p udp --sport 547 --dport 546 -j ACCEPT"
        }
        .to_owned(),
    ];
    rules.extend(plan.open().iter().map(|port| format!("-p tcp --dport {port} -j ACCEPT")));
    if let Some((network, port)) =
        plan.database.filter(|(network, _)| matches!(network, IpNet::V4(_)) == is_v4)
    {
        rules.push(format!("-s {network} -p tcp --dport {port} -j ACCEPT"));
    }
    let rules: String = rules.iter().map(|rule| format!("-A PALISADE {rule}\n")).collect();
    format!(
        "*filter\n:INPUT DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n:PALISADE - [0:0]\n{rules}-I INPUT 1 -j PALISADE\nCOMMIT\n"
    )
}

pub(crate) fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().nth(1));
    effective == Some("0")
}

fn run(program: &str, words: &[&str], input: Option<&str>) -> Result<(), Error> {
    said(program, words, input).map(drop)
}

/// Runs a program of the system to its end; what it wrote, if it ended well.
pub(crate) fn said(program: &str, words: &[&str], input: Option<&str>) -> Result<String, Error> {
    let command = format!("{program} {}", words.join(" "));
    let failed = |what: String| Error::Program { command: command.clone(), what };
    let mut child = Command::new(program)
        .args(words)
        .env("PATH", processes::PATH)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(format!("cannot be run: {error}")))?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not read says why in its own words.
        let _ = stdin.write_all(input.unwrap_or_default().as_bytes());
    }
    let output = child.wait_with_output().map_err(|error| failed(format!("broke off: {error}")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(failed(format!("ended with {}: {why}", output.status)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            public: [80, 443].into(),
            ssh: [2222].into(),
            database: Some(("10.0.0.0/8".parse().unwrap(), 5432)),
        }
    }

    #[test]
    fn ufw_reads_as_the_guides_commands_with_the_live_ssh_port() {
        let expected = "ufw default deny incoming\nufw default allow outgoing\nufw allow 80/tcp\nufw allow 443/tcp\n\
                        ufw allow 2222/tcp\nufw allow from 10.0.0.0/8 to any port 5432 proto tcp\nufw --force enable\n";
        assert_eq!(print(&plan(), Tool::Ufw), expected);
    }

    #[test]
    fn every_tool_drops_by_default_and_names_every_port() {
        for tool in [Tool::Nftables, Tool::Iptables] {
            let text = print(&plan(), tool);
            assert!(text.contains("policy drop") || text.contains(":INPUT DROP"), "{text}");
            for port in ["80", "443", "2222", "5432", "10.0.0.0/8"] {
                assert!(text.contains(port), "{port} in {text}");
            }
        }
        assert!(!iptables(&plan(), false).contains("10.0.0.0"), "an IPv4 network is nothing to ip6tables");
    }
}
