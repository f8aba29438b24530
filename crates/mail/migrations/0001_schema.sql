-- The outbox: mails that a committed transaction asked for, and what became of each try.
--
-- Bodies hold links that sign people in, so they lie sealed with the root key and go once the mail is delivered.

CREATE SCHEMA IF NOT EXISTS mail AUTHORIZATION palisade_system;
REVOKE ALL ON SCHEMA mail FROM PUBLIC;

CREATE TABLE mail.outbox (
    id uuid PRIMARY KEY,
    created_at timestamptz NOT NULL,
    kind text NOT NULL,
    recipient text NOT NULL,
    subject text NOT NULL,
    sealed bytea,
    state text NOT NULL CHECK (state IN ('waiting', 'sent', 'failed', 'caught')),
    tries integer NOT NULL DEFAULT 0,
    settled_at timestamptz
);
CREATE INDEX outbox_newest ON mail.outbox (created_at DESC, id);

CREATE TABLE mail.attempt (
    mail uuid NOT NULL REFERENCES mail.outbox ON DELETE CASCADE,
    number integer NOT NULL,
    at timestamptz NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('sent', 'again', 'failed')),
    transcript text[] NOT NULL,
    PRIMARY KEY (mail, number)
);

ALTER TABLE mail.outbox OWNER TO palisade_system;
ALTER TABLE mail.attempt OWNER TO palisade_system;
ALTER TABLE mail.outbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE mail.attempt ENABLE ROW LEVEL SECURITY;
