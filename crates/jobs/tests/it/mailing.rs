//! Mail: put with the transaction, delivered by a job.

use std::sync::Arc;

use base::{Rng, Settings};
use jobs::{DeliverMail, ForgetMail, Reconciler, Registry, Urgency, Worker};
use mail::{Caught, Message, Outbox, Sender, State};
use pg::Reason;
use uuid::Uuid;

use crate::house::House;

const LINK: &str = "https://example.org/verify?token=a-very-secret-link";

fn message() -> Message {
    Message {
        kind: "confirmation",
        to: "ann@example.org".into(),
        subject: "Confirm your address".into(),
        text: LINK.into(),
        html: None,
    }
}

fn outbox(house: &House, sender: Sender) -> Outbox {
    Outbox::open(mail::Parts {
        pg: house.db.pg(),
        root: Arc::new(seal::RootKey::from_bytes([7; 32]).expect("a key")),
        settings: Settings::default().with("email.from_address", "noreply@example.org"),
        sender,
        clock: house.clock.clock(),
        rng: Rng::system(),
    })
    .expect("opened")
}

fn worker(house: &House, outbox: &Outbox) -> Worker {
    let registry = Registry::new().with::<DeliverMail>(outbox.clone());
    Worker::new(house.jobs.clone(), registry, &Settings::default(), "test")
}

async fn post(house: &House, outbox: &Outbox) -> Uuid {
    post_as(house, outbox, &message(), Urgency::Usual).await
}

async fn post_as(house: &House, outbox: &Outbox, message: &Message, urgency: Urgency) -> Uuid {
    let mut tx = house.db.pg().begin_system(Reason::Outbox).await.expect("begun");
    let id = house.jobs.post(&mut tx, outbox, message, urgency).await.expect("posted");
    tx.commit(()).await.expect("committed").into_inner();
    id
}

#[tokio::test]
async fn a_posted_mail_arrives_once_and_its_body_is_gone() {
    let house = House::new().await;
    let caught = Caught::default();
    let outbox = outbox(&house, Sender::Memory(caught.clone()));
    let id = post(&house, &outbox).await;
    assert!(outbox.get(id).await.expect("there").text.is_some());
    worker(&house, &outbox).run_due().await.expect("ran");
    // The job again, as after a worker's death between the work and the note of it.
    outbox.deliver(id, false).await.expect("nothing to do");
    assert_eq!(caught.mails().len(), 1);
    assert!(caught.mails()[0].contains("ann@example.org"));
    let letter = outbox.get(id).await.expect("there");
    assert_eq!((letter.summary.state, letter.summary.tries), (State::Sent, 1));
    assert!(letter.text.is_none());
    assert_eq!(letter.attempts.len(), 1);
}

#[tokio::test]
async fn an_alert_is_delivered_before_the_mails_that_waited_longer() {
    let house = House::new().await;
    let caught = Caught::default();
    let outbox = outbox(&house, Sender::Memory(caught.clone()));
    for _ in 0..12 {
        post(&house, &outbox).await;
    }
    for (subject, urgency) in [("A code", Urgency::Account), ("An alert", Urgency::Alert)] {
        let message = Message { subject: subject.into(), ..message() };
        post_as(&house, &outbox, &message, urgency).await;
    }
    let registry = Registry::new().with::<DeliverMail>(outbox.clone());
    let one_hand = Settings::default().with("jobs.workers", "1");
    Worker::new(house.jobs.clone(), registry, &one_hand, "test").run_due().await.expect("ran");
    let mails = caught.mails();
    assert!(mails.len() == 14 && mails[0].contains("An alert") && mails[1].contains("A code"), "{mails:?}");
}

#[tokio::test]
async fn a_settled_mail_is_forgotten_after_its_time_and_a_waiting_one_is_not() {
    let house = House::new().await;
    let sent = outbox(&house, Sender::Memory(Caught::default()));
    post(&house, &sent).await;
    worker(&house, &sent).run_due().await.expect("ran");
    let waiting = post(&house, &sent).await;
    let retention = ForgetMail(sent.clone());
    for (days, left) in [(29, 2), (2, 1), (400, 1)] {
        house.advance(days * 86_400);
        retention.reconcile().await.expect("reconciled");
        assert_eq!(sent.list(None, 10).await.expect("read").len(), left, "after {days} more days");
    }
    assert_eq!(sent.get(waiting).await.expect("still there").summary.state, State::Waiting);
}

