//! The snapshot of the catalog.

use std::time::Duration;

use data::catalog::{LinkKind, sql};

use crate::house::{House, run};

#[tokio::test]
async fn every_statement_of_the_catalog_prepares() {
    let house = House::new().await;
    let kept = testkit::Database::new(data::MIGRATIONS).await;
    let sender = kept.login(&kept.logins().system).await;
    for statement in data::repeat::ALL {
        sender.prepare(statement).await.unwrap_or_else(|error| panic!("{error:?}\n{statement}"));
    }
    let system = house.database.login(&house.database.logins().system).await;
    for statement in sql::ALL.iter().chain(&[
        data::permitted::PERMITTED,
        data::permitted::PERMITTED_COLUMNS,
        data::graph::rights::RIGHTS,
    ]) {
        system.prepare(statement).await.unwrap_or_else(|error| panic!("{error:?}\n{statement}"));
    }
}

#[tokio::test]
async fn links_are_found_from_every_end() {
    let house = House::new().await;
    let catalog = house.catalog();
    let links = |name: &str| {
        let relation = catalog.find("public", name).unwrap();
        let mut all: Vec<String> = catalog
            .links_of(relation.id)
            .iter()
            .map(|link| {
                let target = &catalog.relation(link.target).unwrap().name;
                let kind = match &link.kind {
                    LinkKind::OneToMany { constraint, .. } => format!("<{constraint}"),
                    LinkKind::ManyToOne { constraint, .. } => format!(">{constraint}"),
                    LinkKind::OneToOne { constraint, parent, .. } => format!("={constraint} {parent}"),
                    LinkKind::ManyToMany { .. } => "through".to_owned(),
                    LinkKind::Computed { name, .. } => format!("{name}()"),
                };
                format!("{target} {kind}")
            })
            .collect();
        all.sort();
        all.join(", ")
    };
    insta::assert_snapshot!(links("badges"), @"people =badges_person_fkey false");
    insta::assert_snapshot!(links("teams"), @"members <members_team_fkey, people through, tasks <tasks_team_fkey");
    insta::assert_snapshot!(links("team_names"), @"members <members_team_fkey, people through, tasks <tasks_team_fkey");
    insta::assert_snapshot!(links("people"), @"badges =badges_person_fkey true, members <members_person_fkey, people <people_boss_fkey, people >people_boss_fkey, tasks <tasks_author, tasks <tasks_reviewer, tasks written(), team_names through, teams through");
    let view = catalog.find("public", "team_names").unwrap();
    assert_eq!(view.primary_key, ["id".into()], "a view shows the key of its table");
    assert!(view.updatable && view.insertable);
}

#[tokio::test]
async fn a_reload_sees_what_changed_and_is_quick() {
    let house = House::new().await;
    let before = house.catalog();
    run(&house.database.owner().await, "CREATE TABLE later (id int PRIMARY KEY)").await;
    assert!(house.catalog().find("public", "later").is_none());
    let began = testkit::Stopwatch::start();
    let version = house.data.reload().await.unwrap();
    let took = began.elapsed();
    assert!(version > before.version);
    assert!(house.catalog().find("public", "later").is_some());
    assert!(before.find("public", "later").is_none(), "a snapshot in use does not change");
    // Unoptimised, on a busy machine.
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[tokio::test]
async fn the_snapshot_knows_what_code_behind_reads_may_do() {
    let house = House::new().await;
    let owner = house.database.owner().await;
    let known = async || {
        house.data.reload().await.unwrap();
        (house.catalog().reads_leave, house.catalog().request_is_read)
    };
    assert_eq!(known().await, (false, false));
    let harmless =
        "CREATE FUNCTION peek() RETURNS text LANGUAGE sql AS $$ SELECT current_setting('request.headers') $$";
    run(&owner, harmless).await;
    assert_eq!(known().await, (false, true));
    run(
        &owner,
        "CREATE FUNCTION locks() RETURNS text LANGUAGE sql AS $$ SELECT pg_advisory_lock(1)::text $$",
    )
    .await;
    assert_eq!(known().await, (false, true), "no read reaches it");
    run(&owner, "CREATE FUNCTION asks(teams) RETURNS text LANGUAGE sql AS $$ SELECT locks() $$").await;
    assert_eq!(known().await, (true, true), "a computed field calls it");
    run(&owner, "DROP FUNCTION asks(teams)").await;
    assert_eq!(known().await, (false, true));
    run(&owner, "CREATE POLICY locks ON teams FOR SELECT USING (pg_advisory_lock(1) IS NULL)").await;
    assert_eq!(known().await, (true, true), "a policy does it itself");
}
