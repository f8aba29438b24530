//! Read-only logins of the database, on an instance where something gives them more than they should have.

use posture::State;
use spec::TestApp;

use super::{is, look, misses};

/// Does `what` with the probe's table as soon as a login is lent: after the product looked whether it is safe to.
fn on_lending(what: &str) -> String {
    format!(
        "CREATE FUNCTION palisade.on_lending() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ \
         DECLARE t regclass; BEGIN \
           FOR t IN SELECT oid FROM pg_class WHERE relname LIKE 'palisade_probe_%' AND relkind = 'r' LOOP \
             EXECUTE format('{what}', t); \
           END LOOP; RETURN new; END $$; \
         CREATE TRIGGER on_lending AFTER INSERT ON guests.login FOR EACH ROW EXECUTE FUNCTION palisade.on_lending()"
    )
}

#[tokio::test]
async fn a_reader_that_writes_or_sees_everything_is_seen() {
    for what in [
        "GRANT INSERT ON %s TO readonly",
        "GRANT DELETE, TRUNCATE ON %s TO PUBLIC",
        "ALTER TABLE %s DISABLE ROW LEVEL SECURITY",
    ] {
        let app = TestApp::start().await;
        is(&look(&app, 52).await, State::Proven, "as it is");
        app.database.admin().await.batch_execute(&on_lending(what)).await.unwrap();
        misses(&look(&app, 52).await, what);
    }
}

/// Keeps changing every lent login of this instance until the probe has looked.
async fn with_every_reader(app: &TestApp, change: &str) -> posture::Finding {
    let admin = app.database.admin().await;
    let change = change.to_owned();
    let meddling = tokio::spawn(async move {
        loop {
            for row in admin.query("SELECT name FROM guests.login", &[]).await.unwrap() {
                let name: String = row.get(0);
                // Not made yet, or gone already.
                let _changed = admin.batch_execute(&format!("ALTER ROLE \"{name}\" {change}")).await;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    });
    let finding = look(app, 52).await;
    meddling.abort();
    finding
}

#[tokio::test]
async fn a_reader_whose_time_never_ends_is_seen() {
    let app = TestApp::start().await;
    misses(&with_every_reader(&app, "VALID UNTIL 'infinity'").await, "VALID UNTIL 'infinity'");
}

#[tokio::test]
async fn a_reader_with_any_number_of_connections_is_seen() {
    let app = TestApp::start().await;
    misses(&with_every_reader(&app, "CONNECTION LIMIT -1").await, "CONNECTION LIMIT -1");
}
