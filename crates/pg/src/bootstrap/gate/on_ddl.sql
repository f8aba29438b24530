
DECLARE
  found record;
BEGIN
  -- Temporary tables concern nobody else. A command that reports nothing is looked at all the same.
  IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands())
     AND NOT EXISTS (SELECT FROM pg_event_trigger_ddl_commands() c WHERE c.schema_name IS DISTINCT FROM 'pg_temp') THEN
    RETURN;
  END IF;
  PERFORM palisade.enforce_gate();
  FOR found IN
    SELECT DISTINCT u.schema, u.name, u.why
      FROM pg_event_trigger_ddl_commands() c
      JOIN palisade.unprotected u ON u.relation = c.objid
     WHERE c.classid = 'pg_class'::regclass
  LOOP
    RAISE WARNING 'palisade: %.% is not served: %', found.schema, found.name, found.why;
    PERFORM pg_notify('palisade_gate', format('%s.%s: %s', found.schema, found.name, found.why));
  END LOOP;
  -- A drop reports nothing here and is announced by the other trigger.
  IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands()) THEN
    PERFORM pg_notify('palisade_catalog', '');
  END IF;
END
