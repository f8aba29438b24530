//! Upstream's codes of what seldom happens: hooks that give no answer, requests in each other's way, and providers that name
//! nobody.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use saml::pretend::Signed;
use serde_json::{Value, json};
use spec::browser::parameter;
use spec::person::PASSWORD;
use spec::{Double, Idp, Seen, TestApp, TestAppBuilder};

use super::links::sign_up;
use super::oauth::{BACK, begin, browser, today, with_idp};
use crate::attacks::oauth::{OURS, token_for};
use crate::attacks::saml::World;

/// hex(sha256("right"))
const HASHED: &str = "27042f4e6eca7d0b2a7ee4026df2ecfa51d3339e6d122aa099118ecd8563bad9";

#[track_caller]
fn says(seen: &Seen, status: u16, code: &str) {
    assert_eq!((seen.status.as_u16(), seen.field("error_code").as_str()), (status, code), "{}", seen.text());
}

fn hooked(uri: &str) -> TestAppBuilder {
    TestApp::builder()
        .unlimited()
        .with("auth.hooks.before_user_created.uri", uri)
        .with("auth.hooks.before_user_created.secrets", &format!("v1,whsec_{}", STANDARD.encode([7; 32])))
        .with("outbound.allow", "127.0.0.1")
}

#[tokio::test]
async fn hooks_that_give_no_answer_are_told_apart_as_upstream_does() {
    let double = Double::start().await;
    let app = hooked(&format!("{}/hook", double.url)).start().await;
    let ask = async || sign_up(&app, "ann@example.com", PASSWORD).await;
    double.show_as("/hook", "text/html; charset=utf-8", "<p>moved</p>");
    let seen = ask().await;
    says(&seen, 422, "hook_payload_invalid_content_type");
    assert!(seen.text().contains("Received content-type: text/html"), "{}", seen.text());
    double.answer("/hook", json!({ "more": "x".repeat(200 * 1024) }));
    says(&ask().await, 422, "hook_payload_over_size_limit");
    double.answer("/hook", json!({ "more": "x".repeat(199 * 1024) }));
    ask().await.expect(200);
    // Nobody is there: given up after the third try, within the time of all.
    let nobody = hooked("http://127.0.0.1:1/hook").start().await;
    let began = testkit::Stopwatch::start();
    says(&sign_up(&nobody, "ann@example.com", PASSWORD).await, 422, "hook_timeout_after_retry");
    assert!(began.elapsed().as_secs() < 5, "it waited after the last try");
    // Somebody is there and says nothing; and a function of the database that does not end.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/hook", silent.local_addr().unwrap());
    let silenced = hooked(&uri).start().await;
    let slow = hooked("pg-functions://postgres/public/slow").start().await;
    slow.owner(
        "create function public.slow(event jsonb) returns jsonb language plpgsql as $$
         begin perform pg_sleep(20); return '{}'; end $$;
         revoke execute on function public.slow(jsonb) from public;
         grant usage on schema public to supabase_auth_admin;
         grant execute on function public.slow(jsonb) to supabase_auth_admin",
    )
    .await;
    let (one, other) = tokio::join!(
        sign_up(&silenced, "ann@example.com", PASSWORD),
        sign_up(&slow, "ann@example.com", PASSWORD)
    );
    says(&one, 422, "hook_timeout");
    says(&other, 422, "hook_timeout");
    for app in [&nobody, &silenced, &slow] {
        let users = app.database.admin().await.query("select 1 from auth.users", &[]).await.unwrap();
        assert!(users.is_empty(), "whom a hook did not answer for has no account");
    }
}

/// While somebody else holds the row of a session.
#[tokio::test]
async fn a_session_in_others_hands_is_a_conflict_and_what_takes_too_long_is_told_to_come_again() {
    let app = TestApp::builder().unlimited().start().await;
    let ann = app.person("ann").await;
    let body = json!({ "refresh_token": ann.refresh_token });
    let refresh = async || app.stranger().post("/auth/v1/token?grant_type=refresh_token", body.clone()).await;
    let holder = app.database.admin().await;
    holder.batch_execute("begin; select 1 from auth.sessions for update").await.unwrap();
    let (busy, slow) = tokio::join!(refresh(), ann.client.post("/auth/v1/logout", Value::Null));
    says(&busy, 409, "conflict");
    assert!(busy.text().contains("Too many concurrent token refresh requests"), "{}", busy.text());
    says(&slow, 504, "request_timeout");
    let told = slow.field("msg");
    assert_eq!(told, "Processing this request timed out, please retry after a moment.");
    holder.batch_execute("rollback").await.unwrap();
    // Nothing was half done: the token is good, and the session ends when it is asked to.
    refresh().await.expect(200);
    ann.client.post("/auth/v1/logout", Value::Null).await.expect(204);
}

#[tokio::test]
async fn a_provider_that_gives_no_address_is_told_so_unless_none_is_needed() {
    let idp = Idp::start().await;
    for optional in ["false", "true"] {
        let app = today(with_idp(&idp).with("auth.external.keycloak.email_optional", optional)).await;
        let token = token_for(&idp, OURS, "nameless", HASHED).await;
        let body = json!({ "id_token": token, "provider": "keycloak", "nonce": "right" });
        let seen = app.stranger().post("/auth/v1/token?grant_type=id_token", body).await;
        let back = browser(&app).follow(&begin(&app, "keycloak", "nameless", ""), BACK).await;
        if optional == "true" {
            let session = seen.expect(200).value();
            assert_eq!(session["user"]["email"], "", "{session}");
            assert!(back.contains("access_token="), "{back}");
            continue;
        }
        says(&seen, 400, "email_address_not_provided");
        assert_eq!(parameter(&back, "error_code").as_deref(), Some("email_address_not_provided"), "{back}");
        assert!(!back.contains("access_token"), "{back}");
    }
}

#[tokio::test]
async fn a_company_that_names_somebody_for_the_day_only_is_told_so() {
    let world = World::on(TestApp::builder().unlimited().start().await).await;
    let (mut says, relay) = world.asked().await;
    says.name_id_format = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient".to_owned();
    says.name_id = "_of-the-day".to_owned();
    let seen = world.post(&world.idp.encoded(&says, Signed::Assertion).unwrap(), &relay).await.expect(303);
    let to = seen.header("location");
    assert!(to.contains("error_code=saml_assertion_no_user_id") && !to.contains("access_token"), "{to}");
    let users = world.app.service().get("/auth/v1/admin/users").await.expect(200).value();
    assert_eq!(users["users"], json!([]));
    world.honest_comes_in().await;
}

/// Two accounts with one number: an administrator is told, as at their making.
#[tokio::test]
async fn a_number_that_somebody_has_is_given_to_nobody_else() {
    let app = TestApp::builder().unlimited().start().await;
    let admin = app.service();
    let made = json!({ "email": "one@example.com", "phone": "+49301234567", "phone_confirm": true });
    admin.post("/auth/v1/admin/users", made).await.expect(200);
    let two = admin
        .post("/auth/v1/admin/users", json!({ "email": "two@example.com" }))
        .await
        .expect(200)
        .field("id");
    let change = async |phone: &str| {
        let path = format!("/auth/v1/admin/users/{two}");
        admin.json(http::Method::PUT, &path, json!({ "phone": phone })).await
    };
    says(&change("+49301234567").await, 422, "phone_exists");
    change("+49301234568").await.expect(200);
}
