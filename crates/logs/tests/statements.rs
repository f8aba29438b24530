//! Every statement is one.

#[tokio::test]
async fn every_statement_is_one() {
    let database = testkit::Database::new(&[audit::MIGRATIONS, logs::MIGRATIONS].concat()).await;
    let client = database.admin().await;
    for statement in logs::sql::ALL {
        client.prepare(statement).await.unwrap_or_else(|error| unreachable!("{statement}: {error:?}"));
    }
}
