//! Answers in GraphQL's form: `data` and `errors`, put together from JSON that is never parsed again.
//!
//! Invariant: what the database says of its own troubles is not passed on, nor any SQL; what it says of the caller's
//! values is, in its own words, as REST does.

use base::{Fault, Kind};
use bytes::Bytes;
use data::catalog::Catalog;
use data::fields::{FieldFault, Report};
use gql::Bounds;
use pg::Param;
use serde_json::{Value as Json, json};

use crate::error::Error;
use crate::plan::{Answer, Plan, Weighed};

/// An answer, and what was refused in it: the status says nothing of that, the audit has to be told.
#[derive(Debug)]
pub struct Told {
    /// The answer.
    pub body: Bytes,
    /// What was refused.
    pub refused: Option<Error>,
}

/// One thing that is wrong, as it stands in the answer.
#[derive(Debug)]
pub struct Problem {
    shown: Json,
    /// What it is to the audit, when it is more than a mistake.
    refused: Option<Box<Error>>,
}

impl Problem {
    /// In words.
    pub fn words(message: &str) -> Self {
        Problem { shown: json!({ "message": message }), refused: None }
    }

    /// In words, with a code that clients know.
    pub fn coded(message: &str, code: &str) -> Self {
        Problem { shown: json!({ "message": message, "extensions": { "code": code } }), refused: None }
    }

    /// As it stands in an answer.
    pub fn shown(self) -> Json {
        self.shown
    }

    /// More than a mistake.
    fn refusing(mut self, error: Error) -> Self {
        self.refused = Some(Box::new(error));
        self
    }
}

