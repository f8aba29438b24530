-- Answers to writes that may come again (`Idempotency-Key`, control 125): kept in the transaction of the write itself.
--
-- Callers reach the table through the two functions alone. Both take the scope as a digest of who is calling, which no
-- request can choose; what they give back is only ever an answer to the same scope, key and request.
CREATE SCHEMA IF NOT EXISTS idempotency;
REVOKE ALL ON SCHEMA idempotency FROM PUBLIC;

CREATE TABLE idempotency.answers (
    scope bytea NOT NULL CHECK (octet_length(scope) = 32),
    key bytea NOT NULL CHECK (octet_length(key) = 32),
    request bytea NOT NULL CHECK (octet_length(request) = 32),
    answer bytea NOT NULL CHECK (octet_length(answer) <= 2097152),
    kept_until timestamptz NOT NULL,
    PRIMARY KEY (scope, key)
);
CREATE INDEX answers_kept_until ON idempotency.answers (kept_until);
ALTER TABLE idempotency.answers ENABLE ROW LEVEL SECURITY;
ALTER TABLE idempotency.answers OWNER TO palisade_system;

-- What is known of a write: `new`, `running` (in another transaction), `again` with the answer it had, `other` (the key
-- came with another request before), `full` (this caller has as many answers kept as anybody may). The lock is held
-- until the transaction ends, so that of two that begin at once one is told that the other is running.
CREATE FUNCTION idempotency.claim(
    of_scope bytea, of_key bytea, of_request bytea, at timestamptz, most integer,
    OUT state text, OUT kept bytea
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
    SELECT a.request, a.answer, a.kept_until INTO prior
        FROM idempotency.answers a WHERE a.scope = of_scope AND a.key = of_key;
    IF FOUND AND prior.kept_until > at THEN
        IF prior.request = of_request THEN
            state := 'again';
            kept := prior.answer;
        ELSE
            state := 'other';
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

-- Keeps the answer; two that slipped past each other meet at the primary key, and the later one is rolled back whole.
CREATE FUNCTION idempotency.keep(
    of_scope bytea, of_key bytea, of_request bytea, of_answer bytea, until timestamptz
) RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO idempotency.answers (scope, key, request, answer, kept_until)
    VALUES (of_scope, of_key, of_request, of_answer, until)
$$;

ALTER FUNCTION idempotency.claim(bytea, bytea, bytea, timestamptz, integer) OWNER TO palisade_system;
ALTER FUNCTION idempotency.keep(bytea, bytea, bytea, bytea, timestamptz) OWNER TO palisade_system;
GRANT USAGE ON SCHEMA idempotency TO PUBLIC;
GRANT USAGE ON SCHEMA idempotency TO palisade_system;
