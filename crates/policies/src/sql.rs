//! The statements of this crate. Each fact query answers with one JSON array, so that any connection can ask it: a
//! system transaction, or an administrator's inside a rehearsal.
//!
//! `$1` is the list of exposed schemas. With the empty search path of [`SURROUNDINGS`] every printed name is a full one.

/// What precedes the facts.
pub const SURROUNDINGS: &str =
    "select pg_catalog.set_config('search_path', '', true), pg_catalog.set_config('jit', 'off', true)";

/// The search path of an administrator's session, to be put back.
pub const PATH: &str = "select pg_catalog.current_setting('search_path')";

/// Sets it.
pub const SET_PATH: &str = "select pg_catalog.set_config('search_path', $1, false)";

/// Whether anybody is signed in without having said who they are (0012).
pub const HAS_ANONYMOUS: &str = "select exists (select from auth.users where is_anonymous)";

/// Relations of users: everything but the system's schemas and ours.
pub const RELATIONS: &str = "
select coalesce(pg_catalog.json_agg(x order by x.schema, x.name), '[]') from (
  select c.oid::int8, n.nspname as schema, c.relname as name, c.relkind::text as kind, r.rolname as owner,
         r.rolsuper or r.rolbypassrls as owner_bypasses, c.relrowsecurity as secured,
         c.relforcerowsecurity as forced, c.relispartition as partition,
         n.nspname = any($1::text[]) as exposed,
         coalesce((select o.option_value::bool from pg_catalog.pg_options_to_table(c.reloptions) o
                   where o.option_name = 'security_invoker'), false) as invoker,
         pg_catalog.obj_description(c.oid, 'pg_class') as comment,
         exists (select 1 from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                 and d.objid = c.oid and d.deptype = 'e') as extension,
         c.relpages::int8 as pages, pg_catalog.pg_stat_get_live_tuples(c.oid) as live,
         pg_catalog.pg_stat_get_dead_tuples(c.oid) as dead,
         (select pg_catalog.json_object_agg(role, (select coalesce(pg_catalog.json_agg(verb), '[]')
                    from pg_catalog.unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE']) verb
                    where pg_catalog.has_table_privilege(role, c.oid, verb)
                       or (verb <> 'DELETE' and pg_catalog.has_any_column_privilege(role, c.oid, verb))))
          from pg_catalog.unnest(array['anon', 'authenticated']) role
          where pg_catalog.has_schema_privilege(role, n.oid, 'USAGE')) as may,
         (select pg_catalog.json_agg(distinct d.refobjid::int8) from pg_catalog.pg_rewrite w
          join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass and d.objid = w.oid
           and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refobjid <> c.oid
          where w.ev_class = c.oid) as stands_on,
         (select pg_catalog.json_agg(i.inhparent::int8) from pg_catalog.pg_inherits i
          where i.inhrelid = c.oid and not c.relispartition) as inherits
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_roles r on r.oid = c.relowner
  where c.relkind in ('r', 'p', 'v', 'm', 'f')
    and n.nspname not in ('pg_catalog', 'information_schema', 'palisade', 'audit', 'jobs', 'mail', 'posture', 'idempotency', 'palisade_changes')
    and n.nspname !~ '^pg_(toast|temp)') x";

/// Their columns.
pub const COLUMNS: &str = "
select coalesce(pg_catalog.json_agg(x order by x.relation, x.number), '[]') from (
  select a.attrelid::int8 as relation, a.attnum as number, a.attname as name, $1::text[] is null as nothing,
         pg_catalog.format_type(a.atttypid, a.atttypmod) as type, t.typtype::text as type_kind,
         case when t.typtype = 'd' then (with recursive base as (
             select t.typbasetype as oid
             union all select b.typbasetype from base join pg_catalog.pg_type b on b.oid = base.oid where b.typtype = 'd')
           select b.typname from base join pg_catalog.pg_type b on b.oid = base.oid where b.typtype <> 'd')
         else t.typname end as type_name,
         tn.nspname as type_schema, a.attnotnull or t.typnotnull as required,
         a.attgenerated <> '' or a.attidentity = 'a' as generated,
         pg_catalog.pg_get_expr(d.adbin, d.adrelid) as default,
         (select pg_catalog.json_agg(e.enumlabel order by e.enumsortorder) from pg_catalog.pg_enum e
          where e.enumtypid = t.oid) as labels
  from pg_catalog.pg_attribute a
  join pg_catalog.pg_class c on c.oid = a.attrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_type t on t.oid = a.atttypid
  join pg_catalog.pg_namespace tn on tn.oid = t.typnamespace
  left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
  where a.attnum > 0 and not a.attisdropped and c.relkind in ('r', 'p', 'v', 'm', 'f')
    and n.nspname not in ('pg_catalog', 'information_schema', 'palisade', 'audit', 'jobs', 'mail', 'posture', 'idempotency', 'palisade_changes')
    and n.nspname !~ '^pg_(toast|temp)') x";

