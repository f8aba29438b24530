//! Second factors (controls 22 to 26) are proven, and each probe sees it when their protection is gone.

use posture::State;
use spec::TestApp;

use super::{is, is_red_with, look, misses, never, turns_red};

/// A trigger that changes a row on its way.
fn always(before: &str, table: &str, change: &str) -> String {
    format!(
        "CREATE FUNCTION palisade.always() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS \
         $$ BEGIN {change}; RETURN new; END $$; \
         CREATE TRIGGER aaa_always BEFORE {before} ON {table} FOR EACH ROW EXECUTE FUNCTION palisade.always()"
    )
}

#[tokio::test]
async fn a_code_that_is_taken_twice_is_seen() {
    turns_red(22, &always("UPDATE", "auth.mfa_factors", "new.last_totp_step := null")).await;
}

#[tokio::test]
async fn a_recovery_code_that_works_twice_is_seen() {
    turns_red(22, &never("UPDATE", "auth.mfa_recovery_code_sets", "true")).await;
}

#[tokio::test]
async fn a_factor_that_is_not_kept_is_seen() {
    turns_red(23, &never("INSERT", "auth.mfa_factors", "true")).await;
}

#[tokio::test]
async fn a_session_that_rises_by_itself_is_seen() {
    let rises = always("INSERT", "auth.sessions", "new.aal := 'aal2'");
    turns_red(25, &rises).await;
    let app = TestApp::start().await;
    is(&look(&app, 24).await, State::NeedsYou, "unless set");
    let app = TestApp::builder().with("mfa.required", "true").start().await;
    is(&look(&app, 24).await, State::Proven, "set");
    app.database.admin().await.batch_execute(&rises).await.unwrap();
    misses(&look(&app, 24).await, &rises);
}

#[tokio::test]
async fn sensitive_operations_without_a_fresh_proof_are_seen() {
    is(&look(&TestApp::start().await, 26).await, State::Proven, "as it is");
    is_red_with(26, TestApp::builder().with("auth.require_2fa_for_sensitive_ops", "false")).await;
}

/// The other probes look at such an instance too.
#[tokio::test]
async fn where_everybody_needs_a_second_factor_the_probes_have_one() {
    let app = TestApp::builder().with("mfa.required", "true").start().await;
    for control in [27, 30, 46, 22] {
        is(&look(&app, control).await, State::Proven, "with mfa.required");
    }
}
