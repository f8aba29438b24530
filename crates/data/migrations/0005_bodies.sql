-- A function that a policy calls may have its body in the standard's form: whoever changed that changed what may be seen, too.
-- A digest of everything that says which rows somebody may see: policies, where row level security is on, and the functions
-- that policies call. It is the same again when a change was taken back.
CREATE OR REPLACE FUNCTION idempotency.rules() RETURNS bytea LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT sha256(convert_to(
        coalesce((SELECT string_agg(concat_ws('|', p.polrelid, p.polname, p.polcmd, p.polpermissive, p.polroles,
                -- Where in its statement an expression stood says nothing about it.
                regexp_replace(p.polqual::text, ':location -?[0-9]+', '', 'g'), '~',
                regexp_replace(p.polwithcheck::text, ':location -?[0-9]+', '', 'g')),
            E'\n' ORDER BY p.polrelid, p.polname) FROM pg_policy p), '')
        || E'\n--\n' ||
        coalesce((SELECT string_agg(concat_ws('|', c.oid, c.relrowsecurity, c.relforcerowsecurity), E'\n' ORDER BY c.oid)
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'), '')
        || E'\n--\n' ||
        coalesce((SELECT string_agg(concat_ws('|', f.oid, f.prosecdef, f.proconfig, f.prosrc,
                -- A body in the standard's form (BEGIN ATOMIC) stands here, and its text nowhere.
                regexp_replace(f.prosqlbody::text, ':(stmt_location|stmt_len|location) -?[0-9]+', '', 'g')), E'\n' ORDER BY f.oid)
            FROM pg_proc f WHERE f.oid IN (SELECT d.refobjid FROM pg_depend d
                WHERE d.classid = 'pg_policy'::regclass AND d.refclassid = 'pg_proc'::regclass)), ''),
        'UTF8'))
$$;
