//! What the edge costs: beside hyper alone, at rest, in handshakes, and with somebody who asks fifty times too much.
//!
//! The clients speak TLS, which this tool does not: `crates/edge/examples/wire.rs` does it for us, and is hyper alone as well.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use anyhow::{Context, Result};
use serde_json::Value;

use super::sections::ROUNDS;
use super::server::{self, Server};
use super::{Bench, process};
use crate::setup;
use crate::shell;
use crate::workspace::Workspace;

/// A route with everything on it: matched, limited, guarded, adorned, counted and logged. Of those that are, the one with the
/// smallest answer; health is not limited.
const PATH: &str = "/auth/v1/password-policy";
/// What a connection of the load generator comes from, so that it can speak for others.
const PROXIES: &str = "server:\n  trusted_proxies: [127.0.0.0/16]\n";
/// Ten requests a second for each source.
const PER_MINUTE: u64 = 600;
/// Others, each at half of its limit, and how much is asked by one.
const OTHERS: u64 = 20;
const TIMES_TOO_MUCH: u64 = 50;
const AT_REST: u64 = 10_000;

/// The measuring program.
struct Wire(PathBuf);

impl Wire {
    fn build(workspace: &Workspace) -> Result<Wire> {
        let words = ["build", "--release", "--package", "edge", "--example", "wire"];
        shell::show(&mut workspace.cargo(&words))?;
        Ok(Wire(workspace.target.join("release/examples/wire")))
    }

    fn start(&self, words: &[&str]) -> Result<Running> {
        let mut child = shell::program(&self.0, words).stdout(Stdio::piped()).spawn()?;
        let lines = BufReader::new(child.stdout.take().context("its output")?);
        Ok(Running { child, lines: Box::new(lines) })
    }

    /// Its one line.
    fn ask(&self, words: &[&str]) -> Result<Value> {
        let mut running = self.start(words)?;
        let said = running.line()?;
        running.child.wait()?;
        Ok(serde_json::from_str(&said)?)
    }
}

struct Running {
    child: Child,
    lines: Box<dyn BufRead>,
}

