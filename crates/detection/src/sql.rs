//! The statements on the bans.

/// Bans by a jail: the next one within the memory is four times as long. One that is in force stays as it is.
pub const BAN: &str = "INSERT INTO detection.bans AS known (network, jail, reason, by, times, at, until) \
    VALUES ($1::text::cidr, $2, $3, 'system', 1, $4, $4::timestamptz + $5::bigint * interval '1 second') \
    ON CONFLICT (network) DO UPDATE SET jail = excluded.jail, reason = excluded.reason, by = excluded.by, at = excluded.at, \
        times = CASE WHEN known.until < $4::timestamptz - $7::bigint * interval '1 day' THEN 1 ELSE known.times + 1 END, \
        until = CASE WHEN known.until < $4::timestamptz - $7::bigint * interval '1 day' THEN excluded.until \
            ELSE $4::timestamptz + least($5::bigint * power(4, least(known.times, 12)), $6::bigint) * interval '1 second' END \
    WHERE known.until <= $4 \
    RETURNING times, until";

/// Bans by an operator, for exactly so long.
pub const ADD: &str = "INSERT INTO detection.bans AS known (network, jail, reason, by, times, at, until) \
    VALUES ($1::text::cidr, 'operator', $2, $3, 1, $4, $5) \
    ON CONFLICT (network) DO UPDATE SET jail = excluded.jail, reason = excluded.reason, by = excluded.by, at = excluded.at, \
        until = excluded.until";

/// Lifts one, and forgets that there was any.
pub const REMOVE: &str = "DELETE FROM detection.bans WHERE network = $1::text::cidr RETURNING until > $2";

/// How many of a neighbourhood are kept out.
pub const NEIGHBOURS: &str =
    "SELECT count(*) FROM detection.bans WHERE network << $1::text::cidr AND until > $2 AND by = 'system'";

/// Those in force, those that end last first.
pub const IN_FORCE: &str = "SELECT network::text, jail, reason, by, times, at, until FROM detection.bans \
    WHERE until > $1 ORDER BY until DESC LIMIT $2";

/// Forgets those that nobody has to remember.
pub const FORGET: &str =
    "DELETE FROM detection.bans WHERE until < $1::timestamptz - $2::bigint * interval '1 day'";

/// Tells the other nodes.
pub const TELL: &str = "SELECT pg_notify('palisade_bans', '')";

/// Marks a row, unless the name or the mark is taken, or there are too many.
pub const MARK: &str = "INSERT INTO detection.canaries (name, mark, by, at) SELECT $1, $2, $3, $4 \
    WHERE (SELECT count(*) FROM detection.canaries) < $5 ON CONFLICT DO NOTHING RETURNING name";

/// Every mark.
pub const CANARIES: &str = "SELECT name, mark, by, at FROM detection.canaries ORDER BY at, name";

/// Forgets one.
pub const UNMARK: &str = "DELETE FROM detection.canaries WHERE name = $1 RETURNING name";

/// All of them, for the test that prepares each.
pub const ALL: &[&str] = &[BAN, ADD, REMOVE, NEIGHBOURS, IN_FORCE, FORGET, TELL, MARK, CANARIES, UNMARK];
