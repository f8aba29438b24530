//! The catalog's questions to PostgreSQL, each one plain query over `pg_catalog`.
//!
//! `$1` is always the list of schemas that are looked into (the exposed ones and the extra search path). What a query
//! does not need to know (privileges, rows) it does not ask.

/// With an empty path every printed name is a full one; compiling these queries would take longer than running them.
pub const SURROUNDINGS: &str =
    "select pg_catalog.set_config('search_path', '', true), pg_catalog.set_config('jit', 'off', true)";

/// Tables, views and their like, everywhere but in the system's schemas: views may stand on tables in private ones.
pub const RELATIONS: &str = "
select c.oid, n.nspname, c.relname, c.relkind, c.reltype, c.relispartition, c.relrowsecurity, c.relforcerowsecurity,
       (r.rolsuper or r.rolbypassrls) as owner_bypasses, r.rolname as owner,
       coalesce((select o.option_value::bool from pg_catalog.pg_options_to_table(c.reloptions) o
                 where o.option_name = 'security_invoker'), false) as security_invoker,
       case when c.relkind in ('v', 'f') and n.nspname = any($1::text[])
            then pg_catalog.pg_relation_is_updatable(c.oid, true)
            when c.relkind in ('r', 'p') then 28 else 0 end as writable,
       pg_catalog.obj_description(c.oid, 'pg_class') as comment,
       (select pg_catalog.count(*) from pg_catalog.pg_policy p where p.polrelid = c.oid) as policies,
       exists (select 1 from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
               and d.objid = c.oid and d.deptype = 'e') as of_extension,
       case when exists (select 1 from pg_catalog.pg_trigger t
                         where t.tgrelid = c.oid and t.tgfoid = pg_catalog.to_regprocedure('detection.touched()'))
             and not exists (select 1 from pg_catalog.pg_roles a, pg_catalog.pg_roles login
                             where login.rolname = 'authenticator' and pg_catalog.pg_has_role(login.oid, a.oid, 'MEMBER')
                               and pg_catalog.has_any_column_privilege(a.oid, c.oid, 'SELECT')
                               and not pg_catalog.has_table_privilege(a.oid, c.oid, 'SELECT'))
            then (select pg_catalog.string_agg(pg_catalog.encode(t.tgargs, 'escape'), ' ') from pg_catalog.pg_trigger t
                  where t.tgrelid = c.oid and t.tgparentid = 0 and t.tgtype & 1 = 1
                    and t.tgfoid = pg_catalog.to_regprocedure('detection.touched()')) end as baits
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_roles r on r.oid = c.relowner
where c.relkind in ('r', 'p', 'v', 'm', 'f')
  and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_(toast|temp)'
order by n.nspname, c.relname";

/// Columns of what is in those schemas, of composite types, and of whatever row type a function there takes or returns.
pub const COLUMNS: &str = "
select a.attrelid, a.attnum, a.attname, a.atttypid, pg_catalog.format_type(a.atttypid, a.atttypmod) as type_text,
       a.atttypmod, a.attnotnull, a.attidentity::text as identity, a.attgenerated::text as generated,
       case when a.attidentity = 'd' then
                'nextval(' || pg_catalog.quote_literal(s.objid::pg_catalog.regclass) || ')'
            when a.attgenerated <> '' then null
            else pg_catalog.pg_get_expr(d.adbin, d.adrelid) end as default_text,
       pg_catalog.col_description(a.attrelid, a.attnum) as comment
from pg_catalog.pg_attribute a
join pg_catalog.pg_class c on c.oid = a.attrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
left join pg_catalog.pg_depend s on s.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
     and s.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
     and s.refobjid = a.attrelid and s.refobjsubid = a.attnum and s.deptype = 'i' and a.attidentity <> ''
where a.attnum > 0 and not a.attisdropped and c.relkind in ('r', 'p', 'v', 'm', 'f', 'c')
  and n.nspname not in ('pg_catalog', 'information_schema')
  and (n.nspname = any($1::text[])
       or c.relkind = 'c'
       or c.reltype in (select pg_catalog.unnest(p.proargtypes::oid[] || p.prorettype) from pg_catalog.pg_proc p
                        join pg_catalog.pg_namespace pn on pn.oid = p.pronamespace where pn.nspname = any($1::text[]))
       or (select r.typarray from pg_catalog.pg_type r where r.oid = c.reltype)
          in (select pg_catalog.unnest(p.proargtypes::oid[] || p.prorettype) from pg_catalog.pg_proc p
                        join pg_catalog.pg_namespace pn on pn.oid = p.pronamespace where pn.nspname = any($1::text[])))
