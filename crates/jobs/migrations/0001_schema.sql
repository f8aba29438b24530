-- The queue: what committed transactions asked to be done later, and what was given up.
--
-- A job is held by a lease, not by an open transaction: a job may take minutes, and a transaction that long would hold
-- back vacuum for everybody. Whoever dies loses the lease, and the job is taken again.

CREATE SCHEMA IF NOT EXISTS jobs;
REVOKE ALL ON SCHEMA jobs FROM PUBLIC;

CREATE TABLE jobs.queue (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    arguments text NOT NULL,
    key text,
    created_at timestamptz NOT NULL,
    run_at timestamptz NOT NULL,
    attempt integer NOT NULL DEFAULT 0,
    held_by text,
    held_until timestamptz,
    last_error text
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
CREATE INDEX queue_due ON jobs.queue (run_at);
CREATE UNIQUE INDEX queue_key ON jobs.queue (name, key) WHERE key IS NOT NULL;

CREATE TABLE jobs.dead (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    arguments text NOT NULL,
    created_at timestamptz NOT NULL,
    died_at timestamptz NOT NULL,
    attempts integer NOT NULL,
    last_error text
);
CREATE INDEX dead_newest ON jobs.dead (died_at DESC, id);

ALTER TABLE jobs.queue ENABLE ROW LEVEL SECURITY;
ALTER TABLE jobs.dead ENABLE ROW LEVEL SECURITY;
