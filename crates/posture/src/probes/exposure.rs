//! Controls 66 to 69: what of this machine others can reach. What listens is read from the kernel here, beside the program's
//! own report, so that a report that leaves something out is seen.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::Finding;
use crate::bench::{Bench, Seat, Trouble};

fn is_loopback(address: &SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

/// Everything that listens on this machine, whoever's it is.
fn machine() -> impl Iterator<Item = SocketAddr> {
    processes::sockets(processes::State::Listening).into_iter().map(|socket| socket.address)
}

fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
}

/// The ports that are meant to be found: of the API, of plain HTTP where TLS is served, and of administrators where theirs is another.
fn served(bench: &Bench) -> BTreeSet<u16> {
    let place = &bench.place;
    let plain = match &place.encryption.plain {
        Seat::Tcp(address) if place.secure => Some(address.port()),
        Seat::Tcp(_) | Seat::Socket(_) => None,
    };
    let admins = place.admins.map(|address| address.port());
    plain.into_iter().chain(admins).chain([place.address.port()]).collect()
}

/// 66: nothing of this server and what it started listens for others, but what it serves.
pub async fn only_what_is_served_listens(bench: &Bench) -> Result<Finding, Trouble> {
    let all = processes::listening(std::process::id());
    let place = bench.place.address;
    let served = served(bench);
    let (here, outside): (Vec<SocketAddr>, Vec<SocketAddr>) = all.iter().copied().partition(is_loopback);
    let odd: Vec<&SocketAddr> = outside.iter().filter(|address| !served.contains(&address.port())).collect();
    let is_there = all.iter().any(|address| address.port() == place.port());
    Ok(Finding::all([
        (
            is_there,
            format!("{place} is this server's, among {} listeners of it and what it started", all.len()),
        ),
        (odd.is_empty(), format!("off loopback, and not served: {}", list(odd))),
        (true, format!("served off loopback: {}; on this machine only: {}", list(&outside), here.len())),
    ]))
}

/// 67: the report names every port that others may reach; ours are the served ones.
pub async fn open_ports_are_known(bench: &Bench) -> Result<Finding, Trouble> {
    let report = doctor(bench).await?;
    let reported = addresses(&report);
    let real: BTreeSet<SocketAddr> = machine().filter(|address| !is_loopback(address)).collect();
    let left_out: Vec<&SocketAddr> = real.difference(&reported).collect();
    let exposures = || report["exposures"].as_array().into_iter().flatten();
    let served = served(bench);
    let odd: Vec<&str> = exposures()
        .filter(|one| one["is_ours"] == true)
        .filter_map(|one| one["address"].as_str())
        .filter(|text| text.parse().is_ok_and(|address: SocketAddr| !served.contains(&address.port())))
        .collect();
    let others: Vec<String> = exposures()
        .filter(|one| one["verdict"] == "exposed")
        .map(|one| {
            format!(
                "{} ({})",
                one["address"].as_str().unwrap_or("?"),
                one["program"].as_str().unwrap_or("whose cannot be seen")
            )
        })
        .collect();
    let seen = [
        (
            left_out.is_empty(),
            format!("`palisade doctor` names every listener off loopback; left out: {}", list(left_out)),
        ),
        (
            odd.is_empty(),
            format!("of this server's, besides what it serves ({}): {}", list(&served), list(odd)),
        ),
        (true, format!("SSH is kept at {}", list(report["ssh"].as_array().into_iter().flatten()))),
    ];
    let finding = Finding::all(seen);
    if finding.state == crate::State::Proven && !others.is_empty() {
        return Ok(Finding::needs_you(format!(
            "{}\nother programs of this machine can be reached: {}. Close them, or `palisade firewall apply`",
            finding.evidence,
            others.join(", ")
        )));
    }
    Ok(finding)
}

