//! Every statement is one.

#[tokio::test]
async fn every_statement_is_one() {
    // Administrators are read from the accounts' table, which belongs to another crate.
    let database = testkit::Database::new(&[audit::MIGRATIONS, alerts::MIGRATIONS].concat()).await;
    let client = database.admin().await;
    let users = "CREATE SCHEMA IF NOT EXISTS auth; CREATE TABLE IF NOT EXISTS auth.users (email text, role text, \
                 email_confirmed_at timestamptz, deleted_at timestamptz, created_at timestamptz)";
    client.batch_execute(users).await.unwrap_or_else(|error| unreachable!("{error:?}"));
    for statement in alerts::sql::ALL {
        client.prepare(statement).await.unwrap_or_else(|error| unreachable!("{statement}: {error:?}"));
    }
}
