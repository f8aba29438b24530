//! The bounds of sending logs elsewhere.

use base::Limit;

/// Bytes sent at once.
pub const BATCH_BYTES: Limit =
    Limit::new("logs_batch_bytes_max", 512 << 10, "half of what leaves the house in one request");
/// Bytes of one request to a collector or a store.
pub const BODY_BYTES: Limit = Limit::new(
    "logs_body_bytes_max",
    1 << 20,
    "as much as leaves the house in one request; collectors take more",
);
/// Longest datagram.
pub const DATAGRAM_BYTES: Limit =
    Limit::new("logs_datagram_bytes_max", 8_192, "what receivers take by default; what is longer is cut");
/// How long a receiver may take for one batch.
pub const ANSWER_SECONDS: Limit = Limit::new(
    "logs_answer_seconds_max",
    15,
    "a receiver that is slower than that for half a megabyte is not there",
);
/// Longest pause between two tries.
pub const PAUSE_SECONDS: Limit = Limit::new(
    "logs_pause_seconds_max",
    30,
    "whoever comes back after an outage is told within half a minute",
);
/// How long a node may be silent before another one sends the audit log in its place.
pub const TURN_SECONDS: Limit =
    Limit::new("logs_turn_seconds", 60, "twice the longest pause: only a node that is gone loses its turn");
/// How long the last lines are waited for at a stop.
pub const STOP_SECONDS: Limit =
    Limit::new("logs_stop_seconds_max", 3, "what does not leave in time is sent after the next start");
