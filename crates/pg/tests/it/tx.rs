//! Several statements in one transaction, and the system door.

use base::Caller;
use pg::{Mode, Once, Param, Pg, Reason, Setup, Statement, Tx};

use crate::scene::{Database, person};

fn insert(n: u32, text: &str) -> Statement {
    Statement::new(
        "insert into notes(owner, text) values ($1, $2)",
        [Param::from(&*person(n).subject), Param::from(text)],
    )
}

async fn notes(pg: &Pg) -> Vec<String> {
    let ask = Once::read(Statement::new("select text from notes order by id", []));
    let rows = pg.once(&Caller::operator(), ask).await.unwrap().into_inner();
    rows.iter().map(|row| row.at(0).unwrap()).collect()
}

#[tokio::test]
async fn begin_costs_no_round_trip_of_its_own() {
    let db = Database::new().await;
    let pg = db.pg();
    let mut tx = pg.begin(&person(1), Mode::Write, Setup::default()).await.unwrap();
    assert_eq!(pg.stats().own.round_trips, 0);
    tx.run(insert(1, "a")).await.unwrap();
    assert_eq!(pg.stats().own.round_trips, 1);
    let rows = tx
        .run_all(vec![insert(1, "b"), insert(1, "c"), Statement::new("select count(*) from notes", [])])
        .await
        .unwrap();
    assert_eq!(pg.stats().own.round_trips, 2);
    assert_eq!(rows.iter().map(|rows| rows.affected).collect::<Vec<_>>(), [1, 1, 1]);
    assert_eq!(rows[2].first().unwrap().at::<i64>(0).unwrap(), 3);
    assert_eq!(tx.commit(7).await.unwrap().into_inner(), 7);
    assert_eq!(pg.stats().own.round_trips, 3);
    assert_eq!(notes(&pg).await, ["a", "b", "c"]);
}

#[tokio::test]
async fn what_is_queued_goes_with_the_next_statement_or_with_the_commit() {
    let db = Database::new().await;
    let pg = db.pg();
    let queue = |tx: &mut Tx, text: &str| {
        let by = person(1);
        tx.queue("insert into notes(owner, text) values ($1, $2)", [Param::from(&*by.subject), text.into()]);
    };
    let mut tx = pg.begin(&person(1), Mode::Write, Setup::default()).await.unwrap();
    queue(&mut tx, "a");
    queue(&mut tx, "b");
    assert_eq!(pg.stats().own.round_trips, 0);
    let rows = tx.query("select count(*) from notes", []).await.unwrap();
    assert_eq!(rows.first().unwrap().at::<i64>(0).unwrap(), 2);
    queue(&mut tx, "c");
    let rows = tx.run_all(vec![insert(1, "d"), Statement::new("select 7", [])]).await.unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[1].first().unwrap().at::<i32>(0).unwrap(), 7);
    queue(&mut tx, "e");
    let _reply = tx.commit(()).await.unwrap();
    assert_eq!(pg.stats().own.round_trips, 3);
    assert_eq!(notes(&pg).await, ["a", "b", "c", "d", "e"]);
    // Nothing but what was queued.
    let mut tx = pg.begin(&person(1), Mode::Write, Setup::default()).await.unwrap();
    queue(&mut tx, "f");
    let _reply = tx.commit(()).await.unwrap();
    assert_eq!(notes(&pg).await.last().unwrap(), "f");
}

#[tokio::test]
async fn what_is_queued_and_fails_is_no_commit_and_leaves_nothing_behind() {
    let db = Database::new().await;
    let mut config = db.config();
    config.caps.connections_max = 2;
    let pg = Pg::connect(config).unwrap();
    for at in 0..6 {
        let mut tx = pg.begin(&person(1), Mode::Write, Setup::default()).await.unwrap();
        if at % 2 == 0 {
            tx.run(insert(1, "gone")).await.unwrap();
        }
        tx.queue("select 1/$1::int", [Param::from(0)]);
        let refused = match at / 2 {
            0 => tx.commit(()).await.map(|_| ()),
            1 => tx.run(insert(1, "gone too")).await.map(|_| ()),
            _ => {
                tx.roll_back().await.unwrap();
                continue;
            }
        };
        assert!(refused.unwrap_err().is("22012"));
    }
    assert_eq!(notes(&pg).await, [""; 0]);
    let mut tx = pg.begin(&person(1), Mode::Write, Setup::default()).await.unwrap();
    tx.run(insert(1, "goes on")).await.unwrap();
    let _reply = tx.commit(()).await.unwrap();
    assert_eq!(notes(&pg).await, ["goes on"]);
}

#[tokio::test]
async fn what_is_not_committed_did_not_happen() {
    let db = Database::new().await;
    let mut config = db.config();
    config.caps.connections_max = 6;
    let pg = Pg::connect(config).unwrap();
    for end in 0..3 {
        let mut tx = pg.begin(&person(1), Mode::Write, Setup::default()).await.unwrap();
        tx.run(insert(1, "gone")).await.unwrap();
        match end {
            0 => drop(tx),
            1 => tx.roll_back().await.unwrap(),
            _ => {
                assert!(tx.run(Statement::new("select 1/0", [])).await.unwrap_err().is("22012"));
                assert!(matches!(tx.run(insert(1, "after")).await, Err(pg::Error::Poisoned)));
                assert!(matches!(tx.commit(()).await, Err(pg::Error::Poisoned)));
            }
        }
    }
    assert_eq!(notes(&pg).await, [""; 0]);
}

#[tokio::test]
async fn a_commit_that_the_database_refuses_is_no_reply() {
    let db = Database::new().await;
    let pg = db.pg();
    let mut tx = pg.begin(&person(1), Mode::Write, Setup::default()).await.unwrap();
    tx.execute("insert into lab.children values (1, 99)", []).await.unwrap();
    assert!(tx.commit(()).await.unwrap_err().is("23503"));
}

#[tokio::test]
async fn a_statement_that_ends_the_transaction_poisons_it() {
    let db = Database::new().await;
    let pg = db.pg();
    let mut tx = pg.begin(&person(1), Mode::Write, Setup::default()).await.unwrap();
    tx.run(insert(1, "a")).await.unwrap();
    assert!(tx.execute("commit", []).await.is_err());
    assert!(matches!(tx.run(insert(1, "b")).await, Err(pg::Error::Poisoned)));
}

#[tokio::test]
async fn the_system_door_opens_our_own_tables_and_counts_why() {
    let db = Database::new().await;
    let pg = db.pg();
    let mut tx = pg.begin_system(Reason::Jobs).await.unwrap();
    assert_eq!(tx.execute("insert into lab.things values ($1)", [Param::from(1)]).await.unwrap(), 1);
    let user = tx.query("select current_user::text", []).await.unwrap();
    assert_eq!(user.first().unwrap().at::<String>(0).unwrap(), "palisade_system");
    let _reply = tx.commit(()).await.unwrap();
    let mut tx = pg.begin_system(Reason::Identify).await.unwrap();
    assert!(tx.query("select * from public.notes", []).await.unwrap_err().is("42501"));
    drop(tx);
    assert_eq!(pg.stats().reasons, [(Reason::Identify, 1), (Reason::Jobs, 1)]);
}
