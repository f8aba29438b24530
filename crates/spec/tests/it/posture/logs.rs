//! The files and the level of the program's own log, on the running program: the log of a test's own process is nobody's.

use std::os::unix::fs::PermissionsExt as _;

use spec::Palisade;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

use super::never;

async fn run(palisade: &Palisade, words: &[&str]) -> (i32, String) {
    let output = palisade.command(words).await;
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8_lossy(&said).into_owned())
}

const PROVEN: i32 = 0;
const FAILING: i32 = 3;

#[track_caller]
fn is((code, said): (i32, String), expected: i32, line: &str) {
    assert_eq!(code, expected, "{said}");
    assert!(said.contains(line), "no \"{line}\" in {said}");
}

#[tokio::test]
async fn a_level_that_is_not_obeyed_or_changed_in_secret_or_by_anybody_is_seen() {
    let palisade = Palisade::start("serve", &["--auth.autoconfirm", "true"]).await;
    let check = ["check", "102"];
    is(run(&palisade, &check).await, PROVEN, "at debug a line of level debug is in the log");

    let socket = palisade.data().join("control.sock");
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o666)).unwrap();
    is(run(&palisade, &check).await, FAILING, "open to its owner only: 666");
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600)).unwrap();

    let behind = palisade.data().join("behind.sock");
    std::fs::rename(&socket, &behind).unwrap();
    let listener = UnixListener::bind(&socket).unwrap();
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600)).unwrap();
    let deaf = tokio::spawn(swallow_changes(listener, behind.clone()));
    is(run(&palisade, &check).await, FAILING, "at debug a line of level debug is not in the log (200)");
    deaf.abort();
    std::fs::rename(&behind, &socket).unwrap();

    let url = &palisade.ready.database_url;
    let (admin, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let secretly = never("INSERT", "audit.inbox", "new.body LIKE '%config.log_level_changed%'");
    admin.batch_execute(&secretly).await.unwrap();
    is(run(&palisade, &check).await, FAILING, "0 changes recorded");
    admin.batch_execute("DROP TRIGGER aaa_never ON audit.inbox").await.unwrap();
    is(run(&palisade, &check).await, PROVEN, "the level is info again");
    assert!(palisade.stop().await.success());
}

/// Says yes to every change and makes none.
async fn swallow_changes(listener: UnixListener, behind: std::path::PathBuf) {
    while let Ok((mut client, _)) = listener.accept().await {
        let behind = behind.clone();
        tokio::spawn(async move {
            let mut asked = vec![0; 65_536];
            let read = client.read(&mut asked).await.unwrap();
            asked.truncate(read);
            if asked.starts_with(b"PUT /log-level") {
                let yes = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
                client.write_all(yes).await.unwrap();
                client.shutdown().await.unwrap();
                // The body may still be on its way: hanging up on it would look like a server that is gone.
                let _ = client.read_to_end(&mut asked).await;
                return;
            }
            let mut server = UnixStream::connect(behind).await.unwrap();
            server.write_all(&asked).await.unwrap();
            // Either side may hang up first.
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        });
    }
}

#[tokio::test]
async fn the_operator_changes_what_the_log_says_and_reads_it() {
    let palisade = Palisade::start("serve", &["--logging.level", "warn"]).await;
    let path = "/no/such/page";
    let ask = async || {
        let address = palisade.ready.url.strip_prefix("http://").unwrap().parse().unwrap();
        spec::Client::new(address, std::net::Ipv4Addr::LOCALHOST.into()).get(path).await
    };
    ask().await.expect(404);
    assert!(!run(&palisade, &["log"]).await.1.contains(path), "an answered request is no warning");

    is(run(&palisade, &["log-level", "info"]).await, 0, "info from now on; before it was warn");
    let id = ask().await.expect(404).header("x-request-id").to_owned();
    is(run(&palisade, &["log"]).await, 0, &id);
    assert!(palisade.output().contains(&id), "what is kept is what was written");
    is(run(&palisade, &["audit", "list", "--event", "config"]).await, 0, "config.log_level_changed");

    is(run(&palisade, &["log-level", "loud"]).await, 1, "it is one of error, warn, info, debug, trace");
    assert!(palisade.stop().await.success());
}