order by a.attrelid, a.attnum";

/// Keys: primary, unique, foreign. A partition's copies of its parent's foreign keys are left out.
pub const KEYS: &str = "
select c.conname, c.contype, c.conrelid, c.confrelid, pg_catalog.to_json(c.conkey) as columns,
       pg_catalog.to_json(c.confkey) as referenced,
       case when c.contype = 'f' then pg_catalog.obj_description(c.oid, 'pg_constraint') end as comment
from pg_catalog.pg_constraint c
where c.contype in ('p', 'u', 'f') and c.conrelid >= 16384 and c.conparentid = 0
order by c.conrelid, c.conname";

/// Definitions of the views in those schemas, as node trees.
pub const VIEWS: &str = "
select r.ev_class, r.ev_action::text as action
from pg_catalog.pg_rewrite r
join pg_catalog.pg_class c on c.oid = r.ev_class
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('v', 'm') and r.ev_type = '1' and n.nspname = any($1::text[])";

/// What each view stands on.
pub const VIEW_SOURCES: &str = "
select distinct r.ev_class, d.refobjid
from pg_catalog.pg_rewrite r
join pg_catalog.pg_class c on c.oid = r.ev_class
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass and d.objid = r.oid
     and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refobjid <> r.ev_class
where c.relkind in ('v', 'm') and n.nspname not in ('pg_catalog', 'information_schema')
order by 1, 2";

/// Views that call a function past the policies, with the function's comment. Not through another function: what those call, nobody
/// can say.
pub const VIEW_CALLS: &str = "
select distinct r.ev_class, pg_catalog.obj_description(p.oid, 'pg_proc') as comment
from pg_catalog.pg_rewrite r
join pg_catalog.pg_class c on c.oid = r.ev_class
join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass and d.objid = r.oid
     and d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
join pg_catalog.pg_proc p on p.oid = d.refobjid
join pg_catalog.pg_roles o on o.oid = p.proowner
where c.relkind in ('v', 'm') and p.prosecdef and (o.rolsuper or o.rolbypassrls) and p.oid >= 16384";

/// Types: all but the row types of tables that nobody in those schemas mentions.
pub const TYPES: &str = "
select t.oid, n.nspname, t.typname, t.typtype, t.typbasetype, t.typrelid, t.typnotnull,
       case when t.typcategory = 'A' then t.typelem else 0 end as element,
       pg_catalog.format_type(t.oid, null) as text,
       pg_catalog.pg_get_expr(t.typdefaultbin, 0) as default_text,
       (select pg_catalog.json_agg(e.enumlabel order by e.enumsortorder) from pg_catalog.pg_enum e
        where e.enumtypid = t.oid) as labels,
       exists (select 1 from pg_catalog.pg_cast k where k.castsource = t.oid and k.castmethod = 'f'
               and k.casttarget = 'pg_catalog.json'::pg_catalog.regtype) as json_cast,
       case when t.typtype in ('e', 'd') then pg_catalog.obj_description(t.oid, 'pg_type') end as comment
from pg_catalog.pg_type t
join pg_catalog.pg_namespace n on n.oid = t.typnamespace
left join pg_catalog.pg_type e on e.oid = t.typelem and t.typcategory = 'A'
left join pg_catalog.pg_class k on k.oid = coalesce(nullif(t.typrelid, 0), e.typrelid)
where (t.typrelid = 0 and coalesce(e.typrelid, 0) = 0)
   or (k.relkind = 'c' and n.nspname not in ('pg_catalog', 'information_schema'))
   or (n.nspname = any($1::text[]) and n.nspname <> 'pg_catalog')
   or t.oid in (select pg_catalog.unnest(p.proargtypes::oid[] || p.prorettype) from pg_catalog.pg_proc p
                join pg_catalog.pg_namespace pn on pn.oid = p.pronamespace where pn.nspname = any($1::text[]))
   or t.typarray in (select pg_catalog.unnest(p.proargtypes::oid[]) from pg_catalog.pg_proc p
                     join pg_catalog.pg_namespace pn on pn.oid = p.pronamespace where pn.nspname = any($1::text[]))
order by t.oid";

