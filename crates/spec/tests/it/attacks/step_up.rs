//! A session that was left open, or stolen, does nothing that lasts (control 26): whatever makes keys, gives rights, changes
//! or removes somebody's ways in asks for a proof of the last five minutes, on every route that does it.

use http::Method;
use serde_json::json;
use spec::{Authenticator, Client, Person, TestApp};
use web::{Bound, Guard};

/// What an administrator may change with an old proof, and why.
const EXEMPT: [(&str, &str); 3] = [
    ("/admin/v1/bans", "holds off or lets in addresses, which an incident does not wait for"),
    ("/admin/v1/database/readonly/{name}", "takes a lent login back"),
    ("/auth/v1/admin/users/{id}/sessions", "ends sessions: nothing is safer than that"),
];

/// An administrator with a second factor, and a session of both proofs.
pub async fn administrator(app: &TestApp) -> Person {
    let (ann, _) = Authenticator::with(&app.person("root").await, app.clock.now().as_second()).await;
    let admin = app.database.admin().await;
    admin
        .execute("update auth.users set role = 'dashboard_admin' where email = $1", &[&ann.email])
        .await
        .unwrap();
    let body = json!({ "refresh_token": ann.refresh_token });
    let session = app.stranger().post("/auth/v1/token?grant_type=refresh_token", body).await.expect(200);
    ann.again(&session.value())
}

fn path(route: &Bound) -> String {
    let concrete = |piece: &str| match piece {
        "{role}" => "staff".to_owned(),
        other if other.starts_with('{') => "00000000-0000-4000-8000-000000000001".to_owned(),
        other => other.to_owned(),
    };
    route.path.split('/').map(concrete).collect::<Vec<_>>().join("/")
}

/// What each of them could mean.
fn body(route: &Bound) -> serde_json::Value {
    match &*route.path {
        "/auth/v1/invite" => json!({ "email": "guest@example.com" }),
        "/auth/v1/admin/generate_link" => json!({ "type": "magiclink", "email": "guest@example.com" }),
        "/auth/v1/admin/sso/providers" => json!({ "type": "saml", "metadata_xml": "<x/>" }),
        "/api/v1/auth/impersonate" | "/api/v1/auth/impersonate/anon" => {
            json!({ "target_user_id": "00000000-0000-4000-8000-000000000001", "reason": "x" })
        }
        "/auth/v1/admin/oauth/clients" => {
            json!({ "client_name": "x", "redirect_uris": ["https://app.example.com/back"] })
        }
        "/auth/v1/admin/custom-providers" => json!({
            "provider_type": "oidc", "identifier": "custom:x", "name": "X", "client_id": "c",
            "issuer": "https://issuer.example",
        }),
        "/admin/v1/roles/{role}" => json!({ "grants": [] }),
        _ => json!({}),
    }
}

#[tokio::test]
async fn an_administrators_old_session_changes_nothing_on_any_route() {
    let app = TestApp::builder().unlimited().with("auth.oauth_server.enabled", "true").start().await;
    let root = administrator(&app).await;
    let link = json!({ "type": "magiclink", "email": "guest@example.com" });
    root.client.post("/auth/v1/admin/generate_link", link).await.expect(200);
    app.clock.advance(std::time::Duration::from_secs(301));
    let mut walked = 0;
    for route in &app.running.routes {
        let reads = [Method::GET, Method::HEAD, Method::OPTIONS].contains(&route.method);
        // Stopping is never too late.
        let stops = route.method == Method::DELETE && &*route.path == "/api/v1/auth/impersonate";
        let exempt = stops || EXEMPT.iter().any(|(path, _)| route.path.starts_with(path));
        if route.terms.guard != Guard::Admin || reads || exempt {
            continue;
        }
        let seen = root.client.json(route.method.clone(), &path(route), body(route)).await;
        let who = format!("{} {}", route.method, route.path);
        assert_eq!(seen.status, 403, "{who}: {}", seen.text());
        assert!(seen.text().contains("insufficient_aal"), "{who}: {}", seen.text());
        walked += 1;
    }
    assert!(walked >= 20, "{walked} routes");
    // Looking is not changing, and a program with a key has no session that grows old.
    root.client.get("/auth/v1/admin/users").await.expect(200);
    let link = json!({ "type": "magiclink", "email": "guest@example.com" });
    app.service().post("/auth/v1/admin/generate_link", link).await.expect(200);
}

#[tokio::test]
async fn a_persons_old_session_changes_none_of_their_ways_in() {
    let app = TestApp::builder().unlimited().with("auth.manual_linking", "true").start().await;
    let ann = app.person("ann").await;
    let identity = ann.client.get("/auth/v1/user").await.expect(200).value();
    let identity = identity["identities"][0]["identity_id"].as_str().unwrap().to_owned();
    let tries = |client: Client| {
        let identity = identity.clone();
        async move {
            vec![
                client
                    .json(Method::PUT, "/auth/v1/user", json!({ "password": "Another-Horse-8-Battery!" }))
                    .await,
                client.json(Method::PUT, "/auth/v1/user", json!({ "email": "other@example.com" })).await,
                client.post("/auth/v1/factors", json!({ "factor_type": "totp" })).await,
                client.post("/auth/v1/passkeys/registration/options", json!({})).await,
                client.json(Method::DELETE, &format!("/auth/v1/user/identities/{identity}"), json!({})).await,
                client.get("/auth/v1/user/identities/authorize?provider=keycloak").await,
            ]
        }
    };
    app.clock.advance(std::time::Duration::from_secs(301));
    for (at, seen) in tries(ann.client.clone()).await.into_iter().enumerate() {
        assert_eq!(seen.value()["error_code"], "reauthentication_needed", "{at}: {}", seen.text());
    }
    let fresh = ann.client.post("/auth/v1/reauthenticate", json!({ "password": ann.password })).await;
    let fresh = ann.again(&fresh.expect(200).value());
    let after: Vec<_> = tries(fresh.client).await.into_iter().map(|seen| seen.text()).collect();
    assert!(after.iter().all(|text| !text.contains("reauthentication_needed")), "{after:?}");
}
