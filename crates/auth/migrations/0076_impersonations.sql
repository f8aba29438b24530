-- Administrators in somebody else's name: who, in whose, why, from when to when. In the name of a person it is a session of theirs, of
-- the same id; without one it is in nobody's. It ends with the session that it was begun in. Whoever that administrator was is known
-- here also when their account is gone.
create table palisade.impersonations (
    id uuid primary key,
    admin_id uuid not null,
    admin_session_id uuid not null,
    target_id uuid references auth.users (id) on delete cascade,
    reason text not null check (length(reason) between 1 and 500),
    user_agent text,
    ip inet,
    started_at timestamptz not null,
    ends_at timestamptz not null,
    stopped_at timestamptz
);
create index impersonations_started on palisade.impersonations (started_at desc);
create index impersonations_target on palisade.impersonations (target_id);
create index impersonations_ends on palisade.impersonations (ends_at);
alter table palisade.impersonations enable row level security;
