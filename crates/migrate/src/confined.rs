//! Running an application's SQL with the rights of the owner of its tables, in no other role.
//!
//! Invariant: code of the application is confined ([`pg::admin::confined`]), or is a statement that PostgreSQL itself runs code in only
//! as an operation that is restricted (an index is made, a table is vacuumed).

use pg::admin::confined;
use pg::bootstrap::OWNER;
use tokio_postgres::Client;

use crate::limits;
use crate::split::Statement;

/// Runs SQL in a transaction that was begun.
pub async fn run(client: &Client, text: &str) -> Result<(), tokio_postgres::Error> {
    client.batch_execute(&waiting("LOCAL")).await?;
    confined::run(client, OWNER, text).await
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
