//! `cargo xtask docs`: the pages that are generated from the program's own lists.
//!
//! The program writes those of its own lists (`palisade docs --out DIR`), [`reference`] those that are read from the source.
//! Nothing below a generated page is typed by hand.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::reference;
use crate::shell;
use crate::workspace::Workspace;

pub fn write() -> Result<()> {
    let workspace = Workspace::find()?;
    generate(&workspace, &workspace.root.join("docs"))
}

pub fn check() -> Result<()> {
    compare(&Workspace::find()?)
}

/// Generates the pages beside the build and compares them with those in the repository.
pub fn compare(workspace: &Workspace) -> Result<()> {
    let fresh = workspace.target.join("docs");
    if fresh.exists() {
        std::fs::remove_dir_all(&fresh)?;
    }
    generate(workspace, &fresh)?;
    let pages = pages_below(&fresh)?;
    let is_stale = |page: &&PathBuf| {
        let kept = page.strip_prefix(&fresh).map(|name| workspace.root.join("docs").join(name));
        kept.is_ok_and(|kept| std::fs::read(page).ok() != std::fs::read(kept).ok())
    };
    let stale: Vec<String> =
        pages.iter().filter(is_stale).map(|page| format!("   {}", page.display())).collect();
    if !stale.is_empty() {
        bail!("generated pages are out of date, run `cargo xtask docs`:\n{}", stale.join("\n"));
    }
    println!("   {} generated pages are current", pages.len());
    Ok(())
}

fn generate(workspace: &Workspace, place: &Path) -> Result<()> {
    let out = place.display().to_string();
    shell::show(&mut workspace.cargo(&["run", "--quiet", "--package", "app", "--", "docs", "--out", &out]))?;
    for (path, text) in reference::pages(workspace)? {
        let path = place.join(path);
        if std::fs::read_to_string(&path).is_ok_and(|now| now == text) {
            continue;
        }
        std::fs::write(&path, text)?;
        println!("wrote {}", path.display());
    }
    Ok(())
}

fn pages_below(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut pages = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            pages.extend(pages_below(&path)?);
        } else {
            pages.push(path);
        }
    }
    Ok(pages)
}
