//! Every statement of the queue; a test prepares them all.

/// Enqueues. A job with a key that is waiting already stays as it is.
pub const ENQUEUE: &str = "INSERT INTO jobs.queue (id, name, arguments, key, created_at, run_at, urgency) \
    VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (name, key) WHERE key IS NOT NULL DO NOTHING";
/// Wakes the workers when the transaction commits.
pub const NOTIFY: &str = "SELECT pg_notify('palisade_jobs', '')";
/// The CTE is materialised, so that LIMIT counts once. Each order is that of an index.
macro_rules! take {
    ($order:literal) => {
        concat!(
            "WITH due AS MATERIALIZED ( \
                SELECT id FROM jobs.queue WHERE name = ANY ($1::text[]) AND run_at <= $2 \
                    AND (held_until IS NULL OR held_until < $2) \
                ORDER BY ",
            $order,
            " LIMIT $3 FOR UPDATE SKIP LOCKED) \
            UPDATE jobs.queue q SET attempt = attempt + 1, held_by = $4, held_until = $5 \
            FROM due WHERE q.id = due.id RETURNING q.id, q.name, q.arguments, q.attempt"
        )
    };
}
/// Takes due jobs, the most urgent first.
pub const TAKE: &str = take!("urgency, run_at");
/// Takes due jobs, what has waited longest first.
pub const TAKE_BY_AGE: &str = take!("run_at");
/// A sign of life. No row means the lease is lost.
pub const RENEW: &str =
    "UPDATE jobs.queue SET held_until = $4 WHERE id = $1 AND held_by = $2 AND attempt = $3";
/// It is done.
pub const FINISH: &str = "DELETE FROM jobs.queue WHERE id = $1 AND held_by = $2 AND attempt = $3";
/// It is tried again.
pub const AGAIN: &str = "UPDATE jobs.queue SET held_by = NULL, held_until = NULL, run_at = $4, last_error = $5 \
    WHERE id = $1 AND held_by = $2 AND attempt = $3";
/// It was cut short by an orderly stop, which does not count as a try.
pub const RELEASE: &str = "UPDATE jobs.queue SET held_by = NULL, held_until = NULL, attempt = attempt - 1 \
    WHERE id = $1 AND held_by = $2 AND attempt = $3";
/// It is given up.
pub const BURY: &str = "WITH gone AS ( \
        DELETE FROM jobs.queue WHERE id = $1 AND held_by = $2 AND attempt = $3 \
        RETURNING id, name, arguments, created_at, attempt, urgency) \
    INSERT INTO jobs.dead (id, name, arguments, created_at, died_at, attempts, last_error, urgency) \
    SELECT id, name, arguments, created_at, $4::timestamptz, attempt, $5, urgency FROM gone";
/// What waits, the next due first.
pub const WAITING: &str = "SELECT id, name, created_at, run_at, attempt, held_by, last_error FROM jobs.queue \
    ORDER BY run_at, id LIMIT $1";
/// What was given up, newest first.
pub const DEAD: &str = "SELECT id, name, arguments, created_at, died_at, attempts, last_error FROM jobs.dead \
    ORDER BY died_at DESC, id LIMIT $1";
/// Gives a dead job its tries again.
pub const REVIVE: &str = "WITH back AS (DELETE FROM jobs.dead WHERE id = $1 RETURNING id, name, arguments, created_at, urgency) \
    INSERT INTO jobs.queue (id, name, arguments, created_at, run_at, urgency) \
    SELECT id, name, arguments, created_at, $2::timestamptz, urgency FROM back";
/// Forgets what was given up before a time.
pub const FORGET: &str = "DELETE FROM jobs.dead WHERE died_at < $1";
/// How many there are of each.
pub const COUNTS: &str = "SELECT (SELECT count(*) FROM jobs.queue WHERE held_until IS NULL) AS waiting, \
    (SELECT count(*) FROM jobs.queue WHERE held_until IS NOT NULL) AS running, \
    (SELECT count(*) FROM jobs.dead) AS dead";

/// All of them, for the test.
pub const ALL: &[&str] = &[
    ENQUEUE,
    NOTIFY,
    TAKE,
    TAKE_BY_AGE,
    RENEW,
    FINISH,
    AGAIN,
    RELEASE,
    BURY,
    WAITING,
    DEAD,
    REVIVE,
    FORGET,
    COUNTS,
];
