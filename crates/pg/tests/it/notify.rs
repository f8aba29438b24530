//! Listening: everything said is heard, and what may have been missed is said too.

use std::time::Duration;

use pg::notify::{Heard, Listener};
use testkit::Database;

fn note(channel: &str, payload: &str) -> Heard {
    Heard::Note { channel: channel.into(), payload: payload.into() }
}

async fn next(heard: &mut tokio::sync::broadcast::Receiver<Heard>) -> Heard {
    tokio::time::timeout(Duration::from_secs(10), heard.recv()).await.expect("nothing was heard").unwrap()
}

#[tokio::test]
async fn what_is_said_is_heard_by_everybody_in_order() {
    let db = Database::new(&[]).await;
    let listener = Listener::start(db.target(), &["one", "Two words"]);
    let (mut a, mut b) = (listener.subscribe(), listener.subscribe());
    assert_eq!((next(&mut a).await, next(&mut b).await), (Heard::Gap, Heard::Gap));
    assert!(listener.connected());
    let admin = db.admin().await;
    admin
        .batch_execute("NOTIFY one, '1'; NOTIFY unheard; NOTIFY \"Two words\", '2'; NOTIFY one")
        .await
        .unwrap();
    for heard in [&mut a, &mut b] {
        for expected in [note("one", "1"), note("Two words", "2"), note("one", "")] {
            assert_eq!(next(heard).await, expected);
        }
    }
}

#[tokio::test]
async fn a_lost_connection_is_known_at_once_and_ends_in_a_gap() {
    let db = Database::new(&[]).await;
    let listener = Listener::start(db.target(), &["news"]);
    let mut heard = listener.subscribe();
    assert_eq!(next(&mut heard).await, Heard::Gap);
    let admin = db.admin().await;
    let mut connected = listener.watch();
    connected.mark_unchanged();
    let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                 WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let killed: i64 = admin.query_one(kill, &[]).await.unwrap().get(0);
    assert_eq!(killed, 1);
    let lost = tokio::time::timeout(Duration::from_secs(1), connected.wait_for(|connected| !connected)).await;
    drop(lost.expect("it was not noticed within a second").unwrap());
    assert_eq!(next(&mut heard).await, Heard::Gap);
    admin.batch_execute("NOTIFY news, 'again'").await.unwrap();
    assert_eq!(next(&mut heard).await, note("news", "again"));
}

#[tokio::test]
async fn a_server_that_stops_answering_counts_as_lost() {
    let db = Database::new(&[]).await;
    let listener = Listener::start(db.target(), &["news"]);
    let mut heard = listener.subscribe();
    assert_eq!(next(&mut heard).await, Heard::Gap);
    let admin = db.admin().await;
    let sql =
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let backend: i32 = admin.query_one(sql, &[]).await.unwrap().get(0);
    let backend = nix::unistd::Pid::from_raw(backend);
    let mut connected = listener.watch();
    connected.mark_unchanged();
    nix::sys::signal::kill(backend, nix::sys::signal::SIGSTOP).unwrap();
    let lost = tokio::time::timeout(Duration::from_secs(3), connected.wait_for(|connected| !connected)).await;
    nix::sys::signal::kill(backend, nix::sys::signal::SIGCONT).unwrap();
    drop(lost.expect("it was not noticed").unwrap());
    assert_eq!(next(&mut heard).await, Heard::Gap);
}

#[tokio::test]
async fn without_a_server_it_starts_and_says_that_it_hears_nothing() {
    let db = Database::new(&[]).await;
    let mut target = db.target();
    target.server = pg::Server::Socket { dir: "/nonexistent".into(), port: 5432 };
    let listener = Listener::start(target, &["news"]);
    assert!(!listener.connected());
}

#[tokio::test]
async fn dropping_the_listener_closes_its_connection() {
    let db = Database::new(&[]).await;
    let listener = Listener::start(db.target(), &["news"]);
    let mut heard = listener.subscribe();
    assert_eq!(next(&mut heard).await, Heard::Gap);
    drop(listener);
    let admin = db.admin().await;
    let sql =
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    testkit::eventually(async || admin.query(sql, &[]).await.unwrap().is_empty().then_some(())).await;
}
