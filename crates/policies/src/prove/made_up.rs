//! Values for columns that make no difference: such as their checks allow, and a doubt where none was found.
//!
//! Invariant: a row that was left out is one that no database can hold, or there is a doubt. A database without the rows that matter
//! proves nothing.

use tokio_postgres::Client;

use super::domain;
use super::stage::literal;
use super::world::Model;
use crate::Error;
use crate::facts::{Column, Facts, Relation};
use crate::text::{self, Token};
use pg::admin::quote_name;

/// What some check or other may allow, where nothing says what.
const ANY: &[&str] = &[
    "1",
    "0",
    "10",
    "100",
    "x",
    "abc",
    "AB",
    "a_b",
    "a@palisade.invalid",
    "https://palisade.invalid/",
    "00000000-0000-4000-a000-000000000001",
    "2001-01-01",
    "2101-01-01",
    "true",
    "false",
    "{}",
    "[]",
    "empty",
    "127.0.0.1",
    "1 day",
];

/// Finds such values for the columns whose usual ones are refused.
pub(super) async fn fill(client: &Client, facts: &Facts, model: &mut Model<'_>) -> Result<(), Error> {
    for (at, column) in model.fillers.iter().enumerate() {
        let mut checks: Vec<&str> = facts
            .constraints_of(model.table.oid, "c")
            .filter(|check| check.columns.contains(&column.number))
            .map(|check| check.definition.as_str())
            .collect();
        let usual = domain::filler(column, 0);
        let free = checks.is_empty() && column.type_kind != "d" && !column.r#type.contains('(');
        if free && usual.is_some() {
            continue;
        }
        let of_type = client.query(crate::sql::CHECKS_OF_TYPE, &[&model.table.oid, &column.number]).await?;
        let of_type: Vec<String> = of_type.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        checks.extend(of_type.iter().map(String::as_str));
        let mut tries: Vec<String> = usual.iter().cloned().collect();
        tries.extend(checks.iter().flat_map(|check| constants(check)));
        tries.extend(ANY.iter().map(|one| (*one).to_owned()));
        alone(client, facts, model.table, |other| other.number == column.number).await?;
        let insert = |value: &String| {
            format!("INSERT INTO palisade_stage.alone VALUES ({})", literal(&Some(value.clone())))
        };
        let statements: Vec<String> = tries.iter().map(insert).collect();
        let first: i32 =
            client.query_one("SELECT palisade_stage.first_of($1)", &[&statements]).await?.try_get(0)?;
        // The usual ones differ from row to row, which keys may need.
        let first = usize::try_from(first).unwrap_or(0);
        if first > usize::from(usual.is_some())
            && let Some(filled) = model.filled.get_mut(at)
        {
            *filled = tries.into_iter().nth(first - 1);
        }
    }
    Ok(())
}

/// What is doubtful about the rows that were not `kept`: whether it was the made-up values that were refused.
pub(super) async fn refused(
    client: &Client,
    facts: &Facts,
    model: &Model<'_>,
    kept: &[i32],
) -> Result<Option<String>, Error> {
    let left_out: Vec<usize> = (0..model.rows.len())
        .filter(|row| !kept.iter().any(|one| usize::try_from(*one) == Ok(*row)))
        .collect();
    if left_out.is_empty() {
        return Ok(None);
    }
    let title = model.table.title();
    if kept.is_empty() {
        return Ok(Some(format!("no row of {title} could be made that its checks allow")));
    }
    alone(client, facts, model.table, |column| model.columns.iter().any(|one| one.number == column.number))
        .await?;
    let names: Vec<String> = model.columns.iter().map(|column| quote_name(&column.name)).collect();
    let insert = |row: &usize| {
        let values = model.rows.get(*row).map(Vec::as_slice).unwrap_or_default();
        let values: Vec<String> = values.iter().map(literal).collect();
        format!(
            "INSERT INTO palisade_stage.alone ({}) OVERRIDING SYSTEM VALUE VALUES ({})",
            names.join(", "),
            values.join(", ")
        )
    };
    let statements: Vec<String> = left_out.iter().map(insert).collect();
    let first: i32 =
        client.query_one("SELECT palisade_stage.first_of($1)", &[&statements]).await?.try_get(0)?;
    Ok((first > 0).then(|| format!("checks of {title} refuse rows for values that were made up")))
}

/// `palisade_stage.alone`: the table with only these columns, and the checks that are about nothing else.
async fn alone(
    client: &Client,
    facts: &Facts,
    table: &Relation,
    stays: impl Fn(&Column) -> bool,
) -> Result<(), Error> {
    let drops: Vec<String> = facts
        .columns_of(table.oid)
        .filter(|column| !stays(column))
        .map(|column| {
            format!(
                "ALTER TABLE palisade_stage.alone DROP COLUMN IF EXISTS {} CASCADE;",
                quote_name(&column.name)
            )
        })
        .collect();
    let sql = format!(
        "DROP TABLE IF EXISTS palisade_stage.alone;
         CREATE TABLE palisade_stage.alone (LIKE {} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED); {}",
        table.quoted(),
        drops.concat()
    );
    Ok(client.batch_execute(&sql).await?)
}

/// The constants of a check, and the whole numbers around them.
fn constants(check: &str) -> Vec<String> {
    let mut all = Vec::new();
    for token in text::tokens(check) {
        match token {
            Token::Text(text) => all.push(text),
            Token::Number(text) => {
                let around = text.parse::<i64>().map(|number| [number + 1, number - 1]);
                all.push(text);
                all.extend(around.into_iter().flatten().map(|number| number.to_string()));
            }
            Token::Word(_) | Token::Sign(_) => {}
        }
    }
    all
}