/// Whatever ends the job: a worker that was gone each time notes nothing, nor does one that cannot open the body.
#[tokio::test]
async fn a_mail_whose_job_is_given_up_says_so_and_why() {
    let house = House::new().await;
    let ours = outbox(&house, Sender::Memory(Caught::default()));
    let cut_short = post(&house, &ours).await;
    let admin = house.db.admin().await;
    admin.batch_execute("UPDATE jobs.queue SET attempt = 9").await.expect("set");
    let unreadable = post(&house, &ours).await;
    admin
        .batch_execute("UPDATE mail.outbox SET sealed = sealed || '\\x00' WHERE state = 'waiting'")
        .await
        .expect("set");
    worker(&house, &ours).run_due().await.expect("ran");
    house.advance(86_400);
    for _ in 0..10 {
        worker(&house, &ours).run_due().await.expect("ran");
        house.advance(3_600);
    }
    assert_eq!(house.jobs.counts().await.expect("counted").dead, 2);
    for (id, code) in [(cut_short, "jobs.cut_short"), (unreadable, "mail.")] {
        let listed = ours.list(None, 10).await.expect("read");
        let summary = listed.iter().find(|mail| mail.id == id).expect("listed");
        assert_eq!(summary.state, State::Failed, "{code}");
        let letter = ours.get(id).await.expect("its body is gone");
        let last = letter.attempts.last().expect("a note");
        assert!(last.outcome == "failed" && last.transcript.concat().contains(code), "{:?}", last.transcript);
        assert!(letter.summary.settled_at.is_some(), "it is forgotten with the others");
    }
}

#[tokio::test]
async fn a_rolled_back_transaction_sends_nothing() {
    let house = House::new().await;
    let caught = Caught::default();
    let outbox = outbox(&house, Sender::Memory(caught.clone()));
    let mut tx = house.db.pg().begin_system(Reason::Outbox).await.expect("begun");
    house.jobs.post(&mut tx, &outbox, &message(), Urgency::Usual).await.expect("posted");
    tx.roll_back().await.expect("rolled back");
    worker(&house, &outbox).run_due().await.expect("ran");
    assert!(caught.mails().is_empty() && outbox.list(None, 10).await.expect("read").is_empty());
}

#[tokio::test]
async fn the_database_never_holds_a_link_in_clear() {
    let house = House::new().await;
    let outbox = outbox(&house, Sender::Catch);
    post(&house, &outbox).await;
    let admin = house.db.admin().await;
    let dump: String = admin
        .query_one("SELECT string_agg(o::text, '') || coalesce((SELECT string_agg(q::text, '') FROM jobs.queue q), '') FROM mail.outbox o", &[])
        .await
        .expect("dumped")
        .get(0);
    assert!(dump.contains("ann@example.org") && !dump.contains("a-very-secret-link"));
}

#[tokio::test]
async fn the_catcher_keeps_the_mail_for_whoever_may_look() {
    let house = House::new().await;
    let outbox = outbox(&house, Sender::Catch);
    let id = post(&house, &outbox).await;
    assert_eq!(worker(&house, &outbox).run_due().await.expect("ran"), 0);
    let listed = outbox.list(None, 10).await.expect("read");
    assert_eq!((listed.len(), listed[0].state), (1, State::Caught));
    assert_eq!(outbox.get(id).await.expect("there").text.expect("kept").expose(), LINK);
}

#[tokio::test]
async fn without_a_way_out_putting_a_mail_is_refused() {
    let house = House::new().await;
    let outbox = outbox(&house, Sender::None);
    assert!(!outbox.takes_mail());
    let mut tx = house.db.pg().begin_system(Reason::Outbox).await.expect("begun");
    let refused = house.jobs.post(&mut tx, &outbox, &message(), Urgency::Alert).await.expect_err("refused");
    assert_eq!(base::Fault::code(&refused), "mail.no_sender");
}

#[tokio::test]
async fn a_mail_that_cannot_be_written_is_tried_again_then_given_up_with_its_transcript() {
    let house = House::new().await;
    // A directory below a file cannot be made, not even by root.
    let outbox = outbox(&house, Sender::Files("/dev/null/mails".into()));
    let id = post(&house, &outbox).await;
    let worker = worker(&house, &outbox);
    for _ in 0..10 {
        worker.run_due().await.expect("ran");
        house.advance(3_600);
    }
    let letter = outbox.get(id).await.expect("there");
    assert_eq!((letter.summary.state, letter.attempts.len()), (State::Failed, 9));
    assert_eq!(letter.attempts[0].outcome, "again");
    assert_eq!(letter.attempts[8].outcome, "failed");
    assert_eq!(house.jobs.counts().await.expect("counted").dead, 1);
}
