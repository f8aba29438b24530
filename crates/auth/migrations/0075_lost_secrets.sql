-- Shared signing secrets that are believed no more, whatever the settings say. What is kept is a MAC under the root key.
create table palisade.lost_secrets (
    fingerprint bytea primary key check (octet_length(fingerprint) = 32),
    lost_at timestamptz not null
);
alter table palisade.lost_secrets enable row level security;
