//! Every statement on our own table.

/// What has been applied.
pub const APPLIED: &str =
    "SELECT version, name, checksum, down, applied_at::text FROM migrate.applied ORDER BY version";
/// Remembers one.
pub const RECORD: &str =
    "INSERT INTO migrate.applied (version, name, checksum, down) VALUES ($1, $2, $3, $4)";
/// Forgets one that was taken back.
pub const FORGET: &str = "DELETE FROM migrate.applied WHERE version = $1";
/// One at a time, over all nodes.
pub const TAKE_TURN: &str = "SELECT pg_catalog.pg_advisory_lock($1)";
/// Gives the turn back.
pub const GIVE_TURN: &str = "SELECT pg_catalog.pg_advisory_unlock($1)";
/// Copies that a crash left behind.
pub const STALE_COPIES: &str =
    "SELECT datname::text FROM pg_catalog.pg_database WHERE datname LIKE 'palisade\\_copy\\_%'";
/// Every object of the application.
pub const SNAPSHOT: &str = include_str!("snapshot.sql");
