//! `explain-access`: why somebody can or cannot see, make, change or remove a row.
//!
//! Each policy is tried by itself on the row as it is and as it would become, with the caller's role and claims, and
//! PostgreSQL itself evaluates the expression. Then the statement is carried out and rolled back; where both disagree
//! the answer says so.

use base::Caller;
use pg::admin::quote_name;
use pg::{Mode, Param, Pg, Statement};
use serde::Serialize;
use serde_json::{Map, Value};

use super::Verb;
use super::row::{self, Row, Set, Standing, Target, qualified};
use crate::facts::{Facts, Policy, Relation};
use crate::{Error, text};

/// What one expression of one policy says.
#[derive(Clone, Debug, Serialize)]
pub struct Judged {
    /// The policy.
    pub policy: String,
    /// One of several that let through, or one that all must pass.
    pub permissive: bool,
    /// What it is asked for: `old row`, `new row`, with the verb whose policies are asked.
    pub asked: String,
    /// `USING` or `WITH CHECK`.
    pub clause: &'static str,
    /// The expression.
    pub expression: String,
    /// The values it was tried with: columns of the row, and what it calls about the caller.
    pub bound: Map<String, Value>,
    /// True, false, or unknown (NULL, which is not true).
    pub holds: Option<bool>,
    /// Why it could not be tried.
    pub error: Option<String>,
}

/// What happened when it was carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was done, and rolled back.
    Done,
    /// No such row for this caller.
    NoRow,
    /// PostgreSQL refused.
    Refused {
        /// Its code.
        code: String,
        /// Its words.
        message: String,
    },
}

/// The whole answer.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// Who.
    pub who: String,
    /// As which database role.
    pub role: String,
    /// Which table.
    pub table: String,
    /// Doing what.
    pub verb: Verb,
    /// The row as it is.
    pub row: Option<Value>,
    /// The row as it would become.
    pub becomes: Option<Value>,
    /// Rights that are missing.
    pub missing: Vec<String>,
    /// Each policy, in the order they are applied.
    pub policies: Vec<Judged>,
    /// Whether rights and policies let it happen.
    pub allowed: bool,
    /// What decided, in a sentence that names it.
    pub because: String,
    /// What PostgreSQL did.
    pub executed: Outcome,
}

impl Explanation {
    /// Whether what was computed is what happened. A constraint or trigger may refuse what policies let through.
    pub fn agrees(&self) -> bool {
        match &self.executed {
            Outcome::Done => self.allowed,
            Outcome::NoRow => !self.allowed,
            Outcome::Refused { code, .. } => !self.allowed || code != "42501",
        }
    }
}

/// Explains. `values` is the new row for an insert, and what changes for an update.
pub async fn explain(
    pg: &Pg,
    caller: &Caller,
    facts: &Facts,
    row: &str,
    verb: Verb,
    values: &Map<String, Value>,
) -> Result<Explanation, Error> {
    let asking = Asking { pg, caller, facts };
    match verb {
        Verb::Insert => {
            let table = Target::table(facts, row.split(':').next().unwrap_or(row))?;
            let set = Set::read(facts, table, values)?;
            asking.insert(table, &set).await
        }
        Verb::Select | Verb::Update | Verb::Delete => {
            let target = Target::read(facts, row)?;
            let set = Set::read(facts, target.table, values)?;
            asking.existing(&target, verb, &set).await
        }
    }
}

struct Asking<'a> {
    pg: &'a Pg,
    caller: &'a Caller,
    facts: &'a Facts,
}

/// A group of policies that must let a row through.
struct Gate<'a> {
    /// Whose policies.
    of: Verb,
    /// Their USING, or what they check of a written row.
    check: bool,
    /// Which row.
    row: &'a Row,
    /// In words.
    asked: &'static str,
}

