-- What upstream's tables have no column for, in the schema of our own bookkeeping.

-- What a session must do first, and when its last refresh tokens were replaced (seconds since 1970, newest first): a lost
-- answer may be asked for again as long as that very token was good a moment ago, however many came after it.
create table palisade.session_marks (
    session_id uuid primary key references auth.sessions (id) on delete cascade,
    duty text check (duty in ('new_password')),
    superseded jsonb not null default '[]'
);

-- The names under which this instance ever signed tokens. Another port or address makes another issuer; tokens and keys
-- of the older ones are still ours.
create table palisade.issuers (
    issuer text primary key check (length(issuer) between 1 and 2048),
    first_used_at timestamptz not null
);

alter table palisade.session_marks enable row level security;
alter table palisade.issuers enable row level security;
