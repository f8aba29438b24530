//! Alerts as people get them: the guide's rules, by mail, webhook and chat; collected, silenced, and never to nobody.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use spec::{Client, Person, TestApp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Somebody on this machine, who is no probe.
fn local(app: &TestApp) -> Client {
    app.stranger().at("127.0.0.1")
}

/// Fails to sign in, at an account each.
async fn fail(app: &TestApp, accounts: std::ops::Range<usize>) {
    for n in accounts {
        let seen = Person::sign_in(&local(app), &format!("user{n}@example.com"), "wrong-Password-1!").await;
        // From the thirtieth on the address itself has to wait: refused all the same.
        assert!([400, 429].contains(&seen.status.as_u16()), "{}", seen.text());
    }
    app.running.services.audit.settle().await.unwrap();
}

/// Everything that was raised, newest first.
async fn raised(app: &TestApp) -> Vec<alerts::Raised> {
    app.running.services.alerts.list(50).await.unwrap()
}

#[tokio::test]
async fn ten_failed_logins_within_five_minutes_are_one_mail_and_what_follows_is_collected() {
    let app = TestApp::builder().serving().with("alerts.email", "ops@example.com").start().await;
    fail(&app, 0..9).await;
    app.clock.advance(Duration::from_secs(301));
    fail(&app, 9..18).await;
    assert!(raised(&app).await.is_empty(), "nine, and nine more when the first are over");
    fail(&app, 18..19).await;
    let mail = app.mail("ops@example.com", 1).await;
    assert!(mail.text.contains("failed_logins: 10 of auth.login_failed within 300 s"), "{}", mail.text);
    // Ten more are raised, and wait for the digest.
    fail(&app, 20..40).await;
    app.eventually(async || raised(&app).await.len() == 3).await;
    assert!(raised(&app).await[0].told.is_none());
    app.clock.advance(Duration::from_secs(901));
    let mails = app.mails("ops@example.com", 2).await;
    let collected: Vec<&str> = mails.iter().map(|mail| mail.text.as_str()).collect();
    assert!(collected.iter().any(|text| text.matches("failed_logins: 10").count() == 2), "{collected:#?}");
}

#[tokio::test]
async fn what_an_administrator_changes_is_told_unless_it_is_silenced_and_never_to_nobody() {
    let app = TestApp::builder()
        .serving()
        .with("alerts.email", "ops@example.com")
        .with("alerts.digest", "0s")
        .start()
        .await;
    let service = app.service().at("127.0.0.1");
    let make = async |name: &str| {
        let made = json!({ "email": format!("{name}@example.com"), "password": spec::person::PASSWORD });
        service.post("/auth/v1/admin/users", made).await.expect(200);
    };
    make("ann").await;
    let mail = app.mail("ops@example.com", 1).await;
    assert!(mail.text.contains("admin.user_create by key:"), "{}", mail.text);

    let quiet = json!({ "lasts_seconds": 3_600, "reason": "a migration" });
    service
        .json(http::Method::PUT, "/admin/v1/alerts/silences/admin_actions", quiet.clone())
        .await
        .expect(200);
    make("bob").await;
    app.eventually(async || raised(&app).await.iter().any(|alert| alert.told.as_deref() == Some("silenced")))
        .await;
    assert!(app.audited("alert.silenced").await);
    app.clock.advance(Duration::from_secs(3_601));
    make("cid").await;
    let mails = app.mails("ops@example.com", 2).await;
    assert!(
        mails.iter().all(|mail| mail.text.contains("admin.user_create")),
        "{:#?}",
        mails.iter().map(|mail| &mail.text).collect::<Vec<_>>()
    );
    service.json(http::Method::PUT, "/admin/v1/alerts/silences/nothing", quiet).await.expect(404);
    // Looking is told of nobody.
    let rules = service.get("/admin/v1/alerts").await.expect(200).value();
    assert_eq!(rules["recipients"]["mail"], json!(["ops@example.com"]));

    let lonely = TestApp::builder().serving().start().await;
    let made = json!({ "email": "ann@example.com", "password": spec::person::PASSWORD });
    lonely.service().at("127.0.0.1").post("/auth/v1/admin/users", made).await.expect(200);
    lonely.eventually(async || lonely.audited("alert.undelivered").await).await;
    assert_eq!(raised(&lonely).await[0].told.as_deref(), Some("nobody"));
}

