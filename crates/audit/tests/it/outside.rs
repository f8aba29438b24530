//! Nobody but this server appends or reads: not callers' SQL, not the system login on its own.

use audit::{Entry, Event};
use pg::{Mode, Setup};

use crate::house::{AUDIT, House, as_role, person};

/// `insufficient_privilege`, whether PostgreSQL says it or our door.
const NOT_ALLOWED: &str = "42501";

/// What somebody may try, with SQL of their own, to append, read, change or learn.
const TRIES: &[&str] = &[
    "INSERT INTO audit.inbox (id, salt, origin, body) VALUES (gen_random_uuid(), '\\x00', '\\x00', '{}')",
    "INSERT INTO audit.log SELECT * FROM audit.log",
    "SELECT audit.append(ARRAY[gen_random_uuid()], ARRAY['\\x00112233445566778899aabbccddeeff'::bytea], ARRAY[sha256('x')], ARRAY['{}'], ARRAY[sha256('x')])",
    "SELECT audit.append('{}', '{}', '{}', '{}', '{}')",
    "SELECT audit.append(NULL, NULL, NULL, NULL, NULL)",
    "SELECT audit.proof('x')",
    "SELECT * FROM audit.door",
    "UPDATE audit.log SET actor = 'x'",
    "DELETE FROM audit.log",
    "DELETE FROM audit.inbox",
    "TRUNCATE audit.log",
    "DROP TABLE audit.log",
    "ALTER TABLE audit.log DISABLE ROW LEVEL SECURITY",
    "CREATE TRIGGER t BEFORE INSERT ON audit.inbox EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "CREATE OR REPLACE FUNCTION audit.append(uuid[], bytea[], bytea[], text[], bytea[]) RETURNS void LANGUAGE sql AS ''",
    "SELECT audit.chain(0, '\\x00', now(), '{}', '{}', '{}', '{}', 'n', '\\x00', '\\x00')",
    "SET ROLE palisade_audit",
];

#[tokio::test]
async fn callers_sql_can_neither_append_nor_read() {
    let house = House::new().await;
    house.sign_ins(3).await;
    let reads = [
        "SELECT * FROM audit.log",
        "SELECT * FROM audit.inbox",
        "SELECT * FROM audit.head",
        "SELECT * FROM audit.take_turn()",
    ];
    for role in ["anon", "authenticated", "service_role"] {
        for sql in TRIES.iter().chain(&reads) {
            let mut tx =
                house.db.pg().begin(&as_role(role), Mode::Write, Setup::default()).await.expect("begun");
            let refused = tx.query(sql, []).await.expect_err(sql);
            assert!(refused.is(NOT_ALLOWED), "{role}: {sql}: {refused:?}");
        }
    }
    assert!(house.verify().await.holds());
    assert_eq!(house.all().await.len(), 3);
    house.stop().await;
}

#[tokio::test]
async fn the_system_login_reads_but_appends_and_changes_nothing_on_its_own() {
    let house = House::new().await;
    house.sign_ins(3).await;
    for sql in TRIES {
        let mut tx = house.db.pg().begin_system(AUDIT).await.expect("begun");
        let refused = tx.query(sql, []).await.expect_err(sql);
        assert!(refused.is(NOT_ALLOWED), "palisade_system: {sql}: {refused:?}");
    }
    assert_eq!(house.all().await.len(), 3);
    house.stop().await;
}

#[tokio::test]
async fn a_proof_that_was_used_does_not_work_again() {
    let house = House::new().await;
    house.sign_ins(1).await;
    // The strongest replay: everything of a chained entry, and the proof computed by who can read the door.
    let replay = "SELECT audit.append(ARRAY[l.id], ARRAY[l.salt], ARRAY[l.hash], ARRAY[l.body],
        ARRAY[audit.proof(uuid_send(l.id) || l.salt || l.hash || convert_to(l.body, 'UTF8'))]) FROM audit.log l";
    let refused = house.db.admin().await.batch_execute(replay).await.expect_err("a replay");
    assert!(format!("{refused:?}").contains("only through the door"), "{refused:?}");
    house.stop().await;
}

#[tokio::test]
async fn a_callers_own_transaction_records_through_the_door() {
    let house = House::new().await;
    let mut tx = house.db.pg().begin(&person(), Mode::Write, Setup::default()).await.expect("begun");
    house.audit.record(&mut tx, Entry::by(&person(), Event::UserUpdated)).await.expect("recorded");
    tx.commit(()).await.expect("committed").into_inner();
    house.audit.settle().await.expect("chained");
    let all = house.all().await;
    assert!(
        all[0].body.contains("user:00000000-0000-4000-8000-000000000001")
            && all[0].body.contains("auth.user_updated")
    );
    house.stop().await;
}

#[tokio::test]
async fn another_root_key_does_not_open_the_log() {
    let house = House::new().await;
    let clock = house.clock.clock();
    let opened = crate::house::open_with_root(&house.db, &house.dir, clock, &[], 8).await;
    assert!(matches!(opened.err(), Some(audit::Error::OtherRootKey)));
    house.stop().await;
}

#[tokio::test]
async fn every_statement_prepares() {
    let house = House::new().await;
    for sql in audit::sql::ALL {
        house.db.admin().await.prepare(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
    house.stop().await;
}
