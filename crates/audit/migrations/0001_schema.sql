-- The audit log (controls 92-98): an inbox that transactions append to, the chained log, and its signed heads.
--
-- Everything belongs to palisade_audit, a role nobody can log in as or switch to. Others reach it through the three
-- functions below, and each of those asks for a door proof: HMAC-SHA256 under a key that only this server process
-- and the table audit.door know. SQL that a caller brings along therefore cannot append, and nobody can append twice.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'palisade_audit') THEN
        CREATE ROLE palisade_audit NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL; -- Another database of this cluster was migrated at the same moment.
END
$$;

CREATE SCHEMA IF NOT EXISTS audit;
REVOKE ALL ON SCHEMA audit FROM PUBLIC;

-- The two pads of HMAC (RFC 2104), so that SQL needs only sha256().
CREATE TABLE audit.door (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    inner_pad bytea NOT NULL CHECK (octet_length(inner_pad) = 64),
    outer_pad bytea NOT NULL CHECK (octet_length(outer_pad) = 64)
);

-- Whose turn it is to chain: a row to lock. Not an advisory lock, which any caller's SQL could take and keep.
CREATE TABLE audit.turn (only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row));
INSERT INTO audit.turn DEFAULT VALUES;

-- Committed, not yet chained. `n` is the order of arrival, not of commit. `origin` is a MAC by a key outside the
-- database: a row that a superuser puts here is found out when its turn comes.
CREATE TABLE audit.inbox (
    n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id uuid NOT NULL UNIQUE,
    salt bytea NOT NULL CHECK (octet_length(salt) = 16),
    origin bytea NOT NULL CHECK (octet_length(origin) = 32),
    body text NOT NULL CHECK (octet_length(body) <= 65536)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);

-- The chain. `leaf` commits to salt, id and body, so that a body can be erased one day and the chain still holds.
-- event, actor, subject and at repeat the body for queries; verification compares them.
CREATE TABLE audit.log (
    seq bigint PRIMARY KEY CHECK (seq > 0),
    id uuid NOT NULL UNIQUE,
    chained_at timestamptz NOT NULL,
    at timestamptz NOT NULL,
    event text NOT NULL,
    actor text NOT NULL,
    subject text,
    salt bytea NOT NULL,
    body text NOT NULL,
    leaf bytea NOT NULL,
    hash bytea NOT NULL,
    mac bytea NOT NULL
);
CREATE INDEX log_event ON audit.log (event, seq);
CREATE INDEX log_actor ON audit.log (actor, seq);
CREATE INDEX log_subject ON audit.log (subject, seq) WHERE subject IS NOT NULL;
CREATE INDEX log_at ON audit.log USING brin (at);

CREATE TABLE audit.head (
    seq bigint PRIMARY KEY,
    at timestamptz NOT NULL,
    hash bytea NOT NULL,
    node text NOT NULL,
    signature bytea NOT NULL
);

CREATE FUNCTION audit.proof(message bytea) RETURNS bytea
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT sha256(d.outer_pad || sha256(d.inner_pad || message)) FROM audit.door d
$$;

-- The only way in. The replay check is for ids already chained; ids still in the inbox are its unique constraint's.
CREATE FUNCTION audit.append(
    ids uuid[], salts bytea[], origins bytea[], bodies text[], proofs bytea[]
) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    accepted bigint;
BEGIN
    -- Digests are compared instead of proofs, so that the time of the comparison tells nothing.
    INSERT INTO audit.inbox (id, salt, origin, body)
        SELECT u.id, u.salt, u.origin, u.body
        FROM unnest(ids, salts, origins, bodies, proofs) AS u (id, salt, origin, body, proof)
        WHERE sha256(u.proof)
              = sha256(audit.proof(uuid_send(u.id) || u.salt || u.origin || convert_to(u.body, 'UTF8')))
          AND NOT EXISTS (SELECT FROM audit.log l WHERE l.id = u.id);
    GET DIAGNOSTICS accepted = ROW_COUNT;
    IF accepted = 0 OR accepted <> cardinality(ids) THEN
        RAISE EXCEPTION 'audit entries come only through the door' USING ERRCODE = 'insufficient_privilege';
    END IF;
END
$$;

-- Takes the turn for this transaction and says where the chain ends; no row when another node has it.
CREATE FUNCTION audit.take_turn() RETURNS TABLE (tail_seq bigint, tail_hash bytea, tail_at timestamptz)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM FROM audit.turn FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT l.seq, l.hash, l.chained_at FROM audit.log l ORDER BY l.seq DESC LIMIT 1;
    IF NOT FOUND THEN
        RETURN QUERY SELECT 0::bigint, decode(repeat('00', 32), 'hex'), NULL::timestamptz;
    END IF;
