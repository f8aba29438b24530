//! What passes by the policies stays where it may be and is seen (control 150), by whatever credential it became so; and what was lent
//! less does not become more.

use http::Method;
use serde_json::{Value, json};
use spec::person::PASSWORD;
use spec::{Client, Talk, TestApp};

const SECRET: &str = "kH7fD2mQ9xR4tW8zB1nV6pL3sJ5gA0cE";

/// Nothing but a token, from somewhere.
fn bearer(app: &TestApp, token: &str, from: &str) -> Client {
    Client { headers: vec![], ..app.stranger() }.at(from).with("authorization", &format!("Bearer {token}"))
}

fn minted(claims: &Value) -> String {
    spec::hs256(SECRET.as_bytes(), claims)
}

fn claims_of(token: &str) -> Value {
    use base64::Engine;
    let claims = token.split('.').nth(1).unwrap();
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).unwrap();
    serde_json::from_slice(&claims).unwrap()
}

/// Uses of programs' keys that the log tells of.
async fn uses(app: &TestApp) -> Vec<Value> {
    let audit = &app.running.services.audit;
    audit.settle().await.unwrap();
    let filter = audit::Filter { event: Some("key.used".to_owned()), ..audit::Filter::default() };
    let found = audit.find(&filter, None, 100).await.unwrap();
    found.iter().map(|entry| serde_json::from_str(&entry.body).unwrap()).collect()
}

/// Every role that administers, with and without a name.
#[tokio::test]
async fn a_token_that_is_only_an_administrators_role_is_held_to_the_place_of_secret_keys() {
    let app = TestApp::builder()
        .with("auth.service_role_addresses", "127.8.0.1")
        .with("auth.jwt_secret", SECRET)
        .start()
        .await;
    let ann = app.person("ann").await;
    for role in ["service_role", "dashboard_admin", "supabase_admin"] {
        for claims in [json!({ "role": role }), json!({ "role": role, "sub": ann.id })] {
            let users = async |from: &str, header: (&str, &str)| {
                let client = bearer(&app, &minted(&claims), from).with(header.0, header.1);
                client.get("/auth/v1/admin/users").await.status.as_u16()
            };
            assert_eq!(users("127.8.0.1", ("x-nothing", "x")).await, 200, "{claims}");
            assert_eq!(users("127.7.0.1", ("x-nothing", "x")).await, 401, "{claims} from elsewhere");
            let pages = [("origin", "https://page.example"), ("sec-fetch-site", "cross-site")];
            for page in pages {
                let seen = users("127.8.0.1", page).await;
                assert!([401, 403].contains(&seen), "{claims} from a page: {seen}");
            }
        }
    }
}

#[tokio::test]
async fn a_program_is_seen_though_it_names_somebody_and_though_it_speaks_on_a_socket() {
    let app = TestApp::builder().with("auth.jwt_secret", SECRET).start().await;
    app.owner(
        "create table log (id int); grant all on log to service_role;
         create policy room on realtime.messages for select to authenticated using (realtime.topic() = 'room')",
    )
    .await;
    let ann = app.person("ann").await;
    for role in ["service_role", "supabase_admin"] {
        let token = minted(&json!({ "role": role, "sub": ann.id }));
        bearer(&app, &token, "127.8.8.8").get("/auth/v1/admin/users").await.expect(200);
    }
    let seen = uses(&app).await;
    let count: u64 = seen.iter().map(|body| body["count"].as_u64().unwrap_or(1)).sum();
    assert_eq!(count, 2, "{seen:?}");
    for body in &seen {
        let text = body.to_string();
        // Whoever lost the secret put that name there.
        assert_eq!(body["actor"], "key:jwt", "{text}");
        assert!(text.contains(&ann.id) && text.contains("127.8.8.8"), "{text}");
        assert!(text.contains("GET /auth/v1/admin/users"), "{text}");
    }

    // The neighbours: people and whoever has the publishable key are not programs.
    let mut talk = Talk::open(&app).await;
    let private = json!({ "private": true });
    assert_eq!(talk.join("realtime:room", private.clone(), Some(&ann.access_token)).await["status"], "ok");
    assert_eq!(uses(&app).await.len(), seen.len());
    let service = app.running.keys.service_token.expose().clone();
    assert_eq!(talk.join("realtime:anything", private, Some(&service)).await["status"], "ok");
    let seen = uses(&app).await;
    let on_socket = |body: &Value| {
        body["actor"] == "key:default_secret" && body.to_string().contains("GET /realtime/v1/websocket")
    };
    assert!(seen.iter().any(on_socket), "{seen:?}");
}

