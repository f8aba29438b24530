//! Two lanes, one chain: floods, late commits, kills and two sequencers at once.

use std::net::IpAddr;

use audit::{Entry, Event, Filter};
use testkit::{Database, killed_after};

use crate::house::{AUDIT, House, mock_clock, open, round};

fn wrong_password(address: &str) -> Entry {
    let address: IpAddr = address.parse().expect("an address");
    Entry::named("anonymous", Event::LoginFailed)
        .refused("auth.invalid_credentials")
        .from_address(Some(address))
}

#[tokio::test]
async fn a_flood_of_identical_refusals_is_two_entries_with_a_count() {
    let house = House::new().await;
    for _ in 0..5_000 {
        house.audit.refused(wrong_password("192.0.2.1"));
    }
    house.audit.refused(wrong_password("192.0.2.2"));
    house.audit.settle().await.expect("settled");
    let all = house.all().await;
    assert_eq!(all.len(), 3, "{all:#?}");
    let counts: u64 = all
        .iter()
        .map(|entry| serde_json::from_str::<serde_json::Value>(&entry.body).expect("json"))
        .map(|body| body.get("count").and_then(serde_json::Value::as_u64).unwrap_or(1))
        .sum();
    assert_eq!(counts, 5_001);
    house.stop().await;
}

/// Whoever asks chooses which path, account or name an entry is about.
#[tokio::test]
async fn what_one_address_is_refused_in_ever_other_words_is_few_entries_and_nobody_elses_are_lost() {
    let house = House::new().await;
    let few = audit::limits::LANE_ADDRESS_KEYS.value;
    for number in 0..5_000 {
        let address = if number % 2 == 0 { "192.0.2.1" } else { "2001:db8::1" };
        house.audit.refused(wrong_password(address).about(format!("account:{number}")));
    }
    let neighbour = wrong_password("2001:db8::2").about("account:hidden?");
    house.audit.refused(neighbour);
    house.audit.refused(wrong_password("192.0.2.2").about("account:seen"));
    house.audit.settle().await.expect("settled");
    let all = house.all().await;
    assert_eq!(all.len() as u64, 2 * few + 3, "{all:#?}");
    let bodies: Vec<serde_json::Value> =
        all.iter().map(|entry| serde_json::from_str(&entry.body).expect("json")).collect();
    let count = |body: &serde_json::Value| body.get("count").and_then(serde_json::Value::as_u64).unwrap_or(1);
    assert_eq!(bodies.iter().map(count).sum::<u64>(), 5_002, "every one is counted");
    let floods = bodies.iter().filter(|body| body["reason"] == "flood");
    let mut floods: Vec<(&str, u64)> =
        floods.map(|body| (body["address"].as_str().unwrap_or_default(), count(body))).collect();
    floods.sort_unstable();
    assert_eq!(
        floods,
        [("192.0.2.1", 2_500 - few), ("2001:db8::", 2_501 - few)],
        "and whose they were is said"
    );
    assert!(
        bodies.iter().any(|body| body["subject"] == "account:seen"),
        "what another address did is told apart"
    );
    // A window later it is told apart anew, as much and no more.
    for number in 0..50 {
        house.audit.refused(wrong_password("192.0.2.1").about(format!("account:later{number}")));
    }
    house.audit.settle().await.expect("settled");
    assert_eq!(house.all().await.len() as u64, 2 * few + 3 + few + 1);
    house.stop().await;
}

/// An office behind one address, or a program: what they do is theirs to choose, and each is an entry.
#[tokio::test]
async fn what_is_not_refused_is_told_apart_however_much_of_it_one_address_does() {
    let house = House::new().await;
    for number in 0..100 {
        let used = Entry::named("key:one", Event::KeyUsed).from_address("192.0.2.1".parse().ok());
        house.audit.refused(used.about(format!("GET /rest/v1/{number}")));
    }
    house.audit.settle().await.expect("settled");
    assert_eq!(house.all().await.len(), 100);
    house.stop().await;
}

#[tokio::test]
async fn beyond_all_that_is_told_apart_a_crowd_is_counted_per_event_and_nobody_is_named_for_it() {
    let house = House::new().await;
    let keys = audit::limits::LANE_KEYS.value;
    for number in 0..keys + 100 {
        let [_, b, c, d] = u32::try_from(number).expect("few").to_be_bytes();
        house.audit.refused(wrong_password(&format!("10.{b}.{c}.{d}")));
    }
    house.audit.settle().await.expect("settled");
    let all = house.all().await;
    assert_eq!(all.len() as u64, keys + 1);
    let crowd: Vec<&str> =
        all.iter().map(|entry| entry.body.as_str()).filter(|body| body.contains("\"flood\"")).collect();
    assert!(
        crowd.len() == 1 && crowd[0].contains("\"count\":100") && !crowd[0].contains("\"10."),
        "{crowd:?}"
    );
    house.stop().await;
}

