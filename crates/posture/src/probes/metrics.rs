//! Control 110: the page of metrics, read as Prometheus reads it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Finding;
use crate::bench::{Bench, Seat, Trouble, tls};

/// The guide's names, each with a sample that shows that it is there.
const NAMES: [(&str, &str); 6] = [
    ("request_duration", "request_duration_count"),
    ("request_count", "request_count"),
    ("error_rate", "error_rate"),
    ("active_connections", "active_connections"),
    ("database_query_time", "database_query_time_count"),
    ("cache_hit_rate", "cache_hit_rate"),
];
/// Longest page that is read.
const PAGE_BYTES_MAX: u64 = 8 << 20;
/// How long a connection that must not come about is waited for.
const SILENCE: Duration = Duration::from_secs(1);

/// 110: on loopback only, the six names, what is caused is counted, and whoever asks by another name is told nothing.
pub async fn the_six_are_served_and_move(bench: &Bench) -> Result<Finding, Trouble> {
    let Some((address, path)) = &bench.place.metrics else {
        return Ok(Finding::failing(match &bench.place.metrics_taken {
            None => "metrics are switched off: set monitoring.enabled to true".to_owned(),
            Some((address, path)) => taken(bench, *address, path).await,
        }));
    };
    let mut lines = Vec::new();
    let seat = match &bench.place.metrics_aside {
        None => Seat::Tcp(*address),
        Some(aside) => {
            lines.extend(strangers(bench, *address, path).await?);
            Seat::Socket(aside.clone())
        }
    };
    let read = async |host: &str, accept: &str| read(bench, &seat, path, host, accept).await;
    let before = read("127.0.0.1", "text/plain").await?;
    let asked = bench.ask("GET", "/health").send().await?.status;
    let known = bench.client("GET", "/auth/v1/user").bearer("nobody").send().await?.status;
    let after = read("127.0.0.1", "text/plain").await?;
    lines.push((address.ip().is_loopback(), format!("at {address}, {path} answers {}", status(&after))));
    for (name, sample) in NAMES {
        let there = after.lines().any(|line| is_of(line, sample));
        lines.push((there, format!("{name} {}", if there { "is there" } else { "is not there" })));
    }
    let (count, then) = (sum(&before, "request_count"), sum(&after, "request_count"));
    lines.push((
        then >= count + 2.0,
        format!("two requests (answered {asked} and {known}) moved request_count from {count} to {then}"),
    ));
    let (count, then) = (sum(&before, "request_duration_count"), sum(&after, "request_duration_count"));
    lines.push((then >= count + 2.0, format!("and request_duration from {count} observations to {then}")));
    let open = read("localhost", "application/openmetrics-text").await?;
    let exemplar = open
        .lines()
        .any(|line| line.starts_with("request_duration_bucket") && line.contains("# {request_id="));
    lines.push((exemplar && open.ends_with("# EOF\n"), format!("OpenMetrics with exemplars: {exemplar}")));
    let foreign = status(&read("evil.example", "text/plain").await?).to_owned();
    lines.push((!foreign.contains("200"), format!("asked as evil.example it answers {foreign}")));
    if let Some(outside) = outside() {
        let there = SocketAddr::new(outside, address.port());
        let connected =
            tokio::time::timeout(SILENCE, TcpStream::connect(there)).await.is_ok_and(|made| made.is_ok());
        lines.push((
            !connected,
            format!(
                "by this machine's address on its network it {}",
                if connected { "answers" } else { "does not answer" }
            ),
        ));
    }
    Ok(Finding::all(lines))
}

/// Who is where these metrics should be, as whoever asks there sees it, and what to do about it.
async fn taken(bench: &Bench, address: SocketAddr, path: &str) -> String {
    let page = read(bench, &Seat::Tcp(address), path, "127.0.0.1", "text/plain").await.unwrap_or_default();
    let is_ours = |line: &str| is_of(line, "palisade_build_info");
    let who = match page.lines().any(is_ours) {
        true => "another Palisade on this machine serves its own metrics there",
        false => "another program has that port",
    };
    format!(
        "these metrics are served nowhere: their place is {address}, and {who}. Give this server a port of its own by monitoring.port \
         (0 takes any that is free) and start it again; the other one is not concerned"
    )
}

/// The address that this machine has for others, if it has one. Nothing is sent.
fn outside() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    // An address for documentation (RFC 5737): routed like any other, and nobody's.
    socket.connect((Ipv4Addr::new(203, 0, 113, 1), 9)).ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|address| !address.is_loopback())
}

/// Where a certificate is needed, whoever has none gets nothing: neither in the clear nor over TLS.
async fn strangers(bench: &Bench, address: SocketAddr, path: &str) -> Result<Vec<(bool, String)>, Trouble> {
    let seat = Seat::Tcp(address);
    // What is no HTTP is closed or reset, which is as good as an answer.
    let clear = read(bench, &seat, path, "127.0.0.1", "text/plain").await.unwrap_or_default();
    let config = tls::any().map_err(|source| Trouble::Network { what: "TLS".to_owned(), source })?;
    let over = match bench.shake(&seat, &config).await {
        Ok(stream) => ask(stream, path, "127.0.0.1", "text/plain").await.unwrap_or_default(),
        Err(_refused) => String::new(),
    };
    let shows = |page: &str| page.contains("request_count");
    Ok(vec![
        (!shows(&clear), format!("in the clear {address} shows metrics: {}", shows(&clear))),
        (!shows(&over), format!("over TLS without a certificate {address} shows metrics: {}", shows(&over))),
    ])
}

async fn read(bench: &Bench, seat: &Seat, path: &str, host: &str, accept: &str) -> Result<String, Trouble> {
    let asking = async {
        let stream = bench.reach(seat).await?;
        let failed = |source| Trouble::Network { what: format!("{path} at {seat}"), source };
        ask(stream, path, host, accept).await.map_err(failed)
    };
    let limit = Duration::from_secs(crate::limits::STEP_SECONDS_MAX.value);
    tokio::time::timeout(limit, asking).await.map_err(|_| Trouble::Slow(format!("{path} at {seat}")))?
}

async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    path: &str,
    host: &str,
    accept: &str,
) -> std::io::Result<String> {
    let head =
        format!("GET {path} HTTP/1.1\r\nhost: {host}\r\naccept: {accept}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let mut all = Vec::new();
    stream.take(PAGE_BYTES_MAX).read_to_end(&mut all).await?;
    Ok(String::from_utf8_lossy(&all).into_owned())
}

fn status(answer: &str) -> &str {
    answer.lines().next().unwrap_or("nothing").trim_start_matches("HTTP/1.1 ")
}

fn is_of(line: &str, sample: &str) -> bool {
    line.strip_prefix(sample).is_some_and(|rest| rest.starts_with(['{', ' ']))
}

fn sum(page: &str, sample: &str) -> f64 {
    let value = |line: &str| line.rsplit(' ').next().and_then(|text| text.parse::<f64>().ok());
    page.lines().filter(|line| is_of(line, sample)).filter_map(value).sum()
}
