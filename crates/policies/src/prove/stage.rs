//! Where the databases are played: candidate rows beside each table, functions that fill the tables, and one that asks
//! what the policies say of every candidate row in each of many databases.
//!
//! The asking runs with the caller's role, so that policies of the tables looked into bind as always; the filling runs
//! as whoever entered, whom no policy binds. Each database is undone by a subtransaction.

use tokio_postgres::Client;

use super::made_up;
use super::patience::End;
use super::world::{Model, Value, Worlds};
use crate::Error;
use crate::facts::{Facts, Relation};
use pg::admin::{quote_name, quote_text};

/// Somebody who asks.
#[derive(Clone, Debug)]
pub(crate) struct Actor {
    /// `anon` or `authenticated`.
    pub role: &'static str,
    /// Their claims.
    pub claims: serde_json::Value,
}

impl Actor {
    /// What makes a session theirs.
    pub fn enter(&self) -> String {
        let claim = |name: &str| quote_text(self.claims[name].as_str().unwrap_or_default());
        format!(
            "SET LOCAL ROLE {}; SELECT set_config('request.jwt.claims', {}, true), set_config('request.jwt.claim.sub', {}, true), \
             set_config('request.jwt.claim.role', {}, true), set_config('request.jwt.claim.email', {}, true)",
            self.role,
            quote_text(&self.claims.to_string()),
            claim("sub"),
            claim("role"),
            claim("email")
        )
    }
}

/// What the policies of a table say of a row, one bit each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Says {
    /// It is seen.
    Sees = 0,
    /// It may be made.
    Makes = 1,
    /// It may be changed.
    Changes = 2,
    /// It may be what a change leaves.
    Becomes = 3,
    /// It may be removed.
    Removes = 4,
}

/// The answers for one database, per table a bit string.
#[derive(Clone, Debug)]
pub(crate) enum Said {
    /// What each table's policies say.
    Bits(Vec<Vec<u8>>),
    /// The statement fails.
    Fails(String),
}

impl Said {
    /// Whether the policies of the `table`th table say it of the `row`th candidate.
    pub fn says(&self, table: usize, row: usize, what: Says) -> bool {
        let Said::Bits(tables) = self else { return false };
        tables.get(table).and_then(|bits| bits.get(row * 5 + what as usize)) == Some(&b'1')
    }
}

/// `NULL` or `'text'`.
pub(crate) fn literal(value: &Value) -> String {
    value.as_ref().map_or_else(|| "NULL".to_owned(), |text| quote_text(text))
}

/// Prepares the stage, and keeps of each model the rows its checks allow. Returns what is doubtful about those that it does not.
pub(crate) async fn build(
    client: &Client,
    facts: &Facts,
    models: &mut [Model<'_>],
) -> Result<Vec<String>, Error> {
    let mut doubts = Vec::new();
    client.batch_execute(&empty(models)).await?;
    client
        .batch_execute(
            "CREATE SCHEMA palisade_stage; GRANT USAGE ON SCHEMA palisade_stage TO anon, authenticated;
             CREATE FUNCTION palisade_stage.try_all(statements text[]) RETURNS void LANGUAGE plpgsql AS $$
             DECLARE one text; BEGIN
               FOREACH one IN ARRAY statements LOOP
                 BEGIN EXECUTE one; EXCEPTION WHEN OTHERS THEN NULL; END;
               END LOOP; END $$;
             CREATE FUNCTION palisade_stage.first_of(statements text[]) RETURNS int LANGUAGE plpgsql AS $$
             BEGIN
               FOR at IN 1 .. cardinality(statements) LOOP
                 BEGIN EXECUTE statements[at]; RETURN at; EXCEPTION WHEN OTHERS THEN NULL; END;
               END LOOP;
               RETURN 0; END $$",
        )
        .await?;
    for (at, model) in models.iter_mut().enumerate() {
        let (table, number) = (model.table.quoted(), model.number.clone());
        client
            .batch_execute(&format!(
                "CREATE TABLE palisade_stage.c{at} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED);
                 ALTER TABLE palisade_stage.c{at} ADD {number} int;
                 GRANT SELECT ON palisade_stage.c{at} TO anon, authenticated"
            ))
            .await?;
        made_up::fill(client, facts, model).await?;
        let place = format!("palisade_stage.c{at}");
        let inserts: Vec<String> =
            (0..model.rows.len()).map(|row| insert(model, row, &place, Some(row))).collect();
        client.execute("SELECT palisade_stage.try_all($1)", &[&inserts]).await?;
        let kept = client.query(&format!("SELECT {number} FROM {place} ORDER BY 1"), &[]).await?;
        let kept: Vec<i32> = kept.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        doubts.extend(made_up::refused(client, facts, model, &kept).await?);
        let rows = std::mem::take(&mut model.rows);
        model.rows = kept.iter().filter_map(|at| rows.get(usize::try_from(*at).ok()?).cloned()).collect();
        client
            .batch_execute(&format!(
                "UPDATE {place} c SET {number} = n.new FROM (SELECT {number} AS old, row_number() OVER (ORDER BY {number}) - 1 AS new
                   FROM {place}) n WHERE n.old = c.{number}; {}",
                put(model, at)
            ))
            .await?;
    }
    Ok(doubts)
}

