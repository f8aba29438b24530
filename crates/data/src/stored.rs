//! HTML that stands in tagged columns already, written by a function, a migration or `psql`: cleaned where it stands (control 122
//! finds it; `palisade db clean-html`).
//!
//! Works as the owner of each table, row by row and in small transactions, so that nobody waits long. What the table runs then
//! (triggers, rules of its types, a view that took its place meanwhile) is confined to its owner's rights
//! ([`pg::admin::confined`]): the connection is the administrator's. Invariant: a value is changed only where it still is what was
//! looked at, and into what the way in would have stored.

use std::collections::HashSet;

use pg::admin::confined::{self, Function};
use pg::admin::{Target, quote_name};
use serde::Serialize;
use tokio_postgres::{Client, Row};

use crate::ask::Name;
use crate::catalog::check::{Asked, Check, Holds};
use crate::catalog::{Catalog, Column, Relation, RelationKind};
use crate::clean;
use crate::error::Error;
use crate::limits::CLEANED_ROWS_AT_ONCE;

/// What was found in one column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Found {
    /// `schema.table`
    pub table: String,
    /// The column.
    pub column: String,
    /// Values that were looked at.
    pub looked_at: u64,
    /// Values that hold what is not stored today.
    pub unclean: u64,
    /// Values that were changed.
    pub cleaned: u64,
    /// Values that a rule of the table would not have cleaned, and the first rule's words.
    pub refused: u64,
    /// Those words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Looks through every tagged column, or those of one table, and cleans what it finds unless only asked to look.
pub async fn clean(
    admin: &Target,
    catalog: &Catalog,
    table: Option<&Name>,
    only_look: bool,
) -> Result<Vec<Found>, Error> {
    let named = |relation: &&Relation| {
        table.is_none_or(|name| *relation.schema == *name.schema && *relation.name == *name.name)
    };
    let relations: Vec<&Relation> = catalog.relations.iter().filter(named).collect();
    if let Some(name) = table
        && relations.is_empty()
    {
        return Err(Error::NoRelation {
            schema: name.schema.clone(),
            name: name.name.clone(),
            suggestion: None,
        });
    }
    if table.is_some() && relations.iter().any(|relation| relation.kind == RelationKind::Partitioned) {
        return Err(Error::NotImplemented {
            what: "rows stand in partitions: name one, or no table for all",
        });
    }
    let mut client = None;
    let mut found = Vec::new();
    // Rows stand in tables and partitions; views show them, and other servers keep their own.
    for relation in relations.into_iter().filter(|relation| relation.kind == RelationKind::Table) {
        for column in relation.columns.iter().filter(|column| !column.generated) {
            let Some(check) = column.check.as_deref().filter(|check| check.asked.html) else { continue };
            if let Some(why) = &check.asked.broken {
                let column = format!("{}.{}.{}", relation.schema, relation.name, column.name);
                return Err(Error::BrokenRule { column, why: why.to_string() });
            }
            let client = match &client {
                Some(client) => client,
                None => client.insert(admin.connect().await?),
            };
            // What JSON should look like is another question.
            let check = Check { asked: Asked { html: true, ..Asked::default() }, holds: check.holds };
            found.push(Place { client, relation, column, check: &check }.clean(only_look).await?);
        }
    }
    Ok(found)
}

const CHANGE: &str = "select pg_temp.palisade_change($1::text, $2::text, $3::text)";
const WRITTEN: &str = "select pg_temp.palisade_written($1::text)";

const PAGE: &str = "select place, value from pg_temp.palisade_page($1::text, $2::text)";

/// What reads rows, what changes one, and what writes a value as its column does; the bodies name a table.
fn functions<'a>([page, change, written]: [&'a str; 3]) -> [Function<'a>; 3] {
    let function = |name, takes, returns, body| Function { name, takes, returns, body };
    [
        function("palisade_page", "text, text", "table (place text, value text)", page),
        function("palisade_change", "text, text, text", "text", change),
        function("palisade_written", "text", "text", written),
    ]
}

/// One way through a column.
struct Work {
    only_look: bool,
    /// Where changed rows stand now, where the way may come by again.
    anew: HashSet<String>,
}

struct Place<'a> {
    client: &'a Client,
    relation: &'a Relation,
    column: &'a Column,
    check: &'a Check,
}