/// What piled up while mails could not leave keeps no alert waiting, and nobody with an account from their way back in.
#[tokio::test]
async fn an_alert_leaves_before_the_mails_that_waited_longer() {
    let app = TestApp::builder()
        .serving()
        .with("alerts.email", "ops@example.com")
        .with("alerts.digest", "0s")
        .start()
        .await;
    let service = app.service().at("127.0.0.1");
    let make = async |name: &str| {
        let made = json!({ "email": format!("{name}@example.com"), "password": spec::person::PASSWORD, "email_confirm": true });
        service.post("/auth/v1/admin/users", made).await.expect(200);
    };
    make("ann").await;
    app.mail("ops@example.com", 1).await;
    // No mail can be written where a file is.
    let mails = app.data().join("mails");
    std::fs::remove_dir_all(&mails).unwrap();
    std::fs::write(&mails, "").unwrap();
    let admin = app.database.admin().await;
    let tried = async |count: i64| {
        app.eventually(async || {
            let sql = "select count(*) from jobs.queue where name = 'mail.deliver' and attempt > 0 and held_by is null";
            admin.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) == count
        })
        .await;
    };
    for number in 0..8 {
        let body = json!({ "email": format!("new{number}@example.com"), "password": spec::person::PASSWORD });
        app.stranger().post("/auth/v1/signup", body).await.expect(200);
    }
    tried(8).await;
    app.stranger().post("/auth/v1/recover", json!({ "email": "ann@example.com" })).await.expect(200);
    tried(9).await;
    make("bob").await;
    tried(10).await;
    std::fs::remove_file(&mails).unwrap();
    std::fs::create_dir(&mails).unwrap();
    app.clock.advance(Duration::from_secs(3_600));
    app.eventually(async || std::fs::read_dir(&mails).unwrap().count() == 10).await;
    let mut files: Vec<_> = std::fs::read_dir(&mails).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort_by_key(|path| std::fs::metadata(path).unwrap().modified().unwrap());
    let to = |path: &std::path::PathBuf| {
        let mail = std::fs::read_to_string(path).unwrap();
        mail.lines().find_map(|line| line.strip_prefix("To: ")).unwrap().trim().to_owned()
    };
    let order: Vec<String> = files.iter().map(to).collect();
    // One of them may be the one that waited longest.
    let first = |who: &str| order[..3].iter().position(|to| to == who);
    let (alert, back_in) = (first("ops@example.com"), first("ann@example.com"));
    assert!(alert.is_some() && alert < back_in, "{order:?}");
}

/// Takes requests and keeps them: path, head and body.
pub async fn listen() -> (u16, Arc<Mutex<Vec<(String, String)>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
    let keep = heard.clone();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut bytes = Vec::new();
            let whole = |bytes: &[u8]| {
                let text = String::from_utf8_lossy(bytes).into_owned();
                let (head, body) = text.split_once("\r\n\r\n")?;
                let length = head.to_ascii_lowercase();
                let length: usize =
                    length.split("content-length: ").nth(1)?.split("\r\n").next()?.parse().ok()?;
                (body.len() >= length).then(|| (head.to_owned(), body.to_owned()))
            };
            let request = loop {
                if let Some(request) = whole(&bytes) {
                    break request;
                }
                if client.read_buf(&mut bytes).await.unwrap() == 0 {
                    break Default::default();
                }
            };
            keep.lock().unwrap().push(request);
            client
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                .await
                .unwrap();
        }
    });
    (port, heard)
}

#[tokio::test]
async fn a_webhook_gets_it_signed_as_standard_webhooks_are_and_a_chat_as_text() {
    let (port, heard) = listen().await;
    let secret = [9; 32];
    let app = TestApp::builder()
        .unlimited()
        .with("outbound.allow", &format!("127.0.0.1:{port}"))
        .with("alerts.webhook_url", &format!("http://127.0.0.1:{port}/hook"))
        .with("alerts.webhook_secret", &format!("v1,whsec_{}", STANDARD.encode(secret)))
        .with("alerts.slack_url", &format!("http://127.0.0.1:{port}/services/T0/B0/x"))
        .start()
        .await;
    let made = json!({ "email": "ann@example.com", "password": spec::person::PASSWORD });
    app.service().at("127.0.0.1").post("/auth/v1/admin/users", made).await.expect(200);
    app.eventually(async || heard.lock().unwrap().len() == 2).await;
    let heard = heard.lock().unwrap().clone();
    let of = |path: &str| {
        heard.iter().find(|(head, _)| head.starts_with(&format!("POST {path} "))).cloned().unwrap()
    };

    let (head, body) = of("/hook");
    let field = |name: &str| {
        let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}: ")));
        line.unwrap().split_once(": ").unwrap().1.to_owned()
    };
    let signed = format!("{}.{}.{body}", field("webhook-id"), field("webhook-timestamp"));
    let expected = format!("v1,{}", STANDARD.encode(spec::hmac_sha256(&secret, signed.as_bytes())));
    assert_eq!(field("webhook-signature"), expected);
    let told: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(told["type"], "alert.raised");
    assert_eq!(told["data"]["alerts"][0]["rule"], "admin_actions");

    let chat: Value = serde_json::from_str(&of("/services/T0/B0/x").1).unwrap();
    assert!(chat["text"].as_str().unwrap().contains("admin.user_create"), "{chat}");
}

