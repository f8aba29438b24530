//! The bounds of migrating.

use base::Limit;

/// Migrations of one application.
pub const FILES_MAX: Limit = Limit::new("migrate_files_max", 10_000, "a migration a day for 27 years");
/// One file.
pub const FILE_BYTES_MAX: Limit =
    Limit::new("migrate_file_bytes_max", 4 << 20, "schemas are small; data is loaded, not migrated");
/// All files together, as the operator's command sends them.
pub const BODY_BYTES_MAX: Limit = Limit::new("migrate_body_bytes_max", 64 << 20, "every file with room");
/// How long a migration waits for a lock that a request holds, before it gives up and changes nothing.
pub const LOCK_WAIT_MS: Limit = Limit::new(
    "migrate_lock_wait_ms",
    10_000,
    "whoever waits for a table makes everybody behind it wait too",
);
/// How long another migration is waited for.
pub const TURN_WAIT_MS: Limit = Limit::new("migrate_turn_wait_ms", 60_000, "one at a time, over all nodes");
/// How long making the copy of a rehearsal may take.
pub const COPY_SECONDS_MAX: Limit =
    Limit::new("migrate_copy_seconds_max", 3_600, "a copy that takes longer is better made at night");
/// Copies of the database that are worked on at once, of one node: rehearsals, comparisons and proofs.
pub const COPIES_MAX: Limit =
    Limit::new("migrate_copies_max", 2, "each is a database of its own, and as large where rows are in it");
/// Differences that one answer names.
pub const DIFFERENCES_MAX: Limit =
    Limit::new("migrate_differences_max", 5_000, "more are not read by anybody");