#[tokio::test]
async fn refusals_that_found_the_queue_full_are_counted_as_lost() {
    let db = Database::new(audit::MIGRATIONS).await;
    let dir = tempfile::tempdir().expect("a directory");
    // Nobody takes from the queue yet.
    let (audit, tasks) = open(&db, &dir, mock_clock().clock(), &[]).await.expect("open");
    let queue = audit::limits::LANE_QUEUE.value;
    for _ in 0..queue + 17 {
        audit.refused(wrong_password("192.0.2.1"));
    }
    let (tracker, stop) = (tokio_util::task::TaskTracker::new(), tokio_util::sync::CancellationToken::new());
    tasks.spawn(&tracker, stop.clone());
    audit.settle().await.expect("settled");
    let lost = Filter { event: Some(Event::EntriesLost.name().into()), ..Filter::default() };
    let found = audit.find(&lost, None, 10).await.expect("found");
    assert_eq!(found.len(), 1);
    assert!(found[0].body.contains("\"count\":17"), "{}", found[0].body);
    stop.cancel();
    tracker.close();
    tracker.wait().await;
}

#[tokio::test]
async fn what_was_refused_just_before_a_stop_is_chained() {
    let house = House::new().await;
    house.audit.refused(wrong_password("192.0.2.1"));
    house.audit.refused(wrong_password("192.0.2.1"));
    let (db, dir) = house.stop().await;
    let house = House::around(db, dir, &[]).await;
    assert_eq!(house.all().await.len(), 2);
    assert!(house.verify().await.holds());
    house.stop().await;
}

#[tokio::test]
async fn a_transaction_that_commits_late_comes_late_and_nothing_waits_for_it() {
    let house = House::new().await;
    let mut late = house.db.pg().begin_system(AUDIT).await.expect("begun");
    house.audit.record(&mut late, Entry::named("user:late", Event::Login)).await.expect("recorded");
    house.sign_ins(3).await;
    assert_eq!(house.all().await.len(), 3);
    late.commit(()).await.expect("committed").into_inner();
    house.audit.settle().await.expect("chained");
    let all = house.all().await;
    assert!(all[3].body.contains("user:late") && all[3].seq == 4);
    assert!(house.verify().await.holds());
    house.stop().await;
}

#[tokio::test]
async fn a_rolled_back_transaction_leaves_no_entry() {
    let house = House::new().await;
    let mut tx = house.db.pg().begin_system(AUDIT).await.expect("begun");
    house.audit.record(&mut tx, Entry::named("user:1", Event::Login)).await.expect("recorded");
    tx.roll_back().await.expect("rolled back");
    house.sign_ins(1).await;
    assert_eq!(house.all().await.len(), 1);
    house.stop().await;
}

#[tokio::test]
async fn row_113_a_kill_between_append_and_chain_loses_nothing() {
    let db = Database::new(audit::MIGRATIONS).await;
    let dir = tempfile::tempdir().expect("a directory");
    let (audit, tasks) = open(&db, &dir, mock_clock().clock(), &[]).await.expect("open");
    audit.record_alone(Entry::named("user:1", Event::Login)).await.expect("recorded");
    // A kill: the tasks never ran, and half a line was being written to the head file.
    drop((audit, tasks));
    std::fs::write(dir.path().join("audit").join("head.jsonl"), "{\"seq\":1,\"at\":\"20").expect("written");
    let house = House::around(db, dir, &[]).await;
    house.audit.settle().await.expect("chained");
    assert_eq!(house.all().await.len(), 1);
    let verdict = house.verify().await;
    assert!(verdict.holds() && verdict.heads_outside == 1, "{verdict:?}");
    house.stop().await;
}

#[tokio::test]
async fn row_113_a_kill_between_the_chain_and_its_head_outside_is_made_good() {
    let db = Database::new(audit::MIGRATIONS).await;
    let dir = tempfile::tempdir().expect("a directory");
    let (audit, mut tasks) = open(&db, &dir, mock_clock().clock(), &[]).await.expect("open");
    audit.record_alone(Entry::named("user:1", Event::Login)).await.expect("recorded");
    assert_eq!(round(&mut tasks.sequencer).await, 1);
    std::fs::remove_file(dir.path().join("audit").join("head.jsonl")).expect("removed");
    drop((audit, tasks));
    let house = House::around(db, dir, &[]).await;
    house.audit.settle().await.expect("settled");
    assert_eq!(house.verify().await.heads_outside, 1);
    house.stop().await;
}

