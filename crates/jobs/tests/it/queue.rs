//! Enqueueing: with the transaction or not at all.

use jobs::Counts;
use pg::Reason;

use crate::house::{Count, Fail, House};

#[tokio::test]
async fn a_rolled_back_transaction_has_enqueued_nothing() {
    let house = House::new().await;
    let mut tx = house.db.pg().begin_system(Reason::Jobs).await.expect("begun");
    house.jobs.enqueue(&mut tx, &Count { number: 1 }).await.expect("enqueued");
    tx.roll_back().await.expect("rolled back");
    assert_eq!(house.worker().run_due().await.expect("ran"), 0);
}

#[tokio::test]
async fn a_committed_job_runs_once_and_is_gone() {
    let house = House::new().await;
    house.enqueue(Count { number: 1 }).await;
    assert_eq!(house.worker().run_due().await.expect("ran"), 1);
    assert_eq!(house.worker().run_due().await.expect("ran"), 0);
    assert_eq!(house.told.done(1), 1);
    assert_eq!(house.jobs.counts().await.expect("counted"), Counts { waiting: 0, running: 0, dead: 0 });
}

#[tokio::test]
async fn a_job_for_later_waits_for_its_time() {
    let house = House::new().await;
    let at = house.clock.now() + jiff::SignedDuration::from_secs(60);
    let mut tx = house.db.pg().begin_system(Reason::Jobs).await.expect("begun");
    house.jobs.enqueue_at(&mut tx, &Count { number: 1 }, at).await.expect("enqueued");
    tx.commit(()).await.expect("committed").into_inner();
    assert_eq!(house.worker().run_due().await.expect("ran"), 0);
    house.advance(60);
    assert_eq!(house.worker().run_due().await.expect("ran"), 1);
}

#[tokio::test]
async fn a_job_with_a_key_is_in_the_queue_once() {
    let house = House::new().await;
    for _ in 0..3 {
        let mut tx = house.db.pg().begin_system(Reason::Jobs).await.expect("begun");
        house.jobs.enqueue_once(&mut tx, &Count { number: 1 }, "nightly").await.expect("enqueued");
        tx.commit(()).await.expect("committed").into_inner();
    }
    assert_eq!(house.worker().run_due().await.expect("ran"), 1);
    assert_eq!(house.told.done(1), 1);
}

#[tokio::test]
async fn an_operator_sees_what_failed_and_gives_it_its_tries_again() {
    let house = House::new().await;
    house.enqueue(Fail { good: 1, panics: 0, never: true }).await;
    house.worker().run_due().await.expect("ran");
    let dead = house.jobs.dead(10).await.expect("read");
    assert_eq!(dead.len(), 1);
    assert!(dead[0].last_error.as_deref().is_some_and(|why| why.contains("test.not_today")), "{dead:?}");
    let mut tx = house.db.pg().begin_system(Reason::Jobs).await.expect("begun");
    assert!(house.jobs.revive(&mut tx, dead[0].id).await.expect("revived"));
    tx.commit(()).await.expect("committed").into_inner();
    assert_eq!(house.jobs.counts().await.expect("counted"), Counts { waiting: 1, running: 0, dead: 0 });
}

#[tokio::test]
async fn callers_reach_no_job() {
    let house = House::new().await;
    let mut tx = house
        .db
        .pg()
        .begin(&base::Caller::operator(), pg::Mode::Read, pg::Setup::default())
        .await
        .expect("begun");
    let refused = tx.query("SELECT * FROM jobs.queue", []).await.expect_err("refused");
    assert!(refused.is("42501"), "{refused:?}");
}

#[tokio::test]
async fn every_statement_prepares() {
    let house = House::new().await;
    let admin = house.db.admin().await;
    for sql in jobs::sql::ALL.iter().chain(mail::sql::ALL) {
        admin.prepare(sql).await.expect(sql);
    }
}
