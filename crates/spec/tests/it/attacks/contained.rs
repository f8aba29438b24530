//! What passes by the policies stays where it may be and is seen (control 150), by whatever credential it became so; and what was lent
//! less does not become more.

use serde_json::{Value, json};
use spec::{Client, Talk, TestApp};

const SECRET: &str = "kH7fD2mQ9xR4tW8zB1nV6pL3sJ5gA0cE";

/// Nothing but a token, from somewhere.
fn bearer(app: &TestApp, token: &str, from: &str) -> Client {
    Client { headers: vec![], ..app.stranger() }.at(from).with("authorization", &format!("Bearer {token}"))
}

fn minted(claims: &Value) -> String {
    spec::hs256(SECRET.as_bytes(), claims)
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
