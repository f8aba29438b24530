//! A browser for clients that are pages: GraphiQL, passkeys. Palisade itself needs none.

use std::path::Path;

use anyhow::{Context, Result};

use super::debian;
use crate::workspace::Workspace;

/// The machine's Chromium, or the system's package; the tests find it as `target/tools/bin/browser`.
pub fn find_or_install(workspace: &Workspace) -> Result<()> {
    let browser = debian::find_or_install(workspace, &debian::CHROMIUM)?;
    link(&browser, &workspace.tools().join("bin/browser"))
}

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