#[tokio::test]
async fn a_thousand_requests_a_minute_slow_down_whoever_sent_them_and_nobody_else() {
    // As the guide has it, with nothing set: most of them are over another limit by then, and count all the same.
    let app = TestApp::start().await;
    let (busy, other) = (local(&app), app.stranger());
    for _ in 0..999 {
        assert!(!busy.get("/rest/v1/").await.text().contains("far more than anybody"));
    }
    let seen = busy.get("/rest/v1/").await.expect(429);
    assert!(seen.text().contains("far more than anybody"), "{}", seen.text());
    assert_eq!(seen.header("retry-after"), "600");
    assert_ne!(other.get("/rest/v1/").await.status, 429);
    app.eventually(async || raised(&app).await.iter().any(|alert| alert.rule == "unusual_api_activity"))
        .await;
    // Another node hears of it.
    let slowed = "SELECT count(*) FROM alerts.slowed WHERE subject = 'ip:127.0.0.1'";
    let admin = app.database.admin().await;
    app.eventually(async || admin.query_one(slowed, &[]).await.unwrap().get::<_, i64>(0) == 1).await;
    app.clock.advance(Duration::from_secs(3_700));
    assert_ne!(busy.get("/rest/v1/").await.status, 429, "it ends by itself");
}

/// However many alerts an attacker makes of one rule, and though nobody is told of that rule twice within the digest.
#[tokio::test]
async fn a_rule_that_has_much_to_tell_keeps_no_other_one_waiting() {
    let app = TestApp::builder().serving().with("alerts.email", "ops@example.com").start().await;
    local(&app).get("/palisade/root.key").await.expect(404);
    let first = app.mail("ops@example.com", 1).await;
    assert!(first.text.contains("canaries: canary.touched"), "{}", first.text);
    let many = "insert into alerts.raised (id, rule, sealed, key, at, seq, count, action, what)
         select gen_random_uuid(), 'canaries', false, '', '2026-01-15T11:00:00Z', n, 1, 'log_and_notify', 'touched' from generate_series(1, 6000) n";
    app.database.admin().await.batch_execute(many).await.unwrap();
    let service = app.service().at("127.0.0.1");
    let made = json!({ "email": "ann@example.com", "password": spec::person::PASSWORD });
    service.post("/auth/v1/admin/users", made).await.expect(200);
    let mails = app.mails("ops@example.com", 2).await;
    assert!(mails[1].text.contains("admin.user_create"), "{}", mails[1].text);
    // What was collected meanwhile is one message, and all of it is told.
    app.clock.advance(Duration::from_secs(901));
    let mails = app.mails("ops@example.com", 3).await;
    assert!(mails[2].text.contains("… and 5950 more"), "{}", mails[2].text);
    assert!(raised(&app).await.iter().all(|alert| alert.told.is_some()));
}

/// As many as one is made of `rule`, before anything that the test does.
async fn insert(app: &TestApp, sealed: bool, many: usize) {
    let insert = format!(
        "insert into alerts.raised (id, rule, sealed, key, at, seq, count, action, what)
         select gen_random_uuid(), 'canaries', {sealed}, '', '2026-01-15T11:00:00Z', n, 1, 'log_and_notify', 'touched'
         from generate_series(1, {many}) n"
    );
    app.database.admin().await.batch_execute(&insert).await.unwrap();
}

/// What probes of the posture raise is theirs, and goes into their mailbox.
#[tokio::test]
async fn what_probes_raise_hides_no_alert_of_the_same_rule_and_is_not_told_with_it() {
    let app = TestApp::builder().serving().with("alerts.email", "ops@example.com").start().await;
    insert(&app, true, 1_500).await;
    local(&app).get("/palisade/root.key").await.expect(404);
    let mail = app.mail("ops@example.com", 1).await;
    assert!(mail.text.contains("canaries: canary.touched") && !mail.text.contains("more:"), "{}", mail.text);
    let admin = app.database.admin().await;
    let left =
        "select count(*) from alerts.raised where sealed and told is distinct from 'the probes'' mailbox'";
    app.eventually(async || admin.query_one(left, &[]).await.unwrap().get::<_, i64>(0) == 0).await;
}

/// However many there are, a program that takes webhooks is told how many, and where nobody can be told that is said once.
#[tokio::test]
async fn what_is_beyond_a_message_is_counted_for_programs_and_where_nobody_is_told() {
    let (port, heard) = listen().await;
    let app = TestApp::builder()
        .unlimited()
        .with("outbound.allow", &format!("127.0.0.1:{port}"))
        .with("alerts.webhook_url", &format!("http://127.0.0.1:{port}/hook"))
        .with("alerts.webhook_secret", &format!("v1,whsec_{}", STANDARD.encode([9; 32])))
        .start()
        .await;
    insert(&app, false, 1_500).await;
    let count = || {
        let bodies: Vec<Value> =
            heard.lock().unwrap().iter().filter_map(|(_, body)| serde_json::from_str(body).ok()).collect();
        bodies.iter().filter_map(|body| body["data"]["count"].as_u64()).sum::<u64>()
    };
    app.eventually(async || count() >= 1_500).await;
    assert_eq!((count(), heard.lock().unwrap().len()), (1_500, 1));

    let lonely = TestApp::builder().serving().start().await;
    insert(&lonely, false, 1_500).await;
    lonely
        .eventually(async || {
            raised(&lonely).await.iter().all(|alert| alert.told.as_deref() == Some("nobody"))
        })
        .await;
    let untold = "select count(*) from alerts.raised where told is null";
    assert_eq!(lonely.database.admin().await.query_one(untold, &[]).await.unwrap().get::<_, i64>(0), 0);
}
