//! Attack row 110: whatever a database superuser does to the log, verification names the first bad entry.

use std::time::Duration;

use audit::{Bad, Entry, Event, Tampering};

use crate::house::House;

/// Twelve entries, one act of a superuser, one verdict.
#[track_caller]
fn named(found: Option<Bad>, seq: i64, tampering: Tampering) {
    assert_eq!(found, Some(Bad { seq, tampering }));
}

async fn after(sql: &str) -> Option<Bad> {
    let house = House::new().await;
    house.sign_ins(12).await;
    assert!(house.verify().await.holds(), "{:?}", house.verify().await);
    house.superuser(sql).await;
    let found = house.verify().await.first_bad;
    house.stop().await;
    found
}

#[tokio::test]
async fn an_untouched_log_holds_and_agrees_with_the_heads_outside() {
    let house = House::new().await;
    house.sign_ins(12).await;
    let verdict = house.verify().await;
    assert!(verdict.holds());
    assert_eq!((verdict.entries, verdict.heads_outside, verdict.waiting), (12, 4, 0));
    house.stop().await;
}

#[tokio::test]
async fn row_110_an_edited_entry_is_named() {
    let found = after("UPDATE audit.log SET body = replace(body, 'user:4', 'user:9') WHERE seq = 5").await;
    named(found, 5, Tampering::Edited);
}

#[tokio::test]
async fn row_110_an_edit_of_what_queries_read_is_named() {
    named(after("UPDATE audit.log SET actor = 'nobody' WHERE seq = 7").await, 7, Tampering::Edited);
}

#[tokio::test]
async fn row_110_an_edit_with_a_new_commitment_is_named() {
    let sql = "UPDATE audit.log SET body = replace(body, 'user:4', 'user:9'), actor = 'user:9', subject = 'user:9' WHERE seq = 5;
        UPDATE audit.log SET leaf = sha256('\\x00'::bytea || salt || uuid_send(id) || convert_to(body, 'UTF8')) WHERE seq = 5";
    named(after(sql).await, 5, Tampering::Moved);
}

#[tokio::test]
async fn row_110_a_deletion_in_the_middle_is_named() {
    named(after("DELETE FROM audit.log WHERE seq = 5").await, 5, Tampering::Missing);
}

#[tokio::test]
async fn row_110_a_deletion_with_renumbering_is_named() {
    let sql = "DELETE FROM audit.log WHERE seq = 5; UPDATE audit.log SET seq = -seq WHERE false;
        DO $$ BEGIN FOR n IN 6..12 LOOP UPDATE audit.log SET seq = n - 1 WHERE seq = n; END LOOP; END $$";
    named(after(sql).await, 5, Tampering::Moved);
}

#[tokio::test]
async fn row_110_a_cut_tail_is_named() {
    named(
        after("DELETE FROM audit.log WHERE seq > 7; DELETE FROM audit.head WHERE seq > 7").await,
        8,
        Tampering::CutTail,
    );
}

#[tokio::test]
async fn row_110_a_reorder_is_named() {
    let sql = "UPDATE audit.log SET seq = 100 WHERE seq = 4; UPDATE audit.log SET seq = 4 WHERE seq = 9;
        UPDATE audit.log SET seq = 9 WHERE seq = 100";
    named(after(sql).await, 4, Tampering::Moved);
}

/// The strongest rewrite the database allows: every commitment and link computed anew, only the key is missing.
const REWRITE: &str = "DO $$
    DECLARE before bytea := decode(repeat('00', 32), 'hex'); entry record; link bytea;
    BEGIN
        UPDATE audit.log SET body = replace(body, 'user:0', 'user:8'),
            actor = replace(actor, 'user:0', 'user:8'), subject = replace(subject, 'user:0', 'user:8');
        FOR entry IN SELECT * FROM audit.log ORDER BY seq LOOP
            entry.leaf := sha256('\\x00'::bytea || entry.salt || uuid_send(entry.id) || convert_to(entry.body, 'UTF8'));
            link := sha256('\\x01'::bytea || before || int8send(entry.seq)
                || int8send((extract(epoch FROM entry.chained_at) * 1000000)::bigint) || entry.leaf);
            UPDATE audit.log SET leaf = entry.leaf, hash = link WHERE seq = entry.seq;
            before := link;
        END LOOP;
    END $$";

#[tokio::test]
async fn row_110_a_full_rewrite_is_named() {
    named(after(REWRITE).await, 1, Tampering::Rewritten);
}

