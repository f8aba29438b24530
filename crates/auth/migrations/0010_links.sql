-- Links and codes. Upstream keeps one hash of address and code, which whoever reads it guesses in a second; here a link is
-- a random token of its own, kept as its SHA-256, and a code is kept under a key that the database does not have.
alter table auth.one_time_tokens
    add column purpose text,
    add column code_mac text,
    add column expires_at timestamptz,
    add column flow_state_id uuid;
create index one_time_tokens_expires_at_idx on auth.one_time_tokens (expires_at);

-- The way back from a change of address, for whoever reads the old one.
create table palisade.address_reverts (
    token_hash bytea primary key check (octet_length(token_hash) = 32),
    user_id uuid not null references auth.users (id) on delete cascade,
    old_email text not null,
    changed_at timestamptz not null,
    expires_at timestamptz not null,
    used_at timestamptz
);
create index address_reverts_user on palisade.address_reverts (user_id);
alter table palisade.address_reverts enable row level security;