#[tokio::test]
async fn a_stream_that_is_readable_for_others_silent_or_diverted_is_seen() {
    let palisade = Palisade::start("serve", &["--auth.autoconfirm", "true"]).await;
    let check = ["check", "100"];
    is(run(&palisade, &check).await, PROVEN, "0 of 4 secrets that were sent stand in the files");
    let logs = palisade.data().join("logs");

    let combined = logs.join("combined.log");
    std::fs::set_permissions(&combined, std::fs::Permissions::from_mode(0o644)).unwrap();
    is(run(&palisade, &check).await, FAILING, "combined.log is open to its owner only: 644");
    std::fs::set_permissions(&combined, std::fs::Permissions::from_mode(0o600)).unwrap();

    for (name, missing) in [
        ("combined.log", "combined.log says of the failed request"),
        ("error.log", "error.log says of the failed request"),
    ] {
        let (path, aside) = (logs.join(name), logs.join("aside"));
        std::fs::rename(&path, &aside).unwrap();
        std::os::unix::fs::symlink("/dev/null", &path).unwrap();
        let (code, said) = run(&palisade, &check).await;
        assert!(
            code == FAILING && said.lines().any(|line| line.contains(missing) && line.ends_with("nothing")),
            "{said}"
        );
        std::fs::rename(&aside, &path).unwrap();
    }

    run(&palisade, &["log-level", "warn"]).await;
    is(run(&palisade, &check).await, FAILING, "its user_id is not there");
    run(&palisade, &["log-level", "info"]).await;
    is(run(&palisade, &check).await, PROVEN, "its level is INFO");
    assert!(palisade.stop().await.success());
}

#[tokio::test]
async fn the_files_are_lines_of_json_where_people_read_the_terminal_and_outlive_a_restart() {
    let palisade = Palisade::start("dev", &[]).await;
    let combined = palisade.data().join("logs/combined.log");
    let address = palisade.ready.url.strip_prefix("http://").unwrap().parse().unwrap();
    let client = spec::Client::new(address, std::net::Ipv4Addr::LOCALHOST.into());
    let id = client.get("/health").await.expect(200).header("x-request-id").to_owned();
    let there = async || {
        while !std::fs::read_to_string(&combined).unwrap().contains(&id) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(5), there()).await.unwrap();
    let palisade = palisade.kill_and_start_again("dev", &[]).await;
    let text = std::fs::read_to_string(combined).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    assert!(lines.iter().any(|line| line["request_id"] == id && line["status"] == 200), "{text}");
    assert!(!palisade.output().contains("{\"timestamp\""), "people are spared JSON");
    assert!(palisade.stop().await.success());
}

#[tokio::test]
async fn a_store_that_lines_are_gathered_for_is_behind_by_that_and_no_more() {
    let store = spec::Double::start().await;
    store.answer("/bucket/", serde_json::json!({}));
    let url = format!("{}/bucket", store.url);
    let flags = ["--logging.s3_url", &url, "--logging.s3_access_key_id", "id", "--logging.s3_every", "20s"];
    let flags = [&flags[..], &["--outbound.allow", "127.0.0.1", "--auth.autoconfirm", "true"]].concat();
    let secret = [("PALISADE_LOGGING_S3_SECRET_ACCESS_KEY".to_owned(), "a-secret".to_owned())];
    let palisade = Palisade::start_told("serve", &flags, &secret).await;
    let put = async || {
        while !store.asked().iter().any(|asked| asked.line.contains("/audit/")) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), put()).await.unwrap();
    // Just put, and the next time comes later than the probe waits.
    is(run(&palisade, &["check", "99"]).await, PROVEN, "s3 has confirmed entry");
    assert!(palisade.stop().await.success());
}

#[tokio::test]
async fn logs_that_do_not_leave_are_seen() {
    let mut server = spec::syslog::Rsyslog::start(spec::syslog::Wire::Tcp).await;
    let address = server.address();
    let flags =
        ["--auth.autoconfirm", "true", "--logging.syslog_address", &address, "--outbound.allow", "127.0.0.1"];
    let palisade = Palisade::start("serve", &flags).await;
    let check = ["check", "99"];
    is(run(&palisade, &check).await, PROVEN, "syslog has confirmed entry");

    let combined = palisade.data().join("logs/combined.log");
    let aside = combined.with_extension("aside");
    std::fs::rename(&combined, &aside).unwrap();
    std::os::unix::fs::symlink("/dev/null", &combined).unwrap();
    is(
        run(&palisade, &check).await,
        FAILING,
        "NOT SO: a sign-in arrives from the audit log, and its request from the log",
    );
    std::fs::rename(&aside, &combined).unwrap();

    server.go_away().await;
    is(run(&palisade, &check).await, FAILING, "NOT SO: syslog has confirmed entry");
    server.go_on().await;
    // On a busy machine one check takes half a minute, and the receiver is tried again within as much.
    let again = async || {
        while run(&palisade, &check).await.0 != PROVEN {}
    };
    tokio::time::timeout(std::time::Duration::from_secs(300), again()).await.unwrap();
    assert!(palisade.stop().await.success());
}
