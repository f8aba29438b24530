-- A policy may be for a role that callers are members of: whoever took that away, or let a role pass by policies, changed what may be
-- seen, too.
-- A digest of everything that says which rows somebody may see: policies, where row level security is on, the functions that
-- policies call, and whom they mean. It is the same again when a change was taken back.
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
                WHERE d.classid = 'pg_policy'::regclass AND d.refclassid = 'pg_proc'::regclass)), '')
        || E'\n--\n' ||
        -- Whom policies mean: what a caller's role is a member of, and whether it passes by them.
        coalesce((SELECT string_agg(concat_ws('|', c.rolname, c.rolsuper, c.rolbypassrls,
                (SELECT string_agg(r.oid::text, ',' ORDER BY r.oid) FROM pg_roles r WHERE pg_has_role(c.oid, r.oid, 'USAGE'))),
            E'\n' ORDER BY c.rolname)
            FROM pg_roles c WHERE c.rolname IN ('anon', 'authenticated', 'service_role')), ''),
        'UTF8'))
$$;
