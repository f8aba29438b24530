//! The machine's own package manager, used only with root or a sudo that asks nothing.

use std::path::Path;

use anyhow::{Result, bail};

use crate::shell;

/// An environment variable.
#[expect(
    clippy::disallowed_methods,
    reason = "a tool reads PATH and the like; settings of Palisade are not read here"
)]
pub fn variable(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name)
}

/// How to become root, if that asks nothing of the user.
fn rights() -> Option<&'static [&'static str]> {
    if shell::look(&mut shell::program("id", &["-u"])).as_deref() == Some("0") {
        return Some(&[]);
    }
    let asks_nothing = shell::look(&mut shell::program("sudo", &["-n", "true"])).is_some();
    asks_nothing.then_some(&["sudo", "-n"])
}

/// Whether packages can be installed for the whole machine.
pub fn may_install() -> bool {
    Path::new("/usr/bin/apt-get").exists() && rights().is_some()
}

/// Installs Debian packages. Package lists that are missing or stale are fetched once, then it is tried again.
pub fn install(packages: &[&str]) -> Result<()> {
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(packages);
    if as_root("apt-get", &arguments).is_ok() {
        return Ok(());
    }
    println!("   the package lists may be old: fetching them");
    as_root("apt-get", &["update"])?;
    as_root("apt-get", &arguments)
}

/// Runs a program as root, in sight of the user.
pub fn as_root(name: &str, arguments: &[&str]) -> Result<()> {
    let Some(rights) = rights() else { bail!("`{name}` needs root or passwordless sudo") };
    let mut words: Vec<&str> = rights.to_vec();
    words.extend(["env", "DEBIAN_FRONTEND=noninteractive", name]);
    words.extend(arguments);
    let (first, rest) = words.split_first().unwrap_or((&name, arguments));
    shell::show(&mut shell::program(first, rest))
}
