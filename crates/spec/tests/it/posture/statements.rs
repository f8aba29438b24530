//! Statements that are sent straight to the database, on an instance whose server reports none, or whose log keeps none.

use posture::State;
use spec::{Palisade, TestApp};
use tokio_postgres::NoTls;

use super::{bench, is, look_from, turns_red};

/// From the next session on, the server reports no more than `level`.
fn reports(level: &str) -> String {
    format!(
        "DO $$ BEGIN
           EXECUTE format('ALTER DATABASE %I SET pgaudit.log = {level}', current_database());
           EXECUTE format('ALTER DATABASE %I SET log_statement = {level}', current_database());
         END $$"
    )
}

#[tokio::test]
async fn a_server_that_reports_nothing_is_seen() {
    turns_red(56, &reports("none")).await;
}

#[tokio::test]
async fn a_server_that_reports_changes_of_the_schema_only_is_seen() {
    turns_red(56, &reports("ddl")).await;
}

#[tokio::test]
async fn entries_that_do_not_stay_are_seen() {
    turns_red(56, &super::never("INSERT", "audit.log", "new.event = 'db.statement'")).await;
}

#[tokio::test]
async fn a_foreign_server_is_its_operators() {
    let app = TestApp::start().await;
    let mut elsewhere = bench(&app);
    elsewhere.place.embedded = false;
    is(&look_from(elsewhere, 56).await, State::NeedsYou, "a foreign server");
}

#[tokio::test]
async fn what_was_heard_before_a_stop_is_recorded_to_the_last() {
    let app = TestApp::start().await;
    let (heard, told) = tokio::sync::broadcast::channel(2_048);
    for number in 0..1_000 {
        let ran = pg::managed::Ran {
            user: "ann".to_owned(),
            database: "shop".to_owned(),
            host: "[local]".to_owned(),
            class: pg::managed::Class::Write,
            command: "DELETE".to_owned(),
            object: Some(format!("heard_{number}")),
            text: "DELETE FROM t".to_owned(),
            witness: pg::managed::Witness::Server,
        };
        heard.send(std::sync::Arc::new(ran)).unwrap();
    }
    let stop = tokio_util::sync::CancellationToken::new();
    stop.cancel();
    let statements = app::statements::Statements::of_all(told);
    statements.record(app.running.services.audit.clone(), stop).await;
    let recorded = "SELECT count(DISTINCT subject) FROM audit.log WHERE actor = 'database:ann'";
    let client = app.database.admin().await;
    app.eventually(async || client.query_one(recorded, &[]).await.unwrap().get::<_, i64>(0) == 1_000).await;
}

/// A server of its own: what a login may set is of the whole server.
#[tokio::test]
async fn a_login_that_can_end_its_reports_is_seen_and_no_other_can() {
    let palisade = Palisade::start("serve", &["--auth.autoconfirm", "true"]).await;
    let (admin, connection) = tokio_postgres::connect(&palisade.ready.database_url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let checked = async |expected: i32, line: &str| {
        let output = palisade.command(&["check", "56"]).await;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.code() == Some(expected) && said.contains(line), "no {line:?} in {said}");
    };
    admin.batch_execute("CREATE ROLE eve LOGIN PASSWORD 'eve'").await.unwrap();
    checked(0, "besides them, nobody can").await;
    let as_eve = async || {
        let mut eve: tokio_postgres::Config = palisade.ready.database_url.parse().unwrap();
        eve.user("eve").password("eve").options("-c log_statement=none");
        eve.connect(NoTls).await.map(drop)
    };
    let refused = as_eve().await.unwrap_err();
    assert_eq!(refused.code().map(tokio_postgres::error::SqlState::code), Some("42501"), "{refused:?}");
    for (given, taken) in [
        ("GRANT SET ON PARAMETER log_statement TO eve", "REVOKE SET ON PARAMETER log_statement FROM eve"),
        ("ALTER ROLE eve SET log_statement = 'none'", "ALTER ROLE eve RESET log_statement"),
    ] {
        admin.batch_execute(given).await.unwrap();
        checked(3, "besides them, eve can").await;
        admin.batch_execute(taken).await.unwrap();
    }
    checked(0, "besides them, nobody can").await;
    assert!(palisade.stop().await.success());
}