/// Functions in those schemas, and relationships written as functions wherever they are.
pub const FUNCTIONS: &str = "
select p.oid, n.nspname, p.proname, p.provolatile, p.prosecdef, p.proretset, p.prorows, p.prorettype,
       p.pronargs, p.pronargdefaults, p.provariadic, r.rolsuper or r.rolbypassrls as owner_bypasses,
       pg_catalog.to_json(coalesce(p.proallargtypes, p.proargtypes::oid[])) as types,
       pg_catalog.to_json(p.proargmodes) as modes, pg_catalog.to_json(p.proargnames) as names,
       pg_catalog.to_json(p.proconfig) as settings,
       pg_catalog.obj_description(p.oid, 'pg_proc') as comment,
       coalesce((select pg_catalog.has_function_privilege(a.oid, p.oid, 'EXECUTE') from pg_catalog.pg_roles a
                 where a.rolname = 'anon'), false) as anybody,
       exists (select 1 from pg_catalog.unnest(p.proconfig) setting, pg_catalog.pg_roles a, pg_catalog.pg_namespace s
               where setting like 'search_path=%' and a.rolname in ('anon', 'authenticated')
                 and s.nspname = any(pg_catalog.string_to_array(
                   pg_catalog.translate(pg_catalog.split_part(setting, '=', 2), '\" ', ''), ','))
                 and pg_catalog.has_schema_privilege(a.oid, s.oid, 'CREATE')) as open_path,
       pg_catalog.pg_get_expr(p.proargdefaults, 0) as defaults,
       exists (select 1 from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
               and d.objid = p.oid and d.deptype = 'e') as of_extension
from pg_catalog.pg_proc p
join pg_catalog.pg_namespace n on n.oid = p.pronamespace
join pg_catalog.pg_roles r on r.oid = p.proowner
where p.prokind = 'f' and p.prorettype not in ('pg_catalog.trigger'::pg_catalog.regtype,
                                              'pg_catalog.event_trigger'::pg_catalog.regtype)
  and n.nspname not in ('pg_catalog', 'information_schema')
  and (n.nspname = any($1::text[])
       or (p.pronargs = 1 and p.proargtypes[0] in (select c.reltype from pg_catalog.pg_class c where c.reltype <> 0)))
order by n.nspname, p.proname, p.oid";

/// Columns whose comments are meant for us, wherever they are, and the same columns of tables that inherit them.
pub const ASKED: &str = "
with recursive asked(relation, name, text) as (
  select d.objoid, a.attname, d.description from pg_catalog.pg_description d
  join pg_catalog.pg_attribute a on a.attrelid = d.objoid and a.attnum = d.objsubid
  where d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objsubid > 0 and d.description ilike '%@palisade%'
  union
  select i.inhrelid, asked.name, asked.text from asked join pg_catalog.pg_inherits i on i.inhparent = asked.relation)
select asked.relation, a.attnum, asked.text
from asked join pg_catalog.pg_attribute a on a.attrelid = asked.relation and a.attname = asked.name
order by 1, 2, 3";

/// Definitions of views elsewhere, which those in the schemas may stand on.
pub const VIEWS_ELSEWHERE: &str = "
select r.ev_class, r.ev_action::text as action
from pg_catalog.pg_rewrite r
join pg_catalog.pg_class c on c.oid = r.ev_class
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('v', 'm') and r.ev_type = '1' and not n.nspname = any($1::text[])
  and n.nspname not in ('pg_catalog', 'information_schema')";

/// CHECK constraints of tables and domains, a partition's copies of its parent's left out; and what else refuses rows for others that
/// are there, exclusions and unique indexes that are no constraint, with every column that they look at. What a partition refuses by
/// its own index is told under the root's number and columns, which are those of the same names.
pub const CHECKS: &str = "
select c.conrelid, c.contypid, c.conname, pg_catalog.to_json(c.conkey) as columns,
       pg_catalog.pg_get_constraintdef(c.oid) as definition,
       case when pg_catalog.cardinality(c.conkey) = 1 then
         (select a.attname from pg_catalog.pg_attribute a where a.attrelid = c.conrelid and a.attnum = c.conkey[1]) end as name
