
-- Every relation of a guarded schema that has not been seen yet. Looking at the catalog rather than at the command
-- covers every way a table comes to be: CREATE TABLE, AS, SELECT INTO, partitions, inheritance, import, extensions,
-- SET SCHEMA, a renamed schema. A row of `palisade.guarded` counts only while its name is right: after a restore the
-- numbers in it may be somebody else's.
DECLARE
  found record;
  thing text;
BEGIN
  FOR found IN
    SELECT c.oid, c.relkind, n.nspname, c.relname, pg_get_userbyid(c.relowner) AS owner
      FROM pg_class c
      JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN palisade.exposed_schemas e ON e.name = n.nspname AND e.guarded
     WHERE (c.relkind IN ('r', 'p', 'f', 'm')
            AND NOT EXISTS (SELECT FROM palisade.guarded g
                             WHERE g.relation = c.oid AND g.schema = n.nspname AND g.name = c.relname))
        OR (c.relkind = 'v'
            AND NOT EXISTS (SELECT FROM unnest(c.reloptions) o WHERE o LIKE 'security_invoker=%'))
     ORDER BY c.oid
  LOOP
    thing := format('%I.%I', found.nspname, found.relname);
    IF found.relkind = 'v' THEN
      -- A view otherwise reads as its owner, past every policy. `security_invoker = false` is the owner's own word.
      EXECUTE format('ALTER VIEW %s SET (security_invoker = true)', thing);
      EXECUTE format('ALTER VIEW %s OWNER TO palisade_owner', thing);
      CONTINUE;
    END IF;
    -- First, because the statements below come back here.
    INSERT INTO palisade.guarded (relation, schema, name) VALUES (found.oid, found.nspname, found.relname)
      ON CONFLICT (relation) DO UPDATE SET schema = excluded.schema, name = excluded.name;
    CASE found.relkind
      WHEN 'f', 'm' THEN
        EXECUTE format('REVOKE ALL ON TABLE %s FROM PUBLIC, anon, authenticated, readonly', thing);
        EXECUTE format('ALTER %s %s OWNER TO palisade_owner',
                       CASE found.relkind WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'MATERIALIZED VIEW' END, thing);
        RAISE WARNING 'palisade: % has no row level security, so only service_role may read it', thing
          USING HINT = 'Put a view with a WHERE clause before it, or grant it on purpose.';
      ELSE
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY, OWNER TO palisade_owner',
                       thing);
    END CASE;
  END LOOP;
END
