//! Keys of programs on an instance whose key table no longer keeps what it is told (control 150).

use posture::State;
use spec::TestApp;

use super::{is, look, misses};

/// Every key that is made or changed loses `what`.
async fn keys_lose(what: &str) {
    let app = TestApp::start().await;
    let admin = app.database.admin().await;
    is(&look(&app, 150).await, State::Proven, "as it is");
    let away = format!(
        "CREATE FUNCTION palisade.lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN new.{what}; RETURN new; END $$;
         CREATE TRIGGER lose BEFORE INSERT OR UPDATE ON palisade.api_keys FOR EACH ROW EXECUTE FUNCTION palisade.lose()"
    );
    admin.batch_execute(&away).await.unwrap();
    misses(&look(&app, 150).await, what);
    admin
        .batch_execute("DROP TRIGGER lose ON palisade.api_keys; DROP FUNCTION palisade.lose()")
        .await
        .unwrap();
    is(&look(&app, 150).await, State::Proven, what);
}

#[tokio::test]
async fn keys_without_their_scope_are_seen() {
    keys_lose("scope := '{}'").await;
}

#[tokio::test]
async fn keys_that_work_everywhere_are_seen() {
    keys_lose("addresses := '{}'").await;
}

#[tokio::test]
async fn keys_that_never_end_are_seen() {
    keys_lose("expires_at := null").await;
}
