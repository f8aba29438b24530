//! Counter-examples: a database, somebody, a statement; written as SQL that replays it, and carried out before it counts.

use serde::Serialize;
use serde_json::{Map, Value as Json};
use tokio_postgres::{Client, SimpleQueryMessage};

use super::domain::{self, A, B, EMAIL_A, EMAIL_B};
use super::stage::{Actor, insert, literal};
use super::world::Model;
use crate::Error;
use crate::facts::Facts;
use pg::admin::{quote_name, quote_text};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Every statement fails.
    Fails,
    /// Somebody sees a row that is not theirs.
    Sees,
    /// Somebody changes one.
    Changes,
    /// Somebody removes one.
    Removes,
    /// Somebody makes a row in another's name.
    Plants,
    /// Somebody turns their row into another's.
    Hops,
    /// Somebody first writes into a table that policies look into, and then sees what was not theirs.
    Joins,
}

/// A database in which somebody reaches what is not theirs.
#[derive(Clone, Debug, Serialize)]
pub struct Counterexample {
    /// What goes wrong.
    pub kind: Kind,
    /// The row.
    pub row: Map<String, Json>,
    /// In a sentence.
    pub what: String,
    /// Statements that show it, from BEGIN to ROLLBACK, for an administrator of a database without rows.
    pub sql: String,
}

/// What to try.
pub(crate) struct Plan<'a> {
    pub kind: Kind,
    pub actor: &'a Actor,
    pub facts: &'a Facts,
    pub models: &'a [Model<'a>],
    /// The table and the row in question.
    pub target: usize,
    pub row: usize,
    /// What the row becomes.
    pub becomes: Option<usize>,
    /// Rows that are there, per table.
    pub held: Vec<Vec<usize>>,
    /// What is written first, to join.
    pub first: Option<String>,
}

