//! The load generator: a few threads, each with its share of the connections. One request is under way on each; a thread
//! reads the oldest answer, sends the next request on that connection, and goes on to the next, so that it hardly ever
//! looks where there is nothing, and takes little of the CPU it shares with what it measures.
//!
//! HTTP/1.1 as little as it takes: it talks to a server it started itself.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// A request, as a function of who sends it and how many they sent.
pub struct Case {
    pub what: &'static str,
    pub verb: Verb,
    pub path: fn(u64, u64) -> String,
}

/// What is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Get,
    Insert,
    /// With a password, of the user whose turn it is; the token is the application's key.
    SignIn,
}

/// When it ends.
#[derive(Clone, Copy)]
pub enum Until {
    Elapsed(Duration),
    Requests(u64),
}

/// What came of it.
#[derive(Default)]
pub struct Outcome {
    pub requests: u64,
    pub refused: u64,
    pub first_refusal: String,
    pub took: Duration,
    /// Of every request, sorted.
    pub latencies_us: Vec<u32>,
}

impl Outcome {
    pub fn per_second(&self) -> f64 {
        self.requests as f64 / self.took.as_secs_f64().max(0.001)
    }

    pub fn percentile_ms(&self, part: f64) -> f64 {
        let at = (self.latencies_us.len().saturating_sub(1)) as f64 * part;
        self.latencies_us.get(at as usize).map_or(0.0, |us| f64::from(*us) / 1000.0)
    }

    fn join(&mut self, other: Outcome) {
        self.requests += other.requests;
        self.refused += other.refused;
        self.latencies_us.extend(other.latencies_us);
        if self.first_refusal.is_empty() {
            self.first_refusal = other.first_refusal;
        }
    }
}

/// Sends `case` over `connections` connections, as one of `tokens`' owners after the other.
pub fn run(
    address: SocketAddr,
    case: &Case,
    tokens: &[String],
    connections: usize,
    until: Until,
) -> Result<Outcome> {
    let turn = AtomicU64::new(0);
    let began = Instant::now();
    let mut all = Outcome::default();
    std::thread::scope(|scope| -> Result<()> {
        let shares = THREADS.min(connections);
        let workers: Vec<_> = (0..shares)
            .map(|share| {
                let mine = connections / shares + usize::from(share < connections % shares);
                let turn = &turn;
                scope.spawn(move || some_connections(address, case, tokens, mine, turn, began, until))
            })
            .collect();
        for worker in workers {
            let Ok(outcome) = worker.join() else { bail!("a connection of the load generator failed") };
            all.join(outcome?);
        }
        Ok(())
    })?;
    all.took = began.elapsed();
    all.latencies_us.sort_unstable();
    Ok(all)
}

/// One per core of the machine the figures are given for.
const THREADS: usize = 2;

fn some_connections(
    address: SocketAddr,
    case: &Case,
    tokens: &[String],
    connections: usize,
    turn: &AtomicU64,
    began: Instant,
    until: Until,
) -> Result<Outcome> {
    let open = |_| Ok((Connection::open(address)?, None));
    let mut all: Vec<(Connection, Option<Instant>)> = (0..connections).map(open).collect::<Result<_>>()?;
    let mut outcome = Outcome::default();
    let mut under_way = 0;
    loop {
        for (connection, sent) in &mut all {
            if let Some(sent) = sent.take() {
                let answer = connection.read()?;
                under_way -= 1;
                outcome.note(case, sent, &answer);
            }
            let turn = turn.fetch_add(1, Ordering::Relaxed);
            let over = match until {
                Until::Elapsed(length) => began.elapsed() >= length,
                Until::Requests(count) => turn >= count,
            };
            if !over {
                let users = tokens.len() as u64;
                let (user, turn) = (turn % users, turn / users);
                let token = tokens.get(user as usize).context("a token")?;
                *sent = Some(Instant::now());
                case.send(connection, token, user, turn)?;
                under_way += 1;
            }
        }
        if under_way == 0 {
            return Ok(outcome);
        }
    }
}

/// How many the bench has.
const USERS: u64 = 10_000;

impl Case {
    fn send(&self, connection: &mut Connection, token: &str, user: u64, turn: u64) -> Result<()> {
        let path = (self.path)(user, turn);
        match self.verb {
            Verb::Get => connection.ask("GET", &path, token, &[], ""),
            Verb::Insert => {
                let body = format!(r#"{{"user_id":"{}","title":"bench"}}"#, super::database::user_id(user));
                connection.ask("POST", &path, token, &["Prefer: return=minimal"], &body)
            }
            Verb::SignIn => {
                let email = super::database::user_email(turn % USERS);
                let password = super::database::PASSWORD;
                let body = format!(r#"{{"email":"{email}","password":"{password}"}}"#);
                connection.ask("POST", &path, token, &[&super::accounts::sender()], &body)
            }
        }
    }
}

impl Outcome {
    fn note(&mut self, case: &Case, sent: Instant, answer: &Answer) {
        self.latencies_us.push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
        self.requests += 1;
        let wanted = if case.verb == Verb::Insert { 201 } else { 200 };
        // A row that is not seen is a wrong answer too.
        if answer.status != wanted || answer.body == b"[]" {
            self.refused += 1;
            self.first_refusal = format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body));
        }
    }
}

/// One kept-alive connection.
pub struct Connection {
    stream: BufReader<TcpStream>,
    request: String,
}

/// A whole answer.
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Connection {
    pub fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Connection { stream: BufReader::with_capacity(64 * 1024, stream), request: String::new() })
    }

    /// `credential` goes as key and, when it is a token, as bearer.
    pub fn send(
        &mut self,
        method: &str,
        path: &str,
        credential: &str,
        headers: &[&str],
        body: &str,
    ) -> Result<Answer> {
        self.ask(method, path, credential, headers, body)?;
        self.read()
    }

    /// Sends a request without waiting for its answer.
    fn ask(
        &mut self,
        method: &str,
        path: &str,
        credential: &str,
        headers: &[&str],
        body: &str,
    ) -> Result<()> {
        self.request.clear();
        write!(self.request, "{method} {path} HTTP/1.1\r\nHost: localhost\r\napikey: {credential}\r\n")?;
        if credential.matches('.').count() == 2 {
            write!(self.request, "Authorization: Bearer {credential}\r\n")?;
        }
        for header in headers {
            write!(self.request, "{header}\r\n")?;
        }
        if !body.is_empty() {
            write!(self.request, "Content-Type: application/json\r\nContent-Length: {}\r\n", body.len())?;
        }
        write!(self.request, "\r\n{body}")?;
        Ok(self.stream.get_mut().write_all(self.request.as_bytes())?)
    }

    fn read(&mut self) -> Result<Answer> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok()).context("no status line")?;
        let (mut length, mut chunked) = (0, false);
        loop {
            line.clear();
            if self.stream.read_line(&mut line)? == 0 {
                bail!("the connection ended in the headers");
            }
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse()?,
                "transfer-encoding" => chunked = value.contains("chunked"),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        while chunked {
            line.clear();
            self.stream.read_line(&mut line)?;
            let length = usize::from_str_radix(line.trim(), 16)?;
            let mut chunk = vec![0; length + 2];
            self.stream.read_exact(&mut chunk)?;
            body.extend(chunk.iter().take(length));
            chunked = length > 0;
        }
        Ok(Answer { status, body })
    }
}
