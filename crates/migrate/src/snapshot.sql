-- Every object of the application, as: rank (what must be there first), kind, name, what is compared, and the SQL that
-- makes it, changes one that differs (NULL: by making it anew), and removes it.
WITH RECURSIVE mine AS (
    SELECT oid, nspname FROM pg_namespace
     WHERE nspname IN (SELECT name FROM palisade.exposed_schemas)
        OR (nspowner = 'palisade_owner'::regrole AND nspname <> 'public')
), extension_made AS (
    SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
), relation AS (
    SELECT c.*, format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c JOIN mine n ON n.oid = c.relnamespace
     WHERE NOT EXISTS (SELECT FROM extension_made e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid)
), tab AS (
    SELECT * FROM relation WHERE relkind IN ('r', 'p')
), col AS (
    SELECT a.*, t.name AS of_table, t.relkind, format('%I', a.attname) AS name,
           format_type(a.atttypid, a.atttypmod)
             || CASE WHEN a.attcollation <> ty.typcollation THEN ' COLLATE ' || (SELECT format('%I.%I', cn.nspname, co.collname)
                  FROM pg_collation co JOIN pg_namespace cn ON cn.oid = co.collnamespace WHERE co.oid = a.attcollation) ELSE '' END AS typed,
           CASE WHEN a.attgenerated = 's' THEN ' GENERATED ALWAYS AS (' || pg_get_expr(d.adbin, d.adrelid) || ') STORED' ELSE '' END AS generated,
           CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END AS fallback
      FROM tab t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attislocal
      JOIN pg_type ty ON ty.oid = a.atttypid
      LEFT JOIN pg_attrdef d ON d.adrelid = t.oid AND d.adnum = a.attnum
), fun AS (
    SELECT p.*, format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) AS name,
           EXISTS (SELECT FROM unnest(p.proargtypes::oid[] || p.prorettype || coalesce(p.proallargtypes, '{}')) x(t)
                     JOIN pg_type ty ON ty.oid = x.t LEFT JOIN pg_type el ON el.oid = ty.typelem
                     JOIN pg_class c ON c.oid IN (ty.typrelid, el.typrelid) AND c.relkind <> 'c') AS needs_table
      FROM pg_proc p JOIN mine n ON n.oid = p.pronamespace
     WHERE p.prokind IN ('f', 'p', 'w')
       AND NOT EXISTS (SELECT FROM extension_made e WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid)
), ty AS (
    SELECT t.*, format('%I.%I', n.nspname, t.typname) AS name FROM pg_type t JOIN mine n ON n.oid = t.typnamespace
     WHERE NOT EXISTS (SELECT FROM extension_made e WHERE e.classid = 'pg_type'::regclass AND e.objid = t.oid)
), granted AS (
    SELECT 'TABLE ' || r.name AS what, r.relowner AS owner, a.* FROM relation r, aclexplode(coalesce(r.relacl, acldefault('r', r.relowner))) a WHERE r.relkind IN ('r', 'p', 'v', 'm', 'f')
    UNION ALL
    SELECT 'SEQUENCE ' || r.name, r.relowner, a.* FROM relation r, aclexplode(coalesce(r.relacl, acldefault('s', r.relowner))) a WHERE r.relkind = 'S'
    UNION ALL
    SELECT CASE WHEN f.prokind = 'p' THEN 'PROCEDURE ' ELSE 'FUNCTION ' END || f.name, f.proowner, a.*
      FROM fun f, aclexplode(coalesce(f.proacl, acldefault('f', f.proowner))) a
    UNION ALL
    SELECT format('SCHEMA %I', n.nspname), n.nspowner, a.*
      FROM pg_namespace n JOIN mine USING (oid), aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a
), described AS (
    SELECT d.description, CASE
             WHEN d.objsubid > 0 THEN 'COLUMN ' || r.name || '.' || (SELECT format('%I', attname) FROM pg_attribute WHERE attrelid = r.oid AND attnum = d.objsubid)
             WHEN r.relkind IN ('r', 'p') THEN 'TABLE ' || r.name
             WHEN r.relkind = 'v' THEN 'VIEW ' || r.name
             WHEN r.relkind = 'm' THEN 'MATERIALIZED VIEW ' || r.name
             WHEN r.relkind = 'S' THEN 'SEQUENCE ' || r.name
             WHEN r.relkind = 'i' THEN 'INDEX ' || r.name
           END AS what
      FROM pg_description d JOIN relation r ON d.classoid = 'pg_class'::regclass AND d.objoid = r.oid
    UNION ALL
    SELECT d.description, CASE WHEN f.prokind = 'p' THEN 'PROCEDURE ' ELSE 'FUNCTION ' END || f.name
      FROM pg_description d JOIN fun f ON d.classoid = 'pg_proc'::regclass AND d.objoid = f.oid
    UNION ALL
    SELECT d.description, CASE WHEN t.typtype = 'd' THEN 'DOMAIN ' ELSE 'TYPE ' END || t.name
      FROM pg_description d JOIN ty t ON d.classoid = 'pg_type'::regclass AND d.objoid = t.oid
)
, stands_on AS (
    -- What has to be there before another of its rank.
    SELECT w.ev_class AS upper, d.refobjid AS lower FROM pg_rewrite w
      JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass
     WHERE d.refobjid <> w.ev_class AND EXISTS (SELECT FROM relation r WHERE r.oid = w.ev_class) AND EXISTS (SELECT FROM relation r WHERE r.oid = d.refobjid)
    UNION
    SELECT inhrelid, inhparent FROM pg_inherits
    UNION
    SELECT oid, typbasetype FROM ty WHERE typtype = 'd' AND EXISTS (SELECT FROM ty base WHERE base.oid = ty.typbasetype)
), floor AS (
    SELECT upper AS oid, 1 AS height FROM stands_on
    UNION
    -- Views can be made to look into each other, and then into nothing.
    SELECT s.upper, f.height + 1 FROM floor f JOIN stands_on s ON s.lower = f.oid WHERE f.height < 200
), high AS (
    SELECT coalesce(r.name, ty.name) AS name, max(f.height) AS height
      FROM floor f LEFT JOIN relation r ON r.oid = f.oid LEFT JOIN ty ON ty.oid = f.oid GROUP BY 1
    UNION ALL
    -- Each label is said to come after the one before it.
    SELECT ty.name || ' ' || quote_literal(enumlabel), row_number() OVER (PARTITION BY enumtypid ORDER BY enumsortorder)
      FROM ty JOIN pg_enum ON enumtypid = ty.oid
)
SELECT o.rank, o.kind, o.name, o.compared, o.made, o.changed, o.removed FROM (
-- The first row's types are everybody's: a name would cut texts off.
SELECT 0 AS rank, 'schema' AS kind, format('%I', nspname) AS name, ''::text AS compared,
       format('CREATE SCHEMA %I', nspname) AS made, NULL::text AS changed, format('DROP SCHEMA %I', nspname) AS removed
  FROM mine
UNION ALL
SELECT 1, 'extension', format('%I', extname), n.nspname::text,
       format('CREATE EXTENSION %I SCHEMA %I', extname, n.nspname), NULL, format('DROP EXTENSION %I', extname)
  FROM pg_extension e JOIN pg_namespace n ON n.oid = extnamespace WHERE extname <> 'plpgsql'
UNION ALL
-- With its labels: one that is added to it cannot be used in the transaction that adds it.
SELECT 2, 'enum', name, '',
       format('CREATE TYPE %s AS ENUM (%s)', name, (SELECT string_agg(quote_literal(enumlabel), ', ' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = ty.oid)),
       NULL, format('DROP TYPE %s', name)
  FROM ty WHERE typtype = 'e'
UNION ALL
SELECT 3, 'enum value', ty.name || ' ' || quote_literal(enumlabel), '',
       format('ALTER TYPE %s ADD VALUE %L%s', ty.name, enumlabel,
              coalesce(' AFTER ' || quote_literal(lag(enumlabel) OVER (PARTITION BY enumtypid ORDER BY enumsortorder)), '')),
       NULL, translate(format('-- PostgreSQL cannot remove %L from %s: make a new type and change the columns', enumlabel, ty.name), E'\n\r', '  ')
  FROM ty JOIN pg_enum ON enumtypid = ty.oid
UNION ALL
SELECT 3, 'domain', ty.name, format_type(typbasetype, typtypmod) || coalesce(typdefault, '') || typnotnull::text,
       format('CREATE DOMAIN %s AS %s%s%s', ty.name, format_type(typbasetype, typtypmod),
              coalesce(' DEFAULT ' || typdefault, ''), CASE WHEN typnotnull THEN ' NOT NULL' ELSE '' END),
       NULL, format('DROP DOMAIN %s', ty.name)
  FROM ty WHERE typtype = 'd'
UNION ALL
SELECT 4, 'domain constraint', format('%s %I', ty.name, conname), pg_get_constraintdef(c.oid),
       format('ALTER DOMAIN %s ADD CONSTRAINT %I %s', ty.name, conname, pg_get_constraintdef(c.oid)), NULL,
       format('ALTER DOMAIN %s DROP CONSTRAINT %I', ty.name, conname)
  FROM ty JOIN pg_constraint c ON c.contypid = ty.oid
UNION ALL
SELECT 4, 'composite type', r.name, string_agg(format('%I %s', attname, format_type(atttypid, atttypmod)), ', ' ORDER BY attnum),
       format('CREATE TYPE %s AS (%s)', r.name, string_agg(format('%I %s', attname, format_type(atttypid, atttypmod)), ', ' ORDER BY attnum)),
       NULL, format('DROP TYPE %s', r.name)
  FROM relation r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE r.relkind = 'c' GROUP BY r.name
UNION ALL
SELECT 5, 'sequence', r.name, format('%s %s %s %s %s %s', format_type(seqtypid, NULL), seqincrement, seqmin, seqmax, seqcache, seqcycle),
       format('CREATE SEQUENCE %s AS %s INCREMENT %s MINVALUE %s MAXVALUE %s CACHE %s%s', r.name, format_type(seqtypid, NULL),
              seqincrement, seqmin, seqmax, seqcache, CASE WHEN seqcycle THEN ' CYCLE' ELSE '' END),
       NULL, format('DROP SEQUENCE %s', r.name)
  FROM relation r JOIN pg_sequence s ON s.seqrelid = r.oid
 WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = r.oid AND d.classid = 'pg_class'::regclass AND d.deptype = 'i')
UNION ALL
SELECT CASE WHEN needs_table THEN 9 ELSE 6 END, 'function', name, pg_get_functiondef(oid), pg_get_functiondef(oid), pg_get_functiondef(oid),
       format('DROP %s %s', CASE WHEN prokind = 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END, name)
  FROM fun
UNION ALL
SELECT CASE WHEN relispartition THEN 8 ELSE 7 END, 'table', name,
       coalesce(pg_get_partkeydef(oid), '') || coalesce(pg_get_expr(relpartbound, oid), '') || relpersistence::text
         || coalesce((SELECT string_agg(inhparent::regclass::text, ',' ORDER BY inhseqno) FROM pg_inherits WHERE inhrelid = tab.oid), ''),
       CASE WHEN relispartition THEN format('CREATE TABLE %s PARTITION OF %s %s', name,
                   (SELECT format('%I.%I', pn.nspname, p.relname) FROM pg_inherits JOIN pg_class p ON p.oid = inhparent
                      JOIN pg_namespace pn ON pn.oid = p.relnamespace WHERE inhrelid = tab.oid), pg_get_expr(relpartbound, oid))
            ELSE format('CREATE %sTABLE %s (%s)%s%s', CASE relpersistence WHEN 'u' THEN 'UNLOGGED ' ELSE '' END, name,
                   CASE WHEN relkind = 'p' THEN (SELECT string_agg(col.name || ' ' || typed || generated, ', ' ORDER BY attnum) FROM col WHERE attrelid = tab.oid) ELSE '' END,
                   (SELECT ' INHERITS (' || string_agg(format('%I.%I', pn.nspname, p.relname), ', ' ORDER BY inhseqno) || ')'
                      FROM pg_inherits JOIN pg_class p ON p.oid = inhparent JOIN pg_namespace pn ON pn.oid = p.relnamespace WHERE inhrelid = tab.oid),
                   coalesce(' PARTITION BY ' || pg_get_partkeydef(oid), '')) END,
       NULL, format('DROP TABLE %s', name)
  FROM tab
UNION ALL
SELECT 10, 'column', of_table || '.' || name, typed || generated,
       format('ALTER TABLE %s ADD COLUMN IF NOT EXISTS %s %s%s', of_table, name, typed, generated),
       CASE WHEN generated = '' THEN format('ALTER TABLE %s ALTER COLUMN %s TYPE %s USING %s::%s', of_table, name, typed, name, format_type(atttypid, atttypmod)) END,
       format('ALTER TABLE %s DROP COLUMN %s', of_table, name)
  FROM col
UNION ALL
SELECT 11, 'identity', of_table || '.' || name, attidentity::text,
       format('ALTER TABLE %s ALTER COLUMN %s ADD GENERATED %s AS IDENTITY', of_table, name, CASE attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END),
       format('ALTER TABLE %s ALTER COLUMN %s SET GENERATED %s', of_table, name, CASE attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END),
       format('ALTER TABLE %s ALTER COLUMN %s DROP IDENTITY', of_table, name)
  FROM col WHERE attidentity <> ''
UNION ALL
SELECT 11, 'default', of_table || '.' || name, fallback, format('ALTER TABLE %s ALTER COLUMN %s SET DEFAULT %s', of_table, name, fallback),
       format('ALTER TABLE %s ALTER COLUMN %s SET DEFAULT %s', of_table, name, fallback),
       format('ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT', of_table, name)
  FROM col WHERE fallback IS NOT NULL
UNION ALL
-- Before identity, which asks for it.
SELECT 10, 'not null', of_table || '.' || name, '', format('ALTER TABLE %s ALTER COLUMN %s SET NOT NULL', of_table, name), NULL,
       format('ALTER TABLE %s ALTER COLUMN %s DROP NOT NULL', of_table, name)
  FROM col WHERE attnotnull
UNION ALL
SELECT 11, 'owned sequence', r.name, '', format('ALTER SEQUENCE %s OWNED BY %s.%s', r.name, col.of_table, col.name), NULL,
       format('ALTER SEQUENCE %s OWNED BY NONE', r.name)
  FROM relation r JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = r.oid AND d.deptype = 'a' AND d.refobjsubid > 0
  JOIN col ON col.attrelid = d.refobjid AND col.attnum = d.refobjsubid
 WHERE r.relkind = 'S'
UNION ALL
SELECT CASE c.contype WHEN 'f' THEN 13 ELSE 12 END, 'constraint', format('%s %I', t.name, conname), pg_get_constraintdef(c.oid),
       format('ALTER TABLE %s ADD CONSTRAINT %I %s', t.name, conname, pg_get_constraintdef(c.oid)), NULL,
       format('ALTER TABLE %s DROP CONSTRAINT %I', t.name, conname)
  FROM tab t JOIN pg_constraint c ON c.conrelid = t.oid AND c.contype IN ('p', 'u', 'c', 'f', 'x') AND c.coninhcount = 0
UNION ALL
SELECT 14, 'index', i.name, pg_get_indexdef(i.oid), pg_get_indexdef(i.oid), NULL, format('DROP INDEX %s', i.name)
  FROM relation i JOIN pg_index x ON x.indexrelid = i.oid
 WHERE NOT i.relispartition AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.oid AND c.contype IN ('p', 'u', 'x'))