/// 68: the database has no door to the network.
pub async fn the_database_cannot_be_reached(bench: &Bench) -> Result<Finding, Trouble> {
    let sql = bench.sql().await?;
    let port: u16 = sql
        .value("SHOW port")
        .await?
        .parse()
        .map_err(|_| Trouble::Unexpected("a port that is none".to_owned()))?;
    let listens = sql.value("SHOW listen_addresses").await?;
    if !bench.place.embedded {
        return Ok(Finding::needs_you(format!(
            "the database is a server of yours (listen_addresses {listens:?}, port {port}): let only this machine's network in, as \
             `palisade firewall print --database-from 10.0.0.0/8 --database-port {port}` does there"
        )));
    }
    let mut answered = Vec::new();
    let mut tried = Vec::new();
    let own = machine().map(|address| address.ip()).filter(|ip| !ip.is_unspecified());
    let here = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    let all: BTreeSet<IpAddr> = here.into_iter().chain(own.filter(|ip| !ip.is_loopback())).collect();
    for ip in all {
        let address = SocketAddr::new(ip, port);
        tried.push(address);
        if speaks_postgres(address).await {
            answered.push(address);
        }
    }
    Ok(Finding::all([
        (listens.is_empty(), format!("listen_addresses is {listens:?}: no TCP at all")),
        (
            answered.is_empty(),
            format!("PostgreSQL's greeting to {}: answered by {}", list(tried), list(answered)),
        ),
    ]))
}

/// Whether somebody answers the question for TLS as PostgreSQL does.
async fn speaks_postgres(address: SocketAddr) -> bool {
    let asked = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).await?;
        stream.read_u8().await
    };
    matches!(timeout(Duration::from_secs(1), asked).await, Ok(Ok(b'S' | b'N')))
}

/// The kernel's rules, where we may look at them.
pub(super) async fn ruleset() -> Option<String> {
    let mut nft = tokio::process::Command::new("nft");
    nft.env("PATH", processes::PATH).args(["list", "ruleset"]).kill_on_drop(true);
    let output = nft.output().await.ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// 69: what keeps others out is said with its evidence, and each listener with what it comes to.
pub async fn exposure_is_shown_with_evidence(bench: &Bench) -> Result<Finding, Trouble> {
    let report = doctor(bench).await?;
    let firewall = &report["firewall"];
    let evidence = firewall["evidence"].as_str().unwrap_or_default();
    let said = firewall["drops_by_default"].as_bool();
    // Looked at here as well, where we may.
    let drops = ruleset().await.map(|rules| {
        rules.lines().any(|line| {
            line.contains("hook input") && line.contains("type filter") && line.contains("policy drop")
        })
    });
    let exposures: Vec<&Value> = report["exposures"].as_array().into_iter().flatten().collect();
    let judged = exposures.iter().all(|one| one["verdict"].is_string() && one["address"].is_string());
    let real = machine().filter(|address| !is_loopback(address)).collect::<BTreeSet<_>>();
    let lines: Vec<String> = exposures
        .iter()
        .map(|one| {
            format!(
                "{} {}: {}",
                one["address"].as_str().unwrap_or("?"),
                one["program"].as_str().unwrap_or("?"),
                one["verdict"].as_str().unwrap_or("?")
            )
        })
        .collect();
    Ok(Finding::all([
        (!evidence.is_empty(), format!("firewall: {evidence}")),
        (
            drops.is_none() || drops == said,
            format!("looked at here as well: drops by default: {drops:?}, and said {said:?}"),
        ),
        (
            judged && addresses(&report).is_superset(&real),
            format!("each of {} listeners off loopback with what it comes to: {}", real.len(), list(lines)),
        ),
    ]))
}

/// What the program says of this machine, as the operator would ask it.
async fn doctor(bench: &Bench) -> Result<Value, Trouble> {
    let data = bench.place.data.display().to_string();
    // Programs that it asks are found where the system has them.
    let path = ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    let ended = bench.program(&["doctor", "--json", "--data", &data], &[path]).await?;
    let line = ended.said.lines().find(|line| line.starts_with('{')).unwrap_or_default();
    serde_json::from_str(line)
        .map_err(|_| Trouble::Unexpected(format!("`palisade doctor --json` said: {}", ended.said)))
}

fn addresses(report: &Value) -> BTreeSet<SocketAddr> {
    let all = report["exposures"].as_array().into_iter().flatten();
    all.filter_map(|one| one["address"].as_str()?.parse().ok()).collect()
}
