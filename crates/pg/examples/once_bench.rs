//! What one caller's read costs: CPU of this process and of PostgreSQL's backends per request, from schedstat, so that
//! a busy machine does not spoil the figures.
//!
//! `cargo run --release -p pg --example once_bench -- SOCKET_DIR PORT DATABASE POSTMASTER_PID SECONDS TASKS SHORT [MODE]`
//! over the tables of a database with `todos` (row level security) and the logins `authenticator`, `palisade_system`.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a measuring tool, run by hand")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use base::{Caller, DbRole};
use pg::{Config, Lane, Login, Mode, Once, Param, Pg, Reason, Server, Setup, Statement};

const SQL: &str =
    "select id,user_id,task,is_complete,priority,tags,meta,inserted_at from todos where id = $1";
const PAGE: &str = "select id,user_id,task,is_complete,priority,tags,meta,inserted_at from todos where id between $1 and $1::int8+99";

fn cpu_ns(pid: u32) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let one = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(path.join("schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|first| first.parse::<u64>().ok()).unwrap_or(0)
    };
    tasks.map(|task| one(task.unwrap().path())).sum()
}

fn backends_ns(postmaster: u32) -> u64 {
    let children = std::fs::read_to_string(format!("/proc/{postmaster}/task/{postmaster}/children")).unwrap();
    children.split_whitespace().map(|pid| cpu_ns(pid.parse().unwrap())).sum()
}

fn person(n: u64) -> Caller {
    let id = format!("00000000-0000-4000-8000-{n:012}");
    let claims = format!(
        r#"{{"aud":"authenticated","exp":1763763600,"iat":1763760000,"sub":"{id}","email":"user@example.com","phone":"","app_metadata":{{"provider":"email","providers":["email"]}},"user_metadata":{{}},"role":"authenticated","aal":"aal1","amr":[{{"method":"password","timestamp":1763760000}}],"session_id":"11111111-2222-4333-8444-555555555555","is_anonymous":false}}"#
    );
    Caller {
        role: DbRole::authenticated(),
        claimed_role: "authenticated".into(),
        claims: claims.into(),
        subject: id.as_str().into(),
        email: "user@example.com".into(),
        ..Caller::anonymous()
    }
}

async fn one(pg: &Pg, callers: &[Caller], sqls: &(Arc<str>, Arc<str>), mode: &str, n: u64) {
    let id = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) % 90_000 + 1;
    let caller = &callers[((id - 1) % 10_000) as usize];
    let statement = |sql: &Arc<str>| Statement::new(Arc::clone(sql), [Param::from(id as i64)]);
    match mode {
        "own" => {
            let ask = Once { lane: Lane::Own, ..Once::read(statement(&sqls.0)) };
            assert_eq!(pg.once(caller, ask).await.unwrap().into_inner().len(), 1);
        }
        "tx" => {
            let mut tx = pg.begin(caller, Mode::Write, Setup::default()).await.unwrap();
            tx.run(statement(&sqls.0)).await.unwrap();
            let _done = tx.commit(()).await.unwrap();
        }
        "system" => {
            let mut tx = pg.begin_system(Reason::Posture).await.unwrap();
            tx.query("select 1", []).await.unwrap();
            let _done = tx.commit(()).await.unwrap();
        }
        "page" => {
            let service = Caller::operator();
            assert_eq!(
                pg.once(&service, Once::read(statement(&sqls.1))).await.unwrap().into_inner().len(),
                100
            );
        }
        "quiet" => {
            let setup = Setup { leaves_nothing: true, ..Setup::default() };
            let ask = Once { setup, ..Once::read(statement(&sqls.0)) };
            assert_eq!(pg.once(caller, ask).await.unwrap().into_inner().len(), 1);
        }
        _ => assert_eq!(pg.once(caller, Once::read(statement(&sqls.0))).await.unwrap().into_inner().len(), 1),
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let args: Vec<String> = std::env::args().collect();
    let number = |at: usize| args[at].parse::<u64>().unwrap();
    let login = |name: &str| Login { name: name.into(), password: None };
    let server = Server::Socket { dir: args[1].clone().into(), port: number(2) as u16 };
    let mut config =
        Config::new(server, args[3].clone(), login("authenticator"), Some(login("palisade_system")));
    config.caps.short = number(7) as usize;
    let mode = args.get(8).map_or("short", String::as_str).to_owned();
    let postmaster = number(4) as u32;
    let pg = Pg::connect(config).unwrap();
    let callers: Arc<Vec<Caller>> = Arc::new((1..=10_000).map(person).collect());
    let sqls: (Arc<str>, Arc<str>) = (SQL.into(), PAGE.into());
    for n in 0..200 {
        one(&pg, &callers, &sqls, &mode, n).await;
    }
    let count = Arc::new(AtomicU64::new(0));
    let (before, ours, began) = (backends_ns(postmaster), cpu_ns(std::process::id()), Instant::now());
    let until = began + Duration::from_secs(number(5));
    let tasks: Vec<_> = (0..number(6))
        .map(|task| {
            let (pg, callers, count) = (pg.clone(), Arc::clone(&callers), Arc::clone(&count));
            let (sqls, mode) = (sqls.clone(), mode.clone());
            tokio::spawn(async move {
                let mut n = task << 32;
                while Instant::now() < until {
                    n += 1;
                    one(&pg, &callers, &sqls, &mode, n).await;
                    count.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let requests = count.load(Ordering::Relaxed);
    let per = |ns: u64| ns as f64 / 1e3 / requests as f64;
    println!(
        "{mode} tasks {} short {}: {:.0} req/s, ours {:.1} us, PostgreSQL {:.1} us per request",
        args[6],
        args[7],
        requests as f64 / began.elapsed().as_secs_f64(),
        per(cpu_ns(std::process::id()) - ours),
        per(backends_ns(postmaster) - before),
    );
}