from pg_catalog.pg_constraint c
where c.contype = 'c' and (c.conrelid >= 16384 or c.contypid >= 16384) and c.conparentid = 0
union all
select i.indrelid, 0, x.relname,
       (select coalesce(pg_catalog.json_agg(distinct d.refobjsubid), '[]') from pg_catalog.pg_depend d
        where d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refobjid = i.indrelid and d.refobjsubid > 0
          and ((d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = i.indexrelid)
               or (d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass and d.objid = c.oid))), '', null
from pg_catalog.pg_index i join pg_catalog.pg_class x on x.oid = i.indexrelid
left join pg_catalog.pg_constraint c on c.conindid = i.indexrelid and c.conrelid = i.indrelid and c.contype in ('p', 'u', 'x')
where i.indrelid >= 16384 and (i.indisunique or i.indisexclusion) and coalesce(c.contype = 'x', true)
union all
select r.root, 0, x.relname, pg_catalog.json_agg(distinct ra.attnum), '', null
from pg_catalog.pg_index i join pg_catalog.pg_class x on x.oid = i.indexrelid
join pg_catalog.pg_class p on p.oid = i.indrelid and p.relispartition
cross join lateral (select pg_catalog.pg_partition_root(p.oid)::pg_catalog.oid as root) r
left join pg_catalog.pg_constraint c on c.conindid = i.indexrelid and c.conrelid = i.indrelid and c.contype in ('p', 'u', 'x')
join pg_catalog.pg_depend d on d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refobjid = i.indrelid and d.refobjsubid > 0
  and ((d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = i.indexrelid)
       or (d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass and d.objid = c.oid))
join pg_catalog.pg_attribute pa on pa.attrelid = i.indrelid and pa.attnum = d.refobjsubid
join pg_catalog.pg_attribute ra on ra.attrelid = r.root and ra.attname = pa.attname
where i.indisunique or i.indisexclusion
group by r.root, x.relname
order by 1, 2, 3";

/// Implicit casts by function between a domain and json or text: how a domain's values are shown and read.
pub const REPRESENTATIONS: &str = "
select k.castsource, k.casttarget, n.nspname, p.proname
from pg_catalog.pg_cast k
join pg_catalog.pg_proc p on p.oid = k.castfunc
join pg_catalog.pg_namespace n on n.oid = p.pronamespace
join pg_catalog.pg_type s on s.oid = k.castsource
join pg_catalog.pg_type t on t.oid = k.casttarget
where k.castcontext = 'i' and k.castmethod = 'f'
  and ((s.typtype = 'd' and k.casttarget in ('pg_catalog.json'::pg_catalog.regtype, 'pg_catalog.text'::pg_catalog.regtype))
    or (t.typtype = 'd' and k.castsource in ('pg_catalog.json'::pg_catalog.regtype, 'pg_catalog.text'::pg_catalog.regtype)))
order by 1, 2";

/// Functions and aggregates that make a media type: their result is a domain named like one.
pub const HANDLERS: &str = "
select n.nspname, p.proname, p.prokind, p.proargtypes[0] as argument, p.pronargs, p.proretset,
       tn.nspname as type_schema, t.typname as media
from pg_catalog.pg_proc p
join pg_catalog.pg_namespace n on n.oid = p.pronamespace
join pg_catalog.pg_type t on t.oid = p.prorettype
join pg_catalog.pg_namespace tn on tn.oid = t.typnamespace
where t.typbasetype <> 0 and p.prokind in ('f', 'a') and n.nspname = any($1::text[])
  and (t.typname ~* '^[A-Za-z0-9.-]+/[A-Za-z0-9.+-]+$' or t.typname = '*/*')
order by 1, 2, p.oid";

/// Whether any function could set the answer's headers or status, and what the schemas say of themselves.
pub const SCHEMAS: &str = "
select n.nspname, pg_catalog.obj_description(n.oid, 'pg_namespace') as comment,
       exists (select 1 from pg_catalog.pg_proc p join pg_catalog.pg_namespace f on f.oid = p.pronamespace
               where f.nspname not in ('pg_catalog', 'information_schema')
                 and p.prosrc ~* 'response\\.(headers|status)') as answers
from pg_catalog.pg_namespace n
where n.nspname = any($1::text[])
order by 1";

