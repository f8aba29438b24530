//! The vendors' own clients, as the set-up installed them: programs in `sdk/`, run against a running Palisade.
//!
//! A client that is missing is a failure, never a skipped test.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::TestApp;
use crate::program::{Palisade, target};

/// Every claim of one program, with room for a slow machine.
const PROGRAM_SECONDS_MAX: u64 = 180;

const SDK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/sdk");

/// What a program is told besides where Palisade is.
pub type Told<'a> = &'a [(&'a str, &'a Path)];

/// Runs `sdk/node/NAME` with the pinned packages; returns what it printed and whether it held.
pub async fn node(palisade: &Palisade, name: &str) -> (bool, String) {
    node_told(palisade, name, &[]).await
}

/// The same, with `told` in its environment.
pub async fn node_told(palisade: &Palisade, name: &str, told: Told<'_>) -> (bool, String) {
    let place = tempfile::tempdir().expect("a directory");
    let mut command = with_packages(place.path(), name);
    command.envs(told.iter().copied());
    // The programs that need a browser find it here; the set-up put it there.
    command.env("PALISADE_BROWSER", target().join("tools/bin/browser"));
    run(palisade, command).await
}

/// Node and one of the programs, beside the pinned packages.
fn with_packages(place: &Path, name: &str) -> Command {
    let tools = target().join("tools");
    for entry in std::fs::read_dir(Path::new(SDK).join("node")).expect("the programs") {
        let path = entry.expect("an entry").path();
        if let Some(file) = path.file_name().filter(|_| path.is_file()) {
            std::fs::copy(&path, place.join(file)).expect("copied");
        }
    }
    let packages = tools.join("sdk/node_modules");
    std::os::unix::fs::symlink(installed(&packages), place.join("node_modules")).expect("linked");
    let mut command = Command::new(installed(&tools.join("bin/node")));
    command.arg(place.join(name));
    command
}

/// Runs `sdk/python/NAME` in the environment of the pinned packages.
pub async fn python(palisade: &Palisade, name: &str) -> (bool, String) {
    python_told(palisade, name, &[]).await
}

/// The same, with `told` in its environment.
pub async fn python_told(palisade: &Palisade, name: &str, told: Told<'_>) -> (bool, String) {
    let mut command = Command::new(installed(&target().join("tools/python/bin/python")));
    command.args(["-B", "-u"]).arg(Path::new(SDK).join("python").join(name));
    command.envs(told.iter().copied());
    run(palisade, command).await
}

/// The same against an instance in this process.
pub async fn python_at(app: &TestApp, name: &str, told: Told<'_>) -> (bool, String) {
    let mut command = Command::new(installed(&target().join("tools/python/bin/python")));
    command.args(["-B", "-u"]).arg(Path::new(SDK).join("python").join(name));
    command.envs(told.iter().copied());
    command.env("PALISADE_URL", format!("http://{}", app.running.address));
    command.env("PALISADE_KEY", &app.running.keys.publishable);
    command.env("PALISADE_SECRET", app.running.keys.secret.expose());
    ended(command).await
}

/// Starts a real mail server that catches into `place`; it ends with what is returned.
pub async fn mail_server(place: &Path) -> tokio::process::Child {
    let mut command = Command::new(installed(&target().join("tools/python/bin/python")));
    command.args(["-B", "-u"]).arg(Path::new(SDK).join("python/mail_server.py")).arg(place);
    let server = command.stdin(Stdio::null()).kill_on_drop(true).spawn().expect("the mail server starts");
    for _ in 0..400 {
        if place.join("port").exists() {
            return server;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the mail server did not say its port");
}

async fn run(palisade: &Palisade, mut command: Command) -> (bool, String) {
    command.env("PALISADE_URL", &palisade.ready.url);
    command.env("PALISADE_KEY", &palisade.ready.publishable_key);
    command.env("PALISADE_SECRET", &palisade.ready.secret_key);
    command.env("PALISADE_BROWSER", target().join("tools/bin/browser"));
    ended(command).await
}

async fn ended(mut command: Command) -> (bool, String) {
    command.stdin(Stdio::null()).kill_on_drop(true);
    let ended = tokio::time::timeout(Duration::from_secs(PROGRAM_SECONDS_MAX), command.output()).await;
    let output = ended.expect("the program ends in time").expect("the program runs");
    let text =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (output.status.success(), text)
}

fn installed(path: &Path) -> &Path {
    assert!(path.exists(), "{} is not installed: `cargo xtask test` installs it", path.display());
    path
}
