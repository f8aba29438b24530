//! The bounds of this crate, by name.

use base::Limit;

/// Bytes of a table that may be empty space before the linter speaks of it (0020).
pub const BLOAT_BYTES_MAX: Limit = Limit::new(
    "bloat_bytes_max",
    20 * 1024 * 1024,
    "less is not worth a rewrite of the table, and small tables are measured badly",
);

/// Percent of a table that may be empty space before the linter speaks of it (0020).
pub const BLOAT_PERCENT_MAX: Limit =
    Limit::new("bloat_percent_max", 70, "what a table needs to be updated in place is far below");

/// Every bound, for the reference.
pub const LIMITS: &[&Limit] = &[&BLOAT_BYTES_MAX, &BLOAT_PERCENT_MAX];
