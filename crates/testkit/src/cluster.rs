//! The one PostgreSQL of a test process.
//!
//! It dies with the process twice over: the server's own parent-death signal, and a small shell that waits for the end
//! of a pipe only we hold, then stops what is left and removes the directory. A machine that lost power leaves a
//! directory whose lock is free; the next test process removes it.

use std::fs::{self, File};
use std::io::PipeWriter;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use base::Rng;
use pg::bootstrap::{Logins, Wanted};
use pg::managed::{Durability, ManagedConfig, Server};

use crate::sure;

/// A running server with the roles of a bootstrap.
pub struct Cluster {
    /// The server.
    pub server: Server,
    /// The three logins, the same in every database.
    pub logins: Logins,
    /// Ends the shell below when the process ends.
    _alive: (PipeWriter, Child),
}

static CLUSTER: OnceLock<Cluster> = OnceLock::new();

impl Cluster {
    /// Starts it, or waits for the test that does.
    pub async fn shared() -> &'static Cluster {
        let started = tokio::task::spawn_blocking(|| CLUSTER.get_or_init(start)).await;
        sure(started, "starting the cluster")
    }
}

fn start() -> Cluster {
    let root = std::env::temp_dir().join("palisade-testkit");
    sure(fs::create_dir_all(&root), "making a directory for clusters");
    // For tests as several users; what lies in it is private to each.
    let _ = fs::set_permissions(&root, fs::Permissions::from_mode(0o1777));
    remove_abandoned(&root);
    let dir = root.join(format!("{}-{}", std::process::id(), hex(&Rng::system().bytes::<4>())));
    let alive = clean_up_after_us(&dir);
    let config = ManagedConfig {
        durability: Durability::Throwaway,
        max_connections: 400,
        ..ManagedConfig::new(&dir, Rng::system())
    };
    let server = sure(Server::start_blocking(config), "starting PostgreSQL");
    let logins = sure(Logins::load_or_create(&dir, &Rng::system()), "making passwords");
    let admin = server.admin("postgres");
    let wanted = Wanted::embedded(logins.clone());
    // Connections belong to the runtime they are made in: this one is for the bootstrap alone.
    let runtime =
        sure(tokio::runtime::Builder::new_current_thread().enable_all().build(), "making a runtime");
    sure(runtime.block_on(pg::bootstrap::run(&admin, &wanted)), "the bootstrap");
    Cluster { server, logins, _alive: alive }
}

const AFTER_US: &str = r#"
cat >/dev/null
place=$(cat "$1/postgres.location" 2>/dev/null || echo "$1")
socket=$(cat "$1/socket.location" 2>/dev/null || echo "$1")
pid=$(head -n 1 "$place/cluster/postmaster.pid" 2>/dev/null)
[ -n "$pid" ] && kill -QUIT "$pid" 2>/dev/null
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  [ -e "$place/cluster/postmaster.pid" ] || break
  kill -0 "$pid" 2>/dev/null || break
  sleep 0.1
done
rm -rf "$1" "$place" "$socket"
"#;

/// In a process group of its own, or Ctrl-C would end it before it has done its work.
fn clean_up_after_us(dir: &Path) -> (PipeWriter, Child) {
    use std::os::unix::process::CommandExt;
    let (reader, writer) = sure(std::io::pipe(), "making a pipe");
    let mut shell = Command::new("sh");
    shell.args(["-c", AFTER_US, "sh"]).arg(dir).process_group(0);
    shell.stdin(reader).stdout(Stdio::null()).stderr(Stdio::null());
    let shell = sure(shell.spawn(), "starting the shell that cleans up");
    (writer, shell)
}

fn remove_abandoned(root: &Path) {
    let dirs: Vec<PathBuf> =
        fs::read_dir(root).into_iter().flatten().filter_map(|dir| Some(dir.ok()?.path())).collect();
    for dir in dirs {
        let Ok(lock) = File::options().write(true).open(dir.join("palisade.lock")) else { continue };
        let runs = dir.file_name().and_then(|name| name.to_str()).is_some_and(is_alive);
        if !runs && lock.try_lock().is_ok() {
            // Another user's, or being removed by its own shell: either way not ours to finish.
            let _ = fs::remove_dir_all(&dir);
        }
    }
}

/// A directory is named after its process; one that has not taken its lock yet is not abandoned.
fn is_alive(name: &str) -> bool {
    name.split('-').next().is_some_and(|pid| Path::new("/proc").join(pid).exists())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
