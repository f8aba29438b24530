-- Second factors: what upstream's tables have no column for.

-- The last time step a factor's code was taken for: no code is taken twice (attack row 14).
alter table auth.mfa_factors add column last_totp_step bigint;
-- Upstream lets no two factors in the whole table be challenged in the same microsecond.
alter table auth.mfa_factors drop constraint mfa_factors_last_challenged_at_key;
-- The credential as the library keeps it: public key, counter, flags, policy.
alter table auth.webauthn_credentials add column credential jsonb;

-- Wrong codes of a person, whatever the factor, session, address or endpoint (attack row 15). Nothing but a right code
-- takes a row back to nothing; a new challenge does not.
create table palisade.guesses (
    user_id uuid primary key references auth.users (id) on delete cascade,
    failures integer not null,
    locked_until timestamptz,
    changed_at timestamptz not null
);
alter table palisade.guesses enable row level security;

-- The factor that a set-up link's holder enrols, sealed; and how often a wrong code was sent to it.
alter table palisade.admin_links add column factor_id uuid, add column factor_secret text,
    add column failures integer not null default 0;