impl Asking<'_> {
    async fn insert(&self, table: &Relation, set: &Set) -> Result<Explanation, Error> {
        let new = row::made(self.pg, self.caller, table, set).await?;
        let gates = [Gate { of: Verb::Insert, check: true, row: &new, asked: "new row, INSERT" }];
        let wanted: Vec<(&str, Option<&str>)> = set.names().map(|name| ("INSERT", Some(name))).collect();
        let statement = set.insert(table, None);
        self.answer(table, Verb::Insert, (None, Some(&new)), &gates, &wanted, statement).await
    }

    async fn existing(&self, target: &Target<'_>, verb: Verb, set: &Set) -> Result<Explanation, Error> {
        let old = row::present(self.pg, self.caller, target).await?;
        // A row is named by its key, so its key is read: the SELECT policies apply to every verb.
        let mut gates = vec![Gate { of: Verb::Select, check: false, row: &old, asked: "old row, SELECT" }];
        let mut wanted: Vec<(&str, Option<&str>)> =
            target.key.iter().map(|(column, _)| ("SELECT", Some(column.name.as_str()))).collect();
        let (condition, params) = target.condition(1);
        let title = target.table.quoted();
        if verb == Verb::Delete {
            gates.push(Gate { of: Verb::Delete, check: false, row: &old, asked: "old row, DELETE" });
            wanted.push(("DELETE", None));
            let statement = Statement::rare(format!("DELETE FROM {title} WHERE {condition}"), params);
            return self.answer(target.table, verb, (Some(&old), None), &gates, &wanted, statement).await;
        }
        if verb == Verb::Select {
            let statement = Statement::rare(format!("SELECT 1 FROM {title} WHERE {condition}"), params);
            return self.answer(target.table, verb, (Some(&old), None), &gates, &wanted, statement).await;
        }
        if set.names().next().is_none() {
            return Err(Error::Asked("an update needs values: --set '{\"column\": \"value\"}'".to_owned()));
        }
        let new = row::changed(self.pg, self.caller, target, set).await?;
        gates.push(Gate { of: Verb::Update, check: false, row: &old, asked: "old row, UPDATE" });
        gates.push(Gate { of: Verb::Update, check: true, row: &new, asked: "new row, UPDATE" });
        gates.push(Gate { of: Verb::Select, check: false, row: &new, asked: "new row, SELECT" });
        wanted.extend(set.names().map(|name| ("UPDATE", Some(name))));
        let statement = set.update(target, None);
        self.answer(target.table, verb, (Some(&old), Some(&new)), &gates, &wanted, statement).await
    }

    async fn answer(
        &self,
        table: &Relation,
        verb: Verb,
        rows: (Option<&Row>, Option<&Row>),
        gates: &[Gate<'_>],
        wanted: &[(&str, Option<&str>)],
        statement: Statement,
    ) -> Result<Explanation, Error> {
        let missing = row::missing(self.pg, self.caller, table, wanted).await?;
        let standing = row::standing(self.pg, self.caller).await?;
        let mut policies = Vec::new();
        let mut verdict = Verdict::new(&missing, table, &standing);
        if table.secured && !standing.bypasses {
            for gate in gates {
                let judged = self.gate(table, gate, &standing).await?;
                verdict.pass(gate, &judged);
                policies.extend(judged);
            }
        }
        Ok(Explanation {
            who: self.caller.actor(),
            role: self.caller.role.name().to_owned(),
            table: table.title(),
            verb,
            row: rows.0.map(|row| row.json.clone()),
            becomes: rows.1.map(|row| row.json.clone()),
            missing,
            policies,
            allowed: verdict.decided == Some(true),
            because: verdict.because,
            executed: self.execute(verb, statement).await?,
        })
    }

    /// Every policy of a gate, tried on its row.
    async fn gate(
        &self,
        table: &Relation,
        gate: &Gate<'_>,
        standing: &Standing,
    ) -> Result<Vec<Judged>, Error> {
        let mut judged = Vec::new();
        let concerns = |policy: &&Policy| {
            policy.rules(gate.of.code()) && standing.roles.iter().any(|role| policy.concerns(role))
        };
        for policy in self.facts.policies_of(table.oid).filter(concerns) {
            let (clause, expression) = match (gate.check, &policy.check, &policy.using) {
                (true, Some(check), _) => ("WITH CHECK", check),
                (_, _, Some(using)) => ("USING", using),
                // PostgreSQL passes over a policy without an expression.
                (_, _, None) => continue,
            };
            let (holds, error) = self.holds(table, expression, gate.row).await?;
            judged.push(Judged {
                policy: policy.name.clone(),
                permissive: policy.permissive,
                asked: gate.asked.to_owned(),
                clause,
                expression: expression.clone(),
                bound: self.bound(policy, expression, gate.row).await?,
                holds,
                error,
            });
        }
        Ok(judged)
    }

    /// What the expression is for this caller and row; an error refuses the whole statement.
    async fn holds(
        &self,
        table: &Relation,
        expression: &str,
        row: &Row,
    ) -> Result<(Option<bool>, Option<String>), Error> {
        let (title, alias) = (table.quoted(), quote_name(&table.name));
        let text = format!(
            "SELECT ({expression}) FROM (SELECT (given.one).* FROM (SELECT $1::{title} AS one) AS given) AS {alias}"
        );
        let mut tx = self.pg.begin(self.caller, Mode::Write, qualified()).await?;
        let answer = tx.run(Statement::rare(text, [Param::from(&row.text)])).await;
        match answer {
            Ok(rows) => {
                tx.roll_back().await?;
                Ok((rows.first().ok_or(Error::Shape("no verdict"))?.at(0)?, None))
            }
            Err(pg::Error::Database(said)) => Ok((None, Some(format!("{} {}", said.sqlstate, said.message)))),
            Err(other) => Err(other.into()),
        }
    }

    /// The columns and the calls of an expression, with their values.
    async fn bound(&self, policy: &Policy, expression: &str, row: &Row) -> Result<Map<String, Value>, Error> {
        let mut bound = Map::new();
        for number in &policy.columns {
            let Some(column) = self.facts.column(policy.relation, *number) else { continue };
            if text::names(expression, &column.name) {
                let value = row.json.get(&column.name).cloned().unwrap_or(Value::Null);
                bound.insert(column.name.clone(), value);
            }
        }
        for call in ["auth.uid", "auth.role", "auth.email", "auth.jwt"] {
            if text::calls(expression).iter().any(|(name, _)| name == call) {
                let mut tx = self.pg.begin(self.caller, Mode::Read, qualified()).await?;
                let rows = tx.run(Statement::new(format!("SELECT {call}()::text"), [])).await?;
                tx.roll_back().await?;
                let value: Option<String> = rows.first().ok_or(Error::Shape("no value"))?.at(0)?;
                bound.insert(format!("{call}()"), value.map_or(Value::Null, Value::String));
            }
        }
        if text::names(expression, "current_setting") {
            bound.insert("request.jwt.claims".to_owned(), Value::String(self.caller.claims.to_string()));
        }
        Ok(bound)
    }

    async fn execute(&self, verb: Verb, statement: Statement) -> Result<Outcome, Error> {
        let mode = if verb == Verb::Select { Mode::Read } else { Mode::Write };
        let mut tx = self.pg.begin(self.caller, mode, qualified()).await?;
        match tx.run(statement).await {
            Ok(rows) => {
                tx.roll_back().await?;
                Ok(if rows.affected == 0 { Outcome::NoRow } else { Outcome::Done })
            }
            Err(pg::Error::Database(said)) => {
                Ok(Outcome::Refused { code: said.sqlstate.clone(), message: said.message.clone() })
            }
            Err(other) => Err(other.into()),
        }
    }
}

