//! Measures the log: `cargo run --release -p audit --example throughput [ENTRIES]`.
//!
//! Appends through the refusal lane (batches) and through transactions of their own side by side, chains what was
//! appended, and verifies the whole. Starts a PostgreSQL of its own with fsync as testkit sets it.

#![expect(clippy::print_stdout, clippy::expect_used, reason = "a tool for people, not part of the product")]

use std::time::Instant;

use audit::{Audit, Entry, Event, Keys, Parts};
use base::{Clock, Rng, Settings};
use testkit::Database;

/// Transactions at once in the second measurement.
const AT_ONCE: usize = 8;

#[tokio::main]
async fn main() {
    let entries: usize = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(100_000);
    let db = Database::new(audit::MIGRATIONS).await;
    let dir = tempfile::tempdir().expect("a directory");
    let root = seal::RootKey::from_bytes([7; 32]).expect("a key");
    let (audit, mut tasks) = Audit::open(Parts {
        pg: db.pg(),
        settings: Settings::default(),
        data_dir: dir.path().to_owned(),
        node: "bench".into(),
        keys: Keys::from_root(&root),
        clock: Clock::system(),
        rng: Rng::system(),
    })
    .await
    .expect("opened");

    let began = Instant::now();
    for batch in 0..entries.div_ceil(500) {
        let batch: Vec<Entry> = (0..500).map(|n| sign_in(batch * 500 + n)).collect();
        audit.record_many(&batch).await.expect("recorded");
    }
    report("append, batches of 500, one connection", entries, began);

    let began = Instant::now();
    let alone = (entries / 20).max(1);
    let tasks_of_many = (0..AT_ONCE).map(|task| {
        let audit = audit.clone();
        tokio::spawn(async move {
            for n in 0..alone / AT_ONCE {
                audit.record_alone(sign_in(task * alone + n)).await.expect("recorded");
            }
        })
    });
    for task in tasks_of_many.collect::<Vec<_>>() {
        task.await.expect("joined");
    }
    report("append, a transaction each, 8 at once", alone, began);

    let began = Instant::now();
    let mut chained = 0;
    loop {
        match tasks.sequencer.round().await.expect("a round") {
            0 => break,
            count => chained += count,
        }
    }
    report("chain", chained, began);

    let began = Instant::now();
    let verdict = audit.verify().await.expect("verified");
    report("verify", usize::try_from(verdict.entries).unwrap_or(usize::MAX), began);
    println!("holds: {}, heads outside: {}", verdict.holds(), verdict.heads_outside);
}

fn sign_in(n: usize) -> Entry {
    Entry::named(format!("user:{n}"), Event::Login)
        .about(format!("user:{n}"))
        .from_address("192.0.2.1".parse().ok())
        .request("01939f5c-0000-7000-8000-000000000000")
        .detail("method", "password")
        .detail(
            "user_agent",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0",
        )
}

fn report(what: &str, count: usize, began: Instant) {
    let seconds = began.elapsed().as_secs_f64();
    println!("{what:<42} {count:>9} in {seconds:>6.2} s: {:>9.0}/s", count as f64 / seconds);
}
