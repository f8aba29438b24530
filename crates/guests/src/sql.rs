//! Every statement on our own table, and what is asked of the catalog.

/// Who is here, the first to go first.
pub const LIST: &str =
    "SELECT l.name, l.purpose, l.lent_by, l.lent_at, l.expires_at, l.connections, l.statement_ms,
       (SELECT count(*) FROM pg_catalog.pg_stat_activity a WHERE a.usename = l.name) AS sessions
  FROM guests.login l ORDER BY l.expires_at, l.name";
/// How many.
pub const COUNT: &str = "SELECT count(*) FROM guests.login";
/// Remembers one before it is made: what a crash leaves half made is taken back when its time is over.
pub const REMEMBER: &str =
    "INSERT INTO guests.login (name, purpose, lent_by, lent_at, expires_at, connections, statement_ms)
     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (name) DO NOTHING";
/// Forgets one that is gone.
pub const FORGET: &str = "DELETE FROM guests.login WHERE name = $1";
/// Whose time is over.
pub const OVER: &str = "SELECT name FROM guests.login WHERE expires_at <= $1 ORDER BY name";

/// Whether the server has a role of that name.
pub const EXISTS: &str = "SELECT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = $1::text)";
/// Sessions of one.
pub const END_SESSIONS: &str =
    "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE usename = $1::text";
/// Statements that run for longer than their login may: a session can lift its own limit, but not this one.
pub const END_LATE: &str = "SELECT count(pg_catalog.pg_terminate_backend(a.pid))
  FROM pg_catalog.pg_stat_activity a
  JOIN pg_catalog.unnest($1::text[], $2::bigint[]) AS l(name, ms) ON l.name = a.usename
 WHERE a.state <> 'idle' AND pg_catalog.clock_timestamp() - a.query_start > l.ms * interval '1 millisecond'";

/// What the role `readonly` could change, each with what closes it: rights to write, and functions that run with their
/// owner's rights and do not promise to change nothing. `audit.append` takes nothing without a proof that no SQL has. Large objects are closed when a login is made.
pub const WAYS: &str = "
SELECT pg_catalog.format('it may change %s.%s (REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON %1$I.%2$I FROM readonly, PUBLIC)', n.nspname, c.relname)
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
   AND pg_catalog.has_schema_privilege('readonly', n.oid, 'USAGE')
   AND (pg_catalog.has_table_privilege('readonly', c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
        OR pg_catalog.has_any_column_privilege('readonly', c.oid, 'INSERT, UPDATE'))
UNION ALL
SELECT pg_catalog.format('function %s runs with the rights of %s (REVOKE EXECUTE ON FUNCTION %1$s FROM readonly, PUBLIC)',
                         p.oid::pg_catalog.regprocedure, r.rolname)
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
  JOIN pg_catalog.pg_roles r ON r.oid = p.proowner
 WHERE p.prosecdef AND p.provolatile = 'v' AND p.prokind IN ('f', 'p', 'w')
   AND p.prorettype NOT IN ('pg_catalog.trigger'::pg_catalog.regtype, 'pg_catalog.event_trigger'::pg_catalog.regtype)
   AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND p.oid <> pg_catalog.to_regproc('audit.append')
   AND pg_catalog.has_schema_privilege('readonly', n.oid, 'USAGE')
   AND pg_catalog.has_function_privilege('readonly', p.oid, 'EXECUTE')
 ORDER BY 1";

/// PostgreSQL lets everybody make large objects, also where nothing else may be written. Whoever may write keeps it.
pub const CLOSE_LARGE_OBJECTS: &str = "DO $guests$ DECLARE f record; BEGIN
  FOR f IN SELECT p.oid::pg_catalog.regprocedure AS name FROM pg_catalog.pg_proc p
            WHERE p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace
              AND p.proname IN ('lo_creat', 'lo_create', 'lo_from_bytea', 'lo_put', 'lowrite', 'lo_unlink', 'lo_truncate', 'lo_truncate64')
              AND pg_catalog.has_function_privilege('readonly', p.oid, 'EXECUTE') LOOP
    EXECUTE pg_catalog.format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', f.name);
    EXECUTE pg_catalog.format('GRANT EXECUTE ON FUNCTION %s TO authenticated, service_role, palisade_owner', f.name);
  END LOOP; END $guests$";

/// Whether the administrator may do that.
pub const IS_SUPERUSER: &str = "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user";
