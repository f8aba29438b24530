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

/// Rows of a table that the policy tester touches.
pub const TRIAL_ROWS_MAX: Limit =
    Limit::new("trial_rows_max", 1000, "what is tried is rolled back, but its rows are locked until then");

/// Every bound, for the reference.
pub const LIMITS: &[&Limit] = &[&BLOAT_BYTES_MAX, &BLOAT_PERCENT_MAX, &TRIAL_ROWS_MAX];
