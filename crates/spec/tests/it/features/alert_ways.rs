//! An operator's own rule, from a `palisade.yaml`, in the running program: told by a real mail server, a webhook, a chat and
//! the system's log; collected, silenced, and with the contacts as the guide prints them.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use spec::{Client, Palisade, clients};

use super::alerts::listen;

/// Mails to `to` that the server caught, without its line breaks.
fn mails(place: &Path, to: &str) -> Vec<String> {
    let mut files: Vec<_> = std::fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |path: &std::path::PathBuf| {
        std::fs::read_to_string(path).unwrap_or_default().replace("=\r\n", "").replace("=\n", "")
    };
    let caught = files.iter().filter(|path| path.extension().is_some_and(|end| end == "eml")).map(read);
    caught.filter(|mail| mail.contains(&format!("To: {to}"))).collect()
}

async fn eventually(mut is_so: impl FnMut() -> bool, what: impl Fn() -> String) {
    for _ in 0..1_200 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("not within thirty seconds: {}", what());
}

async fn said(palisade: &Palisade, words: &[&str]) -> String {
    let output = palisade.command(words).await;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(output.status.success(), "{words:?}: {text}");
    text
}

/// A `palisade.yaml` with a rule of its own and every way to tell.
fn configured(place: &Path, port: &str, hooks: u16) -> std::path::PathBuf {
    let contacts = place.join("contacts.yaml");
    std::fs::write(&contacts, include_str!("../../../../../docs/guides/snippets/contacts.yaml")).unwrap();
    let config = place.join("palisade.yaml");
    let yaml = format!(
        "email:\n  smtp_host: localhost\n  smtp_port: {}\n  smtp_ca_file: {ca}\n  from_address: palisade@example.com\n\
         outbound:\n  allow: [\"127.0.0.1:{hooks}\"]\n\
         alerts:\n  rules:\n    - name: own_keys\n      events: [key.created]\n      action: notify_admin\n  email: [oncall@example.com]\n  \
         webhook_url: http://127.0.0.1:{hooks}/hook\n  webhook_secret: v1,whsec_CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJ\n  \
         slack_url: http://127.0.0.1:{hooks}/chat\n  syslog_socket: {log}\n  digest: 4s\n  \
         admin_actions: {{ threshold: 1000, window: 1h }}\ncontacts:\n  file: {contacts}\n",
        port.trim(),
        ca = place.join("ca.pem").display(),
        log = place.join("log").display(),
        contacts = contacts.display(),
    );
    std::fs::write(&config, yaml).unwrap();
    config
}

#[tokio::test]
async fn a_rule_of_ones_own_tells_by_every_way_collects_what_follows_and_is_silenced() {
    let place = tempfile::tempdir().unwrap();
    let _server = clients::mail_server(place.path()).await;
    let port = std::fs::read_to_string(place.path().join("port")).unwrap();
    let (hooks, heard) = listen().await;
    let syslog = UnixDatagram::bind(place.path().join("log")).unwrap();
    syslog.set_nonblocking(true).unwrap();
    let lines = || {
        let mut all = Vec::new();
        let mut line = [0; 4_096];
        while let Ok(length) = syslog.recv(&mut line) {
            all.push(String::from_utf8_lossy(&line[..length]).into_owned());
        }
        all
    };
    let config = configured(place.path(), &port, hooks);
    let palisade = Palisade::start("serve", &["--config", config.to_str().unwrap()]).await;
    let rules = said(&palisade, &["alerts", "rules"]).await;
    for told in [
        "own_keys",
        "webhook, chat, syslog",
        "oncall@example.com",
        "security@example.com",
        "infra@example.com",
    ] {
        assert!(rules.contains(told), "{told} in {rules}");
    }
    said(&palisade, &["keys", "create", "first"]).await;
    let to_all = ["oncall@example.com", "security@example.com", "infra@example.com"];
    eventually(|| to_all.iter().all(|to| mails(place.path(), to).len() == 1), || palisade.output()).await;
    let mail = &mails(place.path(), "infra@example.com")[0];
    assert!(
        mail.contains("Subject: Palisade: own_keys")
            && mail.contains("key.created by operator about key:first_"),
        "{mail}"
    );
    assert!(
        mails(place.path(), "researcher@example.com").is_empty(),
        "external contacts are told of nothing"
    );
    eventually(|| heard.lock().unwrap().len() == 2, || "two hooks".to_owned()).await;
    let posts = || heard.lock().unwrap().clone();
    let body = |path: &str, nth: usize| -> Value {
        let posts = posts();
        let of = posts.iter().filter(|(head, _)| head.starts_with(&format!("POST {path} "))).nth(nth);
        of.map(|(_, body)| serde_json::from_str(body).unwrap()).unwrap_or_default()
    };
    assert_eq!(body("/hook", 0)["data"]["alerts"][0]["rule"], "own_keys");
    assert!(body("/chat", 0)["text"].as_str().unwrap().contains("about key:first_"));
    let mut written = lines();
    eventually(
        || {
            written.extend(lines());
            written.len() == 1
        },
        || "a line in the system's log".to_owned(),
    )
    .await;
    assert!(
        written[0].starts_with("<84>1 ") && written[0].contains("own_keys: key.created by operator"),
        "{written:?}"
    );

    // What follows within the digest.
    for name in ["second", "third"] {
        said(&palisade, &["keys", "create", name]).await;
    }
    eventually(
        || mails(place.path(), "oncall@example.com").iter().any(|mail| mail.contains("key:third_")),
        || palisade.output(),
    )
    .await;
    let mails_then = mails(place.path(), "oncall@example.com");
    let collected = mails_then.iter().find(|mail| mail.contains("key:third_")).unwrap();
    assert!(collected.contains("key:second_") && collected.contains("own_keys (2)"), "{collected}");

    // Silenced, nobody is told, and it is listed all the same.
    said(&palisade, &["alerts", "silence", "own_keys", "--for", "1h", "--reason", "a migration"]).await;
    said(&palisade, &["keys", "create", "fourth"]).await;
    let mut listed = String::new();
    for _ in 0..400 {
        listed = said(&palisade, &["alerts", "list"]).await;
        if listed.contains("silenced") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    let of_fourth = listed.lines().find(|line| line.contains("key:fourth_")).unwrap_or_default();
    assert!(of_fourth.contains("told: silenced"), "{listed}");
    said(&palisade, &["alerts", "speak", "own_keys"]).await;
    said(&palisade, &["keys", "create", "fifth"]).await;
    eventually(
        || mails(place.path(), "oncall@example.com").iter().any(|mail| mail.contains("key:fifth_")),
        || palisade.output(),
    )
    .await;
    assert!(!mails(place.path(), "oncall@example.com").iter().any(|mail| mail.contains("key:fourth_")));

    shows_contacts(&palisade).await;
}

/// Whoever found a hole learns whom to tell; nobody outside is named.
async fn shows_contacts(palisade: &Palisade) {
    let address = palisade.ready.url.strip_prefix("http://").unwrap().parse().unwrap();
    let shown =
        Client::new(address, std::net::Ipv4Addr::LOCALHOST.into()).get("/.well-known/security.txt").await;
    let shown = shown.expect(200).text();
    assert!(
        shown.contains("Contact: mailto:security@example.com\r\n")
            && shown.contains("Contact: mailto:infra@example.com\r\n"),
        "{shown}"
    );
    assert!(!shown.contains("researcher"), "{shown}");
    assert!(said(palisade, &["alerts", "contacts"]).await.contains("+1-555-0200"));
}
