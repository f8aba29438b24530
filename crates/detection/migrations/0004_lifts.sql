-- Lifts of bans that another node may have in its memory and not yet in the table: it honours them before it writes its ban.
CREATE TABLE detection.lifts (
    network cidr PRIMARY KEY,
    at timestamptz NOT NULL
);
ALTER TABLE detection.lifts ENABLE ROW LEVEL SECURITY;
ALTER TABLE detection.lifts OWNER TO palisade_system;
