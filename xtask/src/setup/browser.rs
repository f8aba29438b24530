//! A browser for clients that are pages: GraphiQL. Palisade itself needs none.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::{found, missing, system};
use crate::workspace::Workspace;

const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// The machine's Chromium, or the system's package; the tests find it as `target/tools/bin/browser`.
pub fn find_or_install(workspace: &Workspace) -> Result<()> {
    let browser = match on_path() {
        Some(browser) => browser,
        None if system::may_install() => {
            missing("Chromium", "installing the system's package, for tests");
            system::install(&["chromium"])?;
            on_path().context("the package brought no chromium")?
        }
        None => bail!("no Chromium on this machine, and no right to install one: install `chromium`"),
    };
    link(&browser, &workspace.tools().join("bin/browser"))?;
    found("Chromium", &format!("{}, for tests", browser.display()));
    Ok(())
}

fn on_path() -> Option<PathBuf> {
    let path = system::variable("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .flat_map(|folder| NAMES.map(|name| folder.join(name)))
        .find(|file| file.exists())
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
