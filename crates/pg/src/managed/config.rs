//! What an operator may say about the embedded server, and what they may not.

use std::path::PathBuf;

use base::Rng;

use super::listen::Listen;
use super::ran::Class;
use crate::{Error, SetupError};

/// How the embedded server is to be made and run.
#[derive(Clone)]
pub struct ManagedConfig {
    /// A directory of ours, made if absent. Secrets, lock and pointers live in it; so does the cluster, if PostgreSQL's
    /// user can get there.
    pub data_dir: PathBuf,
    /// Where the programs are (`PALISADE_PG_BIN`); `None` searches.
    pub pg_bin: Option<PathBuf>,
    /// More arguments for `initdb`, as `POSTGRES_INITDB_ARGS` has them. Checked by name.
    pub initdb_args: Vec<String>,
    /// Connections the server accepts, ours and the administrator's.
    pub max_connections: u16,
    /// Whether data must survive a power cut.
    pub durability: Durability,
    /// A listener beside the socket, for people and programs elsewhere that come with SQL.
    pub listen: Option<Listen>,
    /// Which statements of those who come with SQL themselves the server reports (control 56).
    pub reported: Vec<Class>,
    /// Where the superuser's password comes from.
    pub rng: Rng,
}

impl ManagedConfig {
    /// The safe defaults in `data_dir`.
    pub fn new(data_dir: impl Into<PathBuf>, rng: Rng) -> Self {
        ManagedConfig {
            data_dir: data_dir.into(),
            pg_bin: None,
            initdb_args: Vec::new(),
            max_connections: 100,
            durability: Durability::Full,
            listen: None,
            reported: vec![Class::Write, Class::Ddl, Class::Role],
            rng,
        }
    }

    /// The number in the socket's name.
    pub(super) fn port(&self) -> u16 {
        self.listen.as_ref().map_or(super::PORT, |listen| listen.address.port())
    }

    /// Refuses arguments that would weaken or misplace the cluster.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.initdb_args.iter().try_for_each(|argument| check_argument(argument))
    }
}

/// Whether data must survive a power cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Durability {
    /// `fsync`, full page writes, synchronous commit.
    #[default]
    Full,
    /// None of them: for tests that throw the cluster away.
    Throwaway,
}

/// Arguments that change neither who may enter, nor where data lies, nor whether damage is noticed.
const ALLOWED: &[&str] = &[
    "--data-checksums",
    "-k",
    "--wal-segsize",
    "--locale",
    "--locale-provider",
    "--builtin-locale",
    "--icu-locale",
    "--lc-collate",
    "--lc-ctype",
    "--lc-messages",
    "--lc-monetary",
    "--lc-numeric",
    "--lc-time",
    "--text-search-config",
];

fn check_argument(argument: &str) -> Result<(), Error> {
    let name = argument.split('=').next().unwrap_or(argument);
    let is_utf8 = matches!(argument, "--encoding=UTF8" | "--encoding=UTF-8" | "--encoding=utf8");
    let is_scram = ["--auth=", "--auth-host=", "--auth-local="]
        .iter()
        .any(|flag| argument.strip_prefix(flag) == Some("scram-sha-256"));
    let takes_value = !matches!(name, "--data-checksums" | "-k");
    let is_whole = takes_value == argument.contains('=');
    if is_utf8 || is_scram || (ALLOWED.contains(&name) && is_whole) {
        return Ok(());
    }
    let why = match name {
        "--no-data-checksums" => "without checksums damaged pages are served as if they were right",
        "--auth" | "-A" | "--auth-host" | "--auth-local" => "every connection gives a scram-sha-256 password",
        "-E" | "--encoding" => "the encoding is UTF8",
        "-D" | "--pgdata" | "-X" | "--waldir" => "the place follows from the data directory",
        "-U" | "--username" | "-W" | "--pwprompt" | "--pwfile" => {
            "the superuser and its password are generated"
        }
        "-N" | "--no-sync" | "-n" | "--no-clean" | "-g" | "--allow-group-access" => {
            "it makes the cluster less safe"
        }
        _ if ALLOWED.contains(&name) => "it is written as --name=value, or as a bare flag, in one word",
        _ => "it is not known to be safe",
    };
    let fix = format!("Remove it from POSTGRES_INITDB_ARGS. Accepted: {}", ALLOWED.join(", "));
    Err(SetupError::new(
        "pg.server.initdb_args",
        format!("initdb argument `{argument}` is refused"),
        why,
        fix,
    )
    .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(argument: &str, accepted: bool) {
        let mut config = ManagedConfig::new("/x", Rng::seeded(1));
        config.initdb_args = vec![argument.to_owned()];
        match config.check() {
            Ok(()) => assert!(accepted, "{argument} was accepted"),
            Err(error) => assert!(!accepted && error.to_string().contains(argument), "{error}"),
        }
    }

    #[test]
    fn what_the_guide_prints_is_accepted() {
        check("--data-checksums", true);
        check("-k", true);
        check("--encoding=UTF8", true);
        check("--locale=C.UTF-8", true);
        check("--auth-host=scram-sha-256", true);
    }

    #[test]
    fn what_weakens_the_cluster_is_refused_by_name() {
        for argument in [
            "--no-data-checksums",
            "--auth=trust",
            "--auth-local=peer",
            "-A",
            "--encoding=LATIN1",
            "--pgdata=/elsewhere",
            "--username=root",
            "--no-sync",
            "--allow-group-access",
            "--data-checksums=off",
            "--locale",
            "--set=fsync=off",
            "whatever",
        ] {
            check(argument, false);
        }
    }
}
