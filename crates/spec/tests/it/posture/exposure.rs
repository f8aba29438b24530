//! What others can reach: each protection taken away on the running instance, without a door to the real network.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use posture::State;
use spec::TestApp;
use tokio::net::TcpListener;

use super::{bench, is, look, look_from, misses};

/// A child that listens for everybody, in a network of its own that nobody else is in.
pub async fn listens_for_everybody(port: u16) -> tokio::process::Child {
    let script = format!(
        "import socket,time\ns=socket.socket()\ns.bind(('0.0.0.0',{port}))\ns.listen()\nprint('up',flush=True)\ntime.sleep(600)"
    );
    let mut child = tokio::process::Command::new("unshare")
        .args(["-rn", "python3", "-c", &script])
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut up = [0; 2];
    tokio::io::AsyncReadExt::read_exact(child.stdout.as_mut().unwrap(), &mut up).await.unwrap();
    child
}

#[tokio::test]
async fn something_of_ours_that_listens_for_everybody_is_seen() {
    let apart = tokio::process::Command::new("unshare").args(["-rn", "true"]).output().await;
    if !apart.is_ok_and(|output| output.status.success()) {
        assert!(!nix::unistd::geteuid().is_root(), "root makes networks");
        println!("skipped: this user may not make a network of their own, and tests listen on loopback only");
        return;
    }
    let app = TestApp::start().await;
    // This process is the server here, and what other tests start is its child too.
    let _alone = crate::LISTENING_CHILDREN.write().await;
    is(&look(&app, 66).await, State::Proven, "as it is");
    let mut child = listens_for_everybody(6_379).await;
    misses(&look(&app, 66).await, "a child of the server that listens on every address");
    // A door for administrators is meant to be there.
    let mut with_door = bench(&app);
    with_door.place.admins = Some(([10, 0, 0, 5], 6_379).into());
    is(&look_from(with_door, 66).await, State::Proven, "where administrators are answered");
    child.kill().await.unwrap();
    child.wait().await.unwrap();
    is(&look(&app, 66).await, State::Proven, "gone again");
}

/// The program, with what it says edited.
fn edited(folder: &Path, edit: &str) -> PathBuf {
    let path = folder.join("palisade");
    let script = format!("#!/bin/sh\n{} \"$@\" | sed -E '{edit}'\n", spec::program::binary().display());
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[tokio::test]
async fn a_report_that_leaves_something_out_or_embellishes_is_seen() {
    let app = TestApp::start().await;
    let folder = tempfile::TempDir::new().unwrap();
    let known = look(&app, 67).await;
    // Whatever else listens on the machine that tests run on is its owner's.
    assert!([State::Proven, State::NeedsYou].contains(&known.state), "{}", known.evidence);
    is(&look(&app, 69).await, State::Proven, "as it is");

    let mut silent = bench(&app);
    silent.place.program = edited(folder.path(), r#"s/"evidence":"[^"]*"/"evidence":""/"#);
    misses(&look_from(silent, 69).await, "without evidence");

    let listens_elsewhere = exposure::listeners().iter().any(|listener| !listener.is_loopback());
    if listens_elsewhere {
        for control in [67, 69] {
            let mut blind = bench(&app);
            blind.place.program = edited(folder.path(), r#"s/"exposures":\[[^]]*\]/"exposures":[]/"#);
            misses(&look_from(blind, control).await, "listeners left out");
        }
    } else {
        println!("skipped: nothing on this machine listens off loopback, so nothing can be left out");
    }
}

#[tokio::test]
async fn a_database_that_answers_over_tcp_is_seen() {
    let app = TestApp::start().await;
    is(&look(&app, 68).await, State::Proven, "as it is");
    let admin = app.database.admin().await;
    let text =
        async |what: &str| admin.query_one(&format!("SHOW {what}"), &[]).await.unwrap().get::<_, String>(0);
    let port: u16 = text("port").await.parse().unwrap();
    let socket = format!("{}/.s.PGSQL.{port}", text("unix_socket_directories").await);
    // A relay to its socket, as a forwarded port would be.
    let relay = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let task = tokio::spawn(async move {
        while let Ok((mut client, _)) = relay.accept().await {
            let mut server = tokio::net::UnixStream::connect(&socket).await.unwrap();
            // Either side may hang up first.
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        }
    });
    misses(&look(&app, 68).await, "a relay to its socket");
    task.abort();
}
