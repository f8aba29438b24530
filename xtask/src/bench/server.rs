//! The server under measurement: the release build of `palisade serve`, on data of its own.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::database::{PASSWORD, user_email};
use super::load::Connection;
use super::process;
use crate::setup::Tools;
use crate::shell;
use crate::workspace::Workspace;

/// One session makes more requests here than the guide allows a thousand of. Limits stay on: counting is part of the cost.
pub const RAISED: &str = "rate_limiting:
  per_minute: 1000000000
  per_hour: 1000000000
  endpoints:
    - { path: /auth/v1/token, per_minute: 100000, per_hour: 100000 }
server:
  trusted_proxies: [127.0.0.1]
data:
  max_rows: 100000
graphql:
  max_complexity: 3000
alerts:
  unusual_api_activity: { threshold: 1000000 }
";

/// Each has a folder of its own.
static STARTED: AtomicU32 = AtomicU32::new(0);

const START_SECONDS_MAX: u64 = 60;
/// At most how long it may take until it has tried its controls and rests.
const REST_SECONDS_MAX: u64 = 30;

/// A running `palisade serve`.
pub struct Server {
    child: Child,
    home: PathBuf,
    address: SocketAddr,
    ready: Value,
    idle_kib: u64,
}

impl Server {
    pub fn start(workspace: &Workspace, tools: &Tools) -> Result<Self> {
        Self::started(workspace, tools, RAISED, &[])
    }

    /// One with other settings.
    pub fn started(workspace: &Workspace, tools: &Tools, settings: &str, flags: &[&str]) -> Result<Self> {
        shell::show(&mut workspace.cargo(&[
            "build",
            "--release",
            "--package",
            "app",
            "--features",
            "app/bench",
        ]))?;
        let name =
            format!("palisade-bench-{}-{}", std::process::id(), STARTED.fetch_add(1, Ordering::Relaxed));
        let home = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&home)?;
        // PostgreSQL is run by another user when this is root, and has to get there.
        std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o755))?;
        let ready_file = home.join("ready.json");
        let mut command =
            shell::program(workspace.target.join("release/palisade"), &["serve", "--listen", "127.0.0.1:0"]);
        // Mails go into files: endpoints that send some are measured too.
        let mails = format!("email:\n  file_dir: {}\n", home.join("data/mails").display());
        std::fs::write(home.join("palisade.yaml"), format!("{settings}{mails}"))?;
        command.arg("--data").arg(home.join("data")).arg("--ready-file").arg(&ready_file).args(flags);
        let log = std::fs::File::create(home.join("output.txt"))?;
        command.current_dir(&home).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let mut child = tools.equip(&mut command)?.spawn().context("cannot start palisade")?;
        let ready = wait_for(&mut child, &home, &ready_file)?;
        let address = ready["url"]
            .as_str()
            .and_then(|url| url.split_once("://"))
            .map(|(_, authority)| authority.replace("localhost", "127.0.0.1"))
            .context("no address")?
            .parse()?;
        wait_for_rest(child.id());
        let idle_kib = process::resident_kib(child.id())?;
        Ok(Server { child, home, address, ready, idle_kib })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its data folder is.
    pub fn home(&self) -> &Path {
        &self.home
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn idle_kib(&self) -> u64 {
        self.idle_kib
    }

    /// Passes by row level security.
    pub fn secret_key(&self) -> &str {
        self.ready["secret_key"].as_str().unwrap_or_default()
    }

    /// For browsers.
    pub fn publishable_key(&self) -> &str {
        self.ready["publishable_key"].as_str().unwrap_or_default()
    }

    pub fn database_url(&self) -> &str {
        self.ready["database_url"].as_str().unwrap_or_default()
    }

    /// Signs in the first users, by password, as anybody would; returns their access tokens.
    pub fn sign_in(&self, count: usize) -> Result<Vec<String>> {
        println!(" … signing in {count} users");
        let key = self.ready["publishable_key"].as_str().context("no key")?;
        let mut connection = Connection::open(self.address)?;
        let mut sign_in = |user: usize| -> Result<String> {
            let email = user_email(user as u64);
            let body = serde_json::json!({ "email": email, "password": PASSWORD }).to_string();
            let answer = connection.send("POST", "/auth/v1/token?grant_type=password", key, &[], &body)?;
            let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            let token = said["access_token"].as_str();
            token
                .map(str::to_owned)
                .with_context(|| format!("{email} could not sign in: {} {said}", answer.status))
        };
        (0..count).map(&mut sign_in).collect()
    }

    pub fn stop(mut self) -> Result<()> {
        self.end();
        Ok(())
    }

    /// Asks it to end, so that it stops its PostgreSQL, and removes what it kept.
    fn end(&mut self) {
        if self.home.exists() {
            let pid = self.child.id().to_string();
            // Gone already is as good as ended.
            let _ = shell::look(&mut shell::program("kill", &["-TERM", &pid]));
            let _ = self.child.wait();
            let _ = std::fs::remove_dir_all(&self.home);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// Until a second passes in which it uses next to no CPU.
fn wait_for_rest(pid: u32) {
    for _ in 0..REST_SECONDS_MAX {
        let before = process::cpu_us(pid);
        std::thread::sleep(Duration::from_secs(1));
        if process::cpu_us(pid).saturating_sub(before) <= 10_000 {
            return;
        }
    }
}

fn wait_for(child: &mut Child, home: &Path, ready_file: &Path) -> Result<Value> {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(START_SECONDS_MAX) {
        if let Some(ready) =
            std::fs::read(ready_file).ok().and_then(|text| serde_json::from_slice(&text).ok())
        {
            return Ok(ready);
        }
        if let Some(status) = child.try_wait()? {
            let printed = std::fs::read_to_string(home.join("output.txt")).unwrap_or_default();
            bail!("palisade ended with {status}:\n{printed}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    bail!("palisade was not ready in {START_SECONDS_MAX} s");
}
