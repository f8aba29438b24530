//! Alerts and contacts: each protection taken away on the running instance.

use posture::State;
use spec::{TestApp, TestAppBuilder};

use super::{bench, between, is, is_red_with, look, look_from, misses, never};

fn with_somebody() -> TestAppBuilder {
    TestApp::builder().with("alerts.email", "ops@example.com")
}

/// Proven as it is, failing after `away`.
async fn turns_red(control: u16, away: &str) {
    let app = with_somebody().start().await;
    is(&look(&app, control).await, State::Proven, "as it is");
    app.database.admin().await.batch_execute(away).await.unwrap();
    misses(&look(&app, control).await, away);
}

#[tokio::test]
async fn failed_logins_that_nobody_is_told_of_are_seen() {
    is(&look(&TestApp::start().await, 107).await, State::NeedsYou, "nobody is named");
    turns_red(107, &never("INSERT", "alerts.raised", "new.rule = 'failed_logins'")).await;
    turns_red(107, &never("INSERT", "mail.outbox", "new.kind = 'alert'")).await;
    is_red_with(107, with_somebody().with("alerts.failed_logins.threshold", "1000")).await;
}

#[tokio::test]
async fn activity_that_goes_on_is_seen() {
    turns_red(108, &never("INSERT", "alerts.raised", "new.rule = 'unusual_api_activity'")).await;
    is_red_with(108, with_somebody().with("alerts.unusual_api_activity.threshold", "1000000")).await;
    is_red_with(108, with_somebody().with("alerts.unusual_api_activity.action", "notify_admin")).await;
}

#[tokio::test]
async fn administrators_actions_that_nobody_is_told_of_are_seen() {
    is(&look(&TestApp::start().await, 109).await, State::NeedsYou, "nobody is named");
    turns_red(109, &never("INSERT", "alerts.raised", "new.rule = 'admin_actions'")).await;
    let rarely = with_somebody()
        .with("alerts.admin_actions.threshold", "1000")
        .with("alerts.admin_actions.window", "1h");
    is_red_with(109, rarely).await;
}

#[tokio::test]
async fn the_probes_wake_nobody() {
    let app = with_somebody().start().await;
    for control in [107, 108, 109] {
        is(&look(&app, control).await, State::Proven, "as it is");
    }
    let to = "SELECT count(*) FROM mail.outbox WHERE recipient = 'ops@example.com'";
    assert_eq!(app.database.admin().await.query_one(to, &[]).await.unwrap().get::<_, i64>(0), 0);
    // The next round takes what they left.
    drop(bench(&app).begin().await.unwrap());
    let left = "SELECT (SELECT count(*) FROM mail.outbox) + (SELECT count(*) FROM alerts.raised)";
    assert_eq!(app.database.admin().await.query_one(left, &[]).await.unwrap().get::<_, i64>(0), 0);
}

#[tokio::test]
async fn contacts_that_cannot_be_read_or_are_not_shown_are_seen() {
    let none = TestApp::start().await;
    is(&look(&none, 144).await, State::NeedsYou, "nobody is named");
    is(&look(&none, 149).await, State::NeedsYou, "nobody is named");

    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("contacts.yaml");
    std::fs::write(&file, include_str!("../../../../../docs/guides/snippets/contacts.yaml")).unwrap();
    let app = TestApp::builder().with("contacts.file", &file.display().to_string()).start().await;
    is(&look(&app, 144).await, State::Proven, "as it is");
    is(&look(&app, 149).await, State::Proven, "as it is");

    for (control, from, to) in [
        (149, "Contact: mailto:", "Contact: "),
        (149, "Expires: 20", "Expires: 19"),
        (149, "text/plain", "text/html"),
        (144, "mailto:infra@", "mailto:nobody@"),
    ] {
        let mut far = bench(&app);
        let edit = move |answer: String| answer.replace(from, to);
        far.place.address = between::put(app.running.address, |head| head, edit).await;
        misses(&look_from(far, control).await, from);
    }

    std::fs::write(&file, "security_team: nobody").unwrap();
    misses(&look(&app, 144).await, "a file that cannot be read any more");
    let shown = app.stranger().get("/.well-known/security.txt").await.expect(200).text();
    assert!(shown.contains("mailto:security@example.com"), "what was read before stays in force: {shown}");
    std::fs::write(&file, "security_team: []").unwrap();
    is(&look(&app, 144).await, State::NeedsYou, "nobody is named any more, without a restart");
}
