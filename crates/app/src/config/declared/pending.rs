//! Settings of this issue whose crate has not declared them yet. Each leaves this file when its owner's list has it.

use std::time::Duration;

use base::setting::{Alias, Definition, Guide};
use base::{Secret, Setting};

use super::appflowy;

/// How long an access token is accepted before it must be refreshed.
static ACCESS_TOKEN_EXPIRY: Setting<Duration> = Setting::new("auth.access_token_expiry", "15m")
    .also(&[Alias::seconds("GOTRUE_JWT_EXP", Guide::AppFlowy)])
    .range("1m", "24h")
    .changes("how long an access token is accepted before it must be refreshed")
    .proven_by(&[27])
    .not_yet("foundation");

/// How long a session lives without being used.
static REFRESH_TOKEN_EXPIRY: Setting<Duration> = Setting::new("auth.refresh_token_expiry", "7d")
    .also(&[Alias::seconds("GOTRUE_REFRESH_TOKEN_EXP", Guide::AppFlowy)])
    .range("1h", "365d")
    .changes("how long a session lives without being used")
    .proven_by(&[28])
    .not_yet("foundation");

/// Whether each use of a refresh token replaces it.
static REFRESH_TOKEN_ROTATION: Setting<bool> = Setting::new("auth.refresh_token_rotation", "true")
    .changes("whether each use of a refresh token replaces it")
    .proven_by(&[29])
    .not_yet("foundation");

/// The HS256 key tokens are signed with.
static JWT_SECRET: Setting<Secret<String>> = Setting::unset("auth.jwt_secret")
    .also(&[Alias::same("JWT_SECRET", Guide::Fluxbase), Alias::same("GOTRUE_JWT_SECRET", Guide::Other)])
    .changes("the HS256 key tokens are signed with")
    .proven_by(&[116, 117])
    .not_yet("foundation");

/// Which PostgreSQL is used instead of the embedded one.
static DATABASE_URL: Setting<Secret<String>> = Setting::unset("database.url")
    .changes("which PostgreSQL is used instead of the embedded one")
    .proven_by(&[53, 115])
    .not_yet("foundation");

/// How many connections the pool opens at most.
static DATABASE_MAX_CONNECTIONS: Setting<u32> = Setting::new("database.max_connections", "50")
    .range("4", "1000")
    .changes("how many connections the pool opens at most")
    .proven_by(&[55])
    .not_yet("foundation");

/// How the connection to PostgreSQL is protected.
static DATABASE_SSL_MODE: Setting<String> = Setting::new("database.ssl_mode", "verify-full")
    .also(&[appflowy("POSTGRES_SSL_MODE")])
    .choices(&["disable", "require", "verify-ca", "verify-full"])
    .changes("how the connection to PostgreSQL is protected")
    .proven_by(&[53])
    .not_yet("foundation");

/// What the embedded PostgreSQL's data directory is created with.
static INITDB_ARGS: Setting<Vec<String>> = Setting::new("database.initdb_args", "--data-checksums")
    .also(&[appflowy("POSTGRES_INITDB_ARGS")])
    .changes("what the embedded PostgreSQL's data directory is created with")
    .proven_by(&[59])
    .not_yet("foundation");

/// The password Palisade signs in to the mail server with.
static SMTP_PASSWORD: Setting<Secret<String>> = Setting::unset("email.smtp_password")
    .changes("the password Palisade signs in to the mail server with")
    .proven_by(&[101, 115])
    .not_yet("foundation");

/// All of them.
pub(super) const SETTINGS: &[&Definition] = &[
    &ACCESS_TOKEN_EXPIRY.definition,
    &REFRESH_TOKEN_EXPIRY.definition,
    &REFRESH_TOKEN_ROTATION.definition,
    &JWT_SECRET.definition,
    &DATABASE_URL.definition,
    &DATABASE_MAX_CONNECTIONS.definition,
    &DATABASE_SSL_MODE.definition,
    &INITDB_ARGS.definition,
    &SMTP_PASSWORD.definition,
];