/// User code, with what its text says: whether it may leave something in the session (settings, locks, LISTEN, prepared
/// statements), whether it looks at the request, whether a read can reach it, whether it looks at the caller's claims (by
/// themselves, by `auth.jwt()`, `auth.role()` or `auth.email()`, by a name made up at run time, among all settings). Judged on the careful side: a function that
/// might counts, and so does any language but SQL and PL/pgSQL. A read reaches what policies, views, casts and operators
/// depend on, and functions of one row (computed fields) or with a domain's value (media types).
pub const CODE: &str = r#"
with code as (
  select p.oid, p.proname, p.prorettype, p.pronargs, p.proargtypes, l.lanname,
         p.prosrc || ' ' || coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), '') as text
  from pg_catalog.pg_proc p
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  join pg_catalog.pg_language l on l.oid = p.prolang
  where n.nspname not in ('pg_catalog', 'information_schema')
    and p.prorettype not in ('pg_catalog.trigger'::pg_catalog.regtype, 'pg_catalog.event_trigger'::pg_catalog.regtype)
    and not exists (select 1 from pg_catalog.pg_depend d
                    where d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.objid = p.oid and d.deptype = 'e'))
select c.proname, c.text,
       c.lanname not in ('sql', 'plpgsql')
       or c.text ~* '\m(set_config|set|reset|listen|execute|discard|prepare|load|dblink\w*|pg_\w*advisory\w*)\M'
       or (c.lanname = 'sql' and c.text ~* '\mdeclare\M') as leaves,
       c.text ~* 'request\.(?!jwt)' as asks,
       exists (select 1 from pg_catalog.pg_depend d
               where d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.refobjid = c.oid
                 and d.classid in ('pg_catalog.pg_policy'::pg_catalog.regclass, 'pg_catalog.pg_rewrite'::pg_catalog.regclass,
                                   'pg_catalog.pg_cast'::pg_catalog.regclass, 'pg_catalog.pg_operator'::pg_catalog.regclass,
                                   'pg_catalog.pg_constraint'::pg_catalog.regclass, 'pg_catalog.pg_proc'::pg_catalog.regclass))
       or r.typtype = 'd'
       or (c.pronargs = 1 and exists (select 1 from pg_catalog.pg_type t
                                      where t.oid = c.proargtypes[0] and t.typtype in ('c', 'p'))) as reached,
       c.oid not in (select p.oid from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
                     where n.nspname = 'auth' and p.proname in ('uid', 'claimed_subject', 'jwt', 'role', 'email') and p.pronargs = 0)
       and (c.lanname not in ('sql', 'plpgsql')
            or c.text ~* 'request\.jwt' or c.text ~* '\m(jwt|role|email)"?\s*\(' or c.text ~* '\m(show|execute|pg_settings|pg_show_all_settings)\M'
            or pg_catalog.regexp_replace(c.text, 'current_setting\s*\(\s*''[^'']*''\s*[,)]', '', 'gi') ~* 'current_setting') as claims
from code c join pg_catalog.pg_type r on r.oid = c.prorettype"#;

/// The same of what is written in policies and views themselves.
pub const WRITTEN: &str = r#"
with written as (
  select coalesce(pg_catalog.pg_get_expr(p.polqual, p.polrelid), '') as text from pg_catalog.pg_policy p
  union all
  select pg_catalog.pg_get_viewdef(c.oid) from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind = 'v' and n.nspname not in ('pg_catalog', 'information_schema')
  union all
  select pg_catalog.pg_get_constraintdef(c.oid) from pg_catalog.pg_constraint c where c.contypid >= 16384)
select coalesce(pg_catalog.bool_or(text ~* '\m(set_config|dblink\w*|pg_\w*advisory\w*)\M'), false) as leaves,
       coalesce(pg_catalog.bool_or(text ~* 'request\.(?!jwt)'), false) as asks,
       coalesce(pg_catalog.bool_or(
           text ~* 'request\.jwt' or text ~* '\m(jwt|role|email)"?\s*\(' or text ~* '\m(pg_settings|pg_show_all_settings)\M'
           or pg_catalog.regexp_replace(text, 'current_setting\s*\(\s*''[^'']*''(::text)?\s*[,)]', '', 'gi') ~* 'current_setting'),
           false) as claims,
       (select pg_catalog.count(*) > 0 from pg_catalog.pg_trigger t
        where t.tgfoid = pg_catalog.to_regprocedure('detection.touched()')) as watched,
       (select pg_catalog.count(*) > 0 from pg_catalog.pg_proc p
        join pg_catalog.pg_namespace n on n.oid = p.pronamespace
        join pg_catalog.pg_language l on l.oid = p.prolang
        where n.nspname not in ('pg_catalog', 'information_schema', 'palisade', 'audit', 'palisade_changes')
          and not (n.nspname = 'realtime' and p.proname = 'capture')
          and (l.lanname not in ('sql', 'plpgsql')
               or p.prosrc || ' ' || coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), '') ~* '\m(execute|prepare)\M')
          and not exists (select 1 from pg_catalog.pg_depend d
                          where d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.objid = p.oid and d.deptype = 'e')) as prepares
