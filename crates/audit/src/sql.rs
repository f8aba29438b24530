//! Every statement of the log. Each names its schema; a test prepares them all.

/// Appends one entry.
pub const APPEND: &str = "SELECT audit.append(ARRAY[$1::uuid], ARRAY[$2::bytea], ARRAY[$3::bytea], ARRAY[$4::text], \
    ARRAY[$5::bytea])";
/// Appends many.
pub const APPEND_MANY: &str =
    "SELECT audit.append($1::uuid[], $2::bytea[], $3::bytea[], $4::text[], $5::bytea[])";
/// Puts the door key in, or says whether it is the one that is there.
pub const INSTALL_DOOR: &str = "SELECT audit.install_door($1::bytea, $2::bytea)";
/// Takes the turn to chain.
pub const TAKE_TURN: &str = "SELECT tail_seq, tail_hash, tail_at FROM audit.take_turn()";
/// What waits to be chained. A replayed id that slipped in during a move stays out for good.
pub const WAITING: &str = "SELECT id, salt, origin, body FROM audit.inbox i \
    WHERE NOT EXISTS (SELECT FROM audit.log l WHERE l.id = i.id) AND id <> ALL ($2::uuid[]) ORDER BY n LIMIT $1";
/// Moves a batch to the chain.
pub const CHAIN: &str = "SELECT audit.chain($1::bigint, $2::bytea, $3::timestamptz, $4::uuid[], $5::bytea[], \
    $6::bytea[], $7::bytea[], $8::text, $9::bytea, $10::bytea)";
/// The hash at one place of the chain.
pub const HASH_AT: &str = "SELECT hash FROM audit.log WHERE seq = $1";
/// The newest head.
pub const LAST_HEAD: &str = "SELECT seq, at, hash, node, signature FROM audit.head ORDER BY seq DESC LIMIT 1";
/// Heads from one place on.
pub const HEADS: &str =
    "SELECT seq, at, hash, node, signature FROM audit.head WHERE seq > $1 AND seq <= $2 ORDER BY seq";
/// The chain from one place on.
pub const READ: &str = "SELECT seq, id, chained_at, at, event, actor, subject, salt, body, leaf, hash, mac \
    FROM audit.log WHERE seq > $1 ORDER BY seq LIMIT $2";
/// How much is not chained yet.
pub const WAITING_COUNT: &str = "SELECT count(*) FROM audit.inbox";
/// An operator's question, newest first. Run unprepared, so that the planner sees which filters are given.
pub const FIND: &str = "SELECT seq, chained_at, hash, body FROM audit.log \
    WHERE ($1::text IS NULL OR event = $1 OR starts_with(event, $1 || '.')) \
      AND ($2::text IS NULL OR actor = $2) \
      AND ($3::text IS NULL OR subject = $3) \
      AND ($4::timestamptz IS NULL OR at >= $4) \
      AND ($5::timestamptz IS NULL OR at < $5) \
      AND ($6::bigint IS NULL OR seq < $6) \
    ORDER BY seq DESC LIMIT $7";
/// The same question, oldest first, for exports.
pub const EXPORT: &str = "SELECT seq, chained_at, hash, body FROM audit.log \
    WHERE ($1::text IS NULL OR event = $1 OR starts_with(event, $1 || '.')) \
      AND ($2::text IS NULL OR actor = $2) \
      AND ($3::text IS NULL OR subject = $3) \
      AND ($4::timestamptz IS NULL OR at >= $4) \
      AND ($5::timestamptz IS NULL OR at < $5) \
      AND seq > $6::bigint \
    ORDER BY seq LIMIT $7";

/// All of them, for the test.
pub const ALL: &[&str] = &[
    APPEND,
    APPEND_MANY,
    INSTALL_DOOR,
    TAKE_TURN,
    WAITING,
    CHAIN,
    HASH_AT,
    LAST_HEAD,
    HEADS,
    READ,
    WAITING_COUNT,
    FIND,
    EXPORT,
];