/// Their keys and checks.
pub const CONSTRAINTS: &str = "
select coalesce(pg_catalog.json_agg(x order by x.relation, x.name), '[]') from (
  select k.conname as name, k.contype::text as kind, k.conrelid::int8 as relation, k.confrelid::int8 as target,
         coalesce(k.conkey, '{}') as columns, coalesce(k.confkey, '{}') as target_columns,
         pg_catalog.pg_get_constraintdef(k.oid) as definition, $1::text[] is null as nothing,
         (select i.indisprimary from pg_catalog.pg_index i where i.indexrelid = k.conindid) as on_primary
  from pg_catalog.pg_constraint k
  where k.contype in ('p', 'u', 'f', 'c') and k.conrelid >= 16384 and k.conparentid = 0) x";

/// Their indexes.
pub const INDEXES: &str = "
select coalesce(pg_catalog.json_agg(x order by x.relation, x.name), '[]') from (
  select i.indrelid::int8 as relation, c.relname as name, i.indkey::int2[] as columns, i.indisunique as unique,
         i.indisprimary as primary, i.indisvalid as valid, i.indpred is not null as partial, $1::text[] is null as nothing,
         exists (select 1 from pg_catalog.pg_constraint k where k.conindid = i.indexrelid and k.contype in ('p', 'u', 'x'))
           as of_constraint,
         pg_catalog.regexp_replace(pg_catalog.pg_get_indexdef(i.indexrelid), '^.*? ON ', '') as shape,
         coalesce(s.idx_scan, 0)::int8 as scans
  from pg_catalog.pg_index i
  join pg_catalog.pg_class c on c.oid = i.indexrelid
  left join pg_catalog.pg_stat_all_indexes s on s.indexrelid = i.indexrelid
  where i.indrelid >= 16384) x";

/// Policies, with what their expressions stand on.
pub const POLICIES: &str = "
select coalesce(pg_catalog.json_agg(x order by x.relation, x.name), '[]') from (
  select p.oid::int8, p.polrelid::int8 as relation, p.polname as name, p.polpermissive as permissive,
         p.polcmd::text as command, $1::text[] is null as nothing,
         (select pg_catalog.json_agg(case when role = 0 then 'public'
                   else (select rolname from pg_catalog.pg_roles where oid = role) end)
          from pg_catalog.unnest(p.polroles) role) as roles,
         pg_catalog.pg_get_expr(p.polqual, p.polrelid) as using,
         pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) as check,
         coalesce((select pg_catalog.json_agg(distinct d.refobjsubid) from pg_catalog.pg_depend d
           where d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass and d.objid = p.oid
             and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refobjid = p.polrelid
             and d.refobjsubid > 0), '[]') as columns,
         coalesce((select pg_catalog.json_agg(distinct d.refobjid::int8) from pg_catalog.pg_depend d
           where d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass and d.objid = p.oid
             and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
             and d.refobjid <> p.polrelid), '[]') as relations,
         coalesce((select pg_catalog.json_agg(distinct d.refobjid::int8) from pg_catalog.pg_depend d
           where d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass and d.objid = p.oid
             and d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass), '[]') as functions
  from pg_catalog.pg_policy p) x";

/// Functions of users.
pub const FUNCTIONS: &str = "
select coalesce(pg_catalog.json_agg(x order by x.schema, x.name), '[]') from (
  select p.oid::int8, n.nspname as schema, p.proname as name, n.nspname = any($1::text[]) as exposed,
         pg_catalog.pg_get_function_identity_arguments(p.oid) as arguments, p.prosecdef as definer,
         r.rolname as owner, r.rolsuper or r.rolbypassrls as owner_bypasses, l.lanname as language,
         p.provolatile::text as volatility, coalesce(p.proconfig, '{}') as settings,
         coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), p.prosrc) as body,
         case when p.prokind = 'f' then pg_catalog.pg_get_functiondef(p.oid) end as definition,
         p.prokind::text as kind, p.prorettype = 'pg_catalog.trigger'::pg_catalog.regtype as trigger,
         p.prorettype = 'pg_catalog.event_trigger'::pg_catalog.regtype as event_trigger,
         pg_catalog.obj_description(p.oid, 'pg_proc') as comment,
         pg_catalog.has_schema_privilege('anon', n.oid, 'USAGE')
           and pg_catalog.has_function_privilege('anon', p.oid, 'EXECUTE') as anon,
         pg_catalog.has_schema_privilege('authenticated', n.oid, 'USAGE')
           and pg_catalog.has_function_privilege('authenticated', p.oid, 'EXECUTE') as authenticated
  from pg_catalog.pg_proc p
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  join pg_catalog.pg_roles r on r.oid = p.proowner
  join pg_catalog.pg_language l on l.oid = p.prolang
  where n.nspname not in ('pg_catalog', 'information_schema', 'palisade', 'audit', 'jobs', 'mail', 'posture', 'idempotency', 'palisade_changes')
    and n.nspname !~ '^pg_(toast|temp)'
    and not exists (select 1 from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
                    and d.objid = p.oid and d.deptype = 'e')) x";

