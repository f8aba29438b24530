//! The statements on what was shipped.

/// Takes or keeps the turn to send to a place, and says how far that was done.
pub const TAKE: &str = "INSERT INTO logs.shipped AS known (sink, seq, moved_at, held_by, held_until) \
    VALUES ($1, 0, $3, $2, $4) \
    ON CONFLICT (sink) DO UPDATE SET held_by = excluded.held_by, held_until = excluded.held_until \
    WHERE known.held_by = $2 OR known.held_until < $3 RETURNING seq";
/// It is sent to here. None of a turn that another node has taken meanwhile.
pub const MOVE: &str = "UPDATE logs.shipped SET seq = $3, moved_at = $4, held_until = $5 \
    WHERE sink = $1 AND held_by = $2 RETURNING seq";
/// Leaves the turn to others, and to nobody where nobody sends there any more.
pub const LEAVE: &str =
    "UPDATE logs.shipped SET held_until = to_timestamp(0) WHERE sink = $1 AND held_by = $2";
/// Where the log ends.
pub const END: &str = "SELECT coalesce(max(seq), 0) AS seq FROM audit.log";

/// All of them, for the test that prepares each.
pub const ALL: &[&str] = &[TAKE, MOVE, LEAVE, END];
