-- Which of the application's own migrations have been applied, and how to take each back.
CREATE SCHEMA IF NOT EXISTS migrate;
REVOKE ALL ON SCHEMA migrate FROM PUBLIC;

CREATE TABLE migrate.applied (
    version bigint PRIMARY KEY CHECK (version > 0),
    name text NOT NULL,
    checksum text NOT NULL CHECK (checksum ~ '^[0-9a-f]{64}$'),
    down text,
    applied_at timestamptz NOT NULL DEFAULT now()
);

ALTER TABLE migrate.applied ENABLE ROW LEVEL SECURITY;
ALTER TABLE migrate.applied OWNER TO palisade_system;
GRANT USAGE ON SCHEMA migrate TO palisade_system;
