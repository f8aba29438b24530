//! The embedded server: private, durable, and back after a kill of either side.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use base::{Caller, Rng};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid, User};
use pg::bootstrap::{self, Logins, Wanted};
use pg::managed::{Durability, ManagedConfig, Server, State};
use pg::{Config, Once, Pg, Statement};

/// A directory that PostgreSQL's user may pass through, and a configuration in it.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let dir = tempfile::Builder::new().prefix("pg").tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
        Place { dir }
    }

    fn home(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn config(&self) -> ManagedConfig {
        config(&self.home())
    }

    async fn start(&self) -> Server {
        Server::start(self.config()).await.unwrap()
    }
}

fn config(home: &Path) -> ManagedConfig {
    ManagedConfig {
        durability: Durability::Throwaway,
        max_connections: 30,
        ..ManagedConfig::new(home, Rng::system())
    }
}

fn pid(server: &Server) -> Pid {
    match server.state() {
        State::Running { pid, .. } => Pid::from_raw(pid.try_into().unwrap()),
        other => panic!("{other:?}"),
    }
}

async fn ask(server: &Server, sql: &str) -> String {
    let client = server.admin("postgres").connect().await.unwrap();
    client.query_one(sql, &[]).await.unwrap().get(0)
}

async fn run(server: &Server, sql: &str) {
    server.admin("postgres").connect().await.unwrap().batch_execute(sql).await.unwrap();
}

