//! Settings of the program itself: where its database is and how hard it may be worked.

use std::time::Duration;

use base::setting::{Alias, Definition, Guide};
use base::{Secret, Setting, Settings};

/// Somebody else's PostgreSQL.
pub static DATABASE_URL: Setting<Option<Secret>> = Setting::unset("database.url")
    .also(&[Alias::same("DATABASE_URL", Guide::Fluxbase)])
    .changes("the PostgreSQL to use, as postgres://user:password@host:port/database?sslmode=…; unset starts one of our own")
    .proven_by(&[50, 53]);

/// How the way to it is protected.
pub static SSL_MODE: Setting<Option<String>> = Setting::unset("database.ssl_mode")
    .also(&[Alias::same("POSTGRES_SSL_MODE", Guide::AppFlowy)])
    .choices(&["disable", "require", "verify-ca", "verify-full"])
    .changes("how the connection to database.url is protected; plaintext to another machine is refused whatever it says")
    .proven_by(&[53]);

/// The authority its certificate must come from.
pub static SSL_ROOT: Setting<Option<std::path::PathBuf>> = Setting::unset("database.ssl_root_cert")
    .changes("PEM file of the authority that verify-ca and verify-full trust")
    .proven_by(&[53]);

/// Consent to change somebody else's server.
pub static CONSENT: Setting<bool> = Setting::new("database.consent", "false")
    .changes("whether the roles, schemas and triggers that a first start lists may be made on the server of database.url")
    .proven_by(&[50]);

/// Statements of those who come with SQL themselves.
pub static AUDIT_STATEMENTS: Setting<Vec<String>> = Setting::new("database.audit_statements", "write, ddl, role")
    .choices(&["read", "write", "function", "role", "ddl", "misc"])
    .changes("which statements sent straight to the database's own server are recorded in the audit log, by pgaudit's classes")
    .proven_by(&[56]);

/// All connections together.
pub static MAX_CONNECTIONS: Setting<u32> = Setting::new("database.max_connections", "50")
    .range("8", "1000")
    .changes("how many connections to PostgreSQL are ever open at once")
    .proven_by(&[55]);

/// How long statements of nobody in particular may run.
pub static TIMEOUT_ANON: Setting<Duration> = Setting::new("database.statement_timeout.anon", "3s")
    .range("100ms", "10m")
    .changes("how long a statement as anon may run before it is stopped")
    .proven_by(&[55]);

/// How long statements of signed-in people may run.
pub static TIMEOUT_AUTHENTICATED: Setting<Duration> =
    Setting::new("database.statement_timeout.authenticated", "8s")
        .range("100ms", "10m")
        .changes("how long a statement as authenticated may run before it is stopped")
        .proven_by(&[55]);

/// How long statements of programs with the secret key may run.
pub static TIMEOUT_SERVICE: Setting<Duration> =
    Setting::new("database.statement_timeout.service_role", "30s")
        .range("100ms", "1h")
        .changes("how long a statement as service_role may run before it is stopped")
        .proven_by(&[55]);

/// Where the programs of PostgreSQL are, for a server of our own.
pub static PG_BIN: Setting<Option<std::path::PathBuf>> =
    Setting::unset("database.pg_bin").also(&[Alias::same("PALISADE_PG_BIN", Guide::Other)]).changes(
        "the directory with `postgres` and `initdb`; unset asks pg_config (as root: that of the system, wherever `PATH` leads) and looks in the usual places",
    );

/// Arguments of initdb, for a server of our own.
pub static INITDB_ARGS: Setting<Vec<String>> = Setting::new("database.initdb_args", "--data-checksums")
    .also(&[Alias::convert("POSTGRES_INITDB_ARGS", Guide::AppFlowy, words)])
    .changes(
        "more arguments for initdb at the first start; only safe ones are accepted, checksums are always on",
    )
    .proven_by(&[59]);

/// A listener of the managed server.
pub static LISTEN: Setting<Option<std::net::SocketAddr>> = Setting::unset("database.listen")
    .changes("address and port where the managed PostgreSQL also listens, for read-only logins from elsewhere; unset: its socket only")
    .proven_by(&[54]);

/// Who may come there.
pub static LISTEN_NETWORKS: Setting<Vec<String>> = Setting::new("database.listen_networks", "127.0.0.1/32,::1/128")
    .changes("networks from which database.listen lets anybody in, such as 10.0.0.0/8; all others are refused before a password is asked for")
    .proven_by(&[54]);

/// What it is called.
pub static LISTEN_NAMES: Setting<Vec<String>> = Setting::new("database.listen_names", "")
    .changes(
        "more names and addresses for the certificate of database.listen; its own address is always in it",
    )
    .proven_by(&[54]);

/// The operator's own certificate.
pub static LISTEN_CERT: Setting<Option<std::path::PathBuf>> = Setting::unset("database.tls.cert_file")
    .also(&[Alias::same("ssl_cert_file", Guide::Fluxbase)])
    .changes("a PEM file with the certificate for database.listen; unset: one from an authority of this instance's own, renewed by itself")
    .proven_by(&[54]);

/// Its key.
pub static LISTEN_KEY: Setting<Option<std::path::PathBuf>> = Setting::unset("database.tls.key_file")
    .also(&[Alias::same("ssl_key_file", Guide::Fluxbase)])
    .changes(
        "a PEM file with the key of database.tls.cert_file; refused if others than its owner can read it",
    )
    .proven_by(&[54]);

/// Whom clients have to be known to.
pub static LISTEN_CA: Setting<Option<std::path::PathBuf>> = Setting::unset("database.tls.ca_file")
    .also(&[Alias::same("ssl_ca_file", Guide::Fluxbase)])
    .changes(
        "a PEM file of an authority: clients of database.listen have to show a certificate from it as well",
    )
    .proven_by(&[54]);

/// How the server names itself in links and tokens.
pub const SETTINGS: &[&Definition] = &[
    &DATABASE_URL.definition,
    &SSL_MODE.definition,
    &SSL_ROOT.definition,
    &CONSENT.definition,
    &MAX_CONNECTIONS.definition,
    &TIMEOUT_ANON.definition,
    &TIMEOUT_AUTHENTICATED.definition,
    &TIMEOUT_SERVICE.definition,
    &PG_BIN.definition,
    &INITDB_ARGS.definition,
    &LISTEN.definition,
    &LISTEN_NETWORKS.definition,
    &AUDIT_STATEMENTS.definition,
    &LISTEN_NAMES.definition,
    &LISTEN_CERT.definition,
    &LISTEN_KEY.definition,
    &LISTEN_CA.definition,
];

/// The limits of every role, as the lanes and the bootstrap both use them.
pub fn timeouts(settings: &Settings) -> pg::Timeouts {
    pg::Timeouts {
        anon: settings.get(&TIMEOUT_ANON),
        authenticated: settings.get(&TIMEOUT_AUTHENTICATED),
        service: settings.get(&TIMEOUT_SERVICE),
        ..pg::Timeouts::default()
    }
}

/// initdb's arguments are written with spaces between them.
fn words(text: &str) -> Result<String, String> {
    Ok(text.split_whitespace().collect::<Vec<_>>().join(","))
}
