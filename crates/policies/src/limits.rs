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

/// Rows of each table in a database that a proof looks at.
pub const PROOF_ROWS: Limit =
    Limit::new("proof_rows", 3, "two rows that agree and one that does not: what goes wrong shows in that");

/// Rows of one table that a proof tells apart.
pub const PROOF_CANDIDATES: Limit =
    Limit::new("proof_candidates", 800, "more are too many to combine; the answer is then no proof");

/// Databases that a proof looks at, for each caller.
pub const PROOF_WORLDS: Limit =
    Limit::new("proof_worlds", 3000, "some take a tenth of a millisecond; the answer is then no proof");

/// Milliseconds for one table, and each way around it.
pub const PROOF_MS_MAX: Limit = Limit::new(
    "proof_ms_max",
    30_000,
    "most take less than two seconds; what was tried until then is said, and is no proof",
);

/// Milliseconds for all of them.
pub const PROOFS_MS_MAX: Limit = Limit::new(
    "proofs_ms_max",
    300_000,
    "whoever asked waits ten minutes, and the copy takes its part of that",
);

/// Every bound, for the reference.
pub const LIMITS: &[&Limit] = &[
    &BLOAT_BYTES_MAX,
    &BLOAT_PERCENT_MAX,
    &TRIAL_ROWS_MAX,
    &PROOF_ROWS,
    &PROOF_CANDIDATES,
    &PROOF_WORLDS,
    &PROOF_MS_MAX,
    &PROOFS_MS_MAX,
];
