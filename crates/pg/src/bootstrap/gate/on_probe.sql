
-- Probes of controls make tables for a moment, ask and fill them as the administrator, and hand them to the owner of all
-- tables like any other. Whoever else could put a trigger, a view or a child there would run code with the
-- administrator's rights. Runs with the rights of whoever changes the schema.
DECLARE
  found record;
BEGIN
  IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
    RETURN;
  END IF;
  FOR found IN
    SELECT k.relname AS name
      FROM pg_event_trigger_ddl_commands() c
      LEFT JOIN pg_trigger t ON c.classid = 'pg_trigger'::regclass AND t.oid = c.objid
      LEFT JOIN pg_rewrite w ON c.classid = 'pg_rewrite'::regclass AND w.oid = c.objid
      LEFT JOIN pg_policy p ON c.classid = 'pg_policy'::regclass AND p.oid = c.objid
      LEFT JOIN pg_index i ON c.classid = 'pg_class'::regclass AND i.indexrelid = c.objid
      LEFT JOIN pg_inherits h ON c.classid = 'pg_class'::regclass AND h.inhrelid = c.objid
      LEFT JOIN pg_constraint f ON f.contype = 'f' AND (f.conrelid = c.objid AND c.classid = 'pg_class'::regclass
                                                        OR f.oid = c.objid AND c.classid = 'pg_constraint'::regclass)
      JOIN pg_class k ON k.oid IN (CASE WHEN c.classid = 'pg_class'::regclass THEN c.objid END, t.tgrelid, w.ev_class,
                                   p.polrelid, i.indrelid, h.inhparent, f.confrelid)
     -- What tells listeners of changes is put on the one table that is listened to; the probe fills it as its owner.
     WHERE NOT (coalesce(t.tgname = 'palisade_changes', false) AND k.relname ~ '_heard$')
    UNION ALL
    SELECT p.proname FROM pg_event_trigger_ddl_commands() c
      JOIN pg_proc p ON c.classid = 'pg_proc'::regclass AND p.oid = c.objid
  LOOP
    IF found.name ~ '^palisade_probe_[0-9a-f]{16}' THEN
      RAISE insufficient_privilege USING
        MESSAGE = format('palisade: %s is of a probe of a control, which the administrator alone makes and changes', found.name),
        HINT = 'Leave it alone: it is gone in a moment. Names that begin with palisade_probe_ are the probes''.';
    END IF;
  END LOOP;
END
