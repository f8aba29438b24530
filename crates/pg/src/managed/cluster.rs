//! Makes the cluster once, and its configuration at every start.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use base::Secret;

use crate::binaries::Binaries;
use crate::{Error, SetupError};

use super::SUPERUSER;
use super::config::{Durability, ManagedConfig};
use super::files::{self, failed};
use super::layout::Layout;
use super::listen;
use super::ran::{Class, Witness};

/// Runs `initdb` beside the final place and moves the result there, so that a crash in between leaves no half cluster.
pub fn create_if_absent(
    config: &ManagedConfig,
    layout: &Layout,
    binaries: &Binaries,
    password: &Secret,
) -> Result<(), Error> {
    if layout.cluster.join("PG_VERSION").is_file() {
        return check_version(layout, binaries);
    }
    let unfinished = layout.place.join("cluster.new");
    let password_file = layout.place.join("initdb.password");
    let mut refusals = Vec::new();
    for locale in locales(binaries, &config.initdb_args) {
        fresh_dir(&unfinished, layout)?;
        files::write(&password_file, password.expose(), 0o600)
            .and_then(|()| layout.account.own(&password_file))
            .map_err(|error| failed(&password_file, &error))?;
        let made = initdb(config, layout, binaries, &locale, &unfinished, &password_file);
        fs::remove_file(&password_file).map_err(|error| failed(&password_file, &error))?;
        match made? {
            Ok(()) => {
                return fs::rename(&unfinished, &layout.cluster)
                    .map_err(|error| failed(&layout.cluster, &error));
            }
            Err(refusal) => refusals.push(refusal),
        }
    }
    let why = refusals.pop().unwrap_or_default();
    let fix = "Check the room on its file system and the arguments in POSTGRES_INITDB_ARGS";
    Err(SetupError::new("pg.server.initdb", "The database cluster was not made", why, fix).into())
}

/// UTF-8 by code point: the same order on every machine and after every upgrade of the C library, which is what keeps
/// indexes right. ICU where the C library has no such locale. What the operator says wins.
fn locales(binaries: &Binaries, given: &[String]) -> Vec<Vec<&'static str>> {
    if given.iter().any(|argument| argument.starts_with("--locale") || argument.starts_with("--icu-locale")) {
        return vec![vec![]];
    }
    let builtin = vec!["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"];
    let libc = vec!["--locale=C.UTF-8"];
    let icu = vec!["--locale-provider=icu", "--icu-locale=und", "--locale=C"];
    if binaries.major >= 17 { vec![builtin, libc, icu] } else { vec![libc, icu] }
}

/// The outer error is ours, the inner one `initdb`'s words.
fn initdb(
    config: &ManagedConfig,
    layout: &Layout,
    binaries: &Binaries,
    locale: &[&str],
    into: &Path,
    password_file: &Path,
) -> Result<Result<(), String>, Error> {
    let program = binaries.program("initdb");
    let mut command = Command::new(&program);
    command.arg("--pgdata").arg(into).arg("--pwfile").arg(password_file);
    command.args(["--username", SUPERUSER, "--encoding=UTF8", "--data-checksums", "--auth=scram-sha-256"]);
    command.args(locale).args(&config.initdb_args);
    if config.durability == Durability::Throwaway {
        command.arg("--no-sync");
    }
    layout.account.apply(&mut command);
    command.current_dir(&layout.place).stdin(Stdio::null());
    let output = command.output().map_err(|error| failed(&program, &error))?;
    if output.status.success() {
        return Ok(Ok(()));
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let mut telling: Vec<&str> =
        said.lines().filter(|line| line.contains("error") || line.contains("fatal")).collect();
    // What stops it before its first check ("could not look up effective user") is neither to its mind.
    if telling.is_empty() {
        telling = said.lines().collect();
    }
    Ok(Err(telling.join("; ")))
}

fn fresh_dir(path: &Path, layout: &Layout) -> Result<(), Error> {
    let removed = match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    removed
        .and_then(|()| fs::create_dir(path))
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o700)))
        .and_then(|()| layout.account.own(path))
        .map_err(|error| failed(path, &error))
}

/// PostgreSQL cannot read another major version's files, and its own message does not say what to do.
fn check_version(layout: &Layout, binaries: &Binaries) -> Result<(), Error> {
    let path = layout.cluster.join("PG_VERSION");
    let made_by = fs::read_to_string(&path).map_err(|error| failed(&path, &error))?;
    let made_by = made_by.trim();
    if made_by == binaries.major.to_string() {
        return Ok(());
    }
    Err(SetupError::new(
        "pg.server.version",
        format!("{} was not started", layout.cluster.display()),
        format!("PostgreSQL {made_by} made it and {} is version {}", binaries.dir.display(), binaries.major),
        format!("Point PALISADE_PG_BIN at the programs of version {made_by}, or dump and restore"),
    )
    .into())
}

/// Writes the configuration anew, so that no edit survives unseen. Tuning goes through `ALTER SYSTEM`, which cannot
/// reach what [`arguments`] fixes.
pub fn write_settings(config: &ManagedConfig, layout: &Layout, witness: Witness) -> Result<(), Error> {
    let settings = layout.place.join("postgresql.conf");
    files::write(&settings, &(tuning(config, memory_mib()) + &reports(&config.reported, witness)), 0o644)
        .map_err(|error| failed(&settings, &error))?;
    let access = layout.place.join("pg_hba.conf");
    let from_elsewhere = config.listen.as_ref().map(listen::access).unwrap_or_default();
    files::write(&access, &format!("{ACCESS}{from_elsewhere}"), 0o644)
        .map_err(|error| failed(&access, &error))?;
    config.listen.as_ref().map_or(Ok(()), |listen| listen::write(listen, layout))
}