/// Whoever tries a key that they found beside a token of their own learns that it is good, and is seen.
#[tokio::test]
async fn a_secret_key_beside_a_persons_token_is_seen() {
    let app = TestApp::start().await;
    let ann = app.person("ann").await;
    ann.client.get("/auth/v1/user").await.expect(200);
    assert_eq!(uses(&app).await.len(), 0, "the publishable key is no secret");
    let both = bearer(&app, &ann.access_token, "127.8.8.8").with("apikey", app.running.keys.secret.expose());
    let user = both.get("/auth/v1/user").await.expect(200).value();
    assert_eq!(user["id"], json!(ann.id));
    let seen = uses(&app).await;
    let text = format!("{seen:?}");
    assert_eq!((seen.len(), &seen[0]["actor"]), (1, &json!("key:default_secret")), "{text}");
    assert!(text.contains("127.8.8.8") && text.contains("GET /auth/v1/user"), "{text}");
}

/// An application's secret that was lost, beside an account that anybody can have.
#[tokio::test]
async fn a_session_carries_no_lost_secret_past_the_addresses_of_its_application() {
    let app = TestApp::builder()
        .with("auth.second_prefix", "/gotrue")
        .with("auth.application_jwt_secret", SECRET)
        .with("auth.application_addresses", "192.0.2.0/24")
        .start()
        .await;
    app.owner(
        "create function told() returns jsonb language sql stable as 'select auth.jwt()'; grant execute on function told to authenticated",
    )
    .await;
    let body = json!({ "email": "eve@example.com", "password": PASSWORD });
    let stranger = Client { headers: vec![], ..app.stranger() };
    let session = stranger.post("/gotrue/signup", body).await.expect(200).value();
    let token = session["access_token"].as_str().unwrap();
    let given = claims_of(token);
    let told =
        async |claims: &Value| bearer(&app, &minted(claims), "127.7.0.1").get("/rest/v1/rpc/told").await;
    let seen = told(&given).await.expect(200).value();
    assert_eq!(seen["email"], "eve@example.com", "what was given out is good");
    for (name, value) in [
        ("email", json!("boss@example.com")),
        ("role", json!("editor")),
        ("app_metadata", json!({ "tenant": "theirs" })),
        ("user_metadata", json!({})),
        ("aal", json!("aal2")),
        ("exp", json!(given["exp"].as_i64().unwrap() + 86_400)),
        ("tenant", json!("theirs")),
        ("given_out", json!("AAAA")),
        ("given_out", Value::Null),
    ] {
        let mut claims = given.clone();
        claims[name] = value;
        let seen = told(&claims).await;
        assert_eq!(seen.status, 401, "{claims}: {}", seen.text());
    }
    // Our own token of the same session has no such mark, and one of ours cannot be had from one of theirs.
    let refresh = json!({ "refresh_token": session["refresh_token"] });
    let path = "/auth/v1/token?grant_type=refresh_token";
    let own = app.stranger().post(path, refresh).await.expect(200).field("access_token");
    assert!(claims_of(&own).get("given_out").is_none());
    bearer(&app, &own, "127.7.0.1").get("/rest/v1/rpc/told").await.expect(200);
    assert_eq!(told(&claims_of(&own)).await.status, 401);
}

