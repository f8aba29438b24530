//! Controls 32-39 on an instance that lets go of each.

use posture::State;
use spec::TestApp;

use super::{is, is_red_with, look, never, turns_red};

/// Writes something else than what was to be written.
fn instead(when: &str, table: &str, what: &str) -> String {
    format!(
        "CREATE FUNCTION palisade.instead() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS \
         $$ BEGIN {what}; RETURN new; END $$; \
         CREATE TRIGGER aaa_instead BEFORE {when} ON {table} FOR EACH ROW EXECUTE FUNCTION palisade.instead()"
    )
}

#[tokio::test]
async fn a_service_provider_that_keeps_nothing_is_seen() {
    turns_red(32, &never("INSERT", "auth.saml_relay_states", "true")).await;
    turns_red(32, "UPDATE palisade.saml_keys SET private_key = '-----BEGIN PRIVATE KEY-----'::bytea").await;
}

#[tokio::test]
async fn a_key_that_stays_believed_is_seen() {
    turns_red(33, &never("UPDATE", "palisade.saml_pins", "true")).await;
}

#[tokio::test]
async fn an_address_that_is_not_the_given_one_is_seen() {
    let elsewhere = "new.pinned := replace(new.pinned, '/sso\"', '/elsewhere\"')";
    turns_red(34, &instead("INSERT", "palisade.saml_pins", elsewhere)).await;
}

#[tokio::test]
async fn answers_that_nobody_asked_for_or_twice_are_seen() {
    turns_red(35, &instead("INSERT", "palisade.saml_pins", "new.allow_idp_initiated := true")).await;
    let forget = "CREATE FUNCTION palisade.forget() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS \
        $$ BEGIN DELETE FROM palisade.saml_assertions; RETURN NULL; END $$; \
        CREATE TRIGGER zzz_forget AFTER INSERT ON palisade.saml_assertions FOR EACH STATEMENT EXECUTE FUNCTION palisade.forget()";
    turns_red(35, forget).await;
}

#[tokio::test]
async fn assertions_of_anybody_are_seen() {
    turns_red(36, &instead("INSERT OR UPDATE", "palisade.saml_pins", "new.learns_issuer := true")).await;
}

#[tokio::test]
async fn browsers_that_may_go_anywhere_are_seen() {
    let anywhere =
        "new.redirect_hosts := '[\"evil.probe.palisade.invalid\", \"app.probe.palisade.invalid\"]'";
    turns_red(37, &instead("INSERT OR UPDATE", "palisade.saml_pins", anywhere)).await;
}

#[tokio::test]
async fn metadata_without_tls_is_seen() {
    is(&look(&TestApp::start().await, 38).await, State::Proven, "as it is");
    let loose = TestApp::builder()
        .with("auth.saml.allow_insecure_metadata_url", "true")
        .with("outbound.allow", "127.0.0.1");
    is_red_with(38, loose).await;
}

#[tokio::test]
async fn names_with_markup_are_seen() {
    let markup = "new.raw_user_meta_data := jsonb_set(new.raw_user_meta_data, '{full_name}', '\"<script>alert(1)</script>\"')";
    turns_red(39, &instead("INSERT OR UPDATE", "auth.users", markup)).await;
}
