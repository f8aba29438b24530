
-- Every relation of a guarded schema that has not been seen yet. Looking at the catalog rather than at the command
-- covers every way a table comes to be: CREATE TABLE, AS, SELECT INTO, partitions, inheritance, import, extensions,
-- SET SCHEMA, a renamed schema. A row of `palisade.guarded` counts only while its name is right: after a restore the
-- numbers in it may be somebody else's. What belongs to a superuser is handed over each time, because a dump gives
-- tables back to whoever had them.
DECLARE
  found record;
  thing text;
BEGIN
  FOR found IN
    SELECT * FROM (
      SELECT c.oid, c.relkind, n.nspname, c.relname, r.rolname = 'palisade_owner' AS handed_over, r.rolsuper,
             c.relkind = 'v' AND NOT EXISTS (SELECT FROM unnest(c.reloptions) o WHERE o LIKE 'security_invoker=%')
               AS reads_as_owner,
             c.relkind <> 'v' AND NOT EXISTS (SELECT FROM palisade.guarded g WHERE g.relation = c.oid
                                                AND g.schema = n.nspname AND g.name = c.relname) AS is_new
        FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_roles r ON r.oid = c.relowner
        JOIN palisade.exposed_schemas e ON e.name = n.nspname AND e.guarded
       WHERE c.relkind IN ('r', 'p', 'f', 'm', 'v')) seen
     WHERE is_new OR reads_as_owner OR rolsuper
     ORDER BY oid
  LOOP
    thing := format('%I.%I', found.nspname, found.relname);
    IF found.is_new THEN
      -- First, because the statements below come back here.
      INSERT INTO palisade.guarded (relation, schema, name) VALUES (found.oid, found.nspname, found.relname)
        ON CONFLICT (relation) DO UPDATE SET schema = excluded.schema, name = excluded.name;
    END IF;
    IF found.is_new AND found.relkind IN ('r', 'p') THEN
      EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY, OWNER TO palisade_owner',
                     thing);
      CONTINUE;
    END IF;
    IF found.is_new THEN
      EXECUTE format('REVOKE ALL ON TABLE %s FROM PUBLIC, anon, authenticated, readonly', thing);
      RAISE WARNING 'palisade: % has no row level security, so only service_role may read it', thing
        USING HINT = 'Read it in a function that checks who asks.';
    END IF;
    IF found.reads_as_owner THEN
      -- Past every policy, otherwise. `security_invoker = false` is its owner's own word.
      EXECUTE format('ALTER VIEW %s SET (security_invoker = true)', thing);
    END IF;
    IF NOT found.handed_over THEN
      EXECUTE format('ALTER %s %s OWNER TO palisade_owner',
                     CASE found.relkind WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'm' THEN 'MATERIALIZED VIEW'
                                        WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, thing);
    END IF;
  END LOOP;
END