from written"#;

/// The function `$1.$2` that can be called without arguments: who of those whom a caller may become owns it, who may create
/// functions beside it, who of the three roles of callers may not execute it, and whether a caller decides what its names mean.
pub const BEFORE: &str = r"
with callers as (
  select r.oid, r.rolname from pg_catalog.pg_roles r, pg_catalog.pg_roles login
  where login.rolname = 'authenticator' and pg_catalog.pg_has_role(login.oid, r.oid, 'MEMBER'))
select pg_catalog.pg_get_function_identity_arguments(p.oid) as arguments,
       (select pg_catalog.string_agg(pg_catalog.quote_ident(c.rolname), ', ' order by c.rolname) from callers c
        where pg_catalog.pg_has_role(c.oid, p.proowner, 'MEMBER')) as owners,
       (select pg_catalog.string_agg(pg_catalog.quote_ident(c.rolname), ', ' order by c.rolname) from callers c
        where pg_catalog.has_schema_privilege(c.oid, n.oid, 'CREATE')) as creators,
       (select pg_catalog.string_agg(pg_catalog.quote_ident(c.rolname), ', ' order by c.rolname) from pg_catalog.pg_roles c
        where c.rolname in ('anon', 'authenticated', 'service_role')
          and not (pg_catalog.has_schema_privilege(c.oid, n.oid, 'USAGE')
                   and pg_catalog.has_function_privilege(c.oid, p.oid, 'EXECUTE'))) as locked_out,
       p.prosecdef and not exists (select 1 from pg_catalog.unnest(p.proconfig) setting
                                   where setting like 'search\_path=%' and setting not like '%$user%') as loose
from pg_catalog.pg_proc p
join pg_catalog.pg_namespace n on n.oid = p.pronamespace
where n.nspname = $1::text and p.proname = $2::text and p.prokind = 'f' and p.pronargs = p.pronargdefaults
  and p.prorettype not in ('pg_catalog.trigger'::pg_catalog.regtype, 'pg_catalog.event_trigger'::pg_catalog.regtype)
order by p.pronargs
limit 1";

/// Settings of the roles that a caller can become which a session of theirs may set itself, those for this database last.
pub const ROLES: &str = "
select r.rolname, k.name, pg_catalog.substr(said, pg_catalog.strpos(said, '=') + 1) as value
from pg_catalog.pg_db_role_setting s
join pg_catalog.pg_roles r on r.oid = s.setrole
join pg_catalog.pg_roles login on login.rolname = 'authenticator' and login.oid <> r.oid
     and pg_catalog.pg_has_role(login.oid, r.oid, 'MEMBER')
cross join pg_catalog.unnest(s.setconfig) said
join pg_catalog.pg_settings k on k.context = 'user'
     and pg_catalog.lower(k.name) = pg_catalog.lower(pg_catalog.split_part(said, '=', 1))
where s.setdatabase = 0
   or s.setdatabase = (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database())
order by r.rolname, s.setdatabase, k.name";

/// Who passes by policies, and of which roles those that a caller can become are members, as one word: what the gate goes by, and
/// what no event trigger tells of.
pub const RIGHTS: &str = "
select pg_catalog.md5(coalesce(pg_catalog.string_agg(part, ' ' order by part), ''))
from (
  select 'passes ' || r.oid as part from pg_catalog.pg_roles r where r.rolsuper or r.rolbypassrls
  union all select 'has ' || c.oid || ' ' || r.oid
    from pg_catalog.pg_roles login
    join pg_catalog.pg_roles c on login.rolname = 'authenticator' and pg_catalog.pg_has_role(login.oid, c.oid, 'MEMBER')
    join pg_catalog.pg_roles r on r.oid <> c.oid and pg_catalog.pg_has_role(c.oid, r.oid, 'MEMBER')) parts";

