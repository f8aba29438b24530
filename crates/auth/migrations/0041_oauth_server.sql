-- What our own OAuth server keeps of a request beside upstream's row, in the schema of our own bookkeeping.

-- `prompt` and `max_age` are what the program asked for. `proofs`, `level` and `proven_at` say how the person who agreed had
-- shown who they are, and `agreed_in` in which session. `spent_at` is when the code was exchanged, for which session: a second use ends that session.
create table palisade.oauth_requests (
    authorization_id uuid primary key references auth.oauth_authorizations (id) on delete cascade,
    prompt text not null default '',
    max_age bigint,
    level text,
    proofs jsonb not null default '[]',
    proven_at timestamptz,
    agreed_in uuid,
    spent_at timestamptz,
    session_id uuid
);
alter table palisade.oauth_requests enable row level security;
create index oauth_authorizations_expires_at on auth.oauth_authorizations (expires_at);
create index oauth_authorizations_user_client on auth.oauth_authorizations (user_id, client_id);