impl Running {
    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.lines.read_line(&mut line)?;
        anyhow::ensure!(!line.is_empty(), "the measuring program ended and said nothing");
        Ok(line.trim().to_owned())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Ended already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn number(said: &Value, name: &str) -> f64 {
    said[name].as_f64().unwrap_or(f64::NAN)
}

pub fn run(bench: &Bench<'_>) -> Result<()> {
    let workspace = Workspace::find()?;
    let tools = setup::for_running(&workspace)?;
    let wire = Wire::build(&workspace)?;
    let seconds = bench.length.as_secs().to_string();
    let secure = ["--server.tls.local_ca", "true", "--server.http_port", "0"];
    let raised = server::RAISED.replace("server:\n  trusted_proxies: [127.0.0.1]\n", PROXIES);
    let mut verdicts = Vec::new();
    {
        let server = Server::started(&workspace, &tools, &raised, &secure)?;
        let tls = server.home().join("data/tls");
        verdicts.push(beside_hyper(&wire, &server, &tls, &seconds)?);
        verdicts.push(handshakes(&wire, &server, &tls, &seconds)?);
        verdicts.push(at_rest(&wire, &server, &tls)?);
    }
    let limits = format!(
        "rate_limiting:\n  per_minute: {PER_MINUTE}\n  per_hour: {}\n{PROXIES}detection:\n  enabled: false\n",
        PER_MINUTE * 60
    );
    let server = Server::started(&workspace, &tools, &limits, &secure)?;
    verdicts.push(one_too_many(&wire, &server, &server.home().join("data/tls"), &seconds)?);
    verdicts.iter().for_each(|line| println!("{line}"));
    Ok(())
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

/// CPU of a request with 32 connections that are open already, in microseconds, and requests a second.
fn cost(wire: &Wire, pid: u32, address: &str, ca: &str, of: &str, seconds: &str) -> Result<(f64, f64)> {
    wire.ask(&["load", address, ca, "1", "32", of])?;
    let before = process::cpu_us(pid);
    let said = wire.ask(&["load", address, ca, seconds, "32", of])?;
    let spent = process::cpu_us(pid).saturating_sub(before) as f64;
    anyhow::ensure!(number(&said, "refused") == 0.0 || of == "/", "requests were refused: {said}");
    let requests = number(&said, "requests");
    Ok((spent / requests, requests / number(&said, "seconds")))
}

fn beside_hyper(wire: &Wire, server: &Server, tls: &Path, seconds: &str) -> Result<String> {
    let (ca, cert, key) =
        (path(&tls.join("local-ca.pem")), path(&tls.join("own.pem")), path(&tls.join("own.key")));
    let mut rows = Vec::new();
    for (what, words, ca) in [
        ("hyper alone, in the clear", vec!["bare"], "-"),
        ("hyper alone, over TLS", vec!["bare", &cert, &key], &ca),
    ] {
        let mut bare = wire.start(&words)?;
        let address = bare.line()?;
        rows.push((what, cost(wire, bare.child.id(), &address, ca, "/", seconds)?));
    }
    let address = server.address().to_string();
    rows.push(("the edge, over TLS", cost(wire, server.pid(), &address, &ca, PATH, seconds)?));
    for (what, (us, per_second)) in &rows {
        println!("   {what:<28} {us:>7.1} µs a request, {per_second:.0} a second");
    }
    let [clear, same, edge] = rows.as_slice() else { anyhow::bail!("three were measured") };
    println!("   the edge over hyper in the clear: {:.1} µs", edge.1.0 - clear.1.0);
    let more = edge.1.0 - same.1.0;
    Ok(verdict(
        "the edge over hyper alone with the same TLS",
        more <= 8.0,
        format!("{more:.1} µs a request"),
        "8 µs at most",
    ))
}

/// An aim, what was measured, and whether that reaches it.
fn verdict(what: &str, is_met: bool, got: String, wanted: &str) -> String {
    format!("   {what}: {got}   aim {wanted}   {}", if is_met { "held" } else { "MISSED" })
}

fn handshakes(wire: &Wire, server: &Server, tls: &Path, seconds: &str) -> Result<String> {
    let (address, ca) = (server.address().to_string(), path(&tls.join("local-ca.pem")));
    let before = process::cpu_us(server.pid());
    let said = wire.ask(&["shake", &address, &ca, seconds])?;
    let cpu = process::cpu_us(server.pid()).saturating_sub(before) as f64 / 1_000_000.0;
    let count = number(&said, "handshakes");
    println!("   full handshakes (TLS 1.3, P-256): {count:.0} with {cpu:.2} s of the server's CPU");
    let each = count / cpu.max(0.01);
    Ok(verdict(
        "full TLS 1.3 handshakes",
        each >= 3000.0,
        format!("{each:.0} a second and core"),
        "3,000 at least",
    ))
}

fn at_rest(wire: &Wire, server: &Server, tls: &Path) -> Result<String> {
    let (address, ca) = (server.address().to_string(), path(&tls.join("local-ca.pem")));
    let before = process::resident_kib(server.pid())?;
    let mut resting = wire.start(&["rest", &address, &ca, &AT_REST.to_string(), "12", PATH])?;
    let opened = resting.line()?;
    let after = process::resident_kib(server.pid())?;
    let mib = |kib: u64| kib as f64 / 1024.0;
    println!(
        "   {AT_REST} connections at rest: {:.1} MiB, {:.1} MiB before; {opened}",
        mib(after),
        mib(before)
    );
    let later: Value = serde_json::from_str(&resting.line()?)?;
    println!("   twelve seconds later: {later}");
    let megabytes = after as f64 * 1024.0 / 1_000_000.0;
    let all_there = number(&later, "alive") >= AT_REST as f64;
    let got = format!("{megabytes:.0} MB with {} alive", later["alive"]);
    Ok(verdict("10,000 idle keep-alive connections", megabytes < 150.0 && all_there, got, "below 150 MB"))
}

fn one_too_many(wire: &Wire, server: &Server, tls: &Path, seconds: &str) -> Result<String> {
    let (address, ca) = (server.address().to_string(), path(&tls.join("local-ca.pem")));
    let others = OTHERS.to_string();
    let words = ["load", &address, &ca, seconds, &others, PATH, "198.51.100.", "5"];
    // Ten connections share what is fifty times a second's limit.
    let each = (PER_MINUTE / 60 * TIMES_TOO_MUCH / 10).to_string();
    let longer = (seconds.parse::<u64>()? + 2).to_string();
    let (mut alone, mut beside, mut is_held) = (f64::MAX, f64::MAX, true);
    // The lowest of each: whatever else the machine does only adds to it.
    for _ in 0..ROUNDS {
        let only_others = wire.ask(&words)?;
        let mut greedy = wire.start(&["load", &address, &ca, &longer, "10", PATH, "203.0.113.9", &each])?;
        let others = wire.ask(&words)?;
        let greedy: Value = serde_json::from_str(&greedy.line()?)?;
        println!(
            "   others alone: {only_others}\n   others beside one that asks {TIMES_TOO_MUCH} times its limit: {others}\n   that one: {greedy}"
        );
        (alone, beside) = (alone.min(number(&only_others, "p99_us")), beside.min(number(&others, "p99_us")));
        // One that is not refused is not held to its limit, and nothing is shown.
        is_held &= number(&greedy, "refused") > number(&greedy, "requests") / 2.0;
    }
    let times = beside / alone.max(1.0);
    let got = format!("{times:.2} times their p99, the best of {ROUNDS} rounds");
    Ok(verdict("others beside one that asks 50 times its limit", times <= 2.0 && is_held, got, "2 at most"))
}
