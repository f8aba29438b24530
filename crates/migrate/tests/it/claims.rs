//! What an operator relies on.

use base::{Fault, Kind};
use migrate::{Ask, Error, State};

use crate::world::{NOTES, NOTES_DOWN, TEAMS, TEAMS_DOWN, World, ask};

#[tokio::test]
async fn what_is_pending_is_applied_once_in_order_and_recorded() {
    let world = World::new().await;
    let files = ask(&[NOTES, TEAMS]);
    let done = world.migrations.up(&files).await.unwrap();
    assert_eq!(done.iter().map(|done| done.version).collect::<Vec<_>>(), [1, 2]);
    assert!(world.migrations.up(&files).await.unwrap().is_empty());
    let states = world.migrations.status(&files.files).await.unwrap();
    assert!(states.iter().all(|line| line.state == State::Applied && line.applied_at.is_some()));
    let owner = "select pg_get_userbyid(relowner)::text from pg_class where relname = 'notes'";
    assert_eq!(world.text(owner).await.as_deref(), Some("palisade_owner"));
    let guarded =
        "select (relrowsecurity and relforcerowsecurity)::text from pg_class where relname = 'notes'";
    assert_eq!(world.text(guarded).await.as_deref(), Some("true"), "the gate is not passed by");
    assert_eq!(world.audited("db.migrated").await, 2);
}

#[tokio::test]
async fn a_file_that_fails_leaves_nothing_and_names_its_line() {
    let world = World::new().await;
    let bad = ("0002_bad.sql", "create table half (a int);\n\ninsert into nowhere values (1);");
    let error = world.migrations.up(&ask(&[TEAMS, bad])).await.unwrap_err();
    assert_eq!(error.code(), "migrate.statement");
    let text = error.to_string();
    assert!(text.starts_with("0002_bad.sql, line 3: relation \"nowhere\" does not exist"), "{text}");
    assert!(text.contains("taken back"), "{text}");
    assert_eq!(world.text("select to_regclass('half')::text").await, None);
    assert_eq!(
        world.text("select to_regclass('teams')::text").await.as_deref(),
        Some("teams"),
        "what came before stays"
    );
    assert_eq!(world.audited("db.migration_failed").await, 1);
}

#[tokio::test]
async fn an_edited_a_vanished_and_an_overtaken_file_stop_everything() {
    let world = World::new().await;
    world.migrations.up(&ask(&[TEAMS, NOTES])).await.unwrap();
    let edited = (TEAMS.0, "create table teams (id int)");
    for (files, word) in [(ask(&[edited, NOTES]), "edited"), (ask(&[NOTES]), "gone")] {
        let error = world.migrations.up(&files).await.unwrap_err();
        assert!(
            matches!(&error, Error::Drift { complaints } if complaints.len() == 1 && complaints[0].contains(word)),
            "{error}"
        );
    }
    let world = World::new().await;
    world.migrations.up(&ask(&[TEAMS, ("0009_x.sql", "create view v as select 1")])).await.unwrap();
    let late = ask(&[TEAMS, NOTES, ("0009_x.sql", "create view v as select 1")]);
    assert!(matches!(world.migrations.up(&late).await, Err(Error::Drift { .. })));
    let done = world.migrations.up(&Ask { out_of_order: true, ..late }).await.unwrap();
    assert_eq!(done.len(), 1);
}

