-- What each probe saw last, and what it saw before: the report shows the latest, an auditor wants the rest.
CREATE SCHEMA IF NOT EXISTS posture;
REVOKE ALL ON SCHEMA posture FROM PUBLIC;

CREATE TABLE posture.evidence (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    control smallint NOT NULL CHECK (control BETWEEN 1 AND 150),
    state text NOT NULL CHECK (state IN ('proven', 'failing', 'needs_you', 'not_applicable')),
    evidence text NOT NULL CHECK (octet_length(evidence) <= 65536),
    taken_at timestamptz NOT NULL
);
CREATE INDEX evidence_latest ON posture.evidence (control, id DESC);

ALTER TABLE posture.evidence ENABLE ROW LEVEL SECURITY;
ALTER TABLE posture.evidence OWNER TO palisade_system;
GRANT USAGE ON SCHEMA posture TO palisade_system;
