//! The statements on alerts.

/// How far the log is read, for the one node that reads now.
pub const TURN: &str = "SELECT seq FROM alerts.read FOR UPDATE SKIP LOCKED";
/// It is read to here.
pub const READ_TO: &str = "UPDATE alerts.read SET seq = $1";
/// Entries of a rule's window.
pub const WINDOW: &str = "SELECT seq, body FROM audit.log WHERE event = ANY ($1::text[]) AND at > $2 AND seq <= $3 \
    ORDER BY seq DESC LIMIT $4";
/// Where a rule last raised an alert, for each thing that it counts apart.
pub const LAST: &str =
    "SELECT sealed, key, max(seq) AS seq FROM alerts.raised WHERE rule = $1 AND at > $2 GROUP BY sealed, key";
/// Raises one.
pub const RAISE: &str = "INSERT INTO alerts.raised (id, rule, sealed, key, at, seq, count, action, what) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
/// What nobody was told of yet, the first so many of each rule: a rule that has much to tell keeps no other one waiting.
pub const UNTOLD: &str = "SELECT id, rule, sealed, at, count, action, what, told FROM (SELECT *, \
        row_number() OVER (PARTITION BY rule, sealed ORDER BY at, seq) AS place FROM alerts.raised \
        WHERE told_at IS NULL AND action <> 'rate_limit') AS waiting \
    WHERE place <= $1 ORDER BY at, seq";
/// Whatever else these rules have to tell is told with it.
pub const MARK_REST: &str = "UPDATE alerts.raised SET told_at = $2, told = $3 \
    WHERE told_at IS NULL AND action <> 'rate_limit' AND NOT sealed AND rule = ANY ($1::text[])";
/// When each rule last told somebody.
pub const TOLD_LAST: &str = "SELECT rule, max(told_at) AS at FROM alerts.raised \
    WHERE told_at IS NOT NULL AND NOT sealed AND told <> 'silenced' GROUP BY rule";
/// These are told.
pub const MARK: &str = "UPDATE alerts.raised SET told_at = $2, told = $3 WHERE id = ANY ($1::uuid[])";
/// Forgets.
pub const FORGET: &str = "DELETE FROM alerts.raised WHERE at < $1";
/// A page, newest first.
pub const LIST: &str = "SELECT id, rule, sealed, at, count, action, what, told FROM alerts.raised \
    WHERE NOT sealed ORDER BY at DESC, seq DESC LIMIT $1";
/// Silences in force.
pub const SILENCES: &str =
    "SELECT rule, until, by, reason FROM alerts.silences WHERE until > $1 ORDER BY rule";
/// Silences.
pub const SILENCE: &str = "INSERT INTO alerts.silences (rule, until, by, reason) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (rule) DO UPDATE SET until = excluded.until, by = excluded.by, reason = excluded.reason";
/// Ends a silence.
pub const SPEAK: &str = "DELETE FROM alerts.silences WHERE rule = $1";
/// Slows somebody down; longer if they are already.
pub const SLOW: &str = "INSERT INTO alerts.slowed AS known (subject, rule, at, until) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (subject) DO UPDATE SET rule = excluded.rule, at = excluded.at, until = greatest(known.until, excluded.until)";
/// Who is.
pub const SLOWED: &str =
    "SELECT subject, until FROM alerts.slowed WHERE until > $1 ORDER BY until DESC LIMIT 100000";
/// Who is not any more.
pub const UNSLOW: &str = "DELETE FROM alerts.slowed WHERE until <= $1";
/// Tells the other nodes.
pub const TELL: &str = "SELECT pg_notify('palisade_slowed', '')";
/// Administrators who can be written to.
pub const ADMINISTRATORS: &str = "SELECT email FROM auth.users \
    WHERE role IN ('supabase_admin', 'dashboard_admin', 'service_role') AND email_confirmed_at IS NOT NULL \
        AND deleted_at IS NULL AND email NOT LIKE '%.invalid' ORDER BY created_at LIMIT 50";

/// All of them, for the test that prepares each.
pub const ALL: &[&str] = &[
    TURN,
    READ_TO,
    WINDOW,
    LAST,
    RAISE,
    UNTOLD,
    MARK_REST,
    TOLD_LAST,
    MARK,
    FORGET,
    LIST,
    SILENCES,
    SILENCE,
    SPEAK,
    SLOW,
    SLOWED,
    UNSLOW,
    TELL,
    ADMINISTRATORS,
];
