//! Controls 93, 94, 98 and attack row 111: the file takes what the configuration says, where a log may be.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use audit::{Entry, Event};
use testkit::Database;

use crate::house::{House, mock_clock, open};

async fn refusal(db: &Database, dir: &tempfile::TempDir, path: &Path) -> Option<audit::Error> {
    let path = path.to_str().expect("text");
    open(db, dir, mock_clock().clock(), &[("logging.audit_log_file", path)]).await.err()
}

#[tokio::test]
async fn row_111_a_path_where_no_log_belongs_is_refused() {
    let db = Database::new(audit::MIGRATIONS).await;
    let dir = tempfile::tempdir().expect("a directory");
    let (data, elsewhere) = (dir.path(), tempfile::tempdir().expect("a directory"));
    let outside = elsewhere.path();
    symlink("/etc", outside.join("link")).expect("linked");
    symlink("/etc/passwd", outside.join("link.log")).expect("linked");
    std::fs::write(outside.join("run.log"), "#!/bin/sh").expect("written");
    std::fs::set_permissions(outside.join("run.log"), std::fs::Permissions::from_mode(0o755)).expect("set");
    let bad = [
        "audit.log".into(),
        data.join("functions/audit.log"),
        data.join("config/../logs/audit.log"),
        data.join("audit/head.jsonl"),
        data.join("pg/audit.log"),
        "/etc/cron.d/audit.log".into(),
        "/usr/local/bin/audit.log".into(),
        outside.join("audit.sh"),
        outside.join("palisade.yaml"),
        outside.join("plugin.so"),
        outside.join("link/audit.log"),
        outside.join("link.log"),
        outside.join("run.log"),
    ];
    for path in bad {
        let refused = refusal(&db, &dir, &path).await;
        assert!(matches!(refused, Some(audit::Error::SinkPath { .. })), "{}: {refused:?}", path.display());
    }
    for path in [data.join("logs/audit.log"), outside.join("deep/er/audit.jsonl")] {
        assert!(refusal(&db, &dir, &path).await.is_none(), "{}", path.display());
    }
}

#[tokio::test]
async fn the_file_holds_every_entry_once_over_a_restart_and_only_its_owner_reads_it() {
    let logs = tempfile::tempdir().expect("a directory");
    let file = logs.path().join("audit.jsonl");
    let given = [("logging.audit_log_file", file.to_str().expect("text"))];
    let house = House::with(&given).await;
    house.sign_ins(4).await;
    let (db, dir) = house.stop().await;
    let house = House::around(db, dir, &given).await;
    house.sign_ins(2).await;
    let written = std::fs::read_to_string(&file).expect("written");
    let places: Vec<i64> = written
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).expect("JSON")["seq"].as_i64().expect("a place")
        })
        .collect();
    assert_eq!(places, [1, 2, 3, 4, 5, 6]);
    assert_eq!(std::fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o600);
    house.stop().await;
}

#[tokio::test]
async fn a_file_moved_away_by_log_rotation_is_made_anew() {
    let logs = tempfile::tempdir().expect("a directory");
    let file = logs.path().join("audit.log");
    let house = House::with(&[("logging.audit_log_file", file.to_str().expect("text"))]).await;
    house.sign_ins(1).await;
    std::fs::rename(&file, logs.path().join("audit.log.1")).expect("rotated");
    house.sign_ins(1).await;
    assert_eq!(std::fs::read_to_string(&file).expect("anew").lines().count(), 1);
    house.stop().await;
}

#[tokio::test]
async fn the_listed_events_go_to_the_file_and_all_to_the_chain() {
    let logs = tempfile::tempdir().expect("a directory");
    let file = logs.path().join("audit.log");
    let house = House::with(&[
        ("logging.audit_log_file", file.to_str().expect("text")),
        ("logging.audit_events", "auth.login, admin"),
    ])
    .await;
    for event in [Event::Login, Event::Logout, Event::RoleChange, Event::LoginFailed] {
        house.audit.record_alone(Entry::named("user:1", event)).await.expect("recorded");
    }
    house.audit.settle().await.expect("chained");
    let written = std::fs::read_to_string(&file).expect("written");
    assert_eq!(written.lines().count(), 2, "{written}");
    assert!(written.contains("\"auth.login\"") && written.contains("\"admin.role_change\""));
    assert_eq!(house.all().await.len(), 4);
    house.stop().await;
}

#[tokio::test]
async fn the_level_adds_detail_and_never_drops_a_security_event() {
    for (level, in_file, in_chain) in [("debug", 4, 4), ("info", 3, 3), ("error", 2, 3)] {
        let logs = tempfile::tempdir().expect("a directory");
        let file = logs.path().join("audit.log");
        let given =
            [("logging.audit_log_file", file.to_str().expect("text")), ("logging.audit_log_level", level)];
        let house = House::with(&given).await;
        // A security event, a detail, an ordinary event, a must-audit event of an ordinary group.
        for event in [Event::Login, Event::PasswordRefused, Event::PostureChecked, Event::ServerStarted] {
            house.audit.record_alone(Entry::named("user:1", event)).await.expect("recorded");
        }
        house.audit.settle().await.expect("chained");
        assert_eq!(std::fs::read_to_string(&file).expect("written").lines().count(), in_file, "{level}");
        assert_eq!(house.all().await.len(), in_chain, "{level}");
        house.stop().await;
    }
}

#[test]
fn what_is_always_on_cannot_be_set_to_off() {
    let off = base::setting::Value::Scalar("off".into());
    for name in ["logging.audit_enabled", "logging.log_auth_events", "logging.log_admin_actions"] {
        let definition = audit::SETTINGS.iter().find(|setting| setting.name == name).expect("declared");
        assert!(definition.refusal(&off).is_some_and(|refused| refused.control >= 92), "{name}");
    }
}

#[test]
fn every_default_is_accepted_by_its_own_definition() {
    for setting in audit::SETTINGS {
        if let Some(default) = setting.default {
            setting.accept(&base::setting::Value::Scalar(default.into())).expect(setting.name);
        }
    }
}
