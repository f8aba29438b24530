-- Who may join a private channel, and say something in it, is what policies on realtime.messages say: `select` lets people in and
-- hear, `insert` lets them speak; `extension` is `broadcast` or `presence`, and realtime.topic() the channel's name. There is no
-- policy to begin with, so nobody is let in.
--
-- All of it belongs to the owner of the application's tables, whose migrations make the policies.
create schema realtime;
revoke all on schema realtime from public;
grant usage on schema realtime to anon, authenticated, service_role;

create table realtime.messages (
    id uuid primary key default gen_random_uuid(),
    topic text not null,
    extension text not null check (extension in ('broadcast', 'presence')),
    event text,
    payload jsonb,
    private boolean not null default true,
    inserted_at timestamp not null default now(),
    updated_at timestamp not null default now()
);
alter table realtime.messages enable row level security, force row level security;
grant select, insert on realtime.messages to anon, authenticated, service_role;
comment on table realtime.messages is 'Policies on it say who may join private channels. It keeps no rows.';

create function realtime.topic() returns text language sql stable as $$
    select nullif(current_setting('realtime.topic', true), '')
$$;
comment on function realtime.topic() is 'The channel that somebody wants to join or speak in, while a policy decides.';

-- Rows are only ever tried, and rolled back: what the database sends to a channel by itself is not built, and must not look as if it were.
create function realtime.keep_nothing() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    raise exception 'realtime.messages keeps no rows: messages from the database are not built yet'
        using errcode = '0A000', hint = 'Send from a program: POST /realtime/v1/api/broadcast';
end
$$;
revoke execute on function realtime.keep_nothing() from public;
create constraint trigger keep_nothing after insert or update on realtime.messages
    deferrable initially deferred for each row execute function realtime.keep_nothing();

-- One row of each kind for policies to look at. It cannot outlive its transaction, whoever calls this.
create function realtime.place_probes(of_topic text) returns uuid[] language sql volatile security definer
    set search_path = pg_catalog, pg_temp
as $$
    with placed as (
        insert into realtime.messages (topic, extension)
        values (of_topic, 'broadcast'), (of_topic, 'presence') returning id
    )
    select array_agg(id) from placed
$$;
revoke execute on function realtime.place_probes(text) from public;
grant execute on function realtime.place_probes(text) to anon, authenticated, service_role;

-- What the caller may do in a channel, by trying it as the caller, with the search path that their own statements have, since policies
-- call functions. To be called in a transaction that is rolled back.
create function realtime.rights(
    of_topic text, out hears boolean, out sees boolean, out speaks boolean, out appears boolean
) language plpgsql volatile
as $$
declare
    probes uuid[] := realtime.place_probes(of_topic);
begin
    perform pg_catalog.set_config('realtime.topic', of_topic, true);
    select coalesce(bool_or(m.extension = 'broadcast'), false), coalesce(bool_or(m.extension = 'presence'), false)
        into hears, sees from realtime.messages m where m.id = any (probes);
    begin
        insert into realtime.messages (topic, extension) values (of_topic, 'broadcast');
        speaks := true;
    exception when insufficient_privilege then
        speaks := false;
    end;
    begin
        insert into realtime.messages (topic, extension) values (of_topic, 'presence');
        appears := true;
    exception when insufficient_privilege then
        appears := false;
    end;
end
$$;
revoke execute on function realtime.rights(text) from public;
grant execute on function realtime.rights(text) to anon, authenticated, service_role;