END
$$;

-- Moves inbox rows to the end of the chain. The proof binds the batch to the tail it continues, so it works once.
CREATE FUNCTION audit.chain(
    after_seq bigint, after_hash bytea, chained timestamptz,
    ids uuid[], leaves bytea[], hashes bytea[], macs bytea[],
    node text, signature bytea, door_proof bytea
) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    moved bigint;
    last_hash bytea := hashes[cardinality(hashes)];
BEGIN
    IF sha256(door_proof) IS DISTINCT FROM
       sha256(audit.proof(convert_to('chain', 'UTF8') || int8send(after_seq) || after_hash || last_hash)) THEN
        RAISE EXCEPTION 'the chain grows only through the door' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF (SELECT max(l.seq) FROM audit.log l) IS DISTINCT FROM nullif(after_seq, 0)
       OR (after_seq > 0 AND (SELECT l.hash FROM audit.log l WHERE l.seq = after_seq) <> after_hash) THEN
        RAISE EXCEPTION 'the chain does not end at %', after_seq USING ERRCODE = 'serialization_failure';
    END IF;
    WITH batch AS (
        SELECT * FROM unnest(ids, leaves, hashes, macs) WITH ORDINALITY AS u (id, leaf, hash, mac, place)
    ), taken AS (
        DELETE FROM audit.inbox i USING batch b WHERE i.id = b.id
        RETURNING i.id, i.salt, i.body, b.leaf, b.hash, b.mac, b.place
    )
    INSERT INTO audit.log (seq, id, chained_at, at, event, actor, subject, salt, body, leaf, hash, mac)
        SELECT after_seq + t.place, t.id, chained, j.at, j.event, j.actor, j.subject, t.salt, t.body, t.leaf, t.hash, t.mac
        FROM taken t, json_to_record(t.body::json) AS j (at timestamptz, event text, actor text, subject text)
        ORDER BY t.place;
    GET DIAGNOSTICS moved = ROW_COUNT;
    IF moved <> cardinality(ids) THEN
        RAISE EXCEPTION 'entries left the inbox on their own' USING ERRCODE = 'serialization_failure';
    END IF;
    INSERT INTO audit.head (seq, at, hash, node, signature)
        VALUES (after_seq + moved, chained, last_hash, node, signature);
END
$$;

-- Called at every start. The first call puts the door key in; a later one with another key is refused by name.
CREATE FUNCTION audit.install_door(new_inner bytea, new_outer bytea) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO audit.door (inner_pad, outer_pad) VALUES (new_inner, new_outer) ON CONFLICT DO NOTHING;
    RETURN EXISTS (SELECT FROM audit.door d WHERE d.inner_pad = new_inner AND d.outer_pad = new_outer);
END
$$;

ALTER TABLE audit.door ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit.turn ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit.inbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit.log ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit.head ENABLE ROW LEVEL SECURITY;
CREATE POLICY system_reads ON audit.inbox FOR SELECT TO palisade_system USING (true);
CREATE POLICY system_reads ON audit.log FOR SELECT TO palisade_system USING (true);
CREATE POLICY system_reads ON audit.head FOR SELECT TO palisade_system USING (true);

REVOKE ALL ON ALL TABLES IN SCHEMA audit FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA audit FROM PUBLIC;
-- Whoever a transaction runs as must be able to knock; only the proof lets in.
GRANT USAGE ON SCHEMA audit TO PUBLIC;
GRANT EXECUTE ON FUNCTION audit.append TO PUBLIC;
GRANT SELECT ON audit.inbox, audit.log, audit.head TO palisade_system;
GRANT EXECUTE ON FUNCTION audit.take_turn, audit.chain, audit.install_door TO palisade_system;

DO $$
DECLARE
    thing record;
BEGIN
    FOR thing IN SELECT c.relname FROM pg_class c
        WHERE c.relnamespace = 'audit'::regnamespace AND c.relkind = 'r' LOOP
        EXECUTE format('ALTER TABLE audit.%I OWNER TO palisade_audit', thing.relname);
    END LOOP;
    FOR thing IN SELECT p.oid::regprocedure AS name FROM pg_proc p WHERE p.pronamespace = 'audit'::regnamespace LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO palisade_audit', thing.name);
    END LOOP;
    ALTER SCHEMA audit OWNER TO palisade_audit;
END
$$;
