//! The kit itself: databases are real, separate and quick.

use base::{Caller, DbRole};
use pg::{Migration, Mode, Once, Reason, Setup, Statement};
use testkit::Database;

const NOTES: &[Migration] = &[Migration {
    owner: "notes",
    version: 1,
    name: "schema",
    sql: "CREATE SCHEMA notes; CREATE TABLE notes.note (id int)",
}];

#[tokio::test]
async fn two_databases_do_not_see_each_other() {
    let (one, two) = tokio::join!(Database::new(NOTES), Database::new(NOTES));
    assert_ne!(one.name(), two.name());
    one.admin().await.batch_execute("INSERT INTO notes.note VALUES (1)").await.unwrap();
    let rows = two.admin().await.query("SELECT FROM notes.note", &[]).await.unwrap();
    assert!(rows.is_empty());
}

#[tokio::test]
async fn lists_of_migrations_do_not_mix() {
    let (with, without) = tokio::join!(Database::new(NOTES), Database::new(&[]));
    for (database, expected) in [(&with, true), (&without, false)] {
        let client = database.admin().await;
        let row = client.query_one("SELECT to_regclass('notes.note') IS NOT NULL", &[]).await.unwrap();
        assert_eq!(row.get::<_, bool>(0), expected);
    }
}

#[tokio::test]
async fn both_doors_of_the_product_open() {
    let db = Database::new(NOTES).await;
    let pg = db.pg();
    let mut tx = pg.begin_system(Reason::Jobs).await.unwrap();
    assert_eq!(tx.execute("INSERT INTO notes.note VALUES ($1)", [7.into()]).await.unwrap(), 1);
    tx.commit(()).await.unwrap().into_inner();
    let caller = Caller::anonymous();
    let said = pg.once(&caller, Once::read(Statement::new("SELECT current_user::text", []))).await.unwrap();
    assert_eq!(said.into_inner().first().unwrap().at::<String>(0).unwrap(), DbRole::anon().name());
    let tx = pg.begin(&caller, Mode::Read, Setup::default()).await.unwrap();
    tx.roll_back().await.unwrap();
}

#[tokio::test]
async fn a_database_is_made_in_tens_of_milliseconds() {
    drop(Database::new(NOTES).await);
    let begun = testkit::Stopwatch::start();
    for _ in 0..5 {
        drop(Database::new(NOTES).await);
    }
    // Typically 30 ms; the bound only catches a template that is built each time.
    assert!(begun.elapsed().as_millis() < 5_000, "{:?} for five", begun.elapsed());
    println!("{:?} per database", begun.elapsed() / 5);
}

#[tokio::test]
async fn a_dropped_database_goes_away() {
    let watcher = Database::new(&[]).await;
    let client = watcher.admin().await;
    let gone = Database::new(&[]).await;
    let name = gone.name().to_owned();
    drop(gone);
    testkit::eventually(async || {
        let found = client.query("SELECT FROM pg_database WHERE datname = $1", &[&name]).await.unwrap();
        found.is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_owner_builds_and_cannot_become_anybody_else() {
    let db = Database::new(&[]).await;
    let owner = db.owner().await;
    owner.batch_execute("CREATE TABLE public.things (id int)").await.unwrap();
    let who = owner.query_one("SELECT session_user::text", &[]).await.unwrap();
    assert_eq!(who.get::<_, &str>(0), "palisade_owner");
    owner.batch_execute("RESET ROLE").await.unwrap();
    let who = owner.query_one("SELECT current_user::text", &[]).await.unwrap();
    assert_eq!(who.get::<_, &str>(0), "palisade_owner");
}
