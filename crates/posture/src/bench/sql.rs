//! SQL as the administrator of the database, and as anyone the administrator can become.

use std::time::Duration;

use pg::admin::confined;
use tokio::time::timeout;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::{Bench, Trouble};
use crate::limits;

/// A session of the administrator.
pub struct Sql(Client);

/// Rows as text, as `psql -At` would show them.
pub type Table = Vec<Vec<Option<String>>>;

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
    /// are none ourselves) and confined: a cast, or a view that took the table's place
    /// meanwhile, runs its owner's code. Nothing is kept, so that nothing waits for a commit.
    pub async fn value_as(&self, owner: Option<&str>, question: &str) -> Result<String, Trouble> {
        let Some(owner) = owner else { return self.value(question).await };
        self.run("BEGIN").await?;
        let asked = within("asking as an owner", confined::ask(&self.0, owner, question)).await;
        self.run("ROLLBACK").await?;
        asked?.ok_or_else(|| Trouble::Database(format!("no value from: {question}")))
    }

    /// Changes rows with the rights of `role`, for statements that run more than is written (triggers of the application on its
    /// tables and on `auth.users`, and what rows there take with them): confined. An administrator who is no superuser changes them as before.
    pub async fn run_as(&self, role: &str, statements: &str) -> Result<(), Trouble> {
        if self.value("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").await? != "t" {
            return self.run(statements).await;
        }
        // Looking at what is left waits for locks.
        let wait = limits::STEP_SECONDS_MAX.value;
        self.run(&format!("BEGIN; SET LOCAL lock_timeout = '{wait}s'")).await?;
        let ran = match within(statements, confined::run(&self.0, role, statements)).await {
            Ok(()) => self.run("COMMIT").await,
            Err(trouble) => Err(trouble),
        };
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

/// What came of what takes several statements.
async fn within<T>(
    what: &str,
    asked: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Trouble> {
    let limit = Duration::from_secs(limits::STEP_SECONDS_MAX.value);
    let answer = timeout(limit, asked).await.map_err(|_| Trouble::Slow(what.to_owned()))?;
    answer.map_err(|error| match error.as_db_error() {
        Some(said) => Trouble::Database(format!("{} {}", said.code().code(), said.message())),
        None => Trouble::Database(error.to_string()),
    })
}

fn cells(message: &SimpleQueryMessage) -> Option<Vec<Option<String>>> {
    match message {
        SimpleQueryMessage::Row(row) => {
            Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect())
        }
        _ => None,
    }
}
