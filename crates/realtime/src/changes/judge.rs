//! The statement that decides for one caller which rows they could see: written here, carried out as the caller.
//!
//! Rows come as text, as the trigger wrote them, and become rows of their table again. Each policy that concerns the caller is
//! evaluated over them by PostgreSQL, inside a statement of the caller's: what it reads besides is read with the caller's rights. Rights
//! to columns, row level security of the table and its shape are looked at in the same snapshot.
//!
//! Invariant: pure. Whatever is not known to be visible is not: NULL, a shape that is another by now, a right that is missing.

use std::fmt::Write as _;

use pg::Param;
use pg::admin::{quote_name, quote_text};

use super::wanted::{Condition, Table, Test};

/// As `realtime.shape` has it, for callers who may not call that.
const SHAPE: &str = "(SELECT pg_catalog.hashtextextended(pg_catalog.string_agg(a.attname || ' ' || a.atttypid, ',' ORDER BY a.attnum), 0)::text
                   FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)";

/// Parameters before those of conditions: numbers, shapes, old rows, new rows.
const GIVEN: usize = 4;

/// A statement and the values of its conditions, from `$5` on.
pub(super) struct Judgement {
    pub(super) sql: String,
    pub(super) values: Vec<Param>,
}

/// Whether rows of this table may be read at all, and which columns may not: `reads, guarded, hidden`.
pub(super) fn standing(table: &Table, gate: bool) -> String {
    let unpublished: Vec<&str> =
        table.columns.iter().filter(|column| !column.published).map(|column| &*column.name).collect();
    format!(
        "SELECT pg_catalog.has_schema_privilege(c.relnamespace, 'USAGE')
                AND pg_catalog.has_any_column_privilege(c.oid, 'SELECT') AS reads,
                {} AND c.relkind IN ('r', 'p') AND NOT c.relispartition AS guarded,
                NOT pg_catalog.row_security_active(c.oid) AS passes, {} AS shape,
                {}::text[] || ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
                   WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                     AND NOT pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT')) AS hidden
           FROM pg_catalog.pg_class c WHERE c.oid = {}",
        if gate { "c.relrowsecurity AND c.relforcerowsecurity" } else { "true" },
        SHAPE,
        quote_text(&pg::statement::array_literal(unpublished)),
        table.oid,
    )
}

/// Of each given row: whether the caller sees it as it was and as it is, what of it they may have, and which conditions hold (a digit
/// each). What is asked of a row is asked only when it is seen.
pub(super) fn judgement(table: &Table, gate: bool, conditions: &[Condition]) -> Judgement {
    let alias = quote_name(&table.name);
    let row = |side: &str| {
        format!("pg_catalog.unnest(ARRAY[{side}::{}.{alias}]) AS {alias}", quote_name(&table.schema))
    };
    let seen = |side: &str| {
        format!(
            "CASE WHEN palisade_given.{side} = '' OR NOT palisade_standing.reads OR NOT palisade_standing.guarded
                    OR palisade_given.shape IS DISTINCT FROM palisade_standing.shape
                  THEN false ELSE (SELECT {} FROM {}) END",
            visible(table),
            row(&format!("palisade_given.{side}")),
        )
    };
    let whole = format!("pg_catalog.to_jsonb({alias}) - palisade_judged.hidden");
    let named = if table.identity == "f" {
        whole.clone()
    } else {
        let key: Vec<&str> =
            table.columns.iter().filter(|column| column.of_key).map(|column| &*column.name).collect();
        format!(
            "(SELECT coalesce(pg_catalog.jsonb_object_agg(e.key, e.value), '{{}}') FROM pg_catalog.jsonb_each({whole}) e
               WHERE e.key = ANY ({}::text[]))",
            quote_text(&pg::statement::array_literal(key)),
        )
    };
    let mut values = Vec::new();
    let holds = conditions_sql(&alias, conditions, &mut values);
    let sql = format!(
        "WITH palisade_standing AS MATERIALIZED ({standing})
         SELECT palisade_judged.number, palisade_judged.old_seen, palisade_judged.new_seen, pg_catalog.array_to_json(palisade_judged.hidden)::text AS hidden,
                CASE WHEN palisade_judged.new_seen THEN (SELECT ({whole})::text FROM {new_row}) END AS record,
                CASE WHEN palisade_judged.old_seen THEN (SELECT ({named})::text FROM {old_row}) END AS old_record,
                CASE WHEN palisade_judged.new_seen THEN (SELECT {holds} FROM {new_row})
                     WHEN palisade_judged.old_seen AND palisade_judged.new = '' THEN (SELECT {holds} FROM {old_row}) END AS holds
           FROM (SELECT palisade_given.number, palisade_given.old, palisade_given.new, palisade_standing.hidden,
                        {old_seen} AS old_seen, {new_seen} AS new_seen
                   FROM ROWS FROM (pg_catalog.unnest($1::int8[]), pg_catalog.unnest($2::text[]), pg_catalog.unnest($3::text[]),
                                   pg_catalog.unnest($4::text[])) AS palisade_given(number, shape, old, new),
                        palisade_standing) palisade_judged",
        standing = standing(table, gate),
        new_row = row("palisade_judged.new"),
        old_row = row("palisade_judged.old"),
        old_seen = seen("old"),
        new_seen = seen("new"),
    );
    Judgement { sql, values }
}

/// As PostgreSQL puts policies together: one that lets through, and every one that must not stop it.
fn visible(table: &Table) -> String {
    let published = match &table.condition {
        Some(condition) => format!("({condition}) IS TRUE AND "),
        None => String::new(),
    };
    let concerns = |roles: &[u32]| match roles.contains(&0) {
        true => "true".to_owned(),
        false => {
            let has = |role: &u32| format!("pg_catalog.pg_has_role({role}::pg_catalog.oid, 'USAGE')");
            roles.iter().map(has).collect::<Vec<_>>().join(" OR ")
        }
    };
    let (mut lets, mut stops) = (String::from("false"), String::new());
    for policy in &table.policies {
        let (concerns, using) = (concerns(&policy.roles), &policy.using);
        // Writing to a text cannot fail.
        let _ = match policy.permissive {
            true => write!(lets, " OR CASE WHEN {concerns} THEN ({using}) ELSE false END"),
            false => write!(stops, " AND CASE WHEN {concerns} THEN ({using}) ELSE true END"),
        };
    }
    format!("{published}CASE WHEN palisade_standing.passes THEN true ELSE (({lets}){stops}) IS TRUE END")
}

fn conditions_sql(alias: &str, conditions: &[Condition], values: &mut Vec<Param>) -> String {
    let mut sql = String::from("''");
    for Condition { column, not, test } in conditions {
        let name = format!("{alias}.{}", quote_name(column));
        let mut value = |value: Param| {
            values.push(value);
            format!("${}", values.len() + GIVEN)
        };
        let test = match test {
            Test::Compare(operator, text) => {
                format!("{name} {} {}", operator.sql(), value(Param::from(&**text)))
            }
            Test::In(texts) => format!("{name} = ANY ({})", value(Param::from(texts.to_vec()))),
            Test::Is(is) => format!("{name} IS {}", is.sql()),
        };
        let test = if *not { format!("NOT ({test})") } else { test };
        // Writing to a text cannot fail.
        let _ = write!(
            sql,
            " || CASE WHEN {} = ANY (palisade_judged.hidden) THEN '0' WHEN {test} THEN '1' ELSE '0' END",
            quote_text(column)
        );
    }
    sql
}
