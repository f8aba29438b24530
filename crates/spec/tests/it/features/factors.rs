//! Second factors: what people can do with them, and what a session without one cannot (controls 22 to 26).

use base::Owed;
use http::Method;
use serde_json::json;
use spec::{Authenticator, Person, Seen, TestApp};

fn now(app: &TestApp) -> i64 {
    app.clock.now().as_second()
}

fn says(seen: &Seen) -> String {
    let body: serde_json::Value = serde_json::from_slice(&seen.body).unwrap_or_default();
    ["error_code", "code"].iter().find_map(|name| body[name].as_str()).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn an_authenticator_app_is_enrolled_shown_listed_and_removed() {
    let app = TestApp::builder().unlimited().start().await;
    let ann = app.person("ann").await;
    let enrolled = json!({ "factor_type": "totp", "friendly_name": "phone", "issuer": "Acme" });
    let enrolled = ann.client.post("/auth/v1/factors", enrolled).await.expect(200).value();
    let totp = &enrolled["totp"];
    assert!(totp["qr_code"].as_str().unwrap().starts_with("<svg"));
    assert!(totp["uri"].as_str().unwrap().starts_with("otpauth://totp/Acme:ann%40example.com?"));
    let unverified = ann.client.get("/auth/v1/user").await.expect(200).value();
    assert_eq!(unverified["factors"][0]["status"], "unverified");
    let phone = Authenticator {
        id: enrolled["id"].as_str().unwrap().to_owned(),
        secret: totp["secret"].as_str().unwrap().to_owned(),
    };
    let raised = phone.show(&ann.client, &phone.code(now(&app))).await.expect(200).value();
    let ann = ann.again(&raised);
    let seen = ann.client.get("/auth/v1/user").await.expect(200).value();
    let factor = &seen["factors"][0];
    assert_eq!((factor["status"].as_str(), factor["factor_type"].as_str()), (Some("verified"), Some("totp")));
    assert!(factor.get("secret").is_none(), "nobody reads the secret again");
    let admin = app.service();
    let listed = admin.get(&format!("/auth/v1/admin/users/{}/factors", ann.id)).await.expect(200).value();
    assert_eq!(listed[0]["id"], factor["id"]);
    let at = format!("/auth/v1/admin/users/{}/factors/{}", ann.id, phone.id);
    let renamed =
        admin.json(Method::PUT, &at, json!({ "friendly_name": "tablet" })).await.expect(200).value();
    assert_eq!(renamed["friendly_name"], "tablet");
    let removed = ann.client.json(Method::DELETE, &format!("/auth/v1/factors/{}", phone.id), json!({})).await;
    assert_eq!(removed.expect(200).value(), json!({ "id": phone.id }));
    admin.json(Method::DELETE, &at, json!({})).await.expect(404);
}

/// Every route that a session's token opens, asked by somebody whose session owes something: how many refuse it with this
/// code, and which it may use. Those are not asked.
pub async fn closed_and_open(app: &TestApp, owing: &Person, owed: Owed, code: &str) -> (usize, Vec<String>) {
    let (mut closed, mut open) = (0, Vec::new());
    for route in &app.running.routes {
        let path: Vec<&str> = route
            .path
            .split('/')
            .map(|piece| match piece {
                "{id}" => "00000000-0000-4000-8000-000000000001",
                other if other.starts_with('{') => "notes",
                other => other,
            })
            .collect();
        let headers = [("content-type", "application/json")];
        let body = if route.method == Method::GET || route.method == Method::HEAD { "" } else { "{}" };
        let who = format!("{} {}", route.method, route.path);
        // A browser's page knows a cookie only: a session's token opens nothing there, whatever it owes.
        if route.terms.credentials != web::Credentials::KeyAndBearer {
            continue;
        }
        if route.terms.settles.contains(&owed) {
            open.push(who);
            continue;
        }
        let seen = owing.client.send(route.method.clone(), &path.join("/"), &headers, body.into()).await;
        assert_eq!(seen.status, 403, "{who}: {}", seen.text());
        if route.method != Method::HEAD {
            assert!(seen.text().contains(&format!("\"{code}\"")), "{who}: {}", seen.text());
        }
        closed += 1;
    }
    (closed, open)
}

/// Controls 24 and 25: every route there is, asked by a session that owes a second factor.
#[tokio::test]
async fn a_session_that_owes_a_second_factor_can_enrol_and_verify_and_nothing_else() {
    let app = TestApp::builder().with("mfa.required", "true").unlimited().start().await;
    app.owner("create table public.notes (id int); alter table public.notes enable row level security").await;
    let ann = app.person("ann").await;
    let (closed, open) = closed_and_open(&app, &ann, Owed::SecondFactor, "insufficient_aal").await;
    assert!(closed > 30, "{closed} routes were asked");
    assert_eq!(
        open,
        [
            "GET /auth/v1/user",
            "POST /auth/v1/logout",
            "GET /auth/v1/factors/recovery-codes",
            "POST /auth/v1/factors/recovery-codes",
            "POST /auth/v1/factors/recovery-codes/verify",
            "POST /auth/v1/factors/recovery-codes/regenerate",
            "DELETE /auth/v1/factors/recovery-codes",
            "POST /auth/v1/factors",
            "POST /auth/v1/factors/{id}/challenge",
            "POST /auth/v1/factors/{id}/verify",
            "DELETE /auth/v1/factors/{id}",
            "POST /auth/v1/reauthenticate",
            "GET /auth/v1/oauth/userinfo",
            "POST /auth/v1/oauth/userinfo",
            "POST /api/v1/auth/signout",
            "GET /api/v1/auth/user",
            "GET /api/v1/auth/2fa/status",
            "POST /api/v1/auth/2fa/setup",
            "POST /api/v1/auth/2fa/enable",
        ]
    );
    // A socket is opened with a key alone: what comes over it is held to the same.
    app.owner("create policy everybody on realtime.messages for select to authenticated using (true)").await;
    let join = async |token: &str| {
        let mut socket = spec::Talk::open(&app).await;
        socket.join("realtime:notes", json!({ "private": true }), Some(token)).await
    };
    let refused = join(&ann.access_token).await;
    assert_eq!(refused["status"], "error", "{refused}");
    let (ann, _) = Authenticator::with(&ann, now(&app)).await;
    ann.client.get("/rest/v1/notes").await.expect(200);
    let joined = join(&ann.access_token).await;
    assert_eq!(joined["status"], "ok", "{joined}");
}

/// Control 25.
#[tokio::test]
async fn an_administrator_enrols_before_anything_else() {
    let app = TestApp::builder().unlimited().start().await;
    let root = app.person("root").await;
    let user = format!("/auth/v1/admin/users/{}", root.id);
    app.service().json(Method::PUT, &user, json!({ "role": "dashboard_admin" })).await.expect(200);
    let session = Person::sign_in(&app.stranger(), &root.email, &root.password).await.expect(200).value();
    let root = root.again(&session);
    let refused = root.client.get("/auth/v1/admin/users").await.expect(403);
    assert_eq!(says(&refused), "insufficient_aal");
    assert_eq!(says(&root.client.get("/rest/v1/").await.expect(403)), "insufficient_aal");
    let (root, _) = Authenticator::with(&root, now(&app)).await;
    root.client.get("/auth/v1/admin/users").await.expect(200);
}

/// Control 26, over the wire.
#[tokio::test]
async fn what_is_sensitive_needs_a_proof_of_the_last_five_minutes() {
    let app = TestApp::builder().unlimited().start().await;
    let ann = app.person("ann").await;
    let (ann, phone) = Authenticator::with(&ann, now(&app)).await;
    app.clock.advance(std::time::Duration::from_secs(301));
    let change = json!({ "email": "ann2@example.com" });
    let stale = ann.client.json(Method::PUT, "/auth/v1/user", change.clone()).await.expect(403);
    assert_eq!(says(&stale), "insufficient_aal");
    ann.client.json(Method::PUT, "/auth/v1/user", json!({ "data": { "name": "Ann" } })).await.expect(200);
    let raised = phone.show(&ann.client, &phone.code(now(&app))).await.expect(200).value();
    ann.again(&raised).client.json(Method::PUT, "/auth/v1/user", change).await.expect(200);

    let bob = app.person("bob").await;
    app.clock.advance(std::time::Duration::from_secs(301));
    let change = json!({ "password": "Another-Horse-7-Battery!" });
    let stale = bob.client.json(Method::PUT, "/auth/v1/user", change.clone()).await.expect(400);
    assert_eq!(says(&stale), "reauthentication_needed");
    let fresh =
        bob.client.post("/auth/v1/reauthenticate", json!({ "password": bob.password })).await.expect(200);
    bob.again(&fresh.value()).client.json(Method::PUT, "/auth/v1/user", change).await.expect(200);
}

/// Control 23: codes by SMS, where an operator lists them and names who sends them.
#[tokio::test]
async fn a_telephone_is_a_second_factor_where_it_is_listed() {
    let app = TestApp::builder().unlimited().with("mfa.methods", "totp,sms").texting().start().await;
    let ann = app.person("ann").await;
    let body = json!({ "factor_type": "phone", "friendly_name": "mobile", "phone": "+49 30 1234567" });
    let enrolled = ann.client.post("/auth/v1/factors", body).await.expect(200).value();
    assert_eq!((enrolled["type"].as_str(), enrolled["phone"].as_str()), (Some("phone"), Some("49301234567")));
    let at = |what: &str| format!("/auth/v1/factors/{}/{what}", enrolled["id"].as_str().unwrap());
    let challenge =
        ann.client.post(&at("challenge"), json!({ "channel": "sms" })).await.expect(200).field("id");
    // In `dev` nothing leaves the machine: the catcher has it.
    let outbox = &app.running.services.outbox;
    let texts = outbox.list(None, 50).await.unwrap();
    let text = texts.iter().find(|mail| mail.to == "+49301234567").unwrap();
    let text = outbox.get(text.id).await.unwrap().text.unwrap();
    let code = text.expose().rsplit(' ').next().unwrap().to_owned();
    let show = async |code: &str| {
        ann.client.post(&at("verify"), json!({ "challenge_id": challenge, "code": code })).await
    };
    let wrong = if code == "000000" { "000001" } else { "000000" };
    assert_eq!(show(wrong).await.expect(422).field("error_code"), "mfa_verification_failed");
    let raised = show(&code).await.expect(200).value();
    let again = ann.again(&raised);
    assert_eq!(show(&code).await.status, 422, "a code is taken once");
    let user = again.client.get("/auth/v1/user").await.expect(200).value();
    assert_eq!(user["factors"][0]["phone"], "49301234567");
    let kept = app.database.admin().await;
    let kept = kept.query_one("select count(*) from auth.mfa_challenges", &[]).await.unwrap();
    assert_eq!(kept.get::<_, i64>(0), 0);
}
