//! SAML in the Fluxbase dialect: a company's word is one proof there too (row 16, controls 24 and 25).

use base::Owed;
use bytes::Bytes;
use http::Method;
use saml::pretend::Signed;
use serde_json::{Value, json};
use spec::{Client, Seen, TestApp};
use web::{Bound, Guard};

use crate::attacks::saml::World;

/// Signs ann in through her company, as an application hands its answer on.
async fn enter(world: &World) -> Value {
    let (says, relay) = world.asked().await;
    let encoded = world.idp.encoded(&says, Signed::Assertion).unwrap();
    let body = json!({ "saml_response": encoded, "relay_state": relay, "provider": "company" });
    world.app.stranger().post("/api/v1/auth/saml/acs", body).await.expect(200).value()
}

fn with(app: &TestApp, session: &Value) -> Client {
    let token = session["access_token"].as_str().unwrap_or_else(|| panic!("no token in {session}"));
    app.stranger().with("authorization", &format!("Bearer {token}"))
}

async fn ask(client: &Client, route: &Bound) -> Seen {
    let piece = |piece: &str| match piece.starts_with('{') {
        true => "00000000-0000-4000-8000-000000000001".to_owned(),
        false => piece.to_owned(),
    };
    let path = route.path.split('/').map(piece).collect::<Vec<_>>().join("/");
    let body = if route.method == Method::GET { "" } else { "{}" };
    client.send(route.method.clone(), &path, &[("content-type", "application/json")], body.into()).await
}

/// A session of one proof opens no route but those that settle the second.
async fn owes_a_second_factor(app: &TestApp, session: &Value) {
    let client = with(app, session);
    let mut walked = 0;
    for route in &app.running.routes {
        let is_open = matches!(route.terms.guard, Guard::Open);
        let reads_it = route.terms.credentials == web::Credentials::KeyAndBearer;
        if is_open || !reads_it || route.terms.settles.contains(&Owed::SecondFactor) {
            continue;
        }
        let seen = ask(&client, route).await;
        assert_eq!(seen.status, 403, "{} {}: {}", route.method, route.path, seen.text());
        walked += 1;
    }
    assert!(walked > 60, "{walked} routes");
}

#[tokio::test]
async fn row_16_a_companys_word_through_fluxbase_opens_nothing_where_two_proofs_are_due() {
    for (what, setting) in [("required of all", Some("true")), ("an administrator", None)] {
        let builder = TestApp::builder().unlimited();
        let builder = match setting {
            Some(on) => builder.with("mfa.required", on),
            None => builder,
        };
        let world = World::on(builder.start().await).await;
        let app = &world.app;
        if setting.is_none() {
            // Whoever came through a company before is made an administrator.
            let first = with(app, &enter(&world).await);
            first.get("/api/v1/auth/user/identities").await.expect(200);
            app.admin("update auth.users set role = 'dashboard_admin' where email = 'ann@example.com'").await;
        }
        let session = enter(&world).await;
        owes_a_second_factor(app, &session).await;
        // Enrolling is what it can do, and that opens the rest.
        let low = with(app, &session);
        let setup =
            low.send(Method::POST, "/api/v1/auth/2fa/setup", &[], Bytes::new()).await.expect(200).value();
        let secret = setup["secret"].as_str().unwrap().to_owned();
        let code = || testkit::totp(&secret, app.clock.now().as_second());
        let enabled =
            low.post("/api/v1/auth/2fa/enable", json!({ "code": code() })).await.expect(200).value();
        with(app, &enabled).get("/api/v1/auth/user/identities").await.expect(200);
        // From then on the company's word is asked for the second proof, and gives no tokens before.
        app.clock.advance(std::time::Duration::from_secs(60));
        let half = enter(&world).await;
        assert_eq!(half["requires_2fa"], true, "{what}: {half}");
        assert!(half.get("access_token").is_none() && half.get("refresh_token").is_none(), "{what}");
        let shown = json!({ "user_id": half["user_id"], "code": code() });
        let whole = app.stranger().post("/api/v1/auth/2fa/verify", shown).await.expect(200).value();
        with(app, &whole).get("/api/v1/auth/user/identities").await.expect(200);
    }
}
