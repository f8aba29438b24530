//! `cargo xtask run`: the first command of the README.
//!
//! A debug build: it shares its dependencies with the tests, starts in a fraction of the time a release build takes to
//! compile, and passwords are hashed by optimised code in either.

use std::os::unix::process::CommandExt;

use anyhow::{Context, Result};

use crate::setup;
use crate::shell;
use crate::workspace::Workspace;

pub fn run(flags: &[&str]) -> Result<()> {
    let workspace = Workspace::find()?;
    println!("Looking at what this machine has");
    let tools = setup::for_running(&workspace)?;
    println!("Building Palisade (the first time takes a few minutes)");
    shell::quiet(&mut workspace.cargo(&["build", "--package", "app"]))?;
    let mut palisade = shell::program(workspace.target.join("debug/palisade"), &["dev"]);
    palisade.args(flags).current_dir(&workspace.root);
    let chooses_data = flags.iter().any(|flag| *flag == "--data" || flag.starts_with("--data="));
    if !chooses_data {
        palisade.args(["--data", "./data"]);
    }
    // Becomes the server, so that Ctrl-C and signals reach it and nothing stands between.
    Err(tools.equip(&mut palisade)?.exec()).context("cannot start palisade")
}
