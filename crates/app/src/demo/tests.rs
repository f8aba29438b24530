//! The demo's policies, asked as its people: what a newcomer copies has to hold.

use std::sync::Arc;

use base::caller::{SignedIn, Who};
use base::{Caller, DbRole};
use pg::{Once, Statement};
use testkit::Database;

use super::*;

#[test]
fn every_instance_has_passwords_of_its_own() {
    let (one, two) = (people(&Rng::system()), people(&Rng::system()));
    for (one, two) in one.iter().zip(&two) {
        assert!(!one.password.matches(two.password.expose()));
        assert!(one.password.expose().len() >= 20);
    }
}

#[test]
fn credentials_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("demo-people.txt");
    write_credentials(&path, &people(&Rng::seeded(1))).expect("written");
    assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    assert!(std::fs::read_to_string(&path).expect("text").contains("ann@example.com"));
}

#[test]
fn the_data_set_has_at_least_a_hundred_thousand_rows() {
    let people = people(&Rng::seeded(1));
    let steps = steps(&people, &[Uuid::nil(), Uuid::nil(), Uuid::nil()]);
    assert!(steps.iter().map(|step| step.rows).sum::<u64>() >= 100_000);
    assert!(steps.iter().all(|step| !step.sql.contains("$TEAM")));
}

/// A database with the demo in it, and its people's accounts in order.
async fn loaded() -> (Database, Vec<Uuid>) {
    let db = Database::new(auth::MIGRATIONS).await;
    let owner = db.owner().await;
    let people = people(&Rng::seeded(7));
    let accounts: Vec<Uuid> = people.iter().map(|_| Rng::system().uuid()).collect();
    for account in &accounts {
        db.admin()
            .await
            .execute("insert into auth.users (id) values ($1)", &[account])
            .await
            .expect("an account");
    }
    owner.batch_execute("begin").await.expect("begun");
    let rows = load(&steps(&people, &accounts), async |sql: &str| owner.batch_execute(sql).await).await;
    assert_eq!(rows.expect("loaded"), TEAMS * ROWS_PER_TEAM);
    owner.batch_execute("commit").await.expect("committed");
    (db, accounts)
}

fn signed_in(user: Uuid) -> Caller {
    Caller {
        who: Who::User(SignedIn { user, session: None }),
        role: DbRole::authenticated(),
        claims: format!(r#"{{"sub":"{user}","role":"authenticated","email":"a@example.com"}}"#).into(),
        claimed_role: "authenticated".into(),
        subject: user.to_string().into(),
        ..Caller::anonymous()
    }
}

/// Runs a statement as somebody; the first column of the first row, or PostgreSQL's code.
async fn ask(pg: &pg::Pg, caller: &Caller, sql: &str) -> String {
    let sql: Arc<str> = sql.into();
    match pg.once(caller, Once::write(Statement::rare(sql, []))).await {
        Ok(reply) => {
            let rows = reply.into_inner();
            rows.first().map_or_else(|| rows.affected.to_string(), |row| row.at(0).expect("a value"))
        }
        Err(error) => error.database().map_or_else(|| error.to_string(), |error| error.sqlstate.clone()),
    }
}

#[tokio::test]
async fn each_person_reaches_only_what_their_membership_allows() {
    let (db, accounts) = loaded().await;
    let pg = db.pg();
    let [ann, bob, cleo] = accounts.as_slice() else { panic!("three people") };
    let (ann, bob, cleo, nobody) = (signed_in(*ann), signed_in(*bob), signed_in(*cleo), Caller::anonymous());
    let stranger = Uuid::from_u128(1);
    db.admin()
        .await
        .execute("insert into auth.users (id) values ($1)", &[&stranger])
        .await
        .expect("an account");
    let stranger = signed_in(stranger);

    for (caller, teams, tasks, comments) in [
        (&ann, "2", "800", "2000"),
        (&bob, "1", "400", "1000"),
        (&cleo, "1", "400", "1000"),
        (&stranger, "0", "0", "0"),
    ] {
        assert_eq!(ask(&pg, caller, "select count(*) from teams").await, teams);
        assert_eq!(ask(&pg, caller, "select count(*) from tasks").await, tasks);
        assert_eq!(ask(&pg, caller, "select count(*) from comments").await, comments);
    }
    assert_eq!(ask(&pg, &nobody, "select count(*) from tasks").await, "0");
    assert_eq!(ask(&pg, &nobody, "select count(*) from my_teams()").await, "42501");
    assert_eq!(ask(&pg, &nobody, "insert into projects (team_id, name) values (1, 'x')").await, "42501");

    assert_eq!(ask(&pg, &ann, "update tasks set priority = 1").await, "800");
    assert_eq!(ask(&pg, &cleo, "update tasks set priority = 1").await, "0");
    assert_eq!(ask(&pg, &bob, "delete from tasks where id = 1").await, "0");
    assert_eq!(
        ask(&pg, &cleo, "insert into comments (task_id, author_id, body) values (801, 60, 'Mine.')").await,
        "1"
    );
    assert_eq!(
        ask(&pg, &cleo, "insert into comments (task_id, author_id, body) values (801, 41, 'x')").await,
        "42501"
    );
    assert_eq!(
        ask(&pg, &cleo, "insert into comments (task_id, author_id, body) values (1, 60, 'x')").await,
        "42501"
    );
    assert_eq!(ask(&pg, &ann, "insert into task_tags (task_id, tag_id) values (1, 17)").await, "42501");
    assert_eq!(ask(&pg, &ann, "update tasks set project_id = 11 where id = 1").await, "23514");
    assert_eq!(ask(&pg, &ann, "select count(*) from project_progress").await, "20");
    assert_eq!(ask(&pg, &stranger, "select (create_team('New', 'new-team')).name").await, "New");
    assert_eq!(ask(&pg, &stranger, "insert into projects (team_id, name) values (61, 'First')").await, "1");
}

#[tokio::test]
async fn every_table_of_the_demo_is_behind_the_gate() {
    let (db, _) = loaded().await;
    let open = "select count(*) from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'
                and not (relrowsecurity and relforcerowsecurity)";
    let found: i64 = db.admin().await.query_one(open, &[]).await.expect("counted").get(0);
    assert_eq!(found, 0);
}
