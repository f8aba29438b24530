-- How far the audit log was sent to each place outside, and which node sends it now.
CREATE SCHEMA IF NOT EXISTS logs;
REVOKE ALL ON SCHEMA logs FROM PUBLIC;

CREATE TABLE logs.shipped (
    sink text PRIMARY KEY CHECK (octet_length(sink) <= 64),
    seq bigint NOT NULL,
    moved_at timestamptz NOT NULL,
    held_by text NOT NULL,
    held_until timestamptz NOT NULL
);

ALTER TABLE logs.shipped ENABLE ROW LEVEL SECURITY;
ALTER TABLE logs.shipped OWNER TO palisade_system;
GRANT USAGE ON SCHEMA logs TO palisade_system;
