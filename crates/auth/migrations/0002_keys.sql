-- What upstream has no table for: our signing keys, API keys and administrators' set-up links. In the schema of our own
-- bookkeeping, so that no grant ever given on `auth` reaches key material.
create schema if not exists palisade;

-- A key lives through: next (published, not yet signing), active (signs), verify_only (its tokens may still be alive),
-- retired (refused). The private half is sealed with the root key for this row.
create table palisade.signing_keys (
    kid text primary key check (kid ~ '^[A-Za-z0-9_-]{1,64}$'),
    algorithm text not null check (algorithm in ('ES256')),
    state text not null check (state in ('next', 'active', 'verify_only', 'retired')),
    private_key bytea not null,
    created_at timestamptz not null,
    changed_at timestamptz not null
);
create unique index signing_keys_one_active on palisade.signing_keys (state) where state = 'active';
create unique index signing_keys_one_next on palisade.signing_keys (state) where state = 'next';

-- A publishable key is no secret and is kept as it is; of a secret key only the SHA-256 is kept.
create table palisade.api_keys (
    id text primary key check (id ~ '^[a-z0-9_]{1,64}$'),
    kind text not null check (kind in ('publishable', 'secret')),
    name text not null,
    hash bytea not null unique check (octet_length(hash) = 32),
    scope text[] not null default '{}',
    created_at timestamptz not null,
    expires_at timestamptz,
    revoked_at timestamptz
);

-- One-time links that make an administrator. Only the hash of the token is kept.
create table palisade.admin_links (
    token_hash bytea primary key check (octet_length(token_hash) = 32),
    email text not null,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    used_at timestamptz
);

alter table palisade.signing_keys enable row level security;
alter table palisade.api_keys enable row level security;
alter table palisade.admin_links enable row level security;
