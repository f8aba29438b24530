-- ID tokens with a nonce that somebody signed in with, until they are refused for their age anyway.
create table palisade.id_tokens (
    digest bytea primary key check (length(digest) = 32),
    expires_at timestamptz not null
);
create index id_tokens_expires_at on palisade.id_tokens (expires_at);
alter table palisade.id_tokens enable row level security;