/// Policies that let the service through by its name are common.
#[tokio::test]
async fn policies_hear_of_no_administrator_behind_a_program_that_one_let_in() {
    let app = TestApp::builder().with("auth.jwt_secret", SECRET).start().await;
    app.owner(
        "create table secrets (id int primary key); insert into secrets values (1); grant select on secrets to authenticated;
         create policy by_claim on secrets for select to authenticated
             using (auth.role() = any ('{service_role,dashboard_admin,supabase_admin}') or auth.jwt() ->> 'role' = 'service_role')",
    )
    .await;
    let ann = app.person("ann").await;
    let mut claims = claims_of(&ann.access_token);
    claims["client_id"] = json!("00000000-0000-0000-0000-000000000003");
    for role in ["service_role", "dashboard_admin", "supabase_admin"] {
        claims["role"] = json!(role);
        let seen = bearer(&app, &minted(&claims), "127.7.0.1").get("/rest/v1/secrets").await.expect(200);
        assert_eq!(seen.text(), "[]", "{role}");
    }
}

#[tokio::test]
async fn a_key_for_accounts_makes_no_administrator_and_changes_none() {
    let app = TestApp::builder().unlimited().start().await;
    let made = json!({ "name": "importer", "scope": ["accounts:write"] });
    let made = app::control::ask(app.data(), Method::POST, "/keys", Some(&made)).await.unwrap();
    let importer = Client { headers: vec![], ..app.stranger() }.with("apikey", made["key"].as_str().unwrap());
    let (ann, boss) = (app.person("ann").await, app.person("boss").await);
    let boss_path = format!("/auth/v1/admin/users/{}", boss.id);
    let (boss, factor) = spec::factors::Authenticator::with(&boss, app.clock.now().as_second()).await;
    app.admin("update auth.users set role = 'dashboard_admin' where email like 'boss@%'").await;
    let ann_path = format!("/auth/v1/admin/users/{}", ann.id);
    for role in ["service_role", "dashboard_admin", "supabase_admin"] {
        let new = json!({ "email": format!("{role}@example.com"), "password": PASSWORD, "email_confirm": true, "role": role });
        importer.post("/auth/v1/admin/users", new).await.expect(403);
        importer.json(Method::PUT, &ann_path, json!({ "role": role })).await.expect(403);
    }
    for change in [
        json!({ "password": "Another-Horse-8-Battery!" }),
        json!({ "email": "eve@example.com", "email_confirm": true }),
        json!({ "role": "authenticated" }),
        json!({ "user_metadata": { "x": 1 } }),
    ] {
        importer.json(Method::PUT, &boss_path, change).await.expect(403);
    }
    for kind in ["magiclink", "recovery"] {
        let wanted = json!({ "type": kind, "email": boss.email });
        importer.post("/auth/v1/admin/generate_link", wanted).await.expect(403);
    }
    let factor_path = format!("{boss_path}/factors/{}", factor.id);
    importer.json(Method::PUT, &factor_path, json!({ "friendly_name": "x" })).await.expect(403);
    importer.json(Method::DELETE, &factor_path, Value::Null).await.expect(403);
    importer.json(Method::DELETE, &boss_path, json!({})).await.expect(403);
    let known = app.service().get(&boss_path).await.expect(200).value();
    assert_eq!((&known["role"], &known["email"]), (&json!("dashboard_admin"), &json!(boss.email)));

    // The neighbours: other accounts, and a key without limits.
    importer.json(Method::PUT, &ann_path, json!({ "role": "editor" })).await.expect(200);
    importer
        .post("/auth/v1/admin/generate_link", json!({ "type": "magiclink", "email": ann.email }))
        .await
        .expect(200);
    importer.json(Method::DELETE, &ann_path, json!({})).await.expect(200);
    app.service().json(Method::DELETE, &factor_path, Value::Null).await.expect(200);
    app.service().json(Method::PUT, &boss_path, json!({ "role": "authenticated" })).await.expect(200);
}
