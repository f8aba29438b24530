-- What changed in tables of the publication supabase_realtime, on its way to whoever may see it (docs/decisions/0015). Nothing of
-- this is for callers: rows lie here with all their values until every node that asked for them has had them.
do $$
begin
    if not exists (select from pg_catalog.pg_publication where pubname = 'supabase_realtime') then
        create publication supabase_realtime;
    end if;
end
$$;
grant usage on schema realtime to palisade_system;

-- Who wants to know, of which tables, and how far they are. Not logged, like what they read: after a crash both are empty together,
-- and a node that does not find itself here knows that it missed something.
create unlogged table realtime.readers (
    node text primary key,
    tables oid[] not null,
    seen pg_snapshot not null,
    upto bigint not null,
    until timestamptz not null
);
create unlogged table realtime.changes (
    number bigint primary key,
    xid xid8 not null default pg_current_xact_id(),
    at timestamptz not null default clock_timestamp(),
    relation oid not null,
    kind text not null,
    shape text not null,
    old text,
    new text
);
create index changes_xid on realtime.changes (xid);
create sequence realtime.change_numbers;
revoke all on realtime.readers, realtime.changes, realtime.change_numbers from public, anon, authenticated, service_role, readonly;
grant select, insert, update, delete on realtime.readers to palisade_system;
grant select, delete on realtime.changes to palisade_system;
grant select on realtime.change_numbers to palisade_system;
comment on table realtime.changes is 'Rows that changed, until they were told to those who may see them. For nobody else.';

-- The columns of a relation, as one word: text of a row is read only as the columns that it was written of.
create function realtime.shape(of_relation oid) returns text language sql stable set search_path = pg_catalog, pg_temp as $$
    select hashtextextended(string_agg(a.attname || ' ' || a.atttypid, ',' order by a.attnum), 0)::text
    from pg_catalog.pg_attribute a where a.attrelid = of_relation and a.attnum > 0 and not a.attisdropped
$$;

-- Writes down what changed, when somebody wants to know. Values are written as they can be read again under any settings.
create function realtime.capture() returns trigger language plpgsql security definer
    set search_path = pg_catalog, pg_temp set datestyle = 'ISO, MDY' set intervalstyle = 'postgres' set extra_float_digits = 1
    set bytea_output = 'hex'
as $$
declare
    followed constant oid := tg_argv[0]::oid;
    behind bigint;
    number bigint;
    fits boolean;
begin
    select min(r.upto) into behind from realtime.readers r where r.until > clock_timestamp() and followed = any (r.tables);
    if behind is null then
        return null;
    end if;
    number := nextval('realtime.change_numbers');
    -- The reader sees by the numbers that it is too late.
    if number - behind > 100000 then
        return null;
    end if;
    fits := coalesce(pg_column_size(old), 0) + coalesce(pg_column_size(new), 0) <= 8388608;
    insert into realtime.changes (number, relation, kind, shape, old, new) values (
        number, followed, tg_op, case when fits then realtime.shape(tg_relid) else '' end,
        case when fits and tg_op <> 'INSERT' then old::text end, case when fits and tg_op <> 'DELETE' then new::text end);
    perform pg_notify('palisade_changes', '');
    return null;
end
$$;
revoke execute on function realtime.capture(), realtime.shape(oid) from public;

-- What of which table is published. A partition's rows are its parent's.
create view realtime.published as
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
  and n.nspname not in ('pg_catalog', 'information_schema', 'realtime') and n.nspname !~ '^pg_'
order by c.oid, x.condition nulls first;
revoke all on realtime.published from public, anon, authenticated, service_role, readonly;
grant select on realtime.published to palisade_system;

-- Sees to it that exactly the published tables of these schemas tell of their changes, and says of which that cannot be had.
create function realtime.follow(schemas text[]) returns table (relation oid, why text)
    language plpgsql security definer set search_path = '' set lock_timeout = '1s'
as $$
declare
    found record;
begin
    for found in
        select p.relation as relid, pg_catalog.format('%I.%I', p.schema, p.name) as title, p.relation::text as argument,
               t.oid as present, pg_catalog.encode(t.tgargs, 'escape') as given
        from realtime.published p
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
          and not exists (select from realtime.published p where p.relation = c.oid and p.schema = any (schemas))
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
revoke execute on function realtime.follow(text[]) from public;
grant execute on function realtime.follow(text[]) to palisade_system;
