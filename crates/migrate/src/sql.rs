//! Every statement on our own table.

/// What has been applied.
pub const APPLIED: &str =
    "SELECT version, name, checksum, down, applied_at::text FROM migrate.applied ORDER BY version";
/// Remembers one.
pub const RECORD: &str =
    "INSERT INTO migrate.applied (version, name, checksum, down) VALUES ($1, $2, $3, $4)";
/// Forgets one that was taken back.
pub const FORGET: &str = "DELETE FROM migrate.applied WHERE version = $1";
/// One at a time, over all nodes.
pub const TAKE_TURN: &str = "SELECT pg_catalog.pg_advisory_lock($1)";
/// Gives the turn back.
pub const GIVE_TURN: &str = "SELECT pg_catalog.pg_advisory_unlock($1)";
/// The second in which a copy is made: its name begins with it.
pub const NOW: &str = "SELECT extract(epoch FROM pg_catalog.now())::bigint";
/// Copies that a crash left behind, and their logins: older than any rehearsal takes. Somebody else's may be in use.
pub const STALE_COPIES: &str = "SELECT name::text FROM (SELECT datname AS name FROM pg_catalog.pg_database \
       UNION SELECT rolname FROM pg_catalog.pg_roles) known \
     WHERE name ~ '^palisade_copy_[0-9]+_' AND split_part(name, '_', 3)::bigint < $1";
/// Whether we are a superuser.
pub const IS_SUPERUSER: &str = "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user";
/// Superusers, and those that are named.
pub const TRUSTED: &str =
    "SELECT rolname::text FROM pg_catalog.pg_roles WHERE rolsuper OR rolname::text = ANY ($1::text[])";
/// Whether a copy has a login of its own.
pub const HAS_LOGIN: &str = "SELECT FROM pg_catalog.pg_roles WHERE rolname = $1";
/// Schemas that are not PostgreSQL's own.
pub const SCHEMAS: &str = "SELECT nspname::text FROM pg_catalog.pg_namespace \
     WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY 1";
/// Every object of the application.
pub const SNAPSHOT: &str = include_str!("snapshot.sql");
/// Large objects, by number.
pub const LARGE_OBJECTS: &str = "SELECT oid::text FROM pg_catalog.pg_largeobject_metadata ORDER BY oid";
/// Materialised views that were asked, each after those that it looks into.
pub const MATERIALIZED: &str = "WITH RECURSIVE looks AS ( \
       SELECT v.oid AS view, d.refobjid AS into FROM pg_catalog.pg_class v \
         JOIN pg_catalog.pg_rewrite r ON r.ev_class = v.oid \
         JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid \
           AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid <> v.oid \
         WHERE v.relkind IN ('v', 'm')), \
     deep AS ( \
       SELECT oid AS view, 0 AS level FROM pg_catalog.pg_class WHERE relkind = 'm' AND relispopulated \
       UNION SELECT looks.view, deep.level + 1 FROM deep JOIN looks ON looks.into = deep.view WHERE deep.level < 100) \
     SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) FROM deep JOIN pg_catalog.pg_class c ON c.oid = deep.view \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'm' AND c.relispopulated \
     GROUP BY n.nspname, c.relname ORDER BY max(deep.level), 1";
