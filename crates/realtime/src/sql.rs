//! The statements, each prepared by a test.

/// What the caller may do in a channel: `$1` its name.
pub const RIGHTS: &str = "SELECT hears, sees, speaks, appears FROM realtime.rights($1)";

/// With an empty path every printed name is a full one.
pub const SURROUNDINGS: &str = "SELECT pg_catalog.set_config('search_path', '', true)";

/// What is published in the schemas `$1`, and whether it tells of its changes.
pub const PUBLISHED: &str = "
SELECT p.relation::int8, p.schema, p.name,
       EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = p.relation AND t.tgenabled <> 'D'
                  AND t.tgfoid = 'realtime.capture()'::pg_catalog.regprocedure
                  AND pg_catalog.encode(t.tgargs, 'escape') = p.relation::text || '\\000') AS followed
  FROM palisade_changes.published p WHERE p.schema = ANY ($1::text[])";

/// What is known of the tables `$1` that are published.
pub const TABLES: &str = "
SELECT coalesce(pg_catalog.json_agg(x), '[]')::text FROM (
  SELECT c.oid::int8 AS oid, p.schema, p.name, c.relreplident::text AS identity, p.condition,
         p.pubinsert AS inserts, p.pubupdate AS updates, p.pubdelete AS deletes,
         (SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
                   'name', a.attname, 'type', t.typname, 'of_key', coalesce(i.key @> array[a.attnum], false),
                   'published', p.columns IS NULL OR a.attnum = ANY (p.columns), 'computed', a.attgenerated = 'v')
                 ORDER BY a.attnum)
            FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
            LEFT JOIN LATERAL (SELECT pg_catalog.array_agg(k) AS key FROM pg_catalog.pg_index i, pg_catalog.unnest(i.indkey::int2[]) k
                                WHERE i.indrelid = c.oid
                                  AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident END) i ON true
           WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
         (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
                   'permissive', l.polpermissive, 'roles', (SELECT pg_catalog.json_agg(r::int8) FROM pg_catalog.unnest(l.polroles) r),
                   'using', pg_catalog.pg_get_expr(l.polqual, l.polrelid)) ORDER BY l.polname), '[]')
            FROM pg_catalog.pg_policy l WHERE l.polrelid = c.oid AND l.polcmd IN ('r', '*') AND l.polqual IS NOT NULL) AS policies
    FROM palisade_changes.published p JOIN pg_catalog.pg_class c ON c.oid = p.relation WHERE c.oid = ANY ($1::oid[])) x";

/// Makes what is published in the schemas `$1` tell of its changes, and nothing else.
pub const FOLLOW: &str =
    "SELECT f.relation::pg_catalog.regclass::text, f.why FROM palisade_changes.follow($1::text[]) f";

/// A node `$1` wants to know of changes in the tables `$2` from now on, for `$3` milliseconds.
pub const ENTER: &str = "
INSERT INTO palisade_changes.readers (node, tables, seen, upto, until)
SELECT $1::text, $2::oid[], pg_catalog.pg_current_snapshot(), n.last_value, pg_catalog.clock_timestamp() + $3::int8 * interval '1 ms'
  FROM palisade_changes.numbers n
ON CONFLICT (node) DO UPDATE SET tables = excluded.tables, seen = excluded.seen, upto = excluded.upto, until = excluded.until
RETURNING seen::text, upto";

/// A node wants to know of changes in other tables.
pub const WIDEN: &str = "UPDATE palisade_changes.readers SET tables = $2::oid[] WHERE node = $1 RETURNING 1";

/// How far a node is.
pub const STAND: &str = "
UPDATE palisade_changes.readers SET seen = $2::text::pg_snapshot, upto = $3::int8, until = pg_catalog.clock_timestamp() + $4::int8 * interval '1 ms'
 WHERE node = $1 RETURNING 1";

/// A node wants to know of nothing more.
pub const LEAVE: &str = "DELETE FROM palisade_changes.readers WHERE node = $1";

/// Forgets nodes that did not come back,
pub const FORGET_READERS: &str =
    "DELETE FROM palisade_changes.readers WHERE until < pg_catalog.clock_timestamp()";

/// and what all others have had.
pub const FORGET_CHANGES: &str = "
DELETE FROM palisade_changes.changes c
 WHERE NOT EXISTS (SELECT FROM palisade_changes.readers r WHERE NOT pg_catalog.pg_visible_in_snapshot(c.xid, r.seen))";

/// Those who come and go take turns, so that the last word about who is there is of one who saw all of them.
pub const TURN: &str = "SELECT pg_catalog.pg_advisory_xact_lock(7954882367117325172)";