/// The statement that puts a candidate row into a table; `number` marks it on the stage.
pub(crate) fn insert(model: &Model<'_>, row: usize, into: &str, number: Option<usize>) -> String {
    let values = model.rows.get(row).map(Vec::as_slice).unwrap_or_default();
    let mut names: Vec<String> = model.columns.iter().map(|column| quote_name(&column.name)).collect();
    let mut texts: Vec<String> = values.iter().map(literal).collect();
    for (column, filled) in model.fillers.iter().zip(&model.filled) {
        names.push(quote_name(&column.name));
        texts.push(literal(&filled.clone().or_else(|| super::domain::filler(column, row))));
    }
    if let Some(number) = number {
        names.push(model.number.clone());
        texts.push(number.to_string());
    }
    if names.is_empty() {
        return format!("INSERT INTO {into} DEFAULT VALUES");
    }
    format!("INSERT INTO {into} ({}) OVERRIDING SYSTEM VALUE VALUES ({})", names.join(", "), texts.join(", "))
}

fn put(model: &Model<'_>, at: usize) -> String {
    let names: Vec<String> =
        model.columns.iter().chain(&model.fillers).map(|column| quote_name(&column.name)).collect();
    let names = names.join(", ");
    let body = match names.is_empty() {
        true => String::new(),
        false => format!(
            "INSERT INTO {} ({names}) OVERRIDING SYSTEM VALUE SELECT {names} FROM palisade_stage.c{at} WHERE {} = ANY ($1);",
            model.table.quoted(),
            model.number
        ),
    };
    format!(
        "CREATE FUNCTION palisade_stage.put{at}(int[]) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
           AS $palisade$ BEGIN {body} END $palisade$;
         GRANT EXECUTE ON FUNCTION palisade_stage.put{at}(int[]) TO anon, authenticated"
    )
}

/// What the policies of a table that apply to `role` say of a row: five expressions.
fn expressions(facts: &Facts, table: &Relation, role: &str) -> [String; 5] {
    let said = |command: &str, check: bool| {
        if !table.secured {
            return "true".to_owned();
        }
        let (mut any, mut all) = (Vec::new(), Vec::new());
        for policy in facts.policies_of(table.oid).filter(|one| one.rules(command) && one.concerns(role)) {
            let text = match check {
                true => policy.check.as_ref().or(policy.using.as_ref()),
                false => policy.using.as_ref(),
            };
            let Some(text) = text else { continue };
            let list = if policy.permissive { &mut any } else { &mut all };
            list.push(format!("coalesce(({text}), false)"));
        }
        if any.is_empty() {
            return "false".to_owned();
        }
        all.push(format!("({})", any.join(" OR ")));
        all.join(" AND ")
    };
    [said("r", false), said("a", true), said("w", false), said("w", true), said("d", false)]
}

