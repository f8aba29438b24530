//! Controls 18-21, 31, 126 on an instance that lets go of each.

use posture::State;
use spec::TestApp;

use super::{is, is_red_with, look, never, turns_red};

#[tokio::test]
async fn short_passwords_are_seen() {
    is(&look(&TestApp::start().await, 18).await, State::Proven, "as it is");
    is_red_with(18, TestApp::builder().with("auth.password_min_length", "8")).await;
}

#[tokio::test]
async fn passwords_of_one_class_are_seen() {
    is(&look(&TestApp::start().await, 19).await, State::Proven, "as it is");
    is_red_with(19, TestApp::builder().with("auth.password_require_number", "false")).await;
    is_red_with(19, TestApp::builder().with("auth.password_required_characters", "lower,upper")).await;
    let nist = TestApp::builder().with("password.profile", "nist").start().await;
    is(&look(&nist, 19).await, State::Proven, "by the other standard");
    is(&look(&nist, 20).await, State::Proven, "by the other standard");
    is(&look(&nist, 18).await, State::Proven, "by the other standard");
}

#[tokio::test]
async fn passwords_that_never_expire_are_seen() {
    // The session is made, and its debt is not.
    turns_red(20, &never("INSERT", "palisade.session_marks", "true")).await;
    // The debt is never settled.
    turns_red(20, &never("UPDATE", "palisade.session_marks", "new.duty IS NULL AND old.duty IS NOT NULL"))
        .await;
}

#[tokio::test]
async fn rules_that_are_not_the_servers_are_seen() {
    // What the rules call good is refused.
    let refuse = "CREATE FUNCTION palisade.no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$; \
        CREATE TRIGGER aaa_no BEFORE UPDATE OF encrypted_password ON auth.users FOR EACH ROW \
        WHEN (old.encrypted_password IS DISTINCT FROM new.encrypted_password) EXECUTE FUNCTION palisade.no()";
    turns_red(21, refuse).await;
}

#[tokio::test]
async fn guessing_without_end_is_seen() {
    is(&look(&TestApp::start().await, 31).await, State::Proven, "as it is");
    is_red_with(31, TestApp::builder().with("auth.max_login_attempts", "20")).await;
    // The owner is locked out with the attacker.
    turns_red(31, &never("INSERT OR UPDATE", "palisade.known_places", "true")).await;
}

#[tokio::test]
async fn an_answer_that_takes_longer_for_a_known_account_is_seen() {
    // To look at an account that is there takes its time.
    let away = "ALTER TABLE auth.users ENABLE ROW LEVEL SECURITY; ALTER TABLE auth.users FORCE ROW LEVEL SECURITY; \
        CREATE POLICY slow ON auth.users USING (pg_sleep(0.1)::text IS NOT NULL) WITH CHECK (true)";
    turns_red(126, away).await;
}

#[tokio::test]
async fn accounts_that_were_imported_do_not_tell_themselves_by_the_time_of_an_answer() {
    // Every account of the probe's is one that was imported: a hash that takes a fifth of a second to compare with.
    let app = TestApp::builder().unlimited().start().await;
    app.admin(
        "CREATE FUNCTION palisade.slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         new.encrypted_password := '$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW'; RETURN new; END $$; \
         CREATE TRIGGER aaa_slow BEFORE INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION palisade.slow()",
    )
    .await;
    is(&look(&app, 126).await, State::Proven, "with hashes of another make");
}
