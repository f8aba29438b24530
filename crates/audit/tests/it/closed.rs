//! Attack row 109: an action that cannot be recorded does not happen.

use audit::{Entry, Event};

use crate::house::{AUDIT, House};

/// An administrator's action with its entry, as features write it.
async fn make_admin(house: &House) -> Result<(), base::Failure> {
    let mut tx = house.db.pg().begin_system(AUDIT).await?;
    tx.query("INSERT INTO things.admins (name) VALUES ('eve')", []).await?;
    house.audit.record(&mut tx, Entry::named("user:1", Event::RoleChange).about("user:2")).await?;
    tx.commit(()).await?.into_inner();
    Ok(())
}

async fn house() -> House {
    let house = House::new().await;
    house
        .superuser(
            "CREATE SCHEMA things AUTHORIZATION palisade_system; CREATE TABLE things.admins (name text);
                    ALTER TABLE things.admins OWNER TO palisade_system",
        )
        .await;
    house
}

async fn admins(house: &House) -> i64 {
    house.db.admin().await.query_one("SELECT count(*) FROM things.admins", &[]).await.expect("counted").get(0)
}

#[tokio::test]
async fn a_log_that_takes_the_entry_lets_the_action_happen() {
    let house = house().await;
    make_admin(&house).await.expect("done");
    assert_eq!(admins(&house).await, 1);
    house.stop().await;
}

#[tokio::test]
async fn row_109_an_action_without_its_entry_is_rolled_back() {
    for broken in [
        "DROP FUNCTION audit.append",
        "REVOKE EXECUTE ON FUNCTION audit.append FROM PUBLIC",
        "REVOKE INSERT ON audit.inbox FROM palisade_audit",
        "ALTER TABLE audit.inbox RENAME TO elsewhere",
        "DELETE FROM audit.door",
    ] {
        let house = house().await;
        house.superuser(broken).await;
        let refused = make_admin(&house).await.expect_err(broken);
        assert!(refused.fault().code().starts_with("audit."), "{broken}: {refused:?}");
        assert_eq!(admins(&house).await, 0, "{broken}");
        house.stop().await;
    }
}

#[tokio::test]
async fn row_109_an_action_is_refused_while_the_head_cannot_be_kept() {
    let house = house().await;
    let head = house.dir.path().join("audit").join("head.jsonl");
    // A directory in the file's place: not even root can append to it.
    std::fs::rename(&head, head.with_extension("away")).ok();
    std::fs::create_dir(&head).expect("made");
    let refused = make_admin(&house).await.expect_err("refused");
    assert_eq!(refused.fault().code(), "audit.unwritable");
    assert_eq!(admins(&house).await, 0);
    std::fs::remove_dir(&head).expect("removed");
    make_admin(&house).await.expect("done again");
    house.stop().await;
}

#[tokio::test]
async fn row_109_a_sign_in_is_refused_once_the_sink_has_failed_and_works_again_after() {
    let logs = tempfile::tempdir().expect("a directory");
    let file = logs.path().join("audit.log");
    let house = House::with(&[("logging.audit_log_file", file.to_str().expect("text"))]).await;
    house.sign_ins(1).await;
    std::fs::remove_file(&file).expect("removed");
    std::fs::create_dir(&file).expect("made");
    house.audit.refused(Entry::named("anonymous", Event::LoginFailed).refused("auth.invalid"));
    house.audit.settle().await.expect("settled");
    assert!(!house.audit.status().sink_ok);
    let refused = house.audit.record_alone(Entry::named("user:1", Event::Login)).await;
    assert!(matches!(refused, Err(audit::Error::Stalled { .. })), "{refused:?}");
    std::fs::remove_dir(&file).expect("removed");
    house.audit.settle().await.expect("settled");
    house.audit.record_alone(Entry::named("user:1", Event::Login)).await.expect("recorded");
    house.audit.settle().await.expect("settled");
    let written = std::fs::read_to_string(&file).expect("written");
    assert!(written.contains("auth.login_failed") && written.lines().count() == 2, "{written}");
    house.stop().await;
}
