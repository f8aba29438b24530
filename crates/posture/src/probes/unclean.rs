//! What stands already in columns whose HTML is to be clean: a function, a migration or `psql` writes past the cleaning.
//!
//! Invariant: looks at rows as they are stored, and at no more of each column than its limit; with nobody's rights but the
//! owner's of the table.

use crate::Finding;
use crate::bench::{Bench, Trouble};
use crate::limits::UNCLEAN_ROWS_MAX;

/// Columns of tables with the rule, by their own comment or their domain's, in their domain's domain too.
const TAGGED: &str = "
WITH RECURSIVE kinds AS (
    SELECT a.attrelid, a.attnum, a.atttypid AS kind FROM pg_attribute a WHERE a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT k.attrelid, k.attnum, t.typbasetype FROM kinds k JOIN pg_type t ON t.oid = k.kind WHERE t.typtype = 'd'
)
SELECT DISTINCT format('%I.%I', n.nspname, c.relname), quote_ident(a.attname),
       CASE WHEN me.rolsuper AND NOT o.rolsuper THEN o.rolname END
FROM kinds k JOIN pg_attribute a ON a.attrelid = k.attrelid AND a.attnum = k.attnum
JOIN pg_class c ON c.oid = k.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_roles o ON o.oid = c.relowner JOIN pg_roles me ON me.rolname = current_user
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND concat_ws(E'\\n', col_description(a.attrelid, a.attnum), obj_description(k.kind, 'pg_type')) ~ '(^|\\n)@palisade html: sanitize'
ORDER BY 1, 2";

/// Adds to what was seen of writes what is stored: `runs` is a regular expression of what no stored text may hold.
pub async fn stored(bench: &Bench, seen: Finding, runs: &str) -> Result<Finding, Trouble> {
    let sql = bench.sql().await?;
    let tagged = sql.rows(TAGGED).await?;
    let most = UNCLEAN_ROWS_MAX.value;
    let mut unclean = Vec::new();
    for row in &tagged {
        let [Some(table), Some(column), owner] = row.as_slice() else { continue };
        let count = format!(
            "SELECT count(*) FROM (SELECT {column} AS v FROM {table} LIMIT {most}) x WHERE v::text ~* $re${runs}$re$"
        );
        match sql.value_as(owner.as_deref(), &count).await?.as_str() {
            "0" => {}
            rows => unclean.push(format!("{table}.{column}: {rows}")),
        }
    }
    let columns = tagged.len();
    if unclean.is_empty() {
        let line = format!(
            "of the application's {columns} columns with the rule, none holds what runs (first {most} rows each)"
        );
        return Ok(Finding { evidence: format!("{}\n{line}", seen.evidence), ..seen });
    }
    Ok(Finding::failing(format!(
        "{}\nNOT SO: written past the API and unclean, rows of the first {most}: {}. Save them again through the API, which cleans them, and have \
         functions that write HTML take it through a table's route",
        seen.evidence,
        unclean.join(", ")
    )))
}