UNION ALL
SELECT 15, CASE relkind WHEN 'v' THEN 'view' ELSE 'materialized view' END, name,
       coalesce(array_to_string(reloptions, ','), '') || pg_get_viewdef(oid),
       format('CREATE %s %s%s AS %s', CASE relkind WHEN 'v' THEN 'OR REPLACE VIEW' ELSE 'MATERIALIZED VIEW' END, name,
              coalesce(' WITH (' || array_to_string(reloptions, ', ') || ')', ''), rtrim(pg_get_viewdef(oid), ';')),
       NULL, format('DROP %s %s', CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'MATERIALIZED VIEW' END, name)
  FROM relation WHERE relkind IN ('v', 'm')
UNION ALL
SELECT 16, 'trigger', format('%s %I', r.name, tgname), pg_get_triggerdef(t.oid) || tgenabled::text, pg_get_triggerdef(t.oid), NULL,
       format('DROP TRIGGER %I ON %s', tgname, r.name)
  FROM relation r JOIN pg_trigger t ON t.tgrelid = r.oid AND NOT t.tgisinternal AND t.tgparentid = 0
   -- Canaries are the operator's, not the application's.
   AND t.tgfoid IS DISTINCT FROM to_regprocedure('detection.touched()')
   -- Follows from the publication.
   AND t.tgfoid IS DISTINCT FROM to_regprocedure('realtime.capture()')
