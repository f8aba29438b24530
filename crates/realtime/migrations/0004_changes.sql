-- What the system lane reads and calls to tell of changes (docs/decisions/0015), in a schema of its own: in `realtime` the owner of the
-- application's tables makes policies, and whatever it could put in the place of what is here would run as palisade_system. What it
-- writes down comes in by the rights below and no others.
create schema palisade_changes;
revoke all on schema palisade_changes from public;
grant usage on schema palisade_changes to palisade_owner, palisade_follower;

-- Who wants to know, of which tables, and how far they are. Not logged, like what they read: after a crash both are empty together,
-- and a node that does not find itself here knows that it missed something.
create unlogged table palisade_changes.readers (
    node text primary key,
    tables oid[] not null,
    seen pg_snapshot not null,
    upto bigint not null,
    until timestamptz not null
);
create unlogged table palisade_changes.changes (
    number bigint primary key,
    xid xid8 not null default pg_current_xact_id(),
    at timestamptz not null default clock_timestamp(),
    relation oid not null,
    kind text not null,
    shape text not null,
    old text,
    new text
);
create index changes_xid on palisade_changes.changes (xid);
create sequence palisade_changes.numbers;
-- Until when somebody listens to anything, in milliseconds, and how far the slowest is: no snapshot holds sequences back.
create sequence palisade_changes.heard_until minvalue 0 start 0;
create sequence palisade_changes.heard_upto minvalue 0 start 0;
grant select on palisade_changes.readers, palisade_changes.heard_until, palisade_changes.heard_upto to palisade_owner;
grant insert on palisade_changes.changes to palisade_owner;
grant usage on palisade_changes.numbers to palisade_owner;
comment on table palisade_changes.changes is 'Rows that changed, until they were told to those who may see them. For nobody else.';

-- What of which table is published. A partition's rows are its parent's.
create view palisade_changes.published as
with publication as (select * from pg_catalog.pg_publication where pubname = 'supabase_realtime'),
named as (
    select r.prrelid as relation, r.prattrs as columns, pg_catalog.pg_get_expr(r.prqual, r.prrelid) as condition,
           p.pubinsert, p.pubupdate, p.pubdelete
    from publication p join pg_catalog.pg_publication_rel r on r.prpubid = p.oid
    union all
    select c.oid, null, null, p.pubinsert, p.pubupdate, p.pubdelete
    from publication p join pg_catalog.pg_publication_namespace n on n.pnpubid = p.oid
    join pg_catalog.pg_class c on c.relnamespace = n.pnnspid
    union all
    select c.oid, null, null, p.pubinsert, p.pubupdate, p.pubdelete
    from publication p join pg_catalog.pg_class c on p.puballtables)
select distinct on (c.oid) c.oid as relation, n.nspname::text as schema, c.relname::text as name, c.relowner as owner,
       x.columns, x.condition, x.pubinsert, x.pubupdate, x.pubdelete
from named x join pg_catalog.pg_class c on c.oid = x.relation join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and c.relpersistence = 'p' and not c.relispartition
  and n.nspname not in ('pg_catalog', 'information_schema', 'realtime', 'palisade_changes') and n.nspname !~ '^pg_'
order by c.oid, x.condition nulls first;
grant select on palisade_changes.published to palisade_follower;

-- Sees to it that exactly the published tables of these schemas tell of their changes, and says of which that cannot be had. It has the
-- rights of the tables' owner through a role that the owner cannot become: what is the owner's own, the owner can change.
grant create on schema palisade_changes to palisade_follower;
set local role palisade_follower;
create function palisade_changes.follow(schemas text[]) returns table (relation oid, why text)
    language plpgsql security definer set search_path = '' set lock_timeout = '1s'
as $$
declare
    found record;
begin
    for found in
        select p.relation as relid, pg_catalog.format('%I.%I', p.schema, p.name) as title, p.relation::text as argument,
               t.oid as present, pg_catalog.encode(t.tgargs, 'escape') as given
        from palisade_changes.published p
        left join pg_catalog.pg_trigger t on t.tgrelid = p.relation and t.tgname = 'palisade_changes'
        where p.schema = any (schemas)
    loop
        continue when found.present is not null and found.given = found.argument || '\000';
        begin
            execute pg_catalog.format(
                'create or replace trigger palisade_changes after insert or update or delete on %s for each row execute function realtime.capture(%L)',
                found.title, found.argument);
        exception when insufficient_privilege or lock_not_available or deadlock_detected or undefined_table then
            relation := found.relid;
            why := sqlerrm;
            return next;
        end;
    end loop;
    for found in
        select pg_catalog.format('%I.%I', n.nspname, c.relname) as title, c.oid as relid
        from pg_catalog.pg_trigger t join pg_catalog.pg_class c on c.oid = t.tgrelid
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where t.tgfoid = 'realtime.capture()'::pg_catalog.regprocedure and t.tgparentid = 0
          and not exists (select from palisade_changes.published p where p.relation = c.oid and p.schema = any (schemas))
    loop
        begin
            execute pg_catalog.format('drop trigger if exists palisade_changes on %s', found.title);
        exception when insufficient_privilege or lock_not_available or deadlock_detected or undefined_table then
            relation := found.relid;
            why := sqlerrm;
            return next;
        end;
    end loop;
end
$$;
revoke execute on function palisade_changes.follow(text[]) from public;
grant execute on function palisade_changes.follow(text[]) to palisade_system;
set local role palisade_system;
revoke create on schema palisade_changes from palisade_follower;