/// Makes the function that asks, for one role.
pub(crate) async fn asking(
    client: &Client,
    facts: &Facts,
    models: &[Model<'_>],
    role: &str,
) -> Result<(), Error> {
    let puts: String = (0..models.len())
        .map(|at| format!("PERFORM palisade_stage.put{at}(palisade_parts[{}]::int[]); ", at + 1))
        .collect();
    let one = |(at, model): (usize, &Model<'_>)| {
        let bits = expressions(facts, model.table, role)
            .map(|text| format!("CASE WHEN {text} THEN '1' ELSE '0' END"));
        // Where a policy takes the row as a whole it must be one of the table, not of the stage.
        let from = if model.whole {
            format!(
                "(SELECT {}, to_jsonb(palisade_c) AS palisade_row FROM palisade_stage.c{at} AS palisade_c) AS palisade_c
                 CROSS JOIN LATERAL jsonb_populate_record(NULL::{}, palisade_row)",
                model.number,
                model.table.quoted()
            )
        } else {
            format!("palisade_stage.c{at}")
        };
        format!(
            "(SELECT coalesce(string_agg({}, '' ORDER BY {}), '') FROM {from} AS {})",
            bits.join(" || "),
            model.number,
            quote_name(&model.table.name)
        )
    };
    let bits: Vec<String> = models.iter().enumerate().map(one).collect();
    client
        .batch_execute(&format!(
            "CREATE FUNCTION palisade_stage.ask_{role}(palisade_worlds text[]) RETURNS SETOF text LANGUAGE plpgsql AS $palisade$
             #variable_conflict use_column
             DECLARE palisade_world text; palisade_parts text[]; palisade_bits text;
             BEGIN
               FOREACH palisade_world IN ARRAY palisade_worlds LOOP
                 palisade_parts := string_to_array(palisade_world, '|');
                 BEGIN
                   {puts}
                   SELECT concat_ws(',', {}) INTO palisade_bits;
                   RAISE EXCEPTION USING ERRCODE = 'PW001';
                 EXCEPTION WHEN SQLSTATE 'PW001' THEN NULL;
                   WHEN OTHERS THEN palisade_bits := '!' || SQLSTATE || ' ' || SQLERRM;
                 END;
                 RETURN NEXT palisade_bits;
               END LOOP;
             END $palisade$;
             GRANT EXECUTE ON FUNCTION palisade_stage.ask_{role}(text[]) TO {role}",
            bits.join(", ")
        ))
        .await?;
    Ok(())
}

/// How many databases go to the server at once: what is undone still takes place until the tables are emptied.
const TOGETHER: usize = 200;

/// How many go first.
const FIRST: usize = 6;

/// Empties the tables: all in one statement, for what points at each other in a circle is emptied with each of them.
fn empty(models: &[Model<'_>]) -> String {
    let tables: Vec<String> = models.iter().map(|model| model.table.quoted()).collect();
    format!("TRUNCATE {} CASCADE", tables.join(", "))
}

/// Asks in every database, as `actor`, and says whether time was left for all of them.
pub(crate) async fn ask(
    client: &Client,
    models: &[Model<'_>],
    worlds: &Worlds,
    actor: &Actor,
    end: End,
) -> Result<(Vec<Said>, bool), Error> {
    let text = |world: usize| {
        let of = |table: usize| {
            let rows: Vec<String> = worlds.rows(world, table).iter().map(ToString::to_string).collect();
            format!("{{{}}}", rows.join(","))
        };
        (0..models.len()).map(of).collect::<Vec<_>>().join("|")
    };
    let all: Vec<String> = (0..worlds.list.len()).map(text).collect();
    let mut answers = Vec::with_capacity(all.len());
    let empty = empty(models);
    // The first few by themselves: policies that ask each other for ever fail in all of them, and slowly.
    let (few, many) = all.split_at(all.len().min(FIRST));
    for batch in std::iter::once(few).chain(many.chunks(TOGETHER)) {
        if end.is_over() {
            return Ok((answers, false));
        }
        client.batch_execute(&end.bound()).await?;
        // Once for all: each change of it makes PostgreSQL forget every plan.
        client.batch_execute("SET LOCAL session_replication_role = replica").await?;
        client.batch_execute(&actor.enter()).await?;
        let batch = batch.to_vec();
        let rows = client.query(&format!("SELECT palisade_stage.ask_{}($1)", actor.role), &[&batch]).await?;
        for row in rows {
            let text: String = row.try_get(0)?;
            answers.push(match text.strip_prefix('!') {
                Some(error) => Said::Fails(error.to_owned()),
                None => Said::Bits(text.split(',').map(|bits| bits.as_bytes().to_vec()).collect()),
            });
        }
        client
            .batch_execute(&format!("RESET ROLE; SET LOCAL session_replication_role = origin; {empty}"))
            .await?;
        let for_ever = |said: &Said| matches!(said, Said::Fails(error) if error.starts_with("42P17") || error.starts_with("54001"));
        if answers.len() <= FIRST && answers.iter().any(for_ever) {
            break;
        }
    }
    Ok((answers, true))
}
