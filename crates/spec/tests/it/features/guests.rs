//! Read-only logins of the database: lent, used, recorded, ended.

use pg::Login;
use serde_json::{Value, json};
use spec::TestApp;

const PATH: &str = "/admin/v1/database/readonly";

const NOTES: &str = "
create table public.notes (id int primary key, owner uuid, shown boolean not null default false);
create policy shown on public.notes for select using (shown);
create policy own on public.notes to authenticated using (owner = auth.uid()) with check (owner = auth.uid());
insert into public.notes values (1, null, true), (2, null, false)";

async fn lend(app: &TestApp, body: Value) -> spec::Seen {
    app.service().post(PATH, body).await
}

async fn enter(app: &TestApp, lent: &Value) -> Result<tokio_postgres::Client, pg::Error> {
    let login = Login {
        name: lent["name"].as_str().unwrap().to_owned(),
        password: Some(lent["password"].as_str().unwrap().into()),
    };
    let entered = app.database.target().login(&login).connect().await?;
    entered.batch_execute("SET search_path = public, extensions").await?;
    Ok(entered)
}

#[tokio::test]
async fn the_guides_readonly_user_is_lent_reads_what_policies_show_and_ends_at_its_time() {
    let app = TestApp::start().await;
    app.owner(NOTES).await;
    // Roles belong to the whole server that tests share, so the guide's name is made this test's own.
    let name = format!("readonly_user_{}", app.database.name().rsplit('_').next().unwrap());
    let asked = json!({ "name": name, "purpose": "reports", "expires_in_seconds": 3600 });
    let lent = lend(&app, asked.clone()).await.expect(200).value();
    assert!(lent["url"].as_str().unwrap().starts_with("postgresql://readonly%5Fuser"), "{lent}");
    assert_eq!(lend(&app, asked).await.expect(409).value()["code"], "guests.taken");
    let reader = enter(&app, &lent).await.unwrap();
    let rows = reader.query("SELECT id FROM notes", &[]).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.get::<_, i32>(0)).collect::<Vec<_>>(), [1]);
    let listed = app.service().get(PATH).await.expect(200).value();
    assert_eq!((&listed[0]["name"], &listed[0]["sessions"]), (&json!(name), &json!(1)), "{listed}");
    assert!(!listed.to_string().contains(lent["password"].as_str().unwrap()));
    assert!(app.audited("db.guest_lent").await && !app.audited("db.guest_ended").await);

    app.clock.advance(std::time::Duration::from_secs(3601));
    app.eventually(async || reader.query("SELECT 1", &[]).await.is_err()).await;
    app.eventually(async || app.service().get(PATH).await.value() == json!([])).await;
    assert!(enter(&app, &lent).await.is_err(), "its time is over");
    assert!(app.audited("db.guest_ended").await);
}

#[tokio::test]
async fn a_revoked_reader_is_out_at_once() {
    let app = TestApp::start().await;
    let lent =
        lend(&app, json!({ "purpose": "a look", "expires_in_seconds": 3600 })).await.expect(200).value();
    let reader = enter(&app, &lent).await.unwrap();
    let name = lent["name"].as_str().unwrap();
    app.service().json(::http::Method::DELETE, &format!("{PATH}/{name}"), json!({})).await.expect(200);
    assert!(reader.query("SELECT 1", &[]).await.is_err(), "its session goes on");
    assert!(enter(&app, &lent).await.is_err());
    let again = app.service().json(::http::Method::DELETE, &format!("{PATH}/{name}"), json!({})).await;
    assert_eq!(again.expect(404).value()["code"], "guests.unknown");
}

#[tokio::test]
async fn nobody_else_lends_and_nothing_is_lent_while_a_way_to_write_is_open() {
    let app = TestApp::start().await;
    let asked = json!({ "purpose": "x", "expires_in_seconds": 60 });
    let ann = app.person("ann").await;
    for client in [&app.stranger(), &ann.client] {
        assert!([401, 403].contains(&client.post(PATH, asked.clone()).await.status.as_u16()));
        assert!([401, 403].contains(&client.get(PATH).await.status.as_u16()));
    }
    for (bad, code) in [
        (json!({ "purpose": "", "expires_in_seconds": 60 }), "guests.purpose"),
        (json!({ "purpose": "x", "expires_in_seconds": 0 }), "guests.lifetime"),
        (json!({ "purpose": "x", "expires_in_seconds": 31 * 86_400 }), "guests.lifetime"),
        (json!({ "name": "pg_x", "purpose": "x", "expires_in_seconds": 60 }), "guests.name"),
        (json!({ "name": "a\"; drop table x", "purpose": "x", "expires_in_seconds": 60 }), "guests.name"),
    ] {
        assert_eq!(lend(&app, bad.clone()).await.expect(400).value()["code"], code, "{bad}");
    }
    let write = "create table public.log (x int); \
                 create function public.note(x int) returns void language sql security definer \
                 set search_path = '' as $$ insert into public.log values (x) $$";
    app.owner(write).await;
    let refused = lend(&app, asked.clone()).await.expect(409).value();
    assert_eq!(refused["code"], "guests.writes");
    assert!(refused["message"].as_str().unwrap().contains("note(integer)"), "{refused}");
    app.owner("revoke execute on function public.note(int) from public, readonly").await;
    let lent = lend(&app, asked).await.expect(200).value();
    let reader = enter(&app, &lent).await.unwrap();
    let error = reader.query("SELECT note(1)", &[]).await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "42501");
}

#[tokio::test]
async fn a_statement_past_its_time_is_ended_although_its_session_lifted_the_limit() {
    let app = TestApp::builder().with("database.readonly.statement_timeout", "1s").start().await;
    let lent = lend(&app, json!({ "purpose": "x", "expires_in_seconds": 600 })).await.expect(200).value();
    let reader = enter(&app, &lent).await.unwrap();
    let error = reader.query("SELECT pg_sleep(30)", &[]).await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "57014", "its own limit");
    reader.batch_execute("SET statement_timeout = 0").await.unwrap();
    let long = tokio::spawn(async move { reader.query("SELECT pg_sleep(60)", &[]).await.map(drop) });
    app.eventually(async || {
        app.clock.advance(std::time::Duration::from_secs(16));
        long.is_finished()
    })
    .await;
    assert!(long.await.unwrap().is_err());
}
