-- A kept answer tells of rows, and what somebody may see of rows is decided by policies: with each answer stays what they
-- were, and under others it is not given. Rights are asked for anew besides, when an answer is given.
ALTER TABLE idempotency.answers ADD COLUMN rules bytea NOT NULL DEFAULT ''::bytea;
ALTER TABLE idempotency.answers ALTER COLUMN rules DROP DEFAULT;

-- A digest of everything that says which rows somebody may see: policies, where row level security is on, and the functions
-- that policies call. It is the same again when a change was taken back.
CREATE FUNCTION idempotency.rules() RETURNS bytea LANGUAGE sql STABLE SECURITY DEFINER
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
        coalesce((SELECT string_agg(concat_ws('|', f.oid, f.prosecdef, f.proconfig, f.prosrc), E'\n' ORDER BY f.oid)
            FROM pg_proc f WHERE f.oid IN (SELECT d.refobjid FROM pg_depend d
                WHERE d.classid = 'pg_policy'::regclass AND d.refclassid = 'pg_proc'::regclass)), ''),
        'UTF8'))
$$;
ALTER FUNCTION idempotency.rules() OWNER TO palisade_system;
REVOKE EXECUTE ON FUNCTION idempotency.rules FROM PUBLIC;

DROP FUNCTION idempotency.claim_answer(bytea, bytea, bytea, timestamptz, integer);
DROP FUNCTION idempotency.keep_answer(bytea, bytea, bytea, bytea, timestamptz);

-- As before, and `changed`: the same write was committed, and the rules are others since. What the rules are is given back,
-- and kept with the answer to the write that begins here.
CREATE FUNCTION idempotency.claim_answer(
    of_scope bytea, of_key bytea, of_request bytea, at timestamptz, most integer,
    OUT state text, OUT kept bytea, OUT now_rules bytea
) LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    prior record;
BEGIN
    IF NOT pg_try_advisory_xact_lock(('x' || encode(substr(sha256('idempotency'::bytea || of_scope || of_key), 1, 8), 'hex'))::bit(64)::bigint) THEN
        state := 'running';
        RETURN;
    END IF;
    now_rules := idempotency.rules();
    SELECT a.request, a.answer, a.kept_until, a.rules INTO prior
        FROM idempotency.answers a WHERE a.scope = of_scope AND a.key = of_key;
    IF FOUND AND prior.kept_until > at THEN
        IF prior.request <> of_request THEN
            state := 'other';
        ELSIF prior.rules <> now_rules THEN
            state := 'changed';
        ELSE
            state := 'again';
            kept := prior.answer;
        END IF;
        RETURN;
    END IF;
    DELETE FROM idempotency.answers a WHERE a.scope = of_scope AND a.kept_until <= at;
    IF EXISTS (SELECT FROM idempotency.answers a WHERE a.scope = of_scope OFFSET most - 1) THEN
        state := 'full';
        RETURN;
    END IF;
    state := 'new';
END
$$;

CREATE FUNCTION idempotency.keep_answer(
    of_scope bytea, of_key bytea, of_request bytea, of_answer bytea, until timestamptz, under bytea
) RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO idempotency.answers (scope, key, request, answer, kept_until, rules)
    VALUES (of_scope, of_key, of_request, of_answer, until, under)
$$;

ALTER FUNCTION idempotency.claim_answer(bytea, bytea, bytea, timestamptz, integer) OWNER TO palisade_system;
ALTER FUNCTION idempotency.keep_answer(bytea, bytea, bytea, bytea, timestamptz, bytea) OWNER TO palisade_system;
REVOKE EXECUTE ON FUNCTION idempotency.claim_answer, idempotency.keep_answer FROM PUBLIC;
GRANT EXECUTE ON FUNCTION idempotency.claim_answer, idempotency.keep_answer TO anon, authenticated, service_role;
