//! Programs that people let in, where the operator is strict about sessions and factors.

use serde_json::{Value, json};
use spec::factors::Authenticator;
use spec::{Client, Person, TestApp};

use super::oauth_server::{Program, answer, with_server};

/// A client with this token.
fn bearer(app: &TestApp, token: &Value) -> Client {
    app.stranger().with("authorization", &format!("Bearer {}", token.as_str().unwrap()))
}

#[tokio::test]
async fn with_one_session_a_person_programs_keep_theirs_and_end_nobodys() {
    let app = with_server().with("auth.single_session", "true").start().await;
    let ann = app.person("ann").await;
    let (one, two) = (Program::made(&app, json!({})).await, Program::made(&app, json!({})).await);
    let first = one.sign_in(&app, &ann, &[]).await;
    let second = two.sign_in(&app, &ann, &[]).await;
    // Letting programs in is no sign-in of one's own, and a sign-in of one's own is none of theirs.
    ann.client.get("/auth/v1/user").await.expect(200);
    let again = Person::sign_in(&app.stranger(), &ann.email, &ann.password).await.expect(200).value();
    ann.client.get("/auth/v1/user").await.expect(403);
    for program in [&first, &second] {
        bearer(&app, &program["access_token"]).get("/auth/v1/oauth/userinfo").await.expect(200);
    }
    // A program has one as well.
    let ann = ann.again(&again);
    let newer = one.sign_in(&app, &ann, &[]).await;
    bearer(&app, &first["access_token"]).get("/auth/v1/oauth/userinfo").await.expect(403);
    for token in [&newer["access_token"], &second["access_token"], &again["access_token"]] {
        bearer(&app, token).get("/auth/v1/oauth/userinfo").await.expect(200);
    }
}

#[tokio::test]
async fn where_everybody_needs_a_second_factor_no_program_comes_in_without_it() {
    let app = with_server().with("mfa.required", "true").start().await;
    app.owner(
        "create table public.notes (id int); alter table public.notes enable row level security; \
         grant select on public.notes to authenticated; create policy all_see on public.notes for select using (true)",
    )
    .await;
    let ann = app.person("ann").await;
    let program = Program::made(&app, json!({})).await;
    let id = program.waiting(&app, &[]).await;
    ann.client.get(&format!("/auth/v1/oauth/authorizations/{id}")).await.expect(403);
    answer(&ann, &id, "approve").await.expect(403);
    // With it the program is let in, at the level that its person had.
    let (raised, _) = Authenticator::with(&ann, app.clock.now().as_second()).await;
    let granted = program.sign_in(&app, &raised, &[]).await;
    bearer(&app, &granted["access_token"]).get("/rest/v1/notes?select=id").await.expect(200);
    let fields =
        [("grant_type", "refresh_token"), ("refresh_token", granted["refresh_token"].as_str().unwrap())];
    let later = program.token(&app.stranger(), &fields).await.expect(200).value();
    bearer(&app, &later["access_token"]).get("/rest/v1/notes?select=id").await.expect(200);
}
