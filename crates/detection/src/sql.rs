//! The statements on the bans.

/// Bans by a jail: the next one within the memory is four times as long. One that is in force stays as it is. Not beyond $8, where
/// that is given.
pub const BAN: &str = "INSERT INTO detection.bans AS known (network, jail, reason, by, times, at, until) \
    VALUES ($1::text::cidr, $2, $3, 'system', 1, $4, least($4::timestamptz + $5::bigint * interval '1 second', $8::timestamptz)) \
    ON CONFLICT (network) DO UPDATE SET jail = excluded.jail, reason = excluded.reason, by = excluded.by, at = excluded.at, \
        times = CASE WHEN known.until < $4::timestamptz - $7::bigint * interval '1 day' THEN 1 ELSE known.times + 1 END, \
        until = CASE WHEN known.until < $4::timestamptz - $7::bigint * interval '1 day' THEN excluded.until \
            ELSE least($4::timestamptz + least($5::bigint * power(4, least(known.times, 12)), $6::bigint) * interval '1 second', \
                $8::timestamptz) END \
    WHERE known.until <= $4 \
    RETURNING times, until";

/// Another jail of the same one, while the ban of the first is in force: the longer one holds.
pub const ALSO: &str = "WITH known AS ( \
        SELECT network, least($4::timestamptz + least($5::bigint * power(4, least(times - 1, 12)), $6::bigint) * interval '1 second', \
            $7::timestamptz) AS ends \
        FROM detection.bans WHERE network = $1::text::cidr AND until > $4 AND by = 'system' AND jail <> $2::text FOR UPDATE) \
    UPDATE detection.bans b SET jail = CASE WHEN known.ends > b.until THEN $2 ELSE b.jail END, \
        reason = CASE WHEN known.ends > b.until THEN $3 ELSE b.reason END, until = greatest(b.until, known.ends) \
    FROM known WHERE b.network = known.network RETURNING b.times, b.until";

/// Bans by an operator, for exactly so long.
pub const ADD: &str = "INSERT INTO detection.bans AS known (network, jail, reason, by, times, at, until) \
    VALUES ($1::text::cidr, 'operator', $2, $3, 1, $4, $5) \
    ON CONFLICT (network) DO UPDATE SET jail = excluded.jail, reason = excluded.reason, by = excluded.by, at = excluded.at, \
        until = excluded.until";

/// Lifts one, and forgets that there was any.
pub const REMOVE: &str = "DELETE FROM detection.bans WHERE network = $1::text::cidr RETURNING 1";

/// Notes that one was lifted, for nodes that have a ban of it and did not write it down yet.
pub const LIFT: &str = "INSERT INTO detection.lifts AS known (network, at) VALUES ($1::text::cidr, $2) \
    ON CONFLICT (network) DO UPDATE SET at = greatest(known.at, excluded.at)";

/// When networks were lifted.
pub const LIFTS: &str =
    "SELECT network::text, at FROM detection.lifts WHERE network = ANY ($1::text[]::cidr[])";

/// Of a ban and a lift of it, one sees the other: both wait here.
pub const TURN: &str = "SELECT pg_advisory_xact_lock(hashtextextended('palisade: detection.bans', 0))";

/// How many of a neighbourhood are kept out.
pub const NEIGHBOURS: &str =
    "SELECT count(*) FROM detection.bans WHERE network << $1::text::cidr AND until > $2 AND by = 'system'";

/// Those in force, those that end last first.
pub const IN_FORCE: &str = "SELECT network::text, jail, reason, by, times, at, until FROM detection.bans \
    WHERE until > $1 ORDER BY until DESC LIMIT $2";

/// Forgets those that nobody has to remember.
pub const FORGET: &str =
    "DELETE FROM detection.bans WHERE until < $1::timestamptz - $2::bigint * interval '1 day'";

/// Forgets lifts that no node can have a ban from before.
pub const FORGET_LIFTS: &str =
    "DELETE FROM detection.lifts WHERE at < $1::timestamptz - $2::bigint * interval '1 day'";

/// Tells the other nodes.
pub const TELL: &str = "SELECT pg_notify('palisade_bans', '')";

/// Marks a row, unless the name or the mark is taken, or there are too many.
pub const MARK: &str = "INSERT INTO detection.canaries (name, mark, by, at, table_name) SELECT $1, $2, $3, $4, $6 \
    WHERE (SELECT count(*) FROM detection.canaries) < $5 ON CONFLICT DO NOTHING RETURNING name";

/// The table of the application that is meant, in `public` where no schema is said: none of ours, nor of the server's.
pub const TABLE: &str = "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_class c \
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_roles r ON r.oid = c.relowner \
    WHERE c.oid = pg_catalog.to_regclass(CASE pg_catalog.array_length(pg_catalog.parse_ident($1::text), 1) \
        WHEN 1 THEN 'public.' || $1 ELSE $1 END) AND c.relkind IN ('r', 'p') AND NOT c.relispartition \
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND r.rolname NOT IN ('palisade_system', 'palisade_audit')";

/// Where one canary's triggers are.
pub const TRIGGERS: &str = "SELECT t.tgname::text, t.tgrelid::regclass::text FROM pg_catalog.pg_trigger t \
    WHERE t.tgfoid = 'detection.touched()'::regprocedure AND t.tgparentid = 0 AND t.tgname IN ($1::text::name, $2::text::name)";

/// Takes what tables have told. The rows go with the entries that are made of them.
pub const TOUCHES: &str = "DELETE FROM detection.touches WHERE id IN (SELECT id FROM detection.touches ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED) \
    RETURNING canary, act, table_name, actor, role, address";

/// Every mark.
pub const CANARIES: &str = "SELECT name, mark, by, at, table_name FROM detection.canaries ORDER BY at, name";

/// Forgets one.
pub const UNMARK: &str = "DELETE FROM detection.canaries WHERE name = $1 RETURNING name, table_name";

/// All of them, for the test that prepares each.
pub const ALL: &[&str] = &[
    BAN,
    ALSO,
    ADD,
    REMOVE,
    LIFT,
    LIFTS,
    TURN,
    NEIGHBOURS,
    IN_FORCE,
    FORGET,
    FORGET_LIFTS,
    TELL,
    MARK,
    TABLE,
    TRIGGERS,
    TOUCHES,
    CANARIES,
    UNMARK,
];
