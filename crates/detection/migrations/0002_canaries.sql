-- Marks that stand in rows which nobody needs: whoever is answered with one is where nobody should be.
CREATE TABLE detection.canaries (
    name text PRIMARY KEY CHECK (name ~ '^[a-z0-9_-]{1,40}$'),
    mark text NOT NULL UNIQUE CHECK (mark ~ '^[A-Za-z0-9@._-]{12,100}$'),
    by text NOT NULL,
    at timestamptz NOT NULL
);
ALTER TABLE detection.canaries ENABLE ROW LEVEL SECURITY;
ALTER TABLE detection.canaries OWNER TO palisade_system;