const ACCESS: &str = "# Written by Palisade at every start; edits are lost.
local all         all      scram-sha-256
local replication postgres scram-sha-256
";

/// Fixed on the command line: what makes the server private and durable.
pub fn arguments(config: &ManagedConfig, layout: &Layout) -> Vec<String> {
    let settings = [
        ("config_file", layout.place.join("postgresql.conf").to_string_lossy().into_owned()),
        ("hba_file", layout.place.join("pg_hba.conf").to_string_lossy().into_owned()),
        (
            "listen_addresses",
            config.listen.as_ref().map(|listen| listen.address.ip().to_string()).unwrap_or_default(),
        ),
        ("port", config.port().to_string()),
        ("unix_socket_directories", layout.sockets.to_string_lossy().into_owned()),
        ("unix_socket_permissions", "0700".to_owned()),
        ("password_encryption", "scram-sha-256".to_owned()),
        ("max_connections", config.max_connections.to_string()),
        ("logging_collector", "off".to_owned()),
        ("log_destination", "stderr".to_owned()),
    ];
    let durability = match config.durability {
        Durability::Full => ("on", "on"),
        Durability::Throwaway => ("off", "off"),
    };
    let durable = [("fsync", durability.0.to_owned()), ("full_page_writes", durability.1.to_owned())];
    let shown = config.listen.as_ref().map(|listen| listen::settings(listen, layout)).unwrap_or_default();
    let mut arguments = vec!["-D".to_owned(), layout.cluster.to_string_lossy().into_owned()];
    for (name, value) in settings.into_iter().chain(durable).chain(shown) {
        arguments.extend(["-c".to_owned(), format!("{name}={value}")]);
    }
    arguments
}

/// Sized for a machine that also runs other things: an eighth of memory for PostgreSQL's own cache, at most 1 GiB.
///
/// Statements are kept out of the log, because they may carry what people typed.
fn tuning(config: &ManagedConfig, memory_mib: u64) -> String {
    let is_throwaway = config.durability == Durability::Throwaway;
    // Dropping a database looks at every buffer, and a test process makes and drops hundreds.
    let shared = if is_throwaway { 64 } else { (memory_mib / 8).clamp(32, 1024) };
    let cache = (memory_mib / 2).max(shared);
    let work = (memory_mib / 1024).clamp(4, 16);
    let maintenance = (memory_mib / 32).clamp(32, 256);
    let (commit, autovacuum) = if is_throwaway { ("off", "off") } else { ("on", "on") };
    format!(
        "# Written by Palisade at every start; edits are lost. To tune, use ALTER SYSTEM.
shared_buffers = {shared}MB
effective_cache_size = {cache}MB
work_mem = {work}MB
maintenance_work_mem = {maintenance}MB
synchronous_commit = {commit}
autovacuum = {autovacuum}
jit = off
update_process_title = off
max_slot_wal_keep_size = 1GB
log_min_messages = warning
log_min_error_statement = panic
log_error_verbosity = terse
log_line_prefix = '%m [%p] %c %l '
log_connections = on
log_disconnections = on
lc_messages = 'C'
timezone = 'UTC'
log_timezone = 'UTC'
"
    )
}

/// What the server is to report of statements, and that values stay out of it.
fn reports(wanted: &[Class], witness: Witness) -> String {
    let mut names: Vec<&str> = wanted.iter().map(|class| class.name()).collect();
    names.dedup();
    match witness {
        Witness::Pgaudit => {
            let classes = if names.is_empty() { "none".to_owned() } else { names.join(",") };
            format!(
                "shared_preload_libraries = 'pgaudit'
pgaudit.log = '{classes}'
pgaudit.log_catalog = off
pgaudit.log_relation = on
pgaudit.log_parameter = off
pgaudit.log_client = off
pgaudit.log_level = log
"
            )
        }
        Witness::Server => {
            let in_mod = |class: &Class| matches!(class, Class::Write | Class::Ddl | Class::Role);
            let level = match wanted {
                [] => "none",
                _ if wanted.iter().all(in_mod) => "mod",
                _ => "all",
            };
            format!("log_statement = {level}\nlog_parameter_max_length = 0\n")
        }
    }
}

fn memory_mib() -> u64 {
    let said = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = said
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse().ok());
    total.map_or(1024, |kib: u64| kib / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::Rng;

    #[test]
    fn small_and_large_machines_get_memory_in_bounds() {
        let config = ManagedConfig::new("/x", Rng::seeded(1));
        assert!(tuning(&config, 256).contains("shared_buffers = 32MB"));
        assert!(tuning(&config, 4096).contains("shared_buffers = 512MB"));
        assert!(tuning(&config, 1 << 20).contains("shared_buffers = 1024MB"));
    }

    #[test]
    fn classes_are_reported_by_whoever_can() {
        let wanted = [Class::Write, Class::Ddl];
        assert!(reports(&wanted, Witness::Pgaudit).contains("pgaudit.log = 'write,ddl'\n"));
        assert!(reports(&[], Witness::Pgaudit).contains("pgaudit.log = 'none'\n"));
        assert!(reports(&wanted, Witness::Server).starts_with("log_statement = mod\n"));
        assert!(reports(&[Class::Read], Witness::Server).starts_with("log_statement = all\n"));
        assert!(reports(&[], Witness::Server).starts_with("log_statement = none\n"));
    }

    #[test]
    fn what_the_operator_says_about_the_locale_wins() {
        let binaries = Binaries { dir: "/x".into(), major: 17 };
        assert_eq!(locales(&binaries, &["--locale=de_DE.UTF-8".to_owned()]), vec![Vec::<&str>::new()]);
        assert_eq!(locales(&binaries, &[]).len(), 3);
    }
}
