//! SQL that runs code of an application, confined to the rights of one role on an administrator's connection.
//!
//! `SET ROLE` is only lent: whatever code runs may give it back, also by `EXECUTE` or `set_config`, and is the administrator then.
//! Within a function that runs with its owner's rights (`SECURITY DEFINER`) PostgreSQL lets nobody change the role or the session's
//! user. So such SQL runs within one, which is made for the session alone, handed to the role, and gone again. What it leaves for the
//! commit would run outside: deferred triggers are let run within, cursors are closed, and a trigger that defers itself again is
//! refused.
//!
//! Invariant: everything here happens in a transaction that the caller began, and commits only after [`end`].

use tokio_postgres::{Client, Error};

use super::quote_name;

/// A function in PL/pgSQL, of the session's own (`pg_temp`), that confines what its body runs.
pub struct Function<'a> {
    /// Its name, which begins with `palisade_`.
    pub name: &'a str,
    /// The types of its arguments.
    pub takes: &'a str,
    /// What it returns.
    pub returns: &'a str,
    /// Its body. What changes rows ends with [`NOW`].
    pub body: &'a str,
}

/// Lets run within what triggers put off.
pub const NOW: &str = "SET CONSTRAINTS ALL IMMEDIATE;";

const RUNS: Function<'_> = Function {
    name: "palisade_runs",
    takes: "text",
    returns: "void",
    body: "BEGIN EXECUTE $1; SET CONSTRAINTS ALL IMMEDIATE; END",
};

const ASKS: Function<'_> = Function {
    name: "palisade_asks",
    takes: "text",
    returns: "text",
    body: "DECLARE said text; BEGIN EXECUTE $1 INTO said; RETURN said; END",
};

impl Function<'_> {
    /// Makes it, with the rights of the role `owner`: anew each time, so that none finds one that another has changed.
    pub async fn make(&self, client: &Client, owner: &str) -> Result<(), Error> {
        let (called, returns, body) = (self.called(), self.returns, super::quote_text(self.body));
        client
            .batch_execute(&format!(
                "CREATE OR REPLACE FUNCTION {called} RETURNS {returns} LANGUAGE plpgsql SECURITY DEFINER AS {body};
                 ALTER FUNCTION {called} OWNER TO {}",
                quote_name(owner)
            ))
            .await
    }

    fn called(&self) -> String {
        format!("pg_temp.{}({})", self.name, self.takes)
    }
}

/// Leaves nothing of what ran within `functions` behind, and of them neither. From here on names are PostgreSQL's own.
pub async fn end(client: &Client, functions: &[Function<'_>]) -> Result<(), Error> {
    client.batch_execute("RESET search_path; SET LOCAL search_path = pg_catalog, pg_temp").await?;
    super::leave_nothing_for_later(client).await?;
    let called: Vec<String> = functions.iter().map(|function| function.called()).collect();
    // What ran may have dropped them, or made something that hangs on them.
    client.batch_execute(&format!("DROP FUNCTION IF EXISTS {} CASCADE", called.join(", "))).await
}

/// Runs `text`, one statement or several, as `owner` and nobody else.
pub async fn run(client: &Client, owner: &str, text: &str) -> Result<(), Error> {
    RUNS.make(client, owner).await?;
    client.execute("SELECT pg_temp.palisade_runs($1::text)", &[&text]).await?;
    end(client, &[RUNS]).await
}

/// The one value that `question` has as `owner` and nobody else. To be rolled back: what asking leaves for a commit is left.
pub async fn ask(client: &Client, owner: &str, question: &str) -> Result<Option<String>, Error> {
    ASKS.make(client, owner).await?;
    client.query_one("SELECT pg_temp.palisade_asks($1::text)", &[&question]).await?.try_get(0)
}
