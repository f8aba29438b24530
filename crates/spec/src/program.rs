//! The running program: `palisade serve` or `palisade dev` on a data directory of its own, stopped when dropped.
//!
//! Invariant: nothing is waited for without a bound, and no server outlives its test.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// initdb, migrations and the demo's data, on a busy machine.
const START_SECONDS_MAX: u64 = 120;
/// Draining, and a shutdown of PostgreSQL.
const STOP_SECONDS_MAX: u64 = 30;

/// What the ready file says.
#[derive(Clone, Debug)]
pub struct Ready {
    /// The API.
    pub url: String,
    /// For browsers.
    pub publishable_key: String,
    /// For programs.
    pub secret_key: String,
    /// The public keys of tokens.
    pub jwks_url: String,
    /// The administrator's way into the database.
    pub database_url: String,
}

impl Ready {
    fn read(path: &Path) -> Option<Self> {
        let said: Value = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
        let text = |name: &str| said[name].as_str().map(str::to_owned);
        Some(Ready {
            url: text("url")?,
            publishable_key: text("publishable_key")?,
            secret_key: text("secret_key")?,
            jwks_url: text("jwks_url")?,
            database_url: text("database_url")?,
        })
    }
}

/// A running program.
pub struct Palisade {
    child: Child,
    home: TempDir,
    /// What its ready file said.
    pub ready: Ready,
}

impl Palisade {
    /// Starts `palisade MODE FLAGS` on an empty data directory and waits until it says it is ready.
    pub async fn start(mode: &str, flags: &[&str]) -> Self {
        Self::start_told(mode, flags, &[]).await
    }

    /// The same, with these variables in its environment.
    pub async fn start_told(mode: &str, flags: &[&str], told: &[(String, String)]) -> Self {
        // PostgreSQL is run by another user when the test is root, and has to get there.
        let for_all = std::fs::Permissions::from_mode(0o755);
        let home = tempfile::Builder::new().prefix("palisade-spec-").permissions(for_all).tempdir();
        Self::start_in(home.expect("a directory"), mode, flags, told).await
    }

    async fn start_in(home: TempDir, mode: &str, flags: &[&str], told: &[(String, String)]) -> Self {
        let ready_file = home.path().join("ready.json");
        let log_path = home.path().join("output.txt");
        let log = std::fs::File::create(&log_path).expect("a file for its output");
        let mut command = Command::new(binary());
        // As one types it: where the program runs says where that is.
        command.args([mode, "--data", "data"]);
        command.args(["--listen", "127.0.0.1:0", "--ready-file"]).arg(&ready_file).args(flags);
        command.current_dir(home.path()).stdin(Stdio::null());
        command.envs(told.iter().map(|(name, value)| (name, value)));
        command.stdout(log.try_clone().expect("a handle")).stderr(log);
        let mut child = command.spawn().expect("palisade starts");
        let began = Instant::now();
        loop {
            if let Some(ready) = Ready::read(&ready_file) {
                return Palisade { child, home, ready };
            }
            let output = || std::fs::read_to_string(&log_path).unwrap_or_default();
            if let Some(status) = child.try_wait().expect("a state") {
                panic!("palisade {mode} ended with {status}:\n{}", output());
            }
            if began.elapsed() > Duration::from_secs(START_SECONDS_MAX) {
                signal(&child, Signal::SIGTERM);
                panic!("palisade {mode} was not ready in {START_SECONDS_MAX} s:\n{}", output());
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }

    /// Its data directory.
    pub fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// Everything it printed.
    pub fn output(&self) -> String {
        std::fs::read_to_string(self.home.path().join("output.txt")).unwrap_or_default()
    }

    /// Its process.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Runs another command of the program against this one's data directory: `palisade posture --json`.
    pub async fn command(&self, words: &[&str]) -> std::process::Output {
        let mut command = Command::new(binary());
        command.args(words).arg("--data").arg(self.data()).current_dir(self.home.path());
        command.output().await.expect("palisade runs")
    }

    /// Asks it to end and waits for it.
    pub async fn stop(mut self) -> ExitStatus {
        signal(&self.child, Signal::SIGTERM);
        self.wait().await
    }

    /// Kills it outright, then starts it again on the same data.
    pub async fn kill_and_start_again(self, mode: &str, flags: &[&str]) -> Self {
        self.kill_and_start_again_told(mode, flags, &[]).await
    }

    /// The same, with these variables.
    pub async fn kill_and_start_again_told(
        mut self,
        mode: &str,
        flags: &[&str],
        told: &[(String, String)],
    ) -> Self {
        signal(&self.child, Signal::SIGKILL);
        self.wait().await;
        let kept = tempfile::tempdir().expect("a directory");
        let home = std::mem::replace(&mut self.home, kept);
        drop(self);
        // The old file would be taken for the new one's.
        let _ = std::fs::remove_file(home.path().join("ready.json"));
        Self::start_in(home, mode, flags, told).await
    }

    async fn wait(&mut self) -> ExitStatus {
        let ended = tokio::time::timeout(Duration::from_secs(STOP_SECONDS_MAX), self.child.wait()).await;
        ended.unwrap_or_else(|_| panic!("still running after {STOP_SECONDS_MAX} s")).expect("a state")
    }
}

impl Drop for Palisade {
    /// Asked, not killed: it stops its PostgreSQL itself.
    fn drop(&mut self) {
        signal(&self.child, Signal::SIGTERM);
        let end = Instant::now() + Duration::from_secs(STOP_SECONDS_MAX);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < end {
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }
}

fn signal(child: &Child, signal: Signal) {
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
        // Gone already is as good as ended.
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

/// The program, built beside the tests.
pub fn binary() -> PathBuf {
    let path = target().join("debug/palisade");
    assert!(
        path.exists(),
        "{} is not built: `cargo xtask test` builds it, or `cargo build -p app`",
        path.display()
    );
    path
}

/// Cargo's target directory, seen from a running test.
pub(crate) fn target() -> PathBuf {
    let test = std::env::current_exe().expect("a path");
    let above =
        test.ancestors().find(|place| place.join("debug").is_dir() && place.join("CACHEDIR.TAG").exists());
    above.expect("a test below a target directory").to_owned()
}
