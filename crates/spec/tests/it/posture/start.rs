//! What the program refuses to start with, seen with a script around the real one that takes the refusal away; and a
//! database server that was made without checksums.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use base::Rng;
use pg::managed::{Durability, ManagedConfig, Server};
use posture::State;
use spec::TestApp;
use tempfile::TempDir;

use super::{bench, is, look, look_from, misses};

/// Proven with the program, failing with each of the `scripts` around it; `$PROGRAM` is the real one.
pub async fn fails_around(control: u16, scripts: &[&str], begin: impl FnOnce(&TestApp)) {
    fails_around_with(control, scripts, begin, |_| ()).await;
}

/// The same with a bench that `change` made different.
pub async fn fails_around_with(
    control: u16,
    scripts: &[&str],
    begin: impl FnOnce(&TestApp),
    change: impl Fn(&mut posture::Bench),
) {
    let app = TestApp::start().await;
    begin(&app);
    let laid = || {
        let mut bench = bench(&app);
        change(&mut bench);
        bench
    };
    is(&look_from(laid(), control).await, State::Proven, "as it is");
    let folder = TempDir::new().unwrap();
    let around = folder.path().join("palisade");
    for script in scripts.iter().chain([&UNCHANGED]) {
        let text = format!("#!/bin/sh\nPROGRAM={}\n{script}\n", spec::program::binary().display());
        std::fs::write(&around, text).unwrap();
        std::fs::set_permissions(&around, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut wrapped = laid();
        wrapped.place.program = around.clone();
        let finding = look_from(wrapped, control).await;
        match *script {
            UNCHANGED => is(&finding, State::Proven, script),
            _ => misses(&finding, script),
        }
    }
}

const UNCHANGED: &str = r#"exec "$PROGRAM" "$@""#;

#[tokio::test]
async fn a_plaintext_database_elsewhere_that_is_taken_is_seen() {
    fails_around(53, &[r#"unset PALISADE_DATABASE_URL; exec "$PROGRAM" config check"#], |_| ()).await;
}

#[tokio::test]
async fn an_undefined_reference_that_is_filled_in_or_a_value_that_is_printed_is_seen() {
    let filled =
        r#"PROBE_SECRET=${PROBE_SECRET:-kV7-made-up-where-nothing-was-set-q2x} exec "$PROGRAM" "$@""#;
    let printed = r#"echo "$PROBE_SECRET"; exec "$PROGRAM" "$@""#;
    fails_around(115, &[filled, printed], |_| ()).await;
}

#[tokio::test]
async fn a_weak_signing_secret_that_is_passed_over_is_seen() {
    fails_around(116, &[r#"unset JWT_SECRET; exec "$PROGRAM" "$@""#], |_| ()).await;
}

#[tokio::test]
async fn a_secret_file_that_is_not_read_or_is_printed_is_seen() {
    let unread = r#"unset JWT_SECRET_FILE PALISADE_AUTH_JWT_SECRET_FILE; exec "$PROGRAM" "$@""#;
    let printed = r#"[ -r "$JWT_SECRET_FILE" ] && cat "$JWT_SECRET_FILE"; exec "$PROGRAM" "$@""#;
    fails_around(117, &[unread, printed], |_| ()).await;
}

#[tokio::test]
async fn a_server_without_checksums_is_seen() {
    let app = TestApp::start().await;
    is(&look(&app, 59).await, State::Proven, "as it is");
    let folder = TempDir::new().unwrap();
    for change in ["--disable", "--enable"] {
        let stopped = own(&folder).await;
        let tool = stopped.binaries().dir.join("pg_checksums");
        let cluster = stopped.cluster_dir().to_owned();
        stopped.stop().await.unwrap();
        let changed = Command::new(tool).arg(change).arg("-D").arg(cluster).output().unwrap();
        assert!(changed.status.success(), "{}", String::from_utf8_lossy(&changed.stderr));

        let server = own(&folder).await;
        let mut elsewhere = bench(&app);
        elsewhere.place.database = server.admin("postgres");
        let finding = look_from(elsewhere, 59).await;
        match change {
            "--enable" => is(&finding, State::Proven, change),
            _ => misses(&finding, change),
        }
        server.stop().await.unwrap();
    }
}

/// A server of this test's own.
async fn own(folder: &TempDir) -> Server {
    let config = ManagedConfig {
        durability: Durability::Throwaway,
        ..ManagedConfig::new(folder.path().join("server"), Rng::system())
    };
    Server::start(config).await.unwrap()
}