impl Plan<'_> {
    fn model(&self) -> Option<&Model<'_>> {
        self.models.get(self.target)
    }

    /// Fills the database past its triggers and keys.
    fn database(&self) -> String {
        let mut sql = format!(
            "SET LOCAL session_replication_role = replica;\nINSERT INTO auth.users (id, email) VALUES ('{A}', '{EMAIL_A}'), ('{B}', '{EMAIL_B}') ON CONFLICT DO NOTHING;\n"
        );
        for (at, model) in self.models.iter().enumerate() {
            let table = model.table.quoted();
            let mut rows: Vec<usize> = self.held.get(at).cloned().unwrap_or_default();
            if at == self.target && self.kind != Kind::Plants && !rows.contains(&self.row) {
                rows.push(self.row);
            }
            rows.iter().for_each(|row| sql.push_str(&format!("{};\n", insert(model, *row, &table, None))));
        }
        if self.kind == Kind::Plants {
            self.parents().iter().for_each(|parent| sql.push_str(&format!("{parent};\n")));
        }
        sql + "SET LOCAL session_replication_role = origin;\n"
    }

    /// What the row to be made points at with columns that only need a value: without it, its key would stop what policies let
    /// through.
    fn parents(&self) -> Vec<String> {
        let Some(model) = self.model() else { return Vec::new() };
        let given = |number: i16| {
            let at = model.fillers.iter().position(|column| column.number == number)?;
            model.filled.get(at)?.clone().or_else(|| domain::filler(model.fillers.get(at)?, self.row))
        };
        let keys = self.facts.constraints_of(model.table.oid, "f");
        keys.filter_map(|key| {
            let parent = self.facts.relation(key.target).filter(|one| one.schema != "auth")?;
            let (mut names, mut values) = (Vec::new(), Vec::new());
            for column in self.facts.columns_of(parent.oid) {
                let value = match key.target_columns.iter().position(|number| *number == column.number) {
                    Some(at) => given(*key.columns.get(at)?)?,
                    None if column.required && column.default.is_none() && !column.generated => {
                        domain::filler(column, self.row)?
                    }
                    None => continue,
                };
                names.push(quote_name(&column.name));
                values.push(quote_text(&value));
            }
            Some(format!(
                "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES ({}) ON CONFLICT DO NOTHING",
                parent.quoted(),
                names.join(", "),
                values.join(", ")
            ))
        })
        .collect()
    }

    /// The row's values as conditions.
    fn is(&self, row: usize) -> String {
        let Some(model) = self.model() else { return "false".to_owned() };
        let values = model.rows.get(row).map(Vec::as_slice).unwrap_or_default();
        let one = |(column, value): (&&crate::facts::Column, &super::world::Value)| {
            format!("{} IS NOT DISTINCT FROM {}::{}", quote_name(&column.name), literal(value), column.r#type)
        };
        let all: Vec<String> = model.columns.iter().zip(values).map(one).collect();
        if all.is_empty() { "true".to_owned() } else { all.join(" AND ") }
    }

    /// What somebody does.
    fn act(&self) -> String {
        let Some(model) = self.model() else { return String::new() };
        let table = model.table.quoted();
        match self.kind {
            Kind::Sees | Kind::Joins => format!("SELECT * FROM {table} WHERE {}", self.is(self.row)),
            Kind::Fails => format!("SELECT * FROM {table}"),
            Kind::Removes => format!("DELETE FROM {table}"),
            Kind::Plants => insert(model, self.row, &table, None),
            Kind::Changes | Kind::Hops => {
                let into = self.becomes.unwrap_or(self.row);
                let (old, new) = (model.rows.get(self.row), model.rows.get(into));
                let pairs =
                    model.columns.iter().zip(old.into_iter().flatten().zip(new.into_iter().flatten()));
                let mut sets: Vec<String> = pairs
                    .filter(|(_, (old, new))| old != new)
                    .map(|(column, (_, new))| format!("{} = {}", quote_name(&column.name), literal(new)))
                    .collect();
                if sets.is_empty() {
                    // The row stays as it is; that it may be written at all is the finding.
                    let same = model.columns.iter().zip(old.into_iter().flatten());
                    sets.extend(
                        same.take(1).map(|(column, value)| {
                            format!("{} = {}", quote_name(&column.name), literal(value))
                        }),
                    );
                }
                format!("UPDATE {table} SET {}", sets.join(", "))
            }
        }
    }

    fn steps(&self) -> Vec<String> {
        let mut steps = vec![self.database(), self.actor.enter()];
        steps.extend(self.first.clone());
        steps
    }

    /// Carries it out, and gives the counter-example when it happened.
    pub async fn try_out(&self, client: &Client) -> Result<Option<Counterexample>, Error> {
        let Some(model) = self.model() else { return Ok(None) };
        client.batch_execute("SAVEPOINT palisade_replay").await?;
        let happened = self.happens(client).await;
        client
            .batch_execute(
                "ROLLBACK TO SAVEPOINT palisade_replay; RELEASE SAVEPOINT palisade_replay; RESET ROLE",
            )
            .await?;
        if !happened {
            return Ok(None);
        }
        let row = model.rows.get(self.row).into_iter().flatten();
        let values =
            model.columns.iter().zip(row).map(|(column, value)| (column.name.clone(), value.clone().into()));
        let mut sql = "BEGIN;\n".to_owned();
        self.steps()
            .iter()
            .chain([&self.act()])
            .for_each(|step| sql.push_str(&format!("{};\n", step.trim_end().trim_end_matches(';'))));
        sql.push_str("ROLLBACK;\n");
        Ok(Some(Counterexample { kind: self.kind, row: values.collect(), what: self.what(), sql }))
    }

    fn what(&self) -> String {
        let who = if self.actor.role == "anon" { "somebody who has not signed in" } else { "A" };
        let table = self.model().map_or_else(String::new, |model| model.table.title());
        let does = match self.kind {
            Kind::Sees => "sees a row that is not theirs",
            Kind::Changes => "changes a row that is not theirs",
            Kind::Removes => "removes a row that is not theirs",
            Kind::Plants => "makes a row in another's name",
            Kind::Hops => "turns their own row into another's",
            Kind::Joins => "lets themselves in by a write of their own, and sees a row that was not theirs",
            Kind::Fails => "gets an error from every statement, and so does everybody",
        };
        format!("{who} {does} in {table}")
    }

    async fn happens(&self, client: &Client) -> bool {
        for step in self.steps() {
            if client.batch_execute(&step).await.is_err() {
                return false;
            }
        }
        let acted = client.simple_query(&self.act()).await;
        if self.kind == Kind::Fails {
            return acted.is_err();
        }
        let Ok(messages) = acted else { return false };
        let touched = messages.iter().any(|message| match message {
            SimpleQueryMessage::Row(_) => true,
            SimpleQueryMessage::CommandComplete(rows) => *rows > 0,
            _ => false,
        });
        touched && self.took_effect(client).await
    }

    /// Past the policies: what was to be removed is gone, what was to be made is there.
    async fn took_effect(&self, client: &Client) -> bool {
        let Some(model) = self.model() else { return false };
        let (wanted, row) = match self.kind {
            Kind::Sees | Kind::Joins | Kind::Fails => return true,
            Kind::Removes => (false, self.row),
            Kind::Plants => (true, self.row),
            Kind::Changes | Kind::Hops => (true, self.becomes.unwrap_or(self.row)),
        };
        let look = format!("RESET ROLE; SELECT 1 FROM {} WHERE {}", model.table.quoted(), self.is(row));
        let found = client.simple_query(&look).await.unwrap_or_default();
        found.iter().any(|message| matches!(message, SimpleQueryMessage::Row(_))) == wanted
    }
}

/// A statement of somebody who writes first.
pub(crate) fn write_first(model: &Model<'_>, old: Option<usize>, new: Option<usize>) -> String {
    let table = model.table.quoted();
    let values = |row: usize| model.rows.get(row).map(Vec::as_slice).unwrap_or_default();
    let pairs = |row: usize, with: &str| {
        let one = |(column, value): (&&crate::facts::Column, &super::world::Value)| match value {
            None if with == "=" => format!("{} = NULL", quote_name(&column.name)),
            None => format!("{} IS NULL", quote_name(&column.name)),
            Some(text) => format!("{} = {}", quote_name(&column.name), quote_text(text)),
        };
        model.columns.iter().zip(values(row)).map(one).collect::<Vec<_>>()
    };
    match (old, new) {
        (None, Some(new)) => insert(model, new, &table, None),
        (Some(old), Some(new)) => {
            format!(
                "UPDATE {table} SET {} WHERE {}",
                pairs(new, "=").join(", "),
                pairs(old, "is").join(" AND ")
            )
        }
        (Some(old), None) => format!("DELETE FROM {table} WHERE {}", pairs(old, "is").join(" AND ")),
        (None, None) => String::new(),
    }
}
