//! A Redis server for the tests of the shared store. Palisade itself needs none.
//!
//! Never installed for the whole machine: that would leave a service listening on it.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::debian::Unpacked;
use super::{found, system};
use crate::shell;
use crate::workspace::Workspace;

/// The machine's server, or its package's; the directory is for `PATH`.
pub fn find_or_install(workspace: &Workspace) -> Result<Option<PathBuf>> {
    let path = system::variable("PATH").unwrap_or_default();
    if std::env::split_paths(&path).any(|folder| speaks_tls(&folder.join("redis-server"))) {
        found("Redis", "the machine's own, for tests");
        return Ok(None);
    }
    let unpacked = Unpacked::get(workspace, "Redis", &["redis-server"])?;
    let server = unpacked.program("usr/bin/redis-server")?;
    if !speaks_tls(&server) {
        bail!("{} does not run from its package, or without TLS", server.display());
    }
    found("Redis", &format!("{}, for tests", server.display()));
    Ok(server.parent().map(Path::to_owned))
}

/// Whether it starts, and was built with TLS: one without takes no certificate, and ends over it.
fn speaks_tls(server: &Path) -> bool {
    let asked = ["--tls-cert-file", "/nowhere", "--port", "0", "--tls-port", "0", "--save", ""];
    shell::look(&mut shell::program(server, &["--version"])).is_some()
        && shell::program(server, &asked)
            .stdin(std::process::Stdio::null())
            .output()
            .is_ok_and(|output| !String::from_utf8_lossy(&output.stderr).contains("Bad directive"))
}
