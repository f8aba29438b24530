-- What the system lane reads and calls is where the owner of the application's tables, who owns all of this, cannot change it. What lay
-- here was for moments: whoever listens enters the other tables, and is told that something may have been missed.

-- The columns of a relation, as one word: text of a row is read only as the columns that it was written of.
create or replace function realtime.shape(of_relation oid) returns text language sql stable set search_path = pg_catalog, pg_temp as $$
    select hashtextextended(string_agg(a.attname || ' ' || a.atttypid, ',' order by a.attnum), 0)::text
    from pg_catalog.pg_attribute a where a.attrelid = of_relation and a.attnum > 0 and not a.attisdropped
$$;

-- A row of a partition as one of the table that is followed. Columns of a partition that was attached may stand in another order.
create or replace function realtime.converted(from_relation oid, to_relation oid) returns text language sql stable
    set search_path = pg_catalog, pg_temp as $$
    select case when realtime.shape(from_relation) <> realtime.shape(to_relation) then
        (select format('select (row(%s)::%s)::text', string_agg(format('($1).%I', a.attname), ', ' order by a.attnum), to_relation::regclass)
         from pg_catalog.pg_attribute a where a.attrelid = to_relation and a.attnum > 0 and not a.attisdropped) end
$$;

-- Runs as the owner, on whose tables it is: a cast that the owner made of a row's type runs as nobody else.
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
        select s.last_value into behind from palisade_changes.heard_upto s, palisade_changes.heard_until u
         where u.last_value > extract(epoch from clock_timestamp()) * 1000;
    else
        select min(r.upto) into behind from palisade_changes.readers r where r.until > clock_timestamp() and followed = any (r.tables);
    end if;
    if behind is null then
        return null;
    end if;
    number := nextval('palisade_changes.numbers');
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
    insert into palisade_changes.changes (number, relation, kind, shape, old, new) values (
        number, followed, tg_op, case when fits then realtime.shape(followed) else '' end, was, becomes);
    perform pg_notify('palisade_changes', '');
    return null;
end
$$;

-- Whatever they are by now.
drop function if exists realtime.follow(text[]) cascade;
do $$
declare
    found record;
begin
    for found in
        select c.relname, case c.relkind when 'v' then 'view' when 'm' then 'materialized view' when 'S' then 'sequence'
                                         when 'f' then 'foreign table' else 'table' end as kind
        from pg_catalog.pg_class c
        where c.relnamespace = 'realtime'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'S', 'f')
          and c.relname in ('published', 'readers', 'changes', 'change_numbers', 'heard_until', 'heard_upto')
    loop
        execute format('drop %s if exists realtime.%I cascade', found.kind, found.relname);
    end loop;
end
$$;
