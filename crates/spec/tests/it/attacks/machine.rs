//! The machine below (row 118): old minors, authorities that are over, clocks that disagree, files that others read, and memory that
//! leaves: each is a finding, and without it there is none.

use std::os::unix::fs::PermissionsExt as _;

use posture::State;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use spec::{Palisade, TestApp};

use crate::posture::encryption::time_passes;
use crate::posture::{bench, is, look, look_from, misses};

/// What the database says of itself from the next session on: `function` instead of the server's own, which is called `own` then.
async fn says(app: &TestApp, own: &str, function: &str) {
    let (name, _) = own.split_once('(').unwrap();
    let instead = format!(
        "SET allow_system_table_mods = on; ALTER FUNCTION pg_catalog.{own} RENAME TO own_{name};
         CREATE FUNCTION pg_catalog.{function}; RESET allow_system_table_mods"
    );
    app.database.admin().await.batch_execute(&instead).await.unwrap();
}

#[tokio::test]
async fn row_118_a_minor_release_with_known_holes_is_a_finding() {
    let app = TestApp::start().await;
    let own = look(&app, 50).await;
    assert!(matches!(own.state, State::Proven | State::NeedsYou), "{}", own.evidence);
    let old = "current_setting(name text) RETURNS text LANGUAGE sql AS $$
        SELECT CASE name WHEN 'server_version_num' THEN '150008' ELSE pg_catalog.own_current_setting(name) END $$";
    says(&app, "current_setting(text)", old).await;
    let found = look(&app, 50).await;
    misses(&found, "a server of two years ago");
    assert!(found.evidence.contains("NOT SO: PostgreSQL 150008: CVE-"), "{}", found.evidence);
}

#[tokio::test]
async fn row_118_clocks_that_are_more_than_half_a_minute_apart_are_a_finding() {
    let app = TestApp::start().await;
    let own = look(&app, 27).await;
    is(&own, State::Proven, "one machine, one clock");
    assert!(own.evidence.contains("the database's are 0 s apart"), "{}", own.evidence);
    let late = "clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$
        SELECT pg_catalog.own_clock_timestamp() + interval '40 seconds' $$";
    says(&app, "clock_timestamp()", late).await;
    let found = look(&app, 27).await;
    misses(&found, "a database whose clock is ahead");
    assert!(
        found.evidence.contains("NOT SO: this machine's clock and the database's are 40 s apart"),
        "{}",
        found.evidence
    );
}

/// An authority that ends so many days from the clock's now.
fn authority(app: &TestApp, days: i64) -> String {
    let now = std::time::SystemTime::from(app.clock.now());
    let day = std::time::Duration::from_secs(86_400);
    let far = day * u32::try_from(days.unsigned_abs()).unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_before = (now - day * 400).into();
    params.not_after = (if days < 0 { now - far } else { now + far }).into();
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
}

#[tokio::test]
async fn row_118_an_authority_that_is_over_or_will_soon_be_is_a_finding() {
    let app = TestApp::start().await;
    let file = app.data().join("authorities.pem");
    let looked = async |pem: String| {
        std::fs::write(&file, pem).unwrap();
        let mut bench = bench(&app);
        bench.place.authorities = vec![("outbound.ca_file".to_owned(), file.clone())];
        look_from(bench, 3).await
    };
    is(&looked(authority(&app, 365)).await, State::Proven, "for a year");
    let both = authority(&app, -1) + &authority(&app, 365);
    let successor = looked(both).await;
    is(&successor, State::Proven, "one is over, and has a successor");
    assert!(successor.evidence.contains("2 authorities, 1 of them over"), "{}", successor.evidence);
    for (pem, what) in [
        (authority(&app, -1), "over since yesterday"),
        (authority(&app, 7), "over in a week"),
        ("no certificate at all".to_owned(), "a file that holds none"),
    ] {
        let found = looked(pem).await;
        misses(&found, what);
        assert!(found.evidence.contains("NOT SO: outbound.ca_file"), "{}", found.evidence);
    }
    // The program itself tells its probes of each file that settings name.
    let named = TestApp::builder().with("outbound.ca_file", &file.display().to_string());
    std::fs::write(&file, authority(&app, 7)).unwrap();
    let named = named.start().await;
    let proof = named.running.services.posture.check(3).await.unwrap();
    assert!(proof.evidence.contains("NOT SO: outbound.ca_file"), "{}", proof.evidence);
}

#[tokio::test]
async fn row_118_a_key_that_others_may_read_is_a_finding() {
    let app = TestApp::start().await;
    time_passes(&app);
    is(&look(&app, 8).await, State::Proven, "as it is");
    let key = app.data().join("keys/root.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let found = look(&app, 8).await;
    misses(&found, "the root key is open to others");
    assert!(found.evidence.contains("NOT SO: root.key has mode 644"), "{}", found.evidence);
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    is(&look(&app, 8).await, State::Proven, "closed again");
}

#[tokio::test]
async fn row_118_memory_that_a_crash_would_write_down_is_a_finding() {
    let palisade = Palisade::start("dev", &[]).await;
    let check = async || {
        let told = palisade.command(&["check", "101"]).await;
        String::from_utf8_lossy(&told.stdout).into_owned()
    };
    let own = check().await;
    let kept = "a crash of this program writes at most 0 bytes of memory, of the kinds 00000000";
    assert!(own.contains(kept) && !own.contains(&format!("NOT SO: {kept}")), "{own}");
    // The database it started is bound as well.
    let pid = palisade.pid().unwrap();
    let filter = |pid: u32| format!("/proc/{pid}/coredump_filter");
    let database: u32 = {
        let file = std::fs::read_to_string(palisade.data().join("postgres/cluster/postmaster.pid"));
        file.unwrap().lines().next().unwrap().parse().unwrap()
    };
    let bound = std::fs::read_to_string(format!("/proc/{database}/limits")).unwrap();
    assert!(
        bound.lines().any(|line| line.starts_with("Max core file size") && line.contains(" 0 ")),
        "{bound}"
    );
    assert_eq!(std::fs::read_to_string(filter(database)).unwrap().trim(), "00000000");

    std::fs::write(filter(pid), "0x33").unwrap();
    let open = check().await;
    assert!(
        open.contains(
            "NOT SO: a crash of this program writes at most 0 bytes of memory, of the kinds 00000033"
        ),
        "{open}"
    );
    // What may be swapped to a disk in clear is told too, as the kernel lists it on this machine.
    let swaps = std::fs::read_to_string("/proc/swaps").unwrap_or_default();
    let told = if swaps.lines().count() > 1 { "memory" } else { "no memory is swapped to a disk in clear" };
    assert!(open.contains(told), "{open}");
    assert!(palisade.stop().await.success());
}
