//! The lanes under stress: killed servers, vanished callers, slow neighbours, full pools.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base::{Caller, Fault, Kind, Rng, Secret};
use pg::bootstrap::{self, Logins, Wanted};
use pg::managed::{Durability, ManagedConfig, Server, State};
use pg::{Caps, Config, Error, Lane, Login, Mode, Once, Param, Pg, Reason, Rows, Setup, Statement};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::scene::{Database, person};

fn once(lane: Lane, sql: &str) -> Once {
    Once { lane, ..Once::read(Statement::new(sql, [])) }
}

async fn read(pg: &Pg, lane: Lane, sql: &str) -> Result<Rows, Error> {
    Ok(pg.once(&person(1), once(lane, sql)).await?.into_inner())
}

async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let begin = Instant::now();
    while !holds().await {
        assert!(begin.elapsed() < Duration::from_secs(30), "{what}: not within 30 s");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn narrow(db: &Database, wait_ms: u64) -> Config {
    let mut config = db.config();
    config.caps =
        Caps { connections_max: 7, short: 1, system: 1, hooks: 1, wait_max: Duration::from_millis(wait_ms) };
    assert_eq!(config.caps.own(), 1);
    config
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_costs_errors_while_it_is_away_and_nothing_after() {
    let dir = tempfile::Builder::new().prefix("pg").tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o711)).unwrap();
    let config = ManagedConfig {
        durability: Durability::Throwaway,
        max_connections: 30,
        ..ManagedConfig::new(dir.path().join("data"), Rng::system())
    };
    let server = Server::start(config).await.unwrap();
    let logins = Logins::load_or_create(dir.path(), &Rng::system()).unwrap();
    bootstrap::run(&server.admin("postgres"), &Wanted::embedded(logins.clone())).await.unwrap();
    let address = server.address();
    let pg =
        Pg::connect(Config::new(address, "palisade", logins.authenticator, Some(logins.system))).unwrap();
    for round in 0..2 {
        pg.health().await.unwrap();
        read(&pg, Lane::Own, "select 1").await.unwrap();
        let mut open = pg.begin(&person(1), Mode::Write, Setup::default()).await.unwrap();
        let rows = open.query("select pg_backend_pid()", []).await.unwrap();
        let backend: i32 = rows.first().unwrap().get("pg_backend_pid").unwrap();
        let State::Running { pid, .. } = server.state() else { panic!("not running") };
        nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(pid.try_into().unwrap()),
            nix::sys::signal::Signal::SIGKILL,
        )
        .unwrap();
        let error = until_broken(&pg).await;
        assert_eq!(error.kind(), Kind::Unavailable, "round {round}: {error:?}");
        // A backend outlives its postmaster until it looks, and what it commits meanwhile is committed.
        until("the backend is gone", || async { !is_running(backend) }).await;
        let error = open.commit(()).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Unavailable, "round {round}: {error:?}");
        for lane in [Lane::Short, Lane::Own] {
            until("the lanes come back", || async {
                match read(&pg, lane, "select 1").await {
                    Ok(rows) => rows.len() == 1,
                    Err(error) => {
                        assert_eq!(error.kind(), Kind::Unavailable, "{error:?}");
                        false
                    }
                }
            })
            .await;
        }
        until("the system door comes back", || async {
            let Ok(mut tx) = pg.begin_system(Reason::Posture).await else { return false };
            tx.query("select 1", []).await.is_ok()
        })
        .await;
    }
    server.stop().await.unwrap();
}

/// Whether a process is there, and not only its remains.
fn is_running(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')))
}

