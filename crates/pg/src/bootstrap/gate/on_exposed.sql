
BEGIN
  PERFORM palisade.enforce_gate();
  PERFORM pg_notify('palisade_catalog', '');
  RETURN NULL;
END
