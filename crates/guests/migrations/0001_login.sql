-- Logins of the database that were lent, and when each has to be back. The password is nowhere.
CREATE SCHEMA IF NOT EXISTS guests;
REVOKE ALL ON SCHEMA guests FROM PUBLIC;

CREATE TABLE guests.login (
    name text PRIMARY KEY,
    purpose text NOT NULL,
    lent_by text NOT NULL,
    lent_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    connections int NOT NULL,
    statement_ms bigint NOT NULL
);

ALTER TABLE guests.login ENABLE ROW LEVEL SECURITY;
ALTER TABLE guests.login OWNER TO palisade_system;
GRANT USAGE ON SCHEMA guests TO palisade_system;