impl Place<'_> {
    async fn clean(&self, only_look: bool) -> Result<Found, Error> {
        let mut found = Found {
            table: format!("{}.{}", self.relation.schema, self.relation.name),
            column: self.column.name.to_string(),
            looked_at: 0,
            unclean: 0,
            cleaned: 0,
            refused: 0,
            why: None,
        };
        let table = self.table();
        // What is added meanwhile came in by a way that cleans, or is for the next look.
        let size =
            format!("select (pg_catalog.pg_relation_size('{}') / 8192)::text", table.replace('\'', "''"));
        let blocks: String = ask(self.client.query_one(&size, &[]).await)?.get(0);
        let end = format!("({blocks},0)");
        let mut at = "(0,0)".to_owned();
        let mut work = Work { only_look, anew: HashSet::new() };
        loop {
            self.begin().await?;
            let rows = ask(self.client.query(PAGE, &[&at, &end]).await)?;
            for row in &rows {
                self.look(row, &mut work, &mut found).await?;
            }
            ask(confined::end(self.client, &functions([""; 3])).await)?;
            ask(self.client.batch_execute("commit").await)?;
            match rows.last() {
                Some(last) => at = last.get(0),
                None => return Ok(found),
            }
        }
    }

    /// As the owner, whom no policy may keep from a row unnoticed.
    async fn begin(&self) -> Result<(), Error> {
        let (table, column, kind) = (self.table(), quote_name(&self.column.name), &self.column.type_text);
        let page = format!(
            "begin return query select t.ctid::text, t.{column}::text from only {table} t where t.{column} is not null \
             and t.ctid > $1::pg_catalog.tid and t.ctid < $2::pg_catalog.tid order by t.ctid limit {}; end",
            CLEANED_ROWS_AT_ONCE.value
        );
        let change = format!(
            "declare place text; begin update only {table} set {column} = $1::{kind} where ctid = $2::pg_catalog.tid \
             and {column}::text = $3 returning ctid::text into place; {} return place; end",
            confined::NOW
        );
        let written = format!("begin return $1::{kind}::text; end");
        ask(self.client.batch_execute("begin; set local row_security = off").await)?;
        for function in functions([&page, &change, &written]) {
            ask(function.make(self.client, &self.relation.owner).await)?;
        }
        Ok(())
    }

    async fn look(&self, row: &Row, work: &mut Work, found: &mut Found) -> Result<(), Error> {
        let (place, text): (String, String) = (row.get(0), row.get(1));
        if work.anew.remove(&place) {
            return Ok(());
        }
        found.looked_at += 1;
        let Some(cleaned) = clean::text(&self.column.name, self.check, &text)? else { return Ok(()) };
        // An array may be written in several ways that mean the same.
        if matches!(self.check.holds, Holds::Texts | Holds::Jsons)
            && ask(self.client.query_one(WRITTEN, &[&cleaned]).await)?.get::<_, String>(0) == text
        {
            return Ok(());
        }
        found.unclean += 1;
        if work.only_look {
            return Ok(());
        }
        ask(self.client.batch_execute("savepoint palisade").await)?;
        let changed = self.client.query_one(CHANGE, &[&cleaned, &place, &text]).await;
        match changed.map(|row| row.get::<_, Option<String>>(0)) {
            Ok(Some(changed)) => {
                found.cleaned += 1;
                work.anew.insert(changed);
            }
            // Somebody changed it meanwhile: the next look sees what it is now.
            Ok(None) => {}
            Err(refused) => {
                let said = refused.as_db_error().map(|said| said.message().to_owned());
                let Some(said) = said else { return Err(pg::Error::from(refused).into()) };
                found.refused += 1;
                found.why.get_or_insert(said);
                ask(self.client.batch_execute("rollback to savepoint palisade").await)?;
            }
        }
        ask(self.client.batch_execute("release savepoint palisade").await)
    }

    fn table(&self) -> String {
        format!("{}.{}", quote_name(&self.relation.schema), quote_name(&self.relation.name))
    }
}

fn ask<T>(answer: Result<T, tokio_postgres::Error>) -> Result<T, Error> {
    answer.map_err(|error| Error::Database(error.into()))
}