/// The running answer: undecided until something lets through or refuses, and what did it last.
struct Verdict {
    decided: Option<bool>,
    because: String,
}

impl Verdict {
    fn new(missing: &[String], table: &Relation, standing: &Standing) -> Self {
        let title = table.title();
        let (decided, because) = if !missing.is_empty() {
            (Some(false), format!("the role lacks {} on {title}", missing.join(", ")))
        } else if standing.bypasses {
            (Some(true), "the role passes by row level security".to_owned())
        } else if table.secured {
            (None, "row level security without a policy lets nothing through".to_owned())
        } else {
            (Some(true), format!("{title} has no row level security: rights alone decide"))
        };
        Verdict { decided, because }
    }

    /// One permissive policy must hold, and every restrictive one.
    fn pass(&mut self, gate: &Gate<'_>, judged: &[Judged]) {
        if self.decided == Some(false) {
            return;
        }
        let permissive: Vec<&Judged> = judged.iter().filter(|one| one.permissive).collect();
        let lets = permissive.iter().find(|one| one.holds == Some(true));
        let stops = judged.iter().find(|one| !one.permissive && one.holds != Some(true));
        let broken = judged.iter().find_map(|one| Some((one, one.error.as_ref()?)));
        (self.decided, self.because) = match (broken, lets, stops) {
            (Some((one, error)), _, _) => {
                (Some(false), format!("policy {} fails on the {}: {error}", one.policy, gate.asked))
            }
            (None, None, _) if permissive.is_empty() => {
                (Some(false), format!("no policy lets the {} through: there is none for it", gate.asked))
            }
            (None, None, _) => {
                let names: Vec<&str> = permissive.iter().map(|one| one.policy.as_str()).collect();
                (
                    Some(false),
                    format!("no policy lets the {} through: not {}", gate.asked, names.join(", not ")),
                )
            }
            (None, Some(_), Some(stops)) => {
                (Some(false), format!("the restrictive policy {} stops the {}", stops.policy, gate.asked))
            }
            (None, Some(lets), None) => {
                let this = format!("policy {} lets the {} through", lets.policy, gate.asked);
                // What let the earlier ones through decided as well.
                let before = self.decided.map(|_| format!("{}; ", self.because)).unwrap_or_default();
                (Some(true), before + &this)
            }
        };
    }
}
