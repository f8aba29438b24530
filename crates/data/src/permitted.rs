//! What of a schema a caller may use at all: what a description of the API may name to them.
//!
//! Invariant: asked as the caller, of PostgreSQL itself; a right that was revoked is gone from the next description.

use std::collections::HashSet;

use base::Caller;
use pg::{Once, Param, Pg, Setup, Statement};

use crate::Error;
use crate::catalog::Catalog;

/// Relations the caller has some right on, functions the caller may execute, columns the caller may read or give a value.
pub const PERMITTED: &str = "\
select c.oid::int8, 'r', 0 from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
where n.nspname = $1 and pg_catalog.has_schema_privilege(n.oid, 'USAGE') and c.relkind in ('r', 'v', 'm', 'f', 'p') and not c.relispartition \
and (pg_catalog.has_table_privilege(c.oid, 'SELECT, INSERT, UPDATE, DELETE') \
or pg_catalog.has_any_column_privilege(c.oid, 'SELECT, INSERT, UPDATE')) \
union all \
select p.oid::int8, 'f', 0 from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace \
where n.nspname = $1 and pg_catalog.has_schema_privilege(n.oid, 'USAGE') and p.prokind = 'f' and pg_catalog.has_function_privilege(p.oid, 'EXECUTE') \
union all \
select c.oid::int8, 'c', a.attnum from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped \
where n.nspname = $1 and pg_catalog.has_schema_privilege(n.oid, 'USAGE') and c.relkind in ('r', 'v', 'm', 'f', 'p') and not c.relispartition \
and pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT, INSERT, UPDATE')";

/// Of one relation, the columns the caller may read or give a value.
pub const PERMITTED_COLUMNS: &str = "\
select a.attnum::int4 from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid \
where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped \
and pg_catalog.has_schema_privilege(c.relnamespace, 'USAGE') \
and pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'SELECT, INSERT, UPDATE')";

/// Object ids of what may be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permitted {
    /// `pg_class.oid`
    pub relations: HashSet<u32>,
    /// `pg_proc.oid`
    pub functions: HashSet<u32>,
    /// `pg_class.oid` and `pg_attribute.attnum`
    pub columns: HashSet<(u32, i16)>,
}

/// Asks as the caller about some relations.
pub(crate) async fn columns(
    pg: &Pg,
    caller: &Caller,
    relations: &[u32],
) -> Result<HashSet<(u32, i16)>, Error> {
    let mut permitted = HashSet::new();
    for oid in relations {
        let statement = Statement::new(PERMITTED_COLUMNS, [Param::from(*oid)]);
        let rows = pg.once(caller, Once::read(statement)).await?.into_inner();
        for row in rows.iter() {
            permitted.insert((*oid, row.at(0)?));
        }
    }
    Ok(permitted)
}

/// Asks as the caller.
pub async fn read(
    pg: &Pg,
    caller: &Caller,
    catalog: &Catalog,
    schema: &str,
    mut setup: Setup,
) -> Result<Permitted, Error> {
    catalog.surround(&mut setup, caller)?;
    let statement = Statement::new(PERMITTED, [Param::from(schema)]);
    let rows = pg.once(caller, Once { setup, ..Once::read(statement) }).await?.into_inner();
    let mut permitted = Permitted::default();
    for row in rows.iter() {
        let (oid, kind): (u32, String) = (row.at(0)?, row.at(1)?);
        let _new = match kind.as_str() {
            "r" => permitted.relations.insert(oid),
            "f" => permitted.functions.insert(oid),
            _ => permitted.columns.insert((oid, row.at(2)?)),
        };
    }
    Ok(permitted)
}
