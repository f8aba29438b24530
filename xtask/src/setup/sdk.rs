//! The vendors' own clients, unmodified and pinned: what the spec drives Palisade with.
//!
//! What is pinned lies in `crates/spec/sdk`; it is installed into `target/tools`, and again only when the pins change.

use std::path::Path;

use anyhow::{Context, Result};

use super::node::Node;
use super::{found, missing, python, write_if_changed};
use crate::shell;
use crate::workspace::Workspace;

/// supabase-js into `target/tools/sdk/node_modules`.
pub fn node(workspace: &Workspace, node: &Node) -> Result<()> {
    let pins = workspace.root.join("crates/spec/sdk/node");
    let place = workspace.tools().join("sdk");
    let lock = read(&pins.join("package-lock.json"))?;
    let done = place.join("node_modules/.installed");
    if std::fs::read_to_string(&done).is_ok_and(|installed| installed == lock) {
        found("supabase-js", "as pinned, in target/tools/sdk");
        return Ok(());
    }
    missing("supabase-js", "installing the pinned packages into target/tools/sdk");
    write_if_changed(&place.join("package.json"), &read(&pins.join("package.json"))?)?;
    write_if_changed(&place.join("package-lock.json"), &lock)?;
    let mut install = node.npm(&["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
    shell::show(install.current_dir(&place))?;
    write_if_changed(&done, &lock)?;
    Ok(())
}

/// `supabase` into the Python environment.
pub fn python(workspace: &Workspace) -> Result<()> {
    let pins = workspace.root.join("crates/spec/sdk/python/requirements.txt");
    let wanted = read(&pins)?;
    let done = python::environment(workspace)?.join(".sdk-installed");
    if std::fs::read_to_string(&done).is_ok_and(|installed| installed == wanted) {
        found("supabase-py", "as pinned, in target/tools/python");
        return Ok(());
    }
    missing("supabase-py", "installing the pinned packages into target/tools/python");
    python::install(workspace, &["--requirement", &pins.display().to_string()])?;
    write_if_changed(&done, &wanted)?;
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
