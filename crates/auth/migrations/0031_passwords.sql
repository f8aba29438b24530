-- How old passwords are, which ones went before, and where people signed in from.

-- The age of a password is known for the very hash it was noted with: one that somebody else's program or hand wrote into
-- auth.users is as old as our first sight of it.
create table palisade.passwords (
    user_id uuid primary key references auth.users (id) on delete cascade,
    made_of bytea not null check (octet_length(made_of) = 32),
    changed_at timestamptz not null,
    must_change text check (must_change in ('breached', 'administrator'))
);

-- Hashes of the passwords that went before, newest first.
create table palisade.password_history (
    user_id uuid not null references auth.users (id) on delete cascade,
    hash text not null,
    retired_at timestamptz not null
);
create index password_history_user_idx on palisade.password_history (user_id, retired_at desc);

-- Where an account was signed in to: keyed digests, so that this is neither an address book nor a diary. A place is known
-- whether the account still exists or not.
create table palisade.known_places (
    account bytea not null check (octet_length(account) = 32),
    place bytea not null check (octet_length(place) = 32),
    seen_at timestamptz not null,
    primary key (account, place)
);

alter table palisade.passwords enable row level security;
alter table palisade.password_history enable row level security;
alter table palisade.known_places enable row level security;