UNION ALL
SELECT 17, 'row level security', name, '', format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name), NULL,
       format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY', name)
  FROM tab WHERE relrowsecurity AND relforcerowsecurity
UNION ALL
SELECT 18, 'policy', format('%s %I', t.name, polname), made, made, NULL, format('DROP POLICY %I ON %s', polname, t.name)
  FROM tab t JOIN LATERAL (
    SELECT p.polname, format('CREATE POLICY %I ON %s AS %s FOR %s TO %s%s%s', polname, t.name,
             CASE WHEN polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
             CASE polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
             (SELECT string_agg(CASE WHEN role = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(role)) END, ', ' ORDER BY role) FROM unnest(polroles) role),
             coalesce(' USING (' || pg_get_expr(polqual, polrelid) || ')', ''),
             coalesce(' WITH CHECK (' || pg_get_expr(polwithcheck, polrelid) || ')', '')) AS made
      FROM pg_policy p WHERE p.polrelid = t.oid) p ON true
UNION ALL
SELECT 19, 'grant', what || ' to ' || grantee, privilege, format('GRANT %s ON %s TO %s%s', privilege, what, grantee, CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END),
       NULL, format('REVOKE %s ON %s FROM %s', privilege, what, grantee)
  FROM (SELECT what, CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END AS grantee, is_grantable,
               string_agg(privilege_type, ', ' ORDER BY privilege_type) AS privilege
          FROM granted WHERE grantee <> owner GROUP BY what, 2, is_grantable) g
UNION ALL
SELECT 20, 'comment', what, description, format('COMMENT ON %s IS %L', what, description), format('COMMENT ON %s IS %L', what, description),
       format('COMMENT ON %s IS NULL', what)
  FROM described WHERE what IS NOT NULL
) o LEFT JOIN high h ON h.name = o.name AND o.kind IN ('view', 'materialized view', 'table', 'domain', 'enum value')
ORDER BY o.rank, coalesce(h.height, 0), o.kind, o.name
