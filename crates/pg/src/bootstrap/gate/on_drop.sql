
BEGIN
  DELETE FROM palisade.guarded g USING pg_event_trigger_dropped_objects() d
   WHERE d.classid = 'pg_class'::regclass AND d.objsubid = 0 AND g.relation = d.objid;
  IF EXISTS (SELECT FROM pg_event_trigger_dropped_objects() d WHERE NOT d.is_temporary) THEN
    PERFORM pg_notify('palisade_catalog', '');
  END IF;
END
