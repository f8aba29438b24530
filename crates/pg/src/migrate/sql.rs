//! SQL of the migration runner.

/// The book of what was applied. Made by the administrator for the system login.
pub const BOOK: &str = "CREATE TABLE IF NOT EXISTS palisade.migrations (
  owner text NOT NULL,
  version int NOT NULL CHECK (version > 0),
  name text NOT NULL,
  checksum text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (owner, version))";

/// Everything applied so far.
pub const APPLIED: &str = "SELECT owner, version, name, checksum FROM palisade.migrations";

/// One more line.
pub const RECORD: &str =
    "INSERT INTO palisade.migrations (owner, version, name, checksum) VALUES ($1, $2, $3, $4)";

/// Everything a schema consists of, one line each, in an order and in words that do not depend on how it came to be.
/// Object numbers are left out. `$1` are the schemas.
pub const FINGERPRINT: &str = r"
WITH s AS (SELECT oid, nspname, nspowner, nspacl FROM pg_namespace WHERE nspname = ANY ($1)),
     c AS (SELECT c.*, s.nspname FROM pg_class c JOIN s ON s.oid = c.relnamespace)
SELECT line FROM (
  SELECT format('schema %s owner %s rights %s', nspname, nspowner::regrole,
                (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(nspacl) a)) AS line FROM s
  UNION ALL
  SELECT format('relation %s.%s kind %s owner %s persistence %s rls %s %s options %s rights %s comment %s',
                nspname, relname, relkind, relowner::regrole, relpersistence, relrowsecurity, relforcerowsecurity,
                reloptions, (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(relacl) a),
                obj_description(oid, 'pg_class')) FROM c
  UNION ALL
  SELECT format('column %s.%s.%s %s null %s default %s identity %s generated %s collation %s rights %s', c.nspname,
                c.relname, a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
                pg_get_expr(d.adbin, d.adrelid), a.attidentity, a.attgenerated, a.attcollation::regcollation, a.attacl)
    FROM pg_attribute a JOIN c ON c.oid = a.attrelid LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
   WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c')
  UNION ALL
  SELECT format('view %s.%s %s', nspname, relname, pg_get_viewdef(oid)) FROM c WHERE relkind IN ('v', 'm')
  UNION ALL
  SELECT format('constraint %s.%s %s %s', c.nspname, c.relname, k.conname, pg_get_constraintdef(k.oid))
    FROM pg_constraint k JOIN c ON c.oid = k.conrelid
  UNION ALL
  SELECT format('index %s', pg_get_indexdef(i.indexrelid)) FROM pg_index i JOIN c ON c.oid = i.indrelid
  UNION ALL
  SELECT format('trigger %s %s', t.tgenabled, pg_get_triggerdef(t.oid)) FROM pg_trigger t JOIN c ON c.oid = t.tgrelid
   WHERE NOT t.tgisinternal
  UNION ALL
  SELECT format('policy %s.%s %s %s %s %s using %s check %s', c.nspname, c.relname, p.polname, p.polcmd, p.polpermissive,
                (SELECT array_agg(r::regrole::text ORDER BY r::regrole::text) FROM unnest(p.polroles) r),
                pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
    FROM pg_policy p JOIN c ON c.oid = p.polrelid
  UNION ALL
  SELECT format('function owner %s rights %s %s', f.proowner::regrole,
                (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(f.proacl) a), pg_get_functiondef(f.oid))
    FROM pg_proc f JOIN s ON s.oid = f.pronamespace WHERE f.prokind <> 'a'
  UNION ALL
  SELECT format('type %s.%s owner %s kind %s values %s', s.nspname, t.typname, t.typowner::regrole, t.typtype,
                (SELECT array_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid))
    FROM pg_type t JOIN s ON s.oid = t.typnamespace WHERE t.typtype IN ('e', 'd', 'r')
  UNION ALL
  SELECT format('sequence %s.%s %s %s %s %s %s', c.nspname, c.relname, format_type(q.seqtypid, NULL), q.seqstart,
                q.seqincrement, q.seqmax, q.seqcycle) FROM pg_sequence q JOIN c ON c.oid = q.seqrelid
) lines ORDER BY line";
