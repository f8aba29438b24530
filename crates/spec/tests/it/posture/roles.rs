//! As whom requests run and which tables protect themselves, on an instance whose database no longer does what it is told.

use posture::State;
use spec::TestApp;

use super::{is, look, misses};

/// Proven, failing after `away`, and proven again after `back`.
async fn turns_red_and_back(control: u16, away: &str, back: &str) {
    let app = TestApp::start().await;
    let admin = app.database.admin().await;
    is(&look(&app, control).await, State::Proven, "as it is");
    admin.batch_execute(away).await.unwrap_or_else(|error| panic!("{away}: {error:?}"));
    misses(&look(&app, control).await, away);
    admin.batch_execute(back).await.unwrap_or_else(|error| panic!("{back}: {error:?}"));
    is(&look(&app, control).await, State::Proven, back);
}

/// Sessions keep what they have parsed; new ones find what is there now.
const ANEW: &str = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity \
                    WHERE datname = current_database() AND usename = 'authenticator'";

/// `set_config` of this one database does `instead` when asked to set `setting`.
async fn set_config_fails(control: u16, setting: &str, instead: &str) {
    let away = format!(
        "ALTER FUNCTION pg_catalog.set_config(text, text, boolean) RENAME TO set_config_in_truth; \
         CREATE FUNCTION pg_catalog.set_config(name text, value text, local boolean) RETURNS text LANGUAGE sql AS \
         $$ SELECT CASE WHEN name = '{setting}' THEN {instead} \
                   ELSE pg_catalog.set_config_in_truth(name, value, local) END $$; \
         GRANT EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) TO PUBLIC; {ANEW}"
    );
    let back = format!(
        "DROP FUNCTION pg_catalog.set_config(text, text, boolean); \
         ALTER FUNCTION pg_catalog.set_config_in_truth(text, text, boolean) RENAME TO set_config; {ANEW}"
    );
    turns_red_and_back(control, &away, &back).await;
}

#[tokio::test]
async fn a_request_that_keeps_the_login_role_is_seen() {
    set_config_fails(46, "role", "value").await;
}

#[tokio::test]
async fn a_request_without_its_claims_is_seen() {
    set_config_fails(46, "request.jwt.claims", "value").await;
}

/// Row level security that is never active, for those who ask PostgreSQL whether it is: rows that change are told to everybody.
#[tokio::test]
async fn changes_told_past_policies_are_seen() {
    let away = format!(
        "ALTER FUNCTION pg_catalog.row_security_active(oid) RENAME TO row_security_active_in_truth; \
         CREATE FUNCTION pg_catalog.row_security_active(of_table oid) RETURNS boolean LANGUAGE sql AS 'SELECT false'; \
         GRANT EXECUTE ON FUNCTION pg_catalog.row_security_active(oid) TO PUBLIC; {ANEW}"
    );
    let back = format!(
        "DROP FUNCTION pg_catalog.row_security_active(oid); \
         ALTER FUNCTION pg_catalog.row_security_active_in_truth(oid) RENAME TO row_security_active; {ANEW}"
    );
    turns_red_and_back(46, &away, &back).await;
}

#[tokio::test]
async fn everybody_running_as_the_service_is_seen() {
    let instead = "pg_catalog.set_config_in_truth(name, 'service_role', local)";
    set_config_fails(46, "role", instead).await;
    set_config_fails(47, "role", instead).await;
}

const ALWAYS_BACK: &str = "DROP TRIGGER aaa_role ON auth.users; DROP FUNCTION palisade.role_of()";

/// Accounts get the role that `role` says, whatever the API was asked for.
fn roles_become(role: &str) -> String {
    format!(
        "CREATE FUNCTION palisade.role_of() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS \
         $$ BEGIN new.role := {role}; RETURN new; END $$; \
         CREATE TRIGGER aaa_role BEFORE INSERT OR UPDATE ON auth.users FOR EACH ROW EXECUTE FUNCTION palisade.role_of()"
    )
}

#[tokio::test]
async fn people_who_make_themselves_the_service_are_seen() {
    let wished = roles_become("coalesce(new.raw_user_meta_data ->> 'role', new.role)");
    turns_red_and_back(47, &wished, ALWAYS_BACK).await;
}

#[tokio::test]
async fn a_role_that_is_not_the_one_that_was_given_is_seen() {
    turns_red_and_back(47, &roles_become("'authenticated'"), ALWAYS_BACK).await;
}

#[tokio::test]
async fn tables_without_the_gate_are_seen() {
    // Schema changes are announced as before: only the protecting is gone.
    let away = "CREATE TABLE palisade.in_truth AS \
                    SELECT pg_get_functiondef('palisade.enforce_gate()'::regprocedure) AS definition; \
                CREATE OR REPLACE FUNCTION palisade.enforce_gate() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS \
                    'BEGIN END'";
    let back = "DO $$ BEGIN EXECUTE (SELECT definition FROM palisade.in_truth); END $$";
    turns_red_and_back(40, away, back).await;
    turns_red_and_back(41, away, back).await;
}