/// Triggers of users.
pub const TRIGGERS: &str = "
select coalesce(pg_catalog.json_agg(x order by x.relation, x.name), '[]') from (
  select t.tgrelid::int8 as relation, t.tgname as name, t.tgfoid::int8 as function, $1::text[] is null as nothing,
         pg_catalog.pg_get_triggerdef(t.oid) as definition
  from pg_catalog.pg_trigger t where not t.tgisinternal and t.tgenabled <> 'D' and t.tgrelid >= 16384) x";

/// Extensions.
pub const EXTENSIONS: &str = "
select coalesce(pg_catalog.json_agg(x order by x.name), '[]') from (
  select e.extname as name, n.nspname as schema, e.extversion as version, a.default_version as newest,
         n.nspname = any($1::text[]) as exposed
  from pg_catalog.pg_extension e
  join pg_catalog.pg_namespace n on n.oid = e.extnamespace
  left join pg_catalog.pg_available_extensions a on a.name = e.extname) x";

/// Public buckets, asked only where there is a `storage.buckets`.
pub const BUCKETS: &str =
    "select coalesce(pg_catalog.json_agg(b.id order by b.id), '[]') from storage.buckets b where b.public";

/// Whether there is one that may be read.
pub const HAS_BUCKETS: &str = "
select coalesce(pg_catalog.bool_or(pg_catalog.has_schema_privilege(n.oid, 'USAGE')
                                   and pg_catalog.has_table_privilege(c.oid, 'SELECT')), false)
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'storage' and c.relname = 'buckets'";

/// As a caller: the roles whose policies apply to them, and whether they pass by row level security.
pub const STANDING: &str = "
select coalesce((select pg_catalog.json_agg(o.rolname) from pg_catalog.pg_roles o
                 where pg_catalog.pg_has_role(r.oid, o.oid, 'USAGE')), '[]')::text, r.rolsuper or r.rolbypassrls
from pg_catalog.pg_roles r where r.rolname = current_user";

/// As a caller: whether they have a right on a table.
pub const MAY_TABLE: &str = "select pg_catalog.has_table_privilege($1::oid, $2)";

/// As a caller: whether they have a right on a column.
pub const MAY_COLUMN: &str = "select pg_catalog.has_column_privilege($1::oid, $2::text, $3)";

/// Columns of a table that a role may update.
pub const UPDATABLE: &str = "
select a.attname::text from pg_catalog.pg_attribute a
where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped
  and pg_catalog.has_column_privilege($2::text::name, a.attrelid, a.attnum, 'UPDATE')";

/// The fact queries with `$1`, in the order [`crate::facts`] reads them.
pub const FACTS: &[&str] =
    &[RELATIONS, COLUMNS, CONSTRAINTS, INDEXES, POLICIES, FUNCTIONS, TRIGGERS, EXTENSIONS];

/// Everything that can be prepared in any database, for the test that does.
pub const ALL: &[&str] = &[
    SURROUNDINGS,
    PATH,
    SET_PATH,
    RELATIONS,
    COLUMNS,
    CONSTRAINTS,
    INDEXES,
    POLICIES,
    FUNCTIONS,
    TRIGGERS,
    EXTENSIONS,
    HAS_BUCKETS,
    STANDING,
    MAY_TABLE,
    MAY_COLUMN,
    UPDATABLE,
    GRANTS,
];

