//! What a role may do with what is served: what a schema made for it may name.
//!
//! Invariant: asked as the caller, of PostgreSQL itself. It decides what is shown; what may be done is decided again by
//! PostgreSQL with every statement.

use std::collections::HashSet;

use base::Caller;
use pg::{Lane, Mode, Once, Param, Pg, Setup, Statement};

use crate::Error;

/// Rights on columns, relations, functions, types and schemas, each as a kind, an object, a number and a right.
pub const RIGHTS: &str = "\
with s as (select n.oid, n.nspname from pg_catalog.pg_namespace n \
where n.nspname = any($1::text[]) and pg_catalog.has_schema_privilege(n.oid, 'USAGE')), \
c as (select c.oid, c.relacl from pg_catalog.pg_class c join s on s.oid = c.relnamespace \
where c.relkind in ('r', 'v', 'm', 'f', 'p') and not c.relispartition) \
select 'c' as kind, a.attrelid::int8 as object, a.attnum::int4 as number, \
pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'SELECT') as sees, \
pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'INSERT') as inserts, \
pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'UPDATE') as updates \
from pg_catalog.pg_attribute a join c on c.oid = a.attrelid where a.attnum > 0 and not a.attisdropped \
union all \
select 'r', c.oid::int8, 0, pg_catalog.has_table_privilege(c.oid, 'SELECT'), \
pg_catalog.has_table_privilege(c.oid, 'DELETE'), false from c \
union all \
select 'f', p.oid::int8, 0, pg_catalog.has_function_privilege(p.oid, 'EXECUTE'), false, false \
from pg_catalog.pg_proc p join s on s.oid = p.pronamespace where p.prokind = 'f' \
union all \
select 't', t.oid::int8, 0, pg_catalog.has_type_privilege(t.oid, 'USAGE'), false, false \
from pg_catalog.pg_type t join s on s.oid = t.typnamespace where t.typtype = 'e'";

/// What a role may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// Columns that may be read.
    pub sees: HashSet<(u32, i16)>,
    /// Columns that may be given in an insert.
    pub inserts: HashSet<(u32, i16)>,
    /// Columns that may be given in an update.
    pub updates: HashSet<(u32, i16)>,
    /// Relations that may be read whole.
    pub sees_rows: HashSet<u32>,
    /// Relations from which rows may be deleted.
    pub deletes: HashSet<u32>,
    /// Functions that may be called.
    pub calls: HashSet<u32>,
    /// Types that may be used.
    pub uses: HashSet<u32>,
}

/// Asks as the caller.
pub async fn read(pg: &Pg, caller: &Caller, schemas: Vec<String>) -> Result<Rights, Error> {
    let statement = Statement::rare(RIGHTS, [Param::from(schemas)]);
    let ask = Once { statement, mode: Mode::Read, lane: Lane::Own, setup: Setup::default() };
    let rows = pg.once(caller, ask).await?.into_inner();
    let mut rights = Rights::default();
    for row in rows.iter() {
        let kind: String = row.at(0)?;
        let (object, number): (u32, i16) = (row.at(1)?, row.at(2)?);
        let (first, second, third): (bool, bool, bool) = (row.at(3)?, row.at(4)?, row.at(5)?);
        let add = |holds: bool, set: &mut HashSet<(u32, i16)>| {
            if holds {
                set.insert((object, number));
            }
        };
        let one = |holds: bool, set: &mut HashSet<u32>| {
            if holds {
                set.insert(object);
            }
        };
        match kind.as_str() {
            "c" => {
                add(first, &mut rights.sees);
                add(second, &mut rights.inserts);
                add(third, &mut rights.updates);
            }
            "r" => {
                one(first, &mut rights.sees_rows);
                one(second, &mut rights.deletes);
            }
            "f" => one(first, &mut rights.calls),
            _ => one(first, &mut rights.uses),
        }
    }
    Ok(rights)
}