/// Says it, too, to transactions whose snapshots are older.
pub const SAY: &str = "
SELECT pg_catalog.setval('palisade_changes.heard_until', coalesce(pg_catalog.max(pg_catalog.ceil(extract(epoch FROM r.until) * 1000))::int8, 0)),
       pg_catalog.setval('palisade_changes.heard_upto', coalesce(pg_catalog.min(r.upto), 0))
  FROM palisade_changes.readers r WHERE r.until > pg_catalog.clock_timestamp()";

/// Transactions that have written to the tables `$1`, or to their partitions, and are not over.
pub const WRITERS: &str = "
SELECT DISTINCT l.virtualtransaction FROM pg_catalog.pg_locks l
 WHERE l.locktype = 'relation' AND l.mode = 'RowExclusiveLock' AND l.granted
   AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
   AND l.relation IN (SELECT t FROM pg_catalog.unnest($1::oid[]) t
                      UNION ALL SELECT p.relid FROM pg_catalog.unnest($1::oid[]) t, pg_catalog.pg_partition_tree(t) p)";

/// Which of the transactions `$1` are not over.
pub const OPEN: &str = "
SELECT DISTINCT l.virtualtransaction FROM pg_catalog.pg_locks l WHERE l.virtualtransaction = ANY ($1::text[])";

/// What was committed since the snapshot `$1`: up to the snapshot `$2` where one is given, and behind number `$3`.
pub const READ: &str = "
WITH now AS MATERIALIZED (SELECT pg_catalog.pg_current_snapshot()::text AS seen)
SELECT now.seen, n.last_value, c.number, c.xid::text, c.relation::int8, c.kind, c.shape, c.old, c.new, c.at
  FROM now CROSS JOIN palisade_changes.numbers n LEFT JOIN (
    SELECT s.*, pg_catalog.sum(s.size) OVER (ORDER BY s.number) - s.size AS before FROM (
      SELECT c.number, c.xid, c.relation, c.kind, c.shape, coalesce(c.old, '') AS old, coalesce(c.new, '') AS new,
             pg_catalog.to_char(c.at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') AS at,
             coalesce(pg_catalog.octet_length(c.old), 0) + coalesce(pg_catalog.octet_length(c.new), 0) AS size
        FROM palisade_changes.changes c
       WHERE c.xid >= pg_catalog.pg_snapshot_xmin($1::text::pg_snapshot)
         AND NOT pg_catalog.pg_visible_in_snapshot(c.xid, $1::text::pg_snapshot)
         AND ($2::text = '' OR pg_catalog.pg_visible_in_snapshot(c.xid, nullif($2::text, '')::pg_snapshot))
         AND c.number > $3::int8
       ORDER BY c.number LIMIT $4::int8) s) c ON c.before < $5::int8
 ORDER BY c.number";

/// What decides about private channels, as one word: policies and rights on realtime.messages, and the functions that policies call.
pub const POLICIES: &str = "
SELECT pg_catalog.hashtextextended(coalesce(pg_catalog.string_agg(x, '|' ORDER BY x), ''), 0)::text FROM (
  SELECT pg_catalog.concat_ws(',', p.polname, p.polcmd, p.polpermissive, p.polroles::text, p.polqual::text, p.polwithcheck::text)
    FROM pg_catalog.pg_policy p WHERE p.polrelid = 'realtime.messages'::pg_catalog.regclass
  UNION ALL
  SELECT pg_catalog.concat_ws(',', c.relrowsecurity, c.relforcerowsecurity, c.relacl::text)
    FROM pg_catalog.pg_class c WHERE c.oid = 'realtime.messages'::pg_catalog.regclass
  UNION ALL
  SELECT pg_catalog.concat_ws(',', f.oid, f.prosrc, f.prosqlbody::text, f.prosecdef, f.proconfig::text, f.proacl::text)
    FROM pg_catalog.pg_policy p
    JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass AND d.objid = p.oid
     AND d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
    JOIN pg_catalog.pg_proc f ON f.oid = d.refobjid
   WHERE p.polrelid = 'realtime.messages'::pg_catalog.regclass
  UNION ALL
  SELECT pg_catalog.concat_ws(',', c.rolname, c.rolsuper, c.rolbypassrls,
         (SELECT pg_catalog.string_agg(r.oid::text, ' ' ORDER BY r.oid) FROM pg_catalog.pg_roles r WHERE pg_catalog.pg_has_role(c.oid, r.oid, 'USAGE')))
    FROM pg_catalog.pg_roles c WHERE c.rolname IN ('anon', 'authenticated', 'service_role')) y(x)";
