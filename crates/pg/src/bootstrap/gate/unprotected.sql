SELECT c.oid AS relation, n.nspname AS schema, c.relname AS name, c.relkind AS kind,
       CASE
         WHEN c.relkind = 'v' THEN 'the view reads as its owner, not as its caller'
         WHEN c.relkind = 'm' THEN 'a materialized view has no row level security'
         WHEN c.relkind = 'f' THEN 'a foreign table has no row level security'
         WHEN NOT c.relrowsecurity THEN 'row level security is off'
         WHEN NOT c.relforcerowsecurity THEN 'row level security is not forced on its owner'
       END AS why
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN palisade.exposed_schemas e ON e.name = n.nspname
 WHERE (c.relkind IN ('r', 'p') AND NOT (c.relrowsecurity AND c.relforcerowsecurity))
    OR (c.relkind IN ('m', 'f')
        AND (pg_catalog.has_table_privilege('anon', c.oid, 'SELECT')
             OR pg_catalog.has_any_column_privilege('anon', c.oid, 'SELECT')
             OR pg_catalog.has_table_privilege('authenticated', c.oid, 'SELECT')
             OR pg_catalog.has_any_column_privilege('authenticated', c.oid, 'SELECT')))
    OR (c.relkind = 'v'
        AND NOT EXISTS (SELECT FROM pg_catalog.unnest(c.reloptions) o
                         WHERE o IN ('security_invoker=true', 'security_invoker=on', 'security_invoker=1',
                                     'security_invoker=yes')))