async fn until_broken(pg: &Pg) -> Error {
    let begin = Instant::now();
    loop {
        if let Err(error) = pg.health().await {
            return error;
        }
        assert!(begin.elapsed() < Duration::from_secs(10), "nobody noticed that the server is gone");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_vanished_caller_left_running_is_stopped() {
    let db = Database::new().await;
    let pg = Pg::connect(narrow(&db, 10_000)).unwrap();
    read(&pg, Lane::Own, "select 1").await.unwrap();
    let begin = testkit::Stopwatch::start();
    for _ in 0..5 {
        let sleep = read(&pg, Lane::Own, "select pg_sleep(30)");
        assert!(tokio::time::timeout(Duration::from_millis(20), sleep).await.is_err());
        // There is one connection: who gets it now finds it idle, and no signal meant for the last hits them.
        read(&pg, Lane::Own, "select pg_sleep(0.02)").await.unwrap();
    }
    assert!(begin.elapsed() < Duration::from_secs(10));
    let stats = pg.stats().own;
    assert_eq!((stats.cancels, stats.connects, stats.in_flight), (5, 1, 0));
}

/// Code in the database can catch that it is cancelled, each time anew.
const STUBBORN: &str = "create function lab.stubborn() returns void language plpgsql as $$
    begin loop begin perform pg_sleep(60); exception when query_canceled then null; end; end loop; end $$";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_catches_its_own_cancellation_ends_with_its_session() {
    let db = Database::new().await;
    db.admin().batch_execute(STUBBORN).await.unwrap();
    let pg = Pg::connect(narrow(&db, 10_000)).unwrap();
    let running =
        "select count(*) from pg_stat_activity where query = 'select lab.stubborn()' and state <> 'idle'";
    let count = async || db.admin().query_one(running, &[]).await.unwrap().get::<_, i64>(0);
    for _ in 0..2 {
        let door = pg.clone();
        let asking = tokio::spawn(async move { read(&door, Lane::Own, "select lab.stubborn()").await });
        until("it runs", || async { count().await == 1 }).await;
        asking.abort();
        // There is one connection, and nobody gets it from who does not let go.
        read(&pg, Lane::Own, "select 1").await.unwrap();
        until("it has ended in the database too", || async { count().await == 0 }).await;
    }
    until("nothing of it is counted", || async { pg.stats().own.in_flight == 0 }).await;
    assert_eq!((pg.stats().own.cancels, pg.stats().own.refused), (2, 0));
}

#[tokio::test]
async fn a_vanished_reader_leaves_a_shared_connection_in_step() {
    let db = Database::new().await;
    let pg = Pg::connect(narrow(&db, 10_000)).unwrap();
    for n in 0..50 {
        let sql = format!("select 'gone {n}', pg_sleep(0.003)");
        let reading = read(&pg, Lane::Short, &sql);
        assert!(tokio::time::timeout(Duration::from_millis(1), reading).await.is_err());
        let rows = read(&pg, Lane::Short, &format!("select 'here {n}'")).await.unwrap();
        assert_eq!(rows.first().unwrap().at::<String>(0).unwrap(), format!("here {n}"));
    }
    assert_eq!(pg.stats().short.connects, 1);
}

#[tokio::test]
async fn connections_are_handed_out_first_come_first_served_and_waiting_has_an_end() {
    let db = Database::new().await;
    let pg = Pg::connect(narrow(&db, 300)).unwrap();
    let mut held = pg.begin(&person(1), Mode::Read, Setup::default()).await.unwrap();
    held.query("select 1", []).await.unwrap();
    let served = Arc::new(Mutex::new(Vec::new()));
    let mut waiting = Vec::new();
    for n in 0..5 {
        let (door, served) = (pg.clone(), Arc::clone(&served));
        waiting.push(tokio::spawn(async move {
            read(&door, Lane::Own, "select 1").await.unwrap();
            served.lock().unwrap().push(n);
        }));
        until("one more waits", || async { pg.stats().own.waits == n + 1 }).await;
    }
    drop(held);
    for waiter in waiting {
        waiter.await.unwrap();
    }
    assert_eq!(*served.lock().unwrap(), [0, 1, 2, 3, 4]);
    let held = pg.begin(&person(1), Mode::Read, Setup::default()).await.unwrap();
    let error = read(&pg, Lane::Own, "select 1").await.unwrap_err();
    assert!(matches!(error, Error::Busy { waited_ms } if waited_ms >= 300), "{error:?}");
    assert_eq!(error.kind(), Kind::Unavailable);
    assert_eq!((pg.stats().own.waits, pg.stats().own.refused), (6, 1));
    drop(held);
}

#[tokio::test]
async fn the_oldest_connection_is_the_next_one_whichever_came_back_last() {
    let db = Database::new().await;
    let pg = Pg::connect(db.config()).unwrap();
    let pid = |tx: pg::Tx| async move {
        let mut tx = tx;
        let rows = tx.query("select pg_backend_pid()", []).await.unwrap();
        (rows.first().unwrap().get::<i32>("pg_backend_pid").unwrap(), tx)
    };
    let begin = || async { pid(pg.begin(&person(1), Mode::Read, Setup::default()).await.unwrap()).await };
    let (first, a) = begin().await;
    let (second, b) = begin().await;
    let (third, c) = begin().await;
    for tx in [b, a, c] {
        drop(tx.commit(()).await.unwrap());
    }
    let (next, a) = begin().await;
    let (after, b) = begin().await;
    let (last, c) = begin().await;
    assert_eq!([next, after, last], [first, second, third]);
    for tx in [c, b, a] {
        drop(tx.commit(()).await.unwrap());
    }
    assert_eq!(pg.stats().own.connects, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_stays_under_the_connection_cap() {
    let db = Database::new().await;
    let mut config = db.config();
    config.caps =
        Caps { connections_max: 13, short: 2, system: 3, hooks: 1, wait_max: Duration::from_secs(20) };
    let pg = Pg::connect(config).unwrap();
    let storm: Vec<_> = (0..300_u32)
        .map(|n| {
            let pg = pg.clone();
            tokio::spawn(async move {
                match n % 4 {
                    0 => drop(read(&pg, Lane::Short, "select pg_sleep(0.001)").await.unwrap()),
                    1 => drop(read(&pg, Lane::Own, "select pg_sleep(0.002)").await.unwrap()),
                    2 => {
                        let mut tx = pg.begin(&person(n), Mode::Write, Setup::default()).await.unwrap();
                        let owner = Param::from(&*person(n).subject);
                        tx.query("insert into notes(owner, text) values ($1, 'x')", [owner]).await.unwrap();
                        drop(tx.commit(()).await.unwrap());
                    }
                    _ => {
                        let mut tx = pg.begin_system(Reason::Jobs).await.unwrap();
                        tx.query("select 1", []).await.unwrap();
                    }
                }
            })
        })
        .collect();
    let mut most = 0_i64;
    let sql = "select count(*) from pg_stat_activity where datname = current_database() and usename in ('authenticator', 'palisade_system')";
    while !storm.iter().all(tokio::task::JoinHandle::is_finished) {
        most = most.max(db.admin().query_one(sql, &[]).await.unwrap().get(0));
    }
    for task in storm {
        task.await.unwrap();
    }
    assert!((3..=12).contains(&most), "{most}");
    let count: i64 = db.admin().query_one("select count(*) from notes", &[]).await.unwrap().get(0);
    assert_eq!(count, 75);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_is_avoided_and_its_statement_moves_to_a_connection_of_its_own() {
    let db = Database::new().await;
    let mut config = db.config();
    config.caps.short = 2;
    let pg = Pg::connect(config).unwrap();
    // It takes as long as the key is held, and then as long again.
    let (slow, key) = ("select pg_advisory_xact_lock_shared(77), pg_sleep(0.4)", db.admin());
    key.execute("select pg_advisory_lock(77)", &[]).await.unwrap();
    let running = tokio::spawn({
        let pg = pg.clone();
        async move { read(&pg, Lane::Short, slow).await }
    });
    until("the slow one runs", || async { pg.stats().short.in_flight == 1 }).await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    // Everybody else passes by on the other connection: who waited behind the slow one would wait for good.
    for _ in 0..200 {
        read(&pg, Lane::Short, "select 1").await.unwrap();
    }
    assert!(!running.is_finished());
    key.execute("select pg_advisory_unlock(77)", &[]).await.unwrap();
    running.await.unwrap().unwrap();
    read(&pg, Lane::Short, slow).await.unwrap();
    assert_eq!(pg.stats().own.round_trips, 0, "once is no habit");
    read(&pg, Lane::Short, slow).await.unwrap();
    assert_eq!(pg.stats().own.round_trips, 1, "known to be slow, it has a connection of its own");
}

#[tokio::test]
async fn only_scram_is_spoken() {
    for (method, words) in [(3_u8, "cleartext"), (5, "MD5")] {
        let dir = tempfile::tempdir().unwrap();
        let listener = tokio::net::UnixListener::bind(dir.path().join(".s.PGSQL.5432")).unwrap();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut hello = [0; 512];
                let _read = socket.read(&mut hello).await;
                let _wrote = socket.write_all(&[b'R', 0, 0, 0, 12, 0, 0, 0, method, 1, 2, 3, 4]).await;
                let mut rest = Vec::new();
                let _closed = socket.read_to_end(&mut rest).await;
                assert_eq!(rest, b"", "something was sent to a server that asked for a password");
            }
        });
        let login = Login { name: "authenticator".into(), password: Some(Secret::from("secret")) };
        let server = pg::Server::Socket { dir: dir.path().into(), port: 5432 };
        let pg = Pg::connect(Config::new(server, "x", login, None)).unwrap();
        let error = pg.health().await.unwrap_err();
        assert!(matches!(&error, Error::Refused(why) if why.contains(words)), "{error:?}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_the_servers_word() {
    let db = Database::new().await;
    let mut config = db.config();
    config.login.password = Some(Secret::from("wrong"));
    let pg = Pg::connect(config).unwrap();
    for lane in [Lane::Short, Lane::Own] {
        assert!(read(&pg, lane, "select 1").await.unwrap_err().is("28P01"));
    }
}

#[tokio::test]
async fn without_a_system_login_the_door_is_the_callers_own() {
    let db = Database::new().await;
    let mut config = db.config();
    config.system = None;
    let pg = Pg::connect(config).unwrap();
    let mut tx = pg.begin_system(Reason::Catalog).await.unwrap();
    let rows = tx.query("select current_user::text", []).await.unwrap();
    assert_eq!(rows.first().unwrap().at::<String>(0).unwrap(), "authenticator");
    let _done = tx.commit(()).await.unwrap();
}

#[tokio::test]
async fn nobody_in_particular_can_read_nothing() {
    let db = Database::new().await;
    let pg = db.pg();
    let mut nobody = Caller::anonymous();
    nobody.role = base::DbRole::named("no_such_role");
    assert!(pg.once(&nobody, once(Lane::Short, "select 1")).await.is_err());
    nobody.role = base::DbRole::named("palisade_owner");
    assert!(pg.once(&nobody, once(Lane::Short, "select 1")).await.unwrap_err().is("42501"));
}