/// Whether a change of the schema is announced by itself: the event triggers are there and cannot be slept through.
pub const HEARD: &str = "
select pg_catalog.count(*) = 2 from pg_catalog.pg_event_trigger e
where e.evtname in ('palisade_on_ddl', 'palisade_on_drop') and e.evtenabled = 'A' and e.evttags is null";

/// One number for everything above, for those who have to look whether it changed: each row of the catalogs by where it
/// is and who wrote it. A drop, a change and a new one are all another sum.
pub const FINGERPRINT: &str = "
select pg_catalog.md5(pg_catalog.string_agg(part, ' '))
from (
  select 'class ' || coalesce(pg_catalog.sum(pg_catalog.hashtextextended(c.oid || ':' || c.xmin || c.ctid::text, 0)), 0) as part
    from pg_catalog.pg_class c where c.oid >= 16384 and c.relkind in ('r', 'p', 'v', 'm', 'f', 'c')
  union all select 'attribute ' || coalesce(pg_catalog.sum(pg_catalog.hashtextextended(a.attrelid || ':' || a.xmin || a.ctid::text, 0)), 0)
    from pg_catalog.pg_attribute a where a.attrelid >= 16384 and a.attnum > 0
  union all select 'policy ' || coalesce(pg_catalog.sum(pg_catalog.hashtextextended(p.oid || ':' || p.xmin || p.ctid::text, 0)), 0)
    from pg_catalog.pg_policy p
  union all select 'proc ' || coalesce(pg_catalog.sum(pg_catalog.hashtextextended(p.oid || ':' || p.xmin || p.ctid::text, 0)), 0)
    from pg_catalog.pg_proc p where p.oid >= 16384
  union all select 'rewrite ' || coalesce(pg_catalog.sum(pg_catalog.hashtextextended(r.oid || ':' || r.xmin || r.ctid::text, 0)), 0)
    from pg_catalog.pg_rewrite r where r.oid >= 16384
  union all select 'constraint ' || coalesce(pg_catalog.sum(pg_catalog.hashtextextended(c.oid || ':' || c.xmin || c.ctid::text, 0)), 0)
    from pg_catalog.pg_constraint c where c.oid >= 16384
  union all select 'type ' || coalesce(pg_catalog.sum(pg_catalog.hashtextextended(t.oid || ':' || t.xmin || t.ctid::text, 0)), 0)
    from pg_catalog.pg_type t where t.oid >= 16384
  union all select 'enum ' || coalesce(pg_catalog.sum(pg_catalog.hashtextextended(e.oid || ':' || e.xmin || e.ctid::text, 0)), 0)
    from pg_catalog.pg_enum e
  union all select 'cast ' || coalesce(pg_catalog.sum(pg_catalog.hashtextextended(c.oid || ':' || c.xmin || c.ctid::text, 0)), 0)
    from pg_catalog.pg_cast c where c.oid >= 16384
  union all select 'namespace ' || coalesce(pg_catalog.sum(pg_catalog.hashtextextended(n.oid || ':' || n.xmin || n.ctid::text, 0)), 0)
    from pg_catalog.pg_namespace n where n.nspname !~ '^pg_(toast_)?temp'
  union all select 'description ' || coalesce(pg_catalog.sum(pg_catalog.hashtextextended(d.objoid || ':' || d.xmin || d.ctid::text, 0)), 0)
    from pg_catalog.pg_description d where d.objoid >= 16384
  union all select 'roles ' || coalesce(pg_catalog.sum(pg_catalog.hashtextextended(r.oid || ':' || r.rolsuper || r.rolbypassrls, 0)), 0)
    from pg_catalog.pg_roles r
  union all select 'members ' || coalesce(pg_catalog.sum(pg_catalog.hashtextextended(m.roleid || ':' || m.member || m.xmin, 0)), 0)
    from pg_catalog.pg_auth_members m
  order by 1) parts";

/// Everything, for the test that prepares each one.
pub const ALL: &[&str] = &[
    SURROUNDINGS,
    RELATIONS,
    COLUMNS,
    KEYS,
    VIEWS,
    VIEW_SOURCES,
    VIEWS_ELSEWHERE,
    ASKED,
    CHECKS,
    TYPES,
    FUNCTIONS,
    REPRESENTATIONS,
    HANDLERS,
    SCHEMAS,
    CODE,
    WRITTEN,
    BEFORE,
    ROLES,
    RIGHTS,
    HEARD,
    FINGERPRINT,
];
