//! Every bound of this crate's hot path, by name.

use std::time::Duration;

use base::Limit;

/// A limit in milliseconds as a duration.
pub(crate) fn millis(limit: &Limit) -> Duration {
    Duration::from_millis(limit.value)
}

/// Connections kept back for LISTEN, migrations and the operator.
pub const RESERVED: Limit =
    Limit::new("connections_reserved", 3, "LISTEN, migrations and an operator's psql must find room");

/// Batches sent to one shared connection and not answered yet.
pub const SHORT_IN_FLIGHT: Limit = Limit::new(
    "short_in_flight_max",
    128,
    "deep enough to keep a backend busy; everything behind a slow statement waits",
);

/// Batches waiting for one shared connection.
pub const SHORT_QUEUE: Limit =
    Limit::new("short_queue_max", 1_024, "a queue longer than this is an outage, not a burst");

/// Transactions waiting for an exclusive connection of one pool.
pub const POOL_QUEUE: Limit =
    Limit::new("pool_queue_max", 2_048, "a queue longer than this is an outage, not a burst");

/// Statements kept prepared on one connection.
pub const PREPARED: Limit = Limit::new(
    "prepared_statements_max",
    256,
    "each costs a backend some 10-100 KiB for its plan; the least used goes first",
);

/// Statements in one pipeline of `run_all`.
pub const PIPELINE: Limit =
    Limit::new("pipeline_statements_max", 256, "answers of a pipeline are held in memory together");

/// Settings a caller's transaction may bring besides our own.
pub const SETTINGS_MORE: Limit =
    Limit::new("setup_settings_max", 64, "each is a name and a value in the prelude of the transaction");

/// Bytes of one result held in memory.
pub const RESULT_BYTES: Limit =
    Limit::new("result_bytes_max", 256 << 20, "a result is held whole; larger ones are drained and refused");

/// Bytes written to a socket in one go.
pub const WRITE_BYTES: Limit =
    Limit::new("write_bytes_max", 128 << 10, "joins queued batches without starving the reading side");

/// Milliseconds of the longest pause between two attempts to reach the server.
pub const BACK_OFF_MS: Limit = Limit::new(
    "reconnect_back_off_ms_max",
    1_000,
    "a restarted server is found within a second without being stormed",
);

/// Milliseconds one attempt to connect and log in may take.
pub const CONNECT_MS: Limit =
    Limit::new("connect_ms_max", 5_000, "a server that accepts and says nothing is not there");

/// Milliseconds a statement may run on a shared connection before its shape is sent to the own lane.
pub const SHORT_SLOW_MS: Limit =
    Limit::new("short_slow_ms_max", 50, "a slow statement delays everybody behind it on a shared connection");
