//! Every statement of the outbox; a test prepares them all.

/// Puts a mail.
pub const PUT: &str = "INSERT INTO mail.outbox (id, created_at, kind, recipient, subject, sealed, state) \
    VALUES ($1, $2, $3, $4, $5, $6, $7)";
/// One mail.
pub const GET: &str = "SELECT id, created_at, kind, recipient, subject, sealed, state, tries, settled_at \
    FROM mail.outbox WHERE id = $1";
/// A page, newest first.
pub const LIST: &str = "SELECT id, created_at, kind, recipient, subject, state, tries, settled_at FROM mail.outbox \
    WHERE ($1::timestamptz IS NULL OR created_at < $1) ORDER BY created_at DESC, id LIMIT $2";
/// What became of a try. A mail that was settled meanwhile stays so.
pub const SETTLE: &str = "UPDATE mail.outbox SET state = $2, tries = tries + 1, \
    settled_at = CASE WHEN $2 = 'waiting' THEN NULL ELSE $3::timestamptz END, \
    sealed = CASE WHEN $2 = 'waiting' THEN sealed END \
    WHERE id = $1 AND state = 'waiting' RETURNING tries";
/// Its transcript.
pub const NOTE: &str = "INSERT INTO mail.attempt (mail, number, at, outcome, transcript) \
    VALUES ($1, $2, $3, $4, $5::text[])";
/// All tries of a mail.
pub const ATTEMPTS: &str = "SELECT number, at, outcome, array_to_json(transcript)::text AS transcript \
    FROM mail.attempt WHERE mail = $1 ORDER BY number";
/// Forgets what was settled before a time.
pub const FORGET: &str = "DELETE FROM mail.outbox WHERE settled_at < $1";

/// All of them, for the test.
pub const ALL: &[&str] = &[PUT, GET, LIST, SETTLE, NOTE, ATTEMPTS, FORGET];
