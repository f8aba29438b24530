-- What the rules found, who was told, what is silenced, and who is slowed down.
CREATE SCHEMA IF NOT EXISTS alerts;
REVOKE ALL ON SCHEMA alerts FROM PUBLIC;

-- How far the rules have read the audit log. One row; whoever holds its lock is the one node that reads.
CREATE TABLE alerts.read (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    seq bigint NOT NULL
);
INSERT INTO alerts.read (seq) VALUES (0);

CREATE TABLE alerts.raised (
    id uuid PRIMARY KEY,
    rule text NOT NULL,
    -- The probes' own: told to nobody but their mailbox.
    sealed boolean NOT NULL,
    -- What was counted apart.
    key text NOT NULL DEFAULT '',
    at timestamptz NOT NULL,
    seq bigint NOT NULL,
    count bigint NOT NULL,
    action text NOT NULL,
    what text NOT NULL CHECK (octet_length(what) <= 2048),
    told_at timestamptz,
    told text
);
CREATE INDEX raised_newest ON alerts.raised (at DESC);
CREATE INDEX raised_of_rule ON alerts.raised (rule, sealed, seq DESC);
CREATE INDEX raised_untold ON alerts.raised (at) WHERE told_at IS NULL;

CREATE TABLE alerts.silences (
    rule text PRIMARY KEY,
    until timestamptz NOT NULL,
    by text NOT NULL,
    reason text NOT NULL CHECK (octet_length(reason) <= 1024)
);

CREATE TABLE alerts.slowed (
    subject text PRIMARY KEY CHECK (octet_length(subject) <= 256),
    rule text NOT NULL,
    at timestamptz NOT NULL,
    until timestamptz NOT NULL
);

ALTER TABLE alerts.read ENABLE ROW LEVEL SECURITY;
ALTER TABLE alerts.raised ENABLE ROW LEVEL SECURITY;
ALTER TABLE alerts.silences ENABLE ROW LEVEL SECURITY;
ALTER TABLE alerts.slowed ENABLE ROW LEVEL SECURITY;
ALTER TABLE alerts.read OWNER TO palisade_system;
ALTER TABLE alerts.raised OWNER TO palisade_system;
ALTER TABLE alerts.silences OWNER TO palisade_system;
ALTER TABLE alerts.slowed OWNER TO palisade_system;
GRANT USAGE ON SCHEMA alerts TO palisade_system;
