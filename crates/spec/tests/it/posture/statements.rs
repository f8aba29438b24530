//! Statements that are sent straight to the database, on an instance whose server reports none, or whose log keeps none.

use posture::State;
use spec::TestApp;

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
