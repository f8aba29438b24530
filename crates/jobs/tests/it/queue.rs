//! Enqueueing: with the transaction or not at all.

use base::Settings;
use jobs::{Counts, ForgetDead, Reconciler};
use pg::Reason;

use crate::house::{Count, Fail, House, Urgent};

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

/// What the operator gives its tries again is as urgent as it was.
#[tokio::test]
async fn a_job_that_comes_back_is_as_urgent_as_it_was() {
    let house = House::new().await;
    house.enqueue(Urgent { number: 1 }).await;
    let admin = house.db.admin().await;
    admin.batch_execute("UPDATE jobs.queue SET attempt = 1").await.expect("set");
    house.worker().run_due().await.expect("ran");
    let dead = house.jobs.dead(1).await.expect("read");
    for number in 2..5 {
        house.enqueue(Count { number }).await;
    }
    let mut tx = house.db.pg().begin_system(Reason::Jobs).await.expect("begun");
    assert!(house.jobs.revive(&mut tx, dead[0].id).await.expect("revived"));
    tx.commit(()).await.expect("committed").into_inner();
    house.worker_with(&Settings::default().with("jobs.workers", "1")).run_due().await.expect("ran");
    assert_eq!(house.told.order().first(), Some(&1));
}

#[tokio::test]
async fn what_was_given_up_is_forgotten_after_its_time() {
    let house = House::new().await;
    for (days, retention, left) in [(29, None, 1), (2, None, 0), (6, Some("7d"), 1), (2, Some("7d"), 0)] {
        if house.jobs.counts().await.expect("counted").dead == 0 {
            house.enqueue(Fail { good: 1, panics: 0, never: true }).await;
            house.worker().run_due().await.expect("ran");
        }
        house.advance(days * 86_400);
        let settings = retention
            .map_or_else(Settings::default, |kept| Settings::default().with("jobs.dead_retention", kept));
        ForgetDead::new(house.jobs.clone(), &settings).reconcile().await.expect("reconciled");
        let dead = house.jobs.dead(10).await.expect("read").len();
        assert_eq!(dead, left, "after {days} more days of {retention:?}");
    }
    // What still waits is nobody's to forget, however old.
    house.enqueue(Count { number: 1 }).await;
    house.advance(400 * 86_400);
    ForgetDead::new(house.jobs.clone(), &Settings::default()).reconcile().await.expect("reconciled");
    assert_eq!(house.jobs.counts().await.expect("counted").waiting, 1);
}

/// With many due, neither order is made by sorting them: each is that of an index.
#[tokio::test]
async fn the_next_jobs_are_found_without_looking_at_all_of_them() {
    let house = House::new().await;
    let admin = house.db.admin().await;
    admin
        .batch_execute(
            "INSERT INTO jobs.queue (id, name, arguments, created_at, run_at, urgency)
                 SELECT gen_random_uuid(), 'test.count', '{}', '2020-01-01', timestamptz '2020-01-01' + n * interval '1 s', n % 3
                 FROM generate_series(1, 20000) n;
             ANALYZE jobs.queue",
        )
        .await
        .expect("filled");
    for (sql, index) in [(jobs::sql::TAKE, "queue_urgency"), (jobs::sql::TAKE_BY_AGE, "queue_due")] {
        let prepare = format!("PREPARE take (text[], timestamptz, bigint, text, timestamptz) AS {sql}");
        admin.batch_execute(&prepare).await.expect("prepared");
        let ask = "EXPLAIN EXECUTE take ('{test.count,test.fail}', '2026-01-01', 4, 'x', '2026-01-02')";
        let rows = admin.query(ask, &[]).await.expect("planned");
        let plan = rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>().join("\n");
        assert!(plan.contains(index) && !plan.contains("Sort"), "{plan}");
        admin.batch_execute("DEALLOCATE take").await.expect("forgotten");
    }
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