#[tokio::test]
async fn two_sequencers_at_once_make_one_chain() {
    let db = Database::new(audit::MIGRATIONS).await;
    let dirs = [tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory")];
    let clock = mock_clock();
    let (one, mut first) = open(&db, &dirs[0], clock.clock(), &[]).await.expect("open");
    let (two, mut second) = open(&db, &dirs[1], clock.clock(), &[]).await.expect("open");
    for n in 0..40 {
        let node = if n % 2 == 0 { &one } else { &two };
        node.record_alone(Entry::named(format!("user:{n}"), Event::Login)).await.expect("recorded");
        if n % 4 == 3 {
            let (a, b) = tokio::join!(first.sequencer.round(), second.sequencer.round());
            assert!(a.is_ok() && b.is_ok(), "{a:?} {b:?}");
        }
    }
    round(&mut first.sequencer).await;
    round(&mut second.sequencer).await;
    let verdicts = [one.verify().await.expect("verified"), two.verify().await.expect("verified")];
    for verdict in verdicts {
        assert!(verdict.holds() && verdict.entries == 40 && verdict.waiting == 0, "{verdict:?}");
        assert!(verdict.heads_outside > 0, "each node is a witness: {verdict:?}");
    }
}

#[tokio::test]
async fn operators_find_by_actor_event_group_subject_and_time() {
    let house = House::new().await;
    house.sign_ins(3).await;
    house.clock.advance(std::time::Duration::from_secs(60));
    let changed = Entry::named("user:admin", Event::RoleChange)
        .about("user:1")
        .because("asked by the owner")
        .change("role", "authenticated", "service_role");
    house.audit.record_alone(changed).await.expect("recorded");
    house.audit.settle().await.expect("chained");
    let find = async |filter: Filter| house.audit.find(&filter, None, 10).await.expect("found").len();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(find(Filter { actor: some("user:admin"), ..Filter::default() }).await, 1);
    assert_eq!(find(Filter { event: some("auth"), ..Filter::default() }).await, 3);
    assert_eq!(find(Filter { event: some("auth.login"), ..Filter::default() }).await, 3);
    assert_eq!(find(Filter { event: some("auth.log"), ..Filter::default() }).await, 0);
    assert_eq!(find(Filter { subject: some("user:1"), ..Filter::default() }).await, 2);
    assert_eq!(find(Filter { from: Some(house.clock.now()), ..Filter::default() }).await, 1);
    assert_eq!(find(Filter { to: Some(house.clock.now()), ..Filter::default() }).await, 3);
    let newest = &house.audit.find(&Filter::default(), None, 1).await.expect("found")[0];
    let line: serde_json::Value = serde_json::from_str(&newest.line()).expect("one JSON object");
    assert_eq!(line["before"]["role"], "authenticated");
    assert_eq!(line["after"]["role"], "service_role");
    assert_eq!(line["seq"], 4);
    house.stop().await;
}

#[tokio::test]
async fn row_113_a_sequencer_killed_at_any_await_leaves_a_chain_that_holds_and_lacks_nothing() {
    let db = Database::new(audit::MIGRATIONS).await;
    let dir = tempfile::tempdir().expect("a directory");
    let clock = mock_clock();
    for times in 1.. {
        let recorded = u64::try_from(times).expect("a count");
        let (audit, mut tasks) = open(&db, &dir, clock.clock(), &[]).await.expect("open");
        audit.record_alone(Entry::named(format!("user:{times}"), Event::Login)).await.expect("recorded");
        let done = killed_after(times, tasks.sequencer.round()).await;
        drop(tasks);
        let (audit, mut tasks) = open(&db, &dir, clock.clock(), &[]).await.expect("open");
        // A dropped transaction's connection is still being cleaned: until it is, somebody else has the turn.
        testkit::eventually(async || {
            round(&mut tasks.sequencer).await;
            (audit.verify().await.expect("verified").entries == recorded).then_some(())
        })
        .await;
        let verdict = audit.verify().await.expect("verified");
        assert!(verdict.holds() && verdict.waiting == 0, "killed after {times}: {verdict:?}");
        if done {
            assert!(times > 4, "it has awaits to be killed at");
            return;
        }
    }
}