impl From<gql::Error> for Problem {
    fn from(error: gql::Error) -> Self {
        let message = error.to_string();
        match error {
            gql::Error::Limit { limit, measured, allowed } => {
                let extensions =
                    json!({ "code": "LIMIT", "limit": limit, "measured": measured, "allowed": allowed });
                let shown = json!({ "message": message, "extensions": extensions });
                Problem { shown, refused: None }.refusing(Error::Document(error))
            }
            gql::Error::Cycle => Problem::words(&message).refusing(Error::Document(error)),
            gql::Error::TooLong { most, of, .. } => {
                let fault = FieldFault::too_long(&of, most);
                let extensions = json!({ "code": "gql.too_long", "fields": [fault] });
                Problem { shown: json!({ "message": message, "extensions": extensions }), refused: None }
            }
            gql::Error::Syntax { .. } | gql::Error::Invalid(_) => Problem::words(&message),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let problem = match &error {
            Error::Unlisted => Problem::coded(&error.to_string(), "PERSISTED_QUERY_ONLY"),
            Error::Subscription => Problem::coded(&error.to_string(), "SUBSCRIPTIONS_NOT_SUPPORTED"),
            other => Problem::words(&other.to_string()),
        };
        problem.refusing(error)
    }
}

/// Nothing was asked: there is no `data`.
pub fn refused(problem: Problem) -> Told {
    let body = json!({ "errors": [problem.shown] }).to_string().into();
    Told { body, refused: problem.refused.map(|error| *error) }
}

/// The answer of a plan that ran.
pub fn put(plan: &Plan, values: &[Bytes], cost: Option<(&Weighed, &Bounds)>) -> Told {
    let mut out: Vec<u8> = Vec::with_capacity(64 + values.iter().map(Bytes::len).sum::<usize>());
    out.extend_from_slice(b"{\"data\":");
    if plan.answers.is_empty() {
        out.extend_from_slice(b"null");
    } else {
        for (at, (key, answer)) in plan.answers.iter().enumerate() {
            out.extend_from_slice(if at == 0 { b"{\"" } else { b",\"" });
            out.extend_from_slice(key.as_bytes());
            out.extend_from_slice(b"\":");
            match answer {
                Answer::Known(json) => out.extend_from_slice(json.as_bytes()),
                Answer::Read(at) | Answer::Changed(at) => {
                    out.extend_from_slice(values.get(*at).map_or(b"null", |value| value));
                }
            }
        }
        out.push(b'}');
    }
    if !plan.errors.is_empty() {
        out.extend_from_slice(format!(",\"errors\":{}", Json::from(plan.errors.clone())).as_bytes());
    }
    if let Some((weighed, bounds)) = cost {
        let extensions = json!({ "cost": {
            "complexity": weighed.complexity,
            "maxComplexity": bounds.complexity,
            "depth": weighed.measured.depth,
            "maxDepth": bounds.depth,
        }});
        out.extend_from_slice(format!(",\"extensions\":{extensions}").as_bytes());
    }
    out.push(b'}');
    Told { body: out.into(), refused: plan.hides_schema.then_some(Error::Introspection) }
}

/// The answer of a plan that the database refused; what is our own trouble is no answer.
pub fn failed(
    plan: &Plan,
    error: data::Error,
    report: Report,
    outspoken: bool,
    catalog: &Catalog,
) -> Result<Told, Error> {
    let message = match &error {
        data::Error::MaxAffected { .. } => {
            let word = plan.changes.iter().find(|(change, _)| change.at_most.is_some());
            format!("{} impacts too many records", word.map_or("update", |(_, word)| *word))
        }
        _ if report.elsewhere && !outspoken => "A rule of the database refused this".to_owned(),
        data::Error::Database(inner) => match inner.database() {
            Some(said) if outspoken => said.message.clone(),
            Some(said) if is_about_values(&said.sqlstate) => {
                data::fields::unnamed(catalog, said).map_or_else(|| said.message.clone(), str::to_owned)
            }
            Some(said) if is_about_statement(said) => OTHERWISE.to_owned(),
            _ if error.kind().is_ours() && error.kind() != Kind::Timeout => return Err(error.into()),
            _ => error.message().into_owned(),
        },
        other if other.kind().is_ours() => return Err(error.into()),
        other => other.message().into_owned(),
    };
    let mut errors = plan.errors.clone();
    errors.push(match &error {
        // The other product's items hold nothing but their message.
        _ if outspoken => json!({ "message": message }),
        data::Error::RepeatRunning
        | data::Error::RepeatOther
        | data::Error::RepeatRules
        | data::Error::RepeatsTooMany { .. }
        | data::Error::RepeatTooLarge { .. } => {
            json!({ "message": message, "extensions": { "code": error.code() } })
        }
        // What is wrong, field by field, as the other dialects say it.
        _ if !report.fields.is_empty() => {
            json!({ "message": message, "extensions": { "code": error.code(), "fields": report.fields } })
        }
        _ => json!({ "message": message }),
    });
    let body = json!({ "data": null, "errors": errors }).to_string().into();
    Ok(Told { body, refused: plan.hides_schema.then_some(Error::Introspection) })
}

/// What is known of a refused change: of a table that one of the changes names, or that it is about none of them.
pub fn reported(plan: &Plan, slots: &[Param], error: &data::Error, catalog: &Catalog) -> Report {
    let said = match error {
        // Columns that somebody may not write are none to them.
        data::Error::Field(fault) => {
            let mut report = Report::default();
            report.fields.push((**fault).clone());
            return report;
        }
        data::Error::Database(error) => error.database(),
        _ => None,
    };
    let Some(said) = said.filter(|said| ["22", "23"].contains(&said.sqlstate.get(..2).unwrap_or_default()))
    else {
        return Report::default();
    };
    let changed = plan.changes.iter().filter_map(|(change, _)| Some((change, change.relation.as_ref()?)));
    let reports: Vec<Report> = changed
        .filter_map(|(change, name)| Some((change, catalog.find(&name.schema, &name.name)?)))
        .map(|(change, relation)| data::fields::report(catalog, relation, said, &change.sent(slots)))
        .collect();
    let elsewhere = !reports.is_empty() && reports.iter().all(|report| report.elsewhere);
    let is_blamed = |report: &&Report| !report.fields.is_empty();
    let mut report = reports.iter().find(is_blamed).or(reports.first()).cloned().unwrap_or_default();
    report.elsewhere = elsewhere;
    report
}

/// What is said where a name is gone, or a statement cannot be carried out: the schema changed while it was asked, or the body of a
/// function asks for what there is not. Which name it is may be nobody's to know.
const OTHERWISE: &str =
    "The database cannot do what is asked. Where its schema has just changed, ask again in a moment";

/// Whether PostgreSQL refused the statement, rather than failed; a policy that asks itself for ever (42P17) is a failure.
fn is_about_statement(said: &pg::DbError) -> bool {
    let is_of = |class: &&str| said.sqlstate.starts_with(class);
    said.sqlstate != "42P17" && ["0A", "21", "3F", "42"].iter().any(is_of)
}

/// Whether an SQLSTATE is about what the caller sent or may do, rather than about the statement or the server.
fn is_about_values(sqlstate: &str) -> bool {
    matches!(sqlstate, "42501" | "25006" | "40001" | "40P01" | "44000")
        || ["22", "23", "P0", "PT"].iter().any(|class| sqlstate.starts_with(class))
}
