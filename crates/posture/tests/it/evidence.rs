//! What the probes saw is kept, and only the latest counts.

use posture::{Posture, State, sql};
use testkit::Database;

use crate::place::lay;
use crate::server::{Does, start};

#[tokio::test]
async fn every_statement_is_one_the_database_understands() {
    let database = Database::new(posture::MIGRATIONS).await;
    let admin = database.admin().await;
    for statement in sql::ALL {
        admin.prepare(statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
}

#[tokio::test]
async fn a_check_keeps_its_evidence_and_the_next_one_replaces_it_in_the_report() {
    let database = Database::new(posture::MIGRATIONS).await;
    let good = lay(start(Does::everything()).await, database.target(), "exit 78");
    let bad = lay(start(Does::everything().without("x-frame-options")).await, database.target(), "exit 78");

    let first = Posture::new(database.pg(), good.bench.place.clone()).check(76).await.unwrap();
    assert_eq!(first.state, State::Proven, "{}", first.evidence);
    assert!(first.evidence.contains("x-frame-options: DENY") && first.at.is_some());

    let posture = Posture::new(database.pg(), bad.bench.place.clone());
    assert_eq!(posture.check(76).await.unwrap().state, State::Failing);

    let latest = posture.latest().await.unwrap();
    assert_eq!(latest.len(), 150);
    assert_eq!(latest[75].state, State::Failing);
    assert_eq!(latest.iter().filter(|proof| proof.state == State::NotBuilt).count(), 149);
    let kept: i64 =
        database.admin().await.query_one("SELECT count(*) FROM posture.evidence", &[]).await.unwrap().get(0);
    assert_eq!(kept, 2, "the evidence of before is still there");
}

#[tokio::test]
async fn a_control_that_is_not_built_has_no_evidence_and_one_that_does_not_exist_is_refused() {
    let database = Database::new(posture::MIGRATIONS).await;
    let laid = lay(start(Does::everything()).await, database.target(), "exit 78");
    let posture = Posture::new(database.pg(), laid.bench.place.clone());
    let Some(later) =
        posture::controls::all().find(|control| posture::probes::find(control.number).is_none())
    else {
        return;
    };
    let proof = posture.check(later.number).await.unwrap();
    assert_eq!((proof.state, proof.evidence.as_str()), (State::NotBuilt, ""));
    assert!(posture.check(151).await.is_err());
}

#[tokio::test]
async fn callers_can_neither_read_nor_forge_evidence() {
    let database = Database::new(posture::MIGRATIONS).await;
    for role in ["anon", "authenticated", "service_role"] {
        let client = database.acting(role).await;
        let read = client.batch_execute("SELECT * FROM posture.evidence").await;
        let forged = client.batch_execute("INSERT INTO posture.evidence (control, state, evidence, taken_at) VALUES (1, 'proven', '', now())").await;
        assert!(read.is_err() && forged.is_err(), "{role}");
    }
}
