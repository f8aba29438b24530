-- An application's own roles: what somebody may do beyond what the four database roles say. They are looked up when a
-- policy asks, so that taking one away is effective with the next statement, whatever a token still says.
create table palisade.app_roles (
    name text primary key check (name ~ '^[a-z][a-z0-9_-]{0,62}$'),
    description text not null default '' check (octet_length(description) <= 1000),
    -- `area:verb`, `area:*` or `*`; a new role has none.
    grants text[] not null default '{}',
    created_at timestamptz not null,
    changed_at timestamptz not null
);

create table palisade.app_role_members (
    role text not null references palisade.app_roles on delete cascade,
    user_id uuid not null references auth.users on delete cascade,
    given_by text not null,
    given_at timestamptz not null,
    primary key (user_id, role)
);
create index app_role_members_role on palisade.app_role_members (role);

alter table palisade.app_roles enable row level security;
alter table palisade.app_role_members enable row level security;

create function auth.app_roles() returns text[] language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select coalesce(array_agg(m.role order by m.role), '{}') from palisade.app_role_members m where m.user_id = auth.uid()
$$;
comment on function auth.app_roles() is 'The caller''s application roles.';

create function auth.has_role(wanted text) returns boolean language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select exists (select from palisade.app_role_members m where m.user_id = auth.uid() and m.role = wanted)
$$;
comment on function auth.has_role(text) is 'Whether the caller has this application role.';

create function auth.can(wanted text) returns boolean language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select exists (
        select from palisade.app_role_members m join palisade.app_roles r on r.name = m.role
         where m.user_id = auth.uid()
           and r.grants && array[wanted, pg_catalog.split_part(wanted, ':', 1) || ':*', '*'])
$$;
comment on function auth.can(text) is 'Whether one of the caller''s application roles grants this: `invoices:approve`, by itself or by `invoices:*` or `*`.';

revoke all on function auth.app_roles(), auth.has_role(text), auth.can(text) from public;
grant execute on function auth.app_roles(), auth.has_role(text), auth.can(text) to anon, authenticated, service_role, readonly;
