-- What the programs that call every method of postgrest-js and of postgrest for Python read and write: a row of each kind that some
-- method is for, with a policy for its owners.
create table public.kept_things (
    id bigint primary key,
    owner uuid not null default auth.uid(),
    name text not null,
    words text[] not null default '{}',
    facts jsonb not null default '{}',
    span int4range not null default 'empty',
    rank int,
    done boolean,
    size int not null default 7,
    search tsvector generated always as (to_tsvector('english', name)) stored
);
create policy own on public.kept_things to authenticated using (owner = (select auth.uid())) with check (owner = (select auth.uid()));
create table public.kept_parts (
    id bigint primary key,
    owner uuid not null default auth.uid(),
    thing_id bigint not null references public.kept_things on delete cascade,
    name text not null
);
create policy own on public.kept_parts to authenticated using (owner = (select auth.uid())) with check (owner = (select auth.uid()));
create index on public.kept_parts (thing_id);

create table aside.kept_things (id bigint primary key, owner uuid not null default auth.uid(), name text not null);
alter table aside.kept_things enable row level security;
grant select, insert, update, delete on aside.kept_things to authenticated;
create policy own on aside.kept_things to authenticated using (owner = (select auth.uid())) with check (owner = (select auth.uid()));

create function public.things_like(part text) returns setof public.kept_things language sql stable
    as 'select * from public.kept_things where name like part';
create function public.sum_of(numbers int[]) returns bigint language sql immutable as 'select sum(n) from unnest(numbers) n';
create function public.word_of(told jsonb) returns text language sql immutable as 'select told ->> ''word''';
create function public.forget_things(of text) returns setof public.kept_things language sql
    as 'delete from public.kept_things where name = of returning *';

-- In place of PostGIS, which is not there: what it would make of a row without a place.
create function public.st_asgeojson(one record) returns text language plpgsql stable
    as 'begin return json_build_object(''type'', ''Feature'', ''geometry'', null, ''properties'', to_json(one))::text; end';
