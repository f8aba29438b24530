//! Where things lie, as cargo itself tells it.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::shell;

/// The workspace of the directory this was started in.
pub struct Workspace {
    /// The directory of the top Cargo.toml.
    pub root: PathBuf,
    /// Where cargo builds.
    pub target: PathBuf,
    /// Our packages, as `cargo metadata` describes them.
    pub packages: Vec<Value>,
}

impl Workspace {
    pub fn find() -> Result<Self> {
        let mut ask =
            shell::program("cargo", &["metadata", "--format-version", "1", "--no-deps", "--offline"]);
        let text = shell::look(&mut ask).context("`cargo metadata` failed: is this the repository?")?;
        let metadata: Value = serde_json::from_str(&text)?;
        let path = |key: &str| metadata[key].as_str().map(PathBuf::from).with_context(|| format!("no {key}"));
        let packages = metadata["packages"].as_array().cloned().unwrap_or_default();
        Ok(Workspace { root: path("workspace_root")?, target: path("target_directory")?, packages })
    }

    /// Where the set-up keeps what it does not install for the whole machine.
    pub fn tools(&self) -> PathBuf {
        self.target.join("tools")
    }

    /// Every file git knows or would add, relative to the root.
    pub fn files(&self) -> Result<Vec<String>> {
        let mut ask = self.git(&["ls-files", "--cached", "--others", "--exclude-standard"]);
        let listed = shell::look(&mut ask).context("`git ls-files` failed")?;
        let mut files: Vec<String> = listed.lines().map(str::to_owned).collect();
        files.retain(|file| self.root.join(file).is_file());
        Ok(files)
    }

    fn git(&self, arguments: &[&str]) -> Command {
        let mut command = shell::program("git", arguments);
        command.current_dir(&self.root);
        command
    }

    /// Cargo, at the root.
    pub fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = shell::program("cargo", arguments);
        command.current_dir(&self.root);
        command
    }
}
