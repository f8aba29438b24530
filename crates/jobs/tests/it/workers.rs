//! Workers: at least once, never twice at the same time, whatever dies in between.

use std::sync::{Arc, Mutex};

use base::Settings;
use jobs::{CHANNEL, Counts};
use testkit::{eventually, killed_after};
use tokio_util::sync::CancellationToken;

use crate::house::{Count, Fail, House, Urgent, Wait};

#[tokio::test]
async fn a_worker_killed_in_the_middle_loses_nothing() {
    let house = House::new().await;
    house.enqueue(Wait { number: 1 }).await;
    let worker = house.worker();
    let killed = tokio::spawn(async move { worker.run_due().await });
    house.told.began().await;
    killed.abort();
    assert!(killed.await.expect_err("killed").is_cancelled());

    let next = house.worker();
    assert_eq!(next.run_due().await.expect("ran"), 0, "the dead worker's lease still runs");
    house.advance(61);
    house.told.go_on();
    assert_eq!(next.run_due().await.expect("ran"), 1);
    assert_eq!(house.told.done(1), 1);
}

#[tokio::test]
async fn a_worker_that_comes_back_cannot_finish_what_another_has_taken() {
    let house = House::new().await;
    house.enqueue(Wait { number: 1 }).await;
    let slow = house.worker();
    let slow = tokio::spawn(async move { slow.run_due().await });
    house.told.began().await;
    // Its lease runs out while it hangs, and another takes the job.
    house.advance(61);
    let other = house.worker();
    let other = tokio::spawn(async move { other.run_due().await });
    house.told.began().await;
    house.told.go_on();
    slow.await.expect("joined").expect("ran");
    let counts = house.jobs.counts().await.expect("counted");
    assert_eq!(counts, Counts { waiting: 0, running: 1, dead: 0 }, "the other still has it");
    house.told.go_on();
    other.await.expect("joined").expect("ran");
    assert_eq!(house.jobs.counts().await.expect("counted"), Counts { waiting: 0, running: 0, dead: 0 });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn workers_side_by_side_run_each_job_once() {
    let house = House::new().await;
    for number in 0..60 {
        house.enqueue(Count { number }).await;
    }
    let workers: Vec<_> = (0..4)
        .map(|_| house.worker())
        .map(|worker| tokio::spawn(async move { worker.run_due().await.expect("ran") }))
        .collect();
    let mut ran = 0;
    for worker in workers {
        ran += worker.await.expect("joined");
    }
    assert_eq!((ran, house.told.total(), house.told.overlaps()), (60, 60, 0));
}

#[tokio::test]
async fn what_is_urgent_goes_first_and_nothing_is_starved() {
    let house = House::new().await;
    let one_hand = Settings::default().with("jobs.workers", "1");
    for number in 0..8 {
        house.enqueue(Count { number }).await;
    }
    house.enqueue(Urgent { number: 100 }).await;
    let worker = house.worker_with(&one_hand);
    worker.run_due().await.expect("ran");
    let order = house.told.order();
    assert!(order.len() == 9 && order[0] == 100, "{order:?}");

    // However many are urgent, one in four is what has waited longest.
    let house = House::new().await;
    house.enqueue(Count { number: 1 }).await;
    house.advance(1);
    for number in 100..120 {
        house.enqueue(Urgent { number }).await;
    }
    house.worker_with(&one_hand).run_due().await.expect("ran");
    let order = house.told.order();
    let place = order.iter().position(|number| *number == 1).expect("it ran");
    assert!(order.len() == 21 && (1..=3).contains(&place), "{order:?}");
}

#[tokio::test]
async fn a_failing_job_is_tried_again_later_and_longer_each_time() {
    let house = House::new().await;
    house.enqueue(Fail { good: 3, panics: 0, never: false }).await;
    let worker = house.worker();
    let mut waits = Vec::new();
    while house.told.total() == 0 {
        assert_eq!(worker.run_due().await.expect("ran"), 1);
        if let Some(next) = house.jobs.waiting(1).await.expect("read").first() {
            assert!(next.last_error.as_deref().is_some_and(|why| why.contains("not today")));
            let wait = house.clock.now().duration_until(next.run_at).as_secs();
            assert_eq!(worker.run_due().await.expect("ran"), 0, "not before its time");
            waits.push(wait);
            house.advance(u64::try_from(wait).expect("later") + 1);
        }
    }
    assert!(waits.len() == 2 && waits[0] < waits[1], "{waits:?}");
}

#[tokio::test]
async fn a_job_that_never_succeeds_lies_with_the_dead_letters_and_somebody_is_told() {
    let house = House::new().await;
    house.enqueue(Fail { good: 99, panics: 2, never: false }).await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let ear = told.clone();
    let worker = house.worker().on_dead(move |name, _, why| {
        ear.lock().expect("told").push(format!("{name} {why}"));
    });
    for _ in 0..4 {
        worker.run_due().await.expect("ran");
        house.advance(3_600);
    }
    assert_eq!(house.jobs.dead(10).await.expect("read")[0].attempts, 3);
    let told = told.lock().expect("told");
    assert!(
        told.len() == 1 && told[0].contains("test.fail") && told[0].contains("test.not_today"),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_job_that_kills_its_worker_every_time_is_given_up() {
    let house = House::new().await;
    house.enqueue(Fail { good: 1, panics: 0, never: false }).await;
    // Three workers took it and were never heard of again.
    let admin = house.db.admin().await;
    admin.batch_execute("UPDATE jobs.queue SET attempt = 3").await.expect("set");
    house.worker().run_due().await.expect("ran");
    assert!(
        house.jobs.dead(1).await.expect("read")[0]
            .last_error
            .as_deref()
            .is_some_and(|why| why.contains("cut_short"))
    );
}

#[tokio::test]
async fn arguments_of_another_time_are_given_up_and_unknown_jobs_left_alone() {
    let house = House::new().await;
    let admin = house.db.admin().await;
    admin
        .batch_execute(
            "INSERT INTO jobs.queue (id, name, arguments, created_at, run_at) VALUES
             (gen_random_uuid(), 'test.count', '{\"old\": true}', '2020-01-01', '2020-01-01'),
             (gen_random_uuid(), 'test.of_a_newer_version', '{}', '2020-01-01', '2020-01-01')",
        )
        .await
        .expect("inserted");
    house.worker().run_due().await.expect("ran");
    assert_eq!(house.jobs.counts().await.expect("counted"), Counts { waiting: 1, running: 0, dead: 1 });
}

#[tokio::test]
async fn a_commit_wakes_the_worker_before_its_poll() {
    let house = House::new().await;
    let listener = pg::notify::Listener::start(house.db.target(), &[CHANNEL]);
    let mut connected = listener.watch();
    connected.wait_for(|connected| *connected).await.expect("listening");
    let drain = CancellationToken::new();
    let worker = tokio::spawn(house.worker().woken_by(listener.subscribe()).run(drain.clone()));
    // One after the other, each to an idle worker: only notifications make that faster than one poll of five seconds.
    let began = testkit::Stopwatch::start();
    for number in 0..3 {
        house.enqueue(Count { number }).await;
        eventually(async || (house.told.done(number) == 1).then_some(())).await;
    }
    assert!(began.elapsed() < std::time::Duration::from_secs(5), "{:?}", began.elapsed());
    drain.cancel();
    worker.await.expect("drained");
}

#[tokio::test]
async fn draining_waits_for_what_runs_and_takes_nothing_more() {
    let house = House::new().await;
    house.enqueue(Wait { number: 1 }).await;
    let drain = CancellationToken::new();
    let worker = tokio::spawn(house.worker().run(drain.clone()));
    house.told.began().await;
    drain.cancel();
    house.enqueue(Count { number: 2 }).await;
    house.told.go_on();
    worker.await.expect("drained");
    assert_eq!((house.told.done(1), house.told.done(2)), (1, 0));
    assert_eq!(house.jobs.counts().await.expect("counted"), Counts { waiting: 1, running: 0, dead: 0 });
}

#[tokio::test]
async fn a_worker_killed_at_any_await_loses_no_job() {
    let house = House::new().await;
    for number in 1.. {
        house.enqueue(Count { number }).await;
        let times = usize::try_from(number).expect("a count");
        let done = killed_after(times, async { house.worker().run_due().await }).await;
        let next = house.worker();
        // The dead worker's lease runs out; its connection may still be being cleaned.
        house.advance(61);
        eventually(async || {
            next.run_due().await.expect("ran");
            (house.jobs.counts().await.expect("counted") == Counts { waiting: 0, running: 0, dead: 0 })
                .then_some(())
        })
        .await;
        assert!(house.told.done(number) >= 1, "killed after {number}");
        if done {
            assert!(number > 3, "it has awaits to be killed at");
            return;
        }
    }
}