#[tokio::test]
async fn it_is_private_and_checks_its_pages() {
    let place = Place::new();
    let config = ManagedConfig {
        initdb_args: vec!["--data-checksums".into()],
        ..ManagedConfig::new(place.home(), Rng::system())
    };
    let server = Server::start(config).await.unwrap();
    for (setting, expected) in [
        ("data_checksums", "on"),
        ("listen_addresses", ""),
        ("unix_socket_permissions", "0700"),
        ("password_encryption", "scram-sha-256"),
        ("fsync", "on"),
        ("full_page_writes", "on"),
        ("synchronous_commit", "on"),
        ("server_encoding", "UTF8"),
    ] {
        assert_eq!(
            ask(&server, &format!("SELECT current_setting('{setting}')")).await,
            expected,
            "{setting}"
        );
    }
    let methods = "SELECT string_agg(DISTINCT auth_method, ',') FROM pg_hba_file_rules";
    assert_eq!(ask(&server, methods).await, "scram-sha-256");
    assert_eq!(ask(&server, "SELECT upper('äß€')").await, "Ä\u{df}€", "the locale is not UTF-8");
    let mut stranger = server.admin("postgres");
    stranger.login.password = None;
    assert!(stranger.connect().await.is_err(), "no password, and in");
    let mode = std::fs::metadata(place.home().join("superuser.password")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // An attempt by ALTER SYSTEM to open a port does not survive: the command line wins.
    run(&server, "ALTER SYSTEM SET listen_addresses = '*'").await;
    server.stop().await.unwrap();
    let server = place.start().await;
    assert_eq!(ask(&server, "SELECT current_setting('listen_addresses')").await, "");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_second_start_finds_the_data_again() {
    let place = Place::new();
    let server = place.start().await;
    run(&server, "CREATE TABLE public.kept AS SELECT 'here' AS x").await;
    let (state, process) = (server.watch(), pid(&server));
    server.stop().await.unwrap();
    assert_eq!(*state.borrow(), State::Stopped);
    assert!(kill(process, None).is_err(), "the process is still there");
    let server = place.start().await;
    assert_eq!(ask(&server, "SELECT x FROM public.kept").await, "here");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn stopping_does_not_wait_for_idle_clients() {
    let place = Place::new();
    let server = place.start().await;
    let client = server.admin("postgres").connect().await.unwrap();
    client.batch_execute("BEGIN; CREATE TABLE public.half (id int)").await.unwrap();
    server.stop().await.unwrap();
    assert!(client.batch_execute("SELECT 1").await.is_err());
}

#[tokio::test]
async fn two_palisades_cannot_share_a_directory() {
    let place = Place::new();
    let server = place.start().await;
    let error = Server::start(place.config()).await.err().unwrap().to_string();
    assert!(error.contains("another Palisade is using"), "{error}");
    server.stop().await.unwrap();
    place.start().await.stop().await.unwrap();
}

#[tokio::test]
async fn killed_postgres_comes_back_with_what_was_committed() {
    let place = Place::new();
    // Full durability: what was committed must be there after the crash.
    let config = ManagedConfig { durability: Durability::Full, ..place.config() };
    let server = Server::start(config).await.unwrap();
    run(&server, "CREATE TABLE public.kept AS SELECT 'here' AS x").await;
    let first = pid(&server);
    for round in 1..=2 {
        let victim = pid(&server);
        kill(victim, Signal::SIGKILL).unwrap();
        let mut state = server.watch();
        let back =
            state.wait_for(|state| matches!(state, State::Running { restarts, .. } if *restarts == round));
        tokio::time::timeout(std::time::Duration::from_secs(20), back).await.unwrap().unwrap();
        assert_eq!(ask(&server, "SELECT x FROM public.kept").await, "here");
    }
    assert_ne!(pid(&server), first);
    server.stop().await.unwrap();
}

/// Numbers are written one commit at a time while the server is killed; every one that was confirmed is there after.
async fn killed_while_writing(kills: u32) {
    let place = Place::new();
    let config = ManagedConfig { durability: Durability::Full, ..place.config() };
    let server = Server::start(config).await.unwrap();
    run(&server, "CREATE TABLE public.written (n int PRIMARY KEY)").await;
    let (mut next, mut confirmed) = (0, Vec::new());
    for round in 1..=kills {
        let victim = pid(&server);
        let client = server.admin("postgres").connect().await.unwrap();
        let upto = next + 20 + 7 * i32::try_from(round % 5).unwrap();
        loop {
            next += 1;
            if client.execute("INSERT INTO public.written VALUES ($1)", &[&next]).await.is_err() {
                break;
            }
            confirmed.push(next);
            if next == upto {
                kill(victim, Signal::SIGKILL).unwrap();
            }
        }
        let mut state = server.watch();
        let back =
            state.wait_for(|state| matches!(state, State::Running { restarts, .. } if *restarts == round));
        tokio::time::timeout(std::time::Duration::from_secs(60), back).await.unwrap().unwrap();
    }
    let client = server.admin("postgres").connect().await.unwrap();
    let found: Vec<i32> =
        client.query_one("SELECT array_agg(n) FROM public.written", &[]).await.unwrap().get(0);
    let lost: Vec<_> = confirmed.iter().filter(|n| !found.contains(n)).collect();
    assert!(lost.is_empty(), "confirmed and lost: {lost:?}");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_kill_loses_nothing_that_was_confirmed() {
    killed_while_writing(2).await;
}

#[tokio::test]
#[ignore = "long: 12 kills, with the growing pauses between restarts"]
async fn soak_a_kill_loses_nothing_that_was_confirmed() {
    killed_while_writing(12).await;
}

#[tokio::test]
async fn the_lanes_find_a_restarted_server_by_themselves() {
    let place = Place::new();
    let server = place.start().await;
    let logins = Logins::load_or_create(&place.home(), &Rng::system()).unwrap();
    bootstrap::run(&server.admin("postgres"), &Wanted::embedded(logins.clone())).await.unwrap();
    let config = Config::new(server.address(), "palisade", logins.authenticator, Some(logins.system));
    let pg = Pg::connect(config).unwrap();
    let ask = async || {
        let statement = Statement::new("SELECT pg_postmaster_start_time()::text", []);
        let rows = pg.once(&Caller::anonymous(), Once::read(statement)).await?.into_inner();
        rows.first().unwrap().at::<String>(0)
    };
    let before = ask().await.unwrap();
    kill(pid(&server), Signal::SIGKILL).unwrap();
    let after = testkit::eventually(async || ask().await.ok().filter(|started| *started != before));
    assert_ne!(after.await, before);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_killed_backend_is_postgresqls_own_affair() {
    let place = Place::new();
    let server = place.start().await;
    let client = server.admin("postgres").connect().await.unwrap();
    let backend: i32 = client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    kill(Pid::from_raw(backend), Signal::SIGKILL).unwrap();
    testkit::eventually(async || {
        let client = server.admin("postgres").connect().await.ok()?;
        client.query_one("SELECT 1", &[]).await.ok()
    })
    .await;
    assert!(matches!(server.state(), State::Running { restarts: 0, .. }));
    server.stop().await.unwrap();
}

/// The example `embedded`, which Cargo builds with the tests.
fn program() -> PathBuf {
    let deps = std::env::current_exe().unwrap();
    let exe = deps.parent().unwrap().parent().unwrap().join("examples/embedded");
    assert!(exe.exists(), "`cargo test -p pg` builds {exe:?}; `--test it` alone does not");
    exe
}

/// A server in a process of its own, to be killed.
struct Program {
    child: Child,
    postgres: Pid,
}

impl Program {
    fn start(home: &Path, exe: &Path, user: Option<u32>) -> Program {
        let mut command = Command::new(exe);
        command
            .arg(home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .current_dir("/");
        if let Some(user) = user {
            command.uid(user).gid(user);
        }
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
        let ready =
            lines.map(Result::unwrap).find(|line| line.starts_with("ready ")).expect("it did not start");
        let postgres = ready.split(' ').nth(1).unwrap().parse().unwrap();
        Program { child, postgres: Pid::from_raw(postgres) }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[tokio::test]
async fn a_killed_palisade_takes_postgres_along_and_the_next_start_recovers() {
    let place = Place::new();
    let mut program = Program::start(&place.home(), &program(), None);
    program.kill();
    let gone = testkit::eventually(async || kill(program.postgres, None).is_err().then_some(()));
    gone.await;
    let server = place.start().await;
    assert_eq!(ask(&server, "SELECT 'fine'::text").await, "fine");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_killed_palisade_and_an_immediate_start_do_not_collide() {
    let place = Place::new();
    let mut program = Program::start(&place.home(), &program(), None);
    program.kill();
    // PostgreSQL may still be shutting down.
    let server = place.start().await;
    assert_ne!(pid(&server), program.postgres);
    server.stop().await.unwrap();
}

/// What a kill leaves where there is no `setpriv`: a server that nobody owns.
#[tokio::test]
async fn an_orphaned_server_is_stopped_and_replaced() {
    let place = Place::new();
    let server = place.start().await;
    run(&server, "CREATE TABLE public.kept AS SELECT 'here' AS x").await;
    let line = std::fs::read(format!("/proc/{}/cmdline", pid(&server))).unwrap();
    let mut words = line.split(|byte| *byte == 0).map(|word| String::from_utf8(word.to_vec()).unwrap());
    let variables = std::fs::read(format!("/proc/{}/environ", pid(&server))).unwrap();
    let variables = String::from_utf8(variables).unwrap();
    let variables: Vec<(&str, &str)> =
        variables.split('\0').filter_map(|variable| variable.split_once('=')).collect();
    let user = owner_of(server.cluster_dir());
    let (socket, cluster) = (server.admin("postgres"), server.cluster_dir().to_owned());
    server.stop().await.unwrap();
    let mut orphan = Command::new(words.next().unwrap());
    let mut words: Vec<String> = words.collect();
    words.pop();
    // Where it finds its libraries, too.
    orphan
        .args(words)
        .env_clear()
        .envs(variables)
        .current_dir("/")
        .uid(user.0)
        .gid(user.1)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut orphan = orphan.spawn().unwrap();
    testkit::eventually(async || socket.connect().await.ok()).await;
    assert!(cluster.join("postmaster.pid").exists());
    let server = place.start().await;
    assert!(orphan.wait().unwrap().success(), "it was not asked politely");
    assert_eq!(ask(&server, "SELECT x FROM public.kept").await, "here");
    server.stop().await.unwrap();
}

fn owner_of(path: &Path) -> (u32, u32) {
    let metadata = std::fs::metadata(path).unwrap();
    (std::os::unix::fs::MetadataExt::uid(&metadata), std::os::unix::fs::MetadataExt::gid(&metadata))
}

#[tokio::test]
async fn a_stale_pid_file_with_a_living_number_is_no_obstacle() {
    let place = Place::new();
    let server = place.start().await;
    let pid_file = server.cluster_dir().join("postmaster.pid");
    let text = std::fs::read_to_string(&pid_file).unwrap();
    server.stop().await.unwrap();
    let (_, rest) = text.split_once('\n').unwrap();
    std::fs::write(&pid_file, format!("{}\n{rest}", std::process::id())).unwrap();
    place.start().await.stop().await.unwrap();
}

#[tokio::test]
async fn a_cluster_that_was_never_finished_is_made_anew() {
    let place = Place::new();
    let half = place.home().join("cluster.new");
    std::fs::create_dir_all(&half).unwrap();
    std::fs::write(half.join("PG_VERSION"), "15").unwrap();
    place.start().await.stop().await.unwrap();
    assert!(!half.exists() && !place.home().join("initdb.password").exists());
}

#[tokio::test]
async fn a_cluster_of_another_version_is_refused_by_name() {
    let place = Place::new();
    place.start().await.stop().await.unwrap();
    std::fs::write(place.home().join("cluster/PG_VERSION"), "9.6\n").unwrap();
    let error = Server::start(place.config()).await.err().unwrap().to_string();
    assert!(error.contains("PostgreSQL 9.6 made it") && error.contains("PALISADE_PG_BIN"), "{error}");
}

#[tokio::test]
async fn a_server_that_cannot_start_says_what_its_log_says() {
    let place = Place::new();
    place.start().await.stop().await.unwrap();
    std::fs::remove_file(place.home().join("cluster/global/pg_control")).unwrap();
    let error = Server::start(place.config()).await.err().unwrap().to_string();
    assert!(error.contains("pg_control") && error.contains("postgres.log"), "{error}");
}

#[tokio::test]
async fn a_password_others_can_read_stops_the_start() {
    let place = Place::new();
    place.start().await.stop().await.unwrap();
    let file = place.home().join("superuser.password");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = Server::start(place.config()).await.err().unwrap().to_string();
    assert!(error.contains("chmod 600"), "{error}");
}

#[tokio::test]
async fn a_path_too_long_for_a_socket_moves_the_socket_and_remembers() {
    let place = Place::new();
    let home = place.home().join("a-directory-with-a-rather-long-name/".repeat(3));
    let server = Server::start(config(&home)).await.unwrap();
    let socket = server.socket_dir().to_owned();
    assert!(!socket.starts_with(&home) && socket.as_os_str().len() < 80, "{socket:?}");
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    server.stop().await.unwrap();
    let server = Server::start(config(&home)).await.unwrap();
    assert_eq!(server.socket_dir(), socket);
    assert_eq!(ask(&server, "SELECT 'fine'::text").await, "fine");
    server.stop().await.unwrap();
    // A directory somebody else made under the remembered name is not used.
    std::fs::remove_dir_all(&socket).unwrap();
    std::fs::create_dir(&socket).unwrap();
    let server = Server::start(config(&home)).await.unwrap();
    let other = server.socket_dir().to_owned();
    assert_ne!(other, socket);
    server.stop().await.unwrap();
    std::fs::remove_dir_all(&socket).unwrap();
    std::fs::remove_dir_all(&other).unwrap();
}

#[tokio::test]
async fn as_root_it_runs_as_somebody_else() {
    if !Uid::effective().is_root() {
        return;
    }
    let place = Place::new();
    let server = place.start().await;
    let (uid, _) = owner_of(Path::new(&format!("/proc/{}", pid(&server))));
    assert_ne!(uid, 0);
    let groups = std::fs::read_to_string(format!("/proc/{}/status", pid(&server))).unwrap();
    let groups = groups.lines().find_map(|line| line.strip_prefix("Groups:")).unwrap().trim().to_owned();
    assert_eq!(groups, "", "it kept root's groups");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn as_root_a_closed_parent_moves_the_cluster_and_remembers() {
    if !Uid::effective().is_root() {
        return;
    }
    let place = Place::new();
    std::fs::set_permissions(place.dir.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let server = place.start().await;
    let cluster = server.cluster_dir().to_owned();
    assert!(cluster.starts_with("/var/lib/palisade"), "{cluster:?}");
    run(&server, "CREATE TABLE public.kept AS SELECT 'here' AS x").await;
    server.stop().await.unwrap();
    let server = place.start().await;
    assert_eq!(ask(&server, "SELECT x FROM public.kept").await, "here");
    server.stop().await.unwrap();
    std::fs::remove_dir_all(cluster.parent().unwrap()).unwrap();
}

#[tokio::test]
async fn as_an_ordinary_user_it_runs_as_ourselves() {
    if !Uid::effective().is_root() {
        // Then every other test here has shown it.
        return;
    }
    let place = Place::new();
    let nobody = User::from_name("nobody").unwrap().unwrap();
    // The build directory may be closed to others.
    let exe = place.dir.path().join("program");
    std::fs::copy(program(), &exe).unwrap();
    let home = place.home();
    std::fs::create_dir(&home).unwrap();
    nix::unistd::chown(&home, Some(nobody.uid), Some(nobody.gid)).unwrap();
    let mut program = Program::start(&home, &exe, Some(nobody.uid.as_raw()));
    let (uid, _) = owner_of(Path::new(&format!("/proc/{}", program.postgres)));
    assert_eq!(uid, nobody.uid.as_raw());
    program.kill();
    testkit::eventually(async || kill(program.postgres, None).is_err().then_some(())).await;
    // Root comes to a cluster of somebody else's and keeps it theirs.
    let server = place.start().await;
    let (uid, _) = owner_of(Path::new(&format!("/proc/{}", pid(&server))));
    assert_eq!(uid, nobody.uid.as_raw());
    server.stop().await.unwrap();
}
