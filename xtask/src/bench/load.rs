//! The load generator: a few threads, each with its share of the connections. One request is under way on each; a thread
//! waits for whichever is answered and sends the next there. Who waited for the oldest instead was woken for each answer,
//! and had the others lie; it shares the CPU with what it measures, and all it takes is missing there.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::event::{PollFlags, poll};

pub use super::connection::{Answer, Connection};

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
    let mut all: Vec<Sending> = (0..connections).map(|_| Sending::open(address)).collect::<Result<_>>()?;
    let mut outcome = Outcome::default();
    let next = |sending: &mut Sending| -> Result<usize> {
        let turn = turn.fetch_add(1, Ordering::Relaxed);
        let over = match until {
            Until::Elapsed(length) => began.elapsed() >= length,
            Until::Requests(count) => turn >= count,
        };
        if over {
            return Ok(0);
        }
        let users = tokens.len() as u64;
        let (user, turn) = (turn % users, turn / users);
        let token = tokens.get(user as usize).context("a token")?;
        sending.sent = Instant::now();
        case.send(&mut sending.connection, token, user, turn)?;
        Ok(1)
    };
    let mut under_way = 0;
    for sending in &mut all {
        under_way += next(sending)?;
    }
    while under_way > 0 {
        let mut waited: Vec<_> = all.iter().map(|one| one.connection.to_wait_for()).collect();
        poll(&mut waited, None)?;
        let answered: Vec<bool> = waited.iter().map(|one| one.revents() != PollFlags::empty()).collect();
        for (sending, _) in all.iter_mut().zip(answered).filter(|(_, answered)| *answered) {
            if let Some(answer) = sending.connection.read_some()? {
                under_way -= 1;
                outcome.note(case, sending.sent, &answer);
                under_way += next(sending)?;
            }
        }
    }
    Ok(outcome)
}

/// A connection, and since when its request is under way.
struct Sending {
    connection: Connection,
    sent: Instant,
}

impl Sending {
    fn open(address: SocketAddr) -> Result<Self> {
        Ok(Sending { connection: Connection::open(address)?, sent: Instant::now() })
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
