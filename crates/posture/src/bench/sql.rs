//! SQL as the administrator of the database, and as anyone the administrator can become.

use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::{Bench, Trouble};
use crate::limits;

/// A session of the administrator.
pub struct Sql(Client);

/// Rows as text, as `psql -At` would show them.
pub type Table = Vec<Vec<Option<String>>>;

const ASKING: &str = "CREATE FUNCTION pg_temp.palisade_asks(text) RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS \
    'DECLARE said text; BEGIN EXECUTE $1 INTO said; RETURN said; END';";

const RUNNING: &str = "CREATE FUNCTION pg_temp.palisade_runs(text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS \
    'BEGIN EXECUTE $1; SET CONSTRAINTS ALL IMMEDIATE; END';";

impl Bench {
    /// Opens one.
    pub async fn sql(&self) -> Result<Sql, Trouble> {
        enter(&self.place.database).await
    }

    /// Opens one as anybody with that password does who comes with a program of their own.
    pub async fn sql_as_anybody(&self) -> Result<Sql, Trouble> {
        enter(&self.place.database.reported()).await
    }
}

async fn enter(database: &pg::admin::Target) -> Result<Sql, Trouble> {
    let limit = Duration::from_secs(limits::STEP_SECONDS_MAX.value);
    let connected = timeout(limit, database.connect()).await;
    let connected = connected.map_err(|_| Trouble::Slow("connecting to the database".to_owned()))?;
    connected.map(Sql).map_err(|error| Trouble::Database(error.to_string()))
}

impl Sql {
    /// Runs one statement and returns its rows.
    pub async fn rows(&self, statement: &str) -> Result<Table, Trouble> {
        self.try_rows(statement).await?.map_err(Trouble::Database)
    }

    /// Runs statements whose rows do not matter.
    pub async fn run(&self, statements: &str) -> Result<(), Trouble> {
        self.rows(statements).await.map(drop)
    }

    /// The one value of the one row.
    pub async fn value(&self, statement: &str) -> Result<String, Trouble> {
        let rows = self.rows(statement).await?;
        let first = rows.into_iter().next().and_then(|row| row.into_iter().next()).flatten();
        first.ok_or_else(|| Trouble::Database(format!("no value from: {statement}")))
    }

    /// The one value of a question about a table of the application, asked with the rights of who owns it (`None`: a superuser, or we
    /// are none ourselves) and within a function, where nobody becomes anybody else: a cast, or a view that took the table's place
    /// meanwhile, runs its owner's code. Nothing is kept, so that nothing waits for a commit.
    pub async fn value_as(&self, owner: Option<&str>, question: &str) -> Result<String, Trouble> {
        let Some(owner) = owner else { return self.value(question).await };
        let asked = async {
            self.run(&format!("BEGIN; {ASKING} ALTER FUNCTION pg_temp.palisade_asks(text) OWNER TO {owner}"))
                .await?;
            self.value(&format!("SELECT pg_temp.palisade_asks({})", pg::admin::quote_text(question))).await
        };
        let asked = asked.await;
        self.run("ROLLBACK").await?;
        asked
    }

    /// Changes rows with the rights of `role`, for statements that run more than is written (triggers of the application on its
    /// tables and on `auth.users`, and what rows there take with them): within a function, where nobody becomes anybody else, and
    /// nothing that is left for the commit runs then. An administrator who is no superuser changes them as before.
    pub async fn run_as(&self, role: &str, statements: &str) -> Result<(), Trouble> {
        if self.value("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").await? != "t" {
            return self.run(statements).await;
        }
        // Looking at what is left waits for locks.
        let wait = limits::STEP_SECONDS_MAX.value;
        let ran = async {
            let begin = format!("BEGIN; SET LOCAL lock_timeout = '{wait}s'; {RUNNING}");
            self.run(&format!("{begin} ALTER FUNCTION pg_temp.palisade_runs(text) OWNER TO {role}")).await?;
            self.run(&format!("SELECT pg_temp.palisade_runs({})", pg::admin::quote_text(statements))).await?;
            let left = pg::admin::leave_nothing_for_later(&self.0).await;
            left.map_err(|error| Trouble::Database(error.to_string()))?;
            self.run("DROP FUNCTION pg_temp.palisade_runs(text); COMMIT").await
        };
        let ran = ran.await;
        if ran.is_err() {
            self.run("ROLLBACK").await?;
        }
        ran
    }

    /// Whether PostgreSQL refuses `statement` for `role` for want of a right, with what it said.
    ///
    /// The session becomes the role for real and is rolled back, so that nothing tried here remains.
    pub async fn refuses(&self, role: &str, statement: &str) -> Result<(bool, String), Trouble> {
        self.run(&format!("BEGIN; SET LOCAL SESSION AUTHORIZATION {role}")).await?;
        let outcome = self.client(statement).await;
        // Whatever the outcome was, it must not stay.
        self.run("ROLLBACK").await?;
        let line = |said: &str| format!("as {role}: {statement}: {said}");
        Ok(match outcome? {
            Ok(_) => (false, line("was allowed")),
            Err((code, message)) => (code == "42501", line(&format!("{code} {message}"))),
        })
    }

    async fn try_rows(&self, statement: &str) -> Result<Result<Table, String>, Trouble> {
        Ok(self.client(statement).await?.map_err(|(code, message)| format!("{code} {message}")))
    }

    async fn client(&self, statement: &str) -> Result<Result<Table, (String, String)>, Trouble> {
        let limit = Duration::from_secs(limits::STEP_SECONDS_MAX.value);
        let ran = timeout(limit, self.0.simple_query(statement)).await;
        match ran.map_err(|_| Trouble::Slow(statement.to_owned()))? {
            Ok(messages) => Ok(Ok(messages.iter().filter_map(cells).collect())),
            Err(error) => match error.as_db_error() {
                Some(said) => Ok(Err((said.code().code().to_owned(), said.message().to_owned()))),
                None => Err(Trouble::Database(error.to_string())),
            },
        }
    }
}

fn cells(message: &SimpleQueryMessage) -> Option<Vec<Option<String>>> {
    match message {
        SimpleQueryMessage::Row(row) => {
            Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect())
        }
        _ => None,
    }
}
