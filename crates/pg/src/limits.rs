//! Every bound of this crate, by name.

use std::time::Duration;

use base::Limit;

/// A limit in milliseconds as a duration.
pub(crate) fn millis(limit: &Limit) -> Duration {
    Duration::from_millis(limit.value)
}

/// Connections kept back for LISTEN, migrations and the operator.
pub const RESERVED: Limit =
    Limit::new("connections_reserved", 3, "LISTEN, migrations and an operator's psql must find room");

/// Connections for the operator's functions that auth asks, at most; fewer where there are few.
pub const HOOK_CONNECTIONS: Limit = Limit::new(
    "hook_connections_max",
    4,
    "a function that takes long holds up others like it, and nothing else",
);

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
    Limit::new("result_bytes_max", 64 << 20, "a result is held whole; larger ones are drained and refused");

/// Chunks of a streamed result that wait for their reader.
pub const FLOW_CHUNKS: Limit =
    Limit::new("flow_chunks_max", 4, "each is of `flow_chunk_bytes` or one larger row");

/// Bytes of rows of a streamed result that go to their reader together, once the first have gone.
pub const FLOW_CHUNK_BYTES: Limit = Limit::new(
    "flow_chunk_bytes",
    32 << 10,
    "PostgreSQL writes 8 KiB at a time, and handing each on would cost a wake-up and a write of its own",
);

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

/// How long the server may take to accept connections.
pub const START_MS_MAX: Limit = Limit::new(
    "start_ms_max",
    300_000,
    "recovery after a crash replays up to a gigabyte of log on a slow disk",
);
/// How long a fast shutdown may take.
pub const FAST_STOP_MS_MAX: Limit =
    Limit::new("fast_stop_ms_max", 20_000, "the last checkpoint writes every dirty page");
/// How long an immediate shutdown, or a kill, may take.
pub const IMMEDIATE_STOP_MS_MAX: Limit =
    Limit::new("immediate_stop_ms_max", 5_000, "nothing is written, so only the kernel can take long");
/// First pause before a server that died is started again.
pub const RESTART_MS_MIN: Limit =
    Limit::new("restart_ms_min", 100, "a single crash should hardly be noticed");
/// Longest pause between attempts.
pub const RESTART_MS_MAX: Limit =
    Limit::new("restart_ms_max", 30_000, "a full disk should not turn into a busy loop");
/// How often the supervisor looks at its child.
pub const WATCH_MS: Limit =
    Limit::new("watch_ms", 200, "four system calls a second for a restart well under one");
/// How often a bounded wait looks again.
pub const POLL_MS: Limit = Limit::new("poll_ms", 10, "waits of a second should not be rounded up much");
/// Where PostgreSQL's log is cut; one predecessor is kept.
pub const LOG_BYTES_MAX: Limit =
    Limit::new("log_bytes_max", 16 << 20, "weeks of warnings, and never a full disk");
/// Bytes of what the server says that are read at once.
pub const LOG_READ_BYTES: Limit =
    Limit::new("server_said_read_bytes", 64 << 10, "far more than a quiet server says between two looks");
/// Bytes of one message of the server that are kept.
pub const LOG_MESSAGE_BYTES: Limit = Limit::new(
    "server_said_message_bytes_max",
    1 << 20,
    "a statement may be a gigabyte; its beginning tells what it is",
);
/// Sessions whose user and database are remembered for what the server says of them.
pub const LOG_SESSIONS: Limit =
    Limit::new("server_said_sessions_max", 10_000, "ten times what the server lets in");
/// Reported statements that wait to be recorded.
pub const STATEMENTS_HEARD: Limit = Limit::new(
    "statements_heard_max",
    8_192,
    "a burst of a migration; what is missed is counted and recorded",
);
/// Longest path of a Unix socket.
pub const SOCKET_PATH_BYTES_MAX: Limit =
    Limit::new("socket_path_bytes_max", 107, "sockaddr_un has 108 bytes with the terminating zero");
/// How long two nodes wait for each other before migrating.
pub const MIGRATION_LOCK_MS_MAX: Limit =
    Limit::new("migration_lock_ms_max", 120_000, "the other node's migrations are short or stuck");
/// Notifications kept for a subscriber that is slow.
pub const NOTIFICATIONS_MAX: Limit =
    Limit::new("notifications_max", 4_096, "a subscriber that lags more is told so and reads the tables");
/// How often the listening connection is tried.
pub const HEARTBEAT_MS: Limit = Limit::new(
    "heartbeat_ms",
    400,
    "with its answer's bound a lost channel is noticed within the second a revocation may take",
);
/// Pauses between attempts to listen again.
pub const LISTEN_AGAIN_MS: Limit =
    Limit::new("listen_again_ms", 250, "the tables are asked until it works, which costs more than trying");
/// How long the listening connection may take to be made.
pub const LISTEN_CONNECT_MS_MAX: Limit =
    Limit::new("listen_connect_ms_max", 5_000, "a server that accepts and says nothing is not there");

/// Statements remembered as too slow for a shared connection.
pub const SLOW_SHAPES: Limit = Limit::new(
    "slow_statements_max",
    1_024,
    "each keeps its text; past this, slow statements share connections again",
);

/// Milliseconds after which a shared connection that has not answered is avoided.
pub const SHORT_STUCK_MS: Limit =
    Limit::new("short_stuck_ms_max", 5, "longer than any short read takes, shorter than anybody notices");

/// Milliseconds that what was cancelled has to let go of its connection.
pub const LET_GO_MS: Limit = Limit::new(
    "let_go_ms_max",
    2_000,
    "code in the database can catch that it is cancelled; then its session is ended, which it cannot",
);

/// Milliseconds an exclusive connection may lie unused while others are used.
pub const IDLE_MS: Limit = Limit::new(
    "connection_idle_ms_max",
    60_000,
    "an idle backend still holds its caches: some megabytes each",
);
