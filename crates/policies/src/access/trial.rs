//! The policy tester: what somebody reaches of a table, by all four verbs, in transactions that are rolled back.

use base::Caller;
use pg::admin::quote_name;
use pg::{Mode, Pg, Statement};
use serde::Serialize;
use serde_json::{Map, Value};

use super::row::{Set, missing, qualified};
use super::{Outcome, Target, Verb};
use crate::facts::{Facts, Relation};
use crate::{Error, limits};

/// What one verb did.
#[derive(Clone, Debug, Serialize)]
pub struct Attempt {
    /// The verb.
    pub verb: Verb,
    /// The statement that was carried out and rolled back.
    pub statement: String,
    /// How many rows it reached.
    pub rows: u64,
    /// How it ended.
    pub outcome: Outcome,
}

/// All four.
#[derive(Clone, Debug, Serialize)]
pub struct Trial {
    /// Who.
    pub who: String,
    /// As which database role.
    pub role: String,
    /// Which table.
    pub table: String,
    /// How many rows there are, for all; at most a limit's worth is counted.
    pub rows: u64,
    /// Each verb.
    pub attempts: Vec<Attempt>,
}

/// Tries. `new` is a row to insert; without one, an insert is tried with every default.
pub async fn try_all(
    pg: &Pg,
    caller: &Caller,
    facts: &Facts,
    table: &str,
    new: &Map<String, Value>,
) -> Result<Trial, Error> {
    let table = Target::table(facts, table)?;
    let set = Set::read(facts, table, new)?;
    let (title, most) = (table.quoted(), limits::TRIAL_ROWS_MAX.value);
    let some = format!("ctid = ANY (ARRAY(SELECT ctid FROM {title} LIMIT {most}))");
    let count = Statement::rare(format!("SELECT 1 FROM {title} LIMIT {most}"), []);
    let operator = Caller { role: base::DbRole::service(), ..caller.clone() };
    let (all, _) = run(pg, &operator, Mode::Read, count.clone()).await?;
    let mut attempts = Vec::new();
    for verb in Verb::ALL {
        let statement = match verb {
            Verb::Select => count.clone(),
            Verb::Insert => set.insert(table, None),
            Verb::Update => match same(pg, caller, facts, table).await? {
                Some(same) => Statement::rare(format!("UPDATE {title} SET {same} WHERE {some}"), []),
                None => continue,
            },
            Verb::Delete => Statement::rare(format!("DELETE FROM {title} WHERE {some}"), []),
        };
        let mode = if verb == Verb::Select { Mode::Read } else { Mode::Write };
        let text = statement.sql.to_string();
        let (rows, outcome) = run(pg, caller, mode, statement).await?;
        attempts.push(Attempt { verb, statement: text, rows, outcome });
    }
    Ok(Trial {
        who: caller.actor(),
        role: caller.role.name().to_owned(),
        table: table.title(),
        rows: all,
        attempts,
    })
}

/// A change that changes nothing: a column to its own value; one that the caller may change, when there is one.
async fn same(pg: &Pg, caller: &Caller, facts: &Facts, table: &Relation) -> Result<Option<String>, Error> {
    let mut chosen = None;
    for column in facts.columns_of(table.oid).filter(|column| !column.generated) {
        let name = column.name.as_str();
        let wanted = [("UPDATE", Some(name)), ("SELECT", Some(name))];
        chosen = Some(name);
        if missing(pg, caller, table, &wanted).await?.is_empty() {
            break;
        }
    }
    Ok(chosen.map(|name| format!("{0} = {0}", quote_name(name))))
}

async fn run(pg: &Pg, caller: &Caller, mode: Mode, statement: Statement) -> Result<(u64, Outcome), Error> {
    let mut tx = pg.begin(caller, mode, qualified()).await?;
    match tx.run(statement).await {
        Ok(rows) => {
            tx.roll_back().await?;
            Ok((rows.affected, if rows.affected == 0 { Outcome::NoRow } else { Outcome::Done }))
        }
        Err(pg::Error::Database(said)) => {
            Ok((0, Outcome::Refused { code: said.sqlstate.clone(), message: said.message.clone() }))
        }
        Err(other) => Err(other.into()),
    }
}