/// Whoever has the whole machine has the keys, and the file of heads too. A copy of it that lies elsewhere tells of a chain that was
/// made anew with both, which is a chain like any other by itself.
#[tokio::test]
async fn row_110_a_chain_made_anew_with_the_true_keys_is_not_the_one_whose_heads_lie_elsewhere() {
    let house = House::new().await;
    house.sign_ins(6).await;
    let (db, dir) = house.stop().await;
    let heads = dir.path().join("audit/head.jsonl");
    let elsewhere = std::fs::read(&heads).expect("heads");
    db.admin().await.batch_execute("DELETE FROM audit.log; DELETE FROM audit.head").await.expect("emptied");
    std::fs::remove_file(&heads).expect("removed");
    let house = House::around(db, dir, &[]).await;
    house.sign_ins(9).await;
    assert!(house.verify().await.holds() && !house.audit.status().tampered, "by itself it says nothing");
    std::fs::write(&heads, elsewhere).expect("put back");
    named(house.verify().await.first_bad, 3, Tampering::Replaced);
    house.stop().await;
}

#[tokio::test]
async fn row_110_a_forged_head_is_named() {
    named(after("UPDATE audit.head SET node = 'elsewhere' WHERE seq = 6").await, 6, Tampering::ForgedHead);
}

#[tokio::test]
async fn row_110_a_cut_tail_that_grew_again_is_reported_by_the_sequencer_and_named() {
    let house = House::new().await;
    house.sign_ins(12).await;
    house.superuser("DELETE FROM audit.log WHERE seq > 7; DELETE FROM audit.head WHERE seq > 7").await;
    house.sign_ins(6).await;
    assert!(house.audit.status().tampered);
    assert!(house.all().await.iter().any(|entry| entry.body.contains(Event::TamperingFound.name())));
    named(house.verify().await.first_bad, 8, Tampering::Replaced);
    house.stop().await;
}

#[tokio::test]
async fn row_110_a_tail_cut_and_replaced_while_the_server_is_down_is_found_at_the_next_start() {
    let house = House::new().await;
    house.sign_ins(12).await;
    let (db, dir) = house.stop().await;
    db.admin()
        .await
        .batch_execute("DELETE FROM audit.log WHERE seq > 7; DELETE FROM audit.head WHERE seq > 7")
        .await
        .expect("cut");
    let house = House::around(db, dir, &[]).await;
    house.audit.settle().await.expect("settled");
    assert!(house.audit.status().tampered);
    named(house.verify().await.first_bad, 8, Tampering::Replaced);
    house.stop().await;
}

#[tokio::test]
async fn row_110_a_database_put_back_to_an_older_state_is_named() {
    let house = House::new().await;
    house.sign_ins(6).await;
    house
        .superuser("CREATE TABLE old_log AS TABLE audit.log; CREATE TABLE old_head AS TABLE audit.head")
        .await;
    house.sign_ins(6).await;
    house
        .superuser("DELETE FROM audit.log; DELETE FROM audit.head; INSERT INTO audit.log TABLE old_log; INSERT INTO audit.head TABLE old_head")
        .await;
    named(house.verify().await.first_bad, 7, Tampering::CutTail);
    house.stop().await;
}

#[tokio::test]
async fn row_110_an_entry_put_into_the_inbox_by_a_superuser_is_never_chained() {
    let house = House::new().await;
    house.sign_ins(3).await;
    house
        .superuser(
            "INSERT INTO audit.inbox (id, salt, origin, body) SELECT gen_random_uuid(), salt, sha256(salt),
             replace(body, 'user:1', 'user:6') FROM audit.log WHERE seq = 2",
        )
        .await;
    house.sign_ins(1).await;
    house.audit.settle().await.expect("settled");
    assert!(house.audit.status().tampered);
    let verdict = house.verify().await;
    assert!(verdict.holds() && verdict.waiting == 1, "{verdict:?}");
    assert!(house.all().await.iter().all(|entry| !entry.body.contains("\"actor\":\"user:6\"")));
    house.stop().await;
}

#[tokio::test]
async fn row_110_a_clock_that_went_back_is_recorded_and_named() {
    let house = House::new().await;
    house.clock.advance(Duration::from_secs(3_600));
    house.sign_ins(6).await;
    let (db, dir) = house.stop().await;
    // A second start an hour earlier: somebody set the machine's clock back.
    let house = House::around(db, dir, &[]).await;
    house.audit.record_alone(Entry::named("user:1", Event::Login)).await.expect("recorded");
    house.audit.settle().await.expect("chained");
    house.audit.settle().await.expect("chained");
    named(house.verify().await.first_bad, 7, Tampering::ClockWentBack);
    assert!(house.all().await.iter().any(|entry| entry.body.contains(Event::ClockWentBack.name())));
    house.stop().await;
}

#[tokio::test]
async fn row_110_a_second_cut_is_reported_like_the_first() {
    let house = House::new().await;
    house.sign_ins(6).await;
    for _ in 0..2 {
        house.superuser("DELETE FROM audit.log WHERE seq > 3; DELETE FROM audit.head WHERE seq > 3").await;
        house.sign_ins(3).await;
        let report = Event::TamperingFound.name();
        let reports = house.all().await.iter().filter(|entry| entry.body.contains(report)).count();
        assert_eq!(reports, 1, "the second cut took the first report away");
        named(house.verify().await.first_bad, 4, Tampering::Replaced);
    }
    house.stop().await;
}
