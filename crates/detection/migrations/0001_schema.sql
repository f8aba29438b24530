-- Addresses that are kept out, by a jail or by an operator. A row outlives its ban: whoever comes back stays out longer.
CREATE SCHEMA IF NOT EXISTS detection;
REVOKE ALL ON SCHEMA detection FROM PUBLIC;

CREATE TABLE detection.bans (
    network cidr PRIMARY KEY,
    jail text NOT NULL,
    reason text NOT NULL CHECK (octet_length(reason) <= 1024),
    by text NOT NULL,
    times integer NOT NULL DEFAULT 1 CHECK (times > 0),
    at timestamptz NOT NULL,
    until timestamptz NOT NULL
);
CREATE INDEX bans_until ON detection.bans (until);

ALTER TABLE detection.bans ENABLE ROW LEVEL SECURITY;
ALTER TABLE detection.bans OWNER TO palisade_system;
GRANT USAGE ON SCHEMA detection TO palisade_system;
