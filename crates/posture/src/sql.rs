//! The statements on our own table.

/// Keeps what one probe saw.
pub const KEEP: &str =
    "INSERT INTO posture.evidence (control, state, evidence, taken_at) VALUES ($1, $2, $3, $4)";

/// Forgets all but the newest of one control: a probe an hour for a quarter of a year.
pub const FORGET: &str = "DELETE FROM posture.evidence WHERE control = $1 AND id <= \
    (SELECT id FROM posture.evidence WHERE control = $1 ORDER BY id DESC OFFSET $2 LIMIT 1)";

/// The latest of every control.
pub const LATEST: &str = "SELECT DISTINCT ON (control) control, state, evidence, taken_at FROM posture.evidence ORDER BY control, id DESC";

/// All of them, for the test that prepares each.
pub const ALL: &[&str] = &[KEEP, FORGET, LATEST];
