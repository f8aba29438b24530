//! Running an application's SQL with the rights of the owner of its tables, in no other role.
//!
//! The connection is the administrator's, and `SET ROLE` is only lent: whatever code runs may give it back, also by
//! `EXECUTE` or `set_config`. Within a function that runs with its owner's rights PostgreSQL lets nobody change the role or
//! the session's user, so the file runs within one. What it leaves for the commit would run outside: deferred triggers
//! are let run within, cursors are closed, and a trigger that defers itself again is refused.
//!
//! Invariant: code of the application runs within the function, or is a statement that PostgreSQL itself runs code in only
//! as an operation that is restricted (an index is made, a table is vacuumed).

use pg::bootstrap::OWNER;
use tokio_postgres::Client;

use crate::split::Statement;
use crate::{limits, sql};

/// Runs SQL in a transaction that was begun.
pub async fn run(client: &Client, text: &str) -> Result<(), tokio_postgres::Error> {
    client.batch_execute(&waiting("LOCAL")).await?;
    client.batch_execute(&format!("{} TO {OWNER}", sql::CONFINE)).await?;
    client.execute(sql::RUN_CONFINED, &[&text]).await?;
    // From here on names are PostgreSQL's own.
    client.batch_execute("RESET search_path; SET LOCAL search_path = pg_catalog, pg_temp").await?;
    pg::admin::leave_nothing_for_later(client).await?;
    client.batch_execute(sql::CONFINE_NO_MORE).await
}

/// Runs one statement that PostgreSQL takes outside transactions only, or any other in one of its own.
pub async fn run_alone(client: &Client, statement: &Statement<'_>) -> Result<(), tokio_postgres::Error> {
    if !is_restricted(&statement.words) {
        client.batch_execute("BEGIN").await?;
        let ran = run(client, statement.text).await;
        client.batch_execute(if ran.is_ok() { "COMMIT" } else { "ROLLBACK" }).await?;
        return ran;
    }
    client.batch_execute(&format!("{}; SET ROLE {OWNER}", waiting("SESSION"))).await?;
    // Prepared, it is one statement, also for PostgreSQL.
    let ran = client.execute(statement.text, &[]).await;
    client
        .batch_execute("RESET ROLE; RESET search_path; RESET lock_timeout; RESET statement_timeout")
        .await?;
    ran.map(drop)
}

/// Whether PostgreSQL runs it outside transactions only, and what code it runs (of indexes) as the owner of the table, who can
/// become nobody then.
fn is_restricted(words: &[String]) -> bool {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    matches!(
        words.as_slice(),
        ["vacuum", ..]
            | ["create" | "drop", "index", "concurrently", ..]
            | ["create", "unique", "index", "concurrently"]
            | ["reindex", _, "concurrently", ..]
    )
}

fn waiting(scope: &str) -> String {
    let wait = limits::LOCK_WAIT_MS.value;
    format!(
        "SET {scope} search_path = public, extensions;
         SET {scope} lock_timeout = {wait}; SET {scope} statement_timeout = 0"
    )
}
