//! Programs that only tests need and only Debian packages: installed with root, unpacked into `target/tools` without.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::{found, missing, system};
use crate::shell;
use crate::workspace::Workspace;

/// A program and the package it comes in; `flag` makes it say something and end well.
pub struct Wanted {
    /// Its name in `PATH`.
    pub program: &'static str,
    /// The package.
    pub package: &'static str,
    /// What is asked of it.
    pub flag: &'static str,
}

/// An ACME server, for tests of certificates.
pub const PEBBLE: Wanted = Wanted { program: "pebble", package: "pebble", flag: "-h" };
/// Another TLS implementation's look at ours.
pub const SSLSCAN: Wanted = Wanted { program: "sslscan", package: "sslscan", flag: "--version" };

/// The machine's own, or the package's; the directory is for `PATH`.
pub fn find_or_install(workspace: &Workspace, wanted: &Wanted) -> Result<Option<PathBuf>> {
    let title = format!("{:<12}", wanted.program);
    if runs(wanted.program.into(), wanted) {
        found(title.trim(), "the machine's own, for tests");
        return Ok(None);
    }
    if system::may_install() {
        missing(title.trim(), "installing the system's package, for tests");
        system::install(&[wanted.package])?;
        return Ok(None);
    }
    let folder = workspace.root.join("target/tools/debian");
    let directory = folder.join("usr/bin");
    if !runs(directory.join(wanted.program), wanted) {
        missing(title.trim(), "unpacking the system's package into target/tools, for tests");
        std::fs::create_dir_all(&folder)?;
        let mut download = shell::program("apt-get", &["download", wanted.package]);
        shell::show(download.current_dir(&folder))?;
        let is_it = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with(&format!("{}_", wanted.package)) && name.ends_with(".deb")
        };
        let mut files = std::fs::read_dir(&folder)?.filter_map(|entry| Some(entry.ok()?.path()));
        let package = files.find(is_it).with_context(|| format!("no package {}", wanted.package))?;
        let mut unpack = shell::program("dpkg-deb", &["-x"]);
        shell::show(unpack.arg(package).arg(&folder))?;
    }
    runs(directory.join(wanted.program), wanted).then_some(()).with_context(|| {
        format!(
            "{} does not run from its package: install {} for the whole machine",
            wanted.program, wanted.package
        )
    })?;
    found(title.trim(), &directory.display().to_string());
    Ok(Some(directory))
}

/// It may call being asked for help a mistake; it must be there and be what it is.
fn runs(program: PathBuf, wanted: &Wanted) -> bool {
    shell::program(program, &[wanted.flag]).output().is_ok()
}