#[tokio::test]
async fn the_last_is_taken_back_and_all_after_a_number_are() {
    let world = World::new().await;
    let files = ask(&[TEAMS, TEAMS_DOWN, NOTES, NOTES_DOWN]);
    world.migrations.up(&files).await.unwrap();
    let done = world.migrations.down(&files).await.unwrap();
    assert_eq!(done.iter().map(|done| done.version).collect::<Vec<_>>(), [2]);
    world.migrations.up(&files).await.unwrap();
    // The way back is remembered, so that a file that is gone can still be taken back.
    let done = world.migrations.down(&Ask { to: Some(0), ..Ask::default() }).await.unwrap();
    assert_eq!(done.iter().map(|done| done.version).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(world.text("select to_regclass('teams')::text").await, None);
    assert_eq!(world.audited("db.migration_reverted").await, 3);
}

#[tokio::test]
async fn one_without_a_way_back_stops_all_of_them() {
    let world = World::new().await;
    let files = ask(&[TEAMS, NOTES, NOTES_DOWN]);
    world.migrations.up(&files).await.unwrap();
    let error = world.migrations.down(&Ask { to: Some(0), ..files }).await.unwrap_err();
    assert_eq!(error.code(), "migrate.no_way_back");
    assert_eq!(world.text("select to_regclass('notes')::text").await.as_deref(), Some("notes"));
}

#[tokio::test]
async fn a_finding_of_the_linter_is_in_the_way_until_it_is_allowed() {
    let world = World::new().await;
    let files = ask(&[("1_bad.sql", "create table bad_one (a int)")]);
    let error = world.migrations.up(&files).await.unwrap_err();
    assert!(error.to_string().contains("no_comment: bad_one"), "{error}");
    assert_eq!(world.text("select to_regclass('bad_one')::text").await, None);
    world.migrations.up(&Ask { allow: vec!["no_comment".to_owned()], ..files }).await.unwrap();
    // What was there before is not held against the next one.
    let more =
        ask(&[("1_bad.sql", "create table bad_one (a int)"), ("2_mild.sql", "create table mild (a int)")]);
    let done = world.migrations.up(&more).await.unwrap();
    assert_eq!(done[0].remarks, ["no_comment: mild"]);
}

#[tokio::test]
async fn an_index_can_be_made_without_a_transaction() {
    let world = World::new().await;
    let index = (
        "0002_index.sql",
        "-- palisade: no transaction\ncreate index concurrently teams_name on teams (name);",
    );
    world.migrations.up(&ask(&[TEAMS, index])).await.unwrap();
    assert_eq!(world.text("select to_regclass('teams_name')::text").await.as_deref(), Some("teams_name"));
    let broken = ("0003_two.sql", "-- palisade: no transaction\ncreate table kept (a int);\nselect 1/0;");
    let text = world.migrations.up(&ask(&[TEAMS, index, broken])).await.unwrap_err().to_string();
    assert!(text.starts_with("0003_two.sql, line 3: division by zero") && text.contains("kept"), "{text}");
    assert_eq!(
        world.migrations.status(&ask(&[TEAMS, index, broken]).files).await.unwrap()[2].state,
        State::Pending
    );
}

#[tokio::test]
async fn a_migration_has_no_more_rights_than_the_owner_of_the_tables() {
    let world = World::new().await;
    for sql in
        ["alter role anon superuser", "update migrate.applied set checksum = ''", "drop schema audit cascade"]
    {
        let error = world.migrations.up(&ask(&[("1_x.sql", sql)])).await.unwrap_err();
        assert_eq!(error.code(), "migrate.statement", "{sql}");
    }
    let error =
        world.migrations.up(&ask(&[("1_x.sql", "reset role; alter role anon superuser")])).await.unwrap_err();
    assert_eq!(error.code(), "migrate.forbidden");
}

#[tokio::test]
async fn a_rehearsal_changes_a_copy_and_tells_whether_the_way_back_leads_home() {
    let world = World::new().await;
    world.migrations.up(&ask(&[TEAMS, TEAMS_DOWN])).await.unwrap();
    world.database.owner().await.batch_execute("insert into teams values (1, 'a'), (2, 'a')").await.unwrap();
    let files = ask(&[TEAMS, TEAMS_DOWN, NOTES, NOTES_DOWN]);
    for schema_only in [false, true] {
        let shown = world.migrations.rehearse(&Ask { schema_only, ..files.clone() }).await.unwrap();
        assert_eq!((shown.applied.len(), shown.taken_back.len(), shown.ways_back_lead_home), (1, 1, true));
    }
    assert_eq!(world.text("select to_regclass('notes')::text").await, None);
    let forgetful =
        ("0002_notes.sql", "create table notes (id int); alter table teams add column extra int;");
    let shown = world.migrations.rehearse(&ask(&[TEAMS, TEAMS_DOWN, forgetful, NOTES_DOWN])).await.unwrap();
    assert!(!shown.ways_back_lead_home);
    // The owner may there what it may here.
    let schema = ("0002_app.sql", "create schema app; create temporary table t (a int);");
    let back = ("0002_app.down.sql", "drop schema app;");
    let shown = world.migrations.rehearse(&ask(&[TEAMS, TEAMS_DOWN, schema, back])).await.unwrap();
    assert!(shown.ways_back_lead_home);
    // Only the rows tell that this one cannot be applied.
    let unique = ("0002_unique.sql", "alter table teams add unique (name);");
    let error = world.migrations.rehearse(&ask(&[TEAMS, TEAMS_DOWN, unique])).await.unwrap_err();
    assert!(error.to_string().contains("could not create unique index"), "{error}");
    let left = "select count(*)::text from pg_database
        where datname like 'palisade\\_copy\\_%' and datname like '%' || replace(current_database(), '_', '')";
    assert_eq!(world.text(left).await.as_deref(), Some("0"));
}

#[tokio::test]
async fn what_the_database_refuses_is_told_as_that_and_only_one_that_is_gone_as_gone() {
    let world = World::new().await;
    // Its rows come out of a rehearsal's copy, where it is asked for again.
    let view = "create table few (n int); insert into few values (1);
        create materialized view m as select 10 / n as q from few; update few set n = 0;";
    world.database.owner().await.batch_execute(view).await.unwrap();
    let error = world.migrations.rehearse(&ask(&[TEAMS])).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (Kind::Invalid, "migrate.database"));
    assert_eq!(error.to_string(), "the database refused: division by zero (22012)");
    let client = world.database.admin().await;
    let ended =
        Error::from(client.batch_execute("select pg_terminate_backend(pg_backend_pid())").await.unwrap_err());
    let gone = Error::from(client.batch_execute("select 1").await.unwrap_err());
    for error in [ended, gone] {
        assert_eq!(error.kind(), Kind::Unavailable);
        assert!(error.to_string().starts_with("the database is not answering: "), "{error}");
    }
}

#[tokio::test]
async fn every_statement_on_our_own_table_can_be_prepared() {
    let world = World::new().await;
    let client = world.database.admin().await;
    for sql in [
        migrate::sql::APPLIED,
        migrate::sql::RECORD,
        migrate::sql::FORGET,
        migrate::sql::NOW,
        migrate::sql::STALE_COPIES,
        migrate::sql::HAS_LOGIN,
        migrate::sql::SCHEMAS,
        migrate::sql::IS_SUPERUSER,
        migrate::sql::LARGE_OBJECTS,
        migrate::sql::MATERIALIZED,
        migrate::sql::SNAPSHOT,
    ] {
        client.prepare(sql).await.unwrap();
    }
}
