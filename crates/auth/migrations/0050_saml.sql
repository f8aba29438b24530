-- What upstream's SAML tables have no column for, in the schema of our own bookkeeping.

-- Our keys as a service provider, made on first use and sealed.
create table palisade.saml_keys (
    only_one boolean primary key default true check (only_one),
    private_key bytea not null,
    certificate text not null,
    created_at timestamptz not null
);

-- What is trusted of a provider: the keys and addresses that were pinned, and its rules. Metadata that is fetched again and
-- brings other keys waits in `offered` until an administrator pins it.
create table palisade.saml_pins (
    sso_provider_id uuid primary key references auth.sso_providers (id) on delete cascade,
    pinned text not null check (pinned <> ''),
    offered text,
    offered_at timestamptz,
    learns_issuer boolean not null default false,
    allow_idp_initiated boolean not null default false,
    allow_clear_text boolean not null default false,
    redirect_hosts jsonb not null default '[]',
    from_settings text,
    fetched_at timestamptz,
    failed_at timestamptz,
    failure text
);

-- Assertions that were taken, until they could not be presented any more anyway.
create table palisade.saml_assertions (
    sso_provider_id uuid not null references auth.sso_providers (id) on delete cascade,
    assertion_id text not null check (length(assertion_id) <= 512),
    expires_at timestamptz not null,
    primary key (sso_provider_id, assertion_id)
);
create index saml_assertions_expires_at on palisade.saml_assertions (expires_at);

-- Which of our sessions hangs on which session at a provider, for single logout.
create table palisade.saml_sessions (
    session_id uuid primary key references auth.sessions (id) on delete cascade,
    sso_provider_id uuid not null references auth.sso_providers (id) on delete cascade,
    name_id text not null,
    name_id_format text,
    session_index text
);
create index saml_sessions_person on palisade.saml_sessions (sso_provider_id, name_id);

-- The same, while a browser is on its way with a code. The flow is gone the moment its code is exchanged, so this is no
-- reference; what nobody comes for is forgotten by age.
create table palisade.saml_arrivals (
    flow_id uuid primary key,
    arrived_at timestamptz not null,
    sso_provider_id uuid not null references auth.sso_providers (id) on delete cascade,
    name_id text not null,
    name_id_format text,
    session_index text,
    ends_at timestamptz
);

alter table palisade.saml_keys enable row level security;
alter table palisade.saml_pins enable row level security;
alter table palisade.saml_assertions enable row level security;
alter table palisade.saml_sessions enable row level security;
alter table palisade.saml_arrivals enable row level security;
