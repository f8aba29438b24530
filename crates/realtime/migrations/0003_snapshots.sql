-- A transaction that is REPEATABLE READ or SERIALIZABLE sees who listens as it was when it began, so what it changed for whoever came
-- since would be lost unseen. Sequences are not seen by snapshots: these two say until when somebody listens to anything, in
-- milliseconds, and how far the slowest is.
create sequence realtime.heard_until minvalue 0 start 0;
create sequence realtime.heard_upto minvalue 0 start 0;
revoke all on realtime.heard_until, realtime.heard_upto from public, anon, authenticated, service_role, readonly;
grant select, update on realtime.heard_until, realtime.heard_upto to palisade_system;

-- A row of a partition as one of the table that is followed. Columns of a partition that was attached may stand in another order.
create function realtime.converted(from_relation oid, to_relation oid) returns text language sql stable
    set search_path = pg_catalog, pg_temp as $$
    select case when realtime.shape(from_relation) <> realtime.shape(to_relation) then
        (select format('select (row(%s)::%s)::text', string_agg(format('($1).%I', a.attname), ', ' order by a.attnum), to_relation::regclass)
         from pg_catalog.pg_attribute a where a.attrelid = to_relation and a.attnum > 0 and not a.attisdropped) end
$$;
revoke execute on function realtime.converted(oid, oid) from public;

create or replace function realtime.capture() returns trigger language plpgsql security definer
    set search_path = pg_catalog, pg_temp set datestyle = 'ISO, MDY' set intervalstyle = 'postgres' set extra_float_digits = 1
    set bytea_output = 'hex'
as $$
declare
    followed constant oid := tg_argv[0]::oid;
    behind bigint;
    number bigint;
    fits boolean;
    conversion text;
    was text;
    becomes text;
begin
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
        select s.last_value into behind from realtime.heard_upto s, realtime.heard_until u
         where u.last_value > extract(epoch from clock_timestamp()) * 1000;
    else
        select min(r.upto) into behind from realtime.readers r where r.until > clock_timestamp() and followed = any (r.tables);
    end if;
    if behind is null then
        return null;
    end if;
    number := nextval('realtime.change_numbers');
    -- The reader sees by the numbers that it is too late.
    if number - behind > 100000 then
        return null;
    end if;
    fits := coalesce(pg_column_size(old), 0) + coalesce(pg_column_size(new), 0) <= 8388608;
    if fits then
        if tg_relid <> followed then
            conversion := realtime.converted(tg_relid, followed);
        end if;
        if conversion is null then
            was := case when tg_op <> 'INSERT' then old::text end;
            becomes := case when tg_op <> 'DELETE' then new::text end;
        else
            if tg_op <> 'INSERT' then
                execute conversion into was using old;
            end if;
            if tg_op <> 'DELETE' then
                execute conversion into becomes using new;
            end if;
        end if;
    end if;
    insert into realtime.changes (number, relation, kind, shape, old, new) values (
        number, followed, tg_op, case when fits then realtime.shape(followed) else '' end, was, becomes);
    perform pg_notify('palisade_changes', '');
    return null;
end
$$;
