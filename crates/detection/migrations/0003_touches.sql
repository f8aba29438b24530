-- Touches of honey rows that no answer shows: changes, whoever makes them and however. A trigger on the row's table tells of
-- them; reads tell nobody, so those are looked for in what leaves.
ALTER TABLE detection.canaries ADD COLUMN table_name text;

CREATE TABLE detection.touches (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    canary text NOT NULL,
    act text NOT NULL,
    table_name text NOT NULL,
    actor text NOT NULL,
    role text NOT NULL,
    address text NOT NULL
);
ALTER TABLE detection.touches ENABLE ROW LEVEL SECURITY;
ALTER TABLE detection.touches OWNER TO palisade_system;

-- The arguments are the canary's name and its mark. Who asks over the API is said by whoever entered for them; who is
-- connected otherwise is their login. What is waiting is bounded: past that somebody is long known to be there.
CREATE FUNCTION detection.touched() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    asked boolean := session_user = 'authenticator';
BEGIN
    IF TG_LEVEL = 'ROW' AND strpos(OLD::text, TG_ARGV[1]) = 0 THEN
        RETURN NULL;
    END IF;
    IF (SELECT count(*) FROM (SELECT FROM detection.touches LIMIT 1000) AS waiting) < 1000 THEN
        INSERT INTO detection.touches (canary, act, table_name, actor, role, address) VALUES (
            TG_ARGV[0], lower(TG_OP), TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME,
            CASE WHEN asked THEN coalesce(nullif(current_setting('palisade.caller', true), ''), 'unknown')
                 ELSE 'database:' || session_user END,
            coalesce(nullif(current_setting('role', true), 'none'), session_user),
            CASE WHEN asked THEN coalesce(current_setting('palisade.address', true), '') ELSE '' END);
    END IF;
    PERFORM pg_notify('palisade_bans', 'touched');
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION detection.touched() FROM PUBLIC;