/// Who may do what: one object for each role. `$1` is one role's name, or null for all that callers can be.
pub const GRANTS: &str = "
with callers as (
  select r.* from pg_catalog.pg_roles r
  where not r.rolsuper and r.rolname !~ '^pg_'
    and (r.rolname = $1 or ($1::text is null and (
      r.rolname in ('anon', 'authenticated', 'service_role', 'readonly', 'authenticator')
      or exists (select 1 from pg_catalog.pg_auth_members m join pg_catalog.pg_roles a on a.oid = m.member
                 where m.roleid = r.oid and a.rolname = 'authenticator')
      or exists (select 1 from pg_catalog.pg_auth_members m join pg_catalog.pg_roles a on a.oid = m.roleid
                 where m.member = r.oid and a.rolname = 'readonly'))))
), spaces as (
  select n.oid, n.nspname from pg_catalog.pg_namespace n
  where n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_(toast|temp)'
), relations as (
  select c.oid, s.nspname, s.oid as space, c.relname, c.relrowsecurity and c.relforcerowsecurity as secured,
         case c.relkind when 'v' then 'view' when 'm' then 'materialised view' when 'f' then 'foreign table' else 'table' end as kind
  from pg_catalog.pg_class c join spaces s on s.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition
    and not exists (select 1 from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                    and d.objid = c.oid and d.deptype = 'e')
), functions as (
  select p.oid, s.nspname, s.oid as space, p.prosecdef,
         p.proname || '(' || pg_catalog.oidvectortypes(p.proargtypes) || ')' as signature,
         exists (select 1 from pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) x
                 where x.grantee = 0 and x.privilege_type = 'EXECUTE') as public
  from pg_catalog.pg_proc p join spaces s on s.oid = p.pronamespace
  where p.prokind in ('f', 'p') and p.prorettype not in ('pg_catalog.trigger'::pg_catalog.regtype, 'pg_catalog.event_trigger'::pg_catalog.regtype)
    and not exists (select 1 from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
                    and d.objid = p.oid and d.deptype = 'e')
), rights as (
  select r.oid as role, c.oid as relation,
         array(select verb from pg_catalog.unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) verb
               where pg_catalog.has_table_privilege(r.oid, c.oid, verb)) as may,
         (select coalesce(pg_catalog.json_object_agg(verb, names), '{}') from (
            select verb, pg_catalog.json_agg(a.attname order by a.attnum) as names
            from pg_catalog.unnest(array['SELECT', 'INSERT', 'UPDATE']) verb
            join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
             and a.attacl is not null and pg_catalog.has_column_privilege(r.oid, c.oid, a.attnum, verb)
            where not pg_catalog.has_table_privilege(r.oid, c.oid, verb)
            group by verb) x) as columns
  from callers r cross join relations c
  where pg_catalog.has_schema_privilege(r.oid, c.space, 'USAGE')
)
select coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
  'name', r.rolname, 'logs_in', r.rolcanlogin, 'passes_policies', r.rolbypassrls, 'superuser', r.rolsuper,
  'makes_roles', r.rolcreaterole, 'makes_databases', r.rolcreatedb,
  'member_of', array(select a.rolname from pg_catalog.pg_auth_members m join pg_catalog.pg_roles a on a.oid = m.roleid
                     where m.member = r.oid order by 1),
  'database', array(select verb from pg_catalog.unnest(array['CREATE', 'TEMPORARY']) verb
                    where pg_catalog.has_database_privilege(r.oid, pg_catalog.current_database(), verb)),
  'schemas', (select coalesce(pg_catalog.json_agg(pg_catalog.json_build_object('name', s.nspname,
                 'create', pg_catalog.has_schema_privilege(r.oid, s.oid, 'CREATE')) order by s.nspname), '[]')
              from spaces s where pg_catalog.has_schema_privilege(r.oid, s.oid, 'USAGE, CREATE')),
  'relations', (select coalesce(pg_catalog.json_agg(pg_catalog.json_build_object('schema', c.nspname, 'name', c.relname, 'kind', c.kind,
                   'row_security', c.secured, 'may', x.may, 'columns', x.columns) order by c.nspname, c.relname), '[]')
                from rights x join relations c on c.oid = x.relation
                where x.role = r.oid and (x.may <> '{}' or x.columns::text <> '{}')),
  'functions', (select coalesce(pg_catalog.json_agg(pg_catalog.json_build_object('schema', f.nspname, 'signature', f.signature,
                   'definer', f.prosecdef, 'public', f.public) order by f.nspname, f.signature), '[]')
                from functions f where pg_catalog.has_schema_privilege(r.oid, f.space, 'USAGE')
                 and pg_catalog.has_function_privilege(r.oid, f.oid, 'EXECUTE'))
) order by r.rolname), '[]') from callers r";

/// What the checks of a column's type say, when it is a domain: `$1` the relation, `$2` the column.
pub const CHECKS_OF_TYPE: &str = "
select pg_catalog.pg_get_constraintdef(k.oid) from pg_catalog.pg_attribute a
  join pg_catalog.pg_constraint k on k.contypid = a.atttypid where a.attrelid = $1::oid and a.attnum = $2::int2 and k.contypid <> 0";
